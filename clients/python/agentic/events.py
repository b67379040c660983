"""Following events without losing one: a stream that reconnects, and resumes where it was. For asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar, assert_never, cast

from grpc import aio

from agentic._follower import Bookmarked, Follower, Resumed
from agentic._requests import scattered
from agentic.cursor import Cursor
from agentic.errors import AgenticError, from_rpc
from agentic.v1 import call_service_pb2 as pb
from agentic.v1.event_pb2 import Event, LiveWords

if TYPE_CHECKING:
    from typing import Self

Call: TypeAlias = "aio.UnaryStreamCall[pb.StreamEventsRequest, pb.StreamEventsResponse]"
Open: TypeAlias = Callable[[pb.StreamEventsRequest, bool], Call]
"""Starts the RPC. The flag: wait for a daemon that cannot be reached now."""

T = TypeVar("T")


class EventStream(Generic[T]):
    """Iterate over it: `async for event in stream`. Each event comes once, in order, over restarts of the
    daemon.

    It ends when all calls that it is about are closed; without call_ids never. While the daemon is away it waits, as
    long as it takes; bound that with asyncio.timeout. Raises AgenticError: at first whatever is wrong, later only what
    reconnecting does not mend (CursorInvalid, Unauthenticated …). Leave it by `aclose`, or use it in `async with`.
    One task iterates; any may call `aclose`.
    """

    def __init__(
        self,
        open_call: Open,
        follower: Follower,
        on_resume: Callable[[Cursor], None] | None = None,
        on_bookmark: Callable[[Cursor], None] | None = None,
        on_lost: Callable[[AgenticError], None] | None = None,
    ) -> None:
        self._open = open_call
        self._follower = follower
        self._on_resume = on_resume
        self._on_bookmark = on_bookmark
        self._on_lost = on_lost
        self._call: Call | None = None
        self._left = asyncio.Event()

    @property
    def cursor(self) -> Cursor | None:
        """Behind the last event that was given: store it when that event is done with. None before the first
        frame, if the stream was not begun with a Cursor."""
        return self._follower.cursor

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._follower.done:
            match self._follower.next():
                case Event() | LiveWords() as item:
                    return cast(T, item)
                case Resumed(cursor):
                    if self._on_resume is not None:
                        self._on_resume(cursor)
                case Bookmarked(cursor):
                    if self._on_bookmark is not None:
                        self._on_bookmark(cursor)
                case None:
                    await self._read()
                case other:
                    assert_never(other)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Leave the stream. `cursor` stays, to resume from. The task that iterates sees its end."""
        self._follower.leave()
        self._left.set()
        if self._call is not None:
            self._call.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _read(self) -> None:
        """One frame more; or the RPC's end, and the time to wait after it."""
        error: AgenticError | None = None
        try:
            if self._call is None:
                self._call = self._open(*self._follower.ask())
            frame = await self._call.read()
        except asyncio.CancelledError:
            self._call = None  # gRPC has given the RPC up; who iterates on resumes
            if self._follower.done and not being_cancelled():
                return  # gRPC's word for a stream that was left by another task
            raise
        except aio.AioRpcError as failure:
            error = from_rpc(failure)
            error.__cause__ = failure
        else:
            if frame is not aio.EOF:
                self._receive(cast(pb.StreamEventsResponse, frame))
                return
        self._call = None
        if self._follower.done:
            return
        delay = self._follower.ended(error)
        if self._on_lost is not None and (loss := self._follower.loss()) is not None:
            self._on_lost(loss)
        if delay is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(scattered(delay)):
                    await self._left.wait()

    def _receive(self, frame: pb.StreamEventsResponse) -> None:
        try:
            self._follower.handle(frame)
        except AgenticError:
            if self._call is not None:
                self._call.cancel()
                self._call = None
            raise


def being_cancelled() -> bool:
    """Whether a CancelledError here is meant for this task, and not what gRPC says when somebody closed the RPC."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
