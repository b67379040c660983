"""A telephone whose person can be told what to do while the call runs, besides what the script says."""

from __future__ import annotations

from collections import deque

from agenticd.emulator.phone.phone import Act, Phone, Speech, _audio
from agenticd.emulator.phone.script import Line, PhoneScript

MOST_WAITING = 64
"""Things to say and press that wait for the ones before them."""


class LivePhone(Phone):
    """What it is told comes before the script's next line, at once, but never cuts the caller's own line off."""

    def __init__(self, script: PhoneScript, speech: Speech) -> None:
        super().__init__(script, speech)
        self._speech = speech
        self._told: deque[Line] = deque()
        self._hang_up = False

    def say(self, text: str) -> None:
        """Say it, whether the agent speaks or not. ValueError if too much waits already."""
        self._tell(Line(say=text, after="time", pause=0.0))

    def press(self, keys: str) -> None:
        """Press these keys. ValueError if they are none, or if too much waits already."""
        self._tell(Line(press=keys, after="time", pause=0.0))

    def hang_up(self) -> None:
        """Hang up with the next 20 ms, in the middle of a word if need be."""
        self._hang_up = True

    def _tell(self, line: Line) -> None:
        if len(self._told) >= MOST_WAITING:
            raise ValueError(f"{MOST_WAITING} things wait to be said already")
        self._told.append(line)

    def _frame(self, acts: list[Act], *, late: bool) -> None:
        if self._hang_up:
            self._leave(acts)
        else:
            super()._frame(acts, late=late)

    def _begin_line(self, acts: list[Act]) -> None:
        if self._saying is None and self._told:
            line = self._told.popleft()
            self._lines.appendleft((line, _audio(line, self._speech)))
        super()._begin_line(acts)
