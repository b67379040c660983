"""`python -m bench`: what the daemon adds to a call. `bench bargein`: how soon it falls silent. `bench pcm24`: what
conversion costs. `bench log`: how soon events are durable. `bench soak`: what calls leave behind. `bench startup`: what
a start costs. `bench emulator`: how punctual the emulator is.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
import uvloop
from rich.console import Console

from bench import bargein, commands, emulator, eventlog, measure, proc, report, soak, startup
from bench.bridges import BridgeFailed, failures
from bench.proc import Cores, on_core

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])

_PAPER = 100  # columns, where the output is no terminal

_JSON = click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write everything to a file, too.",
)


_CALLS = click.option("--calls", default=20, show_default=True, type=click.IntRange(1, 1000), help="Calls at once.")
_WARM_UP = click.option(
    "--warm-up", default=3.0, show_default=True, type=click.FloatRange(0, 60), help="Seconds before that."
)
_REALTIME = click.option(
    "--realtime",
    is_flag=True,
    help="Run the bridge and the load generator before all other processes (SCHED_RR; needs root): for a machine "
    "that others use, where p99 shows their time slices.",
)
_ONLY = click.option("--only", type=click.Choice(["relay", "daemon"]), help="Measure one of the two.")


def _seconds(default: float) -> Callable[[Command], Command]:
    return click.option(
        "--seconds",
        default=default,
        show_default=True,
        type=click.FloatRange(0.5, 600),
        help="Measured in each run.",
    )


def _rounds(default: int) -> Callable[[Command], Command]:
    return click.option(
        "--rounds",
        default=default,
        show_default=True,
        type=click.IntRange(1, 50),
        help="One run of each in each.",
    )


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@_CALLS
@_seconds(15.0)
@_WARM_UP
@_rounds(4)
@_REALTIME
@_ONLY
@_JSON
@click.pass_context
def main(
    context: click.Context,
    calls: int,
    seconds: float,
    warm_up: float,
    rounds: int,
    realtime: bool,
    only: str | None,
    json_path: Path | None,
) -> None:
    """Measure what the daemon adds to a call: delay, processor time and memory.

    Beside it, in the same run, a relay is measured that does nothing but pass bytes on. A load generator
    plays the phones and the model. Every byte is checked: the exit code is 1 if one was lost or changed.
    Nothing else is judged.
    """
    if context.invoked_subcommand is not None:
        return
    options = measure.Options(calls, seconds, warm_up)
    place = _Place(realtime)
    relay, daemon = _wanted(only, measure.through_relay, measure.through_daemon)
    pairs = place.run(_alternate(rounds, options, place.cores, ("the relay", relay), ("the daemon", daemon)))
    done = [report.Round(*pair) for pair in pairs]
    report.show(done, options, place.setting, place.console)
    if json_path is not None:
        report.write_json(json_path, done, options, place.setting)
    sys.exit(1 if any(run.faults for each in done for run in each.runs) else 0)


@main.command("pcm24")
@_CALLS
@_seconds(15.0)
@_WARM_UP
@_rounds(4)
@_REALTIME
@_JSON
def pcm24_command(
    calls: int, seconds: float, warm_up: float, rounds: int, realtime: bool, json_path: Path | None
) -> None:
    """Measure what it costs to convert to a model that speaks PCM16 at 24 kHz.

    The daemon is measured twice in each round: with an agent whose audio passes through (pcmu), and with one whose
    audio is converted (pcm24). What arrives is checked by its sound, and by always being converted alike. Delays are
    those of frames: that the filter itself makes the sound a little late is not in them.
    """
    options = measure.Options(calls, seconds, warm_up)
    place = _Place(realtime)
    pcmu = partial(measure.through_daemon, audio="pcmu", name="pcmu")
    pcm24 = partial(measure.through_daemon, audio="pcm24", name="pcm24")
    pairs = place.run(_alternate(rounds, options, place.cores, ("pcmu", pcmu), ("pcm24", pcm24)))
    done = [report.Round(*pair) for pair in pairs]
    report.show(done, options, place.setting, place.console, report.PCM24)
    if json_path is not None:
        report.write_json(json_path, done, options, place.setting, report.PCM24)
    sys.exit(1 if any(run.faults for each in done for run in each.runs) else 0)


@main.command("bargein")
@_CALLS
@_seconds(35.0)
@_WARM_UP
@_rounds(2)
@_REALTIME
@_ONLY
@_JSON
def bargein_command(
    calls: int, seconds: float, warm_up: float, rounds: int, realtime: bool, only: str | None, json_path: Path | None
) -> None:
    """Measure how soon a caller who speaks silences the agent.

    From the model's word that speech started to the phone's clear; and how truly the model is told what was heard.
    Beside it a relay that clears without a thought. The exit code is 1 if a clear was missing or needless, if
    anything of an interrupted answer came after it, or if the model was told wrong.
    """
    options = measure.Options(calls, seconds, warm_up)
    place = _Place(realtime)
    relay, daemon = _wanted(only, bargein.through_relay, bargein.through_daemon)
    pairs = place.run(_alternate(rounds, options, place.cores, ("the relay", relay), ("the daemon", daemon)))
    done = [bargein.Round(*pair) for pair in pairs]
    bargein.show(done, options, place.setting, place.console)
    if json_path is not None:
        bargein.write_json(json_path, done, options, place.setting)
    sys.exit(1 if any(run.faults for each in done for run in each.runs) else 0)


@main.command("emulator")
@click.option("--calls", default=50, show_default=True, type=click.IntRange(1, 1000), help="Calls at once.")
@_seconds(15.0)
@_WARM_UP
@_rounds(3)
@_REALTIME
@_JSON
def emulator_command(
    calls: int, seconds: float, warm_up: float, rounds: int, realtime: bool, json_path: Path | None
) -> None:
    """Measure how punctual the emulator is: its frames, its echoes of marks, and what it does at a clear.

    All is measured by the server that it calls, on another processor. The exit code is 1 if a frame or an echo is
    missing. Times are shown beside their bar, not judged.
    """
    options = emulator.Options(calls, seconds, warm_up)
    place = _Place(realtime)
    runs = place.run(_again(rounds, partial(emulator.observe, options, place.cores)))
    emulator.show(runs, options, place.setting, place.console)
    if json_path is not None:
        emulator.write_json(json_path, runs, options, place.setting)
    sys.exit(1 if any(run.faults for run in runs) else 0)


@main.command("log")
@click.option("--rate", "rates", multiple=True, type=click.IntRange(1, 100_000), help="Events a second. [1000, 5000]")
@click.option("--followers", default=100, show_default=True, type=click.IntRange(0, 1000), help="Streams that read.")
@_seconds(10.0)
@_WARM_UP
@_rounds(3)
@_REALTIME
@_JSON
def log_command(
    rates: tuple[int, ...],
    followers: int,
    seconds: float,
    warm_up: float,
    rounds: int,
    realtime: bool,
    json_path: Path | None,
) -> None:
    """Measure how soon an event is durable while many follow the log, and how long the loop is held up by that.

    The log, the watch and the API run in one process, as in the daemon; the followers in another. The exit code is 1 if
    a follower missed an event, got one twice or out of order. Times are shown, not judged.
    """
    options = eventlog.Options(rates or (1000, 5000), seconds, warm_up, followers, realtime)
    if realtime:
        _before_all_others()
    runs: list[eventlog.Run] = []
    for number in range(1, rounds + 1):
        _say(f"round {number} of {rounds}")
        runs += _run(eventlog.measure(options))
    eventlog.show(runs, options, Console() if sys.stdout.isatty() else Console(width=_PAPER))
    if json_path is not None:
        eventlog.write_json(json_path, runs, options)
    sys.exit(1 if any(run.faults for run in runs) else 0)


@main.command("soak")
@click.option("--minutes", default=15.0, show_default=True, type=click.FloatRange(0.2, 24 * 60), help="Of churn.")
@click.option("--calls", default=10, show_default=True, type=click.IntRange(1, 200), help="Calls at once.")
@click.option(
    "--fill",
    is_flag=True,
    help="Before, make so many very short calls that the part of the event log that is kept in memory is full "
    "(65,536 events, some minutes at full load): what grows afterwards is not that.",
)
@_JSON
def soak_command(minutes: float, calls: int, fill: bool, json_path: Path | None) -> None:
    """Churn short calls through the daemon, and see whether memory, descriptors and calls come back."""
    options = soak.Options(minutes, calls, fill)
    result = _run(soak.soak(options))
    soak.show(result, options)
    if json_path is not None:
        soak.write_json(json_path, result, options)
    sys.exit(0 if result.came_back and not result.faults else 1)


@main.command("startup")
@click.option("--rounds", default=7, show_default=True, type=click.IntRange(1, 100), help="One start of each in each.")
@_JSON
def startup_command(rounds: int, json_path: Path | None) -> None:
    """Measure what the daemon's own code adds to its bare imports before it is ready, time and memory; and how long
    agentctl's commands take.

    The exit code is 1 if something was imported that must not be before READY. Times are shown, not judged.
    """
    try:
        result = startup.measure(rounds, _say)
        seconds = commands.measure(rounds, _say)
    except startup.StartFailed as error:
        raise click.ClickException(str(error)) from None
    console = Console() if sys.stdout.isatty() else Console(width=_PAPER)
    startup.show(result, console)
    commands.show(seconds, console)
    if json_path is not None:
        startup.write_json(json_path, result, seconds)
    sys.exit(1 if result.unwanted else 0)


class _Place:
    """Where and how all runs of a command are done."""

    def __init__(self, realtime: bool) -> None:
        self.cores = Cores.choose()
        self.setting = f"{self.cores}{', both before all other processes' if realtime else ''}"
        self.console = Console() if sys.stdout.isatty() else Console(width=_PAPER)
        if realtime:
            _before_all_others()

    def run(self, main: Coroutine[object, object, T]) -> T:
        """On the load generator's core."""
        with on_core(self.cores.generator):
            return _run(main)


