"""What is measured, as child processes: the bare relay, and the daemon. Each lives as long as its context."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import grpc
import yaml

from agentic.v1 import call_service_pb2_grpc, node_service_pb2_grpc
from agenticd.launch import Daemon, NotReady, listening_socket
from bench.carrier import ACCOUNT_SID, AUTH_TOKEN, FROM_NUMBER
from bench.proc import on_core

_ROOT = Path(__file__).resolve().parent.parent
_START_WITHIN = 15.0
_STOP_WITHIN = 5.0
_CALLS_PER_SECOND = 1000
_MAX_CALLS = 5000


class BridgeFailed(Exception):
    """The bridge could not be started, or ended by itself."""


def failures(error: Exception) -> list[str]:
    """What a bridge did wrong, out of the groups that it came in. Empty when something else failed, too."""
    match error:
        case BridgeFailed():
            return [str(error)]
        case grpc.aio.AioRpcError():
            return [f"{error.code().name} {error.details()}"]
        case ExceptionGroup():
            inner = [failures(each) for each in error.exceptions]
            return [text for each in inner for text in each] if all(inner) else []
        case _:
            return []


@dataclass(frozen=True, slots=True)
class Relay:
    """A running relay."""

    pid: int
    url: str


@asynccontextmanager
async def relay(upstream: str, core: int | None, *, clearing: bool = False) -> AsyncIterator[Relay]:
    """A relay to the URL; `clearing` tells the phone to clear whenever speech starts. Raises BridgeFailed."""
    with on_core(core):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.relay", upstream, *(["--clear"] if clearing else []),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=_ROOT,
        )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_WITHIN):
            port = (await process.stdout.readline()).decode().strip()
        if not port:
            raise BridgeFailed("the relay did not start")
        yield Relay(process.pid, f"ws://127.0.0.1:{port}/")
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


@dataclass(frozen=True, slots=True)
class RunningDaemon:
    """A running daemon and its API."""

    process: Daemon
    address: str

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    @asynccontextmanager
    async def api(self) -> AsyncIterator[Api]:
        """Its API for as long as the context lasts."""
        credentials = grpc.local_channel_credentials(grpc.LocalConnectionType.UDS)
        async with grpc.aio.secure_channel(self.address, credentials) as channel:
            yield Api(call_service_pb2_grpc.CallServiceStub(channel), node_service_pb2_grpc.NodeServiceStub(channel))

    @asynccontextmanager
    async def explaining(self) -> AsyncIterator[None]:
        """Make one BridgeFailed, with the end of the daemon's log, of whatever fails because of the daemon."""
        try:
            yield
        except (BridgeFailed, grpc.aio.AioRpcError, ExceptionGroup) as error:
            found = failures(error)
            if not found:
                raise
            raise BridgeFailed(f"{'; '.join(found)}\nThe daemon's log ends with:\n{self._last_words()}") from error

    async def tasks(self) -> int:
        """How many tasks its event loop holds, by its own word on the admin port."""
        async with aiohttp.ClientSession() as session, session.get(f"{self._admin}/metrics") as response:
            text = await response.text()
        (line,) = [line for line in text.splitlines() if line.startswith("agenticd_tasks ")]
        return int(float(line.split()[1]))

    @property
    def _admin(self) -> str:
        lines = (json.loads(line) for line in self.process.log.read_text().splitlines() if line.startswith("{"))
        (ready,) = [line for line in lines if line.get("message") == "agenticd is ready"]
        return f"http://127.0.0.1:{ready['admin']}"

    def _last_words(self) -> str:
        return "\n".join(self.process.log.read_text(errors="replace").splitlines()[-20:])


@dataclass(frozen=True, slots=True)
class Api:
    """The stubs of the daemon's services."""

    calls: call_service_pb2_grpc.CallServiceAsyncStub
    node: node_service_pb2_grpc.NodeServiceAsyncStub


@asynccontextmanager
async def daemon(
    folder: Path, carrier_url: str, model_url: str, core: int | None, audio: str = "pcmu"
) -> AsyncIterator[RunningDaemon]:
    """A daemon with all that it keeps in the folder. `audio` is what its agent speaks. Raises BridgeFailed."""
    with listening_socket() as http:
        address = f"unix:{folder}/agenticd.sock"
        config = folder / "config.yaml"
        config.write_text(_config(folder, http.getsockname()[1], address, carrier_url, model_url, audio))
        process = Daemon(config, http, folder / "daemon.log")
        try:
            with on_core(core):
                await process.start()
            yield RunningDaemon(process, address)
        except NotReady as error:
            raise BridgeFailed(str(error)) from error
        finally:
            await process.stop()


def _config(folder: Path, port: int, address: str, carrier_url: str, model_url: str, audio: str) -> str:
    settings = {
        "version": 1,
        "public_url": f"http://127.0.0.1:{port}",
        "http": {"listen": f"127.0.0.1:{port}"},
        "admin": {"listen": "127.0.0.1:0"},
        "grpc": {"listen": [address]},
        "twilio": {
            "api_url": carrier_url,
            "account_sid": ACCOUNT_SID,
            "auth_token": AUTH_TOKEN,
            "from_number": FROM_NUMBER,
            "calls_per_second": _CALLS_PER_SECOND,
        },
        "openai": {"url": model_url, "api_key": "sk-bench", "model": "bench"},
        "agents": {"default": {"instructions": "Echo.", "audio": audio}},
        "limits": {"max_calls": _MAX_CALLS},
        "store": {"path": str(folder / "agenticd.db")},
    }
    return yaml.safe_dump(settings, sort_keys=False)
