"""A run of `agenticd test`: scenarios, several at once, each judged when it is over."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from agenticd.emulator.phone import write_wav
from agenticd.scenario.judge import judge
from agenticd.scenario.report import Verdict
from agenticd.scenario.stage import Take, play
from agenticd.scenario.story import Scenario
from agenticd.scenario.worlds import Place


async def run(
    scenarios: Sequence[Scenario], place: Place, out: Path, jobs: int, told: Callable[[Verdict], None], *, keep: bool
) -> list[Verdict]:
    """Play all of them, at most `jobs` at once. `told` gets each verdict when it is there; the answer is in order.

    What is kept of those that failed, or with `keep` of all, goes into a folder of its own in `out`, named after the
    scenario's file. Raises NoPlace if none can be played.
    """
    await place.ready()
    free = asyncio.Semaphore(jobs if place.at_once else 1)

    async def one(scenario: Scenario, own: Path) -> Verdict:
        async with free:
            began = time.monotonic()
            # Not in `out`: the path of a Unix socket has 107 bytes at most.
            with tempfile.TemporaryDirectory(prefix="agenticd-") as folder:
                take = await play(scenario, place, Path(folder))
            misses = () if take.skipped else tuple(judge(take))
            kept = await asyncio.to_thread(_keep, take, own) if misses or keep else None
            verdict = Verdict(take, misses, time.monotonic() - began, kept)
            told(verdict)
            return verdict

    async with asyncio.TaskGroup() as tasks:
        playing = [
            tasks.create_task(one(scenario, own))
            for scenario, own in zip(scenarios, _folders(scenarios, out), strict=True)
        ]
    return [task.result() for task in playing]


def _folders(scenarios: Sequence[Scenario], out: Path) -> list[Path]:
    """A folder for each; two files of one name get a number."""
    used: Counter[str] = Counter()
    found = []
    for scenario in scenarios:
        used[scenario.short] += 1
        number = used[scenario.short]
        found.append(out / (scenario.short if number == 1 else f"{scenario.short}-{number}"))
    return found


def _keep(take: Take, own: Path) -> Path:
    """Write down what happened, and how it sounded: the caller left, the agent as heard right."""
    own.mkdir(parents=True)
    (own / "timeline.txt").write_text("".join(f"{line}\n" for line in take.trace.lines()), encoding="utf-8")
    if take.log:
        (own / "daemon.log").write_text(take.log, encoding="utf-8")
    if take.call is not None and take.call.phone.sent:
        write_wav(own / "call.wav", take.call.phone.sent, take.call.phone.heard)
    return own
