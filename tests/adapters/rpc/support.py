"""What the tests of the API share: use cases in memory, a watch led by hand, a server on a Unix socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc import aio
from grpc_status import rpc_status
from msgspec.structs import replace

from agenticd.adapters.rpc import calls_service, needs, node_service
from agenticd.adapters.rpc.server import Config, RpcServer
from agenticd.adapters.store import SqliteLog
from agenticd.core.errors import AgenticError, ConsumerStalled, InvalidArgument, NotFound
from agenticd.core.events import (
    AgentBrief,
    CallEnd,
    CallOptions,
    CallRecord,
    CallState,
    Direction,
    EndedBy,
    EndReason,
    TranscriptFinal,
)
from agenticd.core.ids import CallId, new_call_id
from agenticd.service import calls as service_calls
from agenticd.service import watch as service_watch
from agenticd.service.calls import NodeStatus, Placed
from agenticd.service.orders import PlaceOrder
from agenticd.service.ports import CallQuery, PeerHealth
from agenticd.service.watch import STALL_SECONDS, FollowRequest, Frame, Opened, write_in_time

EPOCH = "5f0c2a19d3b84e67"
NODE = "node-1"
NOW = 1_763_834_567.123456


def call_id(number: int) -> CallId:
    """The ids of the calls here: the greater the number, the later."""
    return new_call_id(NOW + number, number.to_bytes(10, "big"))


def record(number: int = 1, state: CallState = CallState.QUEUED, **changes: object) -> CallRecord:
    made = CallRecord(
        call_id=call_id(number),
        direction=Direction.OUTBOUND,
        state=state,
        from_address="+15550001111",
        to_address="+15550002222",
        agent="default",
        brief=AgentBrief("Be brief.", "Hello", "marin", "gpt-realtime"),
        options=CallOptions(),
        node_id=NODE,
        create_time=NOW + number,
        last_sequence=1,
    )
    return replace(made, **changes)


class MemoryCalls:
    """The use cases, without a phone: calls stay QUEUED until they are hung up."""

    def __init__(self) -> None:
        self.records: dict[CallId, CallRecord] = {}
        self.orders: list[tuple[PlaceOrder, str]] = []
        self.utterances: Sequence[TranscriptFinal] = ()
        self.fault: BaseException | None = None
        self.blocked = asyncio.Event()
        self.blocked.set()
        self.drains = 0
        self._requests: dict[tuple[str, str], CallId] = {}

    def drain(self) -> None:
        self.drains += 1

    def queue_positions(self) -> Mapping[CallId, int]:
        waiting = (call_id for call_id, made in self.records.items() if made.state is CallState.QUEUED)
        return {call_id: place for place, call_id in enumerate(waiting, 1)}

    async def _enter(self) -> None:
        await self.blocked.wait()
        if self.fault is not None:
            raise self.fault

    async def place(self, order: PlaceOrder, identity: str) -> Placed:
        await self._enter()
        self.orders.append((order, identity))
        if not order.to_address.startswith("+"):
            raise InvalidArgument.at("to_address", "must begin with +")
        key = (identity, order.request_id)
        if order.request_id and key in self._requests:
            return Placed(self.records[self._requests[key]], 1, replayed=True)
        made = record(len(self.records) + 1, to_address=order.to_address, metadata=order.metadata)
        self.records[made.call_id] = made
        self._requests[key] = made.call_id
        return Placed(made, len(self.records), replayed=False)

    async def hang_up(self, call_id: CallId, message: str) -> tuple[CallRecord, int]:
        made, revision = await self.get(call_id)
        end = CallEnd(EndReason.CANCELED, EndedBy.API, message=message)
        self.records[call_id] = replace(made, state=CallState.ENDED, end=end, end_time=NOW + 60)
        return self.records[call_id], revision + 1

    async def get(self, call_id: CallId) -> tuple[CallRecord, int]:
        await self._enter()
        if call_id not in self.records:
            raise NotFound(call_id)
        return self.records[call_id], 7

    async def list(self, query: CallQuery) -> tuple[Sequence[CallRecord], int]:
        await self._enter()
        found = [
            made
            for made in sorted(self.records.values(), key=lambda r: (r.create_time, r.call_id), reverse=True)
            if (not query.states or made.state in query.states)
            and (query.direction is None or made.direction is query.direction)
            and (query.after is None or (made.create_time, made.call_id) < query.after)
        ]
        return found[: query.limit], 7

    async def transcript(self, call_id: CallId) -> tuple[Sequence[TranscriptFinal], int]:
        _, revision = await self.get(call_id)
        return self.utterances, revision

    def status(self) -> NodeStatus:
        if self.fault is not None:
            raise self.fault
        return NodeStatus(
            version="0.1.0",
            features=("spam",),
            node_id=NODE,
            uptime=12.5,
            live_calls=len(self.records),
            queued_calls=1,
            head_revision=9,
            first_revision=2,
            epoch=EPOCH,
            carrier=PeerHealth(True, NOW),
            model=PeerHealth(),
        )


class LedWatch:
    """Streams that give the test's `frames`, then its `error`, or nothing more until end_all."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.error: BaseException | None = None
        self.waits = False
        self.requests: list[FollowRequest] = []
        self.left = asyncio.Event()
        self._ended: AgenticError | None = None
        self._end = asyncio.Event()
        self._count = 0

    @property
    def count(self) -> int:
        return self._count

    def end_all(self, error: AgenticError) -> None:
        self._ended = error
        self._end.set()

    async def follow(self, request: FollowRequest) -> AsyncGenerator[Frame, None]:
        self.requests.append(request)
        self._count += 1
        try:
            for frame in self.frames:
                yield frame
            if self.error is not None:
                raise self.error
            if self.waits:
                await self._end.wait()
                assert self._ended is not None
                raise self._ended
        finally:
            self._count -= 1
            self.left.set()


