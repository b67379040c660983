"""Whose turn it is to be dialled: first come, first served, at most so many a second.

Twilio begins one call a second by default and queues the rest on its side, where nobody can see or stop them; so they
wait here. No task: a timer, when somebody waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from agenticd.core import inputs
from agenticd.core.events import CallState
from agenticd.core.ids import CallId
from agenticd.service.ports import Clock, Timer
from agenticd.service.session import Session


class Dialer:
    """The queue before the carrier."""

    def __init__(self, clock: Clock, calls_per_second: float) -> None:
        self._clock = clock
        self._interval = 1.0 / calls_per_second
        self._queue: deque[Session] = deque()
        self._next = 0.0
        self._timer: Timer | None = None
        self._held = False

    def __len__(self) -> int:
        return sum(1 for session in self._queue if session.call.state is CallState.QUEUED)

    def positions(self) -> Mapping[CallId, int]:
        """Who waits, and in which place; 1 is next."""
        waiting = (session for session in self._queue if session.call.state is CallState.QUEUED)
        return {session.record.call_id: place for place, session in enumerate(waiting, 1)}

    def enqueue(self, session: Session) -> None:
        """Let the call be dialled when its turn comes."""
        self._queue.append(session)
        self._pump()

    def hold(self, held: bool) -> None:
        """Whether nobody's turn comes: a dialling that cannot be recorded must not be done."""
        self._held = held
        self._pump()

    def close(self) -> None:
        """Dial nobody any more."""
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pump(self) -> None:
        if self._timer is not None or self._held:
            return
        now = self._clock.monotonic()
        while self._queue and now >= self._next:
            session = self._queue.popleft()
            # Hung up or expired while it waited: its turn costs nobody anything.
            if session.call.state is CallState.QUEUED:
                session.feed(inputs.DialGranted(session.age))
                if session.record.end is None:
                    self._next = now + self._interval
        if self._queue:
            self._timer = self._clock.call_at(self._next, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._pump()
