"""The core of resuming, alone: whatever a connection does, a follower gives each event once, in order."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentic import Cursor, errors
from agentic._follower import FIRST_DELAY, LAST_DELAY, Bookmarked, Follower, Resumed, backoff
from agentic._status import Details
from agentic.v1 import call_service_pb2 as pb
from agentic.v1.event_pb2 import Event, LiveWords

EPOCH = "5f0c2a19d3b84e67"
GONE = errors.Unreachable("gone", "UNAVAILABLE")


def events(*revisions: int) -> list[Event]:
    return [Event(revision=revision) for revision in revisions]


def opened(revision: int = 0, epoch: str = EPOCH) -> pb.StreamEventsResponse:
    return pb.StreamEventsResponse(opened=pb.StreamOpened(revision=revision, first_revision=1, epoch=epoch))


def batch(*revisions: int) -> pb.StreamEventsResponse:
    return pb.StreamEventsResponse(batch=pb.EventBatch(events=events(*revisions)))


def bookmark(revision: int) -> pb.StreamEventsResponse:
    return pb.StreamEventsResponse(bookmark=pb.Bookmark(revision=revision))


def drained(follower: Follower) -> list[int]:
    """The revisions of all that it gives now."""
    given_now = []
    while (item := follower.next()) is not None:
        if isinstance(item, Event):
            given_now.append(item.revision)
    return given_now


@dataclass
class Server:
    """A daemon's log as it grows, and the frames of one stream at a time, as the contract has them."""

    log: list[Event]
    epoch: str = EPOCH
    requests: list[pb.StreamEventsRequest] = field(default_factory=list)

    def stream(self, request: pb.StreamEventsRequest, head: int, data: st.DataObject) -> list[pb.StreamEventsResponse]:
        """What it sends up to the head: batches cut anywhere, with bookmarks and words between."""
        self.requests.append(pb.StreamEventsRequest.FromString(request.SerializeToString()))
        assert request.epoch in ("", self.epoch)
        after = request.after_revision if request.HasField("after_revision") else head
        rest = [event for event in self.log if after < event.revision <= head]
        frames = [opened(head)]
        while rest:
            size = data.draw(st.integers(1, len(rest)), label="batch")
            frames.append(batch(*(event.revision for event in rest[:size])))
            match data.draw(st.sampled_from(["", "bookmark", "live", "newer"]), label="between"):
                case "bookmark":
                    frames.append(bookmark(rest[size - 1].revision))
                case "live":
                    frames.append(pb.StreamEventsResponse(live=LiveWords(text="Hel")))
                case "newer":
                    frames.append(pb.StreamEventsResponse.FromString(b"\x7a\x02\x08\x01"))  # field 15
            rest = rest[size:]
        if not data.draw(st.booleans(), label="quiet"):
            frames.append(bookmark(max(after, head)))
        return frames


@given(
    revisions=st.lists(st.integers(1, 3), min_size=1, max_size=20),
    start=st.one_of(st.none(), st.integers(0, 12)),
    with_epoch=st.booleans(),
    data=st.data(),
)
def test_over_any_cuts_each_event_comes_once_and_in_order(revisions, start, with_epoch, data) -> None:
    log: list[int] = []
    for step in revisions:  # they rise, not always by one
        log.append((log[-1] if log else 0) + step)
    server = Server(events(*log))
    request = pb.StreamEventsRequest(after_revision=start, epoch=EPOCH if with_epoch and start is not None else "")
    follower = Follower(request, proven=data.draw(st.booleans(), label="proven"))
    head = data.draw(st.integers(start or 0, max(log[-1], start or 0)), label="first head")
    begin = head if start is None else start
    got: list[int] = []
    while True:
        asked, _ = follower.ask()
        frames = server.stream(asked, head, data)
        cut = len(frames) if head >= log[-1] else data.draw(st.integers(1, len(frames)), label="cut")
        for frame in frames[:cut]:
            follower.handle(frame)
            # Its reader may stop anywhere, and what is behind it then is what it was given: no more, no less.
            for _ in range(data.draw(st.integers(0, 3), label="read")):
                match follower.next():
                    case Event() as event:
                        got.append(event.revision)
                        assert follower.cursor == Cursor(EPOCH, event.revision)
                    case Bookmarked(cursor):
                        assert cursor == follower.cursor
                        assert all(revision in got for revision in log if begin < revision <= cursor.revision)
                    case LiveWords() | Resumed() | None:
                        pass
        if head >= log[-1] and cut == len(frames):
            break
        if data.draw(st.booleans(), label="drained before the connection is tried again"):
            got += drained(follower)
        assert follower.ended(GONE) is not None
        head = data.draw(st.integers(head, log[-1]), label="head")
        if len(server.requests) > 20:
            head = log[-1]  # enough of connections that are cut
    got += drained(follower)
    assert got == [revision for revision in log if revision > begin]
    assert all(asked.epoch == EPOCH for asked in server.requests[1:]), "a resumed cursor is checked by the daemon"


