"""The daemon runs on uvloop where it can, and knows when its loop stands still."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest
import uvloop

from agenticd.adapters.host import loop
from agenticd.adapters.host.loop import LagProbe


async def _running() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def test_uvloop_is_used_where_it_is_wanted_and_there(monkeypatch: pytest.MonkeyPatch):
    assert isinstance(loop.run(_running()), uvloop.Loop)
    assert not isinstance(loop.run(_running(), uvloop=False), uvloop.Loop)
    monkeypatch.setitem(sys.modules, "uvloop", None)  # as if it were not installed
    assert not isinstance(loop.run(_running()), uvloop.Loop)


@pytest.mark.parametrize("wanted", [True, False])
def test_a_blocked_loop_is_seen_at_once_and_remembered(wanted: bool):
    async def main() -> None:
        probe = LagProbe()
        assert probe.lag() == 0.0
        probe.start()
        # Whoever asks first after a standstill must hear of it, even before the probe has measured.
        time.sleep(loop._INTERVAL + 0.2)  # noqa: ASYNC251 - this is the standstill
        assert probe.lag() >= 0.2
        while not any(probe._lags):  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0)
        assert probe.worst() >= 0.2
        probe.stop()
        assert probe.worst() >= 0.2

    loop.run(main(), uvloop=wanted)
