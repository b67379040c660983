//! A daemon for the tests: it takes RPCs, hands each to the test, and answers what the test says.

use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::{BufMut, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::{HeaderMap, Response};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, JoinSet};
use tonic::{Code, Status};

use crate::client::{Builder, Client};
use crate::status::{ErrorInfo, Status as Packed};
use crate::v1::stream_events_response::Frame;
use crate::v1::{Event, EventBatch, StreamEventsRequest, StreamEventsResponse, StreamOpened};

pub(crate) const EPOCH: &str = "5f0c2a19d3b84e67";
static SOCKETS: AtomicU32 = AtomicU32::new(0);

/// Listens on a Unix socket of its own.
pub(crate) struct Daemon {
    path: PathBuf,
    come: UnboundedReceiver<Rpc>,
    arrive: UnboundedSender<Rpc>,
    listening: Option<AbortHandle>,
}

impl Daemon {
    pub(crate) fn start() -> Self {
        let number = SOCKETS.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("agentic-{}-{number}.sock", std::process::id()));
        let (arrive, come) = unbounded_channel();
        let mut daemon = Self { path, come, arrive, listening: None };
        daemon.start_again();
        daemon
    }

    pub(crate) fn start_again(&mut self) {
        let listener = UnixListener::bind(&self.path).unwrap();
        let arrive = self.arrive.clone();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new(); // which end with this task
            loop {
                let (io, _) = listener.accept().await.unwrap();
                connections.spawn(serve(io, arrive.clone()));
            }
        });
        self.listening = Some(serving.abort_handle());
    }

    /// As `kill -9` does it: nobody is told.
    pub(crate) fn kill(&mut self) {
        self.listening.take().unwrap().abort();
        std::fs::remove_file(&self.path).unwrap();
    }

    /// Takes requests on a port, too, and says its address.
    pub(crate) async fn listen_on_loopback(&mut self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let arrive = self.arrive.clone();
        tokio::spawn(async move { serve(listener.accept().await.unwrap().0, arrive).await });
        address
    }

    pub(crate) fn builder(&self) -> Builder {
        Client::builder().address(format!("unix:{}", self.path.display()))
    }

    pub(crate) fn client(&self) -> Client {
        self.builder().connect().unwrap()
    }

    /// The next RPC, which must be of this method.
    pub(crate) async fn rpc(&mut self, method: &str) -> Rpc {
        let rpc = in_time(self.come.recv()).await.unwrap();
        assert_eq!(rpc.method, method);
        rpc
    }

    /// The next RPC, a stream, with what it asks for; its answer has begun.
    pub(crate) async fn stream(&mut self, head: i64) -> (StreamEventsRequest, Answer) {
        let rpc = self.rpc("StreamEvents").await;
        let request = rpc.message();
        let mut answer = rpc.begin();
        answer.frame(opened(head));
        (request, answer)
    }

    /// Whether no RPC has come that the test has not taken.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.come.is_empty()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.listening.is_some() {
            self.kill();
        }
    }
}

async fn serve(io: impl AsyncRead + AsyncWrite + Unpin, arrive: UnboundedSender<Rpc>) {
    let Ok(mut connection) = h2::server::handshake(io).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let arrive = arrive.clone();
        tokio::spawn(async move {
            let (head, mut body) = request.into_parts();
            let mut sent = BytesMut::new();
            while let Some(Ok(data)) = body.data().await {
                body.flow_control().release_capacity(data.len()).unwrap();
                sent.put(data);
            }
            let method = head.uri.path().rsplit('/').next().unwrap().to_owned();
            let _nobody_waits = arrive.send(Rpc { method, headers: head.headers, sent: sent.freeze(), respond });
        });
    }
}

/// One RPC that has come.
pub(crate) struct Rpc {
    method: String,
    pub(crate) headers: HeaderMap,
    sent: Bytes,
    respond: SendResponse<Bytes>,
}

impl Rpc {
    pub(crate) fn message<T: Message + Default>(&self) -> T {
        T::decode(&self.sent[5..]).unwrap()
    }

    pub(crate) fn answer(self, message: &impl Message) {
        let mut answer = self.begin();
        answer.send(message);
        answer.end(&Status::new(Code::Ok, ""));
    }

    pub(crate) fn fail(self, code: Code, reason: &str) {
        self.begin().fail(code, reason);
    }

    pub(crate) fn begin(mut self) -> Answer {
        let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
        Answer(self.respond.send_response(head, false).unwrap())
    }
}

/// What is answered, while it is.
pub(crate) struct Answer(pub(crate) SendStream<Bytes>);

impl Answer {
    pub(crate) fn send(&mut self, message: &impl Message) {
        let mut framed = BytesMut::new();
        framed.put_u8(0);
        framed.put_u32(u32::try_from(message.encoded_len()).unwrap());
        message.encode(&mut framed).unwrap();
        self.0.send_data(framed.freeze(), false).unwrap();
    }

    pub(crate) fn frame(&mut self, frame: Frame) {
        self.send(&StreamEventsResponse { frame: Some(frame) });
    }

    /// End it with a status; `Code::Ok` is the good end of a stream.
    pub(crate) fn fail(self, code: Code, reason: &str) {
        let info = ErrorInfo { reason: reason.to_owned(), domain: "agenticd".to_owned(), metadata: Default::default() };
        let type_url = "type.googleapis.com/google.rpc.ErrorInfo".to_owned();
        let details = vec![prost_types::Any { type_url, value: info.encode_to_vec() }];
        let packed = if reason.is_empty() { Vec::new() } else { Packed { details }.encode_to_vec() };
        self.end(&Status::with_details(code, format!("the daemon says {reason}"), packed.into()));
    }

    fn end(mut self, status: &Status) {
        let mut trailers = HeaderMap::new();
        status.add_header(&mut trailers).unwrap();
        self.0.send_trailers(trailers).unwrap();
    }

    /// How much the client takes before it reads, by now.
    pub(crate) async fn room(&mut self) -> usize {
        self.0.reserve_capacity(64 << 20);
        poll_fn(|context| self.0.poll_capacity(context)).await.unwrap().unwrap()
    }

    /// As a proxy that gives up.
    pub(crate) fn reset(mut self, reason: Reason) {
        self.0.send_reset(reason);
    }
}

/// So that a test which waits for what never comes fails, and does not hang.
pub(crate) async fn in_time<T>(coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(std::time::Duration::from_secs(60), coming).await.expect("it comes")
}

pub(crate) fn opened(revision: i64) -> Frame {
    Frame::Opened(StreamOpened { revision, first_revision: 1, epoch: EPOCH.to_owned(), node_id: "n".to_owned() })
}

pub(crate) fn batch(revisions: &[i64]) -> Frame {
    let events = revisions.iter().map(|&revision| Event { revision, ..Event::default() }).collect();
    Frame::Batch(EventBatch { events })
}
