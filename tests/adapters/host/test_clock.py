"""The real clock agrees with itself on every loop: a callback never finds that it is too early."""

from __future__ import annotations

import asyncio
import time

import pytest
import uvloop

from agenticd.adapters.host.clock import SystemClock
from agenticd.service.ports import Clock

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.mark.parametrize("loop", LOOPS)
def test_a_callback_is_never_early(loop: str):
    async def main() -> None:
        clock: Clock = SystemClock()
        early: list[float] = []
        left = 60
        done = asyncio.Event()

        def due(when: float) -> None:
            nonlocal left
            if clock.monotonic() < when - 1e-6:
                early.append(when - clock.monotonic())
            left -= 1
            if not left:
                done.set()

        start = clock.monotonic()
        for step in range(60):
            when = start + step * 0.00037
            clock.call_at(when, lambda when=when: due(when))  # type: ignore[misc]
        await done.wait()
        assert early == []

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_timer_that_was_cancelled_does_not_call_back(loop: str):
    async def main() -> None:
        clock = SystemClock()
        called: list[str] = []
        done = asyncio.Event()
        clock.call_at(clock.monotonic() + 0.001, lambda: called.append("no")).cancel()
        clock.call_at(clock.monotonic() + 0.003, done.set)
        await done.wait()
        assert called == []

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())


async def test_what_elapsed_is_never_less_than_what_the_machine_was_awake():
    clock = SystemClock()
    elapsed, awake = clock.elapsed(), time.monotonic()
    assert clock.elapsed() >= elapsed
    assert clock.elapsed() >= awake


async def test_wall_time_and_randomness_are_the_systems():
    clock = SystemClock()
    assert abs(clock.wall() - time.time()) < 60
    assert len(clock.randomness(10)) == 10
    assert clock.randomness(16) != clock.randomness(16)
