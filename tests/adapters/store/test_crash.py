"""kill -9 while a process appends: what it acknowledged is there, and no revision is missing before it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from agenticd.core.ids import CallId
from agenticd.core.log import Logged, Select
from tests.adapters.store.conftest import SqlitePlace

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("kill_after", [1, 100, 700])
async def test_all_that_was_acknowledged_survives_kill_9(sqlite: SqlitePlace, kill_after: int) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.adapters.store.appender",
        str(sqlite.path),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    lines = [await process.stdout.readline() for _ in range(kill_after)]
    process.kill()
    rest = (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()
    acknowledged = [line.split() for line in [*lines, *rest] if line.endswith(b"\n")]
    assert [int(revision) for revision, _, _ in acknowledged] == [*range(1, len(acknowledged) + 1)]

    log = await sqlite.open(window=100)
    assert log.window.head >= len(acknowledged)
    found: list[Logged] = []
    after = 0
    while after < log.window.head:
        page = await log.read(after, Select(), 256)
        found += page.events
        after = page.upto
    assert [event.revision for event in found] == [*range(1, log.window.head + 1)]
    sequences: dict[CallId, int] = {}
    for event in found:
        sequences[event.call_id] = sequences.get(event.call_id, 0) + 1
    for revision, call_id, _ in acknowledged:
        assert found[int(revision) - 1].call_id == call_id.decode()
    for key, sequence in sequences.items():  # rows, requests and events changed together
        record, _ = await log.call(key)
        assert record is not None
        assert record.last_sequence == sequence
        assert record.closed == (sequence == 4)
        known = await log.request("me", key)
        assert known is not None
        assert known.call_id == key
