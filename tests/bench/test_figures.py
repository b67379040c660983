"""The bench's arithmetic: percentiles of frames and interruptions, the spread over rounds, ratios within a round, the
slope of a soak.
"""

from __future__ import annotations

from array import array
from dataclasses import replace

import pytest

from bench import bargein
from bench.measure import Delay, Run
from bench.report import PCM24, Round, compare
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
    assert cpu.base is not None
    assert (cpu.base.median, cpu.base.most) == (1.0, 10.0)


def test_with_one_bridge_there_is_no_ratio() -> None:
    assert all(each.ratio is None and each.other is None for each in compare([Round(RUN, None)]))


def test_pcm24_may_cost_twice_the_cpu_of_a_call_and_has_no_other_bar() -> None:
    rounds = [Round(replace(RUN, bridge="pcmu"), replace(RUN, bridge="pcm24", cpu_per_call=1.8))]
    bars = {each.figure.key: each.figure.bar for each in compare(rounds, PCM24)}
    assert {key: bar for key, bar in bars.items() if bar is not None} == {"cpu_per_call_percent": 2.0}
    (cpu,) = [each.ratio for each in compare(rounds, PCM24) if each.figure.key == "cpu_per_call_percent"]
    assert cpu is not None
    assert cpu.median == pytest.approx(1.8)


TALK = bargein.Run("daemon", [], [], 0, 0.0, 0.0, 0.0, 0.0, 0)


def test_the_delays_of_all_rounds_are_taken_together() -> None:
    first = replace(TALK, delays=[0.001] * 99, errors=[-0.030, 0.001])
    second = replace(TALK, delays=[0.009] * 101, errors=[0.002])
    delay, error = bargein.together([first, second])
    assert (delay.count, delay.p50, delay.p95, delay.p99, delay.worst) == pytest.approx((200, 9, 9, 9, 9))
    assert first.delay.p99 == pytest.approx(1)
    assert (error.count, error.p50, error.worst) == pytest.approx((3, 2, 30))


def test_of_no_interruptions_there_are_no_figures_and_no_ratio() -> None:
    assert bargein.together([]) == (bargein.Quantiles(0, 0.0, 0.0, 0.0, 0.0),) * 2
    assert bargein.ratio([bargein.Round(TALK, TALK), bargein.Round(None, TALK)]) is None


def test_the_ratio_of_interruptions_is_that_of_p99_within_a_round() -> None:
    rounds = [
        bargein.Round(replace(TALK, delays=[slow] * 9), replace(TALK, delays=[slow * 3] * 9)) for slow in (0.001, 0.01)
    ]
    found = bargein.ratio(rounds)
    assert found is not None
    assert (found.least, found.most) == pytest.approx((3, 3))


def test_the_slope_of_a_soak_is_not_moved_by_a_few_outliers() -> None:
    line = [(float(at), 100.0 + 2.0 * at) for at in range(40)]
    line[7] = (7.0, 100_000.0)
    line[30] = (30.0, 0.0)
    assert robust_slope(line) == pytest.approx(2.0)


def test_one_sample_has_no_slope() -> None:
    assert robust_slope([(1.0, 5.0)]) is None
