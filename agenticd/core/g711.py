"""G.711 mu-law as two tables, for audio that has to be computed with (`pcm24`).

Not on the way of `pcmu` calls: their bytes pass through unread. numpy is the only heavy import, so this module and
`resample`, its one user, are to be imported where a `pcm24` call begins.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Samples: TypeAlias = npt.NDArray[np.float64]
"""Linear samples on the scale of 16-bit PCM. Those made from codes are integers, the others need not be."""

_CODES = npt.NDArray[np.uint8]
_BIAS = 33
"""Half a step of the lowest segment is 1 here: G.711 counts in units of a 14-bit sample, four of a 16-bit one."""
_LARGEST = 8158
"""The last 14-bit magnitude inside the last interval: 8159 is G.711's virtual decision value."""


def _decode_table() -> Samples:
    code = ~np.arange(256) & 0xFF  # all bits are inverted on the line
    segment, step = code >> 4 & 7, code & 15
    magnitude = ((2 * step + _BIAS) << segment) - _BIAS
    table: Samples = np.where(code & 0x80, -4.0, 4.0) * magnitude + 0.0  # no -0.0
    return table


def _encode_table() -> _CODES:
    """The code of each 16-bit sample, from -32768 up.

    The two low bits go by magnitude, as G.711's intervals do, and not by a shift of the signed number, as Python's
    audioop and Sun's g711.c do it: there -1, the noise of a silent line, already becomes the code of -8.
    """
    sample = np.arange(-0x8000, 0x8000)
    magnitude = np.minimum(np.abs(sample) >> 2, _LARGEST) + _BIAS
    segment = np.searchsorted([64, 128, 256, 512, 1024, 2048, 4096], magnitude, side="right")
    step = magnitude >> (segment + 1) & 15
    code: npt.NDArray[np.int64] = np.where(sample < 0, 0x80, 0) | segment << 4 | step
    return (~code & 0xFF).astype(np.uint8)


_DECODE = _decode_table()
_ENCODE = _encode_table()


def decode(codes: bytes) -> Samples:
    """One sample per byte, within +-32124."""
    return _DECODE.take(np.frombuffer(codes, np.uint8))


def encode(samples: Samples) -> bytes:
    """One byte per sample, which is first rounded to 16 bits; beyond them it saturates."""
    # -32768 is row 0; the half makes the cut of `astype` a rounding; "clip" takes the nearest row for what has none.
    rows = (samples + 32768.5).astype(np.intp)
    return _ENCODE.take(rows, mode="clip").tobytes()
