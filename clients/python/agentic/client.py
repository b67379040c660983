"""The client: one method for each RPC, with typed errors, deadlines, and retries that cannot dial twice."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, overload

from google.protobuf.duration_pb2 import Duration
from grpc import aio

from agentic import target as targets
from agentic.cursor import Cursor
from agentic.errors import Unreachable, from_rpc
from agentic.events import Call as StreamCall
from agentic.events import EventStream
from agentic.target import Target
from agentic.v1 import call_pb2, node_service_pb2
from agentic.v1 import call_service_pb2 as pb
from agentic.v1.call_service_pb2_grpc import CallServiceStub
from agentic.v1.event_pb2 import Event, LiveWords
from agentic.v1.node_service_pb2_grpc import NodeServiceStub

if TYPE_CHECKING:
    from typing import Self

TIMEOUT = 10.0

# Only what was surely not done is tried again, and PlaceCall has its request_id besides.
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{"service": "agentic.v1.CallService"}, {"service": "agentic.v1.NodeService"}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}
OPTIONS = (
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.enable_retries", 1),
    # The receiver's window decides how far a daemon runs ahead of a reader; the probe lets it grow to
    # megabytes.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # Channels of a process that look alike share connections, and with them each other's back-off.
    ("grpc.use_local_subchannel_pool", 1),
)

Q = TypeVar("Q")
A = TypeVar("A")
Method: TypeAlias = "aio.UnaryUnaryMultiCallable[Q, A]"


def connect(address: str | None = None, token: str | None = None, *, timeout: float = TIMEOUT) -> Client:
    """A client of the daemon at `address`, "unix:/path" or "127.0.0.1:port", else of the one that is found.

    Where is looked, and for what token: agentic.target.find, whose errors it raises. `timeout`: seconds that
    an answer may take. Call it where an event loop runs; it connects with the first RPC.
    """
    return Client(targets.find(address, token), timeout)


class Client:
    """A connection to one daemon. Close it with `close`, or use it in `async with`.

    Every method raises agentic.errors.AgenticError; in what cases is in the contract's comments.
    """

    def __init__(self, target: Target, timeout: float = TIMEOUT) -> None:
        self.target = target
        self.timeout = timeout
        self._metadata = (("authorization", f"Bearer {target.token}"),) if target.token else ()
        self._channel = aio.insecure_channel(target.address, options=OPTIONS)
        self._calls = CallServiceStub(self._channel)
        self._node = NodeServiceStub(self._channel)

    async def close(self) -> None:
        """Hang up on the daemon; open streams end."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def wait_ready(self, within: float) -> None:
        """Wait until the daemon can be reached. Raises Unreachable when it cannot within so many seconds."""
        try:
            async with asyncio.timeout(within):
                await self._channel.channel_ready()
        except TimeoutError:
            raise Unreachable(f"nobody answers on {self.target.address}", "UNAVAILABLE") from None

    async def place_call(
        self,
        to_address: str,
        *,
        from_address: str = "",
        agent: str = "",
        instructions: str | None = None,
        greeting: str | None = None,
        voice: str | None = None,
        model: str | None = None,
        language: str | None = None,
        variables: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
        ring_timeout: float | None = None,
        max_duration: float | None = None,
        queue_timeout: float | None = None,
        request_id: str | None = None,
    ) -> pb.PlaceCallResponse:
        """Have an agent call somebody. Answers when the call is durably queued; follow it with
        `events(call_ids=[answer.call.call_id], after=Cursor(answer.epoch, answer.revision))`.

        Times in seconds. Without `request_id` one is made, so that a retry of gRPC's cannot dial twice; give
        your own to repeat the request yourself.
        """
        overrides = pb.AgentOverrides(
            instructions=instructions, greeting=greeting, voice=voice, model=model, language=language
        )
        options = pb.CallOptions(
            ring_timeout=_duration(ring_timeout),
            max_duration=_duration(max_duration),
            queue_timeout=_duration(queue_timeout),
        )
        request = pb.PlaceCallRequest(
            to_address=to_address,
            from_address=from_address,
            agent=agent,
            overrides=overrides,
            variables=variables,
            metadata=metadata,
            options=options,
            request_id=request_id or str(uuid.uuid4()),
        )
        return await self._ask(self._calls.PlaceCall, request)

    async def hang_up(self, call_id: str, reason: str = "") -> pb.HangUpResponse:
        """End a call, whatever its state. A call that has ended is shown as it ended."""
        return await self._ask(self._calls.HangUp, pb.HangUpRequest(call_id=call_id, reason=reason))

    async def get_call(self, call_id: str) -> pb.GetCallResponse:
        """Show a call."""
        return await self._ask(self._calls.GetCall, pb.GetCallRequest(call_id=call_id))

    async def list_calls(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        states: Iterable[call_pb2.CallState.ValueType] = (),
        direction: call_pb2.Direction.ValueType = call_pb2.DIRECTION_UNSPECIFIED,
    ) -> pb.ListCallsResponse:
        """A page of calls, newest first."""
        request = pb.ListCallsRequest(page_size=page_size, page_token=page_token, states=states, direction=direction)
        return await self._ask(self._calls.ListCalls, request)

    async def all_calls(
        self,
        *,
        states: Iterable[call_pb2.CallState.ValueType] = (),
        direction: call_pb2.Direction.ValueType = call_pb2.DIRECTION_UNSPECIFIED,
    ) -> AsyncIterator[call_pb2.Call]:
        """All calls, newest first, page by page."""
        wanted, token = tuple(states), ""
        while True:
            page = await self.list_calls(page_size=500, page_token=token, states=wanted, direction=direction)
            for call in page.calls:
                yield call
            token = page.next_page_token
            if not token:
                return

    async def transcript(self, call_id: str) -> pb.GetTranscriptResponse:
        """What was said in a call so far, in the order of the conversation."""
        return await self._ask(self._calls.GetTranscript, pb.GetTranscriptRequest(call_id=call_id))

    async def status(self) -> node_service_pb2.GetStatusResponse:
        """What the daemon is and does."""
        return await self._ask(self._node.GetStatus, node_service_pb2.GetStatusRequest())

    @overload
    def events(
        self,
        *,
        call_ids: Iterable[str] = ...,
        types: Iterable[str] = ...,
        after: Cursor | int | None = ...,
        live: Literal[False] = ...,
        on_resume: Callable[[Cursor], None] | None = ...,
        on_bookmark: Callable[[Cursor], None] | None = ...,
    ) -> EventStream[Event]: ...

    @overload
    def events(
        self,
        *,
        call_ids: Iterable[str] = ...,
        types: Iterable[str] = ...,
        after: Cursor | int | None = ...,
        live: bool,
        on_resume: Callable[[Cursor], None] | None = ...,
        on_bookmark: Callable[[Cursor], None] | None = ...,
    ) -> EventStream[Event | LiveWords]: ...

    def events(
        self,
        *,
        call_ids: Iterable[str] = (),
        types: Iterable[str] = (),
        after: Cursor | int | None = None,
        live: bool = False,
        on_resume: Callable[[Cursor], None] | None = None,
        on_bookmark: Callable[[Cursor], None] | None = None,
    ) -> EventStream[Event] | EventStream[Event | LiveWords]:
        """Follow events: see EventStream.

        `after`: the last one that you have, as a cursor or a bare revision; 0 is from the oldest that is
        kept, None from now on. `call_ids`, `types` ("transcript_final" …): only these; empty: all. `live`:
        words too while they are spoken, as LiveWords. `on_resume` is called when a lost connection is back,
        `on_bookmark` when the cursor moved without an event: store it, lest it grows too old on a quiet
        stream.
        """
        request = pb.StreamEventsRequest(
            after_revision=after.revision if isinstance(after, Cursor) else after,
            epoch=after.epoch if isinstance(after, Cursor) else "",
            call_ids=call_ids,
            types=types,
            include_live=live,
        )
        return EventStream(self._stream, request, on_resume, on_bookmark)

    def _stream(self, request: pb.StreamEventsRequest, wait: bool) -> StreamCall:
        return self._calls.StreamEvents(request, metadata=self._metadata, wait_for_ready=wait)

    async def _ask(self, method: Method[Q, A], request: Q) -> A:
        try:
            return await method(request, timeout=self.timeout, metadata=self._metadata)
        except aio.AioRpcError as error:
            raise from_rpc(error) from error


def _duration(seconds: float | None) -> Duration | None:
    if seconds is None:
        return None
    duration = Duration()
    duration.FromMicroseconds(round(seconds * 1_000_000))
    return duration
