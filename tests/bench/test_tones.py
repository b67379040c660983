"""The bench's check of converted audio: a sound converter is not accused, and what a wrong one does is seen."""

from __future__ import annotations

from array import array
from base64 import b64decode, b64encode
from collections.abc import Callable

import numpy as np
import pytest

from bench.audio import Delays, Faults
from bench.tones import LOOP, PCM24, PCMU, TONES, Format, LoopVoice, ToneLine, ToneTrack, fault_of, frame_of, loop_of

CALL, ROUNDS = 3, 4


_LENGTH, _CUT = 97, 3700.0
_TIME = np.arange(_LENGTH) - _LENGTH // 2
# Whole numbers: sums of them are the same in any order.
_TAPS = np.rint(2**14 * np.sinc(2 * _CUT / 24000 * _TIME) * np.kaiser(_LENGTH, 7) * 2 * _CUT / 24000).astype(np.int64)


def converted(frames: list[str], source: Format, target: Format) -> list[str]:
    """What a converter without tricks makes of a stream: a low pass at 24 kHz, 2 ms late."""
    said = np.concatenate([source.read(b64decode(frame)) for frame in frames]).astype(np.int64)
    if target is PCM24:
        spread = np.zeros(3 * len(said), np.int64)
        spread[::3] = 3 * said
        heard = np.convolve(spread, _TAPS)[: len(spread)]
    else:
        heard = np.convolve(said, _TAPS)[: len(said)][::3]
    data = target.write((heard / 2**14).clip(-32768, 32767))
    return [b64encode(data[at : at + target.frame_bytes]).decode() for at in range(0, len(data), target.frame_bytes)]


def through(
    source: Format, target: Format, harm: Callable[[list[str]], list[str]] = list
) -> tuple[Faults, array[float]]:
    """What a track says when the converter's frames come with a harm, 1 s after they were sent."""
    voice = LoopVoice(loop_of(CALL), source)
    sent = [voice.next() for _ in range(ROUNDS * LOOP)]
    faults, delays = Faults(), array("d")
    track = ToneTrack("call 3, caller to model", delays, faults, loop_of(CALL), target)
    for payload in sent:
        track.sent(payload, 1.0)
    for payload in harm(converted(sent, source, target)):
        track.arrived(payload, 2.0)
    track.close()
    return faults, delays


@pytest.mark.parametrize(("source", "target"), [(PCMU, PCM24), (PCM24, PCMU)], ids=["up", "down"])
def test_a_sound_converter_has_no_faults_and_every_frame_is_timed(source: Format, target: Format) -> None:
    faults, delays = through(source, target)
    assert faults.told == []
    assert list(delays) == [1.0] * (ROUNDS * LOOP)


LATE = 3 * LOOP + 5  # in a loop that is compared with the one before


def _lost(frames: list[str]) -> list[str]:
    return frames[:LATE] + frames[LATE + 1 :]


def _doubled(frames: list[str]) -> list[str]:
    return [*frames[: LATE + 1], *frames[LATE:]]


def _swapped(frames: list[str]) -> list[str]:
    return [*frames[:4], frames[5], frames[4], *frames[6:]]


def _short(frames: list[str]) -> list[str]:
    return [*frames[:4], frames[4][:-8], *frames[5:]]


def _silent(frames: list[str]) -> list[str]:
    return [*frames[:4], b64encode(bytes(PCM24.frame_bytes)).decode(), *frames[5:]]


def _quiet(frames: list[str]) -> list[str]:
    return [b64encode(PCM24.write(PCM24.read(b64decode(frame)) / 2)).decode() for frame in frames]


def _bytes_swapped(frames: list[str]) -> list[str]:
    return [b64encode(np.frombuffer(b64decode(frame), "<i2").byteswap().tobytes()).decode() for frame in frames]


def _not_converted(frames: list[str]) -> list[str]:
    return [frame_of(tone, PCMU) for tone in loop_of(CALL)] * ROUNDS


def _of_another_call(frames: list[str]) -> list[str]:
    return [frame_of(tone, PCM24) for tone in loop_of(CALL + 1)] * ROUNDS


def _one_sample_off(frames: list[str]) -> list[str]:
    samples = PCM24.read(b64decode(frames[LATE]))
    samples[200] += 1
    return [*frames[:LATE], b64encode(PCM24.write(samples)).decode(), *frames[LATE + 1 :]]


def _steps(frames: list[str]) -> list[str]:
    """Each sample three times: a converter without a filter."""
    voice = LoopVoice(loop_of(CALL), PCMU)
    said = [PCMU.read(b64decode(voice.next())) for _ in frames]
    return [b64encode(PCM24.write(np.repeat(each, 3))).decode() for each in said]


@pytest.mark.parametrize(
    "harm",
    [
        _lost, _doubled, _swapped, _short, _silent, _quiet,
        _bytes_swapped, _not_converted, _of_another_call, _one_sample_off, _steps,
    ],
    ids=lambda harm: harm.__name__.strip("_"),
)  # fmt: skip
def test_what_a_wrong_converter_does_is_a_fault_that_names_the_call(
    harm: Callable[[list[str]], list[str]],
) -> None:
    faults, _ = through(PCMU, PCM24, harm)
    assert faults.count > 0
    assert all("call 3" in text for text in faults.told)


@pytest.mark.parametrize("tone", TONES)
@pytest.mark.parametrize("form", [PCMU, PCM24], ids=["pcmu", "pcm24"])
def test_a_frame_is_20_ms_of_its_tone_and_of_no_other(tone: int, form: Format) -> None:
    frame = frame_of(tone, form)
    assert len(b64decode(frame)) == form.frame_bytes
    assert [each for each in TONES if fault_of(frame, each, form) is None] == [tone]


def test_calls_say_different_loops_without_a_frame_twice_in_a_row() -> None:
    loops = [loop_of(call) for call in range(200)]
    assert len({tuple(loop) for loop in loops}) == 200
    for loop in loops:
        assert len(loop) == LOOP
        assert all(one != other for one, other in zip(loop, [*loop[1:], loop[0]], strict=True))


def test_the_model_of_a_tone_line_says_what_its_phone_awaits() -> None:
    faults = Faults()
    line = ToneLine(5, Delays(), faults)
    said = []
    for _ in range(2 * LOOP):
        said.append(line.answer("whatever it heard"))
        line.to_caller.sent(said[-1], 0.0)
    for payload in converted(said, PCM24, PCMU):
        line.to_caller.arrived(payload, 0.0)
    line.to_caller.close()
    assert faults.told == []
