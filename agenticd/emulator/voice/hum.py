"""The voice for any text that has no clip: a hum in syllables, a stand-in and not speech.

Nobody can understand it. It lasts as long as the text would, a turn detector takes it for speech, and each
text hums differently, so that it can be told from others. The same text always gives the same bytes.
"""

from __future__ import annotations

import functools
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agenticd.emulator.voice import ulaw
from agenticd.emulator.voice.clips import Speaker

CHARACTERS_PER_SECOND = 14.0

_PITCH: dict[Speaker, float] = {"agent": 185.0, "caller": 110.0}
_FORMANTS = {  # Hz; the first two resonances of the mouth in a vowel
    "a": (760, 1320),
    "e": (520, 1850),
    "i": (320, 2250),
    "o": (500, 900),
    "u": (340, 780),
    "y": (420, 2050),
}
_BANDWIDTHS = (110.0, 160.0)
_THIRD_FORMANT = (2750.0, 240.0)
_TABLE = 256  # points of one period
_RMS = 0.1  # of full scale: the level of the clips
_LONGEST_REST = 3  # characters: a row of dots is not minutes of silence
_TOKEN = re.compile(r"[^\Waeiouy]*[aeiouy]+|[^\Waeiouy]+|\W+")


@dataclass(frozen=True, slots=True)
class _Segment:
    characters: int
    first: float
    second: float
    gain: float
    pitch: float


def hum(text: str, speaker: Speaker) -> bytes:
    """mu-law, 8 kHz: `len(text) / 14` seconds, empty for a text without letters or digits."""
    plain = " ".join(text.casefold().split())
    if not any(character.isalnum() for character in plain):
        return b""
    return _hum(plain, speaker)


@functools.lru_cache(maxsize=256)
def _hum(plain: str, speaker: Speaker) -> bytes:
    segments = list(_segments(plain))
    edges = np.cumsum([0, *(segment.characters for segment in segments)]) / CHARACTERS_PER_SECOND
    samples = np.round(edges * ulaw.RATE).astype(np.int64)
    spread = np.repeat(np.arange(len(segments)), samples[1:] - samples[:-1])
    declination = np.linspace(1.06, 0.92, len(spread))  # a sentence falls
    pitch = _PITCH[speaker] * _smooth(np.array([s.pitch for s in segments])[spread], 400) * declination
    phase = np.cumsum(pitch / ulaw.RATE)
    tables = np.stack([_period(s.first, s.second, _PITCH[speaker]) for s in segments])
    voiced = tables[spread, ((phase % 1.0) * _TABLE).astype(np.int64)]
    wave = voiced * _smooth(np.array([s.gain for s in segments])[spread], 200)
    wave *= _RMS / np.sqrt((wave**2).mean())
    return ulaw.encode(np.round(np.clip(wave, -1, 1) * 32767).astype(np.int16))


def _segments(plain: str) -> Iterator[_Segment]:
    """Onset and vowel of each syllable, and the rests between words."""
    for match in _TOKEN.finditer(plain):
        token = match.group()
        if not any(character.isalnum() or character == "_" for character in token):
            yield _Segment(min(len(token), _LONGEST_REST), 500, 1500, 0.0, 1.0)
            continue
        digest = zlib.crc32(f"{match.start()}{token}".encode())
        pitch = 0.9 + 0.2 * (digest & 0xFF) / 0xFF
        onset = token.rstrip("aeiouy")
        gain = 0.35 if len(onset) < len(token) else 0.7
        for consonant in onset:  # or digit
            place = zlib.crc32(consonant.encode())
            yield _Segment(1, 250 + (place & 0xFF), 900 + (place >> 8 & 0xFF) * 6.0, gain, pitch)
        for vowel in token[len(onset) :]:
            first, second = _FORMANTS[vowel]
            yield _Segment(1, first, second, 1.0, pitch)


@functools.lru_cache(maxsize=1024)
def _period(first: float, second: float, pitch: float) -> npt.NDArray[np.float64]:
    """One period of a voice of this pitch through these resonances, at unit power."""
    harmonics = np.arange(1, int(3400 / (pitch * 1.2)) + 1)
    hertz = harmonics * pitch
    third, wide = _THIRD_FORMANT
    gains = sum(
        weight / (1 + ((hertz - centre) / width) ** 2)
        for weight, centre, width in zip((1.0, 0.6, 0.2), (first, second, third), (*_BANDWIDTHS, wide), strict=True)
    )
    phases = np.pi * harmonics**2 / len(harmonics)  # a chirp's phases: no spike, as in a real voice
    angle = 2 * np.pi * np.outer(np.arange(_TABLE) / _TABLE, harmonics) + phases
    period = (np.cos(angle) * (gains + 0.01)).sum(axis=1)
    return np.asarray(period / np.sqrt((period**2).mean()), dtype=np.float64)


def _smooth(values: npt.NDArray[np.float64], window: int) -> npt.NDArray[np.float64]:
    """A running mean over `window` samples: nothing clicks from one segment to the next."""
    sums = np.cumsum(np.pad(values, (window // 2 + 1, window // 2), mode="edge"))
    return (sums[window:] - sums[:-window])[: len(values)] / window
