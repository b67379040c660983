"""What happens to the daemon in each of its lives: drawn from the seed and the life's number, and from nothing else."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from typing import Any, Literal

from agenticd.service.failpoint import POINTS

UNLIKELY = {
    "agent_interrupted", "media_lost", "model_lost", "speech_started", "speech_stopped", "transcript_final",
    "turn_measured", "usage_reported",
}  # fmt: skip
"""What hardly happens in calls as short as these; it is tried only at random."""
LIKELY = tuple(sorted(p for p in POINTS if p.partition("_")[2] not in UNLIKELY))
How = Literal["failpoint", "kill", "stop", "subscriber", "stop subscriber"]
LINKS = ("twilio", "openai", "daemon", "grpc")
REST: tuple[dict[str, Any], ...] = (
    {"create": {"answer": "reset"}},
    {"create": {"answer": "reset", "done": True}},
    {"create": {"answer": "500"}},
    {"create": {"answer": "502", "done": True}},
    {"create": {"answer": "429", "first": 1}},
    {"create_answer_delay": 60.0},
    {"update": {"answer": "503", "first": 1}},
    {"list": {"answer": "503", "first": 1}, "create": {"answer": "reset", "done": True}},
)
LOST = ("initiated", "ringing", "in-progress", "completed", "busy", "no-answer", "canceled")


@dataclass(frozen=True, slots=True)
class Plan:
    """One life of the daemon, up to its kill; or the kill of a subscriber while it lives on.

    `after`: seconds until the kill, or how long a failpoint is waited for. `link`, `trouble`: what goes wrong with
    which network meanwhile; `rest`, `lost`: what goes wrong at Twilio.
    """

    how: How
    point: str = ""
    nth: int = 1
    after: float = 4.0
    link: str = ""
    trouble: str = ""
    rest: dict[str, Any] | None = None
    lost: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """For the results' file."""
        return {key: value for key, value in asdict(self).items() if value}


def points(seed: int) -> list[str]:
    """All likely points, in the order of this seed."""
    order = list(LIKELY)
    random.Random(f"{seed}:points").shuffle(order)
    return order


def plan(seed: int, number: int) -> Plan:
    """The life with this number, from 0. Four of five are at named points until all were had; then all is chance."""
    chance = random.Random(f"{seed}:{number}")
    order = points(seed)
    at = number - number // 5
    trouble: dict[str, Any] = {}
    if chance.random() < 0.35:
        trouble = {"link": chance.choice(LINKS), "trouble": chance.choice(("cut", "cut", "half-open", "slow"))}
    if chance.random() < 0.35:
        trouble["rest"] = chance.choice(REST)
    if chance.random() < 0.2:
        trouble["lost"] = tuple(chance.sample(LOST, 3))
    if number % 5 != 4 and at < len(order):
        return Plan("failpoint", order[at], chance.choice((1, 1, 1, 2)), 6.0, **trouble)
    how: How = chance.choices(
        ("failpoint", "kill", "stop", "subscriber", "stop subscriber"), (0.45, 0.3, 0.08, 0.12, 0.05)
    )[0]
    if how == "failpoint":
        return Plan(how, chance.choice(sorted(POINTS)), chance.randint(1, 6), 2.5, **trouble)
    return Plan(how, after=round(chance.uniform(0.05, 1.5), 2), **trouble)
