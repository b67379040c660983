"""StreamEvents over a real socket: what a subscriber gets, how its stream ends, what becomes of a sleeper."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc import aio

from agentic.v1 import call_service_pb2 as pb
from agentic.v1 import event_pb2
from agentic.v1.call_service_pb2_grpc import CallServiceStub
from agenticd.adapters.rpc.codec import ProtoEventCodec
from agenticd.core.events import Event, LiveWords, Speaker, Warning
from agenticd.service.watch import Batch, Bookmark, Live
from tests.adapters.rpc.support import (
    EPOCH,
    NODE,
    NOW,
    OPENED,
    LedWatch,
    MemoryCalls,
    Patience,
    call_id,
    channel,
    served,
    wire,
)


def warning(revision: int, text: str = "x") -> bytes:
    event = Event(call_id(1), revision, NOW, Warning("SPAM", text))
    return ProtoEventCodec().encode(event, revision)


@pytest.fixture
def watch() -> LedWatch:
    made = LedWatch()
    made.frames = [OPENED]
    return made


@pytest.fixture
async def stub(tmp_path: Path, watch: LedWatch) -> AsyncIterator[CallServiceStub]:
    async with served(tmp_path, MemoryCalls(), watch), channel(tmp_path) as plain:
        yield CallServiceStub(plain)


async def test_a_subscriber_gets_every_frame_in_order(stub, watch: LedWatch) -> None:
    watch.frames += [
        Batch([warning(10), warning(12)], 12),
        Live(LiveWords(call_id(1), "item", Speaker.AGENT, 3, "and so", 2)),
        Bookmark(15),
    ]
    frames = [frame async for frame in stub.StreamEvents(pb.StreamEventsRequest(include_live=True))]
    opened, batch, live, bookmark = frames
    assert opened.opened == pb.StreamOpened(revision=9, first_revision=2, epoch=EPOCH, node_id=NODE)
    assert [event.revision for event in batch.batch.events] == [10, 12]
    assert batch.batch.events[0].warning == event_pb2.Warning(code="SPAM", message="x")
    assert (live.live.text, live.live.offset, live.live.speaker) == ("and so", 3, event_pb2.SPEAKER_AGENT)
    assert bookmark.bookmark.revision == 15


async def test_what_was_asked_reaches_the_watch(stub, watch: LedWatch) -> None:
    request = pb.StreamEventsRequest(
        after_revision=0, epoch=EPOCH, call_ids=[call_id(1)], types=["warning"], include_live=True
    )
    assert [frame.WhichOneof("frame") async for frame in stub.StreamEvents(request)] == ["opened"]
    (asked,) = watch.requests
    assert (asked.after, asked.epoch, asked.include_live) == (0, EPOCH, True)
    assert (list(asked.call_ids), list(asked.kinds)) == ([call_id(1)], ["warning"])


async def test_a_batch_that_is_too_large_for_a_client_comes_in_pieces(stub, watch: LedWatch) -> None:
    watch.frames.append(Batch([warning(n, "x" * 100_000) for n in range(60)], 60))
    frames = [frame async for frame in stub.StreamEvents(pb.StreamEventsRequest())]
    assert [event.revision for frame in frames for event in frame.batch.events] == list(range(60))
    assert len(frames) > 2


async def test_stopping_ends_streams_with_draining(tmp_path: Path, watch: LedWatch) -> None:
    watch.waits = True
    async with served(tmp_path, MemoryCalls(), watch) as server, channel(tmp_path) as plain:
        stream = CallServiceStub(plain).StreamEvents(pb.StreamEventsRequest())
        await stream.read()
        await server.stop(5)
        with pytest.raises(aio.AioRpcError) as caught:
            await stream.read()
    _, info, others = wire(caught.value)
    assert (caught.value.code(), info.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
    assert "RetryInfo" in others


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> Patience:
    """Two frames are written whatever the machine does: `opened` and a batch. Of the others one gets stuck."""
    made = Patience(monkeypatch, 2)
    made.ends.set()
    return made


async def test_a_subscriber_that_does_not_read_is_left_and_told_so(
    tmp_path: Path, watch: LedWatch, patience: Patience
) -> None:
    watch.frames += [Batch([warning(n, "x" * 20_000)], n) for n in range(1, 1000)]
    async with (
        served(tmp_path, MemoryCalls(), watch, stall_timeout=0.1),
        # As our own clients do: a fixed window, so that the server cannot run far ahead.
        channel(tmp_path, **{"http2.bdp_probe": 0}) as plain,
    ):
        stream = CallServiceStub(plain).StreamEvents(pb.StreamEventsRequest())
        await stream.read()
        await watch.left.wait()
        assert watch.count == 0, "nothing is held for it any more, though it has not read its status yet"
        revisions: list[int] = []

        async def read_on() -> None:
            while isinstance(frame := await stream.read(), pb.StreamEventsResponse):
                revisions.extend(event.revision for event in frame.batch.events)

        with pytest.raises(aio.AioRpcError) as caught:
            await read_on()
    _, info, _ = wire(caught.value)
    assert (caught.value.code(), info.reason) == (grpc.StatusCode.ABORTED, "CONSUMER_STALLED")
    assert revisions == list(range(1, len(revisions) + 1)), "what it reads up to there has no gap to resume from"
    assert 0 < len(revisions) < 999


async def test_stopping_does_not_wait_for_a_subscriber_that_sleeps(
    tmp_path: Path, watch: LedWatch, patience: Patience
) -> None:
    watch.frames += [Batch([warning(n, "x" * 20_000)], n) for n in range(1, 1000)]
    async with (
        served(tmp_path, MemoryCalls(), watch, stall_timeout=0.1) as server,
        channel(tmp_path, **{"http2.bdp_probe": 0}) as plain,
    ):
        stream = CallServiceStub(plain).StreamEvents(pb.StreamEventsRequest())
        await stream.read()
        await watch.left.wait()
        await server.stop(0.1)


async def test_a_client_that_leaves_frees_its_stream(stub, watch: LedWatch) -> None:
    watch.waits = True
    stream = stub.StreamEvents(pb.StreamEventsRequest())
    await stream.read()
    assert watch.count == 1
    stream.cancel()
    await watch.left.wait()
    assert watch.count == 0


async def test_a_hundred_streams_at_once_are_all_ended(tmp_path: Path, watch: LedWatch) -> None:
    watch.waits = True
    async with served(tmp_path, MemoryCalls(), watch) as server, channel(tmp_path) as plain:
        streams = [CallServiceStub(plain).StreamEvents(pb.StreamEventsRequest()) for _ in range(100)]
        for stream in streams:
            await stream.read()
        await server.stop(10)
        codes = await asyncio.gather(*(stream.code() for stream in streams))
    assert set(codes) == {grpc.StatusCode.UNAVAILABLE}
    assert watch.count == 0
