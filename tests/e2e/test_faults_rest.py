"""Twilio's REST API fails, is slow, or breaks off: a call is dialled at most once, and ends as it truly ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentic.v1 import call_pb2
from agenticd.emulator.faultbook import faults_from
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.twilio import TwilioConfig
from agenticd.sandbox import FROM
from tests.e2e.conftest import Gate, Line
from tests.e2e.ending import check, leave

Make = Callable[..., Any]
STAYS = PhoneScript(ring=0.1)
RINGS = PhoneScript(outcome="no-answer")


def begins_with(**sections: Any) -> dict[str, Any]:
    return {"faults": faults_from(sections), "twilio": TwilioConfig(numbers=(FROM,), connect_timeout=1, read_timeout=3)}


@pytest.mark.fault("rest.create")
@pytest.mark.parametrize("answer", ["500", "502", "503", "504", "reset"])
async def test_a_call_that_was_made_though_the_answer_says_otherwise_is_found_and_not_dialled_again(
    line: Make, answer: str
) -> None:
    desk: Line = await line(default_phone=STAYS, **begins_with(rest={"create": {"answer": answer, "done": True}}))
    call_id = await desk.place()
    await leave(desk, call_id)
    history = await desk.follow(call_id)
    check(history, "COMPLETED", "CALLER", ordered=False)
    assert len(desk.sandbox.twilio.calls) == 1
    assert "media_connected" in history.kinds


@pytest.mark.fault("rest.create", "callbacks.lost")
@pytest.mark.parametrize("answer", ["503", "reset"])
async def test_without_a_callback_too_it_is_found_by_looking(line: Make, answer: str) -> None:
    """The one request that reaches the daemon is Twilio's for what to do: it names the call."""
    faults = begins_with(rest={"create": {"answer": answer, "done": True}}, callbacks={"lost": "all"})
    desk: Line = await line(default_phone=STAYS, **faults)
    call_id = await desk.place()
    await leave(desk, call_id)
    history = await desk.follow(call_id)
    check(history, "COMPLETED", "CALLER", ordered=False)
    assert len(desk.sandbox.twilio.calls) == 1


@pytest.mark.fault("rest.create", "rest.list", "rest.list_delay", "callbacks.lost")
async def test_a_call_that_nobody_tells_of_is_found_in_twilios_list_though_it_fails_at_first(line: Make) -> None:
    rest = {
        "create": {"answer": "reset", "done": True},
        "list": {"answer": "500", "first": 1},
        "list_delay": "300ms",
    }
    desk: Line = await line(default_phone=RINGS, **begins_with(rest=rest, callbacks={"lost": "all"}))
    call_id = await desk.place(ring_timeout=60)
    await desk.follow(call_id, until="call_ringing")
    await desk.client.hang_up(call_id)
    check(await desk.follow(call_id), "CANCELED", "API", ordered=True)
    assert await desk.phone_call().ended() == "canceled"


@pytest.mark.fault("rest.create", "rest.read_delay", "callbacks.lost")
async def test_a_call_that_nobody_tells_of_is_found_though_twilio_lists_it_late(line: Make) -> None:
    """It is asked for at once, and is not there; a hang-up is remembered until it is found."""
    rest = {"create": {"answer": "reset", "done": True}, "read_delay": "2s"}
    desk: Line = await line(default_phone=RINGS, **begins_with(rest=rest, callbacks={"lost": "all"}))
    call_id = await desk.place(ring_timeout=60)
    await desk.sandbox.twilio.wait_calls(1)
    await desk.client.hang_up(call_id)
    check(await desk.follow(call_id), "CANCELED", "API", ordered=True)
    assert await desk.phone_call().ended() == "canceled"


@pytest.mark.fault("rest.dial_interval")
async def test_a_call_that_waits_for_its_turn_at_twilio_is_hung_up_before_any_phone_rings(line: Make) -> None:
    """Of a call that is cancelled in its queue Twilio reports nothing: the answer to the order is all there is."""
    desk: Line = await line(default_phone=STAYS, **begins_with(rest={"dial_interval": "20m"}))
    first = await desk.place("+15550003331")
    await leave(desk, first, "+15550003331")
    check(await desk.follow(first), "COMPLETED", "CALLER", ordered=False)
    second = await desk.place("+15550003332")
    await desk.sandbox.twilio.wait_calls(2)
    assert desk.phone_call("+15550003332").status == "queued"
    await desk.client.hang_up(second)
    check(await desk.follow(second), "CANCELED", "API", ordered=True)
    assert await desk.phone_call("+15550003332").ended() == "canceled"


@pytest.mark.fault("rest.create")
@pytest.mark.parametrize("after", [None, 1])
async def test_a_create_that_was_not_looked_at_is_tried_again_and_dials_once(line: Make, after: int | None) -> None:
    rest = {"create": {"answer": "429", "first": 2, "retry_after": after}}
    desk: Line = await line(default_phone=STAYS, **begins_with(rest=rest))
    call_id = await desk.place()
    await leave(desk, call_id)
    history = await desk.follow(call_id)
    check(history, "COMPLETED", "CALLER", ordered=False)
    assert len(desk.sandbox.twilio.calls) == 1


