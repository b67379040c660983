"""The telephone's mu-law at 8 kHz to the model's PCM16 at 24 kHz and back, by one linear-phase FIR: `pcm24` calls only.

What comes out does not depend on how the input was cut, to the last bit. Whole files are soxr's work, and `pcmu` calls
pass through without any of this. Importing it imports numpy (0.2 s): do that at the start, not inside a call.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from agenticd.core import g711

Samples: TypeAlias = npt.NDArray[np.float64]

LOW_RATE = 8000
HIGH_RATE = 24000
RATIO = HIGH_RATE // LOW_RATE
_PCM16 = np.dtype("<i2")

# What the filter below was measured to do, in either direction:
#
#   delay                   2.000 ms (48 samples of 24 kHz, 16 of 8 kHz), the same at every frequency
#   gain, 0 to 3,400 Hz     within 0.001 dB; at 3,400 Hz -0.001 dB
#   roll-off above          -0.04 dB at 3,500, -0.8 at 3,700, -6.4 at 4,000, -23 at 4,300, -49 at 4,500 Hz
#   4,600 to 12,000 Hz      83.4 dB down, at least: images on the way up, aliases on the way down
#   SNR of a tone, up       80.8 dB at least from 300 to 3,400 Hz (500 Hz: 82.0, 1,000: 81.8, 2,000: 81.1, 3,400: 83.1)
#   SNR of a tone, down     95 dB and more, which is the rounding to 16 bits
#   SNR of a sweep          80 dB up, 82 down, without fitting its gain; mu-law by itself has 38
#   cost, 160 samples       8 us up, 6.5 us down, tables included, base64 not (10 with it)
#   memory of a call        6.8 kB up, 7.3 kB down; 83 kB of tables and matrices once
#
# From 3,400 to 4,600 Hz lies the transition. It is inherent: at 8 kHz, 3.9 kHz and 4.1 kHz are the same, and a steeper
# filter is a longer one. What leaks there appears mirrored at 4 kHz, above the telephone's band.
#
# Equiripple (Parks-McClellan) at 24 kHz: pass 0 to 3,400 Hz at 0.6 of the weight of the stop, 4,600 to 12,000 Hz. In
# units of 2**-20, rounded such that each third tap, from any start, sums to exactly 2**20: a constant keeps its value.
#
# Why integers: a sum of taps times samples is then a sum of integers, and no part of it is beyond
# 2**15 * sum(abs(TAPS)), which is below 2**38. float64 is exact to 2**53, so no order of summation, no fused
# multiply-add and no number of BLAS threads changes a bit, and so no cut of the input does. In float32, exact to 2**24,
# the same promise would leave taps of 10 bits on the way up and 7 on the way down: 51 and 33 dB.
_RISING = (
    *(-27, -271, -223, 98, 552, 557, -181, -1107, -1120, 293, 2041, 2055, -442, -3425, -3463, 629, 5469, 5542, -853),
    *(-8308, -8462, 1109, 12229, 12519, -1392, -17488, -18031, 1690, 24576, 25552, -1993, -34150, -35907, 2283, 47522),
    *(50736, -2549, -67289, -73521, 2772, 100130, 113881, -2943, -168715, -210283, 3048, 432606, 864372, 1045492),
)
TAPS = (*_RISING, *_RISING[-2::-1])
UNIT = 1 << 20

DELAY = (len(TAPS) - 1) / 2 / HIGH_RATE
"""Seconds by which the output lags the input, at every frequency."""
DELAY_LOW = (len(TAPS) - 1) // 2 // RATIO
"""The same in samples of 8 kHz: whole ones, because half the filter is a multiple of three taps."""

PIECE = 160
"""Samples of 8 kHz that are filtered at once: a frame of Twilio's. Longer input goes in pieces."""
_BLOCK = 8
"""Samples of 8 kHz in one row of the product."""


