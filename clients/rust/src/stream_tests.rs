//! A stream gives each event once and in order, whatever becomes of its connections.

use std::future::{poll_fn, ready};

use h2::Reason;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tonic::Code;

use super::*;
use crate::error::ErrorKind;
use crate::fake_daemon::{Answer, Daemon, EPOCH, batch, in_time, opened};
use crate::v1::stream_events_response::Frame;
use crate::v1::{Bookmark, Call, LiveWords};

/// What a stream gave, as text.
fn told(given: Result<Option<Item>, Error>) -> String {
    match given {
        Ok(Some(Item::Event(event))) => event.revision.to_string(),
        Ok(Some(Item::Live(words))) => words.text,
        Ok(Some(Item::Bookmark(cursor))) => format!("bookmark {}", cursor.revision),
        Ok(Some(Item::Resumed(cursor))) => format!("resumed {}", cursor.revision),
        Ok(None) => "end".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

/// Read the stream in a task of its own until it has given so many items.
fn reading(mut stream: EventStream, most: usize) -> JoinHandle<(Vec<String>, EventStream)> {
    tokio::spawn(async move {
        let mut items = Vec::new();
        while items.len() < most {
            items.push(told(stream.next().await));
        }
        (items, stream)
    })
}

/// Read the stream in a task of its own, and say what it gives as soon as it does.
fn watching(mut stream: EventStream) -> UnboundedReceiver<String> {
    let (say, given) = unbounded_channel();
    tokio::spawn(async move { while say.send(told(stream.next().await)).is_ok() {} });
    given
}

/// What the stream gives at once, if it does.
async fn at_once(stream: &mut EventStream) -> Option<Item> {
    tokio::select! {
        biased;
        item = stream.next() => item.unwrap(),
        () = ready(()) => None,
    }
}

fn one_call() -> Follow {
    let call = Some(Call { call_id: "one".to_owned(), ..Call::default() });
    Follow::placed(&PlaceCallResponse { call, revision: 3, epoch: EPOCH.to_owned(), replayed: false })
}

fn revision(stream: &EventStream) -> Option<i64> {
    stream.cursor().map(|cursor| cursor.revision)
}

#[tokio::test]
async fn what_is_asked_for() {
    let mut daemon = Daemon::start();
    let client = daemon.client();
    for (follow, asked) in [
        (Follow::all(), StreamEventsRequest::default()),
        (
            Follow::all().after(Cursor::new(EPOCH, 7)).types(["warning"]).live(),
            StreamEventsRequest {
                epoch: EPOCH.to_owned(),
                after_revision: Some(7),
                types: vec!["warning".to_owned()],
                include_live: true,
                ..Default::default()
            },
        ),
        (
            Follow::calls(["one", "two"]).after(Cursor::new(EPOCH, 7)).after_revision(0),
            StreamEventsRequest {
                after_revision: Some(0),
                call_ids: vec!["one".to_owned(), "two".to_owned()],
                ..Default::default()
            },
        ),
        (
            one_call(),
            StreamEventsRequest {
                epoch: EPOCH.to_owned(),
                after_revision: Some(2),
                call_ids: vec!["one".to_owned()],
                ..Default::default()
            },
        ),
    ] {
        let task = reading(client.events(follow), 1);
        let rpc = daemon.rpc("StreamEvents").await;
        assert_eq!(rpc.message::<StreamEventsRequest>(), asked);
        assert!(!rpc.headers.contains_key("grpc-timeout"), "a stream has no deadline");
        task.abort();
    }
}

#[tokio::test]
async fn events_come_in_order_and_the_cursor_is_behind_what_was_given() {
    let mut daemon = Daemon::start();
    let first = reading(daemon.client().events(Follow::all().after_revision(0).live()), 2);
    let (_, mut answer) = daemon.stream(9).await;
    answer.frame(batch(&[1, 2, 5]));
    answer.frame(Frame::Live(LiveWords { text: "Hel".to_owned(), ..LiveWords::default() }));
    answer.frame(Frame::Bookmark(Bookmark { revision: 8 }));
    let (items, stream) = first.await.unwrap();
    assert_eq!((items, revision(&stream)), (vec!["1".to_owned(), "2".to_owned()], Some(2)));
    let (items, stream) = reading(stream, 3).await.unwrap();
    assert_eq!(items, ["5", "Hel", "bookmark 8"]);
    assert_eq!(revision(&stream), Some(8));
}

#[tokio::test]
async fn a_restart_of_the_daemon_loses_and_repeats_nothing() {
    let mut daemon = Daemon::start();
    let mut given = watching(daemon.client().events(Follow::all()));
    let (_, mut answer) = daemon.stream(0).await;
    answer.frame(batch(&[1, 2]));
    assert_eq!(in_time(given.recv()).await.unwrap(), "1");
    assert_eq!(in_time(given.recv()).await.unwrap(), "2");
    daemon.kill();
    daemon.start_again();
    let (asked, mut answer) = daemon.stream(4).await;
    assert_eq!((asked.after_revision, asked.epoch.as_str()), (Some(2), EPOCH));
    answer.frame(batch(&[2, 3, 4]));
    for item in ["resumed 2", "3", "4"] {
        assert_eq!(in_time(given.recv()).await.unwrap(), item);
    }
}

#[tokio::test]
async fn what_reconnecting_mends_is_not_an_error() {
    type End = Box<dyn FnOnce(Answer)>;
    let failing = |code, reason: &'static str| Box::new(move |answer: Answer| answer.fail(code, reason)) as End;
    let resetting = |reason| Box::new(move |answer: Answer| answer.reset(reason)) as End;
    let mut daemon = Daemon::start();
    let mut given = watching(daemon.client().events(one_call()));
    let (_, mut answer) = daemon.stream(9).await;
    for (revision, end) in (3..).zip([
        failing(Code::Unavailable, "DRAINING"),
        failing(Code::Unavailable, "STORE_DOWN"),
        failing(Code::Unavailable, ""),
        failing(Code::Aborted, "CONSUMER_STALLED"),
        failing(Code::Internal, ""),
        // hyper takes the next two for a good end. A stream that is about a call must not.
        resetting(Reason::CANCEL),
        resetting(Reason::NO_ERROR),
        resetting(Reason::INTERNAL_ERROR),
        resetting(Reason::REFUSED_STREAM),
    ]) {
        answer.frame(batch(&[revision]));
        assert_eq!(in_time(given.recv()).await.unwrap(), revision.to_string());
        end(answer);
        let (asked, next) = daemon.stream(9).await;
        assert_eq!(asked.after_revision, Some(revision));
        assert_eq!(in_time(given.recv()).await.unwrap(), format!("resumed {revision}"));
        answer = next;
    }
}

#[tokio::test]
async fn what_reconnecting_does_not_mend_ends_the_stream() {
    let mut daemon = Daemon::start();
    for (code, reason, kind) in [
        (Code::OutOfRange, "CURSOR_COMPACTED", "CursorCompacted"),
        (Code::FailedPrecondition, "LOG_REPLACED", "LogReplaced"),
        (Code::Unauthenticated, "UNAUTHENTICATED", "Unauthenticated"),
        (Code::Internal, "INTERNAL", "Internal"),
    ] {
        let task = reading(daemon.client().events(Follow::all().after_revision(0)), 4);
        let (_, mut answer) = daemon.stream(1).await;
        answer.frame(batch(&[1]));
        answer.fail(code, reason);
        let (items, stream) = task.await.unwrap();
        assert_eq!(items, ["1", kind, "end", "end"]);
        assert_eq!(revision(&stream), Some(1));
        assert!(daemon.is_quiet());
    }
}

#[tokio::test]
async fn a_frame_that_cannot_be_read_ends_the_stream() {
    let mut daemon = Daemon::start();
    let task = reading(daemon.client().events(Follow::all().after_revision(0)), 2);
    let (_, mut answer) = daemon.stream(1).await;
    answer.frame(batch(&[1]));
    answer.0.send_data(vec![0, 0, 0, 0, 1, 0xff].into(), false).unwrap(); // a byte that begins a number, and no more
    let (items, mut stream) = task.await.unwrap();
    assert_eq!(items[0], "1");
    assert_eq!(items[1], "Other");
    assert_eq!(stream.next().await.unwrap(), None);
    assert_eq!(revision(&stream), Some(1));
    assert!(daemon.is_quiet());
}

#[tokio::test]
async fn before_the_first_frame_everything_is_an_error() {
    let mut daemon = Daemon::start();
    let task = reading(daemon.client().events(Follow::all()), 2);
    daemon.rpc("StreamEvents").await.fail(Code::Unavailable, "");
    assert_eq!(task.await.unwrap().0, ["Unreachable", "end"]);
    let client = daemon.client();
    daemon.kill();
    assert_eq!(reading(client.events(Follow::all()), 1).await.unwrap().0, ["Unreachable"]);
}

#[tokio::test]
async fn a_client_that_had_an_answer_waits_for_the_first_frame_too() {
    let mut daemon = Daemon::start();
    let client = daemon.client();
    let asking = tokio::spawn({
        let client = client.clone();
        async move { client.get_call("one").await }
    });
    daemon.rpc("GetCall").await.fail(Code::NotFound, "CALL_NOT_FOUND");
    assert_eq!(asking.await.unwrap().unwrap_err().kind(), ErrorKind::CallNotFound, "that is an answer");
    daemon.kill();
    let task = reading(client.events(Follow::all().after_revision(0)), 1);
    tokio::task::yield_now().await;
    daemon.start_again();
    let (_, mut answer) = daemon.stream(1).await;
    answer.frame(batch(&[1]));
    assert_eq!(task.await.unwrap().0, ["1"]);
}

#[tokio::test]
async fn a_call_is_followed_from_its_first_event_to_its_last() {
    let mut daemon = Daemon::start();
    let task = reading(daemon.client().events(one_call()), 4);
    let (_, mut answer) = daemon.stream(9).await;
    answer.frame(batch(&[3, 5]));
    answer.fail(Code::Ok, "");
    assert_eq!(task.await.unwrap().0, ["3", "5", "end", "end"]);
    assert!(daemon.is_quiet());
}

#[tokio::test]
async fn who_gives_a_wait_up_loses_nothing_and_asks_once() {
    let mut daemon = Daemon::start();
    let mut stream = daemon.client().events(Follow::all().after_revision(0));
    let rpc = loop {
        assert_eq!(at_once(&mut stream).await, None);
        tokio::task::yield_now().await;
        if !daemon.is_quiet() {
            break daemon.rpc("StreamEvents").await;
        }
    };
    let mut answer = rpc.begin();
    answer.frame(opened(2));
    answer.frame(batch(&[1, 2]));
    let mut given = Vec::new();
    while given.len() < 2 {
        if let Some(Item::Event(event)) = at_once(&mut stream).await {
            given.push(event.revision);
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(given, [1, 2]);
    assert!(daemon.is_quiet());
}

#[tokio::test]
async fn who_leaves_is_given_nothing_more_and_the_daemon_knows() {
    let mut daemon = Daemon::start();
    let task = reading(daemon.client().events(Follow::all().after_revision(0)), 1);
    let (_, mut answer) = daemon.stream(2).await;
    answer.frame(batch(&[1, 2]));
    let (items, mut stream) = task.await.unwrap();
    assert_eq!(items, ["1"]);
    stream.leave();
    assert_eq!(stream.next().await.unwrap(), None);
    assert_eq!(revision(&stream), Some(1));
    let reset = in_time(poll_fn(|context| answer.0.poll_reset(context))).await.unwrap();
    assert_eq!(reset, Reason::CANCEL);
}

#[tokio::test]
async fn a_stream_that_is_not_read_holds_the_daemon_back_and_nobody_else() {
    let mut daemon = Daemon::start();
    let client = daemon.client();
    let mut unread = client.events(Follow::all().after_revision(0));
    assert_eq!(at_once(&mut unread).await, None, "it asks, and reads no further");
    let mut answer = daemon.rpc("StreamEvents").await.begin();
    assert_eq!(answer.room().await, 65_535, "the daemon runs no further ahead");
    answer.frame(opened(9));
    answer.frame(Frame::Live(LiveWords { text: "x".repeat(1 << 20), ..LiveWords::default() }));
    let asking = tokio::spawn(async move { client.get_call("one").await });
    daemon.rpc("GetCall").await.answer(&crate::v1::GetCallResponse { revision: 7, ..Default::default() });
    assert_eq!(asking.await.unwrap().unwrap().revision, 7);
    let given = in_time(unread.next()).await.unwrap();
    assert!(matches!(given, Some(Item::Live(words)) if words.text.len() == 1 << 20), "it was only held back");
}
