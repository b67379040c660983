"""A command line of `agenticd` that is wrong: one form for all commands, and what would be right."""

from __future__ import annotations

from importlib.metadata import version

import click
import pytest
from click.testing import CliRunner, Result

from agenticd import commands
from agenticd.usage import Root


def agenticd(*arguments: str) -> Result:
    return CliRunner().invoke(commands.main, arguments)


@pytest.mark.parametrize(
    ("line", "error", "hint"),
    [
        ("srve", "there is no command 'srve'; did you mean agenticd serve?", "agenticd --help"),
        ("create", "there is no command 'create'; did you mean agenticd token create?", "agenticd --help"),
        ("zzz", "there is no command 'zzz'; there are serve, config check, demo, restore, ", "agenticd --help"),
        ("token creat", "no command 'token creat'; did you mean agenticd token create?", "agenticd token --help"),
        ("serve --cofig x", "--cofig is no option of agenticd serve; did you mean --config?", "agenticd serve --help"),
        ("emulate --nmber 1", "--nmber is no option of agenticd emulate; did you mean --n", "agenticd emulate --help"),
        ("emulate --person nosuch", "'nosuch' is no file, and none of talks, ", "agenticd emulate --help"),
        ("emulate --answers nope", "nope is no file: --answers takes one with ", "agenticd emulate --help"),
        ("emulate --voice loud", "--voice: 'loud' is not one of 'clips', 'espeak'", "agenticd emulate --help"),
        ("test", "SCENARIO is missing", "agenticd test --help"),
        ("test --jobs", "--jobs needs a value", "agenticd test --help"),
        ("token create", "NAME is missing", "agenticd token create --help"),
    ],
)
def test_every_command_says_it_in_two_lines_with_2(line: str, error: str, hint: str) -> None:
    result = agenticd(*line.split())
    assert (result.exit_code, result.stdout) == (2, "")
    first, last = result.stderr.splitlines()
    assert first.startswith("error: ")
    assert error in first
    assert last == f"hint: {hint}"


def test_a_group_alone_shows_its_help() -> None:
    result = agenticd("token")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: agenticd token ")


def test_the_version_is_an_option_too() -> None:
    result = agenticd("--version")
    assert (result.exit_code, result.output) == (0, f"agenticd {version('agenticd')}\n")


@pytest.mark.parametrize("group", [[], ["config"], ["token"]])
def test_the_help_cuts_no_line(group: list[str]) -> None:
    result = CliRunner().invoke(commands.main, [*group, "--help"], terminal_width=80)
    assert "..." not in result.output.replace("[ARGS]...", "")
    assert max(map(len, result.output.splitlines())) <= 80


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (KeyboardInterrupt(), 130, ""),
        (click.ClickException("the disk is full"), 1, "error: the disk is full\n"),
    ],
)
def test_how_a_command_ends_that_did_not_come_to_its_end(raised: BaseException, code: int, said: str) -> None:
    @click.group("agenticd", cls=Root)
    def main() -> None:
        """Some commands."""

    @main.command()
    def work() -> None:
        """One of them."""
        raise raised

    result = CliRunner().invoke(main, ["work"])
    assert (result.exit_code, result.output) == (code, said)
