"""agentic.v1.CallService: each RPC is one use case between two conversions. Errors: interceptors.py."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing
from functools import cache
from typing import TYPE_CHECKING, assert_never

from agentic.v1 import call_pb2
from agentic.v1 import call_service_pb2 as pb
from agenticd.adapters.rpc import convert
from agenticd.adapters.rpc.codec import live_message
from agenticd.adapters.rpc.door import identity_of
from agenticd.adapters.rpc.frames import Shared
from agenticd.adapters.rpc.needs import Calls, Watch
from agenticd.core.events import CallRecord
from agenticd.service.watch import Batch, Bookmark, Frame, Live, Opened, write_in_time

if TYPE_CHECKING:
    from grpc.aio import ServicerContext


class CallService:
    """Places, watches and ends calls."""

    def __init__(self, calls: Calls, watch: Watch, stall_timeout: float) -> None:
        self._calls = calls
        self._watch = watch
        self._stall_timeout = stall_timeout
        self._shared = Shared()

    async def PlaceCall(
        self,
        request: pb.PlaceCallRequest,
        context: ServicerContext[pb.PlaceCallRequest, pb.PlaceCallResponse],
    ) -> pb.PlaceCallResponse:
        """Accepts a call that an agent shall make."""
        placed = await self._calls.place(convert.place_order(request), identity_of(context))
        return convert.placed_message(placed, self._epoch, self._calls.queue_positions)

    async def HangUp(self, request: pb.HangUpRequest, context: object) -> pb.HangUpResponse:
        """Ends a call."""
        record, revision = await self._calls.hang_up(*convert.hang_up(request))
        return pb.HangUpResponse(call=self._shown(record), revision=revision, epoch=self._epoch)

    async def GetCall(self, request: pb.GetCallRequest, context: object) -> pb.GetCallResponse:
        """Shows one call."""
        record, revision = await self._calls.get(convert.call_id(request))
        return pb.GetCallResponse(call=self._shown(record), revision=revision, epoch=self._epoch)

    async def ListCalls(self, request: pb.ListCallsRequest, context: object) -> pb.ListCallsResponse:
        """Lists calls, newest first."""
        query = convert.call_query(request)
        records, revision = await self._calls.list(query)
        positions = cache(self._calls.queue_positions)  # once for the page
        return convert.page_message(records, query, convert.page_size(request), revision, self._epoch, positions)

    @property
    def _epoch(self) -> str:
        return self._calls.status().epoch

    def _shown(self, record: CallRecord) -> call_pb2.Call:
        return convert.call_message(record, self._calls.queue_positions)

    async def GetTranscript(self, request: pb.GetTranscriptRequest, context: object) -> pb.GetTranscriptResponse:
        """Shows what was said."""
        utterances, revision = await self._calls.transcript(convert.call_id(request))
        return convert.transcript_message(utterances, revision, self._epoch)

    async def StreamEvents(
        self, request: pb.StreamEventsRequest, context: ServicerContext[pb.StreamEventsRequest, bytes]
    ) -> None:
        """Follows the event log. Frames go out as bytes: see frames.py."""
        async with aclosing(self._watch.follow(convert.follow_request(request))) as frames:
            async for frame in frames:
                if isinstance(frame, Opened):
                    # By itself: were it to go with a frame that gets stuck, the status would send it again.
                    await context.send_initial_metadata(())
                for data in encode(frame, self._shared):
                    await write_in_time(context.write(data), self._stall_timeout)


def encode(frame: Frame, shared: Shared) -> Iterable[bytes]:
    """The frame as the bytes of a StreamEventsResponse; a batch may take several."""
    match frame:
        case Batch():
            return shared.frames(frame.events)
        case Live():
            response = pb.StreamEventsResponse(live=live_message(frame.words))
        case Bookmark():
            response = pb.StreamEventsResponse(bookmark=pb.Bookmark(revision=frame.revision))
        case Opened():
            opened = pb.StreamOpened(
                revision=frame.revision,
                first_revision=frame.first_revision,
                epoch=frame.epoch,
                node_id=frame.node_id,
            )
            response = pb.StreamEventsResponse(opened=opened)
        case _:
            assert_never(frame)
    return (response.SerializeToString(),)
