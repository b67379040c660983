"""The daemon is stopped, drained and told to read its configuration again, while people are on the phone."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import pytest

import agentic
from agentic.v1 import call_pb2
from agenticd.emulator.phone import Line as Says
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.realtime import DEMO_CALLER_LINES, DEMO_GREETING
from agenticd.sandbox import FROM
from tests.e2e.conftest import TO, Line
from tests.e2e.operator import log_lines, logged

Make = Callable[..., Any]
LEAVES = PhoneScript(ring=0.1, lines=(Says(say=DEMO_CALLER_LINES[0]), Says(hang_up=True)))
OTHER = "+15550003333"


async def settled(desk: Line, words: str) -> None:
    """Wait until the daemon's log says so."""
    async with asyncio.timeout(20):
        while words not in (desk.sandbox.folder / "daemon.log").read_text():
            await desk.client.status()


async def test_sigterm_lets_people_finish_and_takes_no_new_calls(line: Make) -> None:
    desk: Line = await line(greeting=DEMO_GREETING, default_phone=LEAVES)
    call_id = await desk.place()
    await desk.follow(call_id, until="media_connected")
    desk.sandbox.daemon.tell(signal.SIGTERM)
    await settled(desk, '"draining"')
    with pytest.raises(agentic.errors.Draining, match="the daemon is draining: it takes no new calls"):
        await desk.place(OTHER)
    assert (await desk.client.status()).draining
    history = await desk.follow(call_id, until="call_closed")
    end = history.one("call_ended").end
    assert (end.reason, end.ended_by) == (call_pb2.END_REASON_COMPLETED, call_pb2.ENDED_BY_CALLER)
    assert len(history.words) == 3
    assert await desk.sandbox.daemon.wait() == 0
    told = [line["message"] for line in log_lines(desk.sandbox) if line["level"] == "info" and "call_id" not in line]
    assert told[-3:] == ["stopping", "draining", "stopped"]


async def test_when_the_time_is_over_the_caller_is_told(line: Make) -> None:
    desk: Line = await line(
        default_phone=PhoneScript(ring=0.1),
        settings='    apology: "Goodbye."\n',
        extra="limits: {drain_timeout: 0s}\n",
    )
    call_id = await desk.place()
    await desk.follow(call_id, until="media_connected")
    desk.sandbox.daemon.tell(signal.SIGTERM)
    assert await desk.sandbox.daemon.wait() == 0
    assert desk.phone_call().said == ["Goodbye."]
    assert (await logged(desk.sandbox, "the time to drain is over; ending what is left"))["calls"] == 1
    assert desk.phone_call().status == "completed"
    await desk.sandbox.daemon.start()
    history = await desk.follow(call_id)
    assert history.one("call_ended").end.reason == call_pb2.END_REASON_DRAINED


async def test_a_second_sigterm_does_not_wait(line: Make) -> None:
    desk: Line = await line(default_phone=PhoneScript(ring=0.1))
    call_id = await desk.place()
    await desk.follow(call_id, until="media_connected")
    desk.sandbox.daemon.tell(signal.SIGTERM)
    await settled(desk, '"draining"')
    desk.sandbox.daemon.tell(signal.SIGTERM)
    assert await desk.sandbox.daemon.wait() == 0
    assert desk.phone_call().status == "completed"
    assert desk.phone_call().said == []
    stops = [(line["message"], line["signal"]) for line in log_lines(desk.sandbox) if "signal" in line]
    assert stops == [("stopping", "SIGTERM"), ("stopping; what is left is ended at once", "SIGTERM")]
    assert log_lines(desk.sandbox)[-1]["message"] == "stopped"


async def test_a_call_that_waits_for_its_turn_goes_on_after_the_restart(line: Make) -> None:
    desk: Line = await line(calls_per_second=1, default_phone=LEAVES)
    calls = [await desk.place(f"+1555000333{number}") for number in range(5)]
    desk.sandbox.daemon.tell(signal.SIGINT)
    assert await desk.sandbox.daemon.wait() == 0
    await desk.sandbox.daemon.start()
    histories = [await desk.follow(call_id) for call_id in calls]
    assert all(history.kinds[-1] == "call_closed" for history in histories)
    history = histories[-1]
    assert history.kinds.count("call_dialing") == 1
    assert "call_answered" in history.kinds


async def test_a_drained_daemon_stays_up_for_those_who_ask(line: Make) -> None:
    desk: Line = await line(greeting=DEMO_GREETING, default_phone=LEAVES)
    call_id = await desk.place()
    assert (await desk.client.drain()).live_calls == 1
    assert (await desk.client.drain()).live_calls <= 1
    call = await desk.sandbox.twilio.ring_in(OTHER, FROM, PhoneScript())
    assert await call.ended() == "busy"
    await desk.follow(call_id)
    status = await desk.client.status()
    assert (status.draining, status.live_calls) == (True, 0)
    assert (await desk.client.get_call(call_id)).call.state == call_pb2.CALL_STATE_ENDED


async def test_sighup_takes_over_agents_numbers_and_limits_and_says_what_it_cannot(line: Make) -> None:
    desk: Line = await line(default_phone=PhoneScript(ring=0.1))
    config = desk.sandbox.daemon.config
    text = config.read_text()
    assert FROM in text
    text = text.replace('greeting: ""', f'greeting: "{DEMO_GREETING}"')
    text = text.replace("calls_per_second: 1000", "calls_per_second: 7")
    config.write_text(text + "limits: {max_calls: 1}\nlog: {level: debug}\n")
    desk.sandbox.daemon.tell(signal.SIGHUP)
    await settled(desk, "takes effect only after a restart")
    assert '"twilio.calls_per_second"' in (desk.sandbox.folder / "daemon.log").read_text()
    call_id = await desk.place()
    with pytest.raises(agentic.errors.TooManyCalls):
        await desk.place(OTHER)
    history = await desk.follow(call_id, until="transcript_final")
    assert history.words == [("AGENT", DEMO_GREETING)]
    await desk.client.hang_up(call_id)
    await desk.follow(call_id)


async def test_a_wrong_configuration_changes_nothing(line: Make, tmp_path: Any) -> None:
    desk: Line = await line(default_phone=LEAVES)
    config = desk.sandbox.daemon.config
    config.write_text(config.read_text() + "limits: {max_cals: 1}\n")
    desk.sandbox.daemon.tell(signal.SIGHUP)
    log = desk.sandbox.folder / "daemon.log"
    await settled(desk, "max_calls?")
    found = log.read_text()
    assert "the configuration was not reloaded" in found
    await desk.follow(await desk.place(TO))
    log.write_text(found.replace('"level": "error"', '"level": "told"'))  # the fixture wants none; this one is meant
