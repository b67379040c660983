"""`agenticd restore`: what it says when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agenticd import commands


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory without a configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTICD_CONFIG", str(tmp_path / "none.yaml"))


def restore(*arguments: str) -> Result:
    return CliRunner().invoke(commands.main, ["restore", *arguments])


@pytest.mark.parametrize(
    ("backup", "problem"), [("nope.db", "there is no such file"), (".", "is a directory")], ids=["missing", "directory"]
)
def test_a_backup_that_is_not_there_is_missed_before_the_configuration(backup: str, problem: str) -> None:
    done = restore(backup)
    assert (done.exit_code, done.stderr) == (
        78,
        f"error: {backup}: {problem}: name the file that `agentctl node backup` made\n",
    )


def test_what_is_no_backup_is_told_what_is_and_not_what_a_log_needs(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("My notes.\n")
    done = restore("notes", "--store", "x.db")
    assert (done.exit_code, done.stderr) == (
        78,
        "error: notes: is no backup of an event log: name the file that `agentctl node backup` made\n",
    )
    assert not (tmp_path / "x.db").exists()
