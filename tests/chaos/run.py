"""A chaos run: real processes, killed again and again while calls go on, and then judged by what they left behind.

Its folder has everything: the log, the journals, one line for each kill in results.jsonl. A run that is begun in a
folder with such lines goes on behind the last one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import agentic
from agenticd.emulator.network import LinkConfig, SlowLink
from agenticd.emulator.network import Path as Way
from agenticd.launch import Daemon, NotReady, listening_socket
from agenticd.sandbox import FROM
from tests.chaos.histories import Acknowledged, Dialled, Journal, Life, Run, read_log, read_streams
from tests.chaos.placer import request_of
from tests.chaos.plan import Plan, plan
from tests.chaos.validators import judge, union_is_the_log

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ("-m", "tests.chaos.daemon")
FEW = ("call_queued", "call_ended", "call_closed")
SUBSCRIBERS = {"raw": ("raw",), "few": ("raw", *FEW), "client": ("client",)}
SETTLE_WITHIN = 90.0
_SETTLING = 0.2

CONFIG = """\
version: 1
public_url: {public_url}
node_id: {node}
admin: {{listen: "127.0.0.1:0"}}
grpc: {{listen: ["unix:{folder}/agenticd.sock", "127.0.0.1:{grpc}"]}}
twilio:
  api_url: {api_url}
  account_sid: {account_sid}
  auth_token: {auth_token}
  from_number: "{number}"
  calls_per_second: 20
