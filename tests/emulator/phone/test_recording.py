"""The wav of a call can be played, and holds on each side exactly what that side said."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from agenticd.emulator.phone import write_wav

# Three codes whose linear values stand in G.711: the loudest of both signs, and silence.
LOUD, LOW, NIL = 0x80, 0x00, 0xFF


def test_the_caller_is_left_the_agent_right_and_the_shorter_is_filled_with_silence(tmp_path: Path):
    path = tmp_path / "call.wav"
    write_wav(path, bytes([LOUD, NIL, LOW, LOW]), bytearray([LOW, LOUD]))
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        stereo = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    assert stereo.tolist() == [[32124, -32124], [0, 32124], [-32124, 0], [-32124, 0]]


def test_a_call_in_which_nothing_was_heard_is_still_a_wav(tmp_path: Path):
    path = tmp_path / "call.wav"
    write_wav(path, b"", b"")
    with wave.open(str(path), "rb") as file:
        assert file.getnframes() == 0
