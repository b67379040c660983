"""Every store passes the same suite: a new one is added to `STORES` and to nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest

from agenticd.adapters.store import Config, SqliteLog
from agenticd.service.ports import EventLog
from tests.log_support import JsonCodec, ManualClock

DAY = 86_400.0


class Store(EventLog, Protocol):
    """What the suite needs beside the port."""

    async def prune(self, now: float) -> int: ...

    async def close(self) -> None: ...


class Place(Protocol):
    """One log's place: opened, closed and opened again."""

    clock: ManualClock

    async def open(self, *, keep: float | None = None, window: int = 1000, waiting: int = 10_000) -> Store: ...


class SqlitePlace:
    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.path = folder / "state" / "agenticd.db"
        self.opened: list[SqliteLog] = []

    async def open(
        self, *, keep: float | None = None, window: int = 1000, waiting: int = 10_000, size: int | None = None
    ) -> SqliteLog:
        config = Config(
            self.path, keep, waiting, window_events=window, warm_events=window // 2, keep_bytes=size, retry_seconds=0.01
        )
        log = await SqliteLog.open(config, JsonCodec(), self.clock)
        self.opened.append(log)
        return log

    async def close(self) -> None:
        for log in self.opened:
            await log.close()


STORES = {"sqlite": SqlitePlace}


@pytest.fixture(params=STORES)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    place = STORES[request.param](tmp_path)
    yield place
    await place.close()


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SqlitePlace]:
    place = SqlitePlace(tmp_path)
    yield place
    await place.close()


@pytest.fixture
async def store(place: Place) -> Store:
    return await place.open()
