"""Plays a scenario once: the call is made and followed to its end, and all that happened is kept."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import agentic
from agentic.v1.event_pb2 import Event
from agenticd.emulator.app import CannotListen
from agenticd.emulator.faultbook import Faults, shown
from agenticd.emulator.realtime import Session
from agenticd.emulator.twilio import Call
from agenticd.launch import NotReady
from agenticd.scenario.meanwhile import News, perform
from agenticd.scenario.story import Scenario, Step
from agenticd.scenario.trace import Trace
from agenticd.scenario.worlds import NotHere, Place, World

_AFTERWARDS = 10.0
"""Seconds in which Twilio and the model must be done when the daemon has closed the call."""


@dataclass
class Take:
    """What came of playing a scenario once.

    `wrong` is what kept it from being played to its end, or shows a defect; `skipped` why it was not played here.
    `notices` are Twilio's codes and words, but for 31921, which it notes at every stream that a server ends.
    """

    scenario: Scenario
    trace: Trace = field(default_factory=Trace)
    events: list[Event] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    notices: list[tuple[int, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    skipped: str = ""
    log: str = ""

    @property
    def call(self) -> Call | None:
        """The call at Twilio."""
        return self.calls[0] if self.calls else None

    def all(self, kind: str) -> list[Event]:
        """The events of that kind."""
        return [event for event in self.events if event.WhichOneof("payload") == kind]


async def play(scenario: Scenario, place: Place, folder: Path) -> Take:
    """Play it. It is over soon after the time that it may take, whatever happens, and nothing of it is left running."""
    take = Take(scenario)
    try:
        async with place.world(scenario, folder, take.trace.happened) as world:
            await _Scene(take, world).play()
    except NotHere as why:
        take.skipped = str(why)
    except (NotReady, CannotListen, agentic.AgenticError) as error:
        take.wrong.append(str(error))
    return take


class _Scene:
    """One play of one scenario."""

    def __init__(self, take: Take, world: World) -> None:
        self._take = take
        self._world = world
        self._scenario = take.scenario
        self._news = News()
        self._call_id = ""
        self._left: list[Step] = list(take.scenario.meanwhile)

    async def play(self) -> None:
        take = self._take
        try:
            async with asyncio.timeout(self._scenario.within):
                await self._all_at_once()
        except TimeoutError:
            last = take.events[-1].WhichOneof("payload") if take.events else "none"
            take.wrong.append(f"not over within {self._scenario.within:g} s; the last event: {last}")
        take.wrong += [f"line {step.line}: {_what(step)} never had its turn" for step in self._left]
        await self._settle()

    async def _all_at_once(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                steps = tasks.create_task(perform(self._scenario.meanwhile, self._news, self, self._left))
                await self._follow()
                steps.cancel()
        except* (agentic.AgenticError, NotReady) as group:
            self._take.wrong += [str(error) for error in group.exceptions]

    async def _follow(self) -> None:
        """Make the call, and take all its events."""
        call, client, take = self._scenario.call, self._world.client, self._take
        if call.direction == "outbound":
            placed = await client.place_call(
                call.phone,
                from_address=call.from_number,
                agent=call.agent,
                variables=call.variables,
                metadata=call.metadata,
                ring_timeout=call.ring_timeout,
                max_duration=call.max_duration,
                queue_timeout=call.queue_timeout,
                **self._world.overrides,
            )
            self._call_id, stream = placed.call.call_id, client.follow(placed)
        else:
            head = (await client.status()).head_revision
            twilio = self._world.emulator.twilio
            await twilio.ring_in(call.phone, self._scenario.account_number, self._world.person)
            stream = client.events(after=head)
        async with stream:
            async for event in stream:
                if not self._is_ours(event):
                    continue
                take.events.append(event)
                take.trace.event(event)
                self._news.add(event)
                if event.WhichOneof("payload") == "call_closed":
                    return

    def _is_ours(self, event: Event) -> bool:
        if not self._call_id and event.WhichOneof("payload") == "call_ringing":
            self._call_id = event.call_id
        return event.call_id == self._call_id

    # What steps are done with.

    async def hang_up(self, reason: str) -> None:
        """As a client of the daemon."""
        self._take.trace.note("client", "HangUp", reason)
        await self._world.client.hang_up(self._call_id, reason)

    async def restart(self, how: str) -> None:
        """The daemon."""
        self._take.trace.note("client", "daemon", f"is {how} and started again")
        await self._world.restart(how)

    def set_faults(self, faults: Faults) -> None:
        """From now on."""
        self._take.trace.note("client", "faults", shown(faults))
        self._world.set_faults(faults)

    async def _settle(self) -> None:
        """Twilio and the model come to their ends too; what they have to say is taken."""
        take, emulator = self._take, self._world.emulator
        take.calls = list(emulator.twilio.calls.values())
        take.sessions = list(emulator.realtime.sessions)
        try:
            async with asyncio.timeout(_AFTERWARDS if take.events and not take.wrong else 0.1):
                for call in take.calls:
                    await call.ended()
                for session in take.sessions:
                    await session.wait_closed()
        except TimeoutError:
            take.wrong.append("Twilio's call or the model's session was not over when the daemon had closed the call")
        take.notices = [(notice.code, notice.text) for notice in emulator.twilio.debugger if notice.code != 31921]
        if self._world.log is not None:
            take.log = self._world.log.read_text(errors="replace")
            take.wrong += _defects(take.log)


def _what(step: Step) -> str:
    return {"hang_up": "the hang-up", "faults": "the change of faults", "daemon": "the restart"}[step.does]


def _defects(log: str) -> list[str]:
    """What a daemon's log must never have."""
    found = [line for line in log.splitlines() if '"level": "error"' in line or line.startswith("Traceback")]
    return [f"the daemon's log: {line[:300]}" for line in found[:3]]
