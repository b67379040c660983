"""The client for threads is the one for asyncio, without asyncio: against a real server, read in a thread."""

from __future__ import annotations

import asyncio
import inspect
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc import StatusCode

import agentic.sync
from agentic import Cursor, Target, errors
from agentic.v1 import call_pb2, event_pb2
from agentic.v1 import call_service_pb2 as pb
from tests.fake_daemon import CALL, EPOCH, OTHER, FakeDaemon, Fault

T = TypeVar("T")
AN_HOUR = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=3600))


@pytest.fixture
async def plain(daemon: FakeDaemon) -> AsyncIterator[agentic.sync.Client]:
    """A client for threads of the fake daemon, which runs in the test's loop."""
    client = agentic.sync.Client(Target(daemon.address))
    yield client
    await in_thread(client.close)


async def in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """The loop must turn meanwhile: the daemon runs in it."""
    return await asyncio.to_thread(work, *arguments)


async def take(stream: Iterable[T], count: int) -> list[T]:
    iterator = iter(stream)
    return await in_thread(lambda: [next(iterator) for _ in range(count)])


# --- the twins ---


def public(kind: type) -> dict[str, Any]:
    return {
        name: member
        for name, member in vars(kind).items()
        if not name.startswith("_") and name not in ("close", "aclose")
    }


def words(text: str | None) -> str:
    """A docstring but for how asyncio and threads differ."""
    return re.sub(r"\s+", " ", (text or "").replace("async ", "").replace("`aclose`", "`close`"))


def parameters(member: Any) -> list[tuple[str, Any, Any]]:
    return [(one.name, one.kind, one.default) for one in inspect.signature(member).parameters.values()]


@pytest.mark.parametrize("name", ["Client", "EventStream"])
def test_both_clients_have_the_same_names_parameters_and_explanations(name: str) -> None:
    ours, twin = public(getattr(agentic, name)), public(getattr(agentic.sync, name))
    assert list(ours) == list(twin)
    for method, member in ours.items():
        assert words(member.__doc__) == words(twin[method].__doc__)
        assert member.__doc__, f"{name}.{method} is not explained"
        if not isinstance(member, property):
            assert parameters(member) == parameters(twin[method])
    assert parameters(agentic.connect) == parameters(agentic.sync.connect)
    assert parameters(agentic.Client) == parameters(agentic.sync.Client)


# --- requests ---


async def test_the_same_order_is_the_same_request(
    client: agentic.Client, plain: agentic.sync.Client, daemon: FakeDaemon
) -> None:
    order: dict[str, Any] = {
        "from_address": "+15550002222",
        "agent": "sales",
        "instructions": "Sell.",
        "greeting": "",
        "voice": "marin",
        "model": "m",
        "language": "en",
        "variables": {"name": "Ada"},
        "metadata": {"order": "17"},
        "ring_timeout": 20.5,
        "max_duration": 60,
        "queue_timeout": 1,
        "request_id": "one",
    }
    await client.place_call("+15550001111", **order)
    answer = await in_thread(lambda: plain.place_call("+15550001111", **order))
    assert answer.call.call_id == CALL
    assert daemon.requests[0] == daemon.requests[1]
    assert daemon.requests[0].ByteSize() > 100


async def test_other_requests(plain: agentic.sync.Client, daemon: FakeDaemon) -> None:
    await in_thread(plain.place_call, "+15550001111")
    assert (await in_thread(plain.get_call, CALL)).call.to_address == "+15550001111"
    assert (await in_thread(plain.hang_up, CALL, "enough")).call.end.message == "enough"
    assert (await in_thread(plain.transcript, CALL)).revision == 9
    assert (await in_thread(plain.status)).version == "0.9.0"
    assert (await in_thread(plain.drain)).live_calls == 1


