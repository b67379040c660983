"""Which event loop the daemon runs on, and how far it lags."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")

_INTERVAL = 0.25
_REMEMBERED = 40
"""How many measurements worst() looks back over: 10 s."""


def run(main: Coroutine[object, object, T], *, uvloop: bool = True) -> T:
    """Run the coroutine to its end, on uvloop where that is installed and wanted."""
    factory = _uvloop_factory() if uvloop else None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


def _uvloop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


class LagProbe:
    """Measures how late the running loop calls back: what stands in front of every frame.

    To be made, started and asked inside of the loop.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lags = [0.0] * _REMEMBERED
        self._next = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Measure from now on, four times a second."""
        self._arm()

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def lag(self) -> float:
        """Seconds by which the loop is late now, or was at the last measurement."""
        overdue = time.monotonic() - self._due if self._timer is not None else 0.0
        return max(0.0, overdue, self._lags[self._next - 1])

    def worst(self) -> float:
        """The worst lag of the last 10 s, in seconds."""
        return max(self.lag(), *self._lags)

    def _arm(self) -> None:
        # Not the loop's time: uvloop's stands still while the loop is busy, which is what is measured here.
        self._due = time.monotonic() + _INTERVAL
        self._timer = self._loop.call_later(_INTERVAL, self._measure)

    def _measure(self) -> None:
        self._lags[self._next] = max(0.0, time.monotonic() - self._due)
        self._next = (self._next + 1) % _REMEMBERED
        self._arm()
