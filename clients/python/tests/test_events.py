"""A stream of events loses none and repeats none, whatever becomes of the connection and of the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc import StatusCode

from agentic import Client, Cursor, errors
from agentic.v1 import call_service_pb2 as pb
from agentic.v1 import event_pb2
from tests.fake_daemon import CALL, EPOCH, OTHER, FakeDaemon, Fault

T = TypeVar("T")
AN_HOUR = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=3600))


async def take(stream: AsyncIterator[T], count: int) -> list[T]:
    return [await anext(stream) for _ in range(count)]


def revisions(events: list[event_pb2.Event]) -> list[int]:
    return [event.revision for event in events]


async def test_events_come_in_order_and_the_cursor_is_behind_the_last_one(client: Client, daemon: FakeDaemon) -> None:
    for _ in range(5):
        await daemon.append(warning={})
    async with client.events(after=2) as stream:
        assert stream.cursor is None
        for revision in (4, 6, 8, 10):
            assert (await anext(stream)).revision == revision
            assert stream.cursor == Cursor(EPOCH, revision), "not further, though a whole batch has arrived"


async def test_without_a_cursor_it_begins_from_now(client: Client, daemon: FakeDaemon) -> None:
    await daemon.append(warning={})
    async with client.events() as stream:
        first = asyncio.create_task(anext(stream))
        await daemon.until(lambda: daemon.following == 1)
        await daemon.append(warning={"message": "later"})
        assert (await first).warning.message == "later"


async def test_a_cursor_carries_its_epoch(client: Client, daemon: FakeDaemon) -> None:
    with pytest.raises(errors.LogReplaced):
        await anext(client.events(after=Cursor("other", 4)))
    assert daemon.requests[0].after_revision == 4


async def test_filters_are_sent(client: Client, daemon: FakeDaemon) -> None:
    await daemon.append(OTHER, warning={})
    await daemon.append(CALL, warning={})
    await daemon.append(CALL, call_ended={})
    await daemon.append(CALL, call_closed={})
    stream = client.events(call_ids=[CALL], types=["call_ended"], after=0)
    assert revisions([event async for event in stream]) == [6], "it ends by itself when the call is closed"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_live_words_come_between_events(client: Client, daemon: FakeDaemon) -> None:
    await daemon.append(warning={})
    daemon.extra = [pb.StreamEventsResponse(live=event_pb2.LiveWords(call_id=CALL, text="Hel"))]
    async with client.events(after=0, live=True) as stream:
        event, words = await take(stream, 2)
    assert isinstance(event, event_pb2.Event)
    assert isinstance(words, event_pb2.LiveWords)
    assert words.text == "Hel"
    assert daemon.requests[0].include_live


async def test_frames_of_a_newer_daemon_are_skipped(client: Client, daemon: FakeDaemon) -> None:
    daemon.extra = [pb.StreamEventsResponse.FromString(b"\x7a\x02\x08\x01")]  # field 15
    await daemon.append(warning={})
    async with client.events(after=0) as stream:
        assert (await anext(stream)).revision == 2
        await daemon.append(warning={})
        assert (await anext(stream)).revision == 4


async def test_bookmarks_move_the_cursor(client: Client, daemon: FakeDaemon) -> None:
    moved: asyncio.Queue[Cursor] = asyncio.Queue()
    daemon.extra = [pb.StreamEventsResponse(bookmark=pb.Bookmark(revision=40))]
    await daemon.append(OTHER, warning={})
    async with client.events(call_ids=[CALL], after=0, on_bookmark=moved.put_nowait) as stream:
        reading = asyncio.create_task(anext(stream))
        assert await moved.get() == stream.cursor == Cursor(EPOCH, 40)
        await daemon.end_streams(Fault(StatusCode.UNAVAILABLE, "DRAINING"))
        await daemon.until(lambda: len(daemon.requests) == 2)
        reading.cancel()
    assert daemon.requests[1].after_revision == 40, "resumed from the bookmark"


@pytest.mark.parametrize("grace", [None, 0.1], ids=["killed", "stopped"])
async def test_a_restart_of_the_daemon_loses_and_repeats_nothing(
    client: Client, daemon: FakeDaemon, grace: float | None
) -> None:
    resumed: list[Cursor] = []
    lost: list[errors.AgenticError] = []
    stream = client.events(call_ids=[CALL], after=0, on_resume=resumed.append, on_lost=lost.append)
    await daemon.append(call_queued={})
    await daemon.append(call_dialing={})
    seen = await take(stream, 2)
    for round_trip in range(2):
        await daemon.stop(grace)
        await daemon.append(warning={"message": f"while it was away, {round_trip}"})
        await daemon.start()
        seen += await take(stream, 1)
        await daemon.append(warning={"message": f"when it was back, {round_trip}"})
        seen += await take(stream, 1)
    await daemon.append(call_closed={})
    seen += [event async for event in stream]
    assert [event.call_sequence for event in seen] == list(range(1, 8))
    assert seen == daemon.log
    assert resumed == [Cursor(EPOCH, 4), Cursor(EPOCH, 8)]
    assert [error.reason for error in lost] == ["", ""], "once for each time, however often it was tried"
    assert {request.epoch for request in daemon.requests[1:]} == {EPOCH}, "a resumed cursor is checked"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(StatusCode.UNAVAILABLE, "DRAINING"),
        Fault(StatusCode.UNAVAILABLE, "STORE_DOWN"),
        Fault(StatusCode.ABORTED, "CONSUMER_STALLED"),
        Fault(StatusCode.UNAVAILABLE),
        Fault(StatusCode.INTERNAL),
        Fault(StatusCode.CANCELLED),
    ],
    ids=lambda fault: fault.text,
)
async def test_what_reconnecting_mends_is_not_an_error(client: Client, daemon: FakeDaemon, fault: Fault) -> None:
    await daemon.append(warning={})
    async with client.events(after=0) as stream:
        await anext(stream)
        await daemon.end_streams(fault)
        following = asyncio.create_task(anext(stream))
        await daemon.until(lambda: len(daemon.requests) == 2)
        await daemon.append(warning={})
        assert (await following).revision == 4


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(StatusCode.OUT_OF_RANGE, "CURSOR_COMPACTED", first_revision="9"), errors.CursorCompacted),
        (Fault(StatusCode.INTERNAL, "INTERNAL", incident="abc"), errors.Internal),
        (Fault(StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"), errors.Unauthenticated),
        (Fault(StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"), errors.InvalidArgument),
    ],
    ids=lambda value: value.text if isinstance(value, Fault) else "",
)
async def test_what_reconnecting_does_not_mend_is_raised(
    client: Client, daemon: FakeDaemon, fault: Fault, kind: type[errors.AgenticError]
) -> None:
    await daemon.append(warning={})
    stream = client.events(after=0)
    await anext(stream)
    await daemon.end_streams(fault)
    with pytest.raises(kind):
        await anext(stream)
    assert stream.cursor == Cursor(EPOCH, 2), "it says where it was"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_replaced_log_is_noticed_when_the_daemon_is_back(client: Client, daemon: FakeDaemon) -> None:
    await daemon.append(warning={})
    stream = client.events(after=0)
    await anext(stream)
    await daemon.stop()
    daemon.epoch, daemon.log = "restored", []
    await daemon.start()
    with pytest.raises(errors.LogReplaced) as caught:
        await anext(stream)
    assert caught.value.epoch == "restored"


async def test_before_the_first_frame_everything_is_an_error(client: Client, daemon: FakeDaemon) -> None:
    daemon.faults = [Fault(StatusCode.UNAVAILABLE, "DRAINING")] * 4
    with pytest.raises(errors.Draining):
        await anext(client.events(after=0))
    await daemon.stop()
    with pytest.raises(errors.Unreachable):
        await anext(client.events(after=0))


async def test_a_client_that_had_an_answer_waits_for_the_first_frame_too(client: Client, daemon: FakeDaemon) -> None:
    """Between place_call and follow the daemon may go away as well."""
    placed = await client.place_call("+15550001111")
    await daemon.stop()
    await daemon.append(call_closed={})
    following = asyncio.create_task(take(client.follow(placed), 2))
    await asyncio.sleep(0)
    await daemon.start()
    assert await following == daemon.log
    assert daemon.requests[-1].epoch == EPOCH


async def test_a_call_is_followed_from_its_first_event_to_its_last(client: Client, daemon: FakeDaemon) -> None:
    await daemon.append(OTHER, warning={})
    placed = await client.place_call("+15550001111")
    await daemon.append(OTHER, warning={})
    await daemon.append(call_closed={})
    got = [event.WhichOneof("payload") async for event in client.follow(placed)]
    assert got == ["call_queued", "call_closed"]


@pytest.mark.parametrize("how", ["stream", "client"])
@pytest.mark.parametrize("state", ["following", "waiting for the daemon", "waiting as the daemon asked"])
async def test_another_task_can_end_the_waiting(
    client: Client, daemon: FakeDaemon, how: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = asyncio.Event()

    def scattered(seconds: float) -> float:
        waits.set()
        return seconds

    monkeypatch.setattr("agentic.events.scattered", scattered)
    await daemon.append(warning={})
    stream = client.events(after=0)
    assert revisions(await take(stream, 1)) == [2]
    reading = asyncio.create_task(take(stream, 1))
    await asyncio.sleep(0)
    if state == "waiting for the daemon":
        await daemon.stop()
    elif state != "following":
        await daemon.end_streams(Fault(StatusCode.UNAVAILABLE, "DRAINING", AN_HOUR))
        await waits.wait()
    await (stream.aclose() if how == "stream" else client.close())
    with pytest.raises((StopAsyncIteration, RuntimeError)):  # a coroutine turns the first into the second
        await reading
    assert not reading.cancelled(), "nobody cancelled that task"
    assert stream.cursor == Cursor(EPOCH, 2)


async def test_an_interrupted_wait_loses_nothing(client: Client, daemon: FakeDaemon) -> None:
    await daemon.append(warning={})
    async with client.events(after=0) as stream:
        await anext(stream)
        waiting = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await daemon.append(warning={})
        await daemon.append(warning={})
        assert revisions(await take(stream, 2)) == [4, 6]


async def test_leaving_ends_the_iteration(client: Client, daemon: FakeDaemon) -> None:
    await daemon.append(warning={})
    async with client.events(after=0) as stream:
        await anext(stream)
    assert [event async for event in stream] == []
    assert stream.cursor == Cursor(EPOCH, 2)
