"""The real time and the real chance."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Callable

from agenticd.service.ports import Timer

# Linux stops its monotonic clock while the machine sleeps, and has another one for that; macOS does not stop it.
_WITH_SLEEP = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The Clock port on the running event loop: to be made inside of it.

    `monotonic` is the loop's own time, so that it and call_at agree. uvloop has it in whole milliseconds,
    as of the beginning of the loop's iteration.
    """

    __slots__ = ("_loop", "monotonic")

    monotonic: Callable[[], float]

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.monotonic = self._loop.time  # no method of ours in between: it is asked once per media frame

    def elapsed(self) -> float:
        """Seconds since the machine started, those that it slept included."""
        return time.clock_gettime(_WITH_SLEEP)

    def wall(self) -> float:
        """Seconds since 1970, UTC."""
        return time.time()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call back at the monotonic time `when` or up to 1 ms later, but never sooner."""
        # uvloop rounds to the nearest millisecond; half of one too early, a callback would find nothing due.
        return self._loop.call_at(math.ceil(when * 1000.0) / 1000.0, callback)

    def randomness(self, size: int) -> bytes:
        """Unpredictable bytes."""
        return os.urandom(size)