openai: {{url: "{realtime_url}", api_key: {api_key}}}
store: {{path: {folder}/agenticd.db}}
agents: {{default: {{instructions: Be brief.}}}}
"""


@dataclass(slots=True)
class Outcome:
    """What became of a run."""

    kills: int
    faults: list[str]
    run: Run
    seconds: float
    results: list[dict[str, Any]] = field(default_factory=list)


class Child:
    """A process that is started again with the same command."""

    def __init__(self, name: str, command: tuple[str, ...], folder: Path) -> None:
        self.name = name
        self._command = command
        self._errors = folder / f"{name}.err"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, **options: Any) -> asyncio.subprocess.Process:
        """Start it."""
        with self._errors.open("ab") as errors:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, *self._command, cwd=ROOT, stderr=errors,
                **{"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.DEVNULL} | options,
            )  # fmt: skip
        return self.process

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it lives."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)

    async def end(self, seconds: float = 10.0) -> None:
        """Close its standard input, which ends it, or kill it."""
        process = self.process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await process.wait()
                return
        process.kill()
        await process.wait()

    @property
    def errors(self) -> str:
        """What it complained of."""
        return self._errors.read_text(errors="replace") if self._errors.exists() else ""


class Chaos:
    """One run in its folder.

    `draw` says what happens in each life, by the seed and its number; `program` is what Python runs the daemon by, and
    `environ` what its environment has besides.
    """

    def __init__(
        self,
        folder: Path,
        seed: int,
        kills: int,
        say: Callable[[str], None] = lambda _: None,
        *,
        draw: Callable[[int, int], Plan] = plan,
        program: tuple[str, ...] = PROGRAM,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.seed = seed
        self.kills = kills
        self._say = say
        self._draw = draw
        self._program = program
        self._environ = dict(environ or {})
        self._results = Journal(folder / "results.jsonl")
        self._done = list(self._results.lines())
        if self._done and self._done[0].get("seed") != seed:
            raise ValueError(f"{folder} has a run with the seed {self._done[0].get('seed')}, not {seed}")
        self._life = max((line["life"] for line in self._done if "life" in line), default=0)
        self.daemon: Daemon
        self._sprung = False
        self._where: dict[str, str] = {}
        self._emulator: Child
        self._subscribers: list[Child] = []
        self._link: SlowLink
        self._grpc = 0
        """The port of the API."""

    async def run(self) -> Outcome:
        """Kill, let it come to rest, and judge."""
        began = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._done:
            self._note({"seed": self.seed, "python": sys.version.split()[0]})
        async with self._everything():
            # Only kills count: a life that is stopped and goes on is noted, and is none.
            first = sum(1 for line in self._done if "n" in line)
            number = first
            while sum(1 for line in self._done if line.get("killed")) < self.kills:
                await self._one(number, self._draw(self.seed, number))
                number += 1
            self.daemon.kill()  # the last life has no trap
            await self.daemon.stop()
            await self._start("")
            await self._rest()
        self._results.close()
        run = self._histories()
        faults = judge(run) + [f"Union: {fault}" for fault in union_is_the_log(run)]
        faults += [f"{child.name} complains: {child.errors[-2000:]}" for child in self._children if child.errors]
        faults += self._complaints()
        kills = sum(1 for line in self._done if line.get("killed"))
        return Outcome(kills, faults, run, time.monotonic() - began, self._done)

    # One life.

    async def _one(self, number: int, drawn: Plan) -> None:
        await self._trouble(drawn)
        line: dict[str, Any] = {"n": number, "plan": drawn.plain()}
        match drawn.how:
            case "subscriber" | "stop subscriber":
                line |= await self._strike_subscriber(number, drawn)
            case _:
                line |= await self._strike_daemon(drawn)
                self.daemon.kill()
                await self.daemon.stop()
                await self._start(self._trap(number + 1))
        await self._heal()
        self._note(line | {"life": self._life})
        self._say(f"{number}: {drawn.how} {drawn.point} {'reached' if line.get('reached') else ''}".rstrip())

    async def _strike_subscriber(self, number: int, drawn: Plan) -> dict[str, Any]:
        child = random.Random(f"{self.seed}:{number}:who").choice(self._subscribers)
        await asyncio.sleep(drawn.after)
        if drawn.how == "stop subscriber":
            child.signal(signal.SIGSTOP)
            await asyncio.sleep(1.0)
            child.signal(signal.SIGCONT)
            return {"who": child.name}
        child.signal(signal.SIGKILL)
        assert child.process is not None
        await child.process.wait()
        await child.start()
        return {"who": child.name, "killed": True}

    async def _strike_daemon(self, drawn: Plan) -> dict[str, Any]:
        """The trap of a failpoint was set when this life began."""
        if drawn.how == "failpoint" and self._sprung:
            return {"killed": True, "reached": True, "in": "start"}
        reached = await self._dies_within(drawn.after)
        if drawn.how == "stop":
            await self._stand_still()
        return {"killed": True, "reached": drawn.how == "failpoint" and reached}

    def _trap(self, number: int) -> str:
        """What the life must be given that ends with this number, or with the next one at which a daemon is struck."""
        while (drawn := self._draw(self.seed, number)).how in ("subscriber", "stop subscriber"):
            number += 1
        return f"{drawn.point}:kill:{drawn.nth}" if drawn.how == "failpoint" else ""

    async def _dies_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.daemon.wait()
                return True
        return False

    async def _stand_still(self) -> None:
        """SIGSTOP for longer than anybody waits; who would take its place must find the log taken."""
        self.daemon.tell(signal.SIGSTOP)
        second = Daemon(self.daemon.config, self._http, self.folder / "second.log", self._program)
        second.environ = self.daemon.environ
        try:
            await second.start()
        except NotReady as refused:
            said = str(refused)
        else:
            second.kill()
            await second.stop()
            said = "a second daemon opened the log"
        if "another agenticd has it open" not in said:
            raise AssertionError(said)
        self.daemon.tell(signal.SIGCONT)
        await asyncio.sleep(0.3)

    async def _start(self, failpoint: str) -> None:
        """Start the next life. One that dies before it is ready, which only a trap may bring about, has `_sprung` it,
        and another one follows without."""
        self._sprung = False
        while True:
            self._life += 1
            self._write_config()
            self.daemon.environ["AGENTICD_FAILPOINT"] = failpoint
            try:
                await self.daemon.start()
            except NotReady:
                if not failpoint:
                    raise
                self._sprung, failpoint = True, ""
                continue
            return

    # The surroundings.

    @asynccontextmanager
    async def _everything(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            self._http = stack.enter_context(listening_socket())
            port = self._http.getsockname()[1]
            self._grpc = stack.enter_context(held_port()).getsockname()[1]
            self._emulator = Child(
                "emulator", ("-m", "tests.chaos.emulator", self._path("dials"), str(port)), self.folder
            )
            process = await self._emulator.start(stdout=asyncio.subprocess.PIPE)
            stack.push_async_callback(self._emulator.end)
            assert process.stdout is not None
            self._where = json.loads(await process.stdout.readline())
            self._link = await stack.enter_async_context(SlowLink(LinkConfig(window=65536), self._grpc))
            self.daemon = Daemon(self.folder / "config.yaml", self._http, self.folder / "daemon.log", self._program)
            self.daemon.environ = {"XDG_RUNTIME_DIR": str(self.folder), **self._environ}
            await self._start(self._trap(sum(1 for line in self._done if "n" in line)))
            stack.push_async_callback(self.daemon.stop)
            token = (self.folder / "agenticd" / "token").read_text().strip()
            unix, tcp = f"unix:{self.folder}/agenticd.sock", f"127.0.0.1:{self._link.port}"
            for name, arguments in SUBSCRIBERS.items():
                address = unix if name == "raw" else tcp
                command = ("-m", "tests.chaos.subscriber", address, token, self._path(name), *arguments)
                self._subscribers.append(Child(name, command, self.folder))
            self._placer = Child(
                "placer", ("-m", "tests.chaos.placer", tcp, token, self._path("placed"), str(self.seed)), self.folder
            )
            self._children = [self._emulator, *self._subscribers, self._placer]
            for child in self._children[1:]:
                await child.start()
                stack.push_async_callback(child.end, 0.0 if child is not self._placer else 10.0)
            yield

    def _path(self, name: str) -> str:
        return str(self.folder / f"{name}.jsonl")

    def _write_config(self) -> None:
        text = CONFIG.format(
            **self._where, node=f"chaos-{self._life}", folder=self.folder, grpc=self._grpc, number=FROM
        )
        (self.folder / "config.yaml").write_text(text)

    async def _order(self, order: dict[str, Any]) -> None:
        process = self._emulator.process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(order).encode() + b"\n")
        assert await process.stdout.readline() == b"ok\n", self._emulator.errors

    async def _trouble(self, drawn: Plan) -> None:
        await self._order({"rest": drawn.rest or {}, "callbacks": {"lost": drawn.lost}})
        if drawn.link == "grpc":
            self._trouble_grpc(drawn.trouble)
        elif drawn.link:
            await self._order({"link": drawn.link, "do": drawn.trouble})

    def _trouble_grpc(self, what: str) -> None:
        link = self._link
        if what == "slow":
            link.to_client.change(Way(bits_per_second=512_000, latency=0.1))
        else:
            link.trouble(reset_after=0.0)
            asyncio.get_running_loop().call_later(0.1, link.trouble)

    async def _heal(self) -> None:
        self._link.trouble()
        self._link.to_client.change(Way())
        for name in ("twilio", "openai", "daemon"):
            await self._order({"link": name, "do": "heal"})

    # The end.

    async def _rest(self) -> None:
        """Nothing goes wrong any more: all calls end, and all subscribers get what there is."""
        await self._order({"rest": {}, "callbacks": {}})
        await self._placer.end(30.0)
        async with agentic.connect(f"unix:{self.folder}/agenticd.sock") as client, asyncio.timeout(SETTLE_WITHIN):
            while (status := await client.status()).live_calls:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(_SETTLING)
            for name, arguments in SUBSCRIBERS.items():
                wanted = frozenset(arguments[1:])
                last = max(
                    (e.revision for e in read_log(self.folder / "agenticd.db") if not wanted or e.kind in wanted),
                    default=0,
                )
                assert last <= status.head_revision
                while _newest(Path(self._path(name))) < last:  # noqa: ASYNC110 - of another process
                    await asyncio.sleep(_SETTLING)

    def _histories(self) -> Run:
        placed = list(Journal(Path(self._path("placed"))).lines())
        lives = [
            Life(line["node"], line["head"])
            for line in _log_lines(self.folder / "daemon.log")
            if line.get("message") == "agenticd is ready"
        ]
        return Run(
            log=read_log(self.folder / "agenticd.db"),
            subscribers={name: read_streams(Path(self._path(name))) for name in SUBSCRIBERS},
            acknowledged=[Acknowledged(line["id"], line["call"], line["r"]) for line in placed if "id" in line],
            dialled=[
                Dialled(request_of(line["to"]), line["sid"]) for line in Journal(Path(self._path("dials"))).lines()
            ],
            lives=lives,
        )

    def _complaints(self) -> list[str]:
        """Defects that the daemon logged."""
        text = (self.folder / "daemon.log").read_text(errors="replace")
        return ["the daemon logged a traceback"] if "Traceback" in text else []

    def _note(self, line: dict[str, Any]) -> None:
        self._results.write(line)
        self._done.append(line)


def summary(outcome: Outcome) -> list[str]:
    """The outcome in a few lines."""
    run, struck = outcome.run, [line for line in outcome.results if "n" in line]
    how = Counter(line["plan"]["how"] for line in struck)
    points = {line["plan"]["point"] for line in struck if line.get("reached")}
    ends = Counter(event.kind for event in run.log)
    return [
        f"{outcome.kills} kills in {outcome.seconds:.0f} s: "
        + ", ".join(f"{n} {name}" for name, n in how.most_common()),
        f"{len(points)} named points reached",
        f"{ends['call_queued']} calls, {len(run.log)} events, {len(run.dialled)} dials, {len(run.lives)} lives",
        *(
            f"subscriber {name}: {sum(len(s.events) for s in streams)} events on {len(streams)} streams"
            for name, streams in run.subscribers.items()
        ),
        *(f"WRONG  {fault}" for fault in outcome.faults),
        "every validator is content" if not outcome.faults else f"{len(outcome.faults)} faults",
    ]


def _newest(path: Path) -> int:
    return max((line["r"] for line in Journal(path).lines() if "r" in line), default=0)


def _log_lines(path: Path) -> list[dict[str, Any]]:
    """The daemon's log; a line that a kill cut off is left out."""
    found = []
    for line in path.read_text(errors="replace").splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            found.append(json.loads(line))
    return found


def held_port() -> socket.socket:
    """A port for gRPC, which the daemon binds anew in each life. It is bound here as well, and nobody listens, so that
    no other program is given it between two lives; SO_REUSEADDR, which gRPC sets too, lets the daemon in."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held
