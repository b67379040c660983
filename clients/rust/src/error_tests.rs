//! Errors are typed by the contract's reasons, and carry what the daemon said beside its message.

use prost::Message;
use tonic::Status;

use super::*;
use crate::status::{BadRequest, ErrorInfo, FieldViolation, ResourceInfo, RetryInfo};
use crate::v1::ErrorReason;

fn packed(name: &str, message: &impl Message) -> prost_types::Any {
    prost_types::Any { type_url: format!("type.googleapis.com/google.rpc.{name}"), value: message.encode_to_vec() }
}

fn info(reason: &str, metadata: &[(&str, &str)]) -> prost_types::Any {
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    packed("ErrorInfo", &ErrorInfo { reason: reason.to_owned(), domain: "agenticd".to_owned(), metadata })
}

fn failed(code: Code, details: Vec<prost_types::Any>) -> Error {
    let details = status::Status { details }.encode_to_vec();
    Status::with_details(code, "the daemon says so", details.into()).into()
}

/// The contract's reasons, without their prefix.
fn reasons() -> impl Iterator<Item = &'static str> {
    let reasons = (1..).map_while(|number| ErrorReason::try_from(number).ok());
    reasons.map(|reason| reason.as_str_name().trim_start_matches("ERROR_REASON_"))
}

#[test]
fn every_reason_of_the_contract_has_its_own_kind() {
    let mut kinds = std::collections::HashSet::new();
    for reason in reasons() {
        let error = failed(Code::FailedPrecondition, vec![info(reason, &[("spam", "eggs")])]);
        assert!(kinds.insert(error.kind()), "{reason}: {:?}", error.kind());
        assert_eq!(format!("{:?}", error.kind()).to_uppercase(), reason.replace('_', ""));
        assert_eq!((error.reason(), error.code_name()), (reason, "FAILED_PRECONDITION"));
        assert_eq!(error.metadata()["spam"], "eggs");
        assert_eq!(error.to_string(), "the daemon says so");
    }
    assert_eq!(kinds.len(), 13);
    assert!(!kinds.contains(&ErrorKind::Other));
}

#[test]
fn a_reason_of_a_newer_daemon_is_typed_by_its_code() {
    for (code, kind) in [
        (Code::InvalidArgument, ErrorKind::InvalidArgument),
        (Code::Unavailable, ErrorKind::Unavailable),
        (Code::DeadlineExceeded, ErrorKind::DeadlineExceeded),
        (Code::Unauthenticated, ErrorKind::Unauthenticated),
        (Code::DataLoss, ErrorKind::Other),
    ] {
        let error = failed(code, vec![info("SPAM", &[])]);
        assert_eq!((error.kind(), error.reason()), (kind, "SPAM"));
    }
}

#[test]
fn wrong_fields_and_waiting_times_are_there() {
    let wrong = FieldViolation { field: "to_address".to_owned(), description: "must begin with +".to_owned() };
    let delay = prost_types::Duration { seconds: 2, nanos: 500_000_000 };
    let error = failed(
        Code::InvalidArgument,
        vec![
            info("INVALID_ARGUMENT", &[]),
            packed("BadRequest", &BadRequest { field_violations: vec![wrong] }),
            packed("RetryInfo", &RetryInfo { retry_delay: Some(delay) }),
        ],
    );
    let (field, description) = ("to_address".to_owned(), "must begin with +".to_owned());
    assert_eq!(error.violations(), [Violation { field, description }]);
    assert_eq!(error.retry_after(), Some(Duration::from_millis(2500)));
}

#[test]
fn what_a_reason_says_more_has_a_name() {
    let with = |reason: &str, key: &str, value: &str| failed(Code::OutOfRange, vec![info(reason, &[(key, value)])]);
    assert_eq!(with("CURSOR_COMPACTED", "first_revision", "40").first_revision(), 40);
    assert_eq!(with("CURSOR_COMPACTED", "first_revision", "many").first_revision(), 0);
    assert_eq!(with("CURSOR_COMPACTED", "", "").first_revision(), 0);
    assert_eq!(with("LOG_REPLACED", "epoch", "e").epoch(), "e");
    assert_eq!(with("CARRIER_REJECTED", "carrier_code", "21211").carrier_code(), 21211);
    assert_eq!(with("CALL_NOT_LIVE", "state", "ENDED").state(), "ENDED");
    assert_eq!(with("TOO_MANY_CALLS", "limit", "500").limit(), 500);
    assert_eq!(with("INTERNAL", "incident", "abc").incident(), "abc");
    let resource = packed("ResourceInfo", &ResourceInfo { resource_name: "01X".to_owned() });
    assert_eq!(failed(Code::NotFound, vec![info("CALL_NOT_FOUND", &[]), resource]).call_id(), "01X");
}

#[test]
fn what_others_send_as_details_is_not_taken_for_ours() {
    let foreign = ErrorInfo { reason: "DRAINING".to_owned(), domain: "example.com".to_owned(), ..Default::default() };
    let error = failed(Code::Unavailable, vec![packed("ErrorInfo", &foreign)]);
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unreachable, ""));
}

#[test]
fn bytes_that_are_no_details_leave_the_code() {
    for bytes in [&b"\xff\xff"[..], b"\x1a\x02\x0a\x7f", b"spam"] {
        let error: Error = Status::with_details(Code::NotFound, "x", bytes.to_vec().into()).into();
        assert_eq!((error.kind(), error.code(), error.reason()), (ErrorKind::Other, Code::NotFound, ""));
    }
}

#[test]
fn a_broken_connection_is_nobody_who_answers_whatever_the_transport_calls_it() {
    let broken = std::io::Error::new(std::io::ErrorKind::BrokenPipe, "the pipe broke");
    let error: Error = Status::from_error(Box::new(broken)).into();
    assert_eq!((error.kind(), error.code_name()), (ErrorKind::Unreachable, "UNAVAILABLE"));
    assert_eq!(error.to_string(), "no connection: the pipe broke");
    let said: Error = Status::unknown("the daemon's own word").into();
    assert_eq!((said.kind(), said.code_name()), (ErrorKind::Other, "UNKNOWN"));
}

#[test]
fn the_groups_of_kinds() {
    let of = |reason: &str| failed(Code::FailedPrecondition, vec![info(reason, &[])]);
    let passing: Vec<_> = reasons().filter(|reason| of(reason).is_unavailable()).collect();
    assert_eq!(passing, ["DRAINING", "STORE_DOWN"]);
    let lost: Vec<_> = reasons().filter(|reason| of(reason).is_cursor_invalid()).collect();
    assert_eq!(lost, ["CURSOR_COMPACTED", "LOG_REPLACED"]);
}
