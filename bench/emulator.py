"""How punctual the emulator is, seen on the wire by the server that it calls: frames, echoes of marks, `clear`.

The emulator is a process on a processor of its own; this one is the server: webhooks on aiohttp, media on picows, as
the daemon has them, and a stopwatch.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic

import aiohttp
from aiohttp import web
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server
from rich.console import Console
from rich.table import Table

from bench import proc, wire
from bench.bridges import BridgeFailed
from bench.measure import percentile
from bench.proc import Cores, on_core
from bench.report import machine

BAR_MS = 5.0
_ROOT = Path(__file__).resolve().parent.parent
_TEXT = WSMsgType.TEXT
_FRAME = 0.02
_NUMBER = "+15550001111"
_SPEECH = base64.b64encode(bytes(range(128, 228)) * 32).decode()  # 0.4 s of sound
_LONG = base64.b64encode(bytes(range(128, 228)) * 160).decode()  # 2 s
_SHORT = base64.b64encode(bytes(range(128, 208)) * 10).decode()  # 0.1 s
_START_WITHIN, _ANSWER_WITHIN = 20.0, 30.0


@dataclass(frozen=True, slots=True)
class Options:
    """What is measured."""

    calls: int
    seconds: float
    warm_up: float


@dataclass(slots=True)
class Seen:
    """All deviations of one run, in s."""

    frames: list[float] = field(default_factory=list)
    """Of the time between two frames, from 20 ms."""
    lateness: list[float] = field(default_factory=list)
    """Of a frame, behind the call's own earliest schedule."""
    marks: list[float] = field(default_factory=list)
    """Of the echo of a mark, from when what was sent before it has been played."""
    cleared: list[float] = field(default_factory=list)
    """From a `clear` to the echoes of the marks that waited."""
    silent: list[float] = field(default_factory=list)
    """Of the echo of a mark after a `clear`: nothing that was cleared is played before it."""
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Figures:
    """One kind of deviation, in ms."""

    count: int
    p50: float
    p99: float
    most: float

    @staticmethod
    def of(deviations: list[float]) -> Figures:
        """From s, whichever their sign."""
        ordered = sorted(map(abs, deviations))
        return Figures(len(ordered), percentile(ordered, 50), percentile(ordered, 99), percentile(ordered, 100))


@dataclass(frozen=True, slots=True)
class Run:
    """What one run came to."""

    frames: Figures
    lateness: Figures
    marks: Figures
    cleared: Figures
    silent: Figures
    cpu_percent: float
    """Of the emulator, of one processor."""
    busy_percent: float
    """Of all processors, by anybody."""
    stolen_percent: float
    """Of all processors, by the host of this virtual machine: what it takes away, a frame waits for."""
    faults: tuple[str, ...]


