"""Files into telephone sound: wav of every width and rate keeps its tones, level and length; soxr is the judge."""

from __future__ import annotations

import contextlib
import io
import struct
import wave

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from agenticd.emulator.twilio import sound
from agenticd.emulator.voice import ulaw


def pcm_wav(samples: np.ndarray, rate: int, width: int = 2, channels: int = 1) -> bytes:
    body = io.BytesIO()
    with wave.open(body, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return body.getvalue()


def ulaw_wav(audio: bytes, rate: int = 8000) -> bytes:
    form = struct.pack("<HHIIHHH", 7, 1, rate, rate, 1, 8, 0)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(audio)) + audio
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def tone(rate: int, hertz: float = 700, seconds: float = 0.5) -> np.ndarray:
    at = np.arange(int(rate * seconds)) / rate
    return (8000 * np.sin(2 * np.pi * hertz * at)).astype("<i2")


def level(pcm: np.ndarray, hertz: float) -> float:
    at = np.arange(len(pcm)) / 8000
    return float(2 / len(pcm) * abs((pcm * np.exp(-2j * np.pi * hertz * at)).sum()))


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 44100, 48000, 6000])
def test_a_tone_keeps_its_height_level_and_length(rate: int):
    heard = ulaw.decode(sound.decode(pcm_wav(tone(rate), rate), "audio/wav; charset=x"))
    assert len(heard) == pytest.approx(4000, abs=1)
    assert level(heard, 700) == pytest.approx(8000, rel=0.02)


@pytest.mark.parametrize("rate", [11025, 16000, 24000, 44100, 48000])
def test_speech_like_noise_comes_out_as_it_does_of_soxr(rate: int):
    noise = np.random.default_rng(1).normal(0, 1, rate)
    spectrum = np.fft.rfft(noise)
    spectrum[3000:] = 0  # Hz: what both let through unharmed
    samples = np.fft.irfft(spectrum, rate)
    samples *= 5000 / samples.std()
    ours = sound.resampled(samples, rate).astype(float)
    theirs = soxr.resample(samples, rate, 8000, quality="VHQ")
    inner = slice(200, min(len(ours), len(theirs)) - 200)
    error = ours[inner] - theirs[inner]
    assert 20 * np.log10(theirs[inner].std() / error.std()) > 55


@pytest.mark.parametrize("hertz", [4600, 7000, 10000])
def test_what_a_telephone_cannot_carry_does_not_come_back_lower(hertz: int):
    heard = ulaw.decode(sound.decode(pcm_wav(tone(24000, hertz), 24000), "audio/x-wav"))
    assert float(np.abs(heard[200:-200]).max()) < 80, "40 dB under it"


def test_eight_bits_stereo_and_mu_law():
    eight = (tone(8000) // 256 + 128).astype(np.uint8)
    assert level(ulaw.decode(sound.decode(pcm_wav(eight, 8000, 1), "audio/wave")), 700) == pytest.approx(8000, rel=0.03)
    stereo = np.stack([tone(8000), np.zeros(4000, dtype="<i2")], axis=1)
    heard = ulaw.decode(sound.decode(pcm_wav(stereo, 8000, 2, 2), "audio/wav"))
    assert len(heard) == 4000
    assert level(heard, 700) == pytest.approx(4000, rel=0.02)
    audio = bytes(range(256)) * 4
    assert sound.decode(ulaw_wav(audio), "audio/wav") == audio
    assert sound.decode(audio, "audio/ulaw") == audio
    assert len(sound.decode(ulaw_wav(audio, 16000), "audio/wav")) == 512


def test_what_is_no_audio_and_what_cannot_be_decoded_are_told_apart():
    for body in (b"", b"RIFF", b"<Response/>", pcm_wav(tone(8000), 8000)[:30], b"RIFF\x00\x00\x00\x00WAVEdata\x04\x00"):
        with pytest.raises(sound.NotAudio):
            sound.decode(body, "audio/wav")
    with pytest.raises(sound.NotDecoded, match="audio/mpeg"):
        sound.decode(b"ID3", "audio/mpeg")
    with pytest.raises(sound.NotDecoded, match="format 1"):
        sound.decode(pcm_wav(np.zeros(30, dtype=np.uint8), 8000, 3), "audio/wav")


@given(st.one_of(st.binary(max_size=100), st.binary(max_size=80).map(lambda tail: b"RIFF\0\0\0\0WAVEfmt " + tail)))
def test_any_bytes_are_sound_or_refused(body: bytes):
    with contextlib.suppress(sound.NotAudio, sound.NotDecoded):
        assert isinstance(sound.decode(body, "audio/wav"), bytes)


def test_two_channels_are_written_as_they_are_and_mixed_into_one():
    left, right = ulaw.encode(tone(8000)), ulaw.encode(tone(8000, 1300))
    with wave.open(io.BytesIO(sound.wav([left, right]))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        frames = np.frombuffer(file.readframes(9999), dtype="<i2").reshape(-1, 2)
    assert (frames[:, 0] == ulaw.decode(left)).all()
    assert (frames[:, 1] == ulaw.decode(right)).all()
    both = ulaw.decode(sound.mixed(left, right[:2000]))
    assert level(both[:2000], 700) == pytest.approx(8000, rel=0.03)
    assert level(both[:2000], 1300) == pytest.approx(8000, rel=0.03)
    assert level(both[2000:], 1300) < 100
