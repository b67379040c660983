"""The load generator against real bridges: it finds nothing wrong with a sound one, and leaves nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

from bench.measure import Options, Run, through_daemon, through_relay
from bench.proc import Cores

FEW = Options(calls=3, seconds=0.5, warm_up=0.1)
ANYWHERE = Cores(None, None)


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def heard(run: Run) -> bool:
    return run.to_model.frames > 0 and run.to_caller.frames > 0


async def test_the_relay_carries_every_byte_both_ways() -> None:
    before = children()
    run = await through_relay(FEW, ANYWHERE)
    assert (run.faults, run.told) == (0, [])
    assert heard(run)
    assert children() <= before


async def test_the_daemon_carries_every_byte_both_ways() -> None:
    before = children()
    run = await through_daemon(FEW, ANYWHERE)
    assert (run.faults, run.told) == (0, [])
    assert heard(run)
    assert children() <= before


async def test_the_daemon_converts_every_frame_both_ways() -> None:
    run = await through_daemon(FEW, ANYWHERE, "pcm24")
    assert (run.faults, run.told) == (0, [])
    assert heard(run)
