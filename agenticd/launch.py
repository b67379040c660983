"""Starts `agenticd serve` as a child process, the way systemd does: its socket is handed over, READY=1 is awaited.

For the demo and for tests: real processes, no port that another program could take meanwhile, no waiting by guess.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_START_WITHIN = 30.0
_STOP_WITHIN = 30.0
PROGRAM = ("-m", "agenticd")

# Between fork and exec no Python may run here, as this process has threads; so a small program of its own puts the
# socket where sd_listen_fds(3) wants it.
_HAND_OVER = """
import os, sys
fd = int(sys.argv[1])
if fd != 3:
    os.dup2(fd, 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_FDNAMES="http", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


class NotReady(Exception):
    """The daemon ended, or took too long, before it was ready. The text has the end of its log."""


class Daemon:
    """A daemon in a child process. The HTTP socket outlives it, so that it can be started again on the same port.

    `environ` is added to its environment at the next start; `program` is what Python runs it by.
    """

    def __init__(self, config: Path, http: socket.socket, log: Path, program: Sequence[str] = PROGRAM) -> None:
        self.config = config
        self.log = log
        self.environ: dict[str, str] = {}
        self.program = tuple(program)
        self._http = http
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait until it is ready. Raises NotReady."""
        ready = False
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            address = self.log.with_suffix(".notify")
            address.unlink(missing_ok=True)
            try:
                notify.bind(str(address))
            except OSError as error:
                raise NotReady(
                    f"no socket can be made in {self.log.parent}: {error}; TMPDIR can name a shorter path"
                ) from None
            notify.setblocking(False)
            environ = {**os.environ, **self.environ, "NOTIFY_SOCKET": str(address), "PYTHONUNBUFFERED": "1"}
            fd = self._http.fileno()
            with self.log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", _HAND_OVER, str(fd), *self.program, "serve", "--config", str(self.config),
                    pass_fds=(fd,), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=environ,
                )  # fmt: skip
            await self._wait_ready(notify)
            ready = True
        finally:
            notify.close()
            if not ready and self._process is not None:
                self.kill()
                await asyncio.shield(self._process.wait())

    async def _wait_ready(self, notify: socket.socket) -> None:
        assert self._process is not None
        loop = asyncio.get_running_loop()
        ended = asyncio.ensure_future(self._process.wait())
        said: asyncio.Future[bytes] = loop.create_future()
        try:
            async with asyncio.timeout(_START_WITHIN):
                while True:
                    said = asyncio.ensure_future(loop.sock_recv(notify, 4096))
                    await asyncio.wait((said, ended), return_when=asyncio.FIRST_COMPLETED)
                    if not said.done():
                        raise NotReady(f"the daemon ended with {ended.result()}:\n{self._tail()}")
                    if b"READY=1" in said.result().split(b"\n"):
                        return
        except TimeoutError:
            raise NotReady(f"the daemon was not ready within {_START_WITHIN:.0f} s:\n{self._tail()}") from None
        finally:
            # Waited for, too: a socket that is closed while the loop still watches it would leave whoever gets its
            # number next without a word.
            for waiting in (ended, said):
                waiting.cancel()
            await asyncio.wait((ended, said))

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal: SIGTERM drains, SIGINT ends its calls, SIGHUP has it read its configuration again."""
        assert self._process is not None
        self._process.send_signal(number)

    async def stop(self) -> int:
        """End it, and its calls with it. Returns its exit code; a second call returns it again."""
        assert self._process is not None
        if self._process.returncode is None:
            self.tell(signal.SIGINT)
            try:
                async with asyncio.timeout(_STOP_WITHIN):
                    await self._process.wait()
            except TimeoutError:
                self.kill()
        return await self._process.wait()

    async def wait(self) -> int:
        """Wait until it has ended. Returns its exit code."""
        assert self._process is not None
        async with asyncio.timeout(_STOP_WITHIN):
            return await self._process.wait()

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()


def listening_socket(host: str = "127.0.0.1") -> socket.socket:
    """A TCP socket that listens on a free port of loopback, to be handed to a daemon."""
    sock = socket.create_server((host, 0), backlog=1024)
    sock.setblocking(False)
    return sock
