"""The input audio buffer: the caller's samples since the last commit, on the clock of all audio appended."""

from __future__ import annotations

from collections import deque

import numpy as np

from agenticd.emulator.voice import ulaw

_PER_MS = ulaw.RATE // 1000


class InputBuffer:
    """8 kHz samples. The clock counts what was appended in the session and never goes back."""

    def __init__(self) -> None:
        self._pieces: deque[ulaw.Pcm] = deque()
        self._first = 0  # position of the first sample that is kept
        self._position = 0

    @property
    def now_ms(self) -> int:
        """How much audio the session was given."""
        return self._position // _PER_MS

    @property
    def kept_ms(self) -> float:
        """How much of it is in the buffer."""
        return (self._position - self._first) / _PER_MS

    def append(self, samples: ulaw.Pcm) -> None:
        """Adds samples at the end."""
        self._pieces.append(samples)
        self._position += len(samples)

    def take(self, start_ms: int, end_ms: int) -> ulaw.Pcm:
        """The samples of this time, as far as they are kept; they and all before them leave the buffer."""
        kept = np.concatenate([np.zeros(0, dtype=np.int16), *self._pieces])
        start, end = (min(max(ms * _PER_MS - self._first, 0), len(kept)) for ms in (start_ms, end_ms))
        self._pieces = deque([kept[end:]])
        self._first += end
        return kept[start:end]

    def forget_before(self, ms: int) -> None:
        """Lets go of pieces that end before this time."""
        while self._pieces and self._first + len(self._pieces[0]) <= ms * _PER_MS:
            self._first += len(self._pieces.popleft())

    def clear(self) -> None:
        """Empties the buffer; the clock stays."""
        self._pieces.clear()
        self._first = self._position