async def test_all_calls_come_page_by_page(plain: agentic.sync.Client, daemon: FakeDaemon) -> None:
    daemon.calls = {f"{n}": call_pb2.Call(call_id=f"{n}", state=call_pb2.CALL_STATE_ENDED) for n in range(1200)}
    found = await in_thread(lambda: [call.call_id for call in plain.all_calls(states=[call_pb2.CALL_STATE_ENDED])])
    assert found == list(daemon.calls)
    assert [request.page_token for request in daemon.requests] == ["", "500", "1000"]


async def test_what_was_not_done_is_tried_again_with_the_same_request_id(
    plain: agentic.sync.Client, daemon: FakeDaemon
) -> None:
    daemon.faults = [Fault(StatusCode.UNAVAILABLE, "STORE_DOWN"), Fault(StatusCode.UNAVAILABLE)]
    await in_thread(plain.place_call, "+15550001111")
    assert len(daemon.requests) == 3
    assert len({request.request_id for request in daemon.requests}) == 1


async def test_errors_are_the_same_types_with_what_they_carry(plain: agentic.sync.Client, daemon: FakeDaemon) -> None:
    daemon.faults = [Fault(StatusCode.OUT_OF_RANGE, "CURSOR_COMPACTED", first_revision="40")]
    with pytest.raises(errors.CursorCompacted) as caught:
        await in_thread(plain.status)
    assert caught.value.first_revision == 40


async def test_a_daemon_that_is_silent_exceeds_the_deadline(daemon: FakeDaemon) -> None:
    daemon.answers.clear()
    with agentic.sync.Client(Target(daemon.address), timeout=0.05) as plain:
        with pytest.raises(errors.DeadlineExceeded) as caught:
            await in_thread(plain.place_call, "+15550001111")
        assert caught.value.request_id == daemon.requests[0].request_id, "with it, it is safe to repeat"


async def test_a_daemon_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with agentic.sync.Client(Target(f"unix:{tmp_path}/none.sock")) as plain:
        with pytest.raises(errors.Unreachable):
            await in_thread(plain.status)
        with pytest.raises(errors.Unreachable):
            await in_thread(plain.wait_ready, 0.01)
        with pytest.raises(errors.Unreachable):
            await in_thread(next, plain.events(after=0))


async def test_waiting_for_a_daemon_that_starts(tmp_path: Path) -> None:
    daemon = FakeDaemon(tmp_path)
    with agentic.sync.Client(Target(daemon.address)) as plain:
        waiting = asyncio.create_task(in_thread(plain.wait_ready, 30))
        await daemon.start()
        await waiting
        assert (await in_thread(plain.status)).version == "0.9.0"
    await daemon.stop()


async def test_the_token_is_shown_on_loopback_with_every_request(tmp_path: Path) -> None:
    daemon = FakeDaemon(tmp_path)
    (port,) = await daemon.start("127.0.0.1:0")
    try:
        with agentic.sync.connect(f"127.0.0.1:{port}", "s3cret") as plain:
            await in_thread(plain.status)
            await daemon.append(warning={})
            await take(plain.events(after=0), 1)
        assert [metadata.get("authorization") for metadata in daemon.metadata] == ["Bearer s3cret"] * 2
    finally:
        await daemon.stop()


# --- streams ---


async def test_a_call_is_followed_from_its_first_event_to_its_last(
    plain: agentic.sync.Client, daemon: FakeDaemon
) -> None:
    await daemon.append(OTHER, warning={})
    placed = await in_thread(plain.place_call, "+15550001111")
    await daemon.append(OTHER, warning={})
    await daemon.append(call_closed={})
    got = await in_thread(lambda: list(plain.follow(placed)))
    assert [event.WhichOneof("payload") for event in got] == ["call_queued", "call_closed"]
    assert daemon.requests[-1].epoch == EPOCH


