"""`python -m bench`: what the daemon adds to a call. `python -m bench soak`: what calls leave behind."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import click
import uvloop
from rich.console import Console

from bench import measure, proc, report, soak
from bench.bridges import BridgeFailed, failures
from bench.proc import Cores, on_core

T = TypeVar("T")

_PAPER = 100  # columns, where the output is no terminal

_JSON = click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write everything to a file, too.",
)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--calls", default=20, show_default=True, type=click.IntRange(1, 1000), help="Calls at once.")
@click.option(
    "--seconds",
    default=15.0,
    show_default=True,
    type=click.FloatRange(0.5, 600),
    help="Measured in each run.",
)
@click.option("--warm-up", default=3.0, show_default=True, type=click.FloatRange(0, 60), help="Seconds before that.")
@click.option(
    "--rounds",
    default=4,
    show_default=True,
    type=click.IntRange(1, 50),
    help="One run of each bridge in each.",
)
@click.option(
    "--realtime",
    is_flag=True,
    help="Run the bridge and the load generator before all other processes (SCHED_RR; needs root): for a machine "
    "that others use, where p99 shows their time slices.",
)
@click.option("--only", type=click.Choice(["relay", "daemon"]), help="Measure one of the two.")
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
    cores = Cores.choose()
    console = Console() if sys.stdout.isatty() else Console(width=_PAPER)
    if realtime:
        try:
            proc.before_all_others()
        except PermissionError:
            raise click.ClickException("--realtime needs root, or CAP_SYS_NICE") from None
    with on_core(cores.generator):
        done = _run(_rounds(options, cores, rounds, only))
    setting = f"{cores}{', both before all other processes' if realtime else ''}"
    report.show(done, options, setting, console)
    if json_path is not None:
        report.write_json(json_path, done, options, setting)
    sys.exit(1 if any(run.faults for each in done for run in each.runs) else 0)


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


async def _rounds(options: measure.Options, cores: Cores, rounds: int, only: str | None) -> list[report.Round]:
    done = []
    for number in range(1, rounds + 1):
        relay = daemon = None
        if only != "daemon":
            _say(f"round {number} of {rounds}: the relay")
            relay = await measure.through_relay(options, cores)
        if only != "relay":
            _say(f"round {number} of {rounds}: the daemon")
            daemon = await measure.through_daemon(options, cores)
        done.append(report.Round(relay, daemon))
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
