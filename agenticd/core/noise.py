"""Whether what the caller makes heard is long enough to be meant as an interruption. Pure.

The model says that somebody speaks as soon as it hears anything, and that they stopped half a second after they did:
too late to tell a cough from a word. So the level of each frame is kept here, and voiced frames are counted.

Levels are mean mu-law magnitudes, 0 to 127: the code is logarithmic above its first steps, 16 of it are 6 dB.
"""

from __future__ import annotations

import base64
import binascii
from collections import deque

FRAME_SECONDS = 0.020
_FLOOR = 24
"""Below this a frame is the noise of the line, some 50 dB under full scale."""
_BELOW_PEAK = 40
"""15 dB: what is so much quieter than the loudest frame is its echo, or what was there all the time."""
_KEPT = 200
_MAGNITUDE = bytes(~code & 0x7F for code in range(256))


class NoiseGate:
    """The sounds of one caller. `least`: seconds of voice that count as speech."""

    def __init__(self, least: float) -> None:
        self._least = least
        self._levels: deque[int] = deque(maxlen=_KEPT)
        self._begun: int | None = None
        """Frames since the sound began; None: there is none, or it was long enough."""

    @property
    def undecided(self) -> bool:
        """A sound has begun that may yet be nothing."""
        return self._begun is not None

    def begin(self, lasted: float) -> bool:
        """The model heard something, which began `lasted` seconds ago. True: it is long enough already."""
        self._begun = max(1, min(_KEPT, round(lasted / FRAME_SECONDS)))
        return self._long_enough()

    def hear(self, payload: str) -> bool:
        """A frame: mu-law, base64. True: with it, the sound is long enough."""
        try:
            data = base64.b64decode(payload, validate=True)
        except binascii.Error:
            data = b""
        self._levels.append(sum(data.translate(_MAGNITUDE)) // len(data) if data else 0)
        if self._begun is None:
            return False
        self._begun = min(_KEPT, self._begun + 1)
        return self._long_enough()

    def end(self) -> None:
        """The sound is over, or does not matter any more."""
        self._begun = None

    def _long_enough(self) -> bool:
        assert self._begun is not None
        levels = list(self._levels)[-self._begun :]
        least = max(_FLOOR, max(levels, default=0) - _BELOW_PEAK)
        if sum(level >= least for level in levels) * FRAME_SECONDS < self._least:
            return False
        self._begun = None
        return True