def _before_all_others() -> None:
    try:
        proc.before_all_others()
    except PermissionError:
        raise click.ClickException("--realtime needs root, or CAP_SYS_NICE") from None


Through = Callable[[measure.Options, Cores], Awaitable[T]]


def _wanted(only: str | None, relay: Through[T], daemon: Through[T]) -> tuple[Through[T] | None, Through[T] | None]:
    return relay if only != "daemon" else None, daemon if only != "relay" else None


async def _alternate(
    rounds: int,
    options: measure.Options,
    cores: Cores,
    first: tuple[str, Through[T] | None],
    second: tuple[str, Through[T] | None],
) -> list[tuple[T | None, T | None]]:
    """One run of each, again and again: a slow hour of the machine counts for both."""
    done = []
    for number in range(1, rounds + 1):
        pair: list[T | None] = []
        for name, through in (first, second):
            if through is not None:
                _say(f"round {number} of {rounds}: {name}")
            pair.append(None if through is None else await through(options, cores))
        done.append((pair[0], pair[1]))
    return done


async def _again(rounds: int, once: Callable[[], Awaitable[T]]) -> list[T]:
    """So many runs of the same."""
    done = []
    for number in range(1, rounds + 1):
        _say(f"round {number} of {rounds}")
        done.append(await once())
    return done


def _run(main: Coroutine[object, object, T]) -> T:
    """Run it to its end. SIGTERM ends it as Ctrl-C does: in good order, with its children."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_stoppable(main))
    except KeyboardInterrupt:
        sys.exit(130)
    except asyncio.CancelledError:
        sys.exit(143)
    except (BridgeFailed, ExceptionGroup) as error:
        found = failures(error)
        if not found:
            raise
        for text in found:
            click.echo(f"error: {text}", err=True)
        sys.exit(1)


async def _stoppable(main: Coroutine[object, object, T]) -> T:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await main


def _say(text: str) -> None:
    click.echo(text, err=True)


if __name__ == "__main__":
    main()
