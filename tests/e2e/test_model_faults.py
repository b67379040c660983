"""Calls whose model misbehaves: what is no harm goes by, what is ends the call with an apology and the true reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from agentic.v1 import call_pb2, event_pb2
from agenticd.emulator.phone import Line as Says
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.realtime import (
    Complaint,
    Failure,
    Loss,
    RealtimeConfig,
    RealtimeFaults,
    Refusal,
)
from agenticd.emulator.twilio import Call
from agenticd.emulator.voice import Voice
from agenticd.sandbox import FROM
from tests.e2e.conftest import TO, History, Line, mistakes

Make = Callable[..., Any]

APOLOGY = "Sorry, goodbye."
SETTINGS = f"    apology: {APOLOGY}\n"
GREETING = "Hello, how can I help you?"
ASK = "No, thank you."
ANSWER = "You are welcome."
ASKS = PhoneScript(ring=0.1, lines=(Says(say=ASK),))
LISTENS = PhoneScript(ring=0.3)


async def make(line: Make, phone: PhoneScript, greeting: str = GREETING, **faults: Any) -> Line:
    """A desk whose model has these faults."""
    realtime = RealtimeConfig(faults=RealtimeFaults(**faults))
    desk: Line = await line(greeting=greeting, default_phone=phone, settings=SETTINGS, realtime=realtime)
    return desk


async def until_said(desk: Line, text: str) -> History:
    """Place a call, hang up when the agent has said this and it was heard; all that happened."""
    call_id = await desk.place()

    async def on(event: event_pb2.Event) -> None:
        if event.transcript_final.heard_text == text:
            await desk.client.hang_up(call_id)

    return await desk.follow(call_id, on)


def check_went_on(history: History) -> None:
    """It was the API that ended the call, and the model was never given up."""
    end = history.one("call_ended").end
    assert (end.reason, end.ended_by) == (call_pb2.END_REASON_COMPLETED, call_pb2.ENDED_BY_API)
    assert "model_lost" not in history.kinds


def check_lost(history: History, code: str) -> None:
    """The daemon ended the call because of its model, and said why, once."""
    end = history.one("call_ended").end
    assert (end.reason, end.ended_by) == (call_pb2.END_REASON_MODEL_LOST, call_pb2.ENDED_BY_DAEMON)
    assert history.one("call_ending").reason == call_pb2.END_REASON_MODEL_LOST
    lost = history.one("model_lost")
    assert lost.code == code
    assert lost.message
    assert history.kinds.index("model_lost") < history.kinds.index("call_ending")
    assert history.kinds[-2:] == ["call_ended", "call_closed"]


async def check_apologised(call: Call) -> None:
    """The person on the phone heard the apology, whole and once, and then the line was put down."""
    assert await call.ended() == "completed"
    assert call.said == [APOLOGY]
    assert bytes(call.phone.heard).count(Voice().say(APOLOGY, "agent")) == 1


# What is no harm.


@pytest.mark.fault("model.complaints")
async def test_errors_that_are_not_fatal_leave_the_call_going_and_are_on_record(line: Make) -> None:
    complaints = (Complaint("strange_thing", 0), Complaint("odd_thing", 1), Complaint("bad_thing", 1, "server_error"))
    desk = await make(line, ASKS, complaints=complaints)
    history = await until_said(desk, ANSWER)
    check_went_on(history)
    assert history.words == [("AGENT", GREETING), ("CALLER", ASK), ("AGENT", ANSWER)]
    warnings = history.all("warning")
    assert [warning.code for warning in warnings] == ["MODEL_ERROR"] * 3
    for warning, code in zip(warnings, ("strange_thing", "odd_thing", "bad_thing"), strict=True):
        assert code in warning.message
    assert desk.phone_call().said == []


@pytest.mark.fault("model.garbage")
async def test_garbage_between_the_models_events_does_no_harm(line: Make) -> None:
    kinds = ("binary", "broken", "shapeless", "misshapen", "unknown", "oversized")
    desk = await make(line, ASKS, garbage=kinds)
    history = await until_said(desk, ANSWER)
    check_went_on(history)
    assert history.words == [("AGENT", GREETING), ("CALLER", ASK), ("AGENT", ANSWER)]
    stream = desk.phone_call().stream
    assert stream is not None
    heard = bytes(stream.received)
    for text in (GREETING, ANSWER):
        assert Voice().say(text, "agent") in heard
    assert len(heard) < len(Voice().say(GREETING, "agent")) + len(Voice().say(ANSWER, "agent")) + 320
    assert mistakes(desk.model_session()) == []
    deltas = sum(-(-len(Voice().say(text, "agent")) // 1600) for text in (GREETING, ANSWER))
    assert deltas > len(kinds)
    reasons = ("binary", "undecodable", "undecodable", "undecodable", "unknown_event", "unknown_event")
    assert await model_faults(desk) == Counter(reasons[number % len(kinds)] for number in range(deltas))


@pytest.mark.fault("model.garbage", "model.oversized_bytes")
async def test_an_event_of_many_megabytes_does_no_harm(line: Make) -> None:
    desk = await make(line, ASKS, garbage=("oversized",), oversized_bytes=5 * 1024 * 1024)
    history = await until_said(desk, ANSWER)
    check_went_on(history)
    assert history.words == [("AGENT", GREETING), ("CALLER", ASK), ("AGENT", ANSWER)]


async def model_faults(desk: Line) -> dict[str, int]:
    """What the daemon counts of what went wrong with the model, by reason."""
    found = re.findall(r'"admin": (\d+)', (desk.sandbox.folder / "daemon.log").read_text())
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{found[0]}/metrics") as answer:
        text = await answer.text()
    return {why: int(float(n)) for why, n in re.findall(r'agenticd_model_faults_total\{why="(\w+)"\} (\S+)', text)}


# Refused before anybody is on the line.


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
async def test_a_model_that_refuses_while_it_rings_cancels_the_call(line: Make, status: int) -> None:
    desk = await make(line, PhoneScript(ring=20), refusal=Refusal(status))
    history = await desk.follow(await desk.place())
    check_lost(history, str(status))
    check_nobody_heard(history, desk.phone_call())
    assert await desk.phone_call().ended() == "canceled"


@pytest.mark.parametrize("code", [1011, None])
async def test_a_model_that_goes_while_it_rings_cancels_the_call(line: Make, code: int | None) -> None:
    desk = await make(line, PhoneScript(ring=20), loss=Loss(0, code=code))
    history = await desk.follow(await desk.place())
    check_lost(history, str(code or 1006))
    check_nobody_heard(history, desk.phone_call())
    assert await desk.phone_call().ended() == "canceled"


def check_nobody_heard(history: History, call: Call) -> None:
    assert "call_answered" not in history.kinds
    assert history.one("call_closed").duration.ToMilliseconds() == 0
    assert call.said == []
    assert not call.phone.heard


@pytest.mark.parametrize("refusal", [Refusal(429), Refusal(429, code="insufficient_quota")])
@pytest.mark.fault("model.refusal")
async def test_a_caller_whose_model_refuses_is_told(line: Make, refusal: Refusal) -> None:
    desk = await make(line, LISTENS, refusal=refusal)
    call = await desk.sandbox.twilio.ring_in(TO, FROM, PhoneScript())
    history = await arrived(desk)
    check_lost(history, "429")
    await check_apologised(call)


async def arrived(desk: Line) -> History:
    """All that happens to the one call that came in."""
    async with desk.client.events(after=0, types=["call_ringing"]) as stream:
        async for event in stream:
            return await desk.follow(event.call_id)
    raise AssertionError("the stream ended")


# Lost in mid-call.


@pytest.mark.parametrize(
    ("loss", "code"),
    [
        (Loss(1, after_ms=500, code=1011), "1011"),
        (Loss(1, after_ms=500, code=1001, expired=True), "1001"),
        (Loss(1, after_ms=500, code=None), "1006"),
        (Loss(1, code=1011), "1011"),
    ],
    ids=["error", "expired", "reset", "after-the-answer"],
)
@pytest.mark.fault("model.loss")
async def test_a_session_that_is_closed_ends_the_call_with_an_apology(line: Make, loss: Loss, code: str) -> None:
    desk = await make(line, LISTENS, loss=loss)
    history = await desk.follow(await desk.place())
    check_lost(history, code)
    await check_apologised(desk.phone_call())
    # What the agent had said by then is on record, no more of it than was heard.
    final = history.one("transcript_final")
    assert GREETING.startswith(final.heard_text)
    assert len(final.heard_text) < len(GREETING)
    assert final.interrupted


# Answers that fail.


@pytest.mark.parametrize("code", ["rate_limit_exceeded", "insufficient_quota"])
@pytest.mark.fault("model.failure")
async def test_an_answer_that_would_fail_again_is_not_tried_again(line: Make, code: str) -> None:
    desk = await make(line, LISTENS, failure=Failure(code))
    history = await desk.follow(await desk.place())
    check_lost(history, code)
    await check_apologised(desk.phone_call())
    assert desk.model_session().requests["response.create"] == 1
    assert "transcript_final" not in history.kinds


@pytest.mark.parametrize(
    ("limits", "answers"),
    [
        pytest.param({"requests_per_minute": 1}, 1, marks=pytest.mark.fault("model.requests_per_minute")),
        pytest.param({"tokens_per_minute": 1}, 0, marks=pytest.mark.fault("model.tokens_per_minute")),
    ],
)
async def test_an_answer_above_a_limit_of_the_model_ends_the_call(
    line: Make, limits: dict[str, int], answers: int
) -> None:
    desk = await make(line, ASKS, GREETING, **limits)
    history = await desk.follow(await desk.place())
    check_lost(history, "rate_limit_exceeded")
    await check_apologised(desk.phone_call())
    assert history.words[:answers] == [("AGENT", GREETING)] * answers
    kinds = [note.kind for note in desk.model_session().told]
    assert kinds.count("response.done") == answers + 1


@pytest.mark.parametrize(
    ("after_ms", "asks"), [(None, Says(say=ASK, after="time", pause=2)), (600, Says(say=ASK, after="agent"))]
)
@pytest.mark.fault("model.failure")
async def test_an_answer_that_is_filtered_is_as_far_as_it_goes_and_the_call_goes_on(
    line: Make, after_ms: int | None, asks: Says
) -> None:
    phone = PhoneScript(ring=0.1, lines=(asks,))
    desk = await make(line, phone, failure=Failure("content_filter", first=1, after_ms=after_ms))
    history = await until_said(desk, ANSWER)
    check_went_on(history)
    assert history.words[-2:] == [("CALLER", ASK), ("AGENT", ANSWER)]
    assert len(history.words) == (2 if after_ms is None else 3)
    assert "warning" not in history.kinds
    assert mistakes(desk.model_session()) == []
    assert desk.phone_call().said == []


async def test_an_answer_that_fails_once_is_tried_again(line: Make) -> None:
    desk = await make(line, ASKS, failure=Failure("server_error", first=1))
    history = await until_said(desk, ANSWER)
    check_went_on(history)
    assert history.words == [("AGENT", GREETING), ("CALLER", ASK), ("AGENT", ANSWER)]
    assert "server_error" in history.one("warning").message
    assert desk.model_session().requests["response.create"] == 2
    assert mistakes(desk.model_session()) == []
    assert desk.phone_call().said == []


async def test_an_answer_of_the_models_own_accord_is_tried_again_too(line: Make) -> None:
    phone = PhoneScript(ring=0.1, lines=(Says(say=ASK, after="time"),))
    desk = await make(line, phone, greeting="", failure=Failure("server_error", first=1))
    history = await until_said(desk, ANSWER)
    check_went_on(history)
    assert history.words == [("CALLER", ASK), ("AGENT", ANSWER)]
    assert desk.model_session().requests["response.create"] == 1
    assert mistakes(desk.model_session()) == []


async def test_an_answer_that_fails_in_the_middle_is_tried_again(line: Make) -> None:
    desk = await make(line, LISTENS, failure=Failure("server_error", first=1, after_ms=600))
    history = await until_said(desk, GREETING)
    check_went_on(history)
    assert desk.model_session().requests["response.create"] == 2
    heard = [final.heard_text for final in history.all("transcript_final")]
    assert heard[-1] == GREETING
    assert all(GREETING.startswith(text) for text in heard)


async def test_a_second_failure_in_a_row_ends_the_call(line: Make) -> None:
    desk = await make(line, LISTENS, failure=Failure("server_error"))
    history = await desk.follow(await desk.place())
    check_lost(history, "server_error")
    await check_apologised(desk.phone_call())
    assert desk.model_session().requests["response.create"] == 2


# Never ready.


@pytest.mark.parametrize("silent", ["created", "updated"])
@pytest.mark.fault("model.silent")
async def test_a_model_that_is_never_ready_is_waited_for_ten_seconds(line: Make, silent: str) -> None:
    desk = await make(line, LISTENS, silent=silent)
    history = await desk.follow(await desk.place())
    check_lost(history, "NOT_READY")
    await check_apologised(desk.phone_call())
    times = {event.WhichOneof("payload"): event.time.ToMicroseconds() / 1e6 for event in history.events}
    # Asked for as soon as the call is dialled. No upper bound: a busy machine may take any time over it.
    assert times["model_lost"] - times["call_dialing"] > 9.9
    assert "model_connected" not in times
