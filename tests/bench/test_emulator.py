"""The stopwatch on the emulator: its arithmetic, and that it sees what there is to be seen."""

from __future__ import annotations

import pytest

from bench.emulator import Figures, Options, observe
from bench.proc import Cores


def test_deviations_count_whichever_their_sign() -> None:
    figures = Figures.of([-0.004, 0.001, 0.002, -0.003])
    assert (figures.count, figures.p50, figures.p99, figures.most) == pytest.approx((4, 2.0, 4.0, 4.0))


async def test_all_that_is_measured_is_there() -> None:
    run = await observe(Options(calls=2, seconds=4.0, warm_up=0.2), Cores(None, None))
    assert run.faults == ()
    assert run.frames.count > 100
    assert run.marks.count
    assert run.cleared.count == 2 * run.silent.count > 0
