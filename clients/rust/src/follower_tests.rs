//! The rules of docs/resuming.md, one by one, and over many cuts.

use super::*;
use crate::v1::{Bookmark, StreamOpened};

const EPOCH: &str = "5f0c2a19d3b84e67";

fn frame(frame: Frame) -> StreamEventsResponse {
    StreamEventsResponse { frame: Some(frame) }
}

fn opened(revision: i64) -> StreamEventsResponse {
    opened_by(EPOCH, revision)
}

fn opened_by(epoch: &str, revision: i64) -> StreamEventsResponse {
    let (epoch, node_id) = (epoch.to_owned(), "n".to_owned());
    frame(Frame::Opened(StreamOpened { revision, first_revision: 1, epoch, node_id }))
}

fn batch(revisions: &[i64]) -> StreamEventsResponse {
    let events = revisions.iter().map(|&revision| Event { revision, ..Event::default() }).collect();
    frame(Frame::Batch(EventBatch { events }))
}

fn bookmark(revision: i64) -> StreamEventsResponse {
    frame(Frame::Bookmark(Bookmark { revision }))
}

fn cursor(revision: i64) -> Cursor {
    Cursor::new(EPOCH, revision)
}

fn after(revision: i64) -> StreamEventsRequest {
    StreamEventsRequest { after_revision: Some(revision), ..Default::default() }
}

fn follower(request: StreamEventsRequest, frames: &[StreamEventsResponse]) -> Follower {
    let mut follower = Follower::new(request, false);
    for frame in frames {
        follower.handle(frame.clone()).unwrap();
    }
    follower
}

fn error(code: Code, reason: &str) -> Error {
    Error::new(code, "x", Details { reason: reason.to_owned(), ..Details::default() })
}

fn gone() -> Option<Error> {
    Some(error(Code::Unavailable, ""))
}

fn events(follower: &mut Follower) -> Vec<i64> {
    let items = std::iter::from_fn(|| follower.next());
    items.filter_map(|item| if let Item::Event(event) = item { Some(event.revision) } else { None }).collect()
}

#[test]
fn the_first_question_is_the_programs_own() {
    let asked = StreamEventsRequest {
        after_revision: Some(3),
        epoch: EPOCH.to_owned(),
        call_ids: vec!["one".to_owned()],
        types: vec!["warning".to_owned()],
        include_live: true,
    };
    assert_eq!(Follower::new(asked.clone(), true).ask(), asked);
    assert_eq!(Follower::new(StreamEventsRequest::default(), false).ask(), StreamEventsRequest::default());
}

#[test]
fn the_next_question_begins_behind_what_has_arrived_even_if_it_was_not_read_yet() {
    let request = StreamEventsRequest { call_ids: vec!["one".to_owned()], include_live: true, ..after(3) };
    let mut follower = follower(request, &[opened(9), batch(&[4, 5, 9])]);
    assert!(matches!(follower.next(), Some(Item::Event(_))));
    assert_eq!(follower.cursor(), Some(&cursor(4)));
    follower.ended(gone()).unwrap();
    let asked = follower.ask();
    assert_eq!((asked.after_revision, asked.epoch.as_str()), (Some(9), EPOCH));
    assert_eq!((asked.call_ids, asked.include_live), (vec!["one".to_owned()], true));
    follower.handle(opened(9)).unwrap();
    assert_eq!(events(&mut follower), [5, 9]);
}

#[test]
fn from_now_on_is_from_the_first_now_over_all_connections() {
    let mut follower = follower(StreamEventsRequest::default(), &[opened(7)]);
    assert_eq!(follower.cursor(), Some(&cursor(7)));
    follower.ended(gone()).unwrap();
    assert_eq!(follower.ask().after_revision, Some(7));
    follower.handle(opened(12)).unwrap();
    assert_eq!(follower.ask().after_revision, Some(7), "what happened meanwhile comes");
}

#[test]
fn a_stream_from_now_on_that_was_never_opened_is_still_from_now_on() {
    let mut follower = Follower::new(StreamEventsRequest::default(), true);
    follower.ended(gone()).unwrap();
    assert_eq!(follower.ask().after_revision, None);
}

#[test]
fn a_cursor_that_was_given_is_known_at_once_and_a_bare_revision_with_the_first_frame() {
    let given = StreamEventsRequest { epoch: EPOCH.to_owned(), ..after(4) };
    assert_eq!(Follower::new(given, false).cursor(), Some(&cursor(4)));
    let mut bare = Follower::new(after(4), false);
    assert_eq!(bare.cursor(), None);
    bare.handle(opened(9)).unwrap();
    assert_eq!(bare.cursor(), Some(&cursor(4)));
}

