"""What the caller says, on its way to the model: kept until there is one, then passed on, on a time line of its own.

Pure: `now` is an argument, in seconds.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from agenticd.core.effects import Effect, SendAudio
from agenticd.core.pcm24 import upwards
from agenticd.core.voice import FRAME_SECONDS

RING_FRAMES = 100
"""Caller audio that waits for the model: 2 s of 20 ms frames, the oldest dropped first."""


class Hearing:
    """The caller's audio in one call."""

    def __init__(self, audio: Literal["pcmu", "pcm24"]) -> None:
        self.dropped = 0
        """Frames that the model never got."""
        self._upwards = upwards() if audio == "pcm24" else None
        self._waiting: deque[tuple[str, float]] = deque(maxlen=RING_FRAMES)
        self._origin: float | None = None
        """When the first audio that the model got was spoken: millisecond 0 of its time line."""

    def keep(self, payload: str, now: float) -> None:
        """A frame, mu-law in base64, that no model is ready for."""
        if len(self._waiting) == RING_FRAMES:
            self.dropped += 1
        self._waiting.append((payload, now))

    def release(self) -> list[Effect]:
        """The model is ready: all that was kept, in its order."""
        if not self._waiting:
            return []
        self._origin = self._waiting[0][1] - FRAME_SECONDS
        effects = [self._send(payload) for payload, _ in self._waiting]
        self._waiting.clear()
        return effects

    def forget(self) -> None:
        """No model will ever be ready for what was kept."""
        self._waiting.clear()

    def pass_on(self, payload: str, now: float) -> Effect:
        """A frame for the model."""
        if self._origin is None:
            self._origin = now - FRAME_SECONDS
        return self._send(payload)

    def spoken_at(self, audio_ms: float, now: float) -> float:
        """When that was spoken: the model counts milliseconds of the audio that it got."""
        return (self._origin or now) + audio_ms / 1000

    def _send(self, payload: str) -> Effect:
        return SendAudio(payload if self._upwards is None else self._upwards.convert(payload))
