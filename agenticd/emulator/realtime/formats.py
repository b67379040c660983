"""The audio formats of the wire, and the way between them and the emulator's own 8 kHz."""

from __future__ import annotations

import base64
import binascii
import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agenticd.emulator.realtime.schema import ClientError, JsonObject
from agenticd.emulator.voice import alaw, ulaw

_FACTOR = 3  # 24 kHz to 8 kHz
_TAPS = 72 + 1
_CUTOFF_HZ = 3700.0
_MOST_BYTES = 15 * 1024 * 1024  # OpenAI: the most audio in one append


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """`bytes_per_ms` of one direction's audio."""

    name: str
    bytes_per_ms: int
    sample_bytes: int
    description: str

    def to_json(self) -> JsonObject:
        """As it stands in a session."""
        return {"type": self.name, "rate": 24000} if self.name == PCM.name else {"type": self.name}

    def parse(self, encoded: str, path: str) -> bytes:
        """Decodes base64; what is not whole samples of this format is a ClientError."""
        try:
            audio = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            audio = None
        if audio is None or len(audio) % self.sample_bytes:
            expected = f"Expected base64-encoded audio bytes ({self.description})"
            raise ClientError("invalid_value", f"Invalid '{path}'. {expected} but got an invalid value.", path)
        if len(audio) > _MOST_BYTES:
            raise ClientError("invalid_value", f"Invalid '{path}': more than 15 MiB of audio.", path)
        return audio


PCMU = AudioFormat("audio/pcmu", 8, 1, "mono G.711 mu-law at 8kHz")
PCM = AudioFormat("audio/pcm", 48, 2, "mono PCM16 at 24kHz")
PCMA = AudioFormat("audio/pcma", 8, 1, "mono G.711 A-law at 8kHz")
FORMATS = {PCMU.name: PCMU, PCMA.name: PCMA, PCM.name: PCM}


@functools.cache
def _filter() -> npt.NDArray[np.float64]:
    """A low pass at 24 kHz, unity gain."""
    at = np.arange(_TAPS) - (_TAPS - 1) / 2
    kernel = np.sinc(2 * _CUTOFF_HZ / 24000 * at) * np.kaiser(_TAPS, 8.0)
    return np.asarray(kernel / kernel.sum(), dtype=np.float64)


class Ear:
    """Turns a stream of one format into 8 kHz samples. How the stream is cut makes no difference."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self.format = audio_format
        self._pending = np.zeros(_TAPS - 1)

    def hear(self, audio: bytes) -> ulaw.Pcm:
        """The samples that these bytes complete."""
        if self.format is PCMU:
            return ulaw.decode(audio)
        if self.format is PCMA:
            return alaw.decode(audio)
        samples = np.concatenate([self._pending, np.frombuffer(audio, dtype="<i2").astype(np.float64)])
        count = max(0, (len(samples) - _TAPS) // _FACTOR + 1)
        self._pending = samples[count * _FACTOR :]
        if not count:
            return np.zeros(0, dtype=np.int16)
        windows = np.lib.stride_tricks.sliding_window_view(samples, _TAPS)[::_FACTOR][:count]
        return np.clip(np.round(windows @ _filter()), -32768, 32767).astype(np.int16)


@functools.lru_cache(maxsize=32)
def speak(audio: bytes, audio_format: AudioFormat) -> bytes:
    """A whole utterance of 8 kHz mu-law in the wire's format."""
    if audio_format is PCMU or not audio:
        return audio
    if audio_format is PCMA:
        return alaw.encode(ulaw.decode(audio))
    samples = ulaw.decode(audio).astype(np.float64)
    spread = np.zeros(len(samples) * _FACTOR)
    for phase in range(_FACTOR):  # each phase of the filter is a small filter of its own
        taps = _filter()[phase::_FACTOR] * _FACTOR
        spread[phase::_FACTOR] = np.convolve(samples, taps)[: len(samples)]
    return np.clip(np.round(spread), -32768, 32767).astype("<i2").tobytes()
