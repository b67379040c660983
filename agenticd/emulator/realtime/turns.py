"""Where the caller's turns begin and end: voice activity on the real audio, whose only clock is the audio."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import webrtcvad

from agenticd.emulator.voice import ulaw

_FRAME = ulaw.RATE // 50  # 20 ms
_FRAME_MS = 20
_WINDOW = 5  # frames that are looked at for a beginning
_NEEDED = 3  # of them with speech


@dataclass(frozen=True, slots=True)
class TurnDetection:
    """A session's `turn_detection`. `idle_timeout_ms` is None when off."""

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: int | None = None


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """`start_ms` of the session's audio, the padding included."""

    start_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """`end_ms` of the session's audio, the silence included."""

    end_ms: int


TurnEvent: TypeAlias = SpeechStarted | SpeechStopped


class TurnDetector:
    """webrtcvad in its strictest mode, a level below which nothing counts, and a counter for the silence.

    The original's `threshold` is a probability. Here it is a level: 0.5 is -45 dBFS, 0.1 more is 4 dB more.
    """

    def __init__(self, settings: TurnDetection, now_ms: int = 0) -> None:
        self.settings = settings
        self.speaking = False
        self._vad = webrtcvad.Vad(3)
        self._level = 32768 * 10 ** ((-65 + 40 * settings.threshold) / 20)
        self._pending = np.zeros(0, dtype=np.int16)
        self._position = now_ms  # of the next frame
        self._floor = now_ms  # nothing before this belongs to a new turn
        self._recent: deque[bool] = deque(maxlen=_WINDOW)
        self._silence = 0

    def hear(self, samples: ulaw.Pcm) -> Iterator[TurnEvent]:
        """What these 8 kHz samples show, in order. All of it must be consumed."""
        samples = np.concatenate([self._pending, samples])
        whole = len(samples) // _FRAME * _FRAME
        self._pending = samples[whole:]
        for at in range(0, whole, _FRAME):
            frame = samples[at : at + _FRAME]
            self._position += _FRAME_MS
            event = self._hear_frame(self._is_speech(frame))
            if event is not None:
                yield event

    def adopt(self, settings: TurnDetection) -> None:
        """Goes on with other settings, mid-speech too."""
        self.settings = settings
        self._level = 32768 * 10 ** ((-65 + 40 * settings.threshold) / 20)

    def forget(self) -> None:
        """The buffer was committed or cleared by the client: what was heard so far begins no turn."""
        self.speaking = False
        self._floor = self._position
        self._recent.clear()
        self._silence = 0

    def _is_speech(self, frame: ulaw.Pcm) -> bool:
        voiced = bool(self._vad.is_speech(frame.tobytes(), ulaw.RATE))
        level = float(np.sqrt((frame.astype(np.float64) ** 2).mean()))
        return voiced and level >= self._level

    def _hear_frame(self, speech: bool) -> TurnEvent | None:
        self._recent.append(speech)
        if not self.speaking:
            if sum(self._recent) < _NEEDED:
                return None
            self.speaking = True
            self._silence = 0
            first = len(self._recent) - list(self._recent).index(True)
            start = self._position - first * _FRAME_MS - self.settings.prefix_padding_ms
            return SpeechStarted(max(start, self._floor))
        self._silence = 0 if speech else self._silence + _FRAME_MS
        if self._silence < self.settings.silence_duration_ms:
            return None
        self.forget()
        return SpeechStopped(self._position)
