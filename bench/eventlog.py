"""How soon an event is durable, and with its followers, while a hundred of them read: `bench log`.

The log, the watch and the gRPC server run in a process of their own, on one loop, as in the daemon (logserver.py);
the followers in this one, over a Unix socket. Each checks that it gets every event once and in order. A third process
asks the disk itself how long it takes meanwhile (disk.py): what it stalls, the log waits for.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from grpc import aio
from rich.console import Console
from rich.table import Table

from agentic.v1 import call_service_pb2 as pb
from agentic.v1.call_service_pb2_grpc import CallServiceStub
from bench import proc
from bench.bridges import BridgeFailed
from bench.measure import percentile

_ROOT = Path(__file__).resolve().parent.parent
_CHANNELS = 10
_WITHIN = 60.0
BAR = 15.0
"""Milliseconds within which 99 of 100 events are to be durable."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is measured: each of `rates` (events a second), for `seconds`, with so many followers."""

    rates: tuple[int, ...]
    seconds: float
    warm_up: float
    followers: int
    realtime: bool = False
    """Run the log before all other processes, and the followers behind it, but before the rest."""


@dataclass(frozen=True, slots=True)
class Run:
    """One rate's result. Three times of one kind, in milliseconds: half are below the first, 99 % below the second, the
    third is the longest. Shares of processors in percent of one."""

    rate: int
    events: int
    durable: tuple[float, float, float]
    late: tuple[float, float, float]
    """By how much the server's loop was late for a tick: its longest iteration."""
    disk: tuple[float, float, float]
    """How long a page takes to the disk, written beside the log."""
    delivered: tuple[float, float, float]
    """From the event to a follower that has it, of the first event of each batch."""
    transactions: float
    server_cpu: float
    followers_cpu: float
    others_cpu: float
    faults: int


class Follower:
    """Reads all events, and checks that they are all."""

    def __init__(self) -> None:
        self.revision = 0
        self.faults = 0
        self.delays: list[float] = []

    async def follow(self, stub: CallServiceStub) -> None:
        """Until it is cancelled."""
        stream: Any = stub.StreamEvents(pb.StreamEventsRequest(after_revision=0))
        async for frame in stream:
            if not frame.HasField("batch"):
                continue
            events = frame.batch.events
            first, last = events[0], events[-1].revision
            self.faults += first.revision != self.revision + 1 or last - first.revision + 1 != len(events)
            self.revision = last
            self.delays.append(time.time() - first.time.seconds - first.time.nanos / 1e9)


@asynccontextmanager
async def _helper(module: str, *args: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that ends when its standard input does. On whatever processor is free: the log's writer and its loop
    are two threads, as in the daemon."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *args,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=_ROOT,
    )  # fmt: skip
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _line(process: asyncio.subprocess.Process, within: float) -> bytes:
    assert process.stdout is not None
    async with asyncio.timeout(within):
        line = await process.stdout.readline()
    if not line:
        raise BridgeFailed("a process of the bench ended by itself")
    return line


async def _answer(process: asyncio.subprocess.Process, within: float) -> dict[str, object]:
    found: dict[str, object] = json.loads(await _line(process, within))
    return found


async def measure(options: Options) -> list[Run]:
    """Each rate on a log of its own. Raises BridgeFailed."""
    return [await _measure(rate, options) for rate in options.rates]


async def _measure(rate: int, options: Options) -> Run:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="agenticd-bench-")))
        first = ["--realtime"] if options.realtime else []
        server = await stack.enter_async_context(_helper("bench.logserver", str(folder), *first))
        await _answer(server, _WITHIN)
        address = f"unix:{folder / 'api.sock'}"
        channels = [
            await stack.enter_async_context(aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]))
            for _ in range(min(_CHANNELS, options.followers))
        ]
        followers = [Follower() for _ in range(options.followers)]
        group = await stack.enter_async_context(asyncio.TaskGroup())
        tasks = [
            group.create_task(each.follow(CallServiceStub(channels[number % len(channels)])))
            for number, each in enumerate(followers)
        ]
        disk = await stack.enter_async_context(_helper("bench.disk", str(folder), *first))
        await _answer(disk, _WITHIN)
        cpu, busy = time.process_time(), proc.machine_busy_seconds()
        begin = time.monotonic()
        assert server.stdin is not None
        order = {"rate": rate, "warm_up": options.warm_up, "seconds": options.seconds}
        server.stdin.write(json.dumps(order).encode() + b"\n")
        found = await _answer(server, _WITHIN + options.warm_up + options.seconds)
        took = time.monotonic() - begin
        cpu, busy = time.process_time() - cpu, proc.machine_busy_seconds() - busy
        assert disk.stdin is not None
        disk.stdin.close()
        began, ended = _real(found["began"]), _real(found["began"]) + _real(found["took"])
        waited = sorted(took for at, took in json.loads(await _line(disk, _WITHIN)) if began <= at <= ended)
        await _caught_up(followers, _number(found["head"]))
        for task in tasks:
            task.cancel()
        delays = sorted(delay for each in followers for delay in each.delays)
        server_cpu = _real(found["cpu"])
        return Run(
            rate=rate,
            events=_number(found["events"]),
            durable=_three(found["durable"]),
            late=_three(found["late"]),
            disk=_percentiles(waited),
            delivered=_percentiles(delays),
            transactions=_real(found["transactions"]),
            server_cpu=server_cpu,
            followers_cpu=100 * cpu / took,
            others_cpu=max(0.0, 100 * (busy - cpu) / took - server_cpu),
            faults=sum(each.faults for each in followers) + (found["streams"] != options.followers),
        )


async def _caught_up(followers: list[Follower], head: int) -> None:
    try:
        async with asyncio.timeout(_WITHIN):
            while any(each.revision < head for each in followers):  # noqa: ASYNC110 - they are in this process
                await asyncio.sleep(0.01)
    except TimeoutError:
        behind = sum(each.revision < head for each in followers)
        raise BridgeFailed(f"{behind} followers had not everything after {_WITHIN:.0f} s") from None


def show(runs: list[Run], options: Options, console: Console) -> None:
    """For people."""
    table = Table(title=f"{options.followers} followers, {options.seconds:g} s each; ms", title_justify="left")
    for name in ("events/s", "durable\np50 p99 max", "the disk\np99 max", "loop late\np99 max", "a follower\np50 p99"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("CPU %\nof the log", "faults"):
        table.add_column(name, justify="right", no_wrap=True)
    for run in runs:
        table.add_row(
            f"{run.rate:,}",
            _several(run.durable),
            _several(run.disk[1:]),
            _several(run.late[1:]),
            _several(run.delivered[:2]),
            f"{run.server_cpu:.0f}",
            str(run.faults),
        )
    console.print(table)
    console.print(f"The bar: durable p99 under {BAR:g} ms.", highlight=False)


def _percentiles(ordered: list[float]) -> tuple[float, float, float]:
    return percentile(ordered, 50), percentile(ordered, 99), percentile(ordered, 100)


def _several(values: tuple[float, ...]) -> str:
    return "  ".join(f"{value:.1f}" for value in values)


def write_json(path: Path, runs: list[Run], options: Options) -> None:
    """For programs."""
    whole = {"options": asdict(options), "runs": [asdict(run) for run in runs]}
    path.write_text(json.dumps(whole, indent=2) + "\n")


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value


def _real(value: object) -> float:
    assert isinstance(value, (int, float))
    return float(value)


def _three(value: object) -> tuple[float, float, float]:
    assert isinstance(value, list)
    first, second, third = value
    return first, second, third
