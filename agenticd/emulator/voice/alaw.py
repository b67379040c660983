"""G.711 A-law as two tables, for clients that speak audio/pcma."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from agenticd.emulator.voice.ulaw import Pcm

_EVEN_BITS = 0x55  # ITU-T G.711: every second bit travels inverted


def _decode_table() -> Pcm:
    code = np.arange(256, dtype=np.int32) ^ _EVEN_BITS
    exponent, mantissa = (code >> 4) & 7, code & 15
    straight = (mantissa << 4) + 8  # the two lowest segments are one straight line
    curved = (straight + 0x100) << np.maximum(exponent - 1, 0)
    magnitude = np.where(exponent == 0, straight, curved)
    return np.asarray(np.where(code & 0x80, magnitude, -magnitude), dtype=np.int16)


def _encode_table() -> npt.NDArray[np.uint8]:
    sample = np.arange(65536, dtype=np.int32)
    sample = np.where(sample >= 32768, sample - 65536, sample)  # indexed by the sample's 16 bits
    magnitude = np.where(sample >= 0, sample, ~sample) >> 4  # 12 bits; the zero has two codes, one a sign
    exponent = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 3, 0)
    mantissa = (magnitude >> np.maximum(exponent, 1) - 1) & 15
    code = np.where(sample >= 0, 0x80, 0) | (exponent << 4) | mantissa
    return np.asarray(code ^ _EVEN_BITS, dtype=np.uint8)


_DECODE: Pcm = _decode_table()
_ENCODE: npt.NDArray[np.uint8] = _encode_table()


def decode(alaw: bytes) -> Pcm:
    """A-law bytes to as many 16-bit samples."""
    return _DECODE[np.frombuffer(alaw, dtype=np.uint8)]


def encode(pcm: Pcm) -> bytes:
    """16-bit samples to as many A-law bytes."""
    return _ENCODE[np.ascontiguousarray(pcm, dtype=np.int16).view(np.uint16)].tobytes()
