//! What can go wrong: one error, whose kind is that of the contract's `ErrorReason`.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use tonic::Code;

use crate::status::{self, Details};

/// What went wrong. New kinds may come; treat one that you do not know as [`ErrorKind::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A field, an address or a file is missing or wrong: see [`Error::violations`].
    InvalidArgument,
    /// The request_id was used within 24 hours with another request. Use a new one.
    RequestIdReused,
    /// No such call, or it was deleted by retention: see [`Error::call_id`].
    CallNotFound,
    /// The call has ended: see [`Error::state`].
    CallNotLive,
    /// The daemon holds as many calls as it may, see [`Error::limit`]. Try again after [`Error::retry_after`].
    TooManyCalls,
    /// The daemon is stopping and takes no new work.
    Draining,
    /// The daemon's log cannot be written or read. Nothing was done.
    StoreDown,
    /// It may be tried again, for a reason that this version does not know.
    Unavailable,
    /// Nobody answers at the address, or the connection broke behind a request: whether it was done is then not known.
    /// Every request is safe to repeat; `place_call` with this error's [`Error::request_id`].
    Unreachable,
    /// The cursor lies before [`Error::first_revision`], the oldest that is kept.
    CursorCompacted,
    /// The cursor belongs to another log: this one is [`Error::epoch`].
    LogReplaced,
    /// The stream was not read for too long. An `EventStream` follows again by itself.
    ConsumerStalled,
    /// Twilio refused: see [`Error::carrier_code`].
    CarrierRejected,
    /// The address needs the daemon's token, and none or a wrong one was sent.
    Unauthenticated,
    /// No answer came in time; whether it was done is not known. Every request is safe to repeat; `place_call` with
    /// this error's [`Error::request_id`].
    DeadlineExceeded,
    /// A defect of the daemon: its log has the details under [`Error::incident`].
    Internal,
    /// Anything else: see [`Error::code`] and [`Error::reason`].
    Other,
}

impl ErrorKind {
    /// What a reason of the contract means; `None` for one of a newer daemon.
    fn of_reason(reason: &str) -> Option<Self> {
        Some(match reason {
            "INVALID_ARGUMENT" => Self::InvalidArgument,
            "REQUEST_ID_REUSED" => Self::RequestIdReused,
            "CALL_NOT_FOUND" => Self::CallNotFound,
            "CALL_NOT_LIVE" => Self::CallNotLive,
            "TOO_MANY_CALLS" => Self::TooManyCalls,
            "DRAINING" => Self::Draining,
            "STORE_DOWN" => Self::StoreDown,
            "CURSOR_COMPACTED" => Self::CursorCompacted,
            "LOG_REPLACED" => Self::LogReplaced,
            "CONSUMER_STALLED" => Self::ConsumerStalled,
            "CARRIER_REJECTED" => Self::CarrierRejected,
            "UNAUTHENTICATED" => Self::Unauthenticated,
            "INTERNAL" => Self::Internal,
            _ => return None,
        })
    }

    fn of_code(code: Code, reason: &str) -> Self {
        match code {
            Code::InvalidArgument => Self::InvalidArgument,
            Code::Unavailable if reason.is_empty() => Self::Unreachable,
            Code::Unavailable => Self::Unavailable,
            Code::DeadlineExceeded => Self::DeadlineExceeded,
            Code::Unauthenticated => Self::Unauthenticated,
            _ => Self::Other,
        }
    }
}

/// How prost begins what it says of bytes that are no such message. tonic passes it on with nothing else to tell it by.
const UNREADABLE: &str = "failed to decode Protobuf message";

/// One wrong field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its path, for example `to_address`.
    pub field: String,
    /// What would be right.
    pub description: String,
}

