"""Outbound calls, whole: from PlaceCall to call_closed, as a subscriber, a caller and Twilio see them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import agentic
from agentic.v1 import call_pb2, event_pb2
from agenticd.emulator.phone import Line as Says
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.realtime import DEMO_CALLER_LINES, DEMO_GREETING, Dialogue, FunctionCall, Rule
from tests.e2e.conftest import TO, Line, mistakes

Make = Callable[..., Any]


async def test_a_conversation_from_place_call_to_hang_up(line: Make) -> None:
    phone = PhoneScript(ring=0.2, lines=(Says(say=DEMO_CALLER_LINES[0]),))
    desk: Line = await line(greeting=DEMO_GREETING, default_phone=phone)
    call_id = await desk.place(metadata={"order": "7"})

    async def on(event: event_pb2.Event) -> None:
        if event.transcript_final.text.startswith("Tomorrow we are open"):
            await desk.client.hang_up(call_id, "all said")

    history = await desk.follow(call_id, on)
    assert history.kinds[:2] == ["call_queued", "call_dialing"]
    assert history.kinds[-3:] == ["call_ending", "call_ended", "call_closed"]
    assert history.words == [
        ("AGENT", DEMO_GREETING),
        ("CALLER", DEMO_CALLER_LINES[0]),
        ("AGENT", "Tomorrow we are open from five in the afternoon until eleven at night."),
    ]
    end = history.one("call_ended").end
    assert (end.reason, end.ended_by) == (call_pb2.END_REASON_COMPLETED, call_pb2.ENDED_BY_API)
    closed = history.one("call_closed")
    assert closed.turns == 1
    assert closed.usage.output_audio_tokens > 0
    shown = (await desk.client.get_call(call_id)).call
    assert shown.state == call_pb2.CALL_STATE_ENDED
    assert dict(shown.metadata) == {"order": "7"}
    assert shown.carrier_call_id == desk.phone_call().sid
    transcript = await desk.client.transcript(call_id)
    assert [utterance.text for utterance in transcript.utterances] == [text for _, text in history.words]
    # Twilio has nothing to complain about, and the model's session was ended with the call.
    assert desk.sandbox.twilio.debugger.codes() == []
    assert mistakes(desk.model_session()) == []
    await desk.model_session().wait_closed()


async def test_the_model_is_connected_while_the_phone_rings_so_that_there_is_no_dead_air(line: Make) -> None:
    desk: Line = await line(greeting=DEMO_GREETING, default_phone=PhoneScript(ring=30.0))
    call_id = await desk.place()
    history = await desk.follow(call_id, until="model_connected")
    assert "call_answered" not in history.kinds
    await desk.client.hang_up(call_id)
    await desk.follow(call_id)


async def test_live_words_come_before_the_whole_utterance(line: Make) -> None:
    phone = PhoneScript(ring=0.1, lines=(Says(say=DEMO_CALLER_LINES[0], after="time"),))
    desk: Line = await line(default_phone=phone)
    call_id = await desk.place()
    words: dict[str, str] = {}
    async with desk.client.events(call_ids=[call_id], after=0, live=True) as stream:
        async for item in stream:
            if isinstance(item, event_pb2.LiveWords):
                known = words.get(item.item_id, "")
                assert item.offset == len(known)
                words[item.item_id] = known + item.text
            elif item.WhichOneof("payload") == "transcript_final":
                final = item.transcript_final
                assert words[final.item_id].strip() == final.text
                if final.speaker == event_pb2.SPEAKER_AGENT:
                    await desk.client.hang_up(call_id)
    assert len(words) == 2


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("busy", call_pb2.END_REASON_BUSY),
        ("failed", call_pb2.END_REASON_FAILED),
    ],
)
async def test_nobody_answers(line: Make, outcome: Any, reason: int) -> None:
    desk: Line = await line(default_phone=PhoneScript(outcome=outcome, ring=0.2))
    history = await desk.follow(await desk.place())
    end = history.one("call_ended").end
    assert (end.reason, end.ended_by) == (reason, call_pb2.ENDED_BY_CARRIER)
    assert "call_answered" not in history.kinds
    assert history.one("call_closed").duration.ToMilliseconds() == 0


async def test_no_answer_after_the_ring_timeout(line: Make) -> None:
    desk: Line = await line(default_phone=PhoneScript(outcome="no-answer"))
    history = await desk.follow(await desk.place(ring_timeout=5.0))
    assert history.one("call_ended").end.reason == call_pb2.END_REASON_NO_ANSWER


async def test_the_caller_hangs_up(line: Make) -> None:
    phone = PhoneScript(ring=0.1, lines=(Says(hang_up=True, after="over", pause=0.3),))
    desk: Line = await line(greeting=DEMO_GREETING, default_phone=phone)
    history = await desk.follow(await desk.place())
    end = history.one("call_ended").end
    assert (end.reason, end.ended_by) == (call_pb2.END_REASON_COMPLETED, call_pb2.ENDED_BY_CALLER)
    assert "call_ending" not in history.kinds
    # What was said and not heard to its end is on record, with what was heard of it.
    final = history.one("transcript_final")
    assert final.interrupted
    assert DEMO_GREETING.startswith(final.heard_text)
    assert len(final.heard_text) < len(final.text)


async def test_hang_up_while_it_rings(line: Make) -> None:
    desk: Line = await line(default_phone=PhoneScript(ring=30.0))
    call_id = await desk.place()
    await desk.follow(call_id, until="call_ringing")
    answer = await desk.client.hang_up(call_id, "changed my mind")
    assert answer.call.state in (call_pb2.CALL_STATE_ENDING, call_pb2.CALL_STATE_ENDED)
    history = await desk.follow(call_id)
    end = history.one("call_ended").end
    assert (end.reason, end.ended_by) == (call_pb2.END_REASON_CANCELED, call_pb2.ENDED_BY_API)
    assert desk.phone_call().status == "canceled"
    again = await desk.client.hang_up(call_id)
    assert again.call.end.reason == call_pb2.END_REASON_CANCELED


async def test_hang_up_of_a_queued_call_never_dials(line: Make) -> None:
    desk: Line = await line(calls_per_second=0.02, default_phone=PhoneScript(ring=0.1))  # the second is long in turn
    first = await desk.place()
    second = await desk.place("+15550003333")
    await desk.client.hang_up(second)
    history = await desk.follow(second)
    assert history.kinds == ["call_queued", "call_ending", "call_ended", "call_closed"]
    assert {call.to for call in desk.sandbox.twilio.calls.values()} <= {TO}
    await desk.client.hang_up(first)
    await desk.follow(first)


async def test_a_number_that_twilio_refuses_ends_the_call_with_twilios_code(line: Make) -> None:
    desk: Line = await line()
    history = await desk.follow(await desk.place(from_address="+15550009999"))
    end = history.one("call_ended").end
    assert end.reason == call_pb2.END_REASON_REJECTED
    assert end.carrier_code in (21210, 21212)
    assert end.message


async def test_a_barge_in_stops_the_agent_and_says_what_was_heard(line: Make) -> None:
    phone = PhoneScript(ring=0.1, lines=(Says(say=DEMO_CALLER_LINES[0], after="over", pause=1.0),))
    desk: Line = await line(greeting=DEMO_GREETING, default_phone=phone)
    call_id = await desk.place()
    history = await desk.follow(call_id, until="agent_interrupted")
    interrupted = history.one("agent_interrupted")
    played = len(desk.phone_call().phone.heard)
    assert 0.5 < interrupted.heard.ToMilliseconds() / 1000 < played / 8000
    assert interrupted.discarded.ToMilliseconds() > 0
    await desk.client.hang_up(call_id)
    finals = (await desk.follow(call_id)).all("transcript_final")
    greeting = next(final for final in finals if final.text == DEMO_GREETING)
    assert greeting.interrupted
    assert greeting.heard_text
    assert DEMO_GREETING.startswith(greeting.heard_text)
    stream = desk.phone_call().stream
    assert stream is not None
    assert stream.clears == 1


async def test_the_agent_ends_the_call_when_its_goodbye_was_heard(line: Make) -> None:
    bye = "Thank you for calling Trattoria Aurora. Goodbye!"
    brain = Dialogue(rules=(Rule(r"goodbye", FunctionCall("end_call", say=bye)),))
    phone = PhoneScript(ring=0.1, lines=(Says(say=DEMO_CALLER_LINES[2], after="time"),))
    desk: Line = await line(default_phone=phone, brain=brain)
    history = await desk.follow(await desk.place())
    end = history.one("call_ended").end
    assert (end.reason, end.ended_by) == (call_pb2.END_REASON_COMPLETED, call_pb2.ENDED_BY_AGENT)
    farewell = history.all("transcript_final")[-1]
    assert (farewell.text, farewell.heard_text, farewell.interrupted) == (bye, bye, False)
    assert mistakes(desk.model_session()) == []


async def test_digits_are_received(line: Make) -> None:
    phone = PhoneScript(ring=0.1, lines=(Says(press="4#", after="time", pause=0.3),))
    desk: Line = await line(default_phone=phone)
    call_id = await desk.place()
    digits: list[str] = []

    async def on(event: event_pb2.Event) -> None:
        if event.WhichOneof("payload") == "digit_received":
            digits.append(event.digit_received.digit)
            if len(digits) == 2:
                await desk.client.hang_up(call_id)

    await desk.follow(call_id, on)
    assert digits == ["4", "#"]


async def test_a_subscriber_that_was_away_resumes_where_it_stopped(line: Make) -> None:
    phone = PhoneScript(ring=0.1, lines=(Says(hang_up=True, after="time", pause=0.5),))
    desk: Line = await line(default_phone=phone)
    call_id = await desk.place()
    first = await desk.follow(call_id, until="call_ringing")
    await desk.follow(call_id)
    rest: list[event_pb2.Event] = []
    async with desk.client.events(call_ids=[call_id], after=first.events[-1].revision) as stream:
        rest = [event async for event in stream]
    whole = await desk.follow(call_id)
    assert first.events + rest == whole.events


async def test_the_same_request_id_dials_once(line: Make) -> None:
    phone = PhoneScript(ring=0.1, lines=(Says(hang_up=True, after="time", pause=0.3),))
    desk: Line = await line(default_phone=phone)
    answers = await asyncio.gather(*(desk.client.place_call(TO, request_id="one") for _ in range(5)))
    assert len({answer.call.call_id for answer in answers}) == 1
    await desk.follow(answers[0].call.call_id)
    assert len(desk.sandbox.twilio.calls) == 1


async def test_a_wrong_request_is_told_what_would_be_right(line: Make) -> None:
    desk: Line = await line()
    with pytest.raises(agentic.AgenticError) as caught:
        await desk.place("555")
    assert "E.164" in str(caught.value)


async def test_a_model_that_refuses_ends_the_call_instead_of_leaving_silence(line: Make) -> None:
    desk: Line = await line(
        default_phone=PhoneScript(ring=0.3),
        settings="    model: gpt-unknown\n",
    )
    history = await desk.follow(await desk.place())
    assert history.one("call_ended").end.reason == call_pb2.END_REASON_MODEL_LOST
    assert "model_lost" in history.kinds


async def test_stopping_the_daemon_ends_its_calls_and_says_so(line: Make) -> None:
    desk: Line = await line(default_phone=PhoneScript(ring=0.1))
    call_id = await desk.place()
    await desk.follow(call_id, until="media_connected")
    assert await desk.sandbox.daemon.stop() == 0
    assert desk.phone_call().status == "completed"
    await desk.sandbox.daemon.start()
    history = await desk.follow(call_id)
    assert history.one("call_ended").end.reason == call_pb2.END_REASON_DRAINED


async def test_after_a_crash_no_call_is_left_hanging(line: Make) -> None:
    desk: Line = await line(default_phone=PhoneScript(ring=0.1))
    call_id = await desk.place()
    await desk.follow(call_id, until="media_connected")
    desk.sandbox.daemon.kill()
    await desk.sandbox.daemon.stop()
    await desk.sandbox.daemon.start()
    history = await desk.follow(call_id)
    assert history.one("call_ended").end.reason == call_pb2.END_REASON_NODE_LOST
    assert len(desk.sandbox.twilio.calls) == 1
    assert await desk.phone_call().ended() in ("completed", "canceled")
