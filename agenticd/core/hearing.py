"""What the caller says, on its way to the model: kept until there is one, then passed on, on a time line of its own.

Pure: `now` is an argument, in seconds.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from agenticd.core.effects import Effect, SendAudio
from agenticd.core.pcm24 import upwards
from agenticd.core.playout import decoded_size

RING_FRAMES = 100
"""Caller audio that waits for the model: 2 s of 20 ms frames, the oldest dropped first."""


class Hearing:
    """The caller's audio in one call."""

    def __init__(self, audio: Literal["pcmu", "pcm24"]) -> None:
        self.dropped = 0
        """Frames that the model never got."""
        self._upwards = upwards() if audio == "pcm24" else None
        self._waiting: deque[tuple[str, float]] = deque(maxlen=RING_FRAMES)
        self._sent_ms = 0.0
        """Milliseconds of audio that the model got: its time line."""
        self._last: float | None = None
        """When the last of that was spoken to its end."""

    def keep(self, payload: str, now: float) -> None:
        """A frame, mu-law in base64, that no model is ready for."""
        if len(self._waiting) == RING_FRAMES:
            self.dropped += 1
        self._waiting.append((payload, now))

    def release(self) -> list[Effect]:
        """The model is ready: all that was kept, in its order."""
        effects = [self.pass_on(payload, spoken) for payload, spoken in self._waiting]
        self._waiting.clear()
        return effects

    def spoken_at(self, audio_ms: float, now: float) -> float:
        """When that was spoken: the model counts milliseconds of the audio that it got, and knows of no gap in it."""
        return now if self._last is None else self._last - (self._sent_ms - audio_ms) / 1000

    def forget(self) -> None:
        """No model will ever be ready for what was kept."""
        self._waiting.clear()

    def pass_on(self, payload: str, now: float) -> Effect:
        """A frame for the model."""
        self._sent_ms += decoded_size(payload) / 8
        self._last = now
        return SendAudio(payload if self._upwards is None else self._upwards.convert(payload))
