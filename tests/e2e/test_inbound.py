"""Calls that phones make to a number of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agentic.v1 import call_pb2
from agenticd.emulator.phone import Line as Says
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.realtime import DEMO_CALLER_LINES, DEMO_GREETING
from agenticd.emulator.twilio import TwilioConfig
from agenticd.sandbox import FROM
from tests.e2e.conftest import TO, Line

OTHER = "+15550007777"


async def arrived(desk: Line) -> str:
    """The id of the one call that came in."""
    async with desk.client.events(after=0, types=["call_ringing"]) as stream:
        async for event in stream:
            return event.call_id
    raise AssertionError("the stream ended")


async def test_a_phone_calls_and_is_answered_by_the_agent(line: Callable[..., Any]) -> None:
    desk: Line = await line(greeting=DEMO_GREETING)
    person = PhoneScript(lines=(Says(say=DEMO_CALLER_LINES[0]), Says(hang_up=True)))
    call = await desk.sandbox.twilio.ring_in(TO, FROM, person)
    call_id = await arrived(desk)
    history = await desk.follow(call_id)
    assert history.kinds[0] == "call_ringing"
    assert history.kinds[-2:] == ["call_ended", "call_closed"]
    assert "call_ending" not in history.kinds
    ringing = history.one("call_ringing")
    assert (ringing.from_address, ringing.to_address) == (TO, FROM)
    assert history.words == [
        ("AGENT", DEMO_GREETING),
        ("CALLER", DEMO_CALLER_LINES[0]),
        ("AGENT", "Tomorrow we are open from five in the afternoon until eleven at night."),
    ]
    end = history.one("call_ended").end
    assert (end.reason, end.ended_by) == (call_pb2.END_REASON_COMPLETED, call_pb2.ENDED_BY_CALLER)
    assert (await desk.client.get_call(call_id)).call.direction == call_pb2.DIRECTION_INBOUND
    assert await call.ended() == "completed"
    assert desk.sandbox.twilio.debugger.codes() == []


async def test_an_inbound_call_is_hung_up_by_the_api(line: Callable[..., Any]) -> None:
    desk: Line = await line()
    call = await desk.sandbox.twilio.ring_in("anonymous", FROM, PhoneScript())
    call_id = await arrived(desk)
    await desk.follow(call_id, until="media_connected")
    await desk.client.hang_up(call_id)
    history = await desk.follow(call_id)
    end = history.one("call_ended").end
    assert (end.reason, end.ended_by) == (call_pb2.END_REASON_COMPLETED, call_pb2.ENDED_BY_API)
    assert history.one("call_ringing").from_address == ""
    assert await call.ended() == "completed"


async def test_a_number_without_an_agent_is_rejected_and_leaves_no_call(line: Callable[..., Any]) -> None:
    desk: Line = await line(twilio=TwilioConfig(numbers=(FROM, OTHER)))
    desk.sandbox.twilio.set_number(OTHER, f"{desk.sandbox.public_url}/twilio/voice")
    call = await desk.sandbox.twilio.ring_in(TO, OTHER, PhoneScript())
    assert await call.ended() in ("busy", "no-answer", "failed")
    assert not (await desk.client.list_calls()).calls
