"""`agenticd demo` where it does not come to its end, and what stays of it. The whole of it: `make demo`."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from agenticd import commands, demo
from agenticd.emulator.phone import Phone, PhoneScript
from agenticd.emulator.voice import Voice


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files go: a path that is short enough for sockets, wherever pytest has its own."""
    folder = Path(tempfile.mkdtemp(prefix="agd-", dir="/tmp"))
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    shutil.rmtree(folder)


def test_a_wav_that_can_be_nowhere_is_refused_before_the_call(tmp_path: Path) -> None:
    result = CliRunner().invoke(commands.main, ["demo", "--wav", str(tmp_path / "nope" / "x.wav")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: --wav: there is no folder {tmp_path / 'nope'}\n")


def test_a_wav_that_cannot_be_written_in_the_end_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    phone = Phone(PhoneScript(), Voice())
    assert demo._keep_sound(phone, tmp_path / "call.wav") == []
    assert capsys.readouterr().out.endswith(f": {tmp_path / 'call.wav'}\n")
    (line,) = demo._keep_sound(phone, tmp_path)
    assert line == f"the call's sound cannot be written to {tmp_path}: Is a directory"


@pytest.mark.parametrize(
    ("problems", "unwritten", "code", "stays"),
    [([], [], 0, False), (["no answer"], [], 1, True), ([], ["no room"], 1, False)],
)
def test_only_the_log_of_a_call_that_failed_stays(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    problems: list[str], unwritten: list[str], code: int, stays: bool,
) -> None:  # fmt: skip
    async def shown(folder: Path, wav: Path | None) -> tuple[list[str], list[str]]:
        (folder / "daemon.log").write_text("what happened")
        return problems, unwritten

    monkeypatch.setattr(demo, "_show", shown)
    assert asyncio.run(demo.run(None)) == code
    logs = list(temporary.glob("*/daemon.log"))
    wanted = [f"error: {line}" for line in (*problems, *unwritten)]
    wanted += [f"hint: the daemon's log: {log}" for log in logs]
    assert capsys.readouterr().err.splitlines() == wanted
    assert (len(logs), len(os.listdir(temporary))) == ((1, 1) if stays else (0, 0))


def test_ctrl_c_is_one_line_and_nothing_stays(temporary: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "agenticd", "demo"], env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("PlaceCall"):
            break
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=40)[1]
    assert (process.returncode, said) == (130, "\nThe demo was stopped; nothing of it is left.\n")
    assert os.listdir(temporary) == []


def test_a_place_for_temporary_files_that_is_too_long_for_a_socket_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deep = tmp_path / ("t" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    assert asyncio.run(demo.run(None)) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"error: no socket can be made in {deep}/")
    assert said.endswith("; TMPDIR can name a shorter path")
