"""Starting a daemon: one that does not come up leaves nothing behind that would hinder the next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agenticd import launch
from tests.e2e.conftest import Line

SILENT = ("-c", "import signal; signal.pause()")
READY = (
    "-c",
    "import os, signal, socket\n"
    "notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
    "notify.sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])\n"
    "signal.pause()",
)


async def test_after_a_start_that_took_too_long_the_next_one_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with launch.listening_socket() as http:
        daemon = launch.Daemon(tmp_path / "config.yaml", http, tmp_path / "daemon.log", SILENT)
        with monkeypatch.context() as patched:
            patched.setattr(launch, "_START_WITHIN", 0.1)
            with pytest.raises(launch.NotReady, match="not ready within"):
                await daemon.start()
        daemon.program = READY
        await daemon.start()
        daemon.kill()
        await daemon.wait()


SAYS_WHETHER_IT_COLLECTS = (
    "-c",
    "import atexit, gc\n"
    "from agenticd.__main__ import main\n"
    "atexit.register(lambda: print('garbage collected:', gc.isenabled(), flush=True))\n"
    "main()",
)


async def test_a_daemon_that_is_up_collects_its_garbage(line: Callable[..., Any]) -> None:
    """It does not while it starts."""
    desk: Line = await line()
    await desk.sandbox.daemon.stop()
    desk.sandbox.daemon.program = SAYS_WHETHER_IT_COLLECTS
    await desk.sandbox.daemon.start()
    assert await desk.sandbox.daemon.stop() == 0
    assert desk.sandbox.daemon.log.read_text().count("garbage collected: True") == 1
