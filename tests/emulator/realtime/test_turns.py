"""Where turns begin and end in real audio: the same however the audio is cut, and by no clock but its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agenticd.emulator.realtime.turns import (
    SpeechStarted,
    SpeechStopped,
    TurnDetection,
    TurnDetector,
    TurnEvent,
)
from agenticd.emulator.voice import Voice, ulaw

LINE = ulaw.decode(Voice().say("What is your address?", "caller"))  # 1.26 s
QUIET = np.zeros(8000, dtype=np.int16)
TWO_TURNS = np.concatenate([QUIET, LINE, QUIET, LINE, QUIET])


def heard(samples: ulaw.Pcm, wanted: TurnDetection | None = None, size: int = 160) -> list[TurnEvent]:
    detector = TurnDetector(wanted or TurnDetection())
    return [event for at in range(0, len(samples), size) for event in detector.hear(samples[at : at + size])]


def test_a_sentence_is_one_turn_with_its_padding_and_its_silence() -> None:
    started, stopped = heard(np.concatenate([QUIET, LINE, QUIET]))
    assert isinstance(started, SpeechStarted)
    assert isinstance(stopped, SpeechStopped)
    assert started.start_ms == pytest.approx(1000 - 300, abs=80)
    assert stopped.end_ms == pytest.approx(1000 + len(LINE) / 8 + 500, abs=150)


def test_padding_and_silence_are_as_configured() -> None:
    audio = np.concatenate([QUIET, LINE, QUIET])
    short, long = (TurnDetection(prefix_padding_ms=ms, silence_duration_ms=ms) for ms in (200, 600))
    (started, stopped), (started_long, stopped_long) = heard(audio, short), heard(audio, long)
    assert isinstance(started, SpeechStarted)
    assert isinstance(started_long, SpeechStarted)
    assert isinstance(stopped, SpeechStopped)
    assert isinstance(stopped_long, SpeechStopped)
    assert started.start_ms - started_long.start_ms == 400
    assert stopped_long.end_ms - stopped.end_ms == 400


def test_a_turn_never_begins_before_the_one_before_it_ended() -> None:
    first, stopped, second, _ = heard(TWO_TURNS, TurnDetection(prefix_padding_ms=5000))
    assert first == SpeechStarted(0)
    assert isinstance(stopped, SpeechStopped)
    assert second == SpeechStarted(stopped.end_ms)


@given(cuts=st.lists(st.integers(1, len(TWO_TURNS) - 1), max_size=30))
@settings(max_examples=15, deadline=None)
def test_how_the_audio_is_cut_makes_no_difference(cuts: list[int]) -> None:
    detector = TurnDetector(TurnDetection())
    edges = [0, *sorted(cuts), len(TWO_TURNS)]
    pieces = [TWO_TURNS[start:end] for start, end in zip(edges[:-1], edges[1:], strict=True)]
    assert [event for piece in pieces for event in detector.hear(piece)] == heard(TWO_TURNS)


def test_a_click_and_a_hiss_are_no_turn() -> None:
    click = QUIET.copy()
    click[4000:4080] = 20_000
    hiss = np.random.default_rng(3).normal(0, 100, 80_000).astype(np.int16)
    assert heard(click) == []
    assert heard(hiss) == []


def test_a_high_threshold_does_not_hear_what_is_quiet() -> None:
    faint = (np.concatenate([QUIET, LINE, QUIET]) * 0.03).astype(np.int16)  # about -50 dBFS
    assert heard(faint, TurnDetection(threshold=0.3)) != []
    assert heard(faint, TurnDetection(threshold=0.9)) == []


def test_what_was_committed_begins_no_turn_again() -> None:
    detector = TurnDetector(TurnDetection())
    assert len(list(detector.hear(np.concatenate([QUIET, LINE])))) == 1
    detector.forget()
    assert list(detector.hear(np.concatenate([QUIET, QUIET]))) == []
    assert not detector.speaking
