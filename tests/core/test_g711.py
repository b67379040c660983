"""mu-law against the table of ITU-T G.711, the standard library and the emulator's own."""

from __future__ import annotations

import bisect
import itertools
import sys
import warnings

import numpy as np
import pytest

from agenticd.core import g711
from agenticd.emulator.voice import ulaw

EVERY_CODE = bytes(range(256))
EVERY_SAMPLE = np.arange(-32768, 32768)

# G.711, table 2: decision values of a 14-bit sample (0, 1, 3 ... 31, 35 ... 8159), and what lies between two of them is
# decoded to their middle. The first interval is half a step wide, the first segment has it and 15 more, the others 16.
DECISIONS = list(
    itertools.accumulate([1] + [2] * 15 + [2 ** (s + 1) for s in range(1, 8) for _ in range(16)], initial=0)
)
MIDDLES = [0] + [(low + high) // 2 for low, high in itertools.pairwise(DECISIONS[1:])]


def samples_of(codes: bytes) -> list[int]:
    return g711.decode(codes).astype(int).tolist()


def test_the_table_is_the_standards() -> None:
    assert (len(DECISIONS), DECISIONS[16], DECISIONS[17], DECISIONS[-1], MIDDLES[-1]) == (129, 31, 35, 8159, 8031)


def test_every_code_is_decoded_to_the_middle_of_its_interval() -> None:
    assert samples_of(EVERY_CODE) == [-4 * y for y in reversed(MIDDLES)] + [4 * y for y in reversed(MIDDLES)]


def test_every_sample_is_encoded_to_the_interval_it_lies_in() -> None:
    expected = bytearray()
    for sample in EVERY_SAMPLE.tolist():
        interval = min(bisect.bisect_right(DECISIONS, abs(sample) / 4) - 1, 127)
        expected.append((0x7F if sample < 0 else 0xFF) - interval)
    assert g711.encode(EVERY_SAMPLE.astype(float)) == bytes(expected)


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="audioop left the standard library")
def test_it_is_what_the_standard_library_does() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop  # type: ignore[import-not-found,unused-ignore]
    assert g711.decode(EVERY_CODE).astype("<i2").tobytes() == audioop.ulaw2lin(EVERY_CODE, 2)
    # audioop first shifts two bits out, towards minus infinity: so the two must agree on all that are not negative,
    # and on the samples of 14 bits, which are what G.711 defines.
    for samples in (EVERY_SAMPLE[32768:], EVERY_SAMPLE[::4]):
        assert g711.encode(samples.astype(float)) == audioop.lin2ulaw(samples.astype("=i2").tobytes(), 2)


def test_it_is_what_the_emulator_does() -> None:
    assert samples_of(EVERY_CODE) == ulaw.decode(EVERY_CODE).tolist()
    assert g711.encode(EVERY_SAMPLE.astype(float)) == ulaw.encode(EVERY_SAMPLE.astype(np.int16))


def test_a_code_comes_back_from_its_sample() -> None:
    there_and_back = g711.encode(g711.decode(EVERY_CODE))
    assert [code for code in range(256) if there_and_back[code] != code] == [0x7F]  # the negative zero


def test_the_noise_of_a_silent_line_stays_silence() -> None:
    assert samples_of(g711.encode(np.arange(-3.0, 4.0))) == [0] * 7


def test_what_lies_between_two_samples_goes_to_the_nearer() -> None:
    assert g711.encode(np.array([3.4, 3.6, -3.4, -3.6, 3.5, -4.5])) == g711.encode(np.array([3.0, 4, -3, -4, 4, -4]))


def test_beyond_16_bits_it_saturates() -> None:
    assert g711.encode(np.array([32767.6, 40_000, 65_536, 98_304, 1e9])) == b"\x80" * 5
    assert g711.encode(np.array([-32768.6, -40_000, -65_536, -98_304, -1e9])) == b"\x00" * 5


def test_nothing_is_nothing() -> None:
    assert g711.decode(b"").size == 0
    assert g711.encode(np.zeros(0)) == b""
