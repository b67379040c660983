"""Follows the event log, as a subscriber does, for those inside of the daemon who count and tell: counts.py, story.py.

Nothing is hooked into a call: what is durable is what is counted, and a call waits for nobody here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from agenticd.core.events import Event
from agenticd.core.log import Logged, Select
from agenticd.service.ports import EventCodec, EventLog

SLICE = 32
"""Events in one iteration of the loop, about a millisecond: they may not stand in front of the audio."""
_ALL = Select()


class Listener(Protocol):
    """Is told of events in the order of the log."""

    def wants(self, logged: Logged) -> bool:
        """Whether to decode this one for it. Asked of every event, once."""

    def heard(self, event: Event) -> None:
        """One that it wanted."""


class Observer:
    """Tells listeners of what becomes durable from now on. For the event loop's thread."""

    def __init__(self, log: EventLog, codec: EventCodec, listeners: Sequence[Listener]) -> None:
        self._log = log
        self._codec = codec
        self._listeners = tuple(listeners)
        self._after = log.window.head
        self._due = False
        self._loop = asyncio.get_running_loop()
        log.subscribe(self._wake)

    def _wake(self) -> None:
        # Later, not now: whoever waits for what became durable comes first.
        if not self._due:
            self._due = True
            self._loop.call_soon(self._read)

    def _read(self) -> None:
        self._due = False
        window = self._log.window
        page = window.read(max(self._after, window.start), _ALL, SLICE)
        self._after = page.upto
        if self._after < window.head:
            self._wake()
        for logged in page.events:
            wanting = [listener for listener in self._listeners if listener.wants(logged)]
            if wanting:
                event, _ = self._codec.decode(logged.data)
                for listener in wanting:
                    listener.heard(event)
