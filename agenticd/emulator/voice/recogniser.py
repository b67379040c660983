"""Which known sentence does this audio hold? A match of sound against sound, not speech recognition.

It knows the clips and what it was taught with `learn`. Anything else, any other voice included, is None.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agenticd.emulator.voice import ulaw
from agenticd.emulator.voice.clips import load_clips
from agenticd.emulator.voice.texts import key_of

Features = npt.NDArray[np.float32]  # bands by frames

_HOP = 80  # samples: 10 ms
_WINDOW = 256
_EDGES_HZ = (200, 300, 420, 560, 720, 900, 1120, 1380, 1700, 2080, 2540, 3100, 3600)
_ACTIVE_DB = 35.0  # below the loudest frame begins what is not speech
_FLOOR = 30.0  # RMS in 16-bit units, -61 dBFS: nothing quieter is speech
_LEAST_FRAMES = 12  # active frames (0.12 s): less is a click

THRESHOLD = 0.65
PIECE_THRESHOLD = 0.5
"""The least correlation of a sentence, and of each of its pieces, that counts. Measured over all clips and
some hums: the same sentence has over 0.94 as a whole (also through 24 kHz and back, also padded), over 0.70
cut to two thirds, and over 0.75 in its worst piece; foreign hums and noise stay under 0.5. What can still
pass is a sentence that is not known and has nearly the same words as one that is. Noise must be 30 dB below
the speech: at 20 dB a sentence in six is no longer known."""

_PIECE = 40  # frames, 0.4 s: about one word
_EXPLAINED = 0.5  # the least part of an utterance that known sentences must account for
_MOST_SENTENCES = 4  # in one utterance
_MOST_LEARNT = 256


def fingerprint(samples: ulaw.Pcm) -> Features:
    """Band levels over time, each band less its mean; pauses are zero: they neither help nor harm."""
    if len(samples) < _WINDOW:
        return np.zeros((len(_EDGES_HZ) - 1, 0), dtype=np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP] * _hann()
    power = np.abs(np.fft.rfft(frames)) ** 2 @ _bands()
    total = power.sum(axis=1)
    loudest = max(float(total.max()), 1.0)
    active = (total > loudest * 10 ** (-_ACTIVE_DB / 10)) & (total > _FLOOR**2)
    if active.sum() < _LEAST_FRAMES:
        return np.zeros((power.shape[1], 0), dtype=np.float32)
    levels = np.log(power + loudest * 10 ** (-(_ACTIVE_DB + 10) / 10))
    levels -= levels[active].mean(axis=0)
    levels[~active] = 0.0
    return np.ascontiguousarray(levels.T, dtype=np.float32)


@functools.cache
def _hann() -> npt.NDArray[np.float32]:
    return np.hanning(_WINDOW).astype(np.float32)


@functools.cache
def _bands() -> npt.NDArray[np.float32]:
    """Sums the bins of a spectrum to mean power by band."""
    hertz = np.fft.rfftfreq(_WINDOW, 1 / ulaw.RATE)
    edges = zip(_EDGES_HZ[:-1], _EDGES_HZ[1:], strict=True)
    inside = np.stack([(hertz >= low) & (hertz < high) for low, high in edges], axis=1)
    scale = 1 / (_WINDOW * float((_hann() ** 2).sum()) / 2)
    return (inside * scale).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Template:
    text: str
    features: Features
    norm: float

    @classmethod
    def of(cls, text: str, audio: bytes) -> _Template | None:
        features = fingerprint(ulaw.decode(audio))
        norm = float(np.sqrt((features**2).sum()))
        return cls(text, features, norm) if norm > 0 else None


@dataclass(frozen=True, slots=True)
class _Match:
    template: _Template
    start: int  # frame of the audio where the sentence begins; below zero if its beginning is missing
    correlation: float
    explained: float


@functools.cache
def _clip_templates() -> tuple[_Template, ...]:
    made = (_Template.of(clip.text, clip.ulaw) for clip in load_clips())
    return tuple(template for template in made if template is not None)


def _holds_throughout(match: _Match, audio: Features) -> bool:
    """Whether no piece of the sentence is another one: "at seven" must not pass for "at nine"."""
    return min(_piecewise(match, audio), default=1.0) >= PIECE_THRESHOLD


def _piecewise(match: _Match, audio: Features) -> list[float]:
    """The correlations of the sentence's pieces; those that fall outside the audio are left out."""
    template = match.template.features
    pieces = range(max(0, -match.start), min(template.shape[1], audio.shape[1] - match.start), _PIECE // 2)
    found = []
    for begin in pieces:
        ours = template[:, begin : begin + _PIECE]
        theirs = audio[:, match.start + begin : match.start + begin + ours.shape[1]]
        ours = ours[:, : theirs.shape[1]]
        if ours.shape[1] >= _PIECE // 2:
            norm = float(np.sqrt((ours**2).sum() * (theirs**2).sum()))
            found.append(float((ours * theirs).sum()) / max(norm, 1e-6))
    return found


class _Bank:
    """Templates side by side, with their spectra: all are correlated with an utterance in one go."""

    def __init__(self, templates: Sequence[_Template]) -> None:
        self.templates = templates
        self._spectra: dict[int, npt.NDArray[np.complex64]] = {}
        self.longest = max((template.features.shape[1] for template in templates), default=0)

    def best(self, audio: Features) -> _Match | None:
        """The sentence that accounts for most of the audio, of those that are similar enough."""
        if not self.templates or audio.shape[1] == 0:
            return None
        size = 1 << (audio.shape[1] + self.longest).bit_length()
        product = np.einsum("tbf,bf->tf", np.conj(self._spectra_of(size)), np.fft.rfft(audio, size))
        correlations = np.fft.irfft(product, size)
        energy = np.concatenate([[0.0], np.cumsum((audio**2).sum(axis=0))])
        matches = [
            self._place(template, row, energy) for template, row in zip(self.templates, correlations, strict=True)
        ]
        similar = [match for match in matches if match.correlation >= THRESHOLD]
        similar.sort(key=lambda match: match.explained, reverse=True)
        return next((match for match in similar if _holds_throughout(match, audio)), None)

    @staticmethod
    def _place(template: _Template, row: npt.NDArray[np.float32], energy: npt.NDArray[np.float64]) -> _Match:
        """Where this sentence fits best; `row[k]` is the correlation with its beginning at frame k."""
        start = int(row.argmax())
        peak = float(row[start]) / template.norm
        if start >= len(energy) - 1:
            start -= len(row)
        last = len(energy) - 1
        begin, end = (min(max(at, 0), last) for at in (start, start + template.features.shape[1]))
        under = float(np.sqrt(max(energy[end] - energy[begin], 1e-9)))
        return _Match(template, start, peak / max(under, 1e-9), peak)

    def _spectra_of(self, size: int) -> npt.NDArray[np.complex64]:
        if size not in self._spectra:
            rows = [np.fft.rfft(template.features, size) for template in self.templates]
            self._spectra[size] = np.stack(rows).astype(np.complex64)
        return self._spectra[size]


@functools.cache
def _clip_bank() -> _Bank:
    return _Bank(_clip_templates())


@dataclass(frozen=True, slots=True)
class Recognised:
    """What was understood; `confidence` is the least correlation of its sentences, 0 to 1."""

    text: str
    confidence: float


class Recogniser:
    """Knows the clips of both voices, and up to 256 learnt sentences (the oldest is forgotten first)."""

    def __init__(self) -> None:
        self._learnt: OrderedDict[str, _Template] = OrderedDict()
        self._learnt_bank = _Bank(())

    def learn(self, text: str, audio: bytes) -> None:
        """Teaches how `text` sounds (8 kHz mu-law). Audio that holds no sound is not learnt."""
        template = _Template.of(text, audio)
        if template is None:
            return
        self._learnt[key_of(text)] = template
        self._learnt.move_to_end(key_of(text))
        if len(self._learnt) > _MOST_LEARNT:
            self._learnt.popitem(last=False)
        self._learnt_bank = _Bank(tuple(self._learnt.values()))

    def text_of(self, audio: bytes) -> str | None:
        """The text of 8 kHz mu-law audio, or None if it is not known. Several are joined by a space."""
        found = self.recognise(audio)
        return found.text if found is not None else None

    def recognise(self, audio: bytes) -> Recognised | None:
        """The text as in `text_of`, and how sure it is."""
        features = fingerprint(ulaw.decode(audio))
        whole = float((features**2).sum())
        found: list[_Match] = []
        while len(found) < _MOST_SENTENCES and (match := self._best(features)) is not None:
            found.append(match)
            begin = max(match.start, 0)
            features[:, begin : max(match.start + match.template.features.shape[1], 0)] = 0.0
            if np.count_nonzero(features.any(axis=0)) < _LEAST_FRAMES:
                break
        rest = float((features**2).sum())
        if not found or 1 - rest / whole < _EXPLAINED:
            return None
        text = " ".join(match.template.text for match in sorted(found, key=lambda match: match.start))
        return Recognised(text, min(1.0, *(match.correlation for match in found)))

    def _best(self, features: Features) -> _Match | None:
        matches = [match for bank in (_clip_bank(), self._learnt_bank) if (match := bank.best(features)) is not None]
        return max(matches, key=lambda match: match.explained, default=None)
