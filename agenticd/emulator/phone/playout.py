"""The buffer between a stream and an ear: audio and marks in one FIFO, played in real time.

Pure: time is an argument, in seconds on the call's time line, 0 being the answer. Not the wire: bytes and
names in, bytes and names out.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

RATE = 8000
"""mu-law bytes played a second."""

SILENCE = b"\xff"

CAPACITY = 600 * RATE
"""Twilio keeps at most 10 minutes of audio that nobody has heard yet."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """One `clear`: of the `accepted` bytes so far, the last `dropped` were thrown away; all before them were played,
    or dropped by an earlier one. `at` is in s on the call's time line."""

    at: float
    accepted: int
    dropped: int


class Playout:
    """A FIFO of mu-law audio and marks that empties at 8000 bytes/s, from when something is in it."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.heard = bytearray()
        """What the ear got from 0 until the last time given, gaps filled with silence: byte n is sample n."""
        self.accepted = 0
        """Bytes ever taken in; bytes refused are not counted."""
        self.cleared: list[Cleared] = []
        """What each `clear` threw away, in order."""
        self._capacity = capacity
        self._audio: deque[memoryview] = deque()
        self._buffered = 0
        self._done = 0  # bytes that left the FIFO, played or cleared
        self._marks: deque[tuple[int, str]] = deque()  # (the value of _done at which it is due, name)
        self._echoes: list[str] = []

    @property
    def buffered(self) -> int:
        """Bytes that wait, as of the last time given."""
        return self._buffered

    def media(self, payload: bytes, now: float) -> bool:
        """Append audio. False, and nothing appended, if it would pass the capacity."""
        self.advance(now)
        if self._buffered + len(payload) > self._capacity:
            return False
        self._audio.append(memoryview(payload))
        self._buffered += len(payload)
        self.accepted += len(payload)
        return True

    def mark(self, name: str, now: float) -> None:
        """Append a mark. It is echoed when all audio before it was played: at once if there is none."""
        self.advance(now)
        self._marks.append((self._done + self._buffered, name))
        self._collect()

    def clear(self, now: float) -> None:
        """Forget all audio that was not played, and echo every mark that waits."""
        self.advance(now)
        self.cleared.append(Cleared(now, self.accepted, self._buffered))
        self._drop_audio()
        self._collect()

    def reset(self, now: float) -> None:
        """Forget audio and marks, echoing nothing: the stream has ended."""
        self.advance(now)
        self._drop_audio()
        self._marks.clear()
        self._echoes.clear()

    def advance(self, now: float) -> None:
        """Play on until `now`. A time before the last one given changes nothing."""
        # The small number keeps n/8000 s from being floored to n-1 samples by binary fractions.
        due = int(now * RATE + 1e-6) - len(self.heard)
        while due > 0 and self._audio:
            chunk = self._audio[0]
            played = chunk[:due]
            self.heard += played
            due -= len(played)
            self._buffered -= len(played)
            self._done += len(played)
            if len(played) == len(chunk):
                self._audio.popleft()
            else:
                self._audio[0] = chunk[len(played) :]
        if due > 0:
            self.heard += SILENCE * due
        self._collect()

    def echoes(self) -> list[str]:
        """The names of the marks that are due and were not handed out yet, in order."""
        echoes, self._echoes = self._echoes, []
        return echoes

    def next_echo(self) -> float | None:
        """When the first of the marks that wait is due, if nothing is cleared; None: there is none."""
        if not self._marks:
            return None
        return (len(self.heard) + self._marks[0][0] - self._done) / RATE

    def _drop_audio(self) -> None:
        self._audio.clear()
        self._done += self._buffered
        self._buffered = 0

    def _collect(self) -> None:
        while self._marks and self._marks[0][0] <= self._done:
            self._echoes.append(self._marks.popleft()[1])
