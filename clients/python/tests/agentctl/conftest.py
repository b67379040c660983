"""Runs agentctl: in this process against a daemon of the tests' own, or as people start it."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from agentctl.cli import main
from agentic.v1 import call_pb2, event_pb2
from tests.fake_daemon import FakeDaemon


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """Its output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Coroutine[Any, Any, Done]]


@pytest.fixture
async def agentctl(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in a thread, its client in this loop: gRPC wants one loop in a process."""
    loop = asyncio.get_running_loop()
    monkeypatch.setattr("asyncio.run", lambda work: asyncio.run_coroutine_threadsafe(work, loop).result())
    monkeypatch.setenv("AGENTCTL_ADDR", daemon.address)
    monkeypatch.setenv("TZ", "UTC")

    async def run(*arguments: str) -> Done:
        code = await asyncio.to_thread(main, list(arguments))
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run


@asynccontextmanager
async def process(daemon: FakeDaemon, *arguments: str, **options: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """agentctl as people start it; or by a `program` of Python."""
    env = os.environ | {"AGENTCTL_ADDR": daemon.address, "TERM": "xterm", "NO_COLOR": "1", "TZ": "UTC"}
    for name in ("COLUMNS", "LINES"):  # they would win over the terminal's own size; a test runner may have set them
        env.pop(name, None)
    env |= options.pop("variables", {})
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    program = options.pop("program", None)
    command = [sys.executable, *(("-m", "agentctl") if program is None else ("-c", program)), *arguments]
    started = await asyncio.create_subprocess_exec(*command, env=env, **options)
    try:
        yield started
    finally:
        if started.returncode is None:
            # Not by started.kill(): that looks first whether the child has ended, and so takes the exit code of one
            # that has away from asyncio, which then says 255.
            with suppress(ProcessLookupError):
                os.kill(started.pid, signal.SIGKILL)
            await started.wait()


class Terminal:
    """A terminal that a program runs on: give `theirs` to it, then `close` it; `type`, and see what is shown."""

    def __init__(self, columns: int = 80) -> None:
        self._ours, self.theirs = pty.openpty()
        self._seen = b""
        termios.tcsetwinsize(self.theirs, (24, columns))

    def close(self) -> None:
        os.close(self.theirs)

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    async def until(self, text: str) -> str:
        """What is shown up to this text. What is shown behind it comes next."""
        while text.encode() not in self._seen:
            piece = await asyncio.to_thread(self._piece)
            assert piece, self._seen
            self._seen += piece
        before, _, self._seen = self._seen.partition(text.encode())
        return before.decode()

    async def read(self) -> str:
        """All the rest, to the end."""
        while piece := await asyncio.to_thread(self._piece):
            self._seen += piece
        os.close(self._ours)
        return self._seen.decode().replace("\r\n", "\n")

    def _piece(self) -> bytes:
        try:
            return os.read(self._ours, 4096)
        except OSError:  # how a terminal says that the other side is gone
            return b""


async def conversation(daemon: FakeDaemon, *live: event_pb2.LiveWords, answered: bool = True) -> None:
    """A whole call, from ringing to its close; the words come when it is answered."""
    await daemon.append(call_ringing={"to_address": "+15550001111"})
    if answered:
        await daemon.append(call_answered={})
        if live:
            await daemon.show(*live)
        await daemon.append(
            transcript_final={"speaker": 2, "item_id": "a", "position": 1, "text": "Hello.", "heard_text": "Hello."}
        )
        await daemon.append(
            transcript_final={"speaker": 1, "item_id": "b", "position": 2, "text": "Hi!", "heard_text": "Hi!"}
        )
    reason = call_pb2.END_REASON_COMPLETED if answered else call_pb2.END_REASON_BUSY
    by = call_pb2.ENDED_BY_CALLER if answered else call_pb2.ENDED_BY_CARRIER
    await daemon.append(call_ended={"end": {"reason": reason, "ended_by": by}})
    await daemon.append(call_closed={"duration": {"seconds": 32 if answered else 0}, "turns": 1 if answered else 0})
