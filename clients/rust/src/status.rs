//! What agenticd sends with its errors: `google.rpc.Status` and those of its details that a client uses. They are
//! written down here, for no crate has these few messages without many others.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message;

use crate::error::Violation;

const DOMAIN: &str = "agenticd";

/// What an error says beside its code and its message.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Details {
    pub(crate) reason: String,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) retry_after: Option<Duration>,
    /// A call's id.
    pub(crate) resource: String,
}

/// The details in these bytes of the trailer `grpc-status-details-bin`. Empty for what is no status.
pub(crate) fn read(bytes: &[u8]) -> Details {
    try_read(bytes).unwrap_or_default()
}

fn try_read(bytes: &[u8]) -> Result<Details, prost::DecodeError> {
    let mut found = Details::default();
    for detail in Status::decode(bytes)?.details {
        let kind = detail.type_url.rsplit('/').next().unwrap_or_default();
        let value = detail.value.as_slice();
        match kind {
            "google.rpc.ErrorInfo" => {
                let info = ErrorInfo::decode(value)?;
                if info.domain == DOMAIN {
                    (found.reason, found.metadata) = (info.reason, info.metadata);
                }
            }
            "google.rpc.RetryInfo" => {
                let delay = RetryInfo::decode(value)?.retry_delay.unwrap_or_default();
                found.retry_after = Some(delay.try_into().unwrap_or_default());
            }
            "google.rpc.ResourceInfo" => found.resource = ResourceInfo::decode(value)?.resource_name,
            "google.rpc.BadRequest" => {
                let wrong = BadRequest::decode(value)?.field_violations;
                found
                    .violations
                    .extend(wrong.into_iter().map(|one| Violation { field: one.field, description: one.description }));
            }
            _ => {}
        }
    }
    Ok(found)
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Status {
    #[prost(message, repeated, tag = "3")]
    pub(crate) details: Vec<prost_types::Any>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ErrorInfo {
    #[prost(string, tag = "1")]
    pub(crate) reason: String,
    #[prost(string, tag = "2")]
    pub(crate) domain: String,
    #[prost(btree_map = "string, string", tag = "3")]
    pub(crate) metadata: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    pub(crate) retry_delay: Option<prost_types::Duration>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ResourceInfo {
    #[prost(string, tag = "2")]
    pub(crate) resource_name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) field_violations: Vec<FieldViolation>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct FieldViolation {
    #[prost(string, tag = "1")]
    pub(crate) field: String,
    #[prost(string, tag = "2")]
    pub(crate) description: String,
}