@given(st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=10), max_size=10))
def test_a_daemon_that_repeats_itself_is_not_repeated(batches: list[list[int]]) -> None:
    follower = Follower(pb.StreamEventsRequest(after_revision=0))
    follower.handle(opened())
    for revisions in batches:
        follower.handle(batch(*revisions))
    got = drained(follower)
    assert got == sorted(set(got))


def test_the_next_question_begins_behind_what_has_arrived_even_if_it_was_not_read_yet() -> None:
    follower = Follower(
        pb.StreamEventsRequest(after_revision=3, call_ids=["one"], types=["warning"], include_live=True)
    )
    follower.handle(opened(9))
    follower.handle(batch(4, 5, 9))
    assert isinstance(follower.next(), Event)
    assert follower.cursor == Cursor(EPOCH, 4)
    assert follower.ended(GONE) is not None
    request, wait = follower.ask()
    assert (request.after_revision, request.epoch, wait) == (9, EPOCH, True)
    assert (list(request.call_ids), list(request.types), request.include_live) == (["one"], ["warning"], True)
    follower.handle(opened(9))
    assert drained(follower) == [5, 9]


def test_who_comes_back_is_told_so_behind_what_was_still_here() -> None:
    follower = Follower(pb.StreamEventsRequest(after_revision=0))
    follower.handle(opened())
    follower.handle(batch(2))
    follower.ended(GONE)
    follower.handle(opened(2))
    follower.handle(batch(3))
    items = [follower.next() for _ in range(3)]
    assert items[1] == Resumed(Cursor(EPOCH, 2))
    assert [item.revision for item in items if isinstance(item, Event)] == [2, 3]


def test_from_now_on_is_from_the_first_now_over_all_connections() -> None:
    follower = Follower(pb.StreamEventsRequest())
    follower.handle(opened(7))
    assert follower.cursor == Cursor(EPOCH, 7)
    follower.ended(GONE)
    assert follower.ask()[0].after_revision == 7


def test_a_cursor_that_was_given_is_known_at_once_and_a_bare_revision_with_the_first_frame() -> None:
    assert Follower(pb.StreamEventsRequest(after_revision=4, epoch=EPOCH)).cursor == Cursor(EPOCH, 4)
    bare = Follower(pb.StreamEventsRequest(after_revision=4))
    assert bare.cursor is None
    bare.handle(opened(9))
    assert bare.cursor == Cursor(EPOCH, 4)


@pytest.mark.parametrize("cursor", ["given", "seen"])
def test_events_of_another_log_are_never_given(cursor: str) -> None:
    follower = Follower(pb.StreamEventsRequest(after_revision=4, epoch=EPOCH if cursor == "given" else ""))
    if cursor == "seen":
        follower.handle(opened(4))
        follower.ended(GONE)
    with pytest.raises(errors.LogReplaced) as caught:
        follower.handle(opened(9, epoch="restored"))
    assert (caught.value.epoch, caught.value.reason) == ("restored", "LOG_REPLACED")
    assert follower.done
    assert follower.cursor == Cursor(EPOCH, 4)


