"""Interruptions: how soon the phone is told to stop, and how truly the model is told what was heard.

All calls talk: callers all the time, and the model eight times as fast as its voice is played. At moments drawn by lot,
the same in each run, it says that the caller speaks. Timed is the way from that `speech_started` to the phone's
`clear`; the floor beside it is a relay that says `clear` whenever it hears of speech, and knows nothing. The bar: p99
of 5 ms, and what was heard within 40 ms. Only what is missing, needless, doubled or wrong is judged by the exit code.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import bridges
from bench.audio import Delays, Faults, Line
from bench.carrier import Carrier
from bench.exchange import Exchange, Figures
from bench.measure import END_WITHIN, Cost, Delay, Options, Rig, connect, hang_up, percentile, place
from bench.phone import Phone
from bench.player import PlayingPhone
from bench.proc import Cores
from bench.report import Spread, machine, show_machine, show_told, table_of
from bench.talker import Plan, TalkingModel

DELAY_BAR_MS = 5.0
HEARD_BAR_MS = 40.0
_QUIET_LOOKS, _QUIET_EVERY = 2000, 0.02  # longer than any answer is waited for


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of so many values, in milliseconds; zeros of none."""

    count: int
    p50: float
    p95: float
    p99: float
    worst: float

    @staticmethod
    def of(seconds: Sequence[float]) -> Quantiles:
        """Of the values' sizes, whatever their signs."""
        ordered = sorted(abs(each) for each in seconds)
        return Quantiles(len(ordered), *(percentile(ordered, each) for each in (50, 95, 99, 100)))


@dataclass(frozen=True, slots=True)
class Run:
    """What one run showed. CPU in percent of one core. `delays` and `errors` are in seconds, one per interruption."""

    bridge: str
    delays: list[float]
    errors: list[float]
    needless: int
    cpu_per_call: float
    generator_cpu: float
    generator_late_p99: float
    others_cpu: float
    faults: int
    told: list[str] = field(default_factory=list)

    @property
    def delay(self) -> Quantiles:
        """From speech_started to clear."""
        return Quantiles.of(self.delays)

    @property
    def error(self) -> Quantiles:
        """Between what the model was told and what the phone had played."""
        return Quantiles.of(self.errors)


@dataclass(frozen=True, slots=True)
class Round:
    """One relay and one daemon, one after the other. None: that one was not wanted."""

    relay: Run | None
    daemon: Run | None

    @property
    def runs(self) -> list[Run]:
        """Those that there are."""
        return [run for run in (self.relay, self.daemon) if run is not None]


class TalkRig(Rig):
    """The load generator with a model that talks and is interrupted. `plain` is for the relay.

    `plans` says what each answer is to be like; without it that is left to chance.
    """

    def __init__(self, options: Options, cores: Cores, *, plain: bool, plans: Callable[[], Plan] | None = None) -> None:
        faults, delays = Faults(), Delays()
        self.plain = plain
        self.figures = Figures()
        self.calls = {
            number: Exchange(number, delays, self.figures, faults, plain=plain) for number in range(options.calls)
        }
        super().__init__(options, cores, self.calls, faults, delays)
        self.model = TalkingModel(self.calls, self.pacer, faults, plans)

    def phone(self, line: Line, stream_sid: str) -> Phone:
        """The telephone of a line."""
        return PlayingPhone(self.calls[line.number], stream_sid)

    async def measure(self, bridge: str, pid: int) -> Run:
        """Look at a window, then let all answers end. Raises BridgeFailed."""

        def begin() -> None:
            self.delays.clear()
            self.figures.clear()

        cost = await self.cost(bridge, pid, begin, self._sampled)
        run = self._run(bridge, cost)
        self.model.quiet = True
        await self._all_quiet()
        await self.all_silent()
        return run

    def _sampled(self) -> bool:
        """Whether an interruption was seen from its begin to its end; a relay tells the model of none."""
        figures = self.figures
        return bool(figures.delays) and (self.plain or bool(figures.errors))

    def judged(self, run: Run) -> Run:
        """The run with what went wrong, counted when all calls had ended."""
        for call in self.calls.values():
            call.end()
            call.close()
        return replace(run, faults=self.faults.count, told=self.faults.told)

    def _run(self, bridge: str, cost: Cost) -> Run:
        return Run(
            bridge=bridge,
            delays=list(self.figures.delays),
            errors=list(self.figures.errors),
            needless=self.figures.needless,
            cpu_per_call=100 * cost.cpu / cost.took / self.options.calls,
            generator_cpu=100 * cost.own / cost.took,
            generator_late_p99=Delay.of(self.delays.lateness).p99,
            others_cpu=100 * cost.others / cost.took,
            faults=0,
        )

    async def _all_quiet(self) -> None:
        """Wait, a while, for the answers that are under way: each ends with its interruption."""
        for _ in range(_QUIET_LOOKS):
            if not self.model.talking:
                return
            await asyncio.sleep(_QUIET_EVERY)
        self.faults.add(f"{self.model.talking} answers never ended")


