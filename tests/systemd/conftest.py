"""The shipped units under a real systemd, around the real daemon, beside the emulator."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import pytest

import agentic
from agenticd.sandbox import Sandbox
from tests.e2e.conftest import Line
from tests.systemd.instance import CannotRun, Instance, running

ROOT = Path(__file__).resolve().parents[2]

# Here the program is a checkout, and all paths are those of the test; the rest is as it is shipped. What is taken away:
# the user (there is none of that name), and what would hide the checkout or the test's folder, wherever they are.
_DROP_IN = """\
[Service]
ExecStart=
ExecStart={python} -m agenticd serve --config {folder}/config.yaml
WorkingDirectory={root}
StandardError=append:{folder}/daemon.log
User=
Group=
ProtectHome=no
PrivateTmp=no
ReadWritePaths={folder}
{more}
"""
_SOCKET = """\
[Socket]
ListenStream=
ListenStream=127.0.0.1:{port}
ReusePort=yes
"""


class Service(Sandbox):
    """A sandbox whose daemon is the unit agenticd.service of an instance. `more` is for its [Service] section."""

    def __init__(self, instance: Instance, folder: Path, *, more: str = "", **arguments: Any) -> None:
        super().__init__(folder, **arguments)
        self.instance = instance
        self.config = folder / "config.yaml"
        self.address = f"unix:{instance.runtime / 'agenticd' / 'agenticd.sock'}"
        self._more = more

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            # Bound, but never listening: so the port is ours, and systemd may listen on it.
            self.http = stack.enter_context(socket.socket())
            self.http.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self.http.bind(("127.0.0.1", 0))
            await stack.enter_async_context(self.emulator)
            self.twilio.set_number(self.twilio.config.numbers[0], f"{self.public_url}/twilio/voice")
            self.config.write_text(self._config())
            self._install()
            self._stack = stack.pop_all()
        return self

    def _config(self) -> str:
        # The unit's own directories, as an operator has them.
        lines = super()._config().splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith(("store:", "grpc:")))

    def _install(self) -> None:
        units = self.instance.units
        for name in ("agenticd.service", "agenticd.socket"):
            (units / name).write_text((ROOT / "systemd" / name).read_text())
            (units / f"{name}.d").mkdir(exist_ok=True)
        drop_in = _DROP_IN.format(python=sys.executable, root=ROOT, folder=self.folder, more=self._more)
        (units / "agenticd.service.d/test.conf").write_text(drop_in)
        (units / "agenticd.socket.d/test.conf").write_text(_SOCKET.format(port=self.http.getsockname()[1]))
        self.instance.systemctl("daemon-reload")

    async def systemctl(self, *arguments: str, check: bool = True) -> str:
        """As Instance.systemctl, while the emulator goes on."""
        return await asyncio.to_thread(self.instance.systemctl, *arguments, check=check)

    async def until(self, name: str, value: str, unit: str = "agenticd.service") -> None:
        """As Instance.wait_until, while the emulator goes on."""
        await asyncio.to_thread(self.instance.wait_until, name, value, unit)

    def log(self) -> str:
        """What the daemon wrote."""
        return (self.folder / "daemon.log").read_text()


class Desk(Line):
    """A Line on a service."""

    sandbox: Service


@pytest.fixture
def instance() -> Iterator[Instance]:
    """A systemd instance of the test's own, or the test is skipped and says why."""
    try:
        with running() as found:
            yield found
    except CannotRun as error:
        pytest.skip(f"no systemd instance: {error}")


@pytest.fixture
async def service(instance: Instance) -> AsyncIterator[Callable[..., Any]]:
    """`await service(...)`: a Desk on a Service made with these arguments, installed but not started."""
    async with AsyncExitStack() as stack:

        async def make(**arguments: Any) -> Desk:
            sandbox = await stack.enter_async_context(Service(instance, instance.base, **arguments))
            client = await stack.enter_async_context(agentic.connect(sandbox.address))
            return Desk(sandbox, client)

        yield make