class _Media(WSListener):
    """The server's end of one media stream."""

    def __init__(self, observer: _Observer) -> None:
        self._observer = observer
        self._transport: WSTransport | None = None
        self._sid = ""
        self._arrivals: list[float] = []
        self._chunks = (0, 0)  # the first and last of them
        self._echoes: dict[str, float] = {}
        self._more = asyncio.Event()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._observer.open.append(self)
        self._observer.changed.set()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._transport = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        now = monotonic()
        if frame.msg_type is not _TEXT:
            return
        text = frame.get_payload_as_bytes()
        if text.startswith(b'{"event":"media"'):
            if self._observer.measuring:
                self._arrivals.append(now)
                chunk = int(text.split(b'"chunk":"', 1)[1].split(b'"', 1)[0])
                self._chunks = self._chunks[0] or chunk, chunk
            return
        message = wire.decode(text)
        if message.event == "start":
            self._sid = str(json.loads(text)["streamSid"])
        elif message.mark is not None:
            self._echoes[message.mark.name] = now
            self._more.set()

    def _send(self, event: str, **body: object) -> float:
        if self._transport is not None:
            self._transport.send(_TEXT, json.dumps({"event": event, "streamSid": self._sid, **body}).encode())
        return monotonic()

    def _play(self, payload: str, mark: str) -> float:
        sent = self._send("media", media={"payload": payload})
        self._send("mark", mark={"name": mark})
        return sent

    async def _echo(self, mark: str) -> float:
        async with asyncio.timeout(10):
            while mark not in self._echoes:
                self._more.clear()
                await self._more.wait()
        return self._echoes.pop(mark)

    async def exercise(self, phase: float) -> None:
        """Play and clear, over and over, beginning at a time of its own."""
        seen = self._observer.seen
        await asyncio.sleep(phase)
        try:
            while self._observer.measuring:
                sent = self._play(_SPEECH, "a")
                seen.marks.append(await self._echo("a") - sent - 0.4)
                sent = self._play(_LONG, "b")
                self._play(_LONG, "c")
                await asyncio.sleep(0.6)
                cleared = self._send("clear")
                for mark in ("b", "c"):
                    seen.cleared.append(await self._echo(mark) - cleared)
                sent = self._play(_SHORT, "d")
                seen.silent.append(await self._echo("d") - sent - 0.1)
        except TimeoutError:
            seen.faults.append("a mark was not echoed within 10 s")

    def close(self) -> None:
        """Note what came of the frames."""
        seen, arrivals = self._observer.seen, self._arrivals
        seen.frames += [later - at - _FRAME for at, later in zip(arrivals, arrivals[1:], strict=False)]
        schedule = [at - index * _FRAME for index, at in enumerate(arrivals)]
        seen.lateness += [each - min(schedule) for each in schedule]
        if not arrivals or self._chunks[1] - self._chunks[0] + 1 != len(arrivals):
            seen.faults.append("frames of a call are missing")
        if self._transport is not None:
            self._transport.send_close()
            self._transport.disconnect()


