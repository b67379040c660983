//! Following events without losing one: a stream that reconnects, and resumes where it was.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::time::{Sleep, sleep};
use tonic::{Response, Status, Streaming};

use crate::client::Client;
use crate::cursor::Cursor;
use crate::error::Error;
use crate::follower::{Follower, Item};
use crate::random::scattered;
use crate::v1::{Event, PlaceCallResponse, StreamEventsRequest, StreamEventsResponse};

/// Which events to follow, and from where. Without a place: what comes from now on.
///
/// ```
/// # let cursor = agentic::Cursor::new("5f0c2a19d3b84e67", 1042);
/// use agentic::Follow;
///
/// let billing = Follow::all().types(["call_ended"]).after(cursor);
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "give it to Client::events"]
pub struct Follow(StreamEventsRequest);

impl Follow {
    /// Events of all calls. The stream has no end.
    pub fn all() -> Self {
        Self::default()
    }

    /// Events of these calls, at most 1,000. The stream ends when all of them are closed.
    ///
    /// None at all means every call, as [`all`](Self::all), and a stream without an end: look before you follow a list
    /// that may be empty.
    pub fn calls<I: IntoIterator<Item: Into<String>>>(call_ids: I) -> Self {
        let call_ids = call_ids.into_iter().map(Into::into).collect();
        Self(StreamEventsRequest { call_ids, ..Default::default() })
    }

    /// All events of a call that was placed, from its `call_queued` to its `call_closed`.
    ///
    /// The daemon's answers have a call. One without, made by hand, means every call, and a stream without an end.
    pub fn placed(placed: &PlaceCallResponse) -> Self {
        let call_id = placed.call.as_ref().map(|call| call.call_id.as_str());
        Self::calls(call_id).after(Cursor::new(&placed.epoch, placed.revision - 1))
    }

    /// Only these kinds, by the names of the payload's fields: `transcript_final`, `call_ended` …
    pub fn types<I: IntoIterator<Item: Into<String>>>(mut self, types: I) -> Self {
        self.0.types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Begin behind a cursor.
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.0.epoch = cursor.epoch;
        self.0.after_revision = Some(cursor.revision);
        self
    }

    /// Begin behind a revision, of whatever log is there; 0: with the oldest event that is kept.
    pub fn after_revision(mut self, revision: i64) -> Self {
        self.0.epoch.clear();
        self.0.after_revision = Some(revision);
        self
    }

    /// Words too, while they are spoken: [`Item::Live`].
    pub fn live(mut self) -> Self {
        self.0.include_live = true;
        self
    }

    pub(crate) fn into_request(self) -> StreamEventsRequest {
        self.0
    }
}

/// Events, each once and in order, over restarts of the daemon.
///
/// It ends when all calls that it is about are closed; without such calls never. While the daemon is away it waits, as
/// long as it takes; bound that with `tokio::time::timeout`. Its errors are at first whatever is wrong, later only what
/// reconnecting does not mend ([`Error::is_cursor_invalid`], `Unauthenticated` …); after one it gives nothing more.
///
/// To leave it, drop it. It is also a [`Stream`] of `Result<Item, Error>`.
pub struct EventStream {
    client: Client,
    follower: Follower,
    phase: Phase,
}

type Opening = Pin<Box<dyn Future<Output = Result<Response<Streaming<StreamEventsResponse>>, Status>> + Send>>;

/// What is being waited for.
enum Phase {
    Idle,
    Opening(Opening),
    Reading(Box<Streaming<StreamEventsResponse>>),
    Waiting(Pin<Box<Sleep>>),
}

impl EventStream {
    pub(crate) fn new(client: Client, follower: Follower) -> Self {
        Self { client, follower, phase: Phase::Idle }
    }

    /// The next event, live words, bookmark or notice of a resume; `None` at the end.
    ///
    /// Cancel safe: what was not given is given by the next call.
    pub async fn next(&mut self) -> Result<Option<Item>, Error> {
        poll_fn(|context| self.poll_item(context)).await
    }

    /// The next event, and nothing else; `None` at the end. Cancel safe as `next`.
    pub async fn next_event(&mut self) -> Result<Option<Event>, Error> {
        loop {
            match self.next().await? {
                Some(Item::Event(event)) => return Ok(Some(event)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// Behind the last event or bookmark that was given: store it when that is done with. `None` before the first frame,
    /// if the stream was not begun with a cursor.
    pub fn cursor(&self) -> Option<&Cursor> {
        self.follower.cursor()
    }

    /// Leave the stream, but keep its cursor. It gives nothing more, not even what has come already.
    pub fn leave(&mut self) {
        self.follower.leave();
        self.phase = Phase::Idle;
    }

    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Item>, Error>> {
        loop {
            if self.follower.done() {
                return Poll::Ready(Ok(None));
            }
            if let Some(item) = self.follower.next() {
                return Poll::Ready(Ok(Some(item)));
            }
            match &mut self.phase {
                Phase::Idle => self.phase = Phase::Opening(Box::pin(self.client.stream(self.follower.ask()))),
                Phase::Opening(opening) => match ready!(opening.as_mut().poll(context)) {
                    Ok(response) => self.phase = Phase::Reading(Box::new(response.into_inner())),
                    Err(status) => self.ended(Some(status))?,
                },
                Phase::Reading(frames) => match ready!(Pin::new(frames).poll_next(context)) {
                    Some(Ok(frame)) => self.receive(frame)?,
                    Some(Err(status)) => self.ended(Some(status))?,
                    None => self.ended(None)?,
                },
                Phase::Waiting(sleep) => {
                    ready!(sleep.as_mut().poll(context));
                    self.phase = Phase::Idle;
                }
            }
        }
    }

    fn receive(&mut self, frame: StreamEventsResponse) -> Result<(), Error> {
        self.client.has_answered();
        self.follower.handle(frame).inspect_err(|_| self.phase = Phase::Idle)
    }

    fn ended(&mut self, status: Option<Status>) -> Result<(), Error> {
        self.phase = Phase::Idle;
        let error = status.map(|status| self.client.error(&status));
        if let Some(delay) = self.follower.ended(error)? {
            self.phase = Phase::Waiting(Box::pin(sleep(scattered(delay))));
        }
        Ok(())
    }
}

impl Stream for EventStream {
    type Item = Result<Item, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_item(context).map(Result::transpose)
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("follower", &self.follower).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
