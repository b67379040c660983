"""Subscribers over a daemon that is killed and started again in the middle of a call: what they got is the log."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import defaultdict
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

import agentic
import agentic.sync
from agentic import Cursor
from agentic.v1 import call_pb2, event_pb2
from agenticd.emulator.phone import Line as Says
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.realtime import DEMO_CALLER_LINES
from tests.e2e.conftest import TO, Line

EXAMPLES = Path(__file__).parents[2] / "clients/python/examples"
GREETING = "Hello."
TALKATIVE = PhoneScript(ring=0.1, lines=tuple(Says(say=text, pause=0.3) for text in DEMO_CALLER_LINES))

Make = Callable[..., Any]


async def kill_and_restart(desk: Line) -> None:
    """kill -9, and a new process on the same store, as systemd does it."""
    desk.sandbox.daemon.kill()
    await desk.sandbox.daemon.stop()
    await desk.sandbox.daemon.start()


async def whole_log(desk: Line) -> list[event_pb2.Event]:
    """All that is durable now, as a client that has seen nothing reads it."""
    head = (await desk.client.status()).head_revision
    log: list[event_pb2.Event] = []
    async with agentic.connect(desk.sandbox.address) as fresh, aclosing(fresh.events(after=0)) as stream:
        async for event in stream:
            log.append(event)
            if event.revision == head:
                return log
    raise AssertionError("the log ends before its head")


class Reader:
    """One subscriber of everything; it reads up to the call_closed of so many calls."""

    def __init__(self, calls: int) -> None:
        self._open = calls
        self.events: list[event_pb2.Event] = []
        self.resumed: list[Cursor] = []
        self._spoke: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._loop = asyncio.get_running_loop()

    def note(self, event: event_pb2.Event) -> bool:
        """Whether to read on."""
        self.events.append(event)
        if event.HasField("transcript_final"):
            self._loop.call_soon_threadsafe(lambda: self._spoke[event.call_id].set())
        self._open -= event.HasField("call_closed")
        return self._open > 0

    async def heard(self, call_id: str) -> None:
        """Wait until it has words of that call."""
        await self._spoke[call_id].wait()

    async def by_asyncio(self, address: str) -> None:
        async with agentic.connect(address) as client:
            async for event in client.events(after=0, on_resume=self.resumed.append):
                if not self.note(event):
                    return

    def by_thread(self, address: str) -> None:
        with agentic.sync.connect(address) as client:
            for event in client.events(after=0, on_resume=self.resumed.append):
                if not self.note(event):
                    return


async def test_followers_get_the_log_once_and_whole_through_two_kills_in_mid_stream(line: Make) -> None:
    desk: Line = await line(greeting=GREETING, default_phone=TALKATIVE)
    readers = [Reader(calls=4) for _ in range(3)]
    async with asyncio.TaskGroup() as group:
        group.create_task(readers[0].by_asyncio(desk.sandbox.address))
        group.create_task(readers[1].by_asyncio(desk.sandbox.address))
        group.create_task(asyncio.to_thread(readers[2].by_thread, desk.sandbox.address))
        for _ in range(2):
            calls = [await desk.place(number) for number in (TO, "+15550003333")]
            for reader in readers:
                for call_id in calls:
                    await reader.heard(call_id)
            await kill_and_restart(desk)
    log = await whole_log(desk)
    epoch = (await desk.client.status()).epoch
    for reader in readers:
        assert reader.events == log, "everything, once, in order"
        assert [cursor.epoch for cursor in reader.resumed] == [epoch, epoch], "it was there both times"
    reasons = {event.call_ended.end.reason for event in log if event.HasField("call_ended")}
    assert call_pb2.END_REASON_NODE_LOST in reasons, "the calls were live when the daemon was killed"


@pytest.mark.parametrize("example", ["ten_lines.py", "ten_lines_sync.py"])
async def test_the_ten_lines_of_the_documents_show_a_call_through_a_restart(line: Make, example: str) -> None:
    desk: Line = await line(greeting=GREETING, default_phone=TALKATIVE)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / example), TO,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "AGENTCTL_ADDR": desk.sandbox.address, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    printed: list[str] = []
    killed = False
    async for text in process.stdout:
        printed.append(text.decode().rstrip())
        if "transcript_final" in printed[-1] and not killed:
            killed = True
            await kill_and_restart(desk)
    _, errors = await process.communicate()
    assert (process.returncode, errors.decode()) == (0, "")
    log = await whole_log(desk)
    assert printed == [
        f"{event.call_sequence} {event.WhichOneof('payload')} {event.transcript_final.text}".rstrip() for event in log
    ]
    assert [event.call_sequence for event in log] == list(range(1, len(log) + 1))
    assert any(text.endswith(f"transcript_final {GREETING}") for text in printed), "what was said before the kill"
    ended = next(event.call_ended.end for event in log if event.HasField("call_ended"))
    assert ended.reason == call_pb2.END_REASON_NODE_LOST, "the rest was said after it"


@pytest.mark.parametrize("example", ["ten_lines.py", "ten_lines_sync.py"])
def test_ten_lines_are_at_most_ten(example: str) -> None:
    assert len([text for text in (EXAMPLES / example).read_text().splitlines() if text.strip()]) <= 10
