"""What the story is played on: the daemon, what is done to it, and the log that a fresh reader finds."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sqlite3
import sys
import time
from contextlib import aclosing, closing
from dataclasses import dataclass
from pathlib import Path

import agentic
from agentic.v1 import event_pb2
from agenticd.adapters.store.retention import Limits, prune_piece
from agenticd.emulator.phone import Line as Says
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.realtime import DEMO_CALLER_LINES
from agenticd.sandbox import Sandbox
from tests.clients.teller import Told

LEAVES, STAYS, TALKS = "+15550002222", "+15550003333", "+15550004444"
BUSY = PhoneScript(outcome="busy", ring=0.1)
"""The quickest call that there is: at every number but these."""
PHONES = {
    LEAVES: PhoneScript(ring=0.1, lines=(Says(say="hello", pause=0.1), Says(hang_up=True, pause=0.1))),
    STAYS: PhoneScript(ring=0.1),
    TALKS: PhoneScript(ring=0.1, lines=tuple(Says(say=text, pause=0.3) for text in DEMO_CALLER_LINES)),
}
GREETING = "Hello."
"""Without it the agent waits for the caller."""
QUICK_BOOKMARKS = ("-m", "tests.clients.quick_bookmarks")
"""Runs the daemon with a bookmark every 0.2 s."""
_numbers = itertools.count(5_550_010_000)
_MONTH = 30 * 86_400.0


@dataclass
class Stage:
    """The test's hold on the daemon and on what is around it. `client` is Python's, for what is not the story's."""

    sandbox: Sandbox
    client: agentic.Client

    @property
    def address(self) -> str:
        """The daemon's."""
        return self.sandbox.address

    @property
    def door(self) -> str:
        """Where it listens on TCP."""
        lines = (self.sandbox.folder / "daemon.log").read_text().splitlines()
        last = [line for line in lines if '"gRPC listens"' in line][-1]
        (address,) = [text for text in json.loads(last)["addresses"] if not text.startswith("unix:")]
        return str(address)

    def dialled(self, number: str) -> int:
        """How often the carrier was asked to dial that number."""
        return sum(call.to == number for call in self.sandbox.twilio.calls.values())

    async def call(self) -> list[Told]:
        """A whole call, of which the teller knows nothing. Its events."""
        placed = await self.client.place_call(fresh_number())
        return [told(event) async for event in self.client.follow(placed)]

    async def log(self, *call_ids: str) -> list[Told]:
        """All that is durable now, of these calls if any are named, as somebody reads it who has seen nothing."""
        head = (await self.client.status()).head_revision
        found: list[Told] = []
        async with agentic.connect(self.address) as fresh, aclosing(fresh.events(after=0)) as stream:
            async for event in stream:
                if not call_ids or event.call_id in call_ids:
                    found.append(told(event))
                if event.revision == head:
                    return found
        raise AssertionError("the log ends before its head")

    async def epoch(self) -> str:
        """The log's."""
        return (await self.client.status()).epoch

    async def kill_and_restart(self) -> None:
        """kill -9, and a new process on the same store, as systemd does it."""
        self.sandbox.daemon.kill()
        await self.sandbox.daemon.stop()
        await self.sandbox.daemon.start()

    async def drain(self) -> None:
        """SIGTERM: calls go on to their ends, then the daemon has ended."""
        self.sandbox.daemon.tell(signal.SIGTERM)
        assert await self.sandbox.daemon.wait() == 0

    async def backup(self) -> Path:
        """A copy of the log, as `agentctl node backup` makes it."""
        path = self.sandbox.folder / "backup.db"
        with path.open("wb") as file:
            await self.client.backup(file)
        return path

    async def restore(self, backup: Path) -> None:
        """Put the copy in the place of the log, while the daemon is down."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agenticd", "restore", str(backup), "--force",
            "--store", str(self.sandbox.folder / "agenticd.db"), stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert await process.wait() == 0

    def forget_everything(self) -> None:
        """What retention does, a month later, while the daemon is down."""
        with closing(sqlite3.connect(self.sandbox.folder / "agenticd.db", isolation_level=None)) as database:
            first, more = database.execute("SELECT first_revision FROM meta").fetchone()[0], True
            while more:
                first, more = prune_piece(database, first, time.time() + 2 * _MONTH, Limits(_MONTH))


def fresh_number() -> str:
    """A number that nobody has called yet, and that is busy."""
    return f"+1{next(_numbers)}"


def told(event: event_pb2.Event) -> Told:
    """An event as a teller must tell it."""
    kind = event.WhichOneof("payload") or ""
    return Told(event.revision, event.call_id, event.call_sequence, kind, event.transcript_final.text)
