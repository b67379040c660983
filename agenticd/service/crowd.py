"""Who of many followers goes on when: in slices, and a slice rests as long as it has worked.

So a hundred followers of a busy log take at most half of the event loop; the rest is the audio's and the log's. What
comes while they rest is in their next, larger batch: the busier the loop, the fewer and larger the writes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Protocol

SLICE = 8
"""So many are woken together."""
REST = 0.001
"""Seconds between two slices at least."""
PATIENCE = 0.02
"""Seconds after which a slice is taken for done, whoever is still at it: a subscriber that reads slowly, the disk."""


class Waiting(Protocol):
    """Whoever waits to be woken."""

    def wake(self) -> None:
        """Go on. Must not go on before it returns."""


class Crowd:
    """Wakes whoever is due. Those who were woken say when they wait again: `due` or `back`."""

    def __init__(self) -> None:
        self._due: OrderedDict[Waiting, None] = OrderedDict()  # in this order
        self._at_work: set[Waiting] = set()
        self._began = 0.0
        self._next: asyncio.TimerHandle | None = None  # None: nobody is due, or none of them is at work

    def __len__(self) -> int:
        """How many wait for their turn."""
        return len(self._due)

    def due(self, waiting: Waiting) -> None:
        """It has something to do, and waits for its turn."""
        self._due[waiting] = None
        if waiting in self._at_work:
            self._leave(waiting)
        elif self._next is None:
            self._slice()

    def back(self, waiting: Waiting) -> None:
        """It waits, and is not due; or is gone."""
        self._due.pop(waiting, None)
        if waiting in self._at_work:
            self._leave(waiting)

    def _leave(self, waiting: Waiting) -> None:
        self._at_work.discard(waiting)
        if self._at_work or self._next is None:
            return
        self._next.cancel()
        self._next = None
        if self._due:
            loop = asyncio.get_running_loop()
            self._next = loop.call_later(max(REST, loop.time() - self._began), self._slice)

    def _slice(self) -> None:
        self._next = None
        self._at_work = set()  # whoever is still at it comes back too late to be waited for
        if not self._due:
            return
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        self._at_work = {self._due.popitem(last=False)[0] for _ in range(min(SLICE, len(self._due)))}
        self._next = loop.call_later(PATIENCE, self._slice)
        for waiting in self._at_work:
            waiting.wake()
