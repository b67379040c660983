"""Following events without losing one: a stream that reconnects, and resumes where it was."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar, cast

from grpc import aio

from agentic.cursor import Cursor
from agentic.errors import AgenticError, ConsumerStalled, Unavailable, Unreachable, from_rpc
from agentic.v1 import call_service_pb2 as pb
from agentic.v1.event_pb2 import Event, LiveWords

if TYPE_CHECKING:
    from typing import Self

Call: TypeAlias = "aio.UnaryStreamCall[pb.StreamEventsRequest, pb.StreamEventsResponse]"
Open: TypeAlias = Callable[[pb.StreamEventsRequest, bool], Call]
"""Starts the RPC. The flag: wait for a daemon that cannot be reached now."""

FIRST_DELAY, LAST_DELAY = 0.1, 5.0
# What gRPC says by itself when a connection or a daemon goes away in the middle of a stream.
_BROKEN = frozenset({"CANCELLED", "INTERNAL", "UNKNOWN"})

T = TypeVar("T")


class EventStream(Generic[T]):
    """Iterate over it: `async for event in stream`. Each event comes once, in order, over restarts of the
    daemon.

    It ends when all calls that it is about are closed; without call_ids never. Raises AgenticError: at first
    whatever is wrong, later only what reconnecting does not mend (CursorInvalid, Unauthenticated …). Leave
    it by `aclose`, or use it in `async with`.
    """

    def __init__(
        self,
        open_call: Open,
        request: pb.StreamEventsRequest,
        on_resume: Callable[[Cursor], None] | None = None,
        on_bookmark: Callable[[Cursor], None] | None = None,
    ) -> None:
        self._open = open_call
        self._request = request
        self._on_resume = on_resume
        self._on_bookmark = on_bookmark
        self._cursor: Cursor | None = None
        self._call: Call | None = None
        self._ready: deque[Event] = deque()
        self._failures = 0
        self._done = False

    @property
    def cursor(self) -> Cursor | None:
        """Behind the last event that was given: store it when that event is done with. None before the first
        frame."""
        return self._cursor

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._done:
            if self._ready:
                event = self._ready.popleft()
                self._advance(event.revision)
                return cast(T, event)
            frame = await self._read()
            if frame is None:
                break
            if (words := self._take(frame)) is not None:
                return cast(T, words)
        self._done = True
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Leave the stream. `cursor` stays, to resume from."""
        self._done = True
        if self._call is not None:
            self._call.cancel()
            self._call = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _take(self, frame: pb.StreamEventsResponse) -> LiveWords | None:
        """What a frame changes; the words, if it has some."""
        match frame.WhichOneof("frame"):
            case "opened":
                self._opened(frame.opened)
            case "batch":
                self._failures = 0
                self._ready.extend(frame.batch.events)
            case "bookmark":
                self._failures = 0
                cursor = self._advance(frame.bookmark.revision)
                if self._on_bookmark is not None:
                    self._on_bookmark(cursor)
            case "live":
                return frame.live
        return None  # a kind of frame that this version does not know is skipped

    def _opened(self, opened: pb.StreamOpened) -> None:
        if self._cursor is None:
            asked = self._request.after_revision if self._request.HasField("after_revision") else opened.revision
            self._cursor = Cursor(opened.epoch, asked)
        elif self._on_resume is not None:
            self._on_resume(self._cursor)

    def _advance(self, revision: int) -> Cursor:
        assert self._cursor is not None, "the first frame is always opened"
        self._cursor = Cursor(self._cursor.epoch, revision)
        return self._cursor

    async def _read(self) -> pb.StreamEventsResponse | None:
        """The next frame, over as many connections as it takes. None: the stream is complete."""
        while True:
            try:
                if self._call is None:
                    self._call = self._connect()
                frame = await self._call.read()
            except asyncio.CancelledError:
                self._call = None  # gRPC has given the RPC up; who iterates on resumes
                raise
            except aio.AioRpcError as failure:
                error = from_rpc(failure)
                error.__cause__ = failure
            else:
                if frame is not aio.EOF:
                    return cast(pb.StreamEventsResponse, frame)
                if self._request.call_ids:
                    return None
                error = Unreachable("the stream ended without a reason", "UNAVAILABLE")
            self._call = None
            if not self._mends(error):
                self._done = True
                raise error
            await asyncio.sleep(self._delay(error))

    def _connect(self) -> Call:
        """Start the RPC, behind what was given last."""
        if self._cursor is None:
            return self._open(self._request, False)
        request = pb.StreamEventsRequest()
        request.CopyFrom(self._request)
        request.epoch, request.after_revision = self._cursor.epoch, self._cursor.revision
        return self._open(request, True)

    def _mends(self, error: AgenticError) -> bool:
        """Whether to connect again. Not before the first frame: a wrong address is an error, not a wait."""
        if self._cursor is None:
            return False
        broken = error.code in _BROKEN and not error.reason
        return broken or isinstance(error, (Unavailable, ConsumerStalled))

    def _delay(self, error: AgenticError) -> float:
        """Seconds to wait: what the daemon asked for, else longer each time; scattered, so that not all come
        at once."""
        delay = min(LAST_DELAY, FIRST_DELAY * 2.0 ** min(self._failures, 10))
        self._failures += 1
        return max(delay, error.retry_after or 0.0) * random.uniform(0.8, 1.2)
