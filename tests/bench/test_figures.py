"""The bench's arithmetic: percentiles, the spread over rounds, ratios within a round, the slope of a soak."""

from __future__ import annotations

from array import array
from dataclasses import replace

import pytest

from bench.measure import Delay, Run
from bench.report import Round, compare
from bench.soak import robust_slope

NO_DELAY = Delay(0, 0.0, 0.0, 0.0)
RUN = Run(
    bridge="relay",
    to_model=NO_DELAY,
    to_caller=NO_DELAY,
    both=NO_DELAY,
    cpu_per_call=1.0,
    cpu_us_per_frame=10.0,
    memory=0,
    memory_per_call=0.0,
    generator_cpu=0.0,
    generator_late_p99=0.0,
    others_cpu=0.0,
    faults=0,
)


def test_percentiles_are_the_least_values_that_so_many_do_not_exceed() -> None:
    delay = Delay.of(array("d", (ms / 1000 for ms in range(200, 0, -1))))
    assert (delay.frames, delay.p50, delay.p99, delay.worst) == pytest.approx((200, 100, 198, 200))


def test_of_nothing_there_are_no_delays() -> None:
    assert Delay.of(array("d")) == NO_DELAY


def test_ratios_are_taken_within_a_round_so_that_a_slow_hour_of_the_machine_counts_for_both() -> None:
    rounds = [
        Round(replace(RUN, cpu_per_call=slow), replace(RUN, bridge="daemon", cpu_per_call=slow * ratio))
        for slow, ratio in ((1.0, 2.0), (10.0, 1.5), (1.0, 1.0))
    ]
    cpu = next(each for each in compare(rounds) if each.figure.key == "cpu_per_call_percent")
    assert cpu.ratio is not None
    assert (cpu.ratio.median, cpu.ratio.least, cpu.ratio.most) == (1.5, 1.0, 2.0)
    assert cpu.relay is not None
    assert (cpu.relay.median, cpu.relay.most) == (1.0, 10.0)


def test_with_one_bridge_there_is_no_ratio() -> None:
    assert all(each.ratio is None and each.daemon is None for each in compare([Round(RUN, None)]))


def test_the_slope_of_a_soak_is_not_moved_by_a_few_outliers() -> None:
    line = [(float(at), 100.0 + 2.0 * at) for at in range(40)]
    line[7] = (7.0, 100_000.0)
    line[30] = (30.0, 0.0)
    assert robust_slope(line) == pytest.approx(2.0)


def test_one_sample_has_no_slope() -> None:
    assert robust_slope([(1.0, 5.0)]) is None
