"""A real daemon process beside the emulator, over real sockets, driven by the client that users have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import agentic
from agentic.v1 import event_pb2
from agenticd.emulator.faultbook import NO_FAULTS, Faults, faults_from, settings
from agenticd.emulator.realtime import Session
from agenticd.emulator.twilio import Call
from agenticd.emulator.twilio.callbacks import Callbacks
from agenticd.emulator.twilio.mishaps import Mishaps
from agenticd.sandbox import Sandbox

TO = "+15550002222"


@dataclass
class History:
    """All events of one call, as a subscriber got them."""

    events: list[event_pb2.Event] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        return [event.WhichOneof("payload") or "" for event in self.events]

    def all(self, kind: str) -> list[Any]:
        return [getattr(event, kind) for event in self.events if event.WhichOneof("payload") == kind]

    def one(self, kind: str) -> Any:
        (found,) = self.all(kind)
        return found

    @property
    def words(self) -> list[tuple[str, str]]:
        """Who said what, in the order of the conversation."""
        finals = sorted(self.all("transcript_final"), key=lambda final: final.position)
        return [(event_pb2.Speaker.Name(final.speaker).removeprefix("SPEAKER_"), final.text) for final in finals]


@dataclass
class Line:
    """The test's hold on everything."""

    sandbox: Sandbox
    client: agentic.Client
    went_wrong: list[Faults] = field(default_factory=list)
    """The faults that were ever set."""

    async def place(self, to: str = TO, **options: Any) -> str:
        """Place a call; its id."""
        placed = await self.client.place_call(to, **options)
        return placed.call.call_id

    async def follow(
        self, call_id: str, on: Callable[[event_pb2.Event], Any] | None = None, until: str = ""
    ) -> History:
        """Everything that happens to the call, up to its call_closed or the first event of that kind.

        `on` is called with each event, and awaited if it wants that.
        """
        history = History()
        async with self.client.events(call_ids=[call_id], after=0) as stream:
            async for event in stream:
                history.events.append(event)
                waiting = on(event) if on is not None else None
                if waiting is not None:
                    await waiting
                if until and event.WhichOneof("payload") == until:
                    break
        sequences = [event.call_sequence for event in history.events]
        assert sequences == list(range(1, len(sequences) + 1))
        return history

    def go_wrong(self, **sections: Any) -> None:
        """From now on these faults, and no others."""
        self.sandbox.emulator.faults = faults_from(sections)
        self.went_wrong.append(self.sandbox.emulator.faults)

    def phone_call(self, number: str = TO) -> Call:
        """The carrier's side of the call to that number."""
        (found,) = [call for call in self.sandbox.twilio.calls.values() if call.to == number]
        return found

    def model_session(self, index: int = -1) -> Session:
        """The model's side."""
        return self.sandbox.realtime.sessions[index]


CROSSING = 1.0
"""s: so long, on a busy machine, an order to cancel an answer and the word that it has ended may be under way."""


def mistakes(session: Session) -> list[Any]:
    """What the daemon did wrong, by the model. No mistake: to cancel an answer whose end was still on its way."""
    marks = [(note.at, note.kind) for note in session.told if note.kind in ("response.created", "response.done")]
    cancels = [note.at for note in session.asked if note.kind == "response.cancel"]
    crossed = 0
    for cancel in cancels:
        at, kind = max((mark for mark in marks if mark[0] <= cancel), default=(0.0, ""))
        crossed += kind == "response.done" and cancel - at <= CROSSING
    found = []
    for error in session.errors:
        if error["code"] == "response_cancel_not_active" and crossed:
            crossed -= 1
        else:
            found.append(error)
    return found


def marked(node: Any) -> list[str]:
    """The settings that a test says it is about."""
    return [path for mark in node.iter_markers("fault") for path in mark.args]


def chosen(faults: Faults) -> set[str]:
    """The settings that are not as by default."""
    found = set()
    for setting in settings():
        value: Any = faults
        default: Any = NO_FAULTS
        for name in setting.path.split("."):
            value, default = getattr(value, name), getattr(default, name)
        if value != default:
            found.add(setting.path)
    return found


@pytest.fixture
async def line(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Callable[..., Any]]:
    """`await line(...)`: a Line on a sandbox made with these arguments. A test that is marked with faults must set
    them."""
    went_wrong: list[Faults] = []
    async with AsyncExitStack() as stack:

        async def make(**arguments: Any) -> Line:
            sandbox = await stack.enter_async_context(Sandbox(tmp_path, **arguments))
            client = await stack.enter_async_context(agentic.connect(sandbox.address))
            went_wrong.append(sandbox.emulator.faults)
            return Line(sandbox, client, went_wrong)

        try:
            yield make
        finally:
            await stack.aclose()
        log = (tmp_path / "daemon.log").read_text()
        for path in marked(request.node):
            assert any(path in chosen(faults) for faults in went_wrong), f"{path} is marked, and never set"
        assert "Traceback" not in log, log
        assert '"level": "error"' not in log, log


class Gate(asyncio.Event):
    """Set: open."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()
        """Something waits at it, or has."""


@pytest.fixture
async def gate(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gate]:
    """What the emulated Twilio has to wait for, by its faults, waits for this, and not for the time that they say:
    REST requests, their answers, and late callbacks. Named behind `line`, it is open when that one ends."""
    opened = Gate()

    async def waited(_: Mishaps, seconds: float) -> bool:
        if seconds:
            opened.reached.set()
            await opened.wait()
        return True

    async def send_later(self: Callbacks, callback: Any, _: float) -> None:
        await opened.wait()
        await self._send(callback)

    monkeypatch.setattr(Mishaps, "_waited", waited)
    monkeypatch.setattr(Callbacks, "_send_later", send_later)
    yield opened
    opened.set()