#[test]
fn what_came_before_is_not_given_again() {
    let mut follower = follower(after(0), &[opened(0), batch(&[1, 2, 5]), batch(&[2, 5, 5, 6]), batch(&[3, 7])]);
    assert_eq!(events(&mut follower), [1, 2, 5, 6, 7]);
}

#[test]
fn a_bookmark_moves_the_cursor_and_judges_no_event() {
    let mut follower = follower(after(0), &[opened(0), batch(&[1]), bookmark(5), batch(&[4])]);
    assert!(matches!(follower.next(), Some(Item::Event(_))));
    assert_eq!(follower.next(), Some(Item::Bookmark(cursor(5))));
    assert_eq!(follower.cursor(), Some(&cursor(5)));
    assert_eq!(events(&mut follower), [4], "better out of order than lost");
}

#[test]
fn a_bookmark_is_asked_behind_and_never_goes_back() {
    let mut follower = follower(after(0), &[opened(9), bookmark(9), bookmark(8)]);
    assert_eq!(follower.next(), Some(Item::Bookmark(cursor(9))));
    assert_eq!(follower.next(), Some(Item::Bookmark(cursor(9))));
    follower.ended(gone()).unwrap();
    assert_eq!(follower.ask().after_revision, Some(9));
}

#[test]
fn live_words_are_handed_on_and_never_part_of_the_cursor() {
    let words = LiveWords { text: "Hel".to_owned(), after_sequence: 7, ..LiveWords::default() };
    let mut follower = follower(after(2), &[opened(2), frame(Frame::Live(words.clone()))]);
    assert_eq!(follower.next(), Some(Item::Live(words)));
    assert_eq!(follower.cursor(), Some(&cursor(2)));
    assert_eq!(follower.ask().after_revision, Some(2));
}

#[test]
fn frames_and_payloads_of_a_newer_daemon_do_no_harm() {
    let mut follower = follower(after(0), &[opened(0), StreamEventsResponse { frame: None }, batch(&[1])]);
    let Some(Item::Event(event)) = follower.next() else { panic!("an event like any other") };
    assert_eq!((event.kind(), event.revision), ("", 1));
}

#[test]
fn who_comes_back_is_told_so_behind_what_was_still_here() {
    let mut follower = follower(after(0), &[opened(0), batch(&[2])]);
    follower.ended(gone()).unwrap();
    follower.handle(opened(2)).unwrap();
    follower.handle(batch(&[3])).unwrap();
    assert!(matches!(follower.next(), Some(Item::Event(event)) if event.revision == 2));
    assert_eq!(follower.next(), Some(Item::Resumed(cursor(2))));
    assert_eq!(events(&mut follower), [3]);
}

#[test]
fn events_of_another_log_are_never_given() {
    let given = Follower::new(StreamEventsRequest { epoch: EPOCH.to_owned(), ..after(4) }, false);
    let mut seen = follower(after(4), &[opened(4)]);
    seen.ended(gone()).unwrap();
    for mut follower in [given, seen] {
        let error = follower.handle(opened_by("restored", 9)).unwrap_err();
        assert_eq!((error.kind(), error.epoch()), (ErrorKind::LogReplaced, "restored"));
        assert_eq!((error.code_name(), error.reason()), ("FAILED_PRECONDITION", "LOG_REPLACED"));
        assert!(follower.done());
        assert_eq!(follower.cursor(), Some(&cursor(4)));
    }
}

#[test]
fn a_stream_that_does_not_begin_with_opened_is_an_error_and_not_an_event() {
    for first in [batch(&[1]), bookmark(1), StreamEventsResponse { frame: None }] {
        let mut follower = Follower::new(after(0), true);
        assert_eq!(follower.handle(first).unwrap_err().code(), Code::Internal);
        assert!(follower.done());
        assert_eq!(follower.next(), None);
    }
}

#[test]
fn an_end_without_an_error_completes_only_a_stream_about_calls() {
    let mut all = follower(after(0), &[opened(0)]);
    assert_eq!(all.ended(None).unwrap(), Some(FIRST_DELAY));
    assert!(!all.done());
    let request = StreamEventsRequest { call_ids: vec!["one".to_owned()], ..after(0) };
    let mut one = follower(request, &[opened(0)]);
    assert_eq!(one.ended(None).unwrap(), None);
    assert!(one.done());
}

