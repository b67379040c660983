"""The client: one method for each RPC, with typed errors, deadlines, and retries that cannot dial twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Literal, TypeAlias, TypeVar, overload
from weakref import WeakSet

from grpc import aio

from agentic import _requests
from agentic import channel as channels
from agentic import target as targets
from agentic._follower import Follower
from agentic.cursor import Cursor
from agentic.errors import AgenticError, Unreachable, from_rpc
from agentic.events import Call as StreamCall
from agentic.events import EventStream, being_cancelled
from agentic.target import Target
from agentic.v1 import call_pb2, node_service_pb2
from agentic.v1 import call_service_pb2 as pb
from agentic.v1.call_service_pb2_grpc import CallServiceStub
from agentic.v1.event_pb2 import Event, LiveWords
from agentic.v1.node_service_pb2_grpc import NodeServiceStub

if TYPE_CHECKING:
    from typing import Self

TIMEOUT = channels.TIMEOUT

Q = TypeVar("Q")
A = TypeVar("A")
Method: TypeAlias = "aio.UnaryUnaryMultiCallable[Q, A]"


def connect(
    address: str | None = None,
    token: str | None = None,
    *,
    ca: str | PathLike[str] | None = None,
    cert: str | PathLike[str] | None = None,
    key: str | PathLike[str] | None = None,
    timeout: float = TIMEOUT,
) -> Client:
    """A client of the daemon at `address`, else of the one that is found on this machine.

    "unix:/path"; "127.0.0.1:port", without TLS; "host:port" on another machine, with TLS; "tls:127.0.0.1:port". `ca`,
    `cert` and `key` are files for TLS. What is taken where nothing is given: agentic.target.find, whose errors it
    raises. `timeout`: seconds that an answer may take.
    Call it where an event loop runs; it connects with the first RPC.
    """
    return Client(targets.find(address, token, ca=ca, cert=cert, key=key), timeout)


class Client:
    """A connection to one daemon. Close it with `close`, or use it in `async with`. It belongs to one event loop.

    Every method raises agentic.errors.AgenticError; in what cases is in the contract's comments. Answers are the
    contract's messages. While a daemon that has answered before is away, a request is sent again until `timeout` is
    over; every RPC is safe to repeat. A closed client raises RuntimeError.
    """

    def __init__(self, target: Target, timeout: float = TIMEOUT, *, channel: aio.Channel | None = None) -> None:
        """`channel`: your own, best made with agentic.channel.OPTIONS; it is closed with the client."""
        self.target = target
        self.timeout = timeout
        self._metadata = channels.credentials(target)
        self._channel = channel or channels.open_channel(target)
        self._calls = CallServiceStub(self._channel)
        self._node = NodeServiceStub(self._channel)
        self._streams: WeakSet[EventStream[Event] | EventStream[Event | LiveWords]] = WeakSet()
        self._proven = False  # a daemon has answered here
        self._closed = False

    async def close(self) -> None:
        """Hang up on the daemon; open streams end."""
        self._closed = True
        for stream in tuple(self._streams):
            await stream.aclose()
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def wait_ready(self, within: float) -> None:
        """Wait until the daemon can be reached. Raises Unreachable when it cannot within so many seconds."""
        self._check_open()
        try:
            async with asyncio.timeout(within):
                await self._channel.channel_ready()
        except TimeoutError:
            raise Unreachable(f"nobody answers on {self.target.shown}", "UNAVAILABLE") from None

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
        """Have an agent call somebody. Answers when the call is durably queued; then `follow` it.

        `to_address`, `from_address`: "+15550001111", the first also "sip:user@host". `agent`: a profile of the daemon's
        configuration; `instructions`, `greeting` (an empty one: wait for the caller), `voice`, `model` and `language`
        ("en") replace what it says, and None keeps it. `variables` fill {{name}} in instructions and greeting.
        `metadata` comes back with the call. Times in seconds: `ring_timeout` 5 to 600, default 30; `max_duration` 1 to
        14,400, default the profile's; `queue_timeout` 1 to 3,600, default 60, after which it is never dialled.

        Without `request_id` one is made, so that a retry cannot dial twice. Where the outcome is not known
        (DeadlineExceeded, Unreachable), the error has it: to repeat the order within 24 hours with that `request_id`
        is safe.

        Raises InvalidArgument (`violations` names the fields), RequestIdReused, TooManyCalls, Draining, StoreDown.
        """
        request = _requests.place_call(
            to_address,
            from_address=from_address,
            agent=agent,
            instructions=instructions,
            greeting=greeting,
            voice=voice,
            model=model,
            language=language,
            variables=variables,
            metadata=metadata,
            ring_timeout=ring_timeout,
            max_duration=max_duration,
            queue_timeout=queue_timeout,
            request_id=request_id,
        )
        try:
            return await self._ask(self._calls.PlaceCall, request)
        except AgenticError as error:
            error.request_id = request.request_id
            raise

    async def hang_up(self, call_id: str, reason: str = "") -> pb.HangUpResponse:
        """End a call, whatever its state. A call that has ended is shown as it ended. `reason`: at most 256
        characters, for the record. Raises CallNotFound, StoreDown."""
        return await self._ask(self._calls.HangUp, pb.HangUpRequest(call_id=call_id, reason=reason))

    async def get_call(self, call_id: str) -> pb.GetCallResponse:
        """Show a call. Raises CallNotFound, StoreDown."""
        return await self._ask(self._calls.GetCall, pb.GetCallRequest(call_id=call_id))

    async def list_calls(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        states: Iterable[call_pb2.CallState.ValueType] = (),
        direction: call_pb2.Direction.ValueType = call_pb2.DIRECTION_UNSPECIFIED,
    ) -> pb.ListCallsResponse:
        """A page of calls, newest first: 1 to 500 of them, 0 is 50. Raises InvalidArgument, StoreDown."""
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
        """What was said in a call so far, in the order of the conversation. Raises CallNotFound, StoreDown."""
        return await self._ask(self._calls.GetTranscript, pb.GetTranscriptRequest(call_id=call_id))

    async def status(self) -> node_service_pb2.GetStatusResponse:
        """What the daemon is and does."""
        return await self._ask(self._node.GetStatus, node_service_pb2.GetStatusRequest())

    async def drain(self) -> node_service_pb2.DrainResponse:
        """Let the daemon take no new calls, until it is started again; those that live go on to their ends."""
        return await self._ask(self._node.Drain, node_service_pb2.DrainRequest())

    async def backup(self, file: BinaryIO) -> node_service_pb2.BackupOpened:
        """Write a copy of the daemon's whole event log into the file, and say what it is a copy of. `agenticd restore`
        takes it. Raises StoreDown; Unavailable when the connection breaks: then the file is of no use."""
        self._check_open()
        opened: node_service_pb2.BackupOpened | None = None
        written = 0
        try:
            async for response in self._node.Backup(node_service_pb2.BackupRequest(), metadata=self._metadata):
                if response.HasField("opened"):
                    opened = response.opened
                else:
                    written += file.write(response.data)
        except aio.AioRpcError as failure:
            raise from_rpc(failure) from failure
        return _requests.whole(opened, written)

    @overload
    def follow(
        self,
        placed: pb.PlaceCallResponse,
        *,
        live: Literal[False] = ...,
        on_resume: Callable[[Cursor], None] | None = ...,
        on_lost: Callable[[AgenticError], None] | None = ...,
    ) -> EventStream[Event]: ...

    @overload
    def follow(
        self,
        placed: pb.PlaceCallResponse,
        *,
        live: bool,
        on_resume: Callable[[Cursor], None] | None = ...,
        on_lost: Callable[[AgenticError], None] | None = ...,
    ) -> EventStream[Event | LiveWords]: ...

    def follow(
        self,
        placed: pb.PlaceCallResponse,
        *,
        live: bool = False,
        on_resume: Callable[[Cursor], None] | None = None,
        on_lost: Callable[[AgenticError], None] | None = None,
    ) -> EventStream[Event] | EventStream[Event | LiveWords]:
        """All events of a call that place_call has placed, from its call_queued to its call_closed: see EventStream
        and `events`."""
        before, calls = Cursor(placed.epoch, placed.revision - 1), [placed.call.call_id]
        return self.events(call_ids=calls, after=before, live=live, on_resume=on_resume, on_lost=on_lost)

    @overload
    def events(
        self,
        *,
        call_ids: Iterable[str] = ...,
        types: Iterable[str] = ...,
        after: Cursor | int | None = ...,
        live: Literal[False] = ...,
        on_resume: Callable[[Cursor], None] | None = ...,
        on_lost: Callable[[AgenticError], None] | None = ...,
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
        on_lost: Callable[[AgenticError], None] | None = ...,
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
        on_lost: Callable[[AgenticError], None] | None = None,
        on_bookmark: Callable[[Cursor], None] | None = None,
    ) -> EventStream[Event] | EventStream[Event | LiveWords]:
        """Follow events: see EventStream.

        `after`: the last one that you have, as a cursor or a bare revision; 0 is from the oldest that is
        kept, None from now on. `call_ids`, `types` ("transcript_final" …): only these; empty: all. `live`:
        words too while they are spoken, as LiveWords. `on_lost` is called when the stream is interrupted, once
        each time, with the error (its `reason` is empty where the connection broke); `on_resume` when it is
        back; `on_bookmark` when the cursor moved without an event: store it, lest it grows too old on a quiet
        stream.

        The stream raises InvalidArgument, CallNotFound, CursorCompacted and LogReplaced (CursorInvalid).
        """
        self._check_open()
        request = _requests.stream_events(call_ids, types, after, live)
        follower = Follower(request, proven=self._proven)
        stream: EventStream[Event] | EventStream[Event | LiveWords]
        stream = EventStream(self._stream, follower, on_resume, on_bookmark, on_lost)
        self._streams.add(stream)
        return stream

    def _stream(self, request: pb.StreamEventsRequest, wait: bool) -> StreamCall:
        return self._calls.StreamEvents(request, metadata=self._metadata, wait_for_ready=wait)

    async def _ask(self, method: Method[Q, A], request: Q) -> A:
        self._check_open()
        patience = _requests.Patience(self.timeout, time.monotonic())
        while True:
            try:
                answer = await method(request, timeout=patience.left(time.monotonic()), metadata=self._metadata)
            except aio.AioRpcError as failure:
                error = from_rpc(failure)
                self._proven = self._proven or bool(error.reason)
                delay = patience.wait(error, self._proven and not self._closed, time.monotonic())
                if delay is None:
                    raise error from failure
            except asyncio.CancelledError:
                if self._closed and not being_cancelled():
                    raise AgenticError("the client was closed", "CANCELLED") from None
                raise
            else:
                self._proven = True
                return answer
            await asyncio.sleep(delay)

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the client is closed")
