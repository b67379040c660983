"""How late a test's own process is: what the emulator in it does late is no fault of the daemon's.

Looked at is a timer. What takes more steps than one is late as often: see ECHO.
"""

from __future__ import annotations

import asyncio
from typing import Self

ECHO = 2
"""A mark is echoed by a task that a timer wakes: each has to wait for an iteration of the loop."""


class Lateness:
    """How late this process is, looked at every 5 ms while entered."""

    def __init__(self) -> None:
        self._beats: list[tuple[float, float]] = []
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> Self:
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.cancel()

    def _wait(self) -> None:
        self._due = self._loop.time() + 0.005
        self._handle = self._loop.call_at(self._due, self._beat)

    def _beat(self) -> None:
        now = self._loop.time()
        self._beats.append((now, now - self._due))
        self._wait()

    def worst(self, since: float, until: float) -> float:
        """ms, between these moments."""
        return 1000 * max(late for at, late in self._beats if since <= at <= until)
