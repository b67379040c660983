//! The client of [agenticd](https://github.com/agenticd/agenticd), the daemon that puts an AI voice agent on a phone line.
//!
//! ```no_run
//! # async fn example() -> Result<(), agentic::Error> {
//! let client = agentic::Client::connect()?;
//! let placed = client.place_call("+15550002222").await?;
//! let mut events = client.follow(&placed);
//! while let Some(event) = events.next_event().await? {
//!     println!("{} {}", event.call_sequence, event.kind());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The loop ends when the call is closed. Should the daemon be killed and started again meanwhile, the stream reconnects
//! and goes on behind the last event: none is lost, none comes twice.
//!
//! [`Client`] has a method for each request, [`EventStream`] follows, [`Error`] says what went wrong; [`v1`] is the
//! contract: messages, enums, and the stubs for programs that want gRPC itself.

mod calls;
mod channel;
mod client;
mod cursor;
mod error;
mod event;
#[cfg(test)]
mod fake_daemon;
mod follower;
mod random;
mod retry;
mod status;
mod stream;
mod target;

pub use calls::Calls;
pub use client::{Builder, Client};
pub use cursor::Cursor;
pub use error::{Error, ErrorKind, Violation};
pub use follower::Item;
pub use stream::{EventStream, Follow};
pub use tonic::Code;

/// The contract, generated from `proto/agentic/v1`. Its comments give every field, unit, limit and error.
#[allow(clippy::all, missing_docs, rustdoc::all)]
pub mod v1 {
    include!("gen/agentic/v1/agentic.v1.rs");
}

/// The examples of the README are compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
