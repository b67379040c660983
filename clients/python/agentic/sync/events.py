"""Following events without losing one: a stream that reconnects, and resumes where it was. For threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar, assert_never, cast

import grpc

from agentic._follower import Bookmarked, Follower, Resumed
from agentic._requests import scattered
from agentic.cursor import Cursor
from agentic.errors import AgenticError, from_rpc
from agentic.v1 import call_service_pb2 as pb
from agentic.v1.event_pb2 import Event, LiveWords

if TYPE_CHECKING:
    from typing import Self


class Call(Protocol):
    """What gRPC's RPC is here: frames, and a way to end it."""

    def __iter__(self) -> Iterator[pb.StreamEventsResponse]: ...

    def __next__(self) -> pb.StreamEventsResponse: ...

    def cancel(self) -> object:
        """End it, from any thread."""


Open: TypeAlias = Callable[[pb.StreamEventsRequest, bool], Call]
"""Starts the RPC. The flag: wait for a daemon that cannot be reached now."""

T = TypeVar("T")


class EventStream(Generic[T]):
    """Iterate over it: `for event in stream`. Each event comes once, in order, over restarts of the daemon.

    It ends when all calls that it is about are closed; without call_ids never. While the daemon is away it waits, as
    long as it takes; another thread can end that with `close`. Raises AgenticError: at first whatever is wrong, later
    only what reconnecting does not mend (CursorInvalid, Unauthenticated …). Leave it by `close`, or use it in `with`.
    One thread iterates; any may call `close`.
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
        self._left = threading.Event()
        self._lock = threading.Lock()  # over _left and _call: nothing is opened once it was left

    @property
    def cursor(self) -> Cursor | None:
        """Behind the last event that was given: store it when that event is done with. None before the first
        frame, if the stream was not begun with a Cursor."""
        return self._follower.cursor

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        while not (self._follower.done or self._left.is_set()):
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
                    self._read()
                case other:
                    assert_never(other)
        raise StopIteration

    def close(self) -> None:
        """Leave the stream. `cursor` stays, to resume from. The thread that iterates sees its end."""
        with self._lock:
            self._left.set()
            if self._call is not None:
                self._call.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> None:
        """One frame more; or the RPC's end, and the time to wait after it."""
        error: AgenticError | None = None
        call = self._connected()
        if call is None:
            return
        try:
            frame = next(call, None)
        except grpc.RpcError as failure:
            error = from_rpc(failure)
            error.__cause__ = failure
        else:
            if frame is not None:
                self._receive(call, frame)
                return
        self._call = None
        if self._left.is_set():
            return
        delay = self._follower.ended(error)
        if self._on_lost is not None and (loss := self._follower.loss()) is not None:
            self._on_lost(loss)
        if delay is not None:
            self._left.wait(scattered(delay))

    def _connected(self) -> Call | None:
        """The RPC, started if need be; None when the stream was left."""
        with self._lock:
            if self._left.is_set():
                return None
            if self._call is None:
                self._call = self._open(*self._follower.ask())
            return self._call

    def _receive(self, call: Call, frame: pb.StreamEventsResponse) -> None:
        try:
            self._follower.handle(frame)
        except AgenticError:
            self._call = None
            call.cancel()
            raise
