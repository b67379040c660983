"""The bench of the log measures what it says: a real log, real followers over a real socket, and every event once."""

from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from bench import eventlog
from bench.eventlog import Follower, Options


async def test_a_short_run_has_every_event_and_every_figure(tmp_path: Path) -> None:
    options = Options(rates=(200,), seconds=1.0, warm_up=0.2, followers=12)
    (run,) = await eventlog.measure(options)
    assert run.faults == 0
    assert run.events == 200, "and none of the warm-up"
    assert 0 < run.durable[0] <= run.durable[1] <= run.durable[2]
    assert 0 < run.disk[0] <= run.disk[1] <= run.disk[2]
    assert 0 < run.delivered[0] <= run.delivered[2]
    assert run.transactions > 1
    assert run.server_cpu > 0
    out = io.StringIO()
    eventlog.show([run], options, Console(file=out, width=140))
    assert "12 followers, 1 s each" in out.getvalue()
    eventlog.write_json(tmp_path / "out.json", [run], options)
    assert json.loads((tmp_path / "out.json").read_text())["runs"][0]["events"] == run.events


def test_a_follower_starts_at_the_beginning() -> None:
    assert (Follower().revision, Follower().faults) == (0, 0)
