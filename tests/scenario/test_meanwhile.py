"""Steps while the call runs: each at its moment, one after the other."""

from __future__ import annotations

import asyncio

from agentic.v1 import event_pb2
from agenticd.emulator.faultbook import NO_FAULTS, Faults, shown
from agenticd.scenario.meanwhile import News, perform
from agenticd.scenario.story import Step


class Hands:
    """Remembers what was done."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.more = asyncio.Event()

    async def hang_up(self, reason: str) -> None:
        self._did(f"hang up: {reason}")

    async def restart(self, how: str) -> None:
        self._did(f"daemon {how}")

    def set_faults(self, faults: Faults) -> None:
        self._did(f"faults {shown(faults)}")

    def _did(self, what: str) -> None:
        self.done.append(what)
        self.more.set()


def said(text: str) -> event_pb2.Event:
    return event_pb2.Event(transcript_final=event_pb2.TranscriptFinal(text=text))


ANSWERED = event_pb2.Event(call_answered=event_pb2.CallAnswered())


async def settle() -> None:
    """Let all that can go on go on."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_step_waits_for_its_event_and_words_and_the_one_before_it() -> None:
    steps = (
        Step("faults", NO_FAULTS, event="call_answered"),
        Step("daemon", "killed", said="open until"),
        Step("hang_up", "enough"),
    )
    news, hands, left = News(), Hands(), list(steps)
    task = asyncio.create_task(perform(steps, news, hands, left))
    news.add(said("We are open until ten."))  # before its turn
    await settle()
    assert hands.done == []
    assert left == list(steps)
    news.add(ANSWERED)
    await settle()
    assert hands.done == ["faults off"]
    news.add(said("We are open until eleven."))
    await task
    assert hands.done[1:] == ["daemon killed", "hang up: enough"]
    assert left == []


async def test_one_event_is_not_enough_for_two_steps() -> None:
    steps = (Step("hang_up", "one", event="call_answered"), Step("hang_up", "two", event="call_answered"))
    news, hands = News(), Hands()
    task = asyncio.create_task(perform(steps, news, hands, list(steps)))
    news.add(ANSWERED)
    await settle()
    assert hands.done == ["hang up: one"]
    news.add(ANSWERED)
    await task
    assert hands.done == ["hang up: one", "hang up: two"]
