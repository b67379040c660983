"""The tones of a telephone's keys, ITU-T Q.23: keys into sound, and sound into keys. Pure.

The detector is for what a machine plays into an ear; speech, clips and hums included, is not taken for a key.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from agenticd.emulator.voice import ulaw

TONES = frozenset("0123456789*#ABCD")
"""Keys that have a tone; a telephone's keypad lacks the letters."""
PAUSES: Mapping[str, float] = {"w": 0.5, "W": 1.0}
"""What stands between keys for a rest, in s, as Twilio has it."""

_LOW, _HIGH = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
_KEYS = ("123A", "456B", "789C", "*0#D")
_ON, _OFF = 0.1, 0.1  # s
_AMPLITUDE = 6000.0  # of each of the two tones: -14.7 dBFS
_FRAME = 160
_SILENT = bytes([ulaw.SILENCE])
_LEAST = 300.0  # amplitude of the weaker tone: -40 dBFS
_PURE = 0.75  # the two tones' part of a frame's energy: a vowel spreads its own over many harmonics
_TWIST = 4.0  # the most that one tone may be stronger than the other: 12 dB


@functools.cache
def _key(key: str) -> bytes:
    row = next(index for index, keys in enumerate(_KEYS) if key in keys)
    low, high = _LOW[row], _HIGH[_KEYS[row].index(key)]
    at = 2 * np.pi * np.arange(int(_ON * ulaw.RATE)) / ulaw.RATE
    tone = ulaw.encode((_AMPLITUDE * (np.sin(low * at) + np.sin(high * at))).astype(np.int16))
    return tone + bytes([ulaw.SILENCE]) * int(_OFF * ulaw.RATE)


def sound(keys: str) -> bytes:
    """Keys as mu-law: 0.1 s of tone and 0.1 s of silence for each; `w` and `W` are rests.

    Raises:
        ValueError: if there is something else among them.

    """
    parts = []
    for key in keys:
        if key in PAUSES:
            parts.append(bytes([ulaw.SILENCE]) * int(PAUSES[key] * ulaw.RATE))
        elif key in TONES:
            parts.append(_key(key))
        else:
            raise ValueError(f"{key!r} is no key: 0-9, A-D, *, #, and w or W for a rest")
    return b"".join(parts)


def key_in(frame: bytes) -> str | None:
    """The key whose tone fills these 20 ms of mu-law."""
    if not frame.strip(_SILENT):
        return None
    samples = ulaw.decode(frame).astype(np.float64)
    energy = float((samples**2).sum())
    if len(samples) < _FRAME or energy < _LEAST**2 * len(samples) / 2:
        return None
    amplitudes = np.abs(samples @ _waves()) * 2 / len(samples)
    low, high = int(amplitudes[:4].argmax()), int(amplitudes[4:].argmax())
    strong, weak = float(amplitudes[low]), float(amplitudes[4 + high])
    if strong < weak:
        strong, weak = weak, strong
    pure = (strong**2 + weak**2) / 2 * len(samples) >= _PURE * energy
    return _KEYS[low][high] if weak >= _LEAST and strong <= _TWIST * weak and pure else None


@functools.cache
def _waves() -> npt.NDArray[np.complex128]:
    """Goertzel's eight filters side by side: a frame times this is what it holds of each tone."""
    hertz = np.array([*_LOW, *_HIGH], dtype=np.float64)
    waves: npt.NDArray[np.complex128] = np.exp(-2j * np.pi * np.outer(np.arange(_FRAME), hertz) / ulaw.RATE)
    return waves


class Detector:
    """Hears keys, frame by frame. A key counts once, however long it lasts, when two frames in a row hold it."""

    def __init__(self) -> None:
        self._last: str | None = None
        self._told: str | None = None

    def listen(self, frame: bytes) -> str | None:
        """Hear the next 20 ms; the key that begins here, if one does."""
        key = key_in(frame)
        told = None
        if key is not None and key == self._last and key != self._told:
            self._told = told = key
        elif key is None and self._last is None:  # two frames without a tone end it
            self._told = None
        self._last = key
        return told
