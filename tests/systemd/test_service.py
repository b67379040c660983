"""The shipped units under a real systemd: started, reloaded, stopped, killed, stalled, asleep, wrongly configured."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import agentic
from agentic.v1 import call_pb2
from agenticd.emulator.phone import Line as Says
from agenticd.emulator.phone import PhoneScript
from agenticd.sandbox import FROM
from tests.systemd.conftest import Desk
from tests.systemd.instance import Instance

Make = Callable[..., Any]
GREETING = "Hello."
LISTENS = PhoneScript(ring=0.1, lines=(Says(hang_up=True, pause=0.1),))
"""Somebody who hangs up when the agent has spoken."""
LEAVES = PhoneScript(ring=0.1, lines=(Says(hang_up=True, after="time", pause=3.0),))
STAYS = PhoneScript(ring=0.1)
CALLER = "+15550003333"
_JOURNALDS = ("/usr/lib/systemd/systemd-journald", "/lib/systemd/systemd-journald")
SOON = "WatchdogSec=2s\nRestartSec=2s"
"""A watchdog to be waited for, and time to see what it did."""


async def started(service: Make, **arguments: Any) -> Desk:
    """A desk whose service has been started."""
    desk: Desk = await service(**arguments)
    await desk.sandbox.systemctl("start", "agenticd.service")
    return desk


async def settled(desk: Desk, words: str) -> None:
    """Wait until the daemon's log says so."""
    async with asyncio.timeout(20):
        while words not in desk.sandbox.log():
            await desk.client.status()


async def status_is(desk: Desk, pattern: str) -> None:
    """Wait until the unit's status is like that."""
    async with asyncio.timeout(20):
        while not re.fullmatch(pattern, await asyncio.to_thread(desk.sandbox.instance.show, "StatusText")):
            await desk.client.status()


# A journal namespace: such a journald reads neither the kernel's log nor the audit's. All that it may write to is the
# instance's own /run.
_JOURNALD = """\
[Service]
Type=notify
Environment=CONF=/run/systemd/journald@test.conf
ExecStartPre=/bin/sh -c 'echo [Journal] >$CONF; echo Storage=volatile >>$CONF'
ExecStart={program} test
Environment=SYSTEMD_LOG_TARGET=console
StandardOutput=null
StandardError=append:{base}/journald.log
PrivateDevices=yes
PrivateNetwork=yes
ProtectSystem=strict
ReadWritePaths=/run
"""


def start_journal(instance: Instance) -> None:
    """A real journald within the instance, where programs look for it. Without one the test is skipped."""
    program = next((path for path in _JOURNALDS if os.access(path, os.X_OK)), None)
    if program is None or shutil.which("journalctl") is None:
        pytest.skip("no journald is installed")
    (instance.units / "journald.service").write_text(_JOURNALD.format(program=program, base=instance.base))
    instance.systemctl("daemon-reload")
    instance.systemctl("start", "journald.service")
    instance.run("ln", "-s", "journal.test", "/run/systemd/journal")


def journal(instance: Instance, *matches: str) -> list[dict[str, Any]]:
    """What journalctl finds, as it is written."""
    instance.run("journalctl", "--namespace=test", "--sync")
    found = instance.run("journalctl", "--namespace=test", "--output=json", "--quiet", *matches)
    return [json.loads(line) for line in found.splitlines()]


