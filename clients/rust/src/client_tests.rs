//! The client asks for what the program meant, tries again only what may pass, and says what went wrong.

use tokio::task::JoinHandle;

use super::*;
use crate::fake_daemon::{Daemon, EPOCH};
use crate::v1::{AgentOverrides, Call, CallState};

const SOMEBODY: &str = "+15550002222";

fn placing(client: &Client, request_id: &str) -> JoinHandle<Result<PlaceCallResponse, Error>> {
    let client = client.clone();
    let order = PlaceCallRequest { request_id: request_id.to_owned(), ..SOMEBODY.into() };
    tokio::spawn(async move { client.place_call(order).await })
}

fn placed() -> PlaceCallResponse {
    let call = Some(Call { call_id: "one".to_owned(), ..Call::default() });
    PlaceCallResponse { call, revision: 2, epoch: EPOCH.to_owned(), replayed: false }
}

/// A client to which the daemon has answered.
async fn known(daemon: &mut Daemon, client: Client) -> Client {
    let asking = tokio::spawn({
        let client = client.clone();
        async move { client.status().await }
    });
    daemon.rpc("GetStatus").await.answer(&GetStatusResponse { version: "0.9.0".to_owned(), ..Default::default() });
    assert_eq!(asking.await.unwrap().unwrap().version, "0.9.0");
    client
}

#[tokio::test]
async fn an_order_is_sent_as_it_was_meant() {
    let mut daemon = Daemon::start();
    let client = daemon.client();
    let overrides = Some(AgentOverrides { greeting: Some(String::new()), ..AgentOverrides::default() });
    let order = PlaceCallRequest { to_address: SOMEBODY.to_owned(), overrides, ..PlaceCallRequest::default() };
    let asking = tokio::spawn({
        let order = order.clone();
        async move { client.place_call(order).await }
    });
    let rpc = daemon.rpc("PlaceCall").await;
    let sent: PlaceCallRequest = rpc.message();
    assert_eq!(sent.request_id.len(), 36, "one is made, lest a retry dials twice");
    assert_eq!(PlaceCallRequest { request_id: String::new(), ..sent }, order);
    assert!(rpc.headers.contains_key("grpc-timeout"), "the daemon knows how long somebody waits");
    assert!(!rpc.headers.contains_key("authorization"), "a Unix socket needs no token");
    rpc.answer(&placed());
    assert_eq!(asking.await.unwrap().unwrap(), placed());
}

#[tokio::test]
async fn what_may_pass_is_tried_again_with_the_same_request_id() {
    let mut daemon = Daemon::start();
    let asking = placing(&daemon.client(), "");
    let mut ids = std::collections::HashSet::new();
    for reason in ["STORE_DOWN", "", "DRAINING"] {
        let rpc = daemon.rpc("PlaceCall").await;
        ids.insert(rpc.message::<PlaceCallRequest>().request_id);
        rpc.fail(Code::Unavailable, reason);
    }
    daemon.rpc("PlaceCall").await.answer(&placed());
    assert_eq!(asking.await.unwrap().unwrap(), placed());
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn an_error_of_an_order_has_its_request_id_and_is_not_tried_again() {
    let mut daemon = Daemon::start();
    let client = daemon.client();
    for (code, reason, kind) in [
        (Code::InvalidArgument, "INVALID_ARGUMENT", ErrorKind::InvalidArgument),
        (Code::Internal, "INTERNAL", ErrorKind::Internal),
        (Code::Aborted, "", ErrorKind::Other),
    ] {
        let asking = placing(&client, "mine");
        daemon.rpc("PlaceCall").await.fail(code, reason);
        let error = asking.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.reason(), error.request_id()), (kind, reason, "mine"));
        assert!(daemon.is_quiet());
    }
}

#[tokio::test]
async fn an_order_rides_over_a_restart_of_a_daemon_that_has_answered() {
    let mut daemon = Daemon::start();
    let client = daemon.client();
    let client = known(&mut daemon, client).await;
    let other = daemon.client();
    daemon.kill();
    let asking = placing(&client, "");
    let error = other.status().await.unwrap_err();
    assert_eq!((error.kind(), error.code_name(), error.reason()), (ErrorKind::Unreachable, "UNAVAILABLE", ""));
    assert!(error.to_string().contains("no connection to unix:/"), "{error}");
    assert!(!asking.is_finished(), "who was answered before waits longer");
    daemon.start_again();
    daemon.rpc("PlaceCall").await.answer(&placed());
    assert_eq!(asking.await.unwrap().unwrap(), placed());
}

#[tokio::test]
async fn a_connection_that_breaks_behind_an_order_repeats_it() {
    let mut daemon = Daemon::start();
    let client = daemon.client();
    let client = known(&mut daemon, client).await;
    let asking = placing(&client, "");
    let first: PlaceCallRequest = daemon.rpc("PlaceCall").await.message();
    daemon.kill();
    daemon.start_again();
    let rpc = daemon.rpc("PlaceCall").await;
    assert_eq!(rpc.message::<PlaceCallRequest>(), first);
    rpc.answer(&placed());
    assert_eq!(asking.await.unwrap().unwrap(), placed());
}

