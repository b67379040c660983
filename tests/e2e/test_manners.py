"""What an agent's profile says about interruptions, keys, silence and audio, as the person on the phone has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentic.v1 import call_pb2, event_pb2
from agenticd.emulator.phone import Line as Says
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.realtime import DEMO_CALLER_LINES, DEMO_GREETING, Dialogue, Rule
from tests.e2e.conftest import Line, mistakes

Make = Callable[..., Any]
ANSWER = "Tomorrow we are open from five in the afternoon until eleven at night."
CLICK = bytes([0x00, 0x80] * 320)
"""80 ms, as loud as mu-law can be."""


def profile(**settings: str) -> str:
    """Lines for the agent of the configuration."""
    return "".join(f"    {name}: {value}\n" for name, value in settings.items())


async def test_a_protected_greeting_is_heard_to_its_end_and_what_was_said_over_it_is_answered(line: Make) -> None:
    phone = PhoneScript(ring=0.1, lines=(Says(say=DEMO_CALLER_LINES[0], after="over", pause=0.5),))
    desk: Line = await line(greeting=DEMO_GREETING, default_phone=phone, settings=profile(protect_greeting="true"))
    call_id = await desk.place()

    async def on(event: event_pb2.Event) -> None:
        if event.transcript_final.text == ANSWER:
            await desk.client.hang_up(call_id)

    history = await desk.follow(call_id, on)
    assert history.words == [("AGENT", DEMO_GREETING), ("CALLER", DEMO_CALLER_LINES[0]), ("AGENT", ANSWER)]
    assert not any(final.interrupted for final in history.all("transcript_final"))
    assert "agent_interrupted" not in history.kinds
    stream = desk.phone_call().stream
    assert stream is not None
    assert stream.clears == 0
    assert mistakes(desk.model_session()) == []


async def test_after_a_protected_greeting_the_caller_can_interrupt(line: Make) -> None:
    phone = PhoneScript(
        ring=0.1,
        lines=(Says(say=DEMO_CALLER_LINES[0]), Says(say=DEMO_CALLER_LINES[0], after="over", pause=0.8)),
    )
    desk: Line = await line(greeting=DEMO_GREETING, default_phone=phone, settings=profile(protect_greeting="true"))
    call_id = await desk.place()
    history = await desk.follow(call_id, until="agent_interrupted")
    assert history.words[:2] == [("AGENT", DEMO_GREETING), ("CALLER", DEMO_CALLER_LINES[0])]
    await desk.client.hang_up(call_id)
    await desk.follow(call_id)
    assert mistakes(desk.model_session()) == []


async def test_a_short_noise_does_not_cut_the_agent_off(line: Make) -> None:
    phone = PhoneScript(ring=0.1, lines=(Says(audio=CLICK, after="over", pause=1.0),))
    desk: Line = await line(greeting=DEMO_GREETING, default_phone=phone, settings=profile(min_interruption="0.3s"))
    call_id = await desk.place()

    async def on(event: event_pb2.Event) -> None:
        if event.WhichOneof("payload") == "transcript_final":
            await desk.client.hang_up(call_id)

    history = await desk.follow(call_id, on)
    assert "speech_started" in history.kinds, "the model heard the noise"
    assert history.words == [("AGENT", DEMO_GREETING)]
    assert not history.one("transcript_final").interrupted
    assert mistakes(desk.model_session()) == []


async def test_words_cut_it_off_with_that_setting_too(line: Make) -> None:
    phone = PhoneScript(ring=0.1, lines=(Says(say=DEMO_CALLER_LINES[0], after="over", pause=1.0),))
    desk: Line = await line(greeting=DEMO_GREETING, default_phone=phone, settings=profile(min_interruption="0.3s"))
    call_id = await desk.place()

    async def on(event: event_pb2.Event) -> None:
        if event.transcript_final.text == ANSWER:
            await desk.client.hang_up(call_id)

    history = await desk.follow(call_id, on)
    assert history.words == [("AGENT", DEMO_GREETING), ("CALLER", DEMO_CALLER_LINES[0]), ("AGENT", ANSWER)]
    started = next(e.time.ToMilliseconds() for e in history.events if e.WhichOneof("payload") == "speech_started")
    cut = next(e.time.ToMilliseconds() for e in history.events if e.WhichOneof("payload") == "agent_interrupted")
    assert started <= cut
    assert history.one("agent_interrupted").discarded.ToMilliseconds() > 0
    assert mistakes(desk.model_session()) == []


async def test_keys_are_answered_by_an_agent_that_wants_them(line: Make) -> None:
    brain = Dialogue(rules=(Rule(r"keys of the telephone: 4 2", ANSWER),))
    phone = PhoneScript(ring=0.1, lines=(Says(press="42", after="time", pause=0.3),))
    desk: Line = await line(default_phone=phone, brain=brain, settings=profile(digits_to_model="true"))
    call_id = await desk.place()

    async def on(event: event_pb2.Event) -> None:
        if event.WhichOneof("payload") == "transcript_final":
            await desk.client.hang_up(call_id)

    history = await desk.follow(call_id, on)
    assert [each.digit for each in history.all("digit_received")] == ["4", "2"]
    assert history.words == [("AGENT", ANSWER)]
    assert mistakes(desk.model_session()) == []


@pytest.mark.parametrize("words", ["Are you still there?", ""], ids=["its words", "the model's words"])
async def test_a_silent_caller_is_asked_and_then_the_call_ends(line: Make, words: str) -> None:
    settings = profile(check_in_after="3s", hang_up_after="3s", check_in=f'"{words}"')
    desk: Line = await line(default_phone=PhoneScript(ring=0.1), settings=settings)
    history = await desk.follow(await desk.place())
    assert history.words == [("AGENT", "Are you still there?")]
    assert history.one("call_ending").reason == call_pb2.END_REASON_SILENCE
    end = history.one("call_ended").end
    assert (end.reason, end.ended_by) == (call_pb2.END_REASON_SILENCE, call_pb2.ENDED_BY_DAEMON)
    assert await desk.phone_call().ended() == "completed"
    assert mistakes(desk.model_session()) == []


async def test_a_whole_conversation_in_pcm24(line: Make) -> None:
    phone = PhoneScript(ring=0.1, lines=(Says(say=DEMO_CALLER_LINES[0]),))
    desk: Line = await line(greeting=DEMO_GREETING, default_phone=phone, settings=profile(audio="pcm24"))
    call_id = await desk.place()

    async def on(event: event_pb2.Event) -> None:
        if event.transcript_final.text == ANSWER:
            await desk.client.hang_up(call_id)

    history = await desk.follow(call_id, on)
    # The emulated model understood the resampled caller, and the phone's ear the resampled agent.
    assert history.words == [("AGENT", DEMO_GREETING), ("CALLER", DEMO_CALLER_LINES[0]), ("AGENT", ANSWER)]
    assert desk.sandbox.twilio.debugger.codes() == []
    assert mistakes(desk.model_session()) == []


async def test_a_barge_in_in_pcm24(line: Make) -> None:
    phone = PhoneScript(ring=0.1, lines=(Says(say=DEMO_CALLER_LINES[0], after="over", pause=1.0),))
    desk: Line = await line(greeting=DEMO_GREETING, default_phone=phone, settings=profile(audio="pcm24"))
    call_id = await desk.place()
    history = await desk.follow(call_id, until="agent_interrupted")
    assert history.one("agent_interrupted").heard.ToMilliseconds() > 500
    await desk.client.hang_up(call_id)
    await desk.follow(call_id)
    assert mistakes(desk.model_session()) == []
