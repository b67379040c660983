"""Synthesised speech as a telephone carries it: its band, its rate, its level, no long pauses. Whole sentences only."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from agenticd.emulator.voice import ulaw

ACTIVE_DBFS = -20.0  # level of the speech itself, pauses not counted: a usual level on a telephone line
PEAK = 0.7
BAND_HZ = (200.0, 3600.0)
LONGEST_PAUSE = 0.30  # seconds; a turn detector that waits 0.5 s must not cut a sentence in two
MARGIN = 0.03  # seconds of quiet kept before and after the speech

Samples = npt.NDArray[np.float64]


def as_heard(samples: Samples, rate: int) -> ulaw.Pcm:
    """What a synthesiser said (full scale 1.0, so many samples a second), at 8 kHz. Empty for silence."""
    if not np.abs(samples).max(initial=0.0):
        return np.zeros(0, dtype=np.int16)
    return level(tidy(telephone_band(samples, rate)))


def telephone_band(samples: Samples, rate: int) -> Samples:
    """At 8 kHz, and only the band of a telephone line, with soft edges.

    The whole file is one block, so its spectrum can simply be cut; it is padded, for that is circular.
    """
    block = rate // math.gcd(rate, ulaw.RATE)  # becomes a whole number of samples: no tone moves
    if rate % 100 == 0:
        block = math.lcm(block, rate // 100)
    length = -(-(len(samples) + rate // 10) // block) * block
    hertz = np.fft.rfftfreq(length, 1 / rate)
    low, high = BAND_HZ
    gain = 1 / (1 + (low / np.maximum(hertz, 1.0)) ** 8) / (1 + (hertz / high) ** 40)
    spectrum = np.fft.rfft(samples, length) * gain
    reached = length * ulaw.RATE // rate
    return np.fft.irfft(spectrum[: reached // 2 + 1], reached) * (ulaw.RATE / rate)


def active_frames(samples: Samples) -> npt.NDArray[np.bool_]:
    """For each 10 ms, whether there is speech: within 35 dB of the loudest 10 ms."""
    frame = ulaw.RATE // 100
    count = -(-len(samples) // frame)
    padded = np.pad(samples, (0, count * frame - len(samples))).reshape(count, frame)
    power = (padded**2).mean(axis=1)
    return np.asarray(power > power.max() * 10**-3.5, dtype=np.bool_)


def tidy(samples: Samples) -> Samples:
    """Trims the ends and shortens the pauses."""
    frame = ulaw.RATE // 100
    active = np.flatnonzero(active_frames(samples))
    margin, longest = round(MARGIN * 100), round(LONGEST_PAUSE * 100)
    keep = np.zeros(-(-len(samples) // frame), dtype=np.bool_)
    for before, after in zip(active, [*active[1:], active[-1] + 1], strict=True):
        keep[before : min(after, before + longest // 2)] = True
        keep[max(before, after - longest // 2) : after] = True
    keep[max(0, active[0] - margin) : active[0]] = True
    keep[active[-1] : active[-1] + margin + 1] = True
    kept = samples[np.repeat(keep, frame)[: len(samples)]]
    fade = np.minimum(1.0, np.arange(1, len(kept) + 1) / 40)
    return kept * fade * fade[::-1]


def level(samples: Samples) -> ulaw.Pcm:
    """Sets the speech to the usual level, with its peaks within range."""
    active = np.repeat(active_frames(samples), ulaw.RATE // 100)[: len(samples)]
    samples = samples * 10 ** (ACTIVE_DBFS / 20) / np.sqrt((samples[active] ** 2).mean())
    peak = np.abs(samples).max()
    if peak > PEAK:
        samples = samples * (PEAK / peak)
    return np.round(samples * 32767).astype(np.int16)
