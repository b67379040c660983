"""Keys become tones, tones become keys again, and nothing else does: no sentence, no hum, no noise, no single tone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from agenticd.emulator.phone import Phone, PhoneScript, dtmf
from agenticd.emulator.voice import Voice, load_clips, ulaw
from tests.emulator.phone.test_phone import Mouth, run

SILENCE = b"\xff"


def heard(audio: bytes) -> str:
    detector = dtmf.Detector()
    frames = [audio[at : at + 160] for at in range(0, len(audio), 160)]
    return "".join(key for frame in frames if (key := detector.listen(frame.ljust(160, SILENCE))) is not None)


def level(samples: ulaw.Pcm, hertz: float) -> float:
    """The amplitude of one tone, by the definition of a Fourier sum."""
    pcm = samples.astype(float)
    at = 2 * math.pi * hertz * np.arange(len(pcm)) / 8000
    return 2 / len(pcm) * math.hypot(float((pcm * np.cos(at)).sum()), float((pcm * np.sin(at)).sum()))


@pytest.mark.parametrize(
    ("key", "low", "high"), [("1", 697, 1209), ("5", 770, 1336), ("9", 852, 1477), ("0", 941, 1336), ("D", 941, 1633)]
)
def test_a_key_is_the_two_tones_of_q23(key: str, low: int, high: int):
    tone = ulaw.decode(dtmf.sound(key)[:800])
    others = {697, 770, 852, 941, 1209, 1336, 1477, 1633} - {low, high}
    assert level(tone, low) == pytest.approx(6000, rel=0.05)
    assert level(tone, high) == pytest.approx(6000, rel=0.05)
    assert max(level(tone, other) for other in others) < 600


@pytest.mark.parametrize("shift", [0, 1, 53, 80, 159])
def test_every_key_is_heard_once_wherever_the_frames_begin(shift: int):
    keys = "0123456789*#ABCD"
    assert heard(SILENCE * shift + dtmf.sound(keys)) == keys


def test_the_same_key_twice_is_two_keys_and_a_long_one_is_one():
    assert heard(dtmf.sound("55")) == "55"
    assert heard(dtmf.sound("5")[:800] * 10) == "5"


def test_a_rest_lasts_as_twilio_says():
    assert len(dtmf.sound("w")) == 4000
    assert len(dtmf.sound("W")) == 8000
    assert heard(dtmf.sound("ww1W2")) == "12"


def test_what_is_no_key_is_refused():
    with pytest.raises(ValueError, match="'x' is no key"):
        dtmf.sound("1x")


def test_a_tone_under_noise_is_heard_and_noise_alone_is_not():
    generator = np.random.default_rng(5)
    tones = ulaw.decode(dtmf.sound("1590"))
    noise = generator.normal(0, 700, len(tones))
    assert heard(ulaw.encode((tones + noise).astype(np.int16))) == "1590"
    assert heard(ulaw.encode((noise * 8).clip(-32000, 32000).astype(np.int16))) == ""


def test_no_sentence_and_no_hum_is_taken_for_a_key():
    for clip in load_clips():
        assert heard(clip.ulaw) == "", clip.text
    texts = ["Wer da?", "My number is five five five.", "aaaaaaaaaa", "uuuu iiii eeee", "zzz"]
    assert [heard(Voice().say(text, speaker)) for text in texts for speaker in ("agent", "caller")] == [""] * 10


@pytest.mark.parametrize("hertz", [697, 1000, 1209, 440])
def test_a_single_tone_is_no_key(hertz: int):
    wave = 8000 * np.sin(2 * np.pi * hertz * np.arange(4000) / 8000)
    assert heard(ulaw.encode(wave.astype(np.int16))) == ""


def test_the_phone_notes_the_keys_that_it_hears_when_it_hears_them():
    phone = Phone(PhoneScript(), Mouth())
    run(phone, 2.0, {0.5: dtmf.sound("4w2")})
    digits = [(moment.text, moment.at) for moment in phone.timeline if moment.what == "heard-digit"]
    assert [text for text, _ in digits] == ["4", "2"]
    assert digits[0][1] == pytest.approx(0.54, abs=0.021)
    assert digits[1][1] == pytest.approx(1.24, abs=0.021)
