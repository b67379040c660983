"""A daemon that comes back in bad times, and says so from its first word on."""

from __future__ import annotations

import resource
import textwrap
from pathlib import Path

import agentic
from agenticd.emulator.phone import PhoneScript
from agenticd.sandbox import Sandbox
from tests.e2e.conftest import TO
from tests.e2e.operator import admin, logged
from tests.e2e.test_full_disk import NOT_SERVING, health


def program(folder: Path, before: str) -> tuple[str]:
    """The daemon, after these lines of Python."""
    path = folder / "program.py"
    path.write_text(
        textwrap.dedent(before) + "import runpy\nrunpy.run_module('agenticd', run_name='__main__', alter_sys=True)\n"
    )
    return (str(path),)


async def test_a_log_that_cannot_be_written_from_the_start_on_is_told_of(tmp_path: Path) -> None:
    limited = """\
        import os, resource
        most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ.get("LIMIT", most)), most))
        """
    phone = PhoneScript(ring=0.1)
    async with Sandbox(tmp_path, default_phone=phone, program=program(tmp_path, limited)) as sandbox:
        async with agentic.connect(sandbox.address) as client:
            placed = await client.place_call(TO)
            async for event in client.follow(placed):
                if event.WhichOneof("payload") == "media_connected":
                    break
        sandbox.daemon.kill()
        await sandbox.daemon.wait()
        sandbox.daemon.environ = {"LIMIT": str((tmp_path / "agenticd.db-wal").stat().st_size)}
        await sandbox.daemon.start()
        await logged(sandbox, "the event log cannot be written; new calls are refused until it can")
        assert await health(sandbox) == NOT_SERVING
        assert (await admin(sandbox, "/readyz"))[0] == 503
        most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.prlimit(sandbox.daemon.pid, resource.RLIMIT_FSIZE, (most, most))
        await logged(sandbox, "the event log can be written again")


async def test_a_drain_that_comes_before_it_is_ready_holds(tmp_path: Path) -> None:
    drained = """\
        from agenticd.adapters.rpc.server import RpcServer
        start = RpcServer.start

        async def start_and_drain(self):
            await start(self)
            await self.drain()

        RpcServer.start = start_and_drain
        """
    async with Sandbox(tmp_path, program=program(tmp_path, drained)) as sandbox:
        assert await health(sandbox) == NOT_SERVING
        assert (await admin(sandbox, "/readyz"))[0] == 503
