"""The disk of a real daemon takes no more, while people are on the phone; then it does again."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import agentic
from agentic.v1 import call_pb2
from agenticd.emulator.phone import Line as Says
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.realtime import DEMO_CALLER_LINES, DEMO_GREETING
from agenticd.sandbox import FROM, Sandbox
from tests.e2e.conftest import TO, Line
from tests.e2e.operator import admin, logged

TALKS = PhoneScript(
    ring=0.1, lines=(Says(say=DEMO_CALLER_LINES[0]), Says(press="42#"), Says(hang_up=True, after="time", pause=0.5))
)
STAYS = PhoneScript(ring=0.1)
STAYING, CALLER = "+15550003333", "+15550008888"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Line]:
    """As `line`, but the daemon may tell of errors."""
    phones = {STAYING: STAYS}
    async with (
        Sandbox(tmp_path, greeting=DEMO_GREETING, phones=phones, default_phone=TALKS) as sandbox,
        agentic.connect(sandbox.address) as client,
    ):
        yield Line(sandbox, client)
    assert "Traceback" not in (tmp_path / "daemon.log").read_text()


@contextmanager
def full(sandbox: Sandbox) -> Iterator[None]:
    """No file of the daemon's may grow beyond what the log's newest has reached: a disk that is full, for a while."""
    pid, size = sandbox.daemon.pid, (sandbox.folder / "agenticd.db-wal").stat().st_size
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


async def health(sandbox: Sandbox) -> int:
    async with grpc.aio.insecure_channel(sandbox.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        return int((await stub.Check(health_pb2.HealthCheckRequest())).status)


async def test_people_talk_on_nobody_new_is_taken_and_all_is_recorded_when_it_can_be(desk: Line) -> None:
    sandbox, client = desk.sandbox, desk.client
    talking, staying = await desk.place(TO), await desk.place(STAYING)
    for call_id in (talking, staying):
        await desk.follow(call_id, until="media_connected")
    before = await client.status()
    with full(sandbox):
        await logged(sandbox, "the event log cannot be written; new calls are refused until it can")
        assert await health(sandbox) == NOT_SERVING
        status, why = await admin(sandbox, "/readyz")
        assert (status, why) == (
            503,
            "not ready: the event log cannot be written: disk I/O error (SQLITE_IOERR_WRITE)\n",
        )
        assert (await admin(sandbox, "/healthz"))[0] == 200
        with pytest.raises(agentic.errors.StoreDown):
            await desk.place("+15550004444")
        refused = await sandbox.twilio.ring_in(CALLER, FROM, STAYS)
        await refused.ended()
        assert refused.status == "busy"
        with pytest.raises(agentic.errors.StoreDown, match="is being hung up"):
            await client.hang_up(staying)
        await desk.phone_call(STAYING).ended()
        await desk.phone_call(TO).ended()  # the whole talk, to its end
        assert (await client.get_call(staying)).call.state == call_pb2.CALL_STATE_IN_PROGRESS, "as far as is recorded"
        assert (await client.status()).head_revision < before.head_revision + 20
    async with asyncio.timeout(20):
        while await health(sandbox) != SERVING:
            pass
    assert (await admin(sandbox, "/readyz"))[0] == 200
    talk = await desk.follow(talking)
    assert [words for speaker, words in talk.words if speaker == "CALLER"] == [DEMO_CALLER_LINES[0]]
    assert len(talk.all("digit_received")) == 3
    end = talk.one("call_ended").end
    assert (end.reason, end.ended_by) == (call_pb2.END_REASON_COMPLETED, call_pb2.ENDED_BY_CALLER)
    end = (await desk.follow(staying)).one("call_ended").end
    assert (end.reason, end.ended_by) == (call_pb2.END_REASON_COMPLETED, call_pb2.ENDED_BY_API)
    assert "call_answered" in (await desk.follow(await desk.place("+15550005555"))).kinds
    numbers = [call.to for call in sandbox.twilio.calls.values()]
    assert "+15550004444" not in numbers, "what was refused was not dialled, then or later"