def request(port: int, head: str = "GET /") -> bytes:
    """The first line of the answer to a request of nobody in particular."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(f"{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return connection.recv(1000).partition(b"\r\n")[0]


@pytest.mark.parametrize("audio", ["pcmu", "pcm24"])  # pcm24 brings numpy and its library
async def test_when_start_returns_the_daemon_takes_calls_and_has_next_to_no_rights(service: Make, audio: str) -> None:
    desk = await started(service, default_phone=LISTENS, greeting=GREETING, settings=f"    audio: {audio}\n")
    instance = desk.sandbox.instance
    with socket.socket(socket.AF_UNIX) as at_once:
        at_once.connect(desk.sandbox.address.removeprefix("unix:"))
    assert instance.show("ActiveState") == "active"
    assert re.fullmatch(r"\d+ calls, \d+ streams, head \d+", instance.show("StatusText"))
    assert (instance.show("WatchdogUSec"), instance.show("RestartUSec")) == ("20s", "100ms")
    status = instance.run("cat", f"/proc/{instance.show('MainPID')}/status")
    found = dict(re.findall(r"(?m)^(NoNewPrivs|Seccomp|CapEff|CapBnd):\s+(\w+)$", status))
    assert found == {"NoNewPrivs": "1", "Seccomp": "2", "CapEff": "0" * 16, "CapBnd": "0" * 16}
    # And that is enough for a whole call.
    history = await desk.follow(await desk.place())
    assert history.one("call_ended").end.reason == call_pb2.END_REASON_COMPLETED
    assert history.words == [("AGENT", GREETING)]
    assert "Operation not permitted" not in desk.sandbox.log()
    assert (instance.base / ".config/agenticd/agenticd.db").exists(), "the unit's state directory"


async def test_a_webhook_starts_a_daemon_that_sleeps_and_is_answered_by_it(service: Make) -> None:
    desk: Desk = await service(greeting=GREETING)
    await desk.sandbox.systemctl("start", "agenticd.socket")
    assert desk.sandbox.instance.show("ActiveState") == "inactive"
    call = await desk.sandbox.twilio.ring_in(CALLER, FROM, LISTENS)
    assert await call.ended() == "completed"
    (found,) = (await desk.client.list_calls()).calls
    history = await desk.follow(found.call_id)
    assert history.one("call_ended").end.reason == call_pb2.END_REASON_COMPLETED


async def test_a_crash_costs_a_moment_and_neither_a_call_that_comes_in_nor_an_event(
    service: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = await started(service, default_phone=LISTENS, greeting=GREETING)
    instance = desk.sandbox.instance
    first = await desk.place()
    revisions: list[int] = []
    calls: list[str] = []
    killed = 0.0
    async with desk.client.events(after=0) as stream:
        async for event in stream:
            revisions.append(event.revision)
            if event.WhichOneof("payload") != "call_closed":
                continue
            calls.append(event.call_id)
            if event.call_id != first:
                break
            killed = time.clock_gettime(time.CLOCK_MONOTONIC)
            await desk.sandbox.systemctl("kill", "--signal=KILL", "agenticd.service")
            await desk.sandbox.twilio.ring_in(CALLER, FROM, LISTENS)
    assert revisions == list(range(1, len(revisions) + 1))
    assert len(calls) == 2
    assert instance.show("NRestarts") == "1"
    ready = int(instance.show("ActiveEnterTimestampMonotonic")) / 1e6
    begun = int(instance.show("ExecMainStartTimestampMonotonic")) / 1e6
    assert killed < begun < ready
    with capsys.disabled():
        print(f"\nkill -9 to the new process {begun - killed:.2f} s, to READY {ready - killed:.2f} s")


async def test_a_daemon_that_stands_still_is_ended_by_the_watchdog_and_says_where_it_stood(service: Make) -> None:
    desk = await started(service, more=SOON)
    await desk.sandbox.systemctl("kill", "--signal=STOP", "agenticd.service")
    await desk.sandbox.until("Result", "watchdog")
    await desk.sandbox.until("ActiveState", "active")
    await desk.client.status()
    assert "Fatal Python error: Aborted" in desk.sandbox.log(), "where each thread stood"


async def test_a_writer_that_stands_still_is_as_good_as_a_daemon_that_does(service: Make) -> None:
    desk = await started(service, more=SOON, default_phone=STAYS)
    database = desk.sandbox.instance.base / ".config/agenticd/agenticd.db"

    async def try_to_place() -> None:
        with contextlib.suppress(agentic.AgenticError):  # it gives up, or its second try succeeds
            await desk.place()

    async with asyncio.TaskGroup() as group:
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # as a disk that does not answer
            group.create_task(try_to_place())
            await settled(desk, "no sign of life for the watchdog")
            status = desk.sandbox.instance.show("StatusText")
            assert status.startswith("no sign of life for the watchdog: the log writer has not moved for ")
            await desk.sandbox.until("Result", "watchdog")
            other.execute("ROLLBACK")
        await desk.sandbox.until("ActiveState", "active")
    assert "the log writer" in desk.sandbox.log()
    assert len((await desk.client.list_calls()).calls) <= 1


async def test_a_wrong_configuration_is_said_once_and_not_tried_again(service: Make) -> None:
    desk: Desk = await service()
    config = desk.sandbox.config
    config.write_text(config.read_text().replace("public_url:", "public_ulr:"))
    await desk.sandbox.systemctl("start", "agenticd.service", check=False)
    instance = desk.sandbox.instance
    found = {name: instance.show(name) for name in ("ActiveState", "SubState", "ExecMainStatus", "NRestarts")}
    assert found == {"ActiveState": "failed", "SubState": "failed", "ExecMainStatus": "78", "NRestarts": "0"}
    assert "public_url?" in desk.sandbox.log()
    status = instance.show("StatusText")
    assert re.fullmatch(r"not started: \S+/config.yaml:\d+:\d+: public_ulr: .*", status), status
    config.write_text(config.read_text().replace("public_ulr:", "public_url:"))
    await desk.sandbox.systemctl("start", "agenticd.service")
    await desk.client.status()


async def test_a_port_that_is_taken_is_tried_again(service: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        desk: Desk = await service(extra="")
        config = desk.sandbox.config
        port = taken.getsockname()[1]
        config.write_text(
            config.read_text().replace('admin: {listen: "127.0.0.1:0"}', f'admin: {{listen: "127.0.0.1:{port}"}}')
        )
        await desk.sandbox.systemctl("start", "--no-block", "agenticd.service")
        await desk.sandbox.until("ExecMainStatus", "1")
    await desk.sandbox.until("ActiveState", "active")
    await desk.client.status()


async def test_reload_takes_over_what_can_be_taken_over_and_keeps_what_is_live(service: Make) -> None:
    desk = await started(service, default_phone=STAYS)
    instance, config = desk.sandbox.instance, desk.sandbox.config
    call_id = await desk.place()
    await desk.follow(call_id, until="media_connected")
    pid = instance.show("MainPID")
    config.write_text(config.read_text() + "limits: {max_calls: 1}\n")
    await desk.sandbox.systemctl("reload", "agenticd.service")
    await settled(desk, "the configuration was reloaded")
    await desk.sandbox.until("ActiveState", "active")
    with pytest.raises(agentic.AgenticError, match="which is the limit"):
        await desk.place(CALLER)
    config.write_text(config.read_text() + "limit: 1\n")
    await desk.sandbox.systemctl("reload", "agenticd.service")
    await settled(desk, "the configuration was not reloaded")
    await desk.sandbox.until("ActiveState", "active")
    status = instance.show("StatusText")
    assert re.fullmatch(
        r"reload refused: \S+/config.yaml:\d+:1: limit: .* "
        r"running with the configuration of \d{4}-\d\d-\d\d \d\d:\d\d; \d+ calls, \d+ streams, head \d+",
        status,
    ), status
    config.write_text(config.read_text().replace("limit: 1\n", ""))
    await desk.sandbox.systemctl("reload", "agenticd.service")
    await status_is(desk, r"\d+ calls, .*")
    config.write_text(config.read_text().replace("calls_per_second: 1000", "calls_per_second: 7"))
    await desk.sandbox.systemctl("reload", "agenticd.service")
    await status_is(desk, r"waiting for a restart: twilio.calls_per_second; \d+ calls, .*")
    assert instance.show("MainPID") == pid
    assert (await desk.client.status()).live_calls == 1
    await desk.client.hang_up(call_id)
    await desk.follow(call_id)


async def test_the_journal_finds_what_belongs_to_a_call(service: Make) -> None:
    desk: Desk = await service(more="StandardError=journal", default_phone=LISTENS, greeting=GREETING)
    instance, port = desk.sandbox.instance, desk.sandbox.http.getsockname()[1]
    await asyncio.to_thread(start_journal, instance)
    await desk.sandbox.systemctl("start", "agenticd.service")
    calls = [await desk.place(), await desk.place(CALLER)]
    for call_id in calls:
        await desk.follow(call_id)
    answer = await asyncio.to_thread(request, port, f"POST /twilio/status/{calls[0]}")
    assert answer.startswith(b"HTTP/1.1 403")
    for call_id in calls:
        found = await asyncio.to_thread(journal, instance, f"AGENTICD_CALL={call_id}")
        assert {json.loads(entry["MESSAGE"])["call_id"] for entry in found} == {call_id}
        said = [json.loads(entry["MESSAGE"])["message"] for entry in found]
        assert said[0] == "call queued"
        assert said[-1] == ("request refused" if call_id == calls[0] else "call ended")
        assert {(entry["SYSLOG_IDENTIFIER"], entry["_PID"]) for entry in found} == {
            ("agenticd", instance.show("MainPID"))
        }
    warnings = await asyncio.to_thread(journal, instance, "-p", "warning")
    assert [json.loads(entry["MESSAGE"])["message"] for entry in warnings] == ["request refused"]


async def test_stop_lets_people_finish(service: Make) -> None:
    desk = await started(service, default_phone=LEAVES)
    call_id = await desk.place()
    await desk.follow(call_id, until="media_connected")
    await desk.sandbox.systemctl("stop", "--no-block", "agenticd.socket", "agenticd.service")
    await settled(desk, '"draining"')
    instance = desk.sandbox.instance
    assert re.fullmatch(
        r"stopping: calls may go on until \d\d:\d\d:\d\d, then they are ended; "
        r"1 calls, \d+ streams, head \d+, takes no new calls",
        instance.show("StatusText"),
    )
    await desk.sandbox.until("ActiveState", "inactive")
    assert desk.phone_call().status == "completed"
    found = {name: instance.show(name) for name in ("ActiveState", "Result", "ExecMainStatus", "NRestarts")}
    assert found == {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0", "NRestarts": "0"}
    await desk.sandbox.systemctl("start", "agenticd.service")
    end = (await desk.follow(call_id)).one("call_ended").end
    assert (end.reason, end.ended_by) == (call_pb2.END_REASON_COMPLETED, call_pb2.ENDED_BY_CALLER)


async def test_a_stop_may_take_longer_than_the_unit_says(service: Make) -> None:
    desk = await started(service, more="TimeoutStopSec=1s", default_phone=LEAVES)
    call_id = await desk.place()
    await desk.follow(call_id, until="media_connected")
    await desk.sandbox.systemctl("stop", "agenticd.socket", "agenticd.service")
    assert desk.sandbox.instance.show("Result") == "success"
    assert desk.phone_call().status == "completed"


async def test_only_both_units_together_stay_stopped(service: Make) -> None:
    desk = await started(service)
    port = desk.sandbox.http.getsockname()[1]
    assert (await asyncio.to_thread(request, port)).startswith(b"HTTP/1.1 4")
    await desk.sandbox.systemctl("stop", "agenticd.service")
    assert (await asyncio.to_thread(request, port)).startswith(b"HTTP/1.1 4"), "the socket started it again"
    await desk.sandbox.systemctl("stop", "agenticd.socket", "agenticd.service")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.to_thread(request, port)
    assert desk.sandbox.instance.show("ActiveState") == "inactive"


async def test_a_secret_comes_as_a_credential_and_is_nowhere_else(service: Make, tmp_path: Path) -> None:
    secret = tmp_path / "OPENAI_API_KEY"
    desk: Desk = await service(more=f"LoadCredential=OPENAI_API_KEY:{secret}", default_phone=LISTENS, greeting=GREETING)
    key = desk.sandbox.realtime.config.api_key
    secret.write_text(key)
    secret.chmod(0o600)
    config = desk.sandbox.config
    config.write_text(config.read_text().replace(f"api_key: {key}", 'api_key: "${OPENAI_API_KEY}"'))
    assert key not in config.read_text()
    await desk.sandbox.systemctl("start", "agenticd.service")
    history = await desk.follow(await desk.place())
    assert history.words == [("AGENT", GREETING)], "the model took the key"
    instance = desk.sandbox.instance
    assert key not in instance.run("cat", f"/proc/{instance.show('MainPID')}/environ")
