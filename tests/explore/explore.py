"""Many histories: by ranges of seeds, in several processes, with what was reached and what broke."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from agenticd.core import effects, events, inputs
from agenticd.core.call import TRANSITIONS
from agenticd.core.events import EndReason
from tests.explore.run import Coverage, History, Violation, replay, shrunk, violation_of
from tests.explore.world import World

CHUNK = 500
TWICE = 50
"""Every so many-th history is run again, twice, and must have the same effects."""
UNREACHABLE = frozenset({EndReason.POLICY, EndReason.BUDGET, EndReason.TRANSFERRED, EndReason.VOICEMAIL})
"""Reasons that the contract has and nothing brings about yet."""


@dataclass
class Found:
    """A history that broke a rule."""

    seed: int
    rule: str
    text: str


@dataclass
class Share:
    """What one range of seeds showed."""

    first: int
    coverage: Coverage = field(default_factory=Coverage)
    found: list[Found] = field(default_factory=list)
    cpu: float = 0.0
    """Seconds of one core."""


def explore_one(seed: int, coverage: Coverage, steps: int) -> World:
    """The history of one seed. Raises Violation; the history that led to it can be had by `history_of`."""
    world = World(seed, coverage, steps=steps)
    world.play()
    if seed % TWICE == 0:
        same_effects(world.history)
    return world


def same_effects(history: History) -> None:
    """Run it twice. Raises Violation if that makes a difference."""
    first, second = replay(history, keep=True), replay(history, keep=True)
    if first.kept != second.kept or first.record != second.record:
        at = next((i for i, (a, b) in enumerate(zip(first.kept, second.kept, strict=False)) if a != b), -1)
        raise Violation("the_same_history_has_the_same_effects", f"step {at} differs", 0.0)


def history_of(seed: int, steps: int) -> tuple[History, Violation | None]:
    """The history of one seed, as far as it goes, and what it breaks."""
    world = World(seed, Coverage(), steps=steps)
    try:
        world.play()
    except Violation as violation:
        return world.history, violation
    return world.history, violation_of(world.history)


def share(job: tuple[int, int, int]) -> Share:
    """The histories from seed `first`, so many, of so many steps."""
    first, count, steps = job
    result, began = Share(first), time.process_time()
    gc.set_threshold(20_000, 20, 20)  # a history's world is a cycle, but a small one
    for seed in range(first, first + count):
        try:
            explore_one(seed, result.coverage, steps)
        except Violation as violation:
            result.found.append(Found(seed, violation.rule, str(violation)))
    result.cpu = time.process_time() - began
    return result


def explore(first: int, histories: int, jobs: int, steps: int) -> Iterator[Share]:
    """All of them, in the order of their seeds."""
    ranges = [(seed, min(CHUNK, first + histories - seed), steps) for seed in range(first, first + histories, CHUNK)]
    if jobs == 1:
        yield from map(share, ranges)
        return
    with multiprocessing.Pool(jobs) as pool:
        yield from pool.imap(share, ranges)


# --- What is said of it ------------------------------------------------------------------------------------------


def reached(coverage: Coverage) -> dict[str, dict[str, int]]:
    """How often each thing that there is was reached: 0 for never."""
    transitions = {
        f"{state.value} --{trigger.value}--> {target.value}": coverage.triggers[state, trigger]
        for state, row in TRANSITIONS.items()
        for trigger, target in row.items()
    }
    reasons: Counter[str] = Counter()
    for (reason, by), count in coverage.ends.items():
        reasons[reason] += count
        reasons[f"{reason} by {by}"] += count
    wanted = {reason.value: reasons[reason.value] for reason in EndReason if reason not in UNREACHABLE}
    return {
        "transitions": transitions,
        "inputs": {kind.__name__: coverage.inputs[kind] for kind in inputs.Input.__args__},
        "effects": {kind.__name__: coverage.effects[kind] for kind in effects.Effect.__args__},
        "events": {kind.__name__: coverage.payloads[kind] for kind in events.Payload.__args__},
        "end reasons": wanted | {key: count for key, count in sorted(reasons.items()) if " by " in key},
    }


def never(coverage: Coverage) -> list[str]:
    """What was not reached."""
    return [
        f"{title}: {name}" for title, names in reached(coverage).items() for name, count in names.items() if not count
    ]


def show_coverage(coverage: Coverage, say: Callable[[str], None]) -> None:
    """What was reached, and how often."""
    for title, names in reached(coverage).items():
        say(f"\n{title}")
        for name, count in names.items():
            say(f"  {count:>10,}  {name}")
    say(f"\n  {coverage.compared:>10,}  times, what was heard was held against the phone")
    say(f"  {coverage.sane:>10,}  histories with a model that kept its grammar")


def show_history(history: History, say: Callable[[str], None]) -> None:
    """The history as a list to read."""
    record = history.record
    defaults = {"instructions", "voice", "model"}
    brief = ", ".join(
        f"{name}={value!r}"
        for name, value in ((name, getattr(record.brief, name)) for name in record.brief.__struct_fields__)
        if value and name not in defaults
    )
    say(f"  {record.direction.value}, {brief}; at most {record.options.max_duration:.0f} s")
    for at, happening in history.script:
        say(f"  {at:>10.3f}  {_line(happening)}")
    say(f"  and then silence; the carrier fails {history.silence} times more")


def _line(happening: object) -> str:
    if isinstance(happening, msgspec.Struct):
        pairs = [(name, getattr(happening, name)) for name in happening.__struct_fields__]
    else:
        pairs = [(name, getattr(happening, name)) for name in getattr(happening, "__slots__", ())]
    words = ", ".join(f"{name}={_short(value)}" for name, value in pairs)
    return f"{type(happening).__name__}({words})"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:24]}… {len(text)} characters"


def show_violation(found: Found, steps: int, say: Callable[[str], None]) -> None:
    """The seed, the rule, and the shortest history that still breaks it."""
    history, violation = history_of(found.seed, steps)
    say(f"\nseed {found.seed}: {found.text}")
    if violation is None:
        say("  it does not break again: the machines or the world are not deterministic")
        return
    if violation_of(history) is not None:
        history = shrunk(history, violation.rule)
    show_history(history, say)
    cause = violation.__cause__
    if cause is not None:
        say(f"  {type(cause).__name__}: {cause}")


def rate(steps: int, seconds: float) -> float:
    """Steps a minute."""
    return steps / max(1e-9, seconds) * 60
