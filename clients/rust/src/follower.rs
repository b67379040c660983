//! One follower's place in the log: what to ask for next, what to give, when to come back.
//!
//! No RPC, no clock, no randomness: `EventStream` drives it.

use std::collections::VecDeque;
use std::time::Duration;

use tonic::Code;

use crate::cursor::Cursor;
use crate::error::{Error, ErrorKind};
use crate::status::Details;
use crate::v1::stream_events_response::Frame;
use crate::v1::{Event, EventBatch, LiveWords, StreamEventsRequest, StreamEventsResponse, StreamOpened};

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LAST_DELAY: Duration = Duration::from_secs(5);

/// What a stream gives. New kinds may come: skip what you do not know.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Item {
    /// The next event. Each comes once, in the order of revisions.
    Event(Event),
    /// Words while they are spoken; only where they were asked for.
    Live(LiveWords),
    /// A lost connection is back; the next event is the one after the cursor.
    Resumed(Cursor),
    /// All that matches, up to the cursor, was given. Store it, lest yours grows too old on a quiet stream.
    Bookmark(Cursor),
}

/// How long to wait after so many failures before this one: longer each time, and never less than was asked for.
pub(crate) fn backoff(failures: u32, longest: Duration, asked: Option<Duration>) -> Duration {
    (FIRST_DELAY * 2_u32.pow(failures.min(10))).min(longest).max(asked.unwrap_or_default())
}

/// Drive it so: while `next` gives items, hand them on; else read a frame of the RPC that `ask` describes, and give it to
/// `handle`; when the RPC has ended, ask `ended` what to do.
///
/// Each event is given once, in the order of revisions, whatever is lost, cut or sent again in between.
#[derive(Debug)]
pub(crate) struct Follower {
    /// What the program asked for.
    request: StreamEventsRequest,
    /// A daemon has answered at this address, so that one which is away is waited for from the start.
    proven: bool,
    opened: bool,
    epoch: String,
    cursor: Option<Cursor>,
    /// As far as frames go, events and bookmarks. `None` until the first frame of a stream from now on.
    received: Option<i64>,
    last_event: i64,
    items: VecDeque<Item>,
    failures: u32,
    done: bool,
}

impl Follower {
    pub(crate) fn new(request: StreamEventsRequest, proven: bool) -> Self {
        let after = request.after_revision;
        let known = !request.epoch.is_empty();
        Self {
            proven,
            opened: false,
            epoch: request.epoch.clone(),
            cursor: after.filter(|_| known).map(|revision| Cursor::new(&request.epoch, revision)),
            received: after,
            last_event: after.unwrap_or(0),
            items: VecDeque::new(),
            failures: 0,
            done: false,
            request,
        }
    }

    /// Nothing will come any more.
    pub(crate) fn done(&self) -> bool {
        self.done
    }

    /// Behind the last event or bookmark that `next` gave. `None` while it is not known to which log it belongs.
    pub(crate) fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    /// What to ask the daemon for.
    pub(crate) fn ask(&self) -> StreamEventsRequest {
        StreamEventsRequest { after_revision: self.received, epoch: self.epoch.clone(), ..self.request.clone() }
    }

    /// A frame has come. Fails, and is done, for another log's frame and where the contract is broken.
    pub(crate) fn handle(&mut self, frame: StreamEventsResponse) -> Result<(), Error> {
        if !self.opened && !matches!(frame.frame, Some(Frame::Opened(_))) {
            self.done = true;
            let message = "the daemon began a stream without saying which log it is";
            return Err(Error::new(Code::Internal, message, Details::default()));
        }
        match frame.frame {
            Some(Frame::Opened(opened)) => return self.open(opened),
            Some(Frame::Batch(EventBatch { events })) => {
                self.failures = 0;
                for event in events {
                    // Not judged by bookmarks: should a daemon be wrong about one, better out of order than lost.
                    if event.revision > self.last_event {
                        self.last_event = event.revision;
                        self.received = Some(event.revision);
                        self.items.push_back(Item::Event(event));
                    }
                }
            }
            Some(Frame::Bookmark(bookmark)) => {
                self.failures = 0;
                self.received = self.received.max(Some(bookmark.revision));
                self.items.push_back(Item::Bookmark(self.place()));
            }
            Some(Frame::Live(words)) => self.items.push_back(Item::Live(words)),
            None => {} // a newer daemon's
        }
        Ok(())
    }

    fn open(&mut self, opened: StreamOpened) -> Result<(), Error> {
        if !self.epoch.is_empty() && opened.epoch != self.epoch {
            // The daemon checks it, too; but an event of another log must not come from here.
            self.done = true;
            let message = format!("the cursor belongs to another log; this one is {}", opened.epoch);
            let metadata = [("epoch".to_owned(), opened.epoch)].into();
            let details = Details { reason: "LOG_REPLACED".to_owned(), metadata, ..Details::default() };
            return Err(Error::new(Code::FailedPrecondition, message, details));
        }
        if self.opened {
            self.items.push_back(Item::Resumed(self.place()));
            return Ok(());
        }
        self.opened = true;
        self.epoch = opened.epoch;
        if self.received.is_none() {
            self.received = Some(opened.revision);
            self.last_event = opened.revision;
        }
        self.cursor = Some(self.place());
        Ok(())
    }

    /// As far as frames go.
    fn place(&self) -> Cursor {
        Cursor::new(&self.epoch, self.received.unwrap_or(0))
    }

    /// The next item to hand on, if one is here. The cursor is then behind it.
    pub(crate) fn next(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        match &item {
            Item::Event(event) => self.cursor = Some(Cursor::new(&self.epoch, event.revision)),
            Item::Bookmark(cursor) => self.cursor = Some(cursor.clone()),
            Item::Live(_) | Item::Resumed(_) => {}
        }
        Some(item)
    }

    /// The RPC has ended. Gives how long to wait before it is asked again, `None` when the stream is complete, and the
    /// error if asking again does not mend it. Before the first frame that is any error, unless a daemon is proven to be
    /// there: a wrong address is an error, not a wait.
    pub(crate) fn ended(&mut self, error: Option<Error>) -> Result<Option<Duration>, Error> {
        if error.is_none() && !self.request.call_ids.is_empty() {
            self.done = true;
            return Ok(None);
        }
        let error = error
            .unwrap_or_else(|| Error::new(Code::Unavailable, "the stream ended without a reason", Details::default()));
        if !self.mends(&error) {
            self.done = true;
            return Err(error);
        }
        let delay = backoff(self.failures, LAST_DELAY, error.retry_after());
        self.failures = self.failures.saturating_add(1);
        Ok(Some(delay))
    }

    fn mends(&self, error: &Error) -> bool {
        // What gRPC says by itself when a connection or a daemon goes away in the middle of a stream.
        let broken =
            error.reason().is_empty() && matches!(error.code(), Code::Cancelled | Code::Internal | Code::Unknown);
        let passes = error.is_unavailable() || error.kind() == ErrorKind::ConsumerStalled;
        (self.opened || self.proven) && (broken || passes)
    }

    /// Give nothing more. The cursor stays.
    pub(crate) fn leave(&mut self) {
        self.done = true;
        self.items.clear();
    }
}

#[cfg(test)]
#[path = "follower_tests.rs"]
mod tests;
