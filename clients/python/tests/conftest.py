"""A daemon of the tests' own, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentic import Client, Target
from tests.fake_daemon import FakeDaemon


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[FakeDaemon]:
    """A running daemon."""
    made = FakeDaemon(tmp_path)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def client(daemon: FakeDaemon) -> AsyncIterator[Client]:
    """A client of it."""
    async with Client(Target(daemon.address)) as made:
        yield made
