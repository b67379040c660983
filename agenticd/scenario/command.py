"""`agenticd test`: the command line of scenarios."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from agenticd.usage import told

if TYPE_CHECKING:
    from agenticd.scenario.story import Scenario
    from agenticd.scenario.worlds import Place

_FAILED, _USAGE, _INTERRUPTED = 1, 2, 130
_COLOURS = {"passed": "green", "failed": "red", "skipped": "yellow", "note": "bright_black"}
_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SCENARIO...")
@click.option("--config", "config", type=_FILE, help="Take the agents of this config.yaml.")
@click.option("--daemon", metavar="ADDRESS", help="Use this daemon, for example unix:/run/agenticd/agenticd.sock.")
@click.option("--twilio-port", type=click.IntRange(1, 65535), default=4010, show_default=True, help="With --daemon.")
@click.option("--openai-port", type=click.IntRange(1, 65535), default=4011, show_default=True, help="With --daemon.")
@click.option(
    "--voice-url", default="http://127.0.0.1:8080/twilio/voice", show_default=True, help="With --daemon: its webhook."
)
@click.option("--jobs", "-j", type=click.IntRange(1, 64), default=4, show_default=True, help="Scenarios at once.")
@click.option("--junit", type=_FILE, metavar="FILE", help="Write the results as JUnit XML.")
@click.option("--out", type=_FOLDER, metavar="FOLDER", help="A new folder for what is kept of those that failed.")
@click.option("--keep", is_flag=True, help="Keep time line, sound and log of what passed, too.")
@click.option("--check", is_flag=True, help="Only read the files and say what is wrong with them.")
def test(
    files: tuple[Path, ...],
    config: Path | None,
    daemon: str | None,
    twilio_port: int,
    openai_port: int,
    voice_url: str,
    jobs: int,
    junit: Path | None,
    out: Path | None,
    keep: bool,
    check: bool,
) -> None:
    """Play scenarios against a real daemon, and say whether all was as it should be.

    A SCENARIO is a YAML file: who calls whom, what the caller says and when, what the model answers, what goes wrong,
    and what must be true at the end. docs/scenarios.md has all of it. Of a folder, its .yaml files are taken.

    Each scenario gets a daemon and an emulator of its own, unless --daemon names one that runs and is configured for
    `agenticd emulate` on these ports. Of a scenario that fails, the time line, a wav of both sides and the daemon's log
    are kept.

    It exits with 0 when all passed, 1 when one failed, 2 when nothing was played: a file or the command line is wrong,
    or what --daemon needs is not there.

    \b
    Examples:
      agenticd test scenarios/
      agenticd test scenarios/booking.yaml --config config.yaml --junit results.xml
    """
    if config is not None and daemon is not None:
        raise click.UsageError("--config is for a daemon that is started here; the one at --daemon has its own.")
    scenarios = _read(files)
    place = _place(config, daemon, (twilio_port, openai_port), voice_url)
    if check:
        click.echo(f"{len(scenarios)} {'scenario is' if len(scenarios) == 1 else 'scenarios are'} in order")
        return
    if junit is not None and not junit.absolute().parent.is_dir():
        _fail(f"--junit: there is no folder {junit.parent}")
    folder = _folder(out)
    sys.exit(_play(scenarios, place, folder, jobs, junit, keep=keep))


def _read(files: tuple[Path, ...]) -> list[Scenario]:
    """All scenarios; with any that is wrong, all problems are told and nothing is played."""
    from agenticd.config import ConfigError
    from agenticd.scenario.reading import load

    found, wrong = [], []
    for file in _expanded(files):
        try:
            found.append(load(file))
        except ConfigError as error:
            wrong += str(error).splitlines()
    if wrong:
        _fail(*wrong)
    return found


def _expanded(files: tuple[Path, ...]) -> list[Path]:
    expanded: list[Path] = []
    for file in files:
        if file.is_dir():
            inside = sorted((*file.glob("*.yaml"), *file.glob("*.yml")))
            if not inside:
                _fail(f"{file} has no .yaml file in it")
            expanded += inside
        else:
            expanded.append(file)
    return expanded


def _place(config: Path | None, daemon: str | None, ports: tuple[int, int], voice_url: str) -> Place:
    from agenticd.config import ConfigError, load_agents
    from agenticd.scenario.worlds import Given, Own

    if daemon is not None:
        return Given(daemon, *ports, voice_url)
    if config is None:
        return Own()
    try:
        return Own(load_agents(config, os.environ))
    except ConfigError as error:
        _fail(*str(error).splitlines())


def _folder(out: Path | None) -> Path:
    """Where what is kept goes: nothing is overwritten."""
    if out is None:
        return Path(tempfile.mkdtemp(prefix="agenticd-test-"))
    if not out.absolute().parent.is_dir():
        _fail(f"--out: there is no folder {out.parent}")
    try:
        out.mkdir(exist_ok=True)
        if any(out.iterdir()):
            _fail(f"--out {out} is not empty; name a new folder")
    except OSError as error:
        _fail(f"--out {out}: {error.strerror}")
    return out


def _play(scenarios: list[Scenario], place: Place, folder: Path, jobs: int, junit: Path | None, *, keep: bool) -> int:
    from agentctl.page import terminal_columns
    from agenticd.adapters.host import loop
    from agenticd.emulator.run import quiet_logs
    from agenticd.scenario.junit import xml
    from agenticd.scenario.report import Report, Verdict
    from agenticd.scenario.run import run
    from agenticd.scenario.worlds import NoPlace

    quiet_logs()
    terminal = sys.stdout.isatty()
    longest = max(len(scenario.short) for scenario in scenarios)
    report = Report(_style, terminal_columns if terminal else None, longest)
    began, clock, played = datetime.now(UTC), time.monotonic(), 0

    def tell(verdict: Verdict) -> None:
        nonlocal played
        played += 1
        click.echo(report.verdict(verdict), nl=False)

    try:
        # Not on uvloop: it starts processes by fork, which ends badly where gRPC has threads; asyncio does it by vfork.
        verdicts = loop.run(
            run(scenarios, place, folder, jobs, tell, keep=keep),
            uvloop=False,
        )
    except NoPlace as error:
        return told(str(error), hint=error.hint, code=_USAGE)
    except KeyboardInterrupt:
        click.echo(f"\nstopped: {played} of {len(scenarios)} scenarios were played to their ends", err=True)
        return _INTERRUPTED
    finally:
        if not any(folder.iterdir()):  # nothing was kept
            folder.rmdir()
    seconds = time.monotonic() - clock
    click.echo(report.summary(verdicts, seconds), nl=False)
    if junit is not None:
        try:
            junit.write_bytes(xml(verdicts, began, seconds))
        except OSError as error:
            _fail(f"--junit {junit}: {error.strerror}")
    return _FAILED if any(verdict.word == "failed" for verdict in verdicts) else 0


def _style(text: str, role: str) -> str:
    return click.style(text, fg=_COLOURS.get(role))


def _fail(*problems: str) -> NoReturn:
    sys.exit(told(*problems, code=_USAGE))
