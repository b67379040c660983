"""The bench's judgement of an interruption: what a bridge gets wrong is seen, and a sound bridge is not accused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.audio import Delays, Faults
from bench.exchange import DELTA_SECONDS, Exchange, Figures, Ids, Playback


class Bridge:
    """A sound bridge, step by step, 1 ms away from both ends; each harm leaves out or adds a step."""

    def __init__(self, *, plain: bool = False) -> None:
        self.faults, self.figures = Faults(), Figures()
        self.settled = 0
        self.call = Exchange(7, Delays(), self.figures, self.faults, plain=plain)
        self.call.settled = self._settle
        self.now = 100.0
        self.ids = Ids("", "", "", "")

    def _settle(self) -> None:
        self.settled += 1

    def answer(self, deltas: int = 10) -> None:
        self.ids = self.call.begin()
        for _ in range(deltas):
            self.carry(self.call.say(self.now))

    def carry(self, payload: str) -> None:
        self.call.heard(payload, self.now + 0.001)

    def interrupt(self, after: float = 0.5, *, needed: bool = True) -> None:
        self.now += after
        self.call.interrupt(self.now, needed=needed)

    def clear(self) -> None:
        self.call.cleared(self.now + 0.001)

    def truncate(self, heard_ms: int = 500) -> None:
        self.call.truncated(self.ids.item, heard_ms)

    def end(self) -> None:
        self.call.end()
        self.call.close()


def test_a_sound_bridge_has_no_faults_and_its_delay_and_error_are_taken() -> None:
    bridge = Bridge()
    for heard in (500, 480):
        bridge.answer()
        bridge.interrupt()
        bridge.clear()
        bridge.truncate(heard)
        bridge.end()
    assert bridge.faults.told == []
    assert bridge.settled == 2
    assert list(bridge.figures.delays) == pytest.approx([0.001, 0.001])
    assert list(bridge.figures.errors) == pytest.approx([0.0, -0.020])


def test_the_order_in_which_clear_and_truncation_come_does_not_matter() -> None:
    bridge = Bridge()
    bridge.answer()
    bridge.interrupt()
    bridge.truncate()
    assert bridge.settled == 0
    bridge.clear()
    bridge.end()
    assert (bridge.faults.told, bridge.settled) == ([], 1)
    assert list(bridge.figures.errors) == pytest.approx([0.0])


def test_what_was_under_way_when_the_phone_was_cleared_is_not_lost_audio() -> None:
    bridge = Bridge()
    bridge.answer()
    bridge.call.say(bridge.now)  # it waits in the bridge's ring, and is thrown away there
    bridge.interrupt()
    bridge.clear()
    bridge.truncate()
    bridge.end()
    assert bridge.faults.told == []


def test_speech_after_everything_was_played_clears_nothing() -> None:
    bridge = Bridge()
    bridge.answer(2)
    bridge.interrupt(2.0, needed=False)
    bridge.end()
    assert (bridge.faults.told, bridge.figures.needless) == ([], 1)


def test_a_bridge_that_only_clears_need_not_tell_what_was_heard() -> None:
    bridge = Bridge(plain=True)
    bridge.answer()
    bridge.interrupt()
    bridge.clear()
    bridge.end()
    assert (bridge.faults.told, bridge.settled, len(bridge.figures.errors)) == ([], 1, 0)


def _no_clear(bridge: Bridge) -> None:
    bridge.truncate()


def _no_truncation(bridge: Bridge) -> None:
    bridge.clear()


def _cleared_twice(bridge: Bridge) -> None:
    bridge.clear()
    bridge.truncate()
    bridge.clear()


def _truncated_twice(bridge: Bridge) -> None:
    bridge.clear()
    bridge.truncate()
    bridge.truncate()


def _another_item(bridge: Bridge) -> None:
    bridge.clear()
    bridge.call.truncated("item_7_999", 500)


def _deleted(bridge: Bridge) -> None:
    bridge.clear()
    bridge.call.deleted(bridge.ids.item)


def _late_audio_before_the_clear(bridge: Bridge) -> None:
    bridge.carry(bridge.call.say_late())
    bridge.clear()
    bridge.truncate()


def _late_audio_after_the_clear(bridge: Bridge) -> None:
    bridge.clear()
    bridge.truncate()
    bridge.carry(bridge.call.say_late())


def _old_audio_in_the_next_answer(bridge: Bridge) -> None:
    late = bridge.call.say_late()
    bridge.clear()
    bridge.truncate()
    bridge.call.end()
    bridge.answer(1)
    bridge.carry(late)


def _audio_from_before_after_the_clear(bridge: Bridge) -> None:
    waiting = bridge.call.say(bridge.now)
    bridge.clear()
    bridge.truncate()
    bridge.carry(waiting)


def _more_heard_than_sent(bridge: Bridge) -> None:
    bridge.clear()
    bridge.truncate(int(10 * DELTA_SECONDS * 1000) + 20)


def _everything_sent_taken_for_heard(bridge: Bridge) -> None:
    bridge.clear()
    bridge.truncate(int(10 * DELTA_SECONDS * 1000))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_no_clear, "no clear came"),
        (_no_truncation, "not told how much was heard"),
        (_cleared_twice, "cleared audio twice"),
        (_truncated_twice, "truncated twice"),
        (_another_item, "item_7_999 was truncated"),
        (_deleted, "deleted although it was heard"),
        (_late_audio_before_the_clear, "audio of an interrupted answer"),
        (_late_audio_after_the_clear, "audio of an interrupted answer"),
        (_old_audio_in_the_next_answer, "audio of an interrupted answer"),
        (_audio_from_before_after_the_clear, "audio of an interrupted answer"),
        (_more_heard_than_sent, "of 1600 ms that the phone got"),
        (_everything_sent_taken_for_heard, "the phone had played 500 ms"),
    ],
    ids=lambda each: each.__name__.strip("_") if callable(each) else "",
)
def test_what_a_bridge_does_wrong_is_a_fault_that_names_the_call(harm: Callable[[Bridge], None], said: str) -> None:
    bridge = Bridge()
    bridge.answer()
    bridge.interrupt()
    harm(bridge)
    bridge.end()
    assert any(text.startswith("call 7: ") and said in text for text in bridge.faults.told), bridge.faults.told


def test_a_clear_with_everything_played_is_needless() -> None:
    bridge = Bridge()
    bridge.answer(2)
    bridge.interrupt(2.0, needed=False)
    bridge.clear()
    bridge.truncate()
    bridge.end()
    assert "call 7: the bridge cleared audio although everything was played" in bridge.faults.told
    assert "call 7: the model was told of a truncation although nothing was cut" in bridge.faults.told
    assert bridge.figures.needless == 0


def test_a_clear_with_nobody_speaking_is_a_fault() -> None:
    bridge = Bridge()
    bridge.answer()
    bridge.clear()
    assert bridge.faults.told == ["call 7: the bridge cleared audio although nobody spoke"]


def test_audio_that_is_lost_within_an_answer_is_a_fault() -> None:
    bridge = Bridge()
    bridge.answer()
    bridge.call.say(bridge.now)
    bridge.carry(bridge.call.say(bridge.now))
    assert bridge.faults.count == 1


def test_the_phone_plays_in_real_time_and_a_gap_is_not_played() -> None:
    phone = Playback()
    phone.play(1600, 10.0)  # 200 ms
    assert (phone.played(10.05), phone.played(10.4)) == pytest.approx((0.05, 0.2))
    phone.play(1600, 10.5)  # 300 ms of nothing between them
    assert phone.played(10.6) == pytest.approx(0.3)
    assert phone.unplayed(10.6) == pytest.approx(0.1)
    assert phone.played(12.0) == pytest.approx(0.4)


def test_a_cleared_phone_begins_anew() -> None:
    phone = Playback()
    phone.play(8000, 10.0)
    phone.clear(10.25)
    assert (phone.played(10.25), phone.unplayed(10.25)) == (0.0, 0.0)
    phone.play(800, 10.5)
    assert phone.played(10.55) == pytest.approx(0.05)
