"""A run of `agenticd test`: scenarios, several at once, each judged when it is over."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from agenticd.emulator.phone import write_wav
from agenticd.scenario.judge import judge
from agenticd.scenario.report import Verdict
from agenticd.scenario.stage import Take, play
from agenticd.scenario.story import Scenario
from agenticd.scenario.worlds import Place


async def run(
    scenarios: Sequence[Scenario], place: Place, folder: Path, jobs: int, told: Callable[[Verdict], None], *, keep: bool
) -> list[Verdict]:
    """Play all of them, at most `jobs` at once. `told` gets each verdict when it is there; the answer is in order.

    Each has a folder of its own in `folder`, named after its file. What is in it stays where the scenario failed, or
    with `keep`.
    """
    free = asyncio.Semaphore(jobs if place.at_once else 1)

    async def one(scenario: Scenario, own: Path) -> Verdict:
        async with free:
            began = time.monotonic()
            await asyncio.to_thread(own.mkdir, parents=True)
            take = await play(scenario, place, own)
            misses = () if take.skipped else tuple(judge(take))
            kept = _kept(take, own, keep=keep or bool(misses))
            verdict = Verdict(take, misses, time.monotonic() - began, kept)
            told(verdict)
            return verdict

    async with asyncio.TaskGroup() as tasks:
        playing = [
            tasks.create_task(one(scenario, own))
            for scenario, own in zip(scenarios, _folders(scenarios, folder), strict=True)
        ]
    return [task.result() for task in playing]


def _folders(scenarios: Sequence[Scenario], folder: Path) -> list[Path]:
    """A folder for each; two files of one name get a number."""
    used: dict[str, int] = {}
    found = []
    for scenario in scenarios:
        used[scenario.short] = number = used.get(scenario.short, 0) + 1
        found.append(folder / (scenario.short if number == 1 else f"{scenario.short}-{number}"))
    return found


def _kept(take: Take, own: Path, *, keep: bool) -> Path | None:
    """Write down what happened, and how it sounded, the caller left, the agent as heard right; or clear up."""
    if not keep:
        shutil.rmtree(own)
        return None
    (own / "timeline.txt").write_text("".join(f"{line}\n" for line in take.trace.lines()), encoding="utf-8")
    if take.call is not None and take.call.phone.sent:
        write_wav(own / "call.wav", take.call.phone.sent, take.call.phone.heard)
    return own
