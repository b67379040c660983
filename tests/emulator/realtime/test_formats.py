"""The wire's audio formats: what goes in comes out, however it is cut."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agenticd.emulator.realtime.formats import PCM, PCMU, Ear, speak
from agenticd.emulator.realtime.schema import ClientError
from agenticd.emulator.voice import Recogniser, Voice, ulaw

SENTENCE = "Is there anything else I can do for you?"
CLIP = Voice().say(SENTENCE, "agent")


def test_mu_law_passes_untouched() -> None:
    assert speak(CLIP, PCMU) == CLIP
    assert (Ear(PCMU).hear(CLIP) == ulaw.decode(CLIP)).all()


def test_pcm_has_the_same_length_in_time() -> None:
    assert len(speak(CLIP, PCM)) / PCM.bytes_per_ms == len(CLIP) / PCMU.bytes_per_ms


def test_a_sentence_survives_24_khz() -> None:
    heard = ulaw.encode(Ear(PCM).hear(speak(CLIP, PCM)))
    assert Recogniser().text_of(heard) == SENTENCE


@pytest.mark.parametrize("hertz", [300, 1000, 3000])
def test_a_tone_of_the_telephone_band_keeps_its_level(hertz: int) -> None:
    tone = (8000 * np.sin(2 * np.pi * hertz / 24000 * np.arange(24000))).astype("<i2")
    heard = Ear(PCM).hear(tone.tobytes()).astype(float)
    assert np.sqrt((heard[100:] ** 2).mean()) == pytest.approx(8000 / np.sqrt(2), rel=0.02)


@pytest.mark.parametrize("hertz", [5000, 7900, 11_000])
def test_a_tone_above_it_is_gone(hertz: int) -> None:
    tone = (8000 * np.sin(2 * np.pi * hertz / 24000 * np.arange(24000))).astype("<i2")
    assert np.abs(Ear(PCM).hear(tone.tobytes())[100:]).max() < 20


@given(cuts=st.lists(st.integers(1, 2999), max_size=12))
@settings(max_examples=30, deadline=None)
def test_how_the_stream_is_cut_makes_no_difference(cuts: list[int]) -> None:
    samples = np.random.default_rng(1).integers(-9000, 9000, 3000).astype("<i2")
    edges = [0, *sorted(cuts), 3000]
    ear = Ear(PCM)
    pieces = [ear.hear(samples[a:b].tobytes()) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    assert (np.concatenate(pieces) == Ear(PCM).hear(samples.tobytes())).all()


@pytest.mark.parametrize("encoded", ["abc", "=", "!!!!", base64.b64encode(b"odd").decode()])
def test_what_is_no_pcm_is_an_error(encoded: str) -> None:
    with pytest.raises(ClientError) as refused:
        PCM.parse(encoded, "audio")
    assert refused.value.code == "invalid_value"
    assert refused.value.param == "audio"


def test_more_than_15_mib_at_once_is_refused() -> None:
    with pytest.raises(ClientError, match="15 MiB"):
        PCMU.parse(base64.b64encode(bytes(15 * 1024 * 1024 + 1)).decode(), "audio")