async def through_relay(options: Options, cores: Cores) -> Run:
    """Measure the floor. Raises BridgeFailed."""
    rig = TalkRig(options, cores, plain=True)
    async with rig.model.serving(), bridges.relay(rig.model.relay_url, cores.bridge, clearing=True) as relay:
        phones = [rig.phone(line, f"MZ{line.number:032x}") for line in rig.lines.values()]
        await connect(rig, relay.url, phones)
        run = await rig.measure("relay", relay.pid)
        await hang_up(phones)
    return rig.judged(run)


async def through_daemon(options: Options, cores: Cores) -> Run:
    """Measure the daemon. Raises BridgeFailed."""
    rig = TalkRig(options, cores, plain=False)
    carrier = Carrier(rig.lines, rig.faults, rig.talk, phone=rig.phone)
    with tempfile.TemporaryDirectory(prefix="agenticd-bench-") as folder:
        async with (
            rig.model.serving(),
            carrier.serving(),
            bridges.daemon(Path(folder), carrier.api_url, rig.model.realtime_url, cores.bridge) as daemon,
            daemon.explaining(),
        ):
            await place(rig, daemon, rig.lines.values())
            run = await rig.measure("daemon", daemon.pid)
            rig.over.set()
            await carrier.all_ended(END_WITHIN)
    return rig.judged(run)


def together(runs: Sequence[Run]) -> tuple[Quantiles, Quantiles]:
    """Delay and error over all of them."""
    return (
        Quantiles.of([each for run in runs for each in run.delays]),
        Quantiles.of([each for run in runs for each in run.errors]),
    )


def ratio(rounds: Sequence[Round]) -> Spread | None:
    """p99 of the delay, daemon to relay within a round."""
    return Spread.of(
        [
            each.daemon.delay.p99 / each.relay.delay.p99
            for each in rounds
            if each.daemon is not None and each.relay is not None and each.relay.delay.p99 > 0
        ]
    )


def show(rounds: Sequence[Round], options: Options, setting: str, console: Console) -> None:
    """Print all of it."""
    console.print(_by_round(rounds, options))
    runs = [run for each in rounds for run in each.runs]
    own = [each.daemon for each in rounds if each.daemon is not None]
    delay, error = together(own)
    if own:
        far = sum(1 for run in own for each in run.errors if abs(each) * 1000 > HEARD_BAR_MS)
        console.print(
            f"The daemon cleared {delay.count:,} times: p50 {delay.p50:.2f}, p95 {delay.p95:.2f}, p99 {delay.p99:.2f}"
            f" (bar {DELAY_BAR_MS:g}), max {delay.worst:.2f} ms behind speech_started.\n"
            f"What it said was heard: p50 {error.p50:.2f}, p95 {error.p95:.2f}, p99 {error.p99:.2f},"
            f" max {error.worst:.2f} ms from the truth; {far} times beyond the bar of {HEARD_BAR_MS:g}.\n"
            f"{sum(run.needless for run in own):,} times there was nothing to clear.",
            highlight=False,
        )
    found = ratio(rounds)
    if found is not None:
        console.print(f"p99 of the delay, daemon / relay: {found.said(2)}", highlight=False)
    show_machine(runs, setting, console)
    show_told(runs, console)
    faults = sum(run.faults for run in runs)
    if faults:
        console.print(f"{faults} faults", style="bold red")
    else:
        console.print("No clear was missing, doubled or needless; nothing of an answer came after it.", style="green")


def _by_round(rounds: Sequence[Round], options: Options) -> Table:
    table = table_of(f"{options.calls} calls that all talk, {options.seconds:g} s a run")
    table.add_column("")
    table.add_column("bridge")
    table.add_column("barge-\nins", justify="right")
    for header in ("to clear\np50 ms", "\np95 ms", "\np99 ms", "\nmax ms"):
        table.add_column(header, justify="right")
    for header in ("heard, off\np50 ms", "\np99 ms", "\nmax ms", "CPU/call\n%", "others\n%"):
        table.add_column(header, justify="right")
    for number, each in enumerate(rounds, 1):
        for run in each.runs:
            delay, error = run.delay, run.error
            off = [f"{error.p50:.2f}", f"{error.p99:.2f}", f"{error.worst:.1f}"] if error.count else ["", "", ""]
            table.add_row(
                str(number), run.bridge, str(delay.count),
                f"{delay.p50:.2f}", f"{delay.p95:.2f}", f"{delay.p99:.2f}", f"{delay.worst:.1f}",
                *off, f"{run.cpu_per_call:.2f}", f"{run.others_cpu:.0f}",
            )  # fmt: skip
        table.add_section()
    return table


def write_json(path: Path, rounds: Sequence[Round], options: Options, setting: str) -> None:
    """Everything, for programs."""
    delay, error = together([each.daemon for each in rounds if each.daemon is not None])
    found = ratio(rounds)
    document = {
        "options": asdict(options),
        "machine": machine(setting),
        "summary": {
            "delay_ms": asdict(delay),
            "heard_error_ms": asdict(error),
            "p99_ratio": None if found is None else asdict(found),
            "bars_ms": {"delay_p99": DELAY_BAR_MS, "heard_error": HEARD_BAR_MS},
        },
        "rounds": [
            {"relay": each.relay and asdict(each.relay), "daemon": each.daemon and asdict(each.daemon)}
            for each in rounds
        ],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
