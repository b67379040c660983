"""The figures for people, and as JSON. Nothing is judged here: the bars stand beside the figures."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Protocol

from rich import box
from rich.console import Console
from rich.table import Table

from bench.measure import Options, Run

_KIB = 1024


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure that is compared: its name and unit for people, how to read it, the bar of its ratio, and
    whether the ratio is shown."""

    key: str
    name: str
    read: Callable[[Run], float]
    bar: float | None = None
    digits: int = 2
    compared: bool = True


FIGURES = (
    Figure("to_model_p50_ms", "to model p50, ms", lambda run: run.to_model.p50, 2.0, 3),
    Figure("to_model_p99_ms", "to model p99, ms", lambda run: run.to_model.p99, 3.0, 3),
    Figure("to_caller_p50_ms", "to caller p50, ms", lambda run: run.to_caller.p50, 2.0, 3),
    Figure("to_caller_p99_ms", "to caller p99, ms", lambda run: run.to_caller.p99, 3.0, 3),
    Figure("both_p50_ms", "both ways p50, ms", lambda run: run.both.p50, 2.0, 3),
    Figure("both_p99_ms", "both ways p99, ms", lambda run: run.both.p99, 3.0, 3),
    Figure("cpu_per_call_percent", "CPU per call, %", lambda run: run.cpu_per_call, 2.5),
    Figure("cpu_us_per_frame", "CPU per frame, us", lambda run: run.cpu_us_per_frame, 2.5, 1),
    Figure(
        "memory_per_call_kib", "memory per call, KiB", lambda run: run.memory_per_call / _KIB, None, 0, compared=False
    ),
)


@dataclass(frozen=True, slots=True)
class Contest:
    """Which two kinds of run stand side by side, by their names for people, and in which figures."""

    base: str
    other: str
    figures: tuple[Figure, ...]


DAEMON = Contest("relay", "daemon", FIGURES)
_PCM24_BARS = {"cpu_per_call_percent": 2.0}
PCM24 = Contest("pcmu", "pcm24", tuple(replace(figure, bar=_PCM24_BARS.get(figure.key)) for figure in FIGURES))


@dataclass(frozen=True, slots=True)
class Round:
    """One run of each of the two, one after the other. None: that one was not wanted."""

    base: Run | None
    other: Run | None

    @property
    def runs(self) -> list[Run]:
        """Those that there are."""
        return [run for run in (self.base, self.other) if run is not None]


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
    """One figure over all rounds. The ratio is the other's to the base's within a round."""

    figure: Figure
    base: Spread | None
    other: Spread | None
    ratio: Spread | None


def compare(rounds: Sequence[Round], contest: Contest = DAEMON) -> list[Comparison]:
    """Every figure over the rounds."""
    found = []
    for figure in contest.figures:
        bases = [figure.read(each.base) for each in rounds if each.base is not None]
        others = [figure.read(each.other) for each in rounds if each.other is not None]
        ratios = [
            figure.read(each.other) / figure.read(each.base)
            for each in rounds
            if each.other is not None and each.base is not None and figure.read(each.base) > 0
        ]
        found.append(Comparison(figure, Spread.of(bases), Spread.of(others), Spread.of(ratios)))
    return found


def show(rounds: Sequence[Round], options: Options, setting: str, console: Console, contest: Contest = DAEMON) -> None:
    """Print all of it."""
    console.print(_by_round(rounds, options, contest))
    console.print(_summary(compare(rounds, contest), contest))
    runs = [run for each in rounds for run in each.runs]
    show_machine(runs, setting, console)
    show_told(runs, console)
    faults = sum(run.faults for run in runs)
    frames = sum(run.both.frames for run in runs)
    if faults:
        console.print(f"{faults} faults: audio was lost or changed, or calls failed", style="bold red")
    elif contest is PCM24:
        console.print(f"Of {frames:,} frames each arrived once, in order, as the sound that was sent.", style="green")
    else:
        console.print(f"Every byte of {frames:,} frames arrived once, in order, unchanged.", style="green")


class Measured(Protocol):
    """What any run knows of the machine and of its faults."""

    @property
    def bridge(self) -> str: ...
    @property
    def generator_cpu(self) -> float: ...
    @property
    def generator_late_p99(self) -> float: ...
    @property
    def others_cpu(self) -> float: ...
    @property
    def told(self) -> list[str]: ...


def show_machine(runs: Sequence[Measured], setting: str, console: Console) -> None:
    """Whether the figures can be believed: what the load generator used, and the others on this machine."""
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


def show_told(runs: Sequence[Measured], console: Console) -> None:
    """The faults that were told."""
    for run in runs:
        for text in run.told:
            console.print(f"{run.bridge}: {text}", style="bold red", highlight=False, markup=False)


def _by_round(rounds: Sequence[Round], options: Options, contest: Contest) -> Table:
    table = table_of(f"{options.calls} calls, 50 frames a second each way, {options.seconds:g} s a run")
    table.add_column("")
    table.add_column("bridge" if contest is DAEMON else "audio")
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


def _summary(comparisons: Sequence[Comparison], contest: Contest) -> Table:
    table = table_of("The median of the rounds, and their range")
    table.add_column("")
    for header in (contest.base, contest.other, f"{contest.other} / {contest.base}"):
        table.add_column(header, justify="right")
    table.add_column("bar", justify="right")
    for each in comparisons:
        digits, bar = each.figure.digits, each.figure.bar
        table.add_row(
            each.figure.name,
            "" if each.base is None else each.base.said(digits),
            "" if each.other is None else each.other.said(digits),
            "" if each.ratio is None or not each.figure.compared else each.ratio.said(2),
            "" if bar is None else f"{bar:g}",
        )
    return table


def table_of(title: str) -> Table:
    """An empty one, in our style."""
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))


def write_json(path: Path, rounds: Sequence[Round], options: Options, setting: str, contest: Contest = DAEMON) -> None:
    """Everything, for programs."""
    summary = {
        each.figure.key: {
            contest.base: None if each.base is None else asdict(each.base),
            contest.other: None if each.other is None else asdict(each.other),
            "ratio": None if each.ratio is None else asdict(each.ratio),
            "bar": each.figure.bar,
        }
        for each in compare(rounds, contest)
    }
    document = {
        "options": asdict(options),
        "machine": machine(setting),
        "summary": summary,
        "rounds": [
            {contest.base: each.base and asdict(each.base), contest.other: each.other and asdict(each.other)}
            for each in rounds
        ],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def machine(setting: str) -> dict[str, object]:
    """What was measured on, for programs."""
    return {"processors": os.cpu_count(), "python": platform.python_version(), "setting": setting}
