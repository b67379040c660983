"""Fixtures of the use cases' tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agenticd.adapters.store import Config, SqliteLog
from tests.log_support import ManualClock
from tests.service.watch_node import CODEC, DAY, WINDOW, Node


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    clock = ManualClock()
    config = Config(tmp_path / "a.db", keep_seconds=DAY, window_events=WINDOW)
    log = await SqliteLog.open(config, CODEC, clock)
    yield Node(log, clock)
    await log.close()
