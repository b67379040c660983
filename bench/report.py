"""The figures for people, and as JSON. Nothing is judged here: the bars stand beside the figures."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich import box
from rich.console import Console
from rich.table import Table

from bench.measure import Options, Run

_KIB = 1024


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure that is compared: its name and unit for people, how to read it, and the bar of its ratio."""

    key: str
    name: str
    read: Callable[[Run], float]
    bar: float | None = None
    digits: int = 2


FIGURES = (
    Figure("to_model_p50_ms", "to model p50, ms", lambda run: run.to_model.p50, 2.0, 3),
    Figure("to_model_p99_ms", "to model p99, ms", lambda run: run.to_model.p99, 3.0, 3),
    Figure("to_caller_p50_ms", "to caller p50, ms", lambda run: run.to_caller.p50, 2.0, 3),
    Figure("to_caller_p99_ms", "to caller p99, ms", lambda run: run.to_caller.p99, 3.0, 3),
    Figure("both_p50_ms", "both ways p50, ms", lambda run: run.both.p50, 2.0, 3),
    Figure("both_p99_ms", "both ways p99, ms", lambda run: run.both.p99, 3.0, 3),
    Figure("cpu_per_call_percent", "CPU per call, %", lambda run: run.cpu_per_call, 2.5),
    Figure("cpu_us_per_frame", "CPU per frame, us", lambda run: run.cpu_us_per_frame, 2.5, 1),
    Figure("memory_per_call_kib", "memory per call, KiB", lambda run: run.memory_per_call / _KIB, None, 0),
)


@dataclass(frozen=True, slots=True)
class Round:
    """One relay and one daemon, one after the other. None: that one was not wanted."""

    relay: Run | None
    daemon: Run | None

    @property
    def runs(self) -> list[Run]:
        """Those that there are."""
        return [run for run in (self.relay, self.daemon) if run is not None]


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of several rounds, and the least and the most: how much the machine's noise is."""

    median: float
    least: float
    most: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread | None:
        """None of nothing."""
        return Spread(median(values), min(values), max(values)) if values else None

    def said(self, digits: int) -> str:
        """For people."""
        return f"{self.median:.{digits}f} ({self.least:.{digits}f}-{self.most:.{digits}f})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure over all rounds. The ratio is daemon to relay within a round."""

    figure: Figure
    relay: Spread | None
    daemon: Spread | None
    ratio: Spread | None


def compare(rounds: Sequence[Round]) -> list[Comparison]:
    """Every figure over the rounds."""
    found = []
    for figure in FIGURES:
        relays = [figure.read(each.relay) for each in rounds if each.relay is not None]
        daemons = [figure.read(each.daemon) for each in rounds if each.daemon is not None]
        ratios = [
            figure.read(each.daemon) / figure.read(each.relay)
            for each in rounds
            if each.daemon is not None and each.relay is not None and figure.read(each.relay) > 0
        ]
        found.append(Comparison(figure, Spread.of(relays), Spread.of(daemons), Spread.of(ratios)))
    return found


def show(rounds: Sequence[Round], options: Options, setting: str, console: Console) -> None:
    """Print all of it."""
    console.print(_by_round(rounds, options))
    console.print(_summary(compare(rounds)))
    runs = [run for each in rounds for run in each.runs]
    own = Spread.of([run.generator_cpu for run in runs])
    late = Spread.of([run.generator_late_p99 for run in runs])
    others = Spread.of([run.others_cpu for run in runs])
    if own is not None and late is not None and others is not None:
        console.print(
            f"{setting}. The load generator used {own.said(0)} % of its core and sent its frames"
            f" {late.said(2)} ms late (p99). Others on this machine used {others.said(0)} % of a core.",
            style="dim",
            highlight=False,
        )
    for run in runs:
        for text in run.told:
            console.print(f"{run.bridge}: {text}", style="bold red", highlight=False, markup=False)
    faults = sum(run.faults for run in runs)
    frames = sum(run.both.frames for run in runs)
    if faults:
        console.print(f"{faults} faults: audio was lost or changed, or calls failed", style="bold red")
    else:
        console.print(f"Every byte of {frames:,} frames arrived once, in order, unchanged.", style="green")


def _by_round(rounds: Sequence[Round], options: Options) -> Table:
    table = _table(f"{options.calls} calls, 50 frames a second each way, {options.seconds:g} s a run")
    table.add_column("")
    table.add_column("bridge")
    for header in ("to model\np50 ms", "\np99 ms", "\nmax ms", "to caller\np50 ms", "\np99 ms", "\nmax ms"):
        table.add_column(header, justify="right")
    for header in ("CPU/call\n%", "/frame\nus", "others\n%"):
        table.add_column(header, justify="right")
    for number, each in enumerate(rounds, 1):
        for run in each.runs:
            table.add_row(
                str(number), run.bridge,
                f"{run.to_model.p50:.3f}", f"{run.to_model.p99:.3f}", f"{run.to_model.worst:.1f}",
                f"{run.to_caller.p50:.3f}", f"{run.to_caller.p99:.3f}", f"{run.to_caller.worst:.1f}",
                f"{run.cpu_per_call:.2f}", f"{run.cpu_us_per_frame:.1f}", f"{run.others_cpu:.0f}",
            )  # fmt: skip
        table.add_section()
    return table


def _summary(comparisons: Sequence[Comparison]) -> Table:
    table = _table("The median of the rounds, and their range")
    table.add_column("")
    for header in ("relay", "daemon", "daemon / relay"):
        table.add_column(header, justify="right")
    table.add_column("bar", justify="right")
    for each in comparisons:
        digits, bar = each.figure.digits, each.figure.bar
        table.add_row(
            each.figure.name,
            "" if each.relay is None else each.relay.said(digits),
            "" if each.daemon is None else each.daemon.said(digits),
            "" if each.ratio is None or bar is None else each.ratio.said(2),
            "" if bar is None else f"{bar:g}",
        )
    return table


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))


def write_json(path: Path, rounds: Sequence[Round], options: Options, setting: str) -> None:
    """Everything, for programs."""
    summary = {
        each.figure.key: {
            "relay": None if each.relay is None else asdict(each.relay),
            "daemon": None if each.daemon is None else asdict(each.daemon),
            "ratio": None if each.ratio is None else asdict(each.ratio),
            "bar": each.figure.bar,
        }
        for each in compare(rounds)
    }
    document = {
        "options": asdict(options),
        "machine": {
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "setting": setting,
        },
        "summary": summary,
        "rounds": [asdict(each) for each in rounds],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
