"""A machine for the commands of a page: `agenticd emulate`, `agenticd serve` and a shell, in a folder of their own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from agenticd.launch import Daemon, listening_socket
from tests.docs.markdown import ROOT

EMULATE = "agenticd emulate --write-config emulated.yaml"
SERVE = "agenticd serve --config emulated.yaml"
_WRITTEN = b"Written, to be used as it is"
_MARK = "### done with "
# Where there is no program of that name, Python's library does what the pages ask of it.
_SQLITE3 = """sqlite3() { python -c 'import sqlite3, sys
print(*sqlite3.connect(sys.argv[1], isolation_level=None).execute(sys.argv[2]))' "$@"; }"""


class World:
    """The programs, up while entered. The environment must have XDG_RUNTIME_DIR, and PATH with ours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.daemon: Daemon

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            http = stack.enter_context(listening_socket())
            await self._emulate(stack, http.getsockname()[1])
            config = self.folder / "emulated.yaml"
            config.write_text(config.read_text() + 'admin: {listen: "127.0.0.1:0"}\n')
            self.daemon = await stack.enter_async_context(Daemon(config, http, self.folder / "daemon.log"))
            self._shell = await asyncio.create_subprocess_exec(
                "bash", cwd=self.folder, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT, limit=1 << 24,
            )  # fmt: skip
            stack.push_async_callback(_ended, self._shell)
            if shutil.which("sqlite3") is None:
                await self.run(_SQLITE3)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _emulate(self, stack: AsyncExitStack, port: int) -> None:
        """README's command, on ports that are free."""
        process = await asyncio.create_subprocess_exec(
            *EMULATE.split(), "--twilio-port", "0", "--openai-port", "0",
            "--voice-url", f"http://127.0.0.1:{port}/twilio/voice",
            cwd=self.folder, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdout is not None
        stack.push_async_callback(_ended, process)
        said = b""
        while _WRITTEN not in said:
            line = await process.stdout.readline()
            assert line, said.decode()
            said += line
        reading = asyncio.ensure_future(_drained(process.stdout))  # a full pipe would stop it
        stack.push_async_callback(_over, reading, process)

    @property
    def admin(self) -> str:
        """Where the operator's port is now."""
        ready = [json.loads(line) for line in self.daemon.log.read_text().splitlines() if '"agenticd is ready"' in line]
        return f"http://127.0.0.1:{ready[-1]['admin']}"

    @property
    def api_port(self) -> str:
        """The API's address on TCP, now."""
        listens = [json.loads(line) for line in self.daemon.log.read_text().splitlines() if '"gRPC listens"' in line]
        return str(listens[-1]["addresses"][1])

    async def run(self, command: str) -> str:
        """What the command says. It must end well."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f'{{ {command}\n}} </dev/null\nprintf "\\n{_MARK}%s\\n" $?\n'.encode())
        said = ""
        while (found := re.search(rf"\n{_MARK}(\d+)\n", said)) is None:
            line = await self._shell.stdout.readline()
            assert line, f"the shell ended in: {command}\n{said}"
            said += line.decode()
        said = said[: found.start()]
        assert found[1] == "0", f"exit code {found[1]} of: {command}\n{said}"
        return said

    async def restored(self) -> None:
        """The daemon again, after it was stopped."""
        await self.daemon.start()

    async def interrupted(self, command: str, until: str) -> tuple[list[str], str]:
        """The command, as at a terminal, up to a line with these words, and then Ctrl-C: its lines, and its stderr."""
        process = await asyncio.create_subprocess_exec(
            *command.split(), cwd=self.folder, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or until not in lines[-1]:
            line = await process.stdout.readline()
            assert line, "\n".join(lines)
            lines.append(line.decode())
        process.send_signal(signal.SIGINT)
        _, error = await process.communicate()
        return lines, error.decode()


def prepared(folder: Path) -> dict[str, str]:
    """What README takes to be there, in a folder; and the environment in which commands find it."""
    for name in ("config.example.yaml", ".env.example"):
        shutil.copy(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "scenarios").symlink_to(ROOT / "scenarios")
    (folder / "run").mkdir(mode=0o700)
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "XDG_STATE_HOME": str(folder / "state"),
        "PYTHONUNBUFFERED": "1",
        "GRPC_VERBOSITY": "NONE",
    }


async def _drained(stream: asyncio.StreamReader) -> None:
    while await stream.readline():
        pass


async def _over(reading: asyncio.Future[None], process: asyncio.subprocess.Process) -> None:
    await _ended(process)
    await reading


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()
