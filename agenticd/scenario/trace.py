"""Everything that happened while a scenario was played, in one order: at Twilio, at the model, at the daemon."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from agentctl import words
from agentic.v1.event_pb2 import Event
from agenticd.emulator.model import ModelHappening
from agenticd.emulator.screen import Screen
from agenticd.emulator.twilio.happenings import Happening

_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened, `at` seconds since the scenario began."""

    at: float
    where: str
    kind: str
    text: str


class Trace:
    """Filled while a scenario is played."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._began = time.monotonic()
        self._screen = Screen(lambda line: None)

    def happened(self, happening: Happening | ModelHappening) -> None:
        """Something in the emulator."""
        for row in self._screen.rows(happening):
            where = "model" if row.who.startswith("m") or row.kind == "model" else "Twilio"
            self.note(where, row.kind if where == "Twilio" else row.who, row.text)

    def event(self, event: Event) -> None:
        """Something that the daemon told its subscribers."""
        self.note("daemon", *words.describe(event))

    def note(self, where: str, kind: str, text: str) -> None:
        """Anything else."""
        if len(self.entries) < _MOST:
            self.entries.append(Entry(time.monotonic() - self._began, where, kind, text))

    @property
    def seconds(self) -> float:
        """How long it has been so far."""
        return time.monotonic() - self._began

    def lines(self) -> Iterator[str]:
        """The time line, for a file."""
        for entry in self.entries:
            yield f"{entry.at:8.3f}  {entry.where:<6}  {entry.kind:<18} {entry.text}".rstrip()
