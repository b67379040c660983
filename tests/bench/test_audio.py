"""The bench's check of the audio: whatever a bridge does to a frame is seen, and a sound bridge is not accused."""

from __future__ import annotations

from array import array
from base64 import b64decode

import pytest

from bench.audio import FRAME_BYTES, Faults, Track, Voice, call_of

FRAMES = 12


def said(call: int = 3, count: int = FRAMES) -> list[str]:
    voice = Voice(call)
    return [voice.next() for _ in range(count)]


def carried(sent: list[str], arrived: list[str]) -> tuple[Faults, array[float]]:
    """What a track says when `arrived` comes of `sent`, each frame 1 s after all were sent."""
    faults, delays = Faults(), array("d")
    track = Track("call 3, caller to model", delays, faults)
    for at, payload in enumerate(sent):
        track.sent(payload, float(at))
    for payload in arrived:
        track.arrived(payload, float(len(sent)))
    track.close()
    return faults, delays


def test_a_frame_is_20_ms_of_its_call_and_no_two_are_the_same() -> None:
    frames = said(call=41)
    assert {len(b64decode(frame, validate=True)) for frame in frames} == {FRAME_BYTES}
    assert {call_of(frame) for frame in frames} == {41}
    assert len(set(frames)) == FRAMES


def test_two_calls_say_different_things() -> None:
    assert not set(said(call=1)) & set(said(call=2))


def test_a_sound_bridge_has_no_faults_and_every_frame_is_timed() -> None:
    frames = said()
    faults, delays = carried(frames, frames)
    assert faults.count == 0
    assert list(delays) == [float(FRAMES - at) for at in range(FRAMES)]


def _lost(frames: list[str]) -> list[str]:
    return frames[:4] + frames[6:]


def _last_lost(frames: list[str]) -> list[str]:
    return frames[:-1]


def _all_lost(frames: list[str]) -> list[str]:
    return []


def _swapped(frames: list[str]) -> list[str]:
    return [*frames[:4], frames[5], frames[4], *frames[6:]]


def _doubled(frames: list[str]) -> list[str]:
    return [*frames[:5], frames[4], *frames[5:]]


def _one_bit_changed(frames: list[str]) -> list[str]:
    frame = frames[5]
    return [*frames[:5], frame[:100] + ("B" if frame[100] == "A" else "A") + frame[101:], *frames[6:]]


def _cut(frames: list[str]) -> list[str]:
    return [*frames[:5], frames[5][:-4], *frames[6:]]


def _of_another_call(frames: list[str]) -> list[str]:
    return [*frames[:5], said(call=4, count=6)[5], *frames[6:]]


def _added(frames: list[str]) -> list[str]:
    return [*frames, frames[0]]


@pytest.mark.parametrize(
    "harm",
    [_lost, _last_lost, _all_lost, _swapped, _doubled, _one_bit_changed, _cut, _of_another_call, _added],
    ids=lambda harm: harm.__name__.strip("_"),
)
def test_what_a_bridge_does_to_a_frame_is_a_fault_that_names_the_call(harm) -> None:
    frames = said()
    faults, delays = carried(frames, harm(frames))
    assert faults.count > 0
    assert all("call 3" in text for text in faults.told)
    assert len(delays) < FRAMES or harm is _added or harm is _doubled


def test_after_a_loss_the_rest_is_still_timed_and_not_accused() -> None:
    frames = said()
    faults, delays = carried(frames, _lost(frames))
    assert faults.told == ["call 3, caller to model: 2 frames before frame 6 of call 3 were lost, or are late"]
    assert len(delays) == 4 + (FRAMES - 6 - 1)


def test_many_faults_are_all_counted_and_a_few_told() -> None:
    faults, _ = carried([], said())
    assert faults.count == FRAMES
    assert 0 < len(faults.told) < FRAMES
