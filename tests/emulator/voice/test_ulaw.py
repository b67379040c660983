"""mu-law tables: held against G.711's rules, and the standard library's own where Python still has it."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest

from agenticd.emulator.voice import ulaw

EVERY_SAMPLE = np.arange(-32768, 32768, dtype=np.int16)
EVERY_CODE = bytes(range(256))


def test_a_code_comes_back_from_its_sample() -> None:
    there_and_back = ulaw.encode(ulaw.decode(EVERY_CODE))
    assert [code for code in range(256) if there_and_back[code] != code] == [0x7F]  # the negative zero


def test_silence_is_silent() -> None:
    assert ulaw.decode(bytes([ulaw.SILENCE])).tolist() == [0]
    assert ulaw.encode(np.zeros(3, dtype=np.int16)) == b"\xff\xff\xff"


def test_a_louder_sample_never_becomes_a_quieter_one() -> None:
    heard = ulaw.decode(ulaw.encode(EVERY_SAMPLE)).astype(np.int32)
    assert (np.diff(heard) >= 0).all()


def test_the_error_is_within_half_a_step() -> None:
    samples = EVERY_SAMPLE[643:-643].astype(np.int32)  # within G.711's range
    error = np.abs(ulaw.decode(ulaw.encode(samples.astype(np.int16))).astype(np.int32) - samples)
    step = 2.0 ** (np.floor(np.log2(np.abs(samples) + 132)) - 4)
    assert (error <= step / 2).all()


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="audioop left the standard library")
def test_it_is_what_the_standard_library_does() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop  # type: ignore[import-not-found,unused-ignore]
    assert ulaw.decode(EVERY_CODE).tobytes() == audioop.ulaw2lin(EVERY_CODE, 2)
    theirs = np.frombuffer(audioop.lin2ulaw(EVERY_SAMPLE.tobytes(), 2), dtype=np.uint8)
    ours = np.frombuffer(ulaw.encode(EVERY_SAMPLE), dtype=np.uint8)
    # audioop first rounds to 14 bits, towards minus infinity: at an edge the two may be a step apart.
    apart = np.abs(ulaw.decode(ours.tobytes()).astype(int) - ulaw.decode(theirs.tobytes()).astype(int))
    assert (ours == theirs).mean() > 0.99
    assert (apart <= 2.0 ** (np.floor(np.log2(np.abs(EVERY_SAMPLE.astype(int)) + 132)) - 3)).all()
