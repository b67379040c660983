"""The help, and how little agentctl loads before it must."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator

import click
import pytest

from agentctl.cli import cli, main
from agentctl.exits import Exit
from tests.fake_daemon import CALL, FakeDaemon

SLOW = {"asyncio", "grpc", "google.protobuf", "rich", "agentic"}
"""Each of these takes tens of milliseconds, or brings in what does."""


def commands(command: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    if isinstance(command, click.Group):
        for name, one in command.commands.items():
            yield from commands(one, *path, name)
    else:
        yield path


COMMANDS = list(commands(cli))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_shows_two_examples_and_says_what_it_is(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*path, "--help"]) == Exit.OK
    shown = capsys.readouterr().out
    assert shown.count("\n    agentctl ") == 2
    assert f"agentctl {' '.join(path)}" in shown.partition("Examples:")[2]
    for option in (param for param in _command(path).params if isinstance(param, click.Option)):
        assert option.help, f"{option.name} says nothing"


def _command(path: tuple[str, ...]) -> click.Command:
    found: click.Command = cli
    for name in path:
        assert isinstance(found, click.Group)
        found = found.commands[name]
    return found


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_example_is_a_command_line_that_is_right(path: tuple[str, ...]) -> None:
    text = _command(path).help or ""
    for line in text.partition("Examples:")[2].splitlines():
        if not line.strip():
            continue
        arguments = shlex.split(line.partition("|")[0].partition(" && ")[0].partition(">")[0])[1:]
        with cli.make_context("agentctl", arguments, resilient_parsing=False) as ctx:
            command, rest = ctx.command, [*ctx._protected_args, *ctx.args]
            while isinstance(command, click.Group):
                _, found, rest = command.resolve_command(ctx, rest)
                assert found is not None
                command = found
            command.make_context(command.name, rest, parent=ctx)


def test_the_help_lists_every_command_by_what_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    shown = capsys.readouterr().out
    listed = shown[shown.index("\nCalls:\n") :]
    assert [line for line in listed.splitlines() if line and line[0] != " "] == [
        "Calls:",
        "Events:",
        "Node:",
        "agentctl:",
    ]
    for path in COMMANDS:
        assert f"\n  {' '.join(path)} " in listed
    assert "..." not in listed, "nothing is cut off"


@pytest.mark.parametrize("arguments", [["--help"], ["call", "place", "--help"], ["events", "--help"], ["plac"],
                                       ["version", "--client"], ["completion", "zsh"]])  # fmt: skip
def test_what_needs_no_daemon_loads_nothing_slow(arguments: list[str]) -> None:
    program = f"import sys; from agentctl.cli import main; main({arguments!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "click" in loaded
    assert not SLOW & loaded


async def test_a_command_loads_no_more_than_the_client(daemon: FakeDaemon) -> None:
    await daemon.append(call_closed={})
    program = "import sys; from agentctl.cli import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    environment = os.environ | {"AGENTCTL_ADDR": daemon.address}
    for arguments in (("call", "ls", "-o", "table"), ("events", "--call", CALL, "-o", "table")):
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, *arguments, env=environment, stdout=PIPE, stderr=PIPE
        )
        _, err = await started.communicate()
        loaded = set(err.decode().splitlines()[-1].split())
        assert {"grpc", "agentic.client"} <= loaded
        assert not {"rich", "google.protobuf.json_format", "agentctl.failures"} & loaded
