//! The client: one method for each RPC, with typed errors, deadlines, and retries that cannot dial twice.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::calls::Calls;
use crate::channel;
use crate::error::{Error, ErrorKind};
use crate::follower::Follower;
use crate::random::{scattered, uuid};
use crate::retry::Patience;
use crate::status::Details;
use crate::stream::{EventStream, Follow};
use crate::target::{self, Credentials};
use crate::v1::call_service_client::CallServiceClient;
use crate::v1::node_service_client::NodeServiceClient;
use crate::v1::{
    DrainRequest, DrainResponse, GetCallRequest, GetCallResponse, GetStatusRequest, GetStatusResponse,
    GetTranscriptRequest, GetTranscriptResponse, HangUpRequest, HangUpResponse, ListCallsRequest, ListCallsResponse,
    PlaceCallRequest, PlaceCallResponse, StreamEventsRequest, StreamEventsResponse,
};

/// Where the daemon is, and how to talk to it. What is not said has its default.
#[must_use = "call connect"]
pub struct Builder {
    address: Option<String>,
    credentials: Credentials,
    timeout: Duration,
}

impl Builder {
    /// `unix:/path`; a port on loopback, `127.0.0.1:50051`; `host:port` on another machine, always with TLS;
    /// `tls:host:port` for TLS on loopback, too.
    ///
    /// Default: `$AGENTCTL_ADDR`, else the first `agenticd.sock` that exists in `$RUNTIME_DIRECTORY`,
    /// `$XDG_RUNTIME_DIR/agenticd` (without that variable: `agenticd-<uid>` in the temporary directory, if it is the
    /// user's own) and `/run/agenticd`.
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// The daemon's token. A Unix socket needs none.
    ///
    /// Default: what is in the file `$AGENTCTL_TOKEN_FILE`; for a port on loopback without TLS also what is in the first
    /// file `token` that can be read in the directories of [`address`](Self::address).
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.credentials.token = Some(token.into());
        self
    }

    /// A PEM file of the authorities that may have signed the daemon's certificate, for TLS only. Default:
    /// `$AGENTCTL_CA_FILE`, else those of the system.
    pub fn ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.credentials.tls.ca = Some(file.into());
        self
    }

    /// PEM files of a certificate to show to the daemon, and of its key, for TLS only. Default: `$AGENTCTL_CERT_FILE` and
    /// `$AGENTCTL_KEY_FILE`, else none.
    pub fn identity(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.credentials.tls.identity = Some((certificate.into(), key.into()));
        self
    }

    /// How long an answer may take, all attempts together: more than zero; above 30 years it is 30 years. Default: 10 s.
    /// A stream has no such limit.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// A client. It connects with its first request.
    ///
    /// Fails with `InvalidArgument` for an address of another form, for a file that cannot be read or holds something
    /// else, and for a timeout of zero.
    ///
    /// # Panics
    ///
    /// Where no tokio runtime runs.
    pub fn connect(self) -> Result<Client, Error> {
        if self.timeout.is_zero() {
            return Err(Error::refused("timeout: more than zero; 10 s if it is not given"));
        }
        let timeout = self.timeout.min(channel::LONGEST_TIMEOUT);
        let env = |name: &str| std::env::var(name).ok();
        let target = target::find(self.address.as_deref(), self.credentials, &env)?;
        let channel = channel::open(&target)?;
        let authorization = target.token.as_deref().map(channel::authorization).transpose()?;
        let silence = format!("no connection to {}", target.place);
        let proven = AtomicBool::new(false);
        Ok(Client(Arc::new(Inner { channel, authorization, timeout, silence, proven })))
    }
}

/// A connection to one daemon. Clones share it.
///
/// Answers are the contract's messages, [`crate::v1`], whose comments say in what cases each request fails. While a daemon
/// that has answered before is away, a request is sent again until the timeout is over; every request is safe to repeat.
/// One that never answered is an error, for the address is most likely wrong: within a second where the connection is
/// refused, and where nothing comes back at all for a request when its timeout is over, for a stream after 5 s.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    channel: Channel,
    authorization: Option<MetadataValue<Ascii>>,
    timeout: Duration,
    /// What an error says before why nobody answered.
    silence: String,
    /// A daemon has answered here.
    proven: AtomicBool,
}

impl Client {
    /// A client of the daemon where it is by default: see [`Builder`].
    pub fn connect() -> Result<Self, Error> {
        Self::builder().connect()
    }

    /// A client of another daemon, or with other settings.
    pub fn builder() -> Builder {
        Builder { address: None, credentials: Credentials::default(), timeout: channel::TIMEOUT }
    }

    /// Have an agent call somebody: a number, `+15550001111`, or a whole [`PlaceCallRequest`]. Answers when the call is
    /// durably queued; then [`follow`](Self::follow) it.
    ///
    /// Without `request_id` one is made, so that a retry cannot dial twice. Where the outcome is not known
    /// (`DeadlineExceeded`, `Unreachable`), the error has it: to repeat the order within 24 hours with that `request_id`
    /// is safe.
    ///
    /// Fails with `InvalidArgument` (see [`Error::violations`]), `RequestIdReused`, `TooManyCalls`, `Draining`, `StoreDown`.
    pub async fn place_call(&self, call: impl Into<PlaceCallRequest>) -> Result<PlaceCallResponse, Error> {
        let mut order = call.into();
        if order.request_id.is_empty() {
            order.request_id = uuid();
        }
        let request_id = order.request_id.clone();
        let answer = self.ask(order, |client, order| async move { client.calls().place_call(order).await }).await;
        answer.map_err(|error| error.with_request_id(request_id))
    }

