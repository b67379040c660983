"""A daemon of the tests' own: the contract's servicers with a log in memory, on a Unix socket, and faults to
order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf.any_pb2 import Any as Packed
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc import StatusCode, aio

from agentic.v1 import call_pb2, event_pb2, node_service_pb2
from agentic.v1 import call_service_pb2 as pb
from agentic.v1.call_service_pb2_grpc import CallServiceServicer, add_CallServiceServicer_to_server
from agentic.v1.node_service_pb2_grpc import NodeServiceServicer, add_NodeServiceServicer_to_server

CALL = "01KAPBQ7DV0000000000000001"
OTHER = "01KAPBQ7DV0000000000000002"
EPOCH = "5f0c2a19d3b84e67"


class Fault(Exception):
    """What the daemon answers instead: a code, a reason, and details."""

    def __init__(self, code: StatusCode, reason: str = "", *details: Any, **metadata: str) -> None:
        self.code, self.reason, self.details, self.metadata = code, reason, details, metadata

    @property
    def text(self) -> str:
        return f"the daemon says {self.reason or self.code.name}"

    def trailing(self) -> tuple[tuple[str, bytes], ...]:
        if not self.reason:
            return ()
        number, _ = self.code.value
        status = status_pb2.Status(code=number, message=self.text)
        info = error_details_pb2.ErrorInfo(reason=self.reason, domain="agenticd", metadata=self.metadata)
        for detail in (info, *self.details):
            packed = Packed()
            packed.Pack(detail)
            status.details.append(packed)
        return (("grpc-status-details-bin", status.SerializeToString()),)


class FakeDaemon(CallServiceServicer, NodeServiceServicer):
    """Keeps its log over `stop` and `start`, as the real one does."""

    def __init__(self, directory: Path) -> None:
        self.address = f"unix:{directory / 'agenticd.sock'}"
        self.epoch = EPOCH
        self.log: list[event_pb2.Event] = []
        self.calls: dict[str, call_pb2.Call] = {}
        self.utterances: list[event_pb2.TranscriptFinal] = []
        self.requests: list[Any] = []
        self.metadata: list[dict[str, str]] = []
        self.faults: list[Fault] = []
        """For the next requests, in this order."""
        self.fail_hang_up: dict[str, Fault] = {}
        """For HangUp of these calls, each time."""
        self.stream_end: Fault | None = None
        """How open streams end, once, when they have given all events."""
        self.extra: list[pb.StreamEventsResponse] = []
        """Frames between the events and the waiting, for the next stream."""
        self.backup = bytes(range(256)) * 10
        self.backup_missing = 0
        """How many bytes a backup is shorter than it says."""
        self.following = 0
        """How many streams have begun to follow, ever."""
        self.answers = asyncio.Event()
        self.answers.set()
        self._moved = asyncio.Condition()
        self._placed: set[str] = set()
        self._server: aio.Server | None = None

    async def start(self, *addresses: str) -> list[int]:
        """Listen, on more addresses too. Returns their ports."""
        self._server = aio.server(options=[("grpc.so_reuseport", 0)])
        add_CallServiceServicer_to_server(self, self._server)
        add_NodeServiceServicer_to_server(self, self._server)
        ports = [self._server.add_insecure_port(address) for address in (self.address, *addresses)]
        await self._server.start()
        return ports[1:]

    async def stop(self, grace: float | None = None) -> None:
        if self._server is not None:
            await self._server.stop(grace)
            self._server = None

    async def append(self, call_id: str = CALL, **payload: Any) -> int:
        """One event more. Returns its revision: they rise by two, as they may."""
        sequence = sum(event.call_id == call_id for event in self.log) + 1
        revision = 2 * (len(self.log) + 1)
        event = event_pb2.Event(revision=revision, call_id=call_id, call_sequence=sequence, **payload)
        event.time.FromMilliseconds(1_763_834_567_000 + revision)
        async with self._moved:
            self.log.append(event)
            self._moved.notify_all()
        return revision

    async def show(self, *words: event_pb2.LiveWords) -> None:
        """Words, behind the events that there are; returns when a stream has them."""
        self.extra = [pb.StreamEventsResponse(live=one) for one in words]
        await self._tell()
        await self.until(lambda: not self.extra)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what requests, streams and events change."""
        async with self._moved:
            await self._moved.wait_for(condition)

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    async def end_streams(self, fault: Fault) -> None:
        async with self._moved:
            self.stream_end = fault
            self._moved.notify_all()

    async def _enter(self, request: Any, context: Any) -> None:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        await self._tell()
        await self.answers.wait()
        if self.faults:
            await _abort(context, self.faults.pop(0))

    async def PlaceCall(self, request: pb.PlaceCallRequest, context: Any) -> pb.PlaceCallResponse:
        await self._enter(request, context)
        if request.request_id in self._placed:
            return pb.PlaceCallResponse(call=self.calls[CALL], revision=2, epoch=self.epoch, replayed=True)
        call = call_pb2.Call(
            call_id=CALL,
            state=call_pb2.CALL_STATE_QUEUED,
            direction=call_pb2.DIRECTION_OUTBOUND,
            to_address=request.to_address,
            agent=request.agent or "default",
            metadata=request.metadata,
            node_id="node-1",
        )
        call.create_time.FromSeconds(1_763_834_567)
        self.calls[CALL] = call
        self._placed.add(request.request_id)
        revision = await self.append(call_queued={"to_address": request.to_address})
        return pb.PlaceCallResponse(call=call, revision=revision, epoch=self.epoch)

    async def HangUp(self, request: pb.HangUpRequest, context: Any) -> pb.HangUpResponse:
        await self._enter(request, context)
        if request.call_id in self.fail_hang_up:
            await _abort(context, self.fail_hang_up[request.call_id])
        call = self.calls[request.call_id]
        call.state = call_pb2.CALL_STATE_ENDED
        call.end.reason, call.end.ended_by = call_pb2.END_REASON_CANCELED, call_pb2.ENDED_BY_API
        call.end.message = request.reason
        return pb.HangUpResponse(call=call, revision=9)

    async def GetCall(self, request: pb.GetCallRequest, context: Any) -> pb.GetCallResponse:
        await self._enter(request, context)
        if request.call_id not in self.calls:
            await _abort(context, Fault(StatusCode.NOT_FOUND, "CALL_NOT_FOUND"))
        return pb.GetCallResponse(call=self.calls[request.call_id], revision=9)

    async def ListCalls(self, request: pb.ListCallsRequest, context: Any) -> pb.ListCallsResponse:
        await self._enter(request, context)
        found = [call for call in self.calls.values() if not request.states or call.state in request.states]
        start = int(request.page_token or 0)
        stop = start + (request.page_size or 50)
        token = str(stop) if stop < len(found) else ""
        return pb.ListCallsResponse(calls=found[start:stop], next_page_token=token, revision=9 + start)

    async def GetTranscript(self, request: pb.GetTranscriptRequest, context: Any) -> pb.GetTranscriptResponse:
        await self._enter(request, context)
        return pb.GetTranscriptResponse(utterances=self.utterances, revision=9)

    async def GetStatus(self, request: Any, context: Any) -> node_service_pb2.GetStatusResponse:
        await self._enter(request, context)
        return node_service_pb2.GetStatusResponse(
            version="0.9.0",
            node_id="node-1",
            uptime={"seconds": 125},  # type: ignore[arg-type]
            live_calls=len(self.calls),
            first_revision=1,
            head_revision=self._head,
            epoch=self.epoch,
            carrier=node_service_pb2.PeerStatus(
                state=node_service_pb2.PEER_STATE_FAILING,
                last_use_time={"seconds": 1_763_834_567},  # type: ignore[arg-type]
                message="HTTP 503",
            ),
        )

    async def Drain(self, request: Any, context: Any) -> node_service_pb2.DrainResponse:
        await self._enter(request, context)
        return node_service_pb2.DrainResponse(live_calls=len(self.calls))

    async def Backup(  # type: ignore[override]  # with context.write, as StreamEvents below
        self, request: Any, context: Any
    ) -> None:
        await self._enter(request, context)
        opened = node_service_pb2.BackupOpened(
            epoch=self.epoch, revision=self._head, first_revision=1, size=len(self.backup) + self.backup_missing
        )
        await context.write(node_service_pb2.BackupResponse(opened=opened))
        for at in range(0, len(self.backup), 1000):
            await context.write(node_service_pb2.BackupResponse(data=self.backup[at : at + 1000]))

    @property
    def _head(self) -> int:
        return self.log[-1].revision if self.log else 0

    async def StreamEvents(  # type: ignore[override]  # with context.write, which the generated type has not
        self, request: pb.StreamEventsRequest, context: Any
    ) -> None:
        await self._enter(request, context)
        if request.epoch and request.epoch != self.epoch:
            await _abort(context, Fault(StatusCode.FAILED_PRECONDITION, "LOG_REPLACED", epoch=self.epoch))
        opened = pb.StreamOpened(revision=self._head, first_revision=1, epoch=self.epoch, node_id="node-1")
        await context.write(pb.StreamEventsResponse(opened=opened))
        after = request.after_revision if request.HasField("after_revision") else self._head
        open_calls = set(request.call_ids)
        self.following += 1
        await self._tell()
        while True:
            batch = [event for event in self.log if event.revision > after]
            after = batch[-1].revision if batch else after
            given = [event for event in batch if _wanted(event, request)]
            if given:
                await context.write(pb.StreamEventsResponse(batch=pb.EventBatch(events=given)))
            open_calls -= {event.call_id for event in batch if event.HasField("call_closed")}
            if request.call_ids and not open_calls:
                return
            if self._head == after:
                frames, self.extra = self.extra, []
                for frame in frames:
                    await context.write(frame)
                await self._tell()
            async with self._moved:
                await self._moved.wait_for(lambda at=after: self._head > at or self.stream_end or self.extra)  # type: ignore[misc]
            if self.stream_end is not None and self._head == after:
                fault, self.stream_end = self.stream_end, None
                await _abort(context, fault)


def _wanted(event: event_pb2.Event, request: pb.StreamEventsRequest) -> bool:
    kind = event.WhichOneof("payload")
    return (not request.call_ids or event.call_id in request.call_ids) and (not request.types or kind in request.types)


async def _abort(context: Any, fault: Fault) -> None:
    await context.abort(fault.code, fault.text, fault.trailing())
