"""Many followers take turns, so that they leave half of the loop to the audio and the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agenticd.service.crowd import PATIENCE, REST, SLICE, Crowd


class HandLoop:
    """A loop whose time is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Any] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> Any:
        timer = asyncio.TimerHandle(self.now + delay, callback, (), self)  # type: ignore[arg-type]
        self.timers.append(timer)
        return timer

    def _timer_handle_cancelled(self, handle: Any) -> None:
        self.timers.remove(handle)

    def get_debug(self) -> bool:
        return False

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while due := [timer for timer in self.timers if timer.when() <= until + 1e-9]:
            first = min(due, key=lambda timer: timer.when())
            self.timers.remove(first)
            self.now = max(self.now, first.when())
            first._run()
        self.now = until


class Member:
    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> HandLoop:
    loop = HandLoop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    return loop


def members(crowd: Crowd, number: int) -> list[Member]:
    return [Member(crowd) for _ in range(number)]


def woken(members: list[Member]) -> int:
    return sum(member.woken for member in members)


def test_a_lone_follower_goes_on_at_once_each_time(loop: HandLoop) -> None:
    crowd = Crowd()
    (one,) = members(crowd, 1)
    for times in range(1, 5):
        crowd.due(one)
        assert one.woken == times
        crowd.back(one)
    assert (len(crowd), loop.timers) == (0, [])


def test_a_slice_rests_as_long_as_it_has_worked(loop: HandLoop) -> None:
    crowd = Crowd()
    many = members(crowd, 3 * SLICE)
    for member in many:
        crowd.due(member)
    for member in many[1:SLICE]:  # the first went alone: nobody else was there when it became due
        assert member.woken == 0
    crowd.back(many[0])
    loop.advance(REST)
    assert woken(many) == 1 + SLICE
    loop.advance(0.010)  # they work for 10 ms
    for member in many[1 : SLICE + 1]:
        crowd.back(member)
    loop.advance(0.009)
    assert woken(many) == 1 + SLICE, "and rest for 10 ms"
    loop.advance(0.001)
    assert woken(many) == 1 + 2 * SLICE


def test_who_is_due_again_at_once_stands_behind_the_others(loop: HandLoop) -> None:
    crowd = Crowd()
    first, second = members(crowd, 2)
    crowd.due(first)
    crowd.due(second)
    crowd.due(first)  # it has done its work, and has more
    loop.advance(REST)
    assert (first.woken, second.woken) == (2, 1), "both are in the next slice"
    crowd.back(first)
    crowd.back(second)
    assert loop.timers == []


def test_one_who_does_not_come_back_holds_nobody_up_for_long(loop: HandLoop) -> None:
    crowd = Crowd()
    stuck, other = members(crowd, 2)
    crowd.due(stuck)
    crowd.due(other)
    loop.advance(PATIENCE)
    assert (stuck.woken, other.woken) == (1, 1)
    crowd.back(other)
    crowd.back(stuck)  # late, and nobody minds
    crowd.due(stuck)
    assert stuck.woken == 2


def test_one_who_comes_back_late_when_nobody_is_due_is_woken_again(loop: HandLoop) -> None:
    crowd = Crowd()
    (late,) = members(crowd, 1)
    crowd.due(late)
    loop.advance(PATIENCE)
    crowd.due(late)
    assert late.woken == 2


def test_who_is_gone_is_not_woken(loop: HandLoop) -> None:
    crowd = Crowd()
    first, gone, last = members(crowd, 3)
    for member in (first, gone, last):
        crowd.due(member)
    crowd.back(gone)
    crowd.back(first)
    loop.advance(REST)
    assert (gone.woken, last.woken) == (0, 1)
