"""Audio that is still known when it was converted: loops of tones, and the check of what a bridge makes of them.

Nothing here resamples. A caller's loop exists as mu-law at 8 kHz, the model's as PCM16 at 24 kHz. What arrives is
checked by its tones at first; from then on it must be what it was one loop before, byte by byte, as a converter that
depends on nothing but its input gives it. So each frame after that costs one comparison, as where audio passes through.
"""

from __future__ import annotations

import random
from array import array
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bench.audio import FRAME_SECONDS, Delays, Faults, Line, Track

TONES = (600, 1000, 1400, 1800, 2200, 2600, 3000)
"""Hz. Whole periods in 20 ms, so that frames join without a click, and in the 15 ms that are looked at."""
LOOP = 16
"""Frames: long enough that no two calls' are the same."""
_AMPLITUDE = 8000.0
_SKIPPED = (
    0.005  # seconds at a frame's begin that may still be the frame before: what a converter may delay at the most
)
_PURITY = 0.8  # what share of the energy must be the tone's; mu-law alone leaves 0.999
_LOUDNESS = (0.7, 1.4)

Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Format:
    """How audio is written: `read` makes samples, on the scale of PCM16, of a frame's bytes."""

    rate: int
    sample_bytes: int
    read: Callable[[bytes], Samples]
    write: Callable[[Samples], bytes]

    @property
    def frame_bytes(self) -> int:
        """Of 20 ms."""
        return round(self.rate * FRAME_SECONDS) * self.sample_bytes


def _read_pcm(data: bytes) -> Samples:
    return np.frombuffer(data, "<i2").astype(np.float64)


def _write_pcm(samples: Samples) -> bytes:
    return np.rint(samples).astype("<i2").tobytes()


_BIAS, _CLIP = 0x84, 32635  # of G.711


def _read_mulaw(data: bytes) -> Samples:
    code = ~np.frombuffer(data, np.uint8) & 0xFF
    exponent = (code >> 4 & 7).astype(np.int64)
    size = (((code & 0xF).astype(np.int64) << 3) + _BIAS << exponent) - _BIAS
    return np.where(code & 0x80, -size, size).astype(np.float64)


def _write_mulaw(samples: Samples) -> bytes:
    size = np.minimum(np.abs(np.rint(samples)).astype(np.int64), _CLIP) + _BIAS
    exponent = np.log2(size).astype(np.int64) - 7
    code = (samples < 0) * 0x80 | exponent << 4 | (size >> exponent + 3 & 0xF)
    data: bytes = (~code & 0xFF).astype(np.uint8).tobytes()
    return data


PCMU = Format(8000, 1, _read_mulaw, _write_mulaw)
PCM24 = Format(24000, 2, _read_pcm, _write_pcm)


def loop_of(call: int) -> list[int]:
    """The tones of a call's loop, in Hz. No two frames that follow each other are the same."""
    rng = random.Random(call)  # noqa: S311 - the same loop in every run
    loop = [TONES[0]]
    while len(loop) < LOOP:
        loop.append(
            rng.choice([tone for tone in TONES if tone != loop[-1] and (len(loop) < LOOP - 1 or tone != loop[0])])
        )
    return loop


@cache
def frame_of(tone: int, form: Format) -> str:
    """20 ms of a tone, base64."""
    time = np.arange(round(form.rate * FRAME_SECONDS)) / form.rate
    return b64encode(form.write(_AMPLITUDE * np.sin(2 * np.pi * tone * time))).decode()


def fault_of(payload: str, tone: int, form: Format) -> str | None:
    """What is wrong with 20 ms that should be this tone; None: nothing."""
    try:
        data = b64decode(payload, validate=True)
    except ValueError:
        return "is no base64"
    if len(data) != form.frame_bytes:
        return f"has {len(data)} bytes, not {form.frame_bytes}"
    samples = form.read(data)[round(form.rate * _SKIPPED) :]
    turns = np.exp(-2j * np.pi * tone / form.rate * np.arange(len(samples)))
    amplitude = 2 * abs(np.dot(samples, turns)) / len(samples)
    energy = float(np.mean(samples**2))
    if not energy or amplitude**2 / 2 < _PURITY * energy:
        return f"is not the tone of {tone} Hz"
    loudness = amplitude / _AMPLITUDE
    if not _LOUDNESS[0] < loudness < _LOUDNESS[1]:
        return f"is {loudness:.2f} times as loud as it was said"
    return None


class LoopVoice:
    """What the caller, or the model, of one call says: its loop, again and again."""

    def __init__(self, loop: Sequence[int], form: Format) -> None:
        self._frames = [frame_of(tone, form) for tone in loop]
        self._next = 0

    def next(self) -> str:
        """The next frame."""
        frame = self._frames[self._next]
        self._next = (self._next + 1) % len(self._frames)
        return frame


class ToneTrack(Track):
    """One call's audio in one direction, converted on its way into `form`. As many frames arrive as were sent."""

    def __init__(self, name: str, delays: array[float], faults: Faults, loop: Sequence[int], form: Format) -> None:
        super().__init__(name, delays, faults)
        self._loop = loop
        self._form = form
        self._count = 0
        self._learnt: list[str | None] = [None] * len(loop)

    def arrived(self, payload: str, now: float) -> None:
        """A frame is there."""
        self._begin()
        if not self._under_way:
            self._faults.add(f"{self.name}: more arrived than was sent")
            return
        _, at = self._under_way.popleft()
        place = self._count % len(self._loop)
        if payload == self._learnt[place] or self._sounds(payload, place):
            self._delays.append(now - at)
        self._count += 1

    def _sounds(self, payload: str, place: int) -> bool:
        """Whether it is right although it is not known yet."""
        fault = fault_of(payload, self._loop[place], self._form)
        if fault is None and self._learnt[place] is not None:
            fault = "is not what the same audio became before"
        if fault is not None:
            self._faults.add(f"{self.name}: frame {self._count} {fault}")
        elif self._count >= len(self._loop):  # the first loop began in silence: its first frame is another one
            self._learnt[place] = payload
        return fault is None


class ToneLine(Line):
    """One call through a bridge that converts: its caller says a loop of tones, and so does the model.

    The model says a frame for each frame that it hears, as an echo does.
    """

    def __init__(self, number: int, delays: Delays, faults: Faults) -> None:
        super().__init__(number, delays, faults)
        heard, said = loop_of(2 * number), loop_of(2 * number + 1)
        self.voice = LoopVoice(heard, PCMU)
        self.to_model = ToneTrack(f"call {number}, caller to model", delays.to_model, faults, heard, PCM24)
        self.to_caller = ToneTrack(f"call {number}, model to caller", delays.to_caller, faults, said, PCMU)
        self._answer = LoopVoice(said, PCM24)

    def answer(self, payload: str) -> str:
        """What the model says when it hears a frame."""
        return self._answer.next()
