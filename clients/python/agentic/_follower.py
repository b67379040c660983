"""One follower's place in the log: what to ask for next, what to give, when to come back.

No gRPC call, no clock, no randomness: both kinds of EventStream drive it, and so both resume alike.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TypeAlias

from agentic._status import Details
from agentic.cursor import Cursor
from agentic.errors import AgenticError, ConsumerStalled, LogReplaced, Unavailable, Unreachable
from agentic.v1 import call_service_pb2 as pb
from agentic.v1.event_pb2 import Event, LiveWords

FIRST_DELAY, LAST_DELAY = 0.1, 5.0
# What gRPC says by itself when a connection or a daemon goes away in the middle of a stream.
_BROKEN = frozenset({"CANCELLED", "INTERNAL", "UNKNOWN"})


@dataclass(frozen=True, slots=True)
class Resumed:
    """A lost connection is back; the next event is the one after the cursor."""

    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Bookmarked:
    """Everything that matches, up to the cursor, was given."""

    cursor: Cursor


Item: TypeAlias = "Event | LiveWords | Resumed | Bookmarked"


def backoff(failures: int, asked: float | None) -> float:
    """Seconds to wait after so many failures before this one: longer each time, and never less than was asked for."""
    return max(min(LAST_DELAY, FIRST_DELAY * 2.0 ** min(failures, 10)), asked or 0.0)


class Follower:
    """Drive it so: while `next` gives items, hand them on; else read a frame of the RPC that `ask` describes, and give
    it to `handle`; when the RPC has ended, ask `ended` what to do.

    Each event is given once, in the order of revisions, whatever is lost, cut or sent again in between.
    """

    def __init__(self, request: pb.StreamEventsRequest, *, proven: bool = False) -> None:
        """`proven`: a daemon has answered at this address, so that one which is away is waited for from the start."""
        self._request = request
        self._proven = proven
        self._opened = False
        self._epoch = request.epoch
        self._cursor = Cursor(request.epoch, request.after_revision) if request.epoch else None
        self._received = request.after_revision  # as far as frames go, events and bookmarks
        self._last_event = request.after_revision
        self._items: deque[Item] = deque()
        self._failures = 0
        self._away = False  # the RPC has ended, and no later one was opened
        self._loss: AgenticError | None = None
        self.done = False
        """Nothing will come any more."""

    @property
    def cursor(self) -> Cursor | None:
        """Behind the last event or bookmark that `next` gave. None while it is not known to which log it belongs."""
        return self._cursor

    def ask(self) -> tuple[pb.StreamEventsRequest, bool]:
        """What to ask the daemon for, and whether to wait for one that cannot be reached."""
        if not self._opened:
            return self._request, self._proven
        request = pb.StreamEventsRequest()
        request.CopyFrom(self._request)
        request.epoch, request.after_revision = self._epoch, self._received
        return request, True

    def handle(self, frame: pb.StreamEventsResponse) -> None:
        """A frame has come. Raises LogReplaced for another log's, AgenticError where the contract is broken."""
        kind = frame.WhichOneof("frame")
        if kind == "opened":
            self._open(frame.opened)
            return
        if not self._opened:
            self.done = True
            raise AgenticError(f"the daemon began a stream with {kind}", "INTERNAL")
        match kind:
            case "batch":
                self._failures = 0
                for event in frame.batch.events:
                    # Not judged by bookmarks: should a daemon be wrong about one, better out of order than lost.
                    if event.revision > self._last_event:
                        self._received = self._last_event = event.revision
                        self._items.append(event)
            case "bookmark":
                self._failures = 0
                self._received = max(self._received, frame.bookmark.revision)
                self._items.append(Bookmarked(Cursor(self._epoch, self._received)))
            case "live":
                self._items.append(frame.live)
            case _:
                pass  # a newer daemon's

    def _open(self, opened: pb.StreamOpened) -> None:
        if self._epoch and opened.epoch != self._epoch:
            # The daemon checks it, too; but an event of another log must not come from here.
            self.done = True
            message = f"the cursor belongs to another log; this one is {opened.epoch}"
            details = Details(reason="LOG_REPLACED", metadata={"epoch": opened.epoch})
            raise LogReplaced(message, "FAILED_PRECONDITION", details)
        if self._opened:
            self._away = False
            self._items.append(Resumed(Cursor(self._epoch, self._received)))
            return
        self._opened, self._epoch = True, opened.epoch
        if not self._request.HasField("after_revision"):
            self._received = self._last_event = opened.revision
        self._cursor = Cursor(self._epoch, self._received)

    def next(self) -> Item | None:
        """The next item to hand on, if one is here. The cursor is then behind it."""
        if not self._items:
            return None
        item = self._items.popleft()
        match item:
            case Event():
                self._cursor = Cursor(self._epoch, item.revision)
            case Bookmarked():
                self._cursor = item.cursor
            case LiveWords() | Resumed():
                pass
        return item

    def ended(self, error: AgenticError | None) -> float | None:
        """The RPC has ended. Returns the seconds to wait before it is asked again, None when the stream is complete.

        Raises the error if asking again does not mend it. Before the first frame that is any error, unless a daemon
        is proven to be there: a wrong address is an error, not a wait.
        """
        if error is None:
            if self._request.call_ids:
                self.done = True
                return None
            error = Unreachable("the stream ended without a reason", "UNAVAILABLE")
        if not self._mends(error):
            self.done = True
            raise error
        self._failures += 1
        if self._opened and not self._away:
            self._away, self._loss = True, error
        return backoff(self._failures - 1, error.retry_after)

    def loss(self) -> AgenticError | None:
        """Why the stream was interrupted, once for each time; None when there is nothing to tell."""
        loss, self._loss = self._loss, None
        return loss

    def _mends(self, error: AgenticError) -> bool:
        if not (self._opened or self._proven):
            return False
        broken = error.code in _BROKEN and not error.reason
        return broken or isinstance(error, (Unavailable, ConsumerStalled))

    def leave(self) -> None:
        """Give nothing more. The cursor stays."""
        self.done = True
        self._items.clear()