@pytest.mark.parametrize("grace", [None, 0.1], ids=["killed", "stopped"])
async def test_a_restart_of_the_daemon_loses_and_repeats_nothing(
    plain: agentic.sync.Client, daemon: FakeDaemon, grace: float | None
) -> None:
    resumed: list[Cursor] = []
    lost: list[errors.AgenticError] = []
    stream = plain.events(call_ids=[CALL], after=0, on_resume=resumed.append, on_lost=lost.append)
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
    seen += await in_thread(list, stream)
    assert seen == daemon.log
    assert resumed == [Cursor(EPOCH, 4), Cursor(EPOCH, 8)]
    assert [error.reason for error in lost] == ["", ""], "once for each time, however often it was tried"
    assert {request.epoch for request in daemon.requests[1:]} == {EPOCH}, "a resumed cursor is checked"


async def test_words_and_bookmarks_come_between_events(plain: agentic.sync.Client, daemon: FakeDaemon) -> None:
    await daemon.append(warning={})
    moved: list[Cursor] = []
    daemon.extra = [
        pb.StreamEventsResponse(bookmark=pb.Bookmark(revision=2)),
        pb.StreamEventsResponse(live=event_pb2.LiveWords(call_id=CALL, text="Hel")),
    ]
    event, live = await take(plain.events(after=0, live=True, on_bookmark=moved.append), 2)
    assert isinstance(event, event_pb2.Event)
    assert isinstance(live, event_pb2.LiveWords)
    assert moved == [Cursor(EPOCH, 2)]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(StatusCode.OUT_OF_RANGE, "CURSOR_COMPACTED", first_revision="9"), errors.CursorCompacted),
        (Fault(StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"), errors.Unauthenticated),
    ],
    ids=["CURSOR_COMPACTED", "UNAUTHENTICATED"],
)
async def test_what_reconnecting_does_not_mend_is_raised(
    plain: agentic.sync.Client, daemon: FakeDaemon, fault: Fault, kind: type[errors.AgenticError]
) -> None:
    await daemon.append(warning={})
    stream = plain.events(after=0)
    await take(stream, 1)
    await daemon.end_streams(fault)
    with pytest.raises(kind):
        await in_thread(next, stream)
    assert stream.cursor == Cursor(EPOCH, 2), "it says where it was"
    assert await in_thread(list, stream) == []


@pytest.mark.parametrize("how", ["stream", "client"])
@pytest.mark.parametrize("state", ["following", "waiting for the daemon", "waiting as the daemon asked"])
async def test_another_thread_can_end_the_waiting(
    plain: agentic.sync.Client, daemon: FakeDaemon, how: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = threading.Event()

    def scattered(seconds: float) -> float:
        waits.set()
        return seconds

    monkeypatch.setattr("agentic.sync.events.scattered", scattered)
    await daemon.append(warning={})
    stream = plain.events(after=0)
    first = threading.Event()
    got: list[event_pb2.Event] = []

    def read() -> None:
        for event in stream:
            got.append(event)
            first.set()

    reading = asyncio.create_task(in_thread(read))
    await in_thread(first.wait)
    if state == "waiting for the daemon":
        await daemon.stop()
    elif state != "following":
        await daemon.end_streams(Fault(StatusCode.UNAVAILABLE, "DRAINING", AN_HOUR))
        await in_thread(waits.wait)
    await in_thread((stream if how == "stream" else plain).close)
    await reading
    assert [event.revision for event in got] == [2]
    assert stream.cursor == Cursor(EPOCH, 2)


async def test_a_stream_that_is_not_read_does_not_hold_up_other_requests(
    plain: agentic.sync.Client, daemon: FakeDaemon
) -> None:
    with plain.events(after=0) as stream:
        await daemon.append(warning={"message": "first"})
        await take(stream, 1)
        for _ in range(30):
            await daemon.append(warning={"message": "x" * 100_000})
        assert (await in_thread(plain.status)).head_revision == 62
        assert [event.revision for event in await take(stream, 30)] == list(range(4, 63, 2))


async def test_a_closed_client_says_so(daemon: FakeDaemon) -> None:
    plain = agentic.sync.Client(Target(daemon.address))
    plain.close()
    for use in (plain.status, plain.events, lambda: plain.wait_ready(1)):
        with pytest.raises(RuntimeError, match="closed"):
            use()
