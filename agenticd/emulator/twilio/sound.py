"""Audio files into what a telephone hears, and recordings into files: wav and raw mu-law, nothing compressed."""

from __future__ import annotations

import io
import struct
import wave
from dataclasses import dataclass
from math import gcd

import numpy as np
import numpy.typing as npt

from agenticd.emulator.voice import ulaw

WAV_TYPES = frozenset({"audio/wav", "audio/wave", "audio/x-wav"})
ULAW_TYPE = "audio/ulaw"
KNOWN_TYPES = WAV_TYPES | {ULAW_TYPE} | {
    "audio/aiff", "audio/gsm", "audio/mpeg", "audio/x-aifc", "audio/x-aiff", "audio/x-gsm",
}  # fmt: skip
"""What Twilio's `<Play>` takes, by its documents."""

_ULAW, _EXTENSIBLE = 7, 0xFFFE
_EDGE = 0.9  # of the lower one of the two Nyquist frequencies: where the filter begins to close
_ROOM = 400  # samples at 8 kHz: longer than the filter rings
_RATES = range(4000, 192_001)


class NotAudio(Exception):
    """The bytes are not what their content type says."""


class NotDecoded(Exception):
    """Twilio would play this; the emulator cannot."""


@dataclass(frozen=True, slots=True)
class _Format:
    tag: int
    channels: int
    rate: int
    bits: int


def decode(body: bytes, content_type: str) -> bytes:
    """A file as 8 kHz mono mu-law.

    Raises:
        NotAudio: if it is no such file.
        NotDecoded: if the emulator has no decoder for it.

    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == ULAW_TYPE:
        return body
    if kind not in WAV_TYPES:
        raise NotDecoded(f"this emulator cannot decode {kind}: wav and audio/ulaw are played")
    form, data = _chunks(body)
    if form.tag == _ULAW and form.rate == ulaw.RATE and form.channels == 1:
        return data
    return ulaw.encode(resampled(_mono(form, data), form.rate))


def _chunks(body: bytes) -> tuple[_Format, bytes]:
    """Python's `wave` knows PCM only: mu-law needs a reader of its own."""
    if len(body) < 12 or body[:4] != b"RIFF" or body[8:12] != b"WAVE":
        raise NotAudio("it is no wav file")
    form, at = None, 12
    while at + 8 <= len(body):
        name, size = body[at : at + 4], struct.unpack_from("<I", body, at + 4)[0]
        chunk = body[at + 8 : at + 8 + size]
        if name == b"fmt " and len(chunk) >= 16:
            tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
            if tag == _EXTENSIBLE and len(chunk) >= 26:
                tag = struct.unpack_from("<H", chunk, 24)[0]
            form = _Format(tag, channels, rate, bits)
        elif name == b"data":
            if form is None:
                break
            return form, chunk
        at += 8 + size + size % 2
    raise NotAudio("the wav file has no format, or no data")


def _mono(form: _Format, data: bytes) -> npt.NDArray[np.float64]:
    if not form.channels or form.rate not in _RATES:
        raise NotAudio(f"a wav file of {form.channels} channels at {form.rate} Hz")
    match form.tag, form.bits:
        case (1, 8):
            samples = (np.frombuffer(data, dtype=np.uint8).astype(np.float64) - 128) * 256
        case 1, 16:
            samples = np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2").astype(np.float64)
        case 7, 8:
            samples = ulaw.decode(data).astype(np.float64)
        case _:
            raise NotDecoded(f"this emulator decodes wav with PCM of 8 or 16 bits, and mu-law; not format {form.tag}")
    whole = len(samples) // form.channels * form.channels
    mixed: npt.NDArray[np.float64] = samples[:whole].reshape(-1, form.channels).mean(axis=1)
    return mixed


def resampled(samples: npt.NDArray[np.float64], rate: int) -> ulaw.Pcm:
    """From `rate` to 8 kHz by way of the spectrum: what is above the lower Nyquist frequency is gone."""
    if rate == ulaw.RATE or not len(samples):
        return _pcm(samples)
    common = gcd(rate, ulaw.RATE)
    # A power of two of whole periods of both rates, with room for the end not to run into the beginning.
    periods = 1 << (len(samples) * common // rate + 1 + _ROOM * common // ulaw.RATE).bit_length()
    length, wanted = rate // common * periods, ulaw.RATE // common * periods
    spectrum = np.fft.rfft(samples, length)
    hertz = np.arange(min(length, wanted) // 2 + 1, dtype=np.float64) * (rate / length)
    spectrum = spectrum[: len(hertz)] * _let_through(hertz, min(rate, ulaw.RATE) / 2)
    out = np.fft.irfft(spectrum, wanted) * (wanted / length)
    return _pcm(out[: len(samples) * ulaw.RATE // rate])


def _let_through(hertz: npt.NDArray[np.float64], most: float) -> npt.NDArray[np.float64]:
    """All up to where the edge begins, nothing from `most` on, a half wave of a cosine between them."""
    edge = np.clip((hertz / most - _EDGE) / (1 - _EDGE), 0, 1)
    through: npt.NDArray[np.float64] = (1 + np.cos(np.pi * edge)) / 2
    return through


def _pcm(samples: npt.NDArray[np.float64]) -> ulaw.Pcm:
    return np.clip(np.round(samples), -32768, 32767).astype(np.int16)


def mixed(one: bytes, other: bytes) -> bytes:
    """Two voices on one line."""
    length = max(len(one), len(other))
    silence = bytes([ulaw.SILENCE])
    both = [ulaw.decode(audio.ljust(length, silence)).astype(np.float64) for audio in (one, other)]
    return ulaw.encode(_pcm(both[0] + both[1]))


def wav(channels: list[bytes]) -> bytes:
    """One or two channels of mu-law, equally long, as the file that Twilio offers: PCM of 16 bits at 8 kHz."""
    samples = np.stack([ulaw.decode(channel) for channel in channels], axis=1).astype("<i2")
    body = io.BytesIO()
    with wave.open(body, "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(ulaw.RATE)
        file.writeframes(samples.tobytes())
    return body.getvalue()
