"""The resampler against exact integers, ideal waveforms and real speech; cut in any way, it gives the same bits.

The linear stage is measured as the converters use it: mu-law alone has 38 dB, and would hide what the filter does.
"""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenticd.core import g711
from agenticd.core.resample import (
    DELAY,
    DELAY_LOW,
    PIECE,
    TAPS,
    UNIT,
    Downsampler,
    Filter,
    Upsampler,
    decimator,
    interpolator,
)
from agenticd.emulator.voice import load_clips, ulaw

Wave = npt.NDArray[np.float64]
HALF = len(TAPS) // 2
LEVEL = 30_000.0
TONES = range(300, 3401, 100)


def filtered(stage: Filter, wave: Wave) -> Wave:
    room = len(stage.input)
    out = []
    for at in range(0, len(wave), room):
        piece = wave[at : at + room]
        stage.input[: len(piece)] = piece
        out.append(stage.run(len(piece)).copy())
    return np.concatenate(out)


def pcm16(data: bytes) -> Wave:
    return np.frombuffer(data, "<i2").astype(float)


def tone(hertz: float, rate: int, seconds: float = 0.25) -> Wave:
    return LEVEL * np.sin(2 * np.pi * hertz / rate * np.arange(int(rate * seconds)) + 0.3)


def fit(wave: Wave, hertz: float, rate: int) -> tuple[float, float]:
    """The amplitude of the tone in the wave, and the SNR in dB of that against all else."""
    angle = 2 * np.pi * hertz / rate * np.arange(len(wave))
    basis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    weights, *_ = np.linalg.lstsq(basis, wave, rcond=None)
    return float(np.hypot(*weights)), snr(basis @ weights, wave)


def snr(ideal: Wave, wave: Wave) -> float:
    return float(10 * np.log10((ideal**2).mean() / ((wave - ideal) ** 2).mean()))


