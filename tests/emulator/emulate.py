"""`agenticd emulate` as a child process, and what it writes."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from types import TracebackType
from typing import Self


class Emulate:
    """The process, entered when it has said where it listens; its output is read all the time."""

    def __init__(self, *arguments: str) -> None:
        self.arguments = ("--twilio-port", "0", "--openai-port", "0", *arguments)
        self.output = ""
        self._more = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agenticd", "emulate", *self.arguments,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read())
        await self.until("makes a phone call your number")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.returncode is None:
            await self.end(signal.SIGTERM)

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            async with self._more:
                self.output += line.decode()
                self._more.notify_all()
        async with self._more:
            self.output += "(the end)"
            self._more.notify_all()

    async def until(self, text: str) -> None:
        """Wait for these words."""
        async with self._more:
            await self._more.wait_for(lambda: text in self.output or "(the end)" in self.output)
        assert text in self.output, self.output

    async def end(self, number: signal.Signals) -> tuple[int, str]:
        """The exit code after this signal, and what is on stderr."""
        self.process.send_signal(number)
        await self._reading
        assert self.process.stderr is not None
        errors = (await self.process.stderr.read()).decode()
        return await self.process.wait(), errors

    @property
    def api_url(self) -> str:
        """Where its Twilio listens."""
        found = re.search(r"Twilio  (http://127\.0\.0\.1:\d+)\n", self.output)
        assert found is not None
        return found[1]

    def block(self, heading: str) -> str:
        """The lines under a heading, up to the next empty one."""
        found = re.search(rf"^# {re.escape(heading)}.*\n((?:.+\n)+)", self.output, re.MULTILINE)
        assert found is not None
        return found[1]

    @property
    def control(self) -> dict[str, str]:
        """The headers of who controls it, with the token that is printed."""
        found = re.search(r"need this token: (\S+)\n", self.output)
        assert found is not None
        return {"Authorization": f"Bearer {found[1]}"}