class MemoryLog:
    """Copies of nothing, or of `data`; or the fault."""

    def __init__(self) -> None:
        self.data = b""
        self.fault: BaseException | None = None
        self.open = 0

    @asynccontextmanager
    async def backup(self) -> AsyncIterator[MemoryCopy]:
        if self.fault is not None:
            raise self.fault
        self.open += 1
        try:
            yield MemoryCopy(self.data)
        finally:
            self.open -= 1


class MemoryCopy:
    epoch = EPOCH
    revision, first_revision = 9, 2

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self._rest = data

    async def read(self, size: int) -> bytes:
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


def fits(
    calls: service_calls.Calls, watch: service_watch.Watch, log: SqliteLog
) -> tuple[needs.Calls, needs.Watch, needs.Log]:
    """Never called: mypy sees here that the daemon's use cases are what the API needs."""
    return calls, watch, log


OPENED = Opened(revision=9, first_revision=2, epoch=EPOCH, node_id=NODE)


class Patience:
    """Whom the server takes for a client that does not read: nobody in its first `writes`, whatever its limit; then,
    once `ends` is set, the first who does not take a frame within it; and nobody after that.

    The limits here are short, and a process that stands still for a moment is no such client.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
        self.ends = asyncio.Event()
        self._left = writes
        self._stalled = False
        for service in (calls_service, node_service):
            monkeypatch.setattr(service, "write_in_time", self._write)

    async def _write(self, write: Awaitable[None], seconds: float) -> None:
        if self._left or self._stalled:
            self._left -= 1
            await write_in_time(write, STALL_SECONDS)
            return
        await self.ends.wait()
        try:
            await write_in_time(write, seconds)
        except ConsumerStalled:
            self._stalled = True
            raise


@asynccontextmanager
async def served(
    path: Path, calls: MemoryCalls, watch: LedWatch, *more: str, log: MemoryLog | None = None, **limits: object
) -> AsyncIterator[RpcServer]:
    """A server on path/api.sock, and on `more`."""
    config = Config(
        listen=(f"unix:{path / 'api.sock'}", *more),
        token_path=path / "token",
        **limits,  # type: ignore[arg-type]
    )
    server = RpcServer(config, calls, watch, log or MemoryLog())
    await server.start()
    try:
        yield server
    finally:
        await server.stop(0)


def channel(path: Path, **options: int) -> aio.Channel:
    """A plain client of that server."""
    named = [(f"grpc.{name}", value) for name, value in options.items()]
    return aio.insecure_channel(f"unix:{path / 'api.sock'}", options=named)


def wire(error: aio.AioRpcError) -> tuple[status_pb2.Status, error_details_pb2.ErrorInfo, dict[str, Message]]:
    """What any client reads of a refusal: the status, its one ErrorInfo, and the other details by name."""
    status = rpc_status.from_call(cast(Any, error))  # it takes errors of both worlds
    assert status is not None, f"no details: {error.code()} {error.details()}"
    found: dict[str, Message] = {}
    for packed in status.details:
        name = packed.type_url.rpartition(".")[2]
        message = getattr(error_details_pb2, name)()
        assert packed.Unpack(message)
        assert name not in found
        found[name] = message
    info: error_details_pb2.ErrorInfo = found.pop("ErrorInfo")
    assert info.domain == "agenticd"
    return status, info, found
