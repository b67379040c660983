"""Programs that were not written here, or run on what was not: as child processes, each in its own environment."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

import aiohttp
import pytest

from tests.emulator.emulate import Emulate

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0
"""s; a story takes some 25. Before pytest's own limit, so that what the programs said is told."""
FOREIGN = Path(__file__).resolve().parent


def _missing(reason: str) -> NoReturn:
    """What is missing here is no reason to fail, but in CI it is."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def python(name: str) -> str:
    """The interpreter of the environment for `tests/foreign/<name>`."""
    found = ROOT / ".venv-foreign" / name / "bin/python"
    if not found.exists():
        _missing(f"the environment of {name} is not installed: make test-foreign")
    return str(found)


def node(name: str) -> str:
    """Node, if it and the packages of `tests/foreign/<name>` are installed."""
    found = shutil.which("node")
    if found is None:
        _missing("node is not installed; tested with Node 20 and newer")
    if not (FOREIGN / name / "node_modules").is_dir():
        _missing(f"the packages of {name} are not installed: make test-foreign")
    return found


def addresses(emulator: Emulate) -> dict[str, str]:
    """What a program is told of the emulator: the lines that it prints for .env, and its two URLs."""
    env = dict(line.split("=", 1) for line in emulator.block(".env").splitlines())
    model = re.search(r"^  OpenAI  (\S+)$", emulator.output, re.MULTILINE)
    assert model is not None
    return {**env, "TWILIO_API_URL": emulator.api_url, "OPENAI_REALTIME_URL": model[1]}


def voice_url_of(listener: socket.socket) -> str:
    """Where an application that listens there answers calls."""
    return f"http://127.0.0.1:{listener.getsockname()[1]}/voice"


class Emulator(Emulate):
    """`agenticd emulate`, of which several things of a kind can be waited for."""

    async def until_all(self, text: str, count: int) -> None:
        """Wait until these words are in `count` lines."""
        async with self._more:
            await self._more.wait_for(lambda: self.output.count(text) >= count or "(the end)" in self.output)
        assert self.output.count(text) >= count, self.output


class Application:
    """A framework's application, entered when it runs; its output is read all the time.

    It listens on a socket that is there before it, so that the emulator can be told where calls go.
    """

    def __init__(self, *command: str, listener: socket.socket, emulator: Emulate) -> None:
        self.output = ""
        self.url = voice_url_of(listener)
        self._command = command
        self._listener = listener
        self._env = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **addresses(emulator)}
        self._more = asyncio.Condition()

    async def __aenter__(self) -> Self:
        fd = self._listener.fileno()
        self._process = await asyncio.create_subprocess_exec(
            *self._command, env={**self._env, "LISTEN_FD": str(fd)}, pass_fds=[fd],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        await self._reading
        await self._process.wait()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            async with self._more:
                self.output += line.decode(errors="replace")
                self._more.notify_all()
        async with self._more:
            self.output += "(the end)"
            self._more.notify_all()

    async def until(self, line: str, count: int = 1) -> None:
        """Wait until it has printed this line, `count` times in all."""

        def printed() -> bool:
            return self.output.splitlines().count(line) >= count

        async with self._more:
            await self._more.wait_for(lambda: printed() or "(the end)" in self.output)
        assert printed(), self.output


@asynccontextmanager
async def running(
    *command: str, person: Path, options: tuple[str, ...] = ()
) -> AsyncIterator[tuple[Emulator, Application]]:
    """The emulator, whose phones do what the file says, and an application to which its calls go."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with (
            Emulator("--voice-url", voice_url_of(listener), "--person", str(person), *options) as emulator,
            Application(*command, listener=listener, emulator=emulator) as application,
        ):
            try:
                async with asyncio.timeout(PATIENCE):
                    await application.until("ready")
                    yield emulator, application
            except BaseException as error:
                error.add_note(f"The emulator showed:\n{emulator.output}\nThe application said:\n{application.output}")
                raise


class Library:
    """Twilio's helper library, as a program that evaluates expressions of its `client`."""

    def __init__(self, emulator: Emulate) -> None:
        self._env = {"PATH": os.environ["PATH"], **addresses(emulator)}

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            python("helper_library"), str(FOREIGN / "helper_library/library.py"), env=self._env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def __call__(self, expression: str) -> Any:
        """What the expression gives: a resource's attributes, or `refused` and `code`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{expression}\n".encode())
        answer = await self._process.stdout.readline()
        assert answer, f"it ended at {expression}"
        return json.loads(answer)


async def ring(emulator: Emulate) -> str:
    """A phone calls the account's number; the call's SID."""
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{emulator.api_url}/emulator/calls", headers=emulator.control) as response,
    ):
        assert response.status == 201
        sid: str = (await response.json())["sid"]
        return sid
