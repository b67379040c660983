"""A-law tables: held against G.711's rules, and the standard library's own where Python still has it."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest

from agenticd.emulator.voice import alaw

EVERY_SAMPLE = np.arange(-32768, 32768, dtype=np.int16)
EVERY_CODE = bytes(range(256))


def test_a_code_comes_back_from_its_sample() -> None:
    assert alaw.encode(alaw.decode(EVERY_CODE)) == EVERY_CODE


def test_a_louder_sample_never_becomes_a_quieter_one() -> None:
    heard = alaw.decode(alaw.encode(EVERY_SAMPLE)).astype(np.int32)
    assert (np.diff(heard) >= 0).all()
    assert np.abs(heard - EVERY_SAMPLE).max() <= 512  # half the largest step


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="audioop left the standard library")
def test_it_is_what_the_standard_library_does() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop  # type: ignore[import-not-found,unused-ignore]
    assert alaw.decode(EVERY_CODE).tobytes() == audioop.alaw2lin(EVERY_CODE, 2)
    assert alaw.encode(EVERY_SAMPLE) == audioop.lin2alaw(EVERY_SAMPLE.tobytes(), 2)