def test_a_stream_that_does_not_begin_with_opened_is_an_error_and_not_an_event() -> None:
    follower = Follower(pb.StreamEventsRequest(after_revision=0))
    with pytest.raises(errors.AgenticError, match="batch"):
        follower.handle(batch(1))
    assert follower.next() is None


@pytest.mark.parametrize("call_ids", [(), ("one",)])
def test_an_end_without_an_error_completes_only_a_stream_about_calls(call_ids: tuple[str, ...]) -> None:
    follower = Follower(pb.StreamEventsRequest(after_revision=0, call_ids=call_ids))
    follower.handle(opened())
    assert (follower.ended(None) is None) == follower.done == bool(call_ids)


@pytest.mark.parametrize(
    ("error", "mends"),
    [
        (GONE, True),
        (errors.Draining("x", "UNAVAILABLE", Details("DRAINING")), True),
        (errors.StoreDown("x", "UNAVAILABLE", Details("STORE_DOWN")), True),
        (errors.ConsumerStalled("x", "ABORTED", Details("CONSUMER_STALLED")), True),
        (errors.AgenticError("x", "CANCELLED"), True),
        (errors.AgenticError("x", "INTERNAL"), True),
        (errors.Internal("x", "INTERNAL", Details("INTERNAL")), False),
        (errors.CursorCompacted("x", "OUT_OF_RANGE", Details("CURSOR_COMPACTED")), False),
        (errors.LogReplaced("x", "FAILED_PRECONDITION", Details("LOG_REPLACED")), False),
        (errors.Unauthenticated("x", "UNAUTHENTICATED"), False),
        (errors.CallNotFound("x", "NOT_FOUND", Details("CALL_NOT_FOUND")), False),
    ],
    ids=lambda value: value.reason or value.code if isinstance(value, errors.AgenticError) else "",
)
@pytest.mark.parametrize("state", ["new", "proven", "opened"])
def test_what_is_waited_for(error: errors.AgenticError, mends: bool, state: str) -> None:
    follower = Follower(pb.StreamEventsRequest(after_revision=0), proven=state == "proven")
    if state == "opened":
        follower.handle(opened())
    if mends and state != "new":
        assert follower.ended(error) == FIRST_DELAY
        assert not follower.done
    else:
        with pytest.raises(type(error)):
            follower.ended(error)
        assert follower.done


def test_waits_grow_up_to_a_limit_begin_anew_with_each_sign_of_life_and_heed_the_daemon() -> None:
    follower = Follower(pb.StreamEventsRequest(after_revision=0))
    follower.handle(opened())
    waits = [follower.ended(GONE) for _ in range(8)]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    follower.handle(opened())
    assert follower.ended(GONE) == LAST_DELAY, "a daemon that opens and dies, again and again, is not hammered"
    follower.handle(bookmark(1))
    assert follower.ended(GONE) == FIRST_DELAY
    assert follower.ended(errors.Draining("x", "UNAVAILABLE", Details("DRAINING", retry_after=2.0))) == 2.0
    assert backoff(10_000, None) == LAST_DELAY


def test_who_leaves_is_given_nothing_more_and_keeps_the_cursor() -> None:
    follower = Follower(pb.StreamEventsRequest(after_revision=0))
    follower.handle(opened())
    follower.handle(batch(1, 2))
    follower.next()
    follower.leave()
    assert (follower.next(), follower.done, follower.cursor) == (None, True, Cursor(EPOCH, 1))


def test_an_interruption_is_told_once_until_the_stream_is_back() -> None:
    follower = Follower(pb.StreamEventsRequest(), proven=True)
    follower.ended(GONE)
    assert follower.loss() is None, "nothing was there yet that could be lost"
    follower.handle(opened())
    for _ in range(2):
        follower.ended(GONE)
        assert follower.loss() is GONE
        follower.ended(GONE)
        assert follower.loss() is None
        follower.handle(opened())
        assert follower.loss() is None