/// A request was refused, or failed.
///
/// Its text is English for a person; branch on [`kind`](Self::kind), or on [`reason`](Self::reason) for what is newer
/// than this crate.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    code: Code,
    message: String,
    details: Details,
    request_id: String,
}

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// gRPC's status code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// gRPC's name of the status code, for example `NOT_FOUND`.
    pub fn code_name(&self) -> &'static str {
        match self.0.code {
            Code::Ok => "OK",
            Code::Cancelled => "CANCELLED",
            Code::Unknown => "UNKNOWN",
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Code::NotFound => "NOT_FOUND",
            Code::AlreadyExists => "ALREADY_EXISTS",
            Code::PermissionDenied => "PERMISSION_DENIED",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::Aborted => "ABORTED",
            Code::OutOfRange => "OUT_OF_RANGE",
            Code::Unimplemented => "UNIMPLEMENTED",
            Code::Internal => "INTERNAL",
            Code::Unavailable => "UNAVAILABLE",
            Code::DataLoss => "DATA_LOSS",
            Code::Unauthenticated => "UNAUTHENTICATED",
        }
    }

    /// The name of an `ErrorReason` without its prefix; empty when it was not the daemon that answered.
    pub fn reason(&self) -> &str {
        &self.0.details.reason
    }

    /// What the daemon said beside the reason.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.0.details.metadata
    }

    /// The wrong fields of the request.
    pub fn violations(&self) -> &[Violation] {
        &self.0.details.violations
    }

    /// When to try again; `None` when the daemon did not say.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.details.retry_after
    }

    /// The request_id of a `place_call` that failed: with it the order can be repeated without dialling twice. Empty for
    /// other requests.
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// With [`ErrorKind::CallNotFound`]: the id that is not known; empty when the daemon did not say.
    pub fn call_id(&self) -> &str {
        &self.0.details.resource
    }

    /// With [`ErrorKind::CallNotLive`]: the call's state, for example `ENDED`; empty when the daemon did not say.
    pub fn state(&self) -> &str {
        self.text("state")
    }

    /// With [`ErrorKind::TooManyCalls`]: how many it may hold; 0 when the daemon did not say.
    pub fn limit(&self) -> i64 {
        self.number("limit")
    }

    /// With [`ErrorKind::CursorCompacted`]: the oldest revision that is kept; 0 when the daemon did not say.
    pub fn first_revision(&self) -> i64 {
        self.number("first_revision")
    }

    /// With [`ErrorKind::LogReplaced`]: the present log's epoch.
    pub fn epoch(&self) -> &str {
        self.text("epoch")
    }

    /// With [`ErrorKind::CarrierRejected`]: Twilio's error code, for example 21211; 0 when it gave none.
    pub fn carrier_code(&self) -> i64 {
        self.number("carrier_code")
    }

    /// With [`ErrorKind::Internal`]: the id under which the daemon's log has the details.
    pub fn incident(&self) -> &str {
        self.text("incident")
    }

    /// Whether it may be tried again: nobody answers, or the daemon is stopping or cannot use its log.
    pub fn is_unavailable(&self) -> bool {
        use ErrorKind::{Draining, StoreDown, Unavailable, Unreachable};
        matches!(self.kind(), Draining | StoreDown | Unavailable | Unreachable)
    }

    /// Whether the cursor cannot be followed from: list the calls, then follow from that answer's revision.
    pub fn is_cursor_invalid(&self) -> bool {
        matches!(self.kind(), ErrorKind::CursorCompacted | ErrorKind::LogReplaced)
    }

    fn text(&self, key: &str) -> &str {
        self.metadata().get(key).map_or("", String::as_str)
    }

    fn number(&self, key: &str) -> i64 {
        self.text(key).parse().unwrap_or(0)
    }

    pub(crate) fn new(code: Code, message: impl Into<String>, details: Details) -> Self {
        let kind = ErrorKind::of_reason(&details.reason).unwrap_or_else(|| ErrorKind::of_code(code, &details.reason));
        let (message, request_id) = (message.into(), String::new());
        Self(Box::new(Inner { kind, code, message, details, request_id }))
    }

    /// `silence`: what to say before the cause when it was not the daemon that answered.
    pub(crate) fn of_status(status: &tonic::Status, silence: &str) -> Self {
        // Only what the transport says has a source. What code it gives it differs from one way of breaking to the next,
        // and to a program all are one.
        if let Some(cause) = status.source().map(innermost) {
            let code = if cause.is::<tonic::TimeoutExpired>() { Code::DeadlineExceeded } else { Code::Unavailable };
            return Self::new(code, format!("{silence}: {cause}"), Details::default());
        }
        let details = status::read(status.details());
        let message = if status.message().is_empty() { status.code().description() } else { status.message() };
        // INTERNAL would be taken for a broken connection, and what cannot be read would be asked for for ever.
        let unreadable = details.reason.is_empty() && message.starts_with(UNREADABLE);
        Self::new(if unreadable { Code::DataLoss } else { status.code() }, message, details)
    }

    /// What the client itself does not take: an address, a file, an argument.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message, Details::default())
    }

    pub(crate) fn with_request_id(mut self, request_id: String) -> Self {
        self.0.request_id = request_id;
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

/// What is known, and nothing else: this is what a program shows that ends with an error.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Error");
        text.field("kind", &self.kind()).field("code", &self.code()).field("message", &self.0.message);
        for (name, value) in [("reason", self.reason()), ("call_id", self.call_id()), ("request_id", self.request_id())]
        {
            if !value.is_empty() {
                text.field(name, &value);
            }
        }
        if !self.metadata().is_empty() {
            text.field("metadata", self.metadata());
        }
        if !self.violations().is_empty() {
            text.field("violations", &self.violations());
        }
        if let Some(delay) = self.retry_after() {
            text.field("retry_after", &delay);
        }
        text.finish()
    }
}

impl std::error::Error for Error {}

impl From<tonic::Status> for Error {
    fn from(status: tonic::Status) -> Self {
        Self::of_status(&status, "no connection")
    }
}

fn innermost<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    error.source().map_or(error, innermost)
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
