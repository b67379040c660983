"""What the emulator understands: known sentences, whatever the line did to them, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from agenticd.emulator.voice import Clip, Recogniser, Voice, load_clips, ulaw

SILENCE = bytes([ulaw.SILENCE])
CLIPS = pytest.mark.parametrize("clip", load_clips(), ids=lambda clip: clip.text[:30])
RECOGNISER = Recogniser()


def noise(samples: int, rms: float, seed: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, rms, samples)


def to_ulaw(samples: np.ndarray) -> bytes:
    return ulaw.encode(np.clip(np.round(samples), -32768, 32767).astype(np.int16))


@CLIPS
def test_a_sentence_is_known_after_silence_and_before_it(clip: Clip) -> None:
    assert RECOGNISER.text_of(SILENCE * 3777 + clip.ulaw + SILENCE * 5001) == clip.text


@CLIPS
def test_a_sentence_is_known_after_24_khz_and_back(clip: Clip) -> None:
    samples = ulaw.decode(clip.ulaw).astype(np.float32)
    assert RECOGNISER.text_of(to_ulaw(soxr.resample(soxr.resample(samples, 8000, 24000), 24000, 8000))) == clip.text


@CLIPS
def test_a_sentence_is_known_when_its_end_is_cut_off(clip: Clip) -> None:
    assert RECOGNISER.text_of(clip.ulaw[: len(clip.ulaw) * 3 // 4]) == clip.text


@CLIPS
def test_a_sentence_is_known_on_a_line_that_hisses_and_is_quiet(clip: Clip) -> None:
    samples = ulaw.decode(SILENCE * 4000 + clip.ulaw + SILENCE * 4000) * 0.5
    assert RECOGNISER.text_of(to_ulaw(samples + noise(len(samples), 50))) == clip.text


@pytest.mark.parametrize("rms", [0, 3, 30, 1000, 8000])
def test_noise_is_no_sentence(rms: float) -> None:
    for samples in (0, 100, 4000, 80_000):
        assert RECOGNISER.text_of(to_ulaw(noise(samples, rms))) is None


@pytest.mark.parametrize("text", ["The quick brown fox jumps.", "Please hold the line.", "No", "Guten Morgen"])
def test_a_sentence_nobody_taught_is_not_guessed(text: str) -> None:
    assert RECOGNISER.text_of(Voice().say(text, "caller")) is None


def test_speech_played_backwards_is_no_sentence() -> None:
    assert [clip.text for clip in load_clips() if RECOGNISER.text_of(clip.ulaw[::-1]) is not None] == []


def test_a_learnt_text_is_known_in_a_process_that_never_said_it() -> None:
    texts = [
        "Your order number is four two seven.",
        "Your order number is five three nine.",
        "Good morning to you.",
    ]
    recogniser = Recogniser()
    for text in texts:
        recogniser.learn(text, Voice().say(text, "caller"))
    for text in texts:
        assert recogniser.text_of(SILENCE * 1234 + Voice().say(text, "caller") + SILENCE * 999) == text
    assert Recogniser().text_of(Voice().say(texts[0], "caller")) is None  # nobody else was taught


@pytest.mark.parametrize(
    ("taught", "said"),
    [
        ("Please call me tomorrow at nine.", "Please call me tomorrow at seven."),
        ("Your order number is four two seven.", "Your order number is five three nine."),
        ("I would like a table for seven people tonight.", "I would like a table for eighty ghosts tonight."),
    ],
)
def test_a_sentence_that_differs_in_some_words_is_another_one(taught: str, said: str) -> None:
    recogniser = Recogniser()
    recogniser.learn(taught, Voice().say(taught, "caller"))
    assert recogniser.text_of(Voice().say(said, "caller")) is None


def test_two_sentences_in_one_breath_are_both_heard_in_order() -> None:
    first = Voice().say("What is your address?", "caller")
    second = Voice().say("No, thank you.", "caller")
    assert RECOGNISER.text_of(first + SILENCE * 1600 + second) == "What is your address? No, thank you."
    assert RECOGNISER.text_of(second + SILENCE * 1600 + first) == "No, thank you. What is your address?"


def test_only_so_much_is_learnt_and_the_oldest_is_forgotten() -> None:
    letters = np.random.default_rng(5).choice(list("abdefghiklmnoprstuvy"), (257, 14))
    texts = ["".join(row) for row in letters]
    recogniser = Recogniser()
    for text in texts[:-1]:
        recogniser.learn(text, Voice().say(text, "caller"))
    assert recogniser.text_of(Voice().say(texts[0], "caller")) == texts[0]
    recogniser.learn(texts[-1], Voice().say(texts[-1], "caller"))
    assert recogniser.text_of(Voice().say(texts[0], "caller")) != texts[0]
    assert recogniser.text_of(Voice().say(texts[-1], "caller")) == texts[-1]


def test_silence_teaches_nothing() -> None:
    recogniser = Recogniser()
    recogniser.learn("a text without a sound", SILENCE * 8000)
    assert recogniser.text_of(SILENCE * 8000) is None