@pytest.mark.fault("rest.create")
@pytest.mark.parametrize("answer", ["503", "reset"])
async def test_a_create_of_which_nothing_came_is_never_tried_again(line: Make, answer: str) -> None:
    """Whether it was done is not known; a hang-up is remembered, and the call ends without one."""
    desk: Line = await line(default_phone=STAYS, **begins_with(rest={"create": answer}))
    call_id = await desk.place(ring_timeout=5)
    await desk.follow(call_id, until="call_dialing")
    desk.go_wrong()
    await desk.client.hang_up(call_id)
    shown = (await desk.client.get_call(call_id)).call
    assert shown.state not in (0, 1, 2)  # it stays unconfirmed, or ends
    assert desk.sandbox.twilio.calls == {}


@pytest.mark.fault("rest.create_answer_delay")
async def test_a_create_that_is_never_answered_is_no_second_call(line: Make) -> None:
    desk: Line = await line(default_phone=STAYS, **begins_with(rest={"create_answer_delay": "never"}))
    call_id = await desk.place()
    await leave(desk, call_id)
    history = await desk.follow(call_id)
    check(history, "COMPLETED", "CALLER", ordered=False)
    assert len(desk.sandbox.twilio.calls) == 1


@pytest.mark.fault("rest.update_delay")
async def test_a_hang_up_that_twilio_is_slow_to_do_is_no_end_before_it_is_done(line: Make, gate: Gate) -> None:
    desk: Line = await line(default_phone=RINGS, **begins_with(rest={"update_delay": "1s"}))
    call_id = await desk.place()
    await desk.follow(call_id, until="call_ringing")
    await desk.client.hang_up(call_id)
    assert desk.phone_call().status == "ringing"
    assert (await desk.client.get_call(call_id)).call.state == call_pb2.CALL_STATE_ENDING
    gate.set()
    check(await desk.follow(call_id), "CANCELED", "API", ordered=True)
    assert await desk.phone_call().ended() == "canceled"


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param({"update_answer_delay": "never"}, marks=pytest.mark.fault("rest.update_answer_delay")),
        pytest.param({"update": {"answer": "reset", "done": True}}, marks=pytest.mark.fault("rest.update")),
        pytest.param({"update": "502"}, marks=pytest.mark.fault("rest.update")),
    ],
    ids=["never", "reset", "502"],
)
async def test_a_hang_up_whose_answer_is_lost_ends_the_call_once(line: Make, rest: Any) -> None:
    desk: Line = await line(default_phone=STAYS, **begins_with(rest=rest))
    call_id = await desk.place()
    await desk.follow(call_id, until="media_connected")
    await desk.client.hang_up(call_id)
    history = await desk.follow(call_id)
    check(history, "COMPLETED", "API", ordered=True)
    assert await desk.phone_call().ended() == "completed"


@pytest.mark.fault("rest.fetch", "rest.fetch_delay", "callbacks.lost", "streams.stop")
async def test_what_became_of_a_silent_call_is_asked_until_twilio_answers(line: Make) -> None:
    faults = begins_with(
        rest={"fetch": {"answer": "503", "first": 1}, "fetch_delay": "200ms"},
        callbacks={"lost": "all"},
        streams={"stop": False},
    )
    desk: Line = await line(default_phone=STAYS, **faults)
    call_id = await desk.place()
    await leave(desk, call_id)
    history = await desk.follow(call_id)
    check(history, "COMPLETED", "CALLER", ordered=False)
    assert history.one("media_lost")


@pytest.mark.fault("callbacks.slow")
async def test_requests_that_are_long_on_their_way_are_as_good(line: Make) -> None:
    slow = {"voice": "400ms", "status": "300ms"}
    desk: Line = await line(default_phone=STAYS, **begins_with(callbacks={"slow": slow}))
    call_id = await desk.place()
    await leave(desk, call_id)
    history = await desk.follow(call_id)
    check(history, "COMPLETED", "CALLER", ordered=False)
    assert "media_connected" in history.kinds


@pytest.mark.fault("callbacks.slow")
async def test_a_voice_request_that_never_arrives_is_made_up_for_by_the_fallback(line: Make) -> None:
    desk: Line = await line(default_phone=STAYS, **begins_with(callbacks={"slow": {"voice": "never"}}))
    call_id = await desk.place()
    await leave(desk, call_id)
    history = await desk.follow(call_id)
    check(history, "COMPLETED", "CALLER", ordered=False)
    assert "media_connected" in history.kinds
    assert desk.sandbox.twilio.debugger.codes()[0] == 11200


@pytest.mark.fault("callbacks.unanswered")
async def test_an_answer_that_does_not_reach_twilio_is_given_again_to_the_fallback(line: Make) -> None:
    lost = {"voice": 1, "status": 2}
    desk: Line = await line(default_phone=STAYS, **begins_with(callbacks={"unanswered": lost}))
    call_id = await desk.place()
    await leave(desk, call_id)
    history = await desk.follow(call_id)
    check(history, "COMPLETED", "CALLER", ordered=False)
    assert "media_connected" in history.kinds
    assert [webhook.kind for webhook in desk.phone_call().callbacks if webhook.kind in ("voice", "fallback")] == [
        "voice",
        "fallback",
    ]
