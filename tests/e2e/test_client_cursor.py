"""A subscriber that was away too long, whose log was replaced, or that does not read: with either client."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import pytest

import agentic
import agentic.sync
from agentic import Cursor, errors
from agentic.channel import OPTIONS
from agentic.v1 import event_pb2
from agenticd.adapters.rpc.codec import ProtoEventCodec
from agenticd.adapters.rpc.server import OPTIONS as SERVER_OPTIONS
from agenticd.adapters.store.retention import Limits, prune_piece
from agenticd.core.events import Event, Warning
from agenticd.emulator.phone import PhoneScript
from agenticd.service.watch import Batch, FollowRequest, Frame
from tests.adapters.rpc.support import NOW, OPENED, LedWatch, MemoryCalls, Patience, call_id, served
from tests.e2e.conftest import Line

BUSY = PhoneScript(outcome="busy", ring=0.1)
MONTH = 30 * 86_400.0
FLOOD = 1_000
READ = 30

Make = Callable[..., Any]


class Subscriber(Protocol):
    """Either client's stream, for a test in a loop."""

    def __init__(self, address: str, after: int | Cursor) -> None: ...

    @property
    def cursor(self) -> Cursor | None: ...

    async def next(self) -> event_pb2.Event: ...

    async def close(self) -> None: ...


class ByAsyncio:
    def __init__(self, address: str, after: int | Cursor) -> None:
        self._client = agentic.connect(address)
        self._stream = self._client.events(after=after)

    @property
    def cursor(self) -> Cursor | None:
        return self._stream.cursor

    async def next(self) -> event_pb2.Event:
        return await anext(self._stream)

    async def close(self) -> None:
        await self._client.close()


class ByThread:
    def __init__(self, address: str, after: int | Cursor) -> None:
        self._client = agentic.sync.connect(address)
        self._stream = self._client.events(after=after)

    @property
    def cursor(self) -> Cursor | None:
        return self._stream.cursor

    async def next(self) -> event_pb2.Event:
        return await asyncio.to_thread(next, self._stream)

    async def close(self) -> None:
        await asyncio.to_thread(self._client.close)


KINDS: list[type[Subscriber]] = [ByAsyncio, ByThread]


async def whole_call(desk: Line) -> int:
    """A call, from its first event to its last. Returns the revision of that."""
    return (await desk.follow(await desk.place())).events[-1].revision


def forget_everything(path: Path) -> None:
    """What retention does, a month later."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        first, more = database.execute("SELECT first_revision FROM meta").fetchone()[0], True
        while more:
            first, more = prune_piece(database, first, time.time() + 2 * MONTH, Limits(MONTH))


async def test_a_cursor_from_before_what_is_kept_is_told_the_first_revision(line: Make) -> None:
    desk: Line = await line(default_phone=BUSY)
    head = await whole_call(desk)
    subscribers = [kind(desk.sandbox.address, after=0) for kind in KINDS]
    for one in subscribers:
        while (await one.next()).revision < head:
            pass
    await desk.sandbox.daemon.stop()
    await desk.sandbox.daemon.start()
    await whole_call(desk)  # they are not reading, and miss this one
    await desk.sandbox.daemon.stop()
    forget_everything(desk.sandbox.folder / "agenticd.db")
    await desk.sandbox.daemon.start()
    first_revision = (await desk.client.status()).first_revision
    assert first_revision > head + 1
    newcomers = [kind(desk.sandbox.address, after=head) for kind in KINDS]
    for one in (*subscribers, *newcomers):
        with pytest.raises(errors.CursorCompacted) as caught:
            await one.next()
        assert caught.value.first_revision == first_revision
        await one.close()
    assert subscribers[0].cursor == subscribers[1].cursor
    assert str(subscribers[0].cursor).endswith(f":{head}"), "it says up to where it knows everything"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_replaced_log_is_noticed_in_mid_stream(line: Make, kind: type[Subscriber]) -> None:
    desk: Line = await line(default_phone=BUSY)
    head = await whole_call(desk)
    subscriber = kind(desk.sandbox.address, after=0)
    while (await subscriber.next()).revision < head:
        pass
    before = subscriber.cursor
    await desk.sandbox.daemon.stop()
    for path in desk.sandbox.folder.glob("agenticd.db*"):
        path.unlink()
    await desk.sandbox.daemon.start()
    for _ in range(3):
        await whole_call(desk)  # the new log has the cursor's revision, too
    with pytest.raises(errors.LogReplaced) as caught:
        await subscriber.next()
    assert caught.value.epoch == (await desk.client.status()).epoch
    assert subscriber.cursor == before
    await subscriber.close()


class Flood(LedWatch):
    """A log with much in it."""

    async def follow(self, request: FollowRequest) -> AsyncGenerator[Frame, None]:
        codec = ProtoEventCodec()
        self.frames = [OPENED]
        for revision in range((request.after or 0) + 1, FLOOD):
            event = Event(call_id(1), revision, NOW, Warning("SPAM", "x" * 20_000))
            self.frames.append(Batch([codec.encode(event, revision)], revision))
        async for frame in super().follow(request):
            yield frame


@pytest.mark.parametrize("kind", KINDS)
async def test_a_subscriber_that_did_not_read_for_too_long_goes_on_without_a_gap(
    tmp_path: Path, kind: type[Subscriber], monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = Patience(monkeypatch, 1 + READ)  # for `opened`, and for what is read
    patience.ends.set()
    watch = Flood()
    watch.waits = True
    async with served(tmp_path, MemoryCalls(), watch, stall_timeout=0.1):
        subscriber = kind(f"unix:{tmp_path / 'api.sock'}", after=0)
        got = [(await subscriber.next()).revision for _ in range(READ)]
        await watch.left.wait()  # the daemon has ended its stream: CONSUMER_STALLED
        while got[-1] < FLOOD - 1:
            got.append((await subscriber.next()).revision)
        assert got == list(range(1, FLOOD))
        assert len(watch.requests) > 1
        # With a window that may grow (grpc.http2.bdp_probe) it is some 300.
        assert READ <= (watch.requests[1].after or 0) < 120, "the daemon did not run far ahead of who does not read"
        await subscriber.close()


def test_the_clients_pings_are_not_so_frequent_that_the_daemon_hangs_up() -> None:
    ours, theirs = dict(OPTIONS), dict(SERVER_OPTIONS)
    assert int(str(ours["grpc.keepalive_time_ms"])) > int(str(theirs["grpc.http2.min_ping_interval_without_data_ms"]))
