"""What the log of a real daemon tells of real calls: their story, and nothing of who called or what was said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from agentic.v1 import call_pb2
from agenticd.emulator.phone import Line as Says
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.twilio import TwilioConfig
from agenticd.sandbox import FROM
from tests.e2e.conftest import TO, History, Line
from tests.e2e.operator import log_lines, logged

Make = Callable[..., Any]
GREETING, REPLY = "Welcome, dear guest, to our place.", "Hello, how can I help you?"
TALKS = PhoneScript(ring=0.1, lines=(Says(say="hello"), Says(press="42#"), Says(hang_up=True, after="time", pause=0.5)))
LEAVES = PhoneScript(ring=0.1, lines=(Says(hang_up=True),))
CALLER, NOT_VALID, NO_AGENT = "+15550008888", "+15005550001", "+15550007777"


async def came_in(desk: Line, phone: PhoneScript) -> History:
    """A call to the daemon, whole."""
    await desk.sandbox.twilio.ring_in(CALLER, FROM, phone)
    async with desk.client.events(after=0, types=["call_ringing"]) as stream:
        async for event in stream:
            if event.call_ringing.direction == call_pb2.DIRECTION_INBOUND:
                return await desk.follow(event.call_id)
    raise AssertionError("the stream ended")


async def placed(desk: Line, number: str) -> History:
    """A call from the daemon, whole."""
    return await desk.follow(await desk.place(number, metadata={"name": "Ada Lovelace"}))


async def a_day(make: Make, phone: PhoneScript, pii: str) -> tuple[Line, History, History, History]:
    """A call out, one that Twilio refuses, one in, and one to a number without an agent."""
    desk: Line = await make(
        greeting=GREETING,
        default_phone=phone,
        extra=f"log: {{level: debug, pii: {pii}}}\n",
        twilio=TwilioConfig(numbers=(FROM, NO_AGENT)),
    )
    desk.sandbox.twilio.set_number(NO_AGENT, f"{desk.sandbox.public_url}/twilio/voice")
    out, refused, inbound = await asyncio.gather(placed(desk, TO), placed(desk, NOT_VALID), came_in(desk, phone))
    await (await desk.sandbox.twilio.ring_in(CALLER, NO_AGENT, phone)).ended()
    for history in (out, refused, inbound):
        await logged(desk.sandbox, "call closed", call_id=history.events[0].call_id)
    return desk, out, refused, inbound


async def test_no_number_and_no_word_of_anybody_is_in_the_log(line: Make) -> None:
    desk, out, refused, inbound = await a_day(line, TALKS, "false")
    assert ("CALLER", "Hello?") in out.words
    assert ("AGENT", REPLY) in inbound.words
    assert out.all("digit_received")
    text = (desk.sandbox.folder / "daemon.log").read_text()
    for number in (TO, FROM, CALLER, NOT_VALID, NO_AGENT):
        assert number[1:] not in text
    for said in (GREETING, REPLY, "dear guest", "Hello", "can I help", "Lovelace"):
        assert said not in text
    lines = log_lines(desk.sandbox)
    pressed = [entry for entry in lines if entry["message"] == "the caller pressed a key"]
    assert {entry["digit_pii"] for entry in pressed} == {"(left out)"}
    story = [(entry["message"], entry["level"]) for entry in lines if entry.get("call_id") == out.events[0].call_id]
    assert [message for message, level in story if level != "debug"] == ["call queued", "call answered", "call ended"]
    assert len(lines) < 80, "nothing is told of frames"
    ended = await logged(desk.sandbox, "call ended", call_id=out.events[0].call_id)
    assert (ended["reason"], ended["by"], ended["level"]) == ("COMPLETED", "CALLER", "info")
    assert 1 < ended["duration"] < 60
    ended = await logged(desk.sandbox, "call ended", call_id=refused.events[0].call_id)
    assert (ended["reason"], ended["carrier_code"], ended["level"]) == ("REJECTED", 21217, "warning")
    assert await logged(desk.sandbox, "call came in", call_id=inbound.events[0].call_id)


async def test_they_are_there_when_the_operator_asks_for_them(line: Make) -> None:
    desk, *_ = await a_day(line, LEAVES, "true")
    text = (desk.sandbox.folder / "daemon.log").read_text()
    for known in (TO, FROM, CALLER, NOT_VALID, NO_AGENT, GREETING):
        assert known in text
