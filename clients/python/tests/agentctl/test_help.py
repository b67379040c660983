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
from agentic.v1 import call_pb2
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
    assert max(map(len, shown.splitlines())) < 80, "on a terminal of 80 columns no line is torn"
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


ASIDE = {
    "agentctl.conversation", "agentctl.failures", "agentctl.follow", "agentctl.usage", "agentctl.watching",
    "google.protobuf.descriptor_pb2", "google.protobuf.json_format", "importlib.metadata", "ipaddress", "pathlib",
    "random", "rich", "shlex", "urllib.parse",
}  # fmt: skip
"""What a command can do without, but for a few that cannot."""
WATCHING = {
    "agentctl.conversation", "agentctl.follow", "agentctl.watching", "ipaddress", "pathlib", "shlex", "urllib.parse",
}  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "more"),
    [
        (("call", "ls", "-o", "table"), set()),
        (("call", "get", CALL), set()),
        (("node", "status"), set()),
        (("call", "ls", "-o", "json"), {"google.protobuf.json_format", "google.protobuf.descriptor_pb2"}),
        (("events", "--call", CALL, "-o", "table"), WATCHING),
    ],
    ids=["call ls", "call get", "node status", "json", "events"],
)
async def test_a_command_loads_no_more_than_the_client(
    daemon: FakeDaemon, arguments: tuple[str, ...], more: set[str]
) -> None:
    daemon.calls[CALL] = call_pb2.Call(call_id=CALL)
    await daemon.append(call_closed={})
    loaded = await _said(daemon, "print(*sys.modules, file=sys.stderr)", *arguments)
    # Python itself, or grpc on some day: what they load is not agentctl's.
    theirs = await _said(daemon, "print(*sys.modules, file=sys.stderr)", run="from grpc import aio")
    assert {"grpc", "agentic.client"} <= loaded
    assert (ASIDE & loaded) - theirs <= more


async def test_garbage_is_collected_where_there_is_time_for_it(daemon: FakeDaemon) -> None:
    assert await _said(daemon, "print(gc.isenabled(), file=sys.stderr)", "version", "--client") == {"False"}
    await daemon.append(call_closed={})
    assert await _said(daemon, "print(gc.isenabled(), file=sys.stderr)", "events", "--call", CALL) == {"True"}


async def _said(
    daemon: FakeDaemon, then: str, *arguments: str, run: str = "from agentctl.__main__ import main; main()"
) -> set[str]:
    """The words on stderr, at the end of a command."""
    program = f"import gc, sys; {run}; {then}"
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, *arguments,
        env=os.environ | {"AGENTCTL_ADDR": daemon.address}, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    _, err = await started.communicate()
    assert started.returncode == 0
    return set(err.decode().splitlines()[-1].split())
