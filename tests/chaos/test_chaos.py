"""Runs with fixed seeds: what is killed here, and when, is the same each time. The long one is `make chaos`."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.chaos.broken import DEFECT
from tests.chaos.plan import LIKELY, Plan, plan, points
from tests.chaos.run import Chaos, held_port, summary


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("seed", "kills"), [(7, 25)])
async def test_nothing_is_lost_and_nothing_done_twice(tmp_path: Path, seed: int, kills: int) -> None:
    outcome = await Chaos(tmp_path, seed, kills).run()
    assert outcome.faults == [], "\n".join(summary(outcome))
    assert outcome.kills == kills
    assert any(line.get("reached") for line in outcome.results), "a trap was sprung"
    calls = {event.call_id for event in outcome.run.log}
    assert len(calls) > kills / 2, "calls went on between the kills"
    assert outcome.run.dialled
    assert outcome.run.acknowledged


@pytest.mark.defect
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("defect", "point", "validator"),
    [
        ("dials_again", "after_dial", "Durable"),
        ("answers_before_it_is_durable", "before_commit", "Durable"),
        ("resumes_one_too_far", "after_call_queued", "Union"),
    ],
)
async def test_a_daemon_with_a_defect_is_found_out(tmp_path: Path, defect: str, point: str, validator: str) -> None:
    """Each of these goes wrong only when the daemon is killed at the wrong moment, which eight kills are enough for."""

    def draw(seed: int, number: int) -> Plan:
        return Plan("failpoint", point, nth=1 + number % 2, after=6.0)

    environ = {DEFECT: defect}
    chaos = Chaos(tmp_path, 1, 8, draw=draw, program=("-m", "tests.chaos.broken"), environ=environ)
    outcome = await chaos.run()
    assert [fault for fault in outcome.faults if fault.startswith(validator)], "\n".join(summary(outcome))


def test_a_plan_follows_from_its_seed_and_number() -> None:
    assert [plan(3, number) for number in range(200)] == [plan(3, number) for number in range(200)]
    assert [plan(3, number) for number in range(20)] != [plan(4, number) for number in range(20)]


def test_named_points_come_first_and_all_of_them() -> None:
    order = points(5)
    number_of_lives = len(order) * 5 // 4 + 1
    named = [plan(5, number).point for number in range(number_of_lives) if number % 5 != 4]
    assert named[: len(order)] == order
    assert set(order) == set(LIKELY)


def test_nobody_is_given_the_daemons_port_between_two_lives_and_the_daemon_is() -> None:
    with held_port() as held:
        address = held.getsockname()
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(address)
        for _ in range(2):
            with socket.create_server(address) as life:  # with SO_REUSEADDR, as gRPC
                assert life.getsockname() == address
