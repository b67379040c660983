"""Wrong command lines: what is said of each is in wrong.txt, to be read by people."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NamedTuple

import pytest

from agentctl.cli import main
from agentctl.exits import Exit


class Wrong(NamedTuple):
    """A command line, and what is said of it."""

    line: str
    said: str


def cases() -> list[Wrong]:
    """Blocks of "$ agentctl …" and what comes behind, parted by empty lines."""
    text = Path(__file__).with_name("wrong.txt").read_text()
    blocks = [block for block in text.split("\n\n") if block.startswith("$ agentctl")]
    return [Wrong(*block.removeprefix("$ ").partition("\n")[::2]) for block in blocks]


CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.line.removeprefix("agentctl ").replace(" ", "_"))
def test_every_wrong_command_line_is_told_what_would_be_right(
    case: Wrong, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AGENTCTL_ADDR", raising=False)
    assert main(shlex.split(case.line)[1:]) == Exit.USAGE
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.strip() == case.said.strip()


def test_there_are_many_and_each_has_an_error_and_a_way_on() -> None:
    assert len(CASES) >= 30
    assert len({case.line for case in CASES}) == len(CASES)
    for case in CASES:
        *errors, hint = case.said.strip().splitlines()
        assert all(line.startswith("error: ") for line in errors)
        assert hint.startswith("hint: ")


def test_without_a_command_the_help_is_shown_as_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["call"], ["node"]):
        assert main(arguments) == Exit.USAGE
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith(f"Usage: {' '.join(['agentctl', *arguments])} [OPTIONS] COMMAND")


def test_for_a_program_the_error_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["call", "get", "-o", "json"]) == Exit.USAGE
    assert capsys.readouterr().err == (
        '{"error":{"code":"INVALID_ARGUMENT","reason":"",'
        '"message":"CALL_ID is missing: a call\'s id; agentctl call ls shows them","metadata":{}}}\n'
    )
