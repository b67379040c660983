"""Every event that the emulated model sends in these tests is judged by the vendor's own types."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from pydantic import ValidationError
from websockets.asyncio.server import ServerConnection

from agenticd.emulator.realtime import RealtimeFaults
from tests.emulator.realtime.client import SERVER_EVENTS, validate


class Judge:
    """Sees what goes over the wire, whether or not the test reads it."""

    def __init__(self) -> None:
        self.garbage: set[str | bytes] = set()
        """What is sent to be no event."""
        self.judged: dict[str, int] = {}
        """How many of which type were in order."""
        self.wrong: list[str] = []

        self._seen: list[str | bytes] = []

    def see(self, frame: str | bytes) -> None:
        """One frame: it is judged later, for that takes time and tests measure some."""
        if frame not in self.garbage:
            self._seen.append(frame)

    def decide(self) -> None:
        """Judge what was seen."""
        for frame in self._seen:
            self._judge(frame)
        self._seen.clear()

    def _judge(self, frame: str | bytes) -> None:
        try:
            event = json.loads(frame)
            kind = event["type"]
            if kind not in SERVER_EVENTS:
                raise ValueError(f"there is no event of type {kind!r}")
            validate(event, SERVER_EVENTS)
        except (ValueError, ValidationError, AssertionError, KeyError, TypeError) as error:
            self.wrong.append(f"{str(frame)[:300]}: {error}")
        else:
            self.judged[kind] = self.judged.get(kind, 0) + 1


@pytest.fixture(autouse=True)
def judge(monkeypatch: pytest.MonkeyPatch) -> Iterator[Judge]:
    """Fails the test, at its end, if an event was wrong."""
    judge = Judge()
    send, rubbish = ServerConnection.send, RealtimeFaults.rubbish

    async def seen(self: ServerConnection, message: str | bytes) -> None:
        judge.see(message)
        await send(self, message)

    def noted(self: RealtimeFaults, nth: int) -> str | bytes | None:
        garbage = rubbish(self, nth)
        if garbage is not None:
            judge.garbage.add(garbage)
        return garbage

    monkeypatch.setattr(ServerConnection, "send", seen)
    monkeypatch.setattr(RealtimeFaults, "rubbish", noted)
    yield judge
    judge.decide()
    assert judge.wrong == []
