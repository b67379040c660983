"""The bench of agentctl's start-up measures what it says: real commands, of which one is answered by a real daemon."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench import commands
from bench.startup import StartFailed


def test_one_round_of_real_commands() -> None:
    said: list[str] = []
    seconds = commands.measure(1, said.append)
    assert len(said) == 2
    assert {len(each) for each in seconds.values()} == {1}
    assert list(seconds)[:2] == [commands.PYTHON, commands.CONTRACT]
    assert commands.ASKS in seconds


def test_the_difference_is_that_of_the_medians() -> None:
    seconds = {
        commands.PYTHON: [0.01, 0.02, 0.09],
        commands.CONTRACT: [0.1, 0.11, 0.12],
        commands.ASKS: [0.3, 0.13, 0.14],
    }
    assert round(commands.above(seconds, commands.ASKS), 6) == 0.12
    out = io.StringIO()
    commands.show(seconds, Console(file=out, width=100))
    *_, verdict = out.getvalue().splitlines()
    assert "takes 120 ms above Python, the imports that it cannot do without 90 ms" in out.getvalue().replace("\n", " ")
    assert "150 ms" in verdict


def test_a_command_that_fails_says_what_it_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_CONTRACT", "raise SystemExit('no such luck')")
    with pytest.raises(StartFailed, match="no such luck"):
        commands.measure(1, lambda text: None)
