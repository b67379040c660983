"""What is done while a scenario's call runs: steps, one after the other, each at its moment."""

from __future__ import annotations

import asyncio
from typing import Protocol

from agentic.v1.event_pb2 import Event
from agenticd.emulator.faultbook import Faults
from agenticd.scenario.patterns import says
from agenticd.scenario.story import Step


class Hands(Protocol):
    """What steps are done with."""

    async def hang_up(self, reason: str) -> None:
        """Order the end of the call, as a client of the daemon."""

    async def restart(self, how: str) -> None:
        """End the daemon and start it again."""

    def set_faults(self, faults: Faults) -> None:
        """From now on things go wrong in this way."""


class News:
    """The call's events so far, for those who wait for one."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._more = asyncio.Event()

    def add(self, event: Event) -> None:
        """One more."""
        self._events.append(event)
        self._more.set()

    async def wait(self, step: Step, since: int) -> int:
        """Until there is what the step waits for among the events from `since` on; where the next may look from."""
        if not step.event and not step.said:
            return since
        at = since
        while True:
            while at < len(self._events):
                at += 1
                if _fits(step, self._events[at - 1]):
                    return at
            self._more.clear()
            await self._more.wait()


def _fits(step: Step, event: Event) -> bool:
    kind = event.WhichOneof("payload")
    if step.event:
        return kind == step.event
    return kind == "transcript_final" and says(event.transcript_final.text, step.said)


async def perform(steps: tuple[Step, ...], news: News, hands: Hands, left: list[Step]) -> None:
    """Do all steps. `left` has those that are not done yet, at any time."""
    since = 0
    for step in steps:
        since = await news.wait(step, since)
        await asyncio.sleep(step.after)
        left.remove(step)
        match step.does:
            case "hang_up":
                await hands.hang_up(str(step.value))
            case "daemon":
                await hands.restart(str(step.value))
            case "faults":
                assert isinstance(step.value, Faults)
                hands.set_faults(step.value)
