"""What the tests of Watch share: a node with a real log, and how frames are read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import pytest

from agenticd.adapters.store import SqliteLog
from agenticd.core.errors import (
    AgenticError,
)
from agenticd.core.events import LiveWords, Speaker
from agenticd.core.ids import CallId
from agenticd.service.watch import (
    Batch,
    FollowRequest,
    Frame,
    Opened,
    Watch,
)
from tests.log_support import Call, JsonCodec, ManualClock

DAY = 86_400.0
WINDOW = 40
CODEC = JsonCodec()


class Node:
    """A log of which only the last 40 events are in memory, and its Watch."""

    def __init__(self, log: SqliteLog, clock: ManualClock) -> None:
        self.log = log
        self.clock = clock
        self.watch = Watch(log, clock, "node-1", live_words=8)

    @asynccontextmanager
    async def follow(
        self,
        after: int | None = None,
        *,
        calls: tuple[CallId, ...] = (),
        kinds: tuple[str, ...] = (),
        epoch: str = "",
        live: bool = False,
    ) -> AsyncIterator[AsyncGenerator[Frame, None]]:
        async with aclosing(self.watch.follow(FollowRequest(after, epoch, calls, kinds, live))) as stream:
            yield stream

    async def refused(self, after: int | None = None, *, kinds: tuple[str, ...] = ()) -> AgenticError:
        """The error that comes before any frame."""
        with pytest.raises(AgenticError) as caught:
            async with self.follow(after, kinds=kinds) as stream:
                await anext(stream)
        assert self.watch.count == 0
        return caught.value


def revisions(*frames: Frame) -> list[int]:
    """Of the events in the frames."""
    return [CODEC.decode(data)[1] for frame in frames if isinstance(frame, Batch) for data in frame.events]


async def opened(stream: AsyncGenerator[Frame, None]) -> Opened:
    frame = await anext(stream)
    assert isinstance(frame, Opened)
    return frame


async def events_up_to(stream: AsyncGenerator[Frame, None], revision: int) -> list[int]:
    """Read until the event with the revision has come; nothing but batches may come."""
    got: list[int] = []
    while not got or got[-1] < revision:
        frame = await anext(stream)
        assert isinstance(frame, Batch)
        got += revisions(frame)
        assert got[-1] <= frame.upto
    return got


def said(call: Call, text: str) -> LiveWords:
    return LiveWords(call.call_id, "item", Speaker.AGENT, 0, text, call.record.last_sequence)


def asleep(node: Node) -> bool:
    return len(node.watch._idle) == node.watch.count


async def settle(condition: Callable[[], bool]) -> None:
    """Let the loop turn until it is so. What is waited for happens on the loop, so nothing is timed."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never became so")


# --- where a stream begins ---