    /// End a call, whatever its state. A call that has ended is shown as it ended. `reason`: at most 256 characters, for
    /// the record, or empty.
    pub async fn hang_up(&self, call_id: &str, reason: &str) -> Result<HangUpResponse, Error> {
        let request = HangUpRequest { call_id: call_id.to_owned(), reason: reason.to_owned() };
        self.ask(request, |client, request| async move { client.calls().hang_up(request).await }).await
    }

    /// Show a call.
    pub async fn get_call(&self, call_id: &str) -> Result<GetCallResponse, Error> {
        let request = GetCallRequest { call_id: call_id.to_owned() };
        self.ask(request, |client, request| async move { client.calls().get_call(request).await }).await
    }

    /// A page of calls, newest first.
    pub async fn list_calls(&self, request: ListCallsRequest) -> Result<ListCallsResponse, Error> {
        self.ask(request, |client, request| async move { client.calls().list_calls(request).await }).await
    }

    /// All calls, newest first, page by page. `filter`: which, how many a page, and from which page on;
    /// `ListCallsRequest::default()` is all.
    pub fn all_calls(&self, filter: ListCallsRequest) -> Calls {
        Calls::new(self.clone(), filter)
    }

    /// What was said in a call so far, in the order of the conversation.
    pub async fn transcript(&self, call_id: &str) -> Result<GetTranscriptResponse, Error> {
        let request = GetTranscriptRequest { call_id: call_id.to_owned() };
        self.ask(request, |client, request| async move { client.calls().get_transcript(request).await }).await
    }

    /// What the daemon is and does.
    pub async fn status(&self) -> Result<GetStatusResponse, Error> {
        let request = GetStatusRequest {};
        self.ask(request, |client, request| async move { client.node().get_status(request).await }).await
    }

    /// Let the daemon take no new calls, until it is started again; those that live go on to their ends.
    pub async fn drain(&self) -> Result<DrainResponse, Error> {
        let request = DrainRequest {};
        self.ask(request, |client, request| async move { client.node().drain(request).await }).await
    }

    /// All events of a call that `place_call` has placed, from its first to its last.
    pub fn follow(&self, placed: &PlaceCallResponse) -> EventStream {
        self.events(Follow::placed(placed))
    }

    /// Events: of some calls, of some kinds, from a place in the log on, with words while they are spoken.
    pub fn events(&self, follow: Follow) -> EventStream {
        let proven = self.0.proven.load(Ordering::Relaxed);
        EventStream::new(self.clone(), Follower::new(follow.into_request(), proven))
    }

    pub(crate) fn stream(
        &self,
        request: StreamEventsRequest,
    ) -> impl Future<Output = Result<Response<Streaming<StreamEventsResponse>>, Status>> + Send + 'static {
        let (request, mut calls) = (self.request(request), self.calls());
        async move { calls.stream_events(request).await }
    }

    pub(crate) fn has_answered(&self) {
        self.0.proven.store(true, Ordering::Relaxed);
    }

    /// The typed error, and whether it is an answer.
    pub(crate) fn error(&self, status: &Status) -> Error {
        let error = Error::of_status(status, &self.0.silence);
        if !error.reason().is_empty() {
            self.has_answered();
        }
        error
    }

    async fn ask<Q, A, F>(&self, request: Q, send: impl Fn(Self, Request<Q>) -> F) -> Result<A, Error>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let deadline = Instant::now() + self.0.timeout;
        let mut patience = Patience::default();
        loop {
            let mut attempt = self.request(request.clone());
            attempt.set_timeout(deadline.saturating_duration_since(Instant::now()));
            let outcome = timeout_at(deadline, send(self.clone(), attempt)).await;
            let error = match outcome.map(|answer| answer.map_err(|status| self.error(&status))) {
                Ok(Ok(response)) => {
                    self.has_answered();
                    return Ok(response.into_inner());
                }
                Ok(Err(error)) if error.kind() != ErrorKind::DeadlineExceeded => error,
                // The transport has a clock of its own, and is sometimes the first to see it.
                Ok(Err(_)) | Err(_) => Error::new(Code::DeadlineExceeded, self.late(), Details::default()),
            };
            let delay = patience.wait(&error, self.0.proven.load(Ordering::Relaxed)).map(scattered);
            match delay.filter(|delay| Instant::now() + *delay < deadline) {
                Some(delay) => sleep(delay).await,
                None => return Err(error),
            }
        }
    }

    fn late(&self) -> String {
        format!("no answer within {:?}", self.0.timeout)
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(value) = &self.0.authorization {
            request.metadata_mut().insert("authorization", value.clone());
        }
        request
    }

    fn calls(&self) -> CallServiceClient<Channel> {
        CallServiceClient::new(self.0.channel.clone()).max_decoding_message_size(channel::LARGEST_MESSAGE)
    }

    fn node(&self) -> NodeServiceClient<Channel> {
        NodeServiceClient::new(self.0.channel.clone()).max_decoding_message_size(channel::LARGEST_MESSAGE)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("address", &self.address).finish_non_exhaustive() // a token is a secret
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("timeout", &self.0.timeout).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