def settled(wave: Wave) -> Wave:
    """Without the run-in; of a tone, 0.2 s: whole periods of all that are used here, and of their images."""
    return wave[len(wave) // 5 :]


def gain(hertz: float) -> float:
    """Of the taps, in dB."""
    return float(20 * np.log10(abs(np.exp(-2j * np.pi * hertz / 24_000 * np.arange(len(TAPS))) @ TAPS) / sum(TAPS)))


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def noise(seed: int, size: int) -> bytes:
    return np.random.default_rng(seed).bytes(size)


# ---- what it computes: all of it in exact integers, by another way


def exactly_up(codes: bytes) -> bytes:
    stuffed = np.zeros(len(codes) * 3, np.int64)
    stuffed[::3] = ulaw.decode(codes)
    sums = np.convolve(np.append(stuffed, 0), TAPS)[: len(stuffed)]
    low, rest = np.divmod(sums, UNIT)
    rounded = low + ((2 * rest > UNIT) | ((2 * rest == UNIT) & (low % 2 == 1)))
    return np.clip(rounded, -32768, 32767).astype("<i2").tobytes()


def exactly_down(pcm: bytes) -> bytes:
    """With its flush."""
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.int64)
    if not samples.size:
        return b""
    sums = np.convolve(np.pad(samples, (0, -len(samples) % 3 + HALF)), TAPS)
    size = -(-len(samples) // 3) + DELAY_LOW
    rounded = (2 * sums[: 3 * size : 3] + 3 * UNIT) // (6 * UNIT)
    return ulaw.encode(np.clip(rounded, -32768, 32767).astype(np.int16))


SIZES = st.integers(0, 1100)
PLACES = st.lists(st.integers(0, 1 << 20), max_size=12)


@given(st.integers(0, 1 << 30), SIZES, PLACES)
def test_upwards_any_cut_gives_the_exact_result(seed: int, size: int, places: list[int]) -> None:
    codes = noise(seed, size)
    converter = Upsampler()
    pieces = cut(codes, places)
    out = [converter.convert(piece) for piece in pieces]
    assert [len(o) for o in out] == [6 * len(piece) for piece in pieces]
    assert b"".join(out) == exactly_up(codes)


@given(st.integers(0, 1 << 30), SIZES.map(lambda size: size * 6), st.integers(0, 6), PLACES)
def test_downwards_any_cut_gives_the_exact_result(seed: int, size: int, more: int, places: list[int]) -> None:
    pcm = noise(seed, size + more)
    converter = Downsampler()
    out = b"".join(converter.convert(piece) for piece in cut(pcm, places))
    assert len(out) == len(pcm) // 6
    assert out + converter.flush() == exactly_down(pcm)


@pytest.mark.parametrize("size", [1, 2, 5, 7, PIECE - 1, PIECE, PIECE + 1, 997])
def test_equal_pieces_of_any_size_give_the_exact_result(size: int) -> None:
    codes, pcm = noise(1, 2000), noise(2, 12_001)
    up, down = Upsampler(), Downsampler()
    assert b"".join(up.convert(codes[at : at + size]) for at in range(0, 2000, size)) == exactly_up(codes)
    out = b"".join(down.convert(pcm[at : at + size]) for at in range(0, 12_001, size))
    assert out + down.flush() == exactly_down(pcm)


def test_every_sum_is_exact_in_the_floats_it_is_made_of() -> None:
    assert all(isinstance(tap, int) for tap in TAPS)
    assert 2**15 * sum(map(abs, TAPS)) < 2**38 < 2**53


def test_the_loudest_sound_is_clipped_and_never_wraps() -> None:
    # The codes of the largest samples, with the signs of the taps: all terms of one sum add up.
    codes = bytes(0x80 if TAPS[1 + 3 * i] > 0 else 0x00 for i in reversed(range(30)))
    up = Upsampler().convert(codes + codes.translate(bytes(range(128, 256)) + bytes(128)))
    assert pcm16(up).max() == 32767
    assert pcm16(up).min() == -32768
    assert up == exactly_up(codes + codes.translate(bytes(range(128, 256)) + bytes(128)))
    signs = np.sign(TAPS)[::-1]
    for loudest, code in ((np.where(signs > 0, 32767, -32768), 0x80), (np.where(signs > 0, -32768, 32767), 0x00)):
        down = Downsampler().convert(np.append(loudest, [0, 0]).astype("<i2").tobytes())
        assert down[2 * DELAY_LOW] == code
        assert (
            down + Downsampler().flush()
            == exactly_down(np.append(loudest, [0, 0]).astype("<i2").tobytes())[: len(down)]
        )


# ---- items and interruptions


@pytest.mark.parametrize("odd", [0, 1])
@pytest.mark.parametrize("samples", [0, 1, 2, 3, 4, 479, 480, 481, 482])
def test_an_item_becomes_a_third_of_its_samples_and_the_delay(samples: int, odd: int) -> None:
    converter = Downsampler()
    before = converter.convert(noise(3, 2 * samples + odd))
    assert len(before) == samples // 3
    assert len(before + converter.flush()) == (-(-samples // 3) + DELAY_LOW if samples else 0)


def test_the_flush_has_the_items_last_two_milliseconds() -> None:
    converter, click = Downsampler(), np.zeros(480, "<i2")
    click[477:] = 20_000
    before = converter.convert(click.tobytes())
    assert max(abs(ulaw.decode(before[:-1]).astype(int))) < 100
    assert max(ulaw.decode(converter.flush())) > 14_000


def test_after_a_flush_or_a_reset_the_state_is_as_new() -> None:
    first, second = noise(4, 1001), noise(5, 3000)
    converter = Downsampler()
    converter.convert(first)
    converter.flush()
    assert converter.flush() == b""
    assert converter.convert(second) + converter.flush() == exactly_down(second)
    converter.convert(first)
    converter.reset()
    assert converter.flush() == b""
    assert converter.convert(second) + converter.flush() == exactly_down(second)


def test_two_calls_share_nothing() -> None:
    up, down, codes, pcm = Upsampler(), Downsampler(), noise(6, 160), noise(7, 960)
    for _ in range(3):
        Upsampler().convert(noise(8, 160))
        Downsampler().convert(noise(9, 960))
    assert up.convert(codes) == exactly_up(codes)
    assert down.convert(pcm) + down.flush() == exactly_down(pcm)


def test_a_call_costs_little_memory() -> None:
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    calls = [(Upsampler(), Downsampler()) for _ in range(20)]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (after - before) / len(calls) < 16 * 1024


# ---- silence, delay


def test_silence_stays_silence() -> None:
    assert Upsampler().convert(b"\xff" * 400) == bytes(2400)
    assert Upsampler().convert(b"\x7f" * 400) == bytes(2400)  # the negative zero
    converter = Downsampler()
    assert converter.convert(bytes(2400)) + converter.flush() == b"\xff" * (400 + DELAY_LOW)


@given(st.lists(st.integers(-1, 1), min_size=1, max_size=300))
def test_a_model_that_dithers_its_silence_is_still_silent(samples: list[int]) -> None:
    converter = Downsampler()
    out = converter.convert(np.array(samples, "<i2").tobytes()) + converter.flush()
    assert not ulaw.decode(out).any()


def test_a_constant_keeps_its_value_to_the_bit() -> None:
    for code, value in enumerate(g711.decode(bytes(range(256)))):
        assert set(settled(pcm16(Upsampler().convert(bytes([code]) * 200)))) == {value}
    for value in range(-32768, 32768, 997):
        assert set(settled(filtered(decimator(), np.full(900, float(value))))) == {value}


def test_the_delay_is_the_stated_one_and_at_most_two_milliseconds() -> None:
    assert DELAY == HALF / 24_000 == DELAY_LOW / 8000 <= 0.002
    assert TAPS[::-1] == TAPS  # the same delay at every frequency
    heard = pcm16(Upsampler().convert(b"\xff" * 50 + b"\x80" + b"\xff" * 50))
    assert np.argmax(heard) == 3 * 50 + round(DELAY * 24_000)
    click = np.zeros(480, "<i2")
    click[240] = 32_767
    assert np.argmax(ulaw.decode(Downsampler().convert(click.tobytes()))) == 240 // 3 + round(DELAY * 8000)


# ---- sound


def test_in_the_telephones_band_the_gain_is_one() -> None:
    gains = [gain(hertz) for hertz in range(0, 3401, 5)]
    assert max(map(abs, gains)) < 0.001


def test_the_roll_off_above_it_is_the_stated_one() -> None:
    stated = {3400: 0.0, 3500: -0.04, 3600: -0.24, 3700: -0.77, 3800: -1.8, 4000: -6.4, 4300: -23.4, 4500: -48.7}
    assert {hertz: gain(hertz) for hertz in stated} == pytest.approx(stated, abs=0.06)


def test_from_4600_hz_on_nothing_is_left() -> None:
    assert max(gain(hertz) for hertz in np.arange(4600, 12_000.5, 2.5)) < -83


@pytest.mark.parametrize("hertz", TONES)
def test_a_tone_of_the_caller_reaches_the_model_clean(hertz: int) -> None:
    out = settled(filtered(interpolator(), tone(hertz, 8000)))
    amplitude, clean = fit(out, hertz, 24_000)
    assert clean > 80
    assert amplitude == pytest.approx(LEVEL, rel=2e-4)
    assert fit(np.rint(out), hertz, 24_000)[1] > 80  # as 16 bits
    for image in (8000 - hertz, 8000 + hertz, 16_000 - hertz, 16_000 + hertz):
        if image <= 12_000:
            assert fit(out, image, 24_000)[0] < LEVEL * 10 ** (-83 / 20)


@pytest.mark.parametrize("hertz", TONES)
def test_a_tone_of_the_agent_reaches_the_phone_clean(hertz: int) -> None:
    out = settled(filtered(decimator(), np.rint(tone(hertz, 24_000))))
    amplitude, clean = fit(out, hertz, 8000)
    assert clean > 80
    assert amplitude == pytest.approx(LEVEL, rel=2e-4)


@pytest.mark.parametrize("hertz", [4600, *range(4650, 12_000, 350), 11_990])
def test_what_the_phone_cannot_carry_is_not_folded_into_what_it_can(hertz: int) -> None:
    out = settled(filtered(decimator(), tone(hertz, 24_000)))
    assert np.sqrt(2 * (out**2).mean()) < LEVEL * 10 ** (-83 / 20)
    heard = Downsampler().convert(np.rint(tone(hertz, 24_000)).astype("<i2").tobytes())
    assert set(heard[len(TAPS) :]) <= {0xFF, 0x7F}


def sweep(rate: int, delay: float) -> Wave:
    """300 to 3,400 Hz in two seconds, faded in and out, as it would sound `delay` seconds later."""
    at = np.arange(int(2.2 * rate)) / rate - delay
    fade = np.clip(np.minimum(at, 2 - at) / 0.05, 0, 1)
    return LEVEL * (1 - np.cos(np.pi * fade)) / 2 * np.sin(2 * np.pi * (300 * at + 3100 / 4 * at**2))


def test_a_sweep_comes_out_as_the_same_sweep_later() -> None:
    up = np.rint(filtered(interpolator(), sweep(8000, 0)))
    assert snr(sweep(24_000, DELAY), up) > 79
    down = np.rint(filtered(decimator(), np.rint(sweep(24_000, 0))))
    assert snr(sweep(8000, DELAY), down) > 79


def spectrum_cut(wave: Wave, rate: int, size: int) -> Wave:
    """The band from 300 to 3,400 Hz alone, ideally, at as many samples as are asked for."""
    spectrum = np.fft.rfft(wave)
    hertz = np.arange(len(spectrum)) * rate / len(wave)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    kept = np.zeros(size // 2 + 1, complex)
    count = min(len(kept), len(spectrum))
    kept[:count] = spectrum[:count]
    return np.fft.irfft(kept, size) * (size / len(wave))


@pytest.mark.parametrize("speaker", ["agent", "caller"])
def test_speech_in_the_telephones_band_comes_out_as_it_went_in(speaker: str) -> None:
    codes = b"".join(clip.ulaw for clip in load_clips() if clip.speaker == speaker)[:80_000]
    codes = b"\xff" * 800 + codes[: len(codes) // 160 * 160] + b"\xff" * 800
    ideal = np.roll(spectrum_cut(g711.decode(codes), 8000, 3 * len(codes)), HALF)
    linear = filtered(interpolator(), g711.decode(codes))
    assert snr(ideal, spectrum_cut(linear, 24_000, 3 * len(codes))) > 80
    back = filtered(decimator(), linear)
    ideal_back = np.roll(spectrum_cut(g711.decode(codes), 8000, len(codes)), 2 * DELAY_LOW)
    assert snr(ideal_back, spectrum_cut(back, 8000, len(codes))) > 75


def test_speech_there_and_back_is_better_than_mu_law() -> None:
    codes = b"".join(clip.ulaw for clip in load_clips())[:80_000] + b"\xff" * 160
    back = Downsampler().convert(Upsampler().convert(codes))
    assert len(back) == len(codes)
    size = len(codes)
    ideal = np.roll(spectrum_cut(g711.decode(codes), 8000, size), 2 * DELAY_LOW)
    assert snr(ideal, spectrum_cut(g711.decode(back), 8000, size)) > 45