class Filter:
    """The linear part of one direction: a few inputs, with those just before them, times a matrix are their outputs.

    So a frame is one small matrix product, on overlapping rows of one line of memory. Its last row may reach behind
    the end of the input, over older samples: they meet zeros of the matrix, or fall into outputs that are not taken.
    """

    __slots__ = ("_line", "_matrix", "_memory", "_out", "_rows", "_step", "_unit", "input")

    def __init__(self, matrix: Samples, step: int, unit: int) -> None:
        """`matrix`: (memory + step) x outputs, for `step` inputs. `unit`: what its columns sum to."""
        blocks = PIECE // _BLOCK
        self._matrix, self._step, self._unit = matrix, step, unit
        self._memory = len(matrix) - step
        self._line = np.zeros(self._memory + blocks * step)
        item = self._line.itemsize
        self._rows = as_strided(self._line, (blocks, len(matrix)), (step * item, item))
        self._out = np.zeros((blocks, matrix.shape[1]))
        self.input = self._line[self._memory :]
        """Where the next inputs are to be written, at most its length."""

    def run(self, taken: int) -> Samples:
        """The outputs for the first `taken` samples of `input`, on the scale of the input: valid until the next run."""
        rows = -(-taken // self._step)
        out = np.dot(self._rows[:rows], self._matrix, out=self._out[:rows]).reshape(-1)
        self._line[: self._memory] = self._line[taken : taken + self._memory]
        out /= self._unit  # not times 1 / unit: an exact half stays one, so rounding is exact too
        return out[: taken * self._matrix.shape[1] // self._step]

    def reset(self) -> None:
        """As new: silence before the next input."""
        self._line[: self._memory] = 0.0


def _matrix_up() -> Samples:
    memory = (len(TAPS) - 1) // RATIO
    matrix = np.zeros((memory + _BLOCK, _BLOCK * RATIO))
    for column in range(_BLOCK * RATIO):
        newest, phase = divmod(column, RATIO)
        for back, tap in enumerate(TAPS[phase::RATIO]):
            matrix[memory + newest - back, column] = tap
    return matrix


def _matrix_down() -> Samples:
    memory = len(TAPS) - 1
    matrix = np.zeros((memory + _BLOCK * RATIO, _BLOCK))
    for column in range(_BLOCK):
        for back, tap in enumerate(TAPS):
            matrix[memory + column * RATIO - back, column] = tap
    return matrix


_UP = _matrix_up()
_DOWN = _matrix_down()


def interpolator() -> Filter:
    """8 kHz in, 24 kHz out: three outputs per input."""
    return Filter(_UP, _BLOCK, UNIT)


def decimator() -> Filter:
    """24 kHz in, 8 kHz out: one output per three inputs, which are to be run in whole threes."""
    return Filter(_DOWN, _BLOCK * RATIO, RATIO * UNIT)


class Upsampler:
    """The caller's way: mu-law 8 kHz to PCM16 little-endian 24 kHz, one per call."""

    __slots__ = ("_filter",)

    def __init__(self) -> None:
        self._filter = interpolator()

    def convert(self, ulaw: bytes) -> bytes:
        """Six bytes for each byte, at once; the first 2 ms of a call are the silence before it."""
        if len(ulaw) <= PIECE:
            return self._piece(ulaw)
        return b"".join([self._piece(ulaw[at : at + PIECE]) for at in range(0, len(ulaw), PIECE)])

    def _piece(self, ulaw: bytes) -> bytes:
        if not ulaw:
            return b""
        self._filter.input[: len(ulaw)] = g711.decode(ulaw)
        out = self._filter.run(len(ulaw))
        np.rint(out, out=out)
        # The loudest codes, through the overshoot of any filter as steep, come to more than 16 bits.
        return out.clip(-0x8000, 0x7FFF, out=out).astype(_PCM16).tobytes()


class Downsampler:
    """The agent's way: PCM16 little-endian 24 kHz to mu-law 8 kHz, one per call.

    An item of n samples, flush included, becomes ceil(n / 3) + 16 bytes (DELAY_LOW: the 2 ms of silence it begins
    with), and none if n is 0. Before the flush there are floor(n / 3).
    """

    __slots__ = ("_begun", "_filter", "_rest")

    def __init__(self) -> None:
        self._filter = decimator()
        self._rest = b""
        self._begun = False

    def convert(self, pcm: bytes) -> bytes:
        """A byte for each three samples; a begun three, an odd byte too, waits for the next call."""
        data = self._rest + pcm
        whole = len(data) // (RATIO * 2) * RATIO
        self._rest = data[whole * 2 :]
        if not whole:
            return b""
        self._begun = True
        samples = np.frombuffer(data, _PCM16, whole)
        size = PIECE * RATIO
        if whole <= size:
            return self._piece(samples)
        return b"".join([self._piece(samples[at : at + size]) for at in range(0, whole, size)])

    def flush(self) -> bytes:
        """What is still in the filter, so that an item's end is not lost; then the state is as new.

        Half a sample at the end of the item is dropped.
        """
        whole = len(self._rest) & ~1
        out = b""
        if self._begun or whole:
            self._rest = self._rest[:whole].ljust(RATIO * 2 if whole else 0, b"\0")
            out = self.convert(bytes(DELAY_LOW * RATIO * 2))
        self.reset()
        return out

    def reset(self) -> None:
        """Forget everything, as when the caller barges in: the state is as new."""
        self._filter.reset()
        self._rest = b""
        self._begun = False

    def _piece(self, samples: npt.NDArray[np.int16]) -> bytes:
        self._filter.input[: len(samples)] = samples
        return g711.encode(self._filter.run(len(samples)))
