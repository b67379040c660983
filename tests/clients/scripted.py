"""A daemon that says what is written down for it: for what a real one does seldom, or never."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc import StatusCode, aio

from agentic.v1 import call_service_pb2 as pb
from agentic.v1 import event_pb2, node_service_pb2
from agentic.v1.call_service_pb2_grpc import CallServiceServicer, add_CallServiceServicer_to_server
from agentic.v1.node_service_pb2_grpc import NodeServiceServicer, add_NodeServiceServicer_to_server

CALL = "01KAPBQ7DV0000000000000001"
EPOCH, ANOTHER = "5f0c2a19d3b84e67", "77aa2a19d3b84e67"
_FIELD_99 = b"\x9a\x06"
"""Tag of a field of length, number 99, that no message has."""


@dataclass(frozen=True, slots=True)
class Fault:
    """How a request ends, if not with an answer."""

    code: StatusCode
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    details: Sequence[Message] = ()
    message: str = "as it is written"

    def trailer(self) -> tuple[tuple[str, bytes], ...]:
        """The rich error, if it has a reason."""
        if not self.reason:
            return ()
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        info = error_details_pb2.ErrorInfo(reason=self.reason, domain="agenticd", metadata=self.metadata)
        for detail in (info, *self.details):
            packed = Packed()
            packed.Pack(detail)
            status.details.append(packed)
        return ((("grpc-status-details-bin", status.SerializeToString())),)


@dataclass(frozen=True, slots=True)
class Act:
    """One RPC of a stream: its frames, and its end. Without a fault it ends with OK."""

    frames: Sequence[pb.StreamEventsResponse]
    fault: Fault | None = None


class ScriptedDaemon(CallServiceServicer, NodeServiceServicer):
    """Plays an act for each stream, and a fault or an answer for each other request; it keeps what it was asked."""

    def __init__(self) -> None:
        self.acts: deque[Act] = deque()
        self.faults: deque[Fault] = deque()
        self.streams: list[pb.StreamEventsRequest] = []
        self.placed: list[pb.PlaceCallRequest] = []

    async def StreamEvents(
        self, request: pb.StreamEventsRequest, context: aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[pb.StreamEventsResponse]:
        self.streams.append(request)
        act = self.acts.popleft()
        for frame in act.frames:
            yield frame
        if act.fault is not None:
            await self._fail(context, act.fault)

    async def PlaceCall(
        self, request: pb.PlaceCallRequest, context: aio.ServicerContext[Any, Any]
    ) -> pb.PlaceCallResponse:
        self.placed.append(request)
        await self._perhaps_fail(context)
        answer = pb.PlaceCallResponse(revision=1, epoch=EPOCH)
        answer.call.call_id = CALL
        return answer

    async def GetStatus(
        self, request: node_service_pb2.GetStatusRequest, context: aio.ServicerContext[Any, Any]
    ) -> node_service_pb2.GetStatusResponse:
        await self._perhaps_fail(context)
        return node_service_pb2.GetStatusResponse(version="9.9.9", epoch=EPOCH, head_revision=7)

    async def _perhaps_fail(self, context: aio.ServicerContext[Any, Any]) -> None:
        if self.faults:
            await self._fail(context, self.faults.popleft())

    async def _fail(self, context: aio.ServicerContext[Any, Any], fault: Fault) -> None:
        await context.abort(fault.code, fault.message, fault.trailer())


@asynccontextmanager
async def playing(daemon: ScriptedDaemon, folder: Path) -> AsyncIterator[str]:
    """The daemon, listening. Its address."""
    server = aio.server(options=[("grpc.so_reuseport", 0)])
    add_CallServiceServicer_to_server(daemon, server)
    add_NodeServiceServicer_to_server(daemon, server)
    address = f"unix:{folder / 'scripted.sock'}"
    server.add_insecure_port(address)
    await server.start()
    try:
        yield address
    finally:
        await server.stop(None)


def opened(revision: int, epoch: str = EPOCH) -> pb.StreamEventsResponse:
    """The first frame."""
    return pb.StreamEventsResponse(opened=pb.StreamOpened(revision=revision, first_revision=1, epoch=epoch))


def batch(*revisions: int) -> pb.StreamEventsResponse:
    """Events of these revisions."""
    return pb.StreamEventsResponse(batch=pb.EventBatch(events=map(event, revisions)))


def bookmark(revision: int) -> pb.StreamEventsResponse:
    """All up to there was given."""
    return pb.StreamEventsResponse(bookmark=pb.Bookmark(revision=revision))


def event(revision: int) -> event_pb2.Event:
    """Something that happened."""
    made = event_pb2.Event(revision=revision, call_id=CALL, call_sequence=revision)
    made.digit_received.digit = "5"
    return made


def of_tomorrow(revision: int) -> pb.StreamEventsResponse:
    """An event of a kind that nobody knows yet."""
    strange = event_pb2.Event(revision=revision, call_id=CALL, call_sequence=revision)
    strange.MergeFromString(_FIELD_99 + b"\x00")
    return pb.StreamEventsResponse(batch=pb.EventBatch(events=[strange]))


def frame_of_tomorrow() -> pb.StreamEventsResponse:
    """A frame that nobody knows yet."""
    return pb.StreamEventsResponse.FromString(_FIELD_99 + b"\x00")
