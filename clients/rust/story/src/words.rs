//! What the teller writes.

use agentic::Error;
use agentic::v1::{CallState, EndReason, EndedBy, Speaker};
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, Stdout, stdout};
use tokio::sync::{Mutex, OnceCell};

static OUT: OnceCell<Mutex<Stdout>> = OnceCell::const_new();

/// Write a line, whole and at once. While nobody reads, who says something waits, and the client goes on.
pub(crate) async fn say(value: Value) {
    let mut out = OUT.get_or_init(|| async { Mutex::new(stdout()) }).await.lock().await;
    out.write_all(format!("{value}\n").as_bytes()).await.expect("somebody reads");
    out.flush().await.expect("somebody reads");
}

pub(crate) fn error(error: &Error) -> Value {
    let violations = error.violations().iter();
    json!({
        "type": format!("{:?}", error.kind()),
        "code": error.code_name(),
        "reason": error.reason(),
        "message": error.to_string(),
        "metadata": error.metadata(),
        "violations": violations
            .map(|wrong| json!({"field": wrong.field, "description": wrong.description}))
            .collect::<Vec<_>>(),
        "retry_after": error.retry_after().unwrap_or_default().as_secs_f64(),
        "request_id": error.request_id(),
    })
}

pub(crate) fn state(state: CallState) -> &'static str {
    bare(state.as_str_name(), "CALL_STATE_")
}

pub(crate) fn end_reason(reason: EndReason) -> &'static str {
    bare(reason.as_str_name(), "END_REASON_")
}

pub(crate) fn ended_by(by: EndedBy) -> &'static str {
    bare(by.as_str_name(), "ENDED_BY_")
}

pub(crate) fn speaker(speaker: Speaker) -> &'static str {
    bare(speaker.as_str_name(), "SPEAKER_")
}

fn bare(name: &'static str, prefix: &str) -> &'static str {
    match name.strip_prefix(prefix) {
        Some("UNSPECIFIED") | None => "",
        Some(value) => value,
    }
}