#[test]
fn what_is_waited_for() {
    for (code, reason, mends) in [
        (Code::Unavailable, "", true),
        (Code::Unavailable, "DRAINING", true),
        (Code::Unavailable, "STORE_DOWN", true),
        (Code::Aborted, "CONSUMER_STALLED", true),
        (Code::Cancelled, "", true),
        (Code::Internal, "", true),
        (Code::Unknown, "", true),
        (Code::Internal, "INTERNAL", false),
        (Code::OutOfRange, "CURSOR_COMPACTED", false),
        (Code::FailedPrecondition, "LOG_REPLACED", false),
        (Code::Unauthenticated, "", false),
        (Code::NotFound, "CALL_NOT_FOUND", false),
        (Code::InvalidArgument, "INVALID_ARGUMENT", false),
        (Code::DeadlineExceeded, "", false),
        (Code::Aborted, "", false),
    ] {
        let new = Follower::new(after(0), false);
        let proven = Follower::new(after(0), true);
        let open = follower(after(0), &[opened(0)]);
        for (name, reached, mut follower) in [("new", false, new), ("proven", true, proven), ("opened", true, open)] {
            let outcome = follower.ended(Some(error(code, reason)));
            if mends && reached {
                assert_eq!(outcome.unwrap(), Some(FIRST_DELAY), "{code:?} {reason} {name}");
                assert!(!follower.done());
            } else {
                assert_eq!(outcome.unwrap_err().code(), code, "{code:?} {reason} {name}");
                assert!(follower.done());
            }
        }
    }
}

#[test]
fn waits_grow_up_to_a_limit_begin_anew_with_each_sign_of_life_and_heed_the_daemon() {
    let mut follower = follower(after(0), &[opened(0)]);
    let waits: Vec<_> = (0..8).map(|_| follower.ended(gone()).unwrap().unwrap().as_millis()).collect();
    assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    follower.handle(opened(0)).unwrap();
    let delay = follower.ended(gone()).unwrap();
    assert_eq!(delay, Some(LAST_DELAY), "a daemon that opens and dies, again and again, is not hammered");
    for life in [bookmark(1), batch(&[])] {
        follower.handle(life).unwrap();
        assert_eq!(follower.ended(gone()).unwrap(), Some(FIRST_DELAY));
    }
    let (reason, retry_after) = ("DRAINING".to_owned(), Some(Duration::from_secs(20)));
    let draining = Error::new(Code::Unavailable, "x", Details { reason, retry_after, ..Details::default() });
    assert_eq!(follower.ended(Some(draining)).unwrap(), retry_after);
    assert_eq!(backoff(10_000, LAST_DELAY, None), LAST_DELAY);
}

#[test]
fn who_leaves_is_given_nothing_more_and_keeps_the_cursor() {
    let mut follower = follower(after(0), &[opened(0), batch(&[1, 2])]);
    follower.next();
    follower.leave();
    assert_eq!((follower.next(), follower.done(), follower.cursor()), (None, true, Some(&cursor(1))));
}

/// A log of the revisions 3, 6, 9 …, read in all ways: with a cut behind every frame, by readers of every haste, over
/// batches of every size, by a daemon that begins again a little too early.
#[test]
fn over_any_cuts_each_event_comes_once_and_in_order() {
    let log: Vec<i64> = (1..=12).map(|number| number * 3).collect();
    for (size, cut_every, reads, repeats) in
        (1..=5).flat_map(|a| (2..=6).flat_map(move |b| (0..=4).flat_map(move |c| [0, 7].map(|d| (a, b, c, d)))))
    {
        let mut follower = Follower::new(after(0), false);
        let mut given = Vec::new();
        let mut rounds = 0;
        while given.len() < log.len() {
            let from = follower.ask().after_revision.unwrap() - repeats;
            let rest: Vec<i64> = log.iter().copied().filter(|&revision| revision > from).collect();
            let batches = rest.chunks(size + usize::try_from(repeats).unwrap()).map(batch);
            for frame in std::iter::once(opened(36)).chain(batches).take(cut_every) {
                follower.handle(frame).unwrap();
                for _ in 0..reads {
                    let Some(item) = follower.next() else { break };
                    given.extend(if let Item::Event(event) = item { Some(event.revision) } else { None });
                    let behind = given.last().copied().unwrap_or(0);
                    assert_eq!(follower.cursor(), Some(&cursor(behind)), "no more and no less than was given");
                }
            }
            if cut_every % 2 == 0 || reads == 0 {
                given.extend(events(&mut follower));
            }
            follower.ended(gone()).unwrap();
            rounds += 1;
            assert!(rounds < 100, "it goes on: {given:?}");
        }
        assert_eq!(given, log, "batches of {size}, cuts after {cut_every}, {reads} reads, {repeats} too early");
    }
}