#[tokio::test]
async fn a_daemon_that_stays_away_is_unreachable_within_the_deadline() {
    let mut daemon = Daemon::start();
    let client = daemon.builder().timeout(Duration::from_millis(500)).connect().unwrap();
    let client = known(&mut daemon, client).await;
    daemon.kill();
    let error = placing(&client, "mine").await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.request_id()), (ErrorKind::Unreachable, "mine"));
}

#[tokio::test]
async fn a_daemon_that_is_silent_exceeds_the_deadline() {
    let mut daemon = Daemon::start();
    let client = daemon.builder().timeout(Duration::from_millis(50)).connect().unwrap();
    let asking = placing(&client, "mine");
    let _silent = daemon.rpc("PlaceCall").await;
    let error = asking.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.code_name()), (ErrorKind::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    assert_eq!((error.request_id(), error.to_string()), ("mine", "no answer within 50ms".to_owned()));
}

#[tokio::test]
async fn a_timeout_is_more_than_nothing_and_may_be_without_end() {
    let mut daemon = Daemon::start();
    let refused = daemon.builder().timeout(Duration::ZERO).connect().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    assert!(refused.to_string().contains("timeout"), "{refused}");
    let client = daemon.builder().timeout(Duration::MAX).connect().unwrap();
    known(&mut daemon, client).await;
}

#[tokio::test]
async fn the_token_is_shown_on_loopback() {
    let mut daemon = Daemon::start();
    let address = daemon.listen_on_loopback().await;
    let client = Client::builder().address(address).token("s3cret").connect().unwrap();
    let asking = tokio::spawn(async move { client.get_call("one").await });
    let rpc = daemon.rpc("GetCall").await;
    assert_eq!(rpc.headers["authorization"], "Bearer s3cret");
    assert_eq!(rpc.message::<GetCallRequest>().call_id, "one");
    rpc.fail(Code::NotFound, "CALL_NOT_FOUND");
    assert_eq!(asking.await.unwrap().unwrap_err().kind(), ErrorKind::CallNotFound);
}

#[tokio::test]
async fn what_cannot_be_connected_to_is_refused_before_anything_is_sent() {
    let refused = |builder: Builder| builder.connect().unwrap_err();
    let here = || Client::builder().address("tls:127.0.0.1:50051");
    let token = refused(Client::builder().address("127.0.0.1:50051").token("two\nlines"));
    assert_eq!(token.kind(), ErrorKind::InvalidArgument);
    let missing = refused(here().ca("/nowhere/ca.pem"));
    assert!(missing.to_string().starts_with("/nowhere/ca.pem: "), "{missing}");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let other = refused(here().ca(source));
    assert!(other.to_string().contains("no certificate in it, in PEM"), "{other}");
}

#[tokio::test]
async fn all_calls_come_page_by_page_and_are_a_cursor() {
    let mut daemon = Daemon::start();
    let ended = vec![i32::from(CallState::Ended)];
    let mut calls = daemon.client().all_calls(ListCallsRequest { states: ended.clone(), ..Default::default() });
    assert_eq!(calls.cursor(), None);
    let reading = tokio::spawn(async move {
        let mut ids = Vec::new();
        while let Some(call) = calls.next().await.unwrap() {
            ids.push(call.call_id);
        }
        (ids, calls)
    });
    let pages = [("", vec!["c", "b"], "2", 9), ("2", vec![], "3", 10), ("3", vec!["a"], "", 11)];
    for (token, ids, next_page_token, revision) in pages {
        let rpc = daemon.rpc("ListCalls").await;
        let asked: ListCallsRequest = rpc.message();
        assert_eq!((asked.page_token.as_str(), &asked.states), (token, &ended));
        let calls = ids.into_iter().map(|id| Call { call_id: id.to_owned(), ..Call::default() }).collect();
        let (next_page_token, epoch) = (next_page_token.to_owned(), EPOCH.to_owned());
        rpc.answer(&ListCallsResponse { calls, next_page_token, revision, epoch });
    }
    let (ids, calls) = reading.await.unwrap();
    assert_eq!(ids, ["c", "b", "a"]);
    assert_eq!(calls.cursor().map(ToString::to_string), Some(format!("{EPOCH}:9")), "that of the first page");
    assert!(daemon.is_quiet());
}

#[tokio::test]
async fn other_requests() {
    let mut daemon = Daemon::start();
    let client = daemon.client();
    let asking = tokio::spawn(async move {
        let hung_up = client.hang_up("one", "enough").await.unwrap();
        let said = client.transcript("one").await.unwrap();
        (hung_up.revision, said.revision, client.drain().await.unwrap().live_calls)
    });
    let rpc = daemon.rpc("HangUp").await;
    let asked: HangUpRequest = rpc.message();
    assert_eq!((asked.call_id.as_str(), asked.reason.as_str()), ("one", "enough"));
    rpc.answer(&HangUpResponse { revision: 7, ..Default::default() });
    let rpc = daemon.rpc("GetTranscript").await;
    assert_eq!(rpc.message::<GetTranscriptRequest>().call_id, "one");
    rpc.answer(&GetTranscriptResponse { revision: 8, ..Default::default() });
    daemon.rpc("Drain").await.answer(&DrainResponse { live_calls: 9 });
    assert_eq!(asking.await.unwrap(), (7, 8, 9));
}