class _Observer:
    """The server of all calls."""

    def __init__(self) -> None:
        self.seen = Seen()
        self.open: list[_Media] = []
        self.changed = asyncio.Event()
        self.measuring = False
        self.voice_url = ""
        self._media_port = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve on two free ports."""
        media = await ws_create_server(self._accept, "127.0.0.1", 0)
        self._media_port = media.sockets[0].getsockname()[1]
        app = web.Application()
        app.router.add_post("/voice", self._voice)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.voice_url = f"http://127.0.0.1:{runner.addresses[0][1]}/voice"
        try:
            yield
        finally:
            media.close()
            await runner.cleanup()

    def _accept(self, request: WSUpgradeRequest) -> WSListener:
        return _Media(self)

    async def _voice(self, request: web.Request) -> web.Response:
        stream = f'<Connect><Stream url="ws://127.0.0.1:{self._media_port}/media"/></Connect>'
        return web.Response(text=f"<Response>{stream}</Response>", content_type="text/xml")


@dataclass(frozen=True, slots=True)
class _Emulator:
    pid: int
    api_url: str
    account_sid: str
    auth_token: str

    async def call(self, http: aiohttp.ClientSession, line: int, voice_url: str) -> None:
        """Create a call to a phone that is answered at once."""
        url = f"{self.api_url}/2010-04-01/Accounts/{self.account_sid}/Calls.json"
        auth = {"Authorization": aiohttp.encode_basic_auth(self.account_sid, self.auth_token)}
        form = {"To": f"+1555{line:07d}", "From": _NUMBER, "Url": voice_url}
        async with http.post(url, data=form, headers=auth) as answer:
            if answer.status != 201:
                raise BridgeFailed(f"the emulator would not make a call: {await answer.text()}")


@asynccontextmanager
async def _emulator(core: int | None) -> AsyncIterator[_Emulator]:
    """`agenticd emulate` on a processor of its own. Raises BridgeFailed."""
    command = ("-m", "agenticd", "emulate", "--twilio-port", "0", "--openai-port", "0", "--person", "listens")
    with on_core(core):
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, cwd=_ROOT
        )
    assert process.stdout is not None
    said = ""
    reading: asyncio.Task[None] | None = None
    try:
        async with asyncio.timeout(_START_WITHIN):
            while "makes a phone call your number" not in said:
                line = await process.stdout.readline()
                if not line:
                    raise BridgeFailed(f"the emulator did not start: {said[-500:]}")
                said += line.decode()
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(_drain(process.stdout))
            env = dict(re.findall(r"^(TWILIO_\w+)=(\S+)$", said, re.MULTILINE))
            (url,) = re.findall(r"Twilio  (http\S+)", said)
            yield _Emulator(process.pid, url, env["TWILIO_ACCOUNT_SID"], env["TWILIO_AUTH_TOKEN"])
            reading.cancel()
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.readline():
        pass


async def observe(options: Options, cores: Cores) -> Run:
    """One run. Raises BridgeFailed."""
    observer = _Observer()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(observer.serving())
        emulator = await stack.enter_async_context(_emulator(cores.bridge))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        for line in range(options.calls):
            await emulator.call(http, line, observer.voice_url)
        async with asyncio.timeout(_ANSWER_WITHIN):
            while len(observer.open) < options.calls:
                observer.changed.clear()
                await observer.changed.wait()
        await asyncio.sleep(options.warm_up)
        cpu, began = proc.cpu_seconds(emulator.pid), monotonic()
        busy, stolen = proc.machine_busy_seconds(), proc.machine_stolen_seconds()
        observer.measuring = True
        async with asyncio.TaskGroup() as tasks:
            for number, media in enumerate(observer.open):
                tasks.create_task(media.exercise(1.3 * number / options.calls))
            await asyncio.sleep(options.seconds)
            observer.measuring = False
            lasted = monotonic() - began
            cpu = proc.cpu_seconds(emulator.pid) - cpu
            busy, stolen = proc.machine_busy_seconds() - busy, proc.machine_stolen_seconds() - stolen
        for media in observer.open:
            media.close()
    seen = observer.seen
    return Run(
        frames=Figures.of(seen.frames),
        lateness=Figures.of(seen.lateness),
        marks=Figures.of(seen.marks),
        cleared=Figures.of(seen.cleared),
        silent=Figures.of(seen.silent),
        cpu_percent=100 * cpu / lasted,
        busy_percent=100 * busy / lasted / (os.cpu_count() or 1),
        stolen_percent=100 * stolen / lasted / (os.cpu_count() or 1),
        faults=tuple(seen.faults),
    )


_ROWS = (
    ("time between frames, from 20 ms", "frames"),
    ("frame behind its schedule", "lateness"),
    ("echo of a mark, from the end of its audio", "marks"),
    ("clear, until the marks that waited are back", "cleared"),
    ("echo after a clear, from the end of its audio", "silent"),
)


def show(runs: list[Run], options: Options, setting: str, console: Console) -> None:
    """Print a table of all runs, and what the bar says."""
    title = f"The emulator, {options.calls} calls for {options.seconds:g} s; runs 1 to {len(runs)}"
    table = Table(title=title, title_justify="left")
    for column in ("deviation, ms", "p50", "p99", "most"):
        table.add_column(column, justify="left" if column.startswith("dev") else "right")
    for name, key in _ROWS:
        figures: list[Figures] = [getattr(run, key) for run in runs]
        columns = zip(*((each.p50, each.p99, each.most) for each in figures), strict=True)
        table.add_row(name, *("  ".join(f"{each:.2f}" for each in column) for column in columns))
    console.print(table)
    console.print(f"{setting}.")
    for number, run in enumerate(runs, 1):
        console.print(
            f"Run {number}: the emulator used {run.cpu_percent:.0f} % of its processor, the machine was busy to "
            f"{run.busy_percent:.0f} %, {run.stolen_percent:.1f} % were taken by its host; {run.frames.count} frames, "
            f"{run.marks.count + run.silent.count} marks, {run.cleared.count // 2} clears."
        )
    over = [name for name, key in _ROWS if not all(getattr(run, key).p99 <= BAR_MS for run in runs)]
    verdict = "All p99 are within it" if not over else f"p99 is over it for: {', '.join(over)}"
    console.print(f"The bar: {BAR_MS:g} ms. {verdict}.")
    for fault in sorted({fault for run in runs for fault in run.faults}):
        console.print(f"Fault: {fault}.")


def write_json(path: Path, runs: list[Run], options: Options, setting: str) -> None:
    """Write everything to a file."""
    body = {"machine": machine(setting), "options": asdict(options), "runs": [asdict(run) for run in runs]}
    path.write_text(json.dumps(body, indent=1) + "\n")
