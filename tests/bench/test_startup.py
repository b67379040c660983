"""The bench of the start-up measures what it says: real starts, and imports without a line of ours."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from bench import startup
from bench.startup import OURS, Result, Start, StartFailed


def test_one_round_of_real_starts(tmp_path: Path) -> None:
    said: list[str] = []
    result = startup.measure(1, said.append)
    assert len(said) == 2
    assert [len(starts) for starts in (result.python, result.imports, result.daemon)] == [1, 1, 1]
    # What is imported takes memory, and a daemon takes more than what it imports.
    assert result.python[0].megabytes < result.imports[0].megabytes < result.daemon[0].megabytes
    assert {"agenticd.app", "grpc", "aiohttp", "sqlite3"} <= set(result.modules)
    path = tmp_path / "out.json"
    startup.write_json(path, result, {})
    assert json.loads(path.read_text())["added_megabytes"] == result.added_megabytes


def test_the_difference_is_that_of_the_medians_and_what_is_unwanted_is_named() -> None:
    def starts(*seconds: float) -> list[Start]:
        return [Start(each, 100 * each) for each in seconds]

    result = Result(starts(0.1), starts(0.3, 0.2, 0.9), starts(0.5, 0.4, 0.6), ["grpc", "rich", "agenticd.app"])
    assert (round(result.added_seconds, 6), round(result.added_megabytes, 6)) == (0.2, 20.0)
    assert result.unwanted == ["rich"]
    out = io.StringIO()
    startup.show(result, Console(file=out, width=100))
    assert "adds 0.200 s and 20.0 MB" in out.getvalue()
    assert "rich" in out.getvalue().splitlines()[-1]
    assert "agenticd" in OURS


def test_a_start_that_fails_says_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "_SPY", "raise SystemExit('no such luck')")
    with pytest.raises(StartFailed, match="no such luck"):
        startup.modules_at_ready(tmp_path)
