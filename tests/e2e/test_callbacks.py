"""Status callbacks that come twice, late, in another order, not at all, or for another call: the end is the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from agentic.v1 import call_pb2
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.twilio import ALL_STATUSES, Call, CallbackFaults, Status, TwilioConfig
from agenticd.sandbox import FROM
from tests.e2e.conftest import Gate, Line
from tests.e2e.ending import call_back, check, end_at_twilio, leave

Make = Callable[..., Any]
RINGS = PhoneScript(outcome="no-answer")
STAYS = PhoneScript(ring=0.1)

ENDS: tuple[Status, ...] = ("completed", "busy", "no-answer", "failed", "canceled")
FAULTS = {
    "twice": CallbackFaults(copies=2),
    "late": CallbackFaults(late=dict.fromkeys(ALL_STATUSES, 0.7)),
    "each later than the next": CallbackFaults(late={"initiated": 1.2, "ringing": 0.9, "in-progress": 0.6}),
    "the end first": CallbackFaults(after=dict.fromkeys(("initiated", "ringing", "in-progress"), "completed")),
    "answered before it rang": CallbackFaults(after={"initiated": "ringing", "ringing": "in-progress"}),
    "only the end": CallbackFaults(lost=ALL_STATUSES - frozenset(ENDS)),
    "twice, late and the end first": CallbackFaults(
        copies=2, late={"completed": 0.3, "canceled": 0.3}, after={"ringing": "completed", "in-progress": "completed"}
    ),
}


def twilio(faults: CallbackFaults) -> TwilioConfig:
    return TwilioConfig(numbers=(FROM,), callbacks=faults)


def told(call: Call) -> list[str]:
    """The statuses of the callbacks that were sent, as they were answered."""
    return [webhook.params["CallStatus"] for webhook in call.callbacks if webhook.kind == "status"]


async def all_told(desk: Line, call_id: str) -> Call:
    """Wait until Twilio has sent everything: after that, nothing about the ended call may have changed."""
    closed = await desk.follow(call_id)
    before = (await desk.client.get_call(call_id)).call
    call = desk.phone_call()
    await call.ended()
    assert (await desk.client.get_call(call_id)).call == before
    assert (await desk.follow(call_id)).events == closed.events
    return call


@pytest.mark.parametrize("name", FAULTS)
async def test_the_caller_hangs_up(line: Make, name: str) -> None:
    desk: Line = await line(default_phone=STAYS, twilio=twilio(FAULTS[name]))
    call_id = await desk.place()
    await leave(desk, call_id)
    history = await desk.follow(call_id)
    check(history, "COMPLETED", "CALLER", ordered=False)
    assert {"call_answered", "media_connected"} <= set(history.kinds)
    call = await all_told(desk, call_id)
    if name != "late":
        assert told(call) != ["initiated", "ringing", "in-progress", "completed"], "they did misbehave"


@pytest.mark.parametrize("name", FAULTS)
async def test_the_api_hangs_up(line: Make, name: str) -> None:
    desk: Line = await line(default_phone=STAYS, twilio=twilio(FAULTS[name]))
    call_id = await desk.place()
    await desk.follow(call_id, until="media_connected")
    await desk.client.hang_up(call_id)
    history = await desk.follow(call_id)
    check(history, "COMPLETED", "API", ordered=True)
    assert (await all_told(desk, call_id)).status == "completed"


@pytest.mark.parametrize("name", ["twice", "late", "each later than the next", "only the end"])
async def test_it_is_hung_up_before_it_is_answered(line: Make, name: str) -> None:
    desk: Line = await line(default_phone=RINGS, twilio=twilio(FAULTS[name]))
    call_id = await desk.place()
    await (await desk.sandbox.twilio.wait_calls(1))[0].wait_status("ringing")
    await desk.client.hang_up(call_id)
    check(await desk.follow(call_id), "CANCELED", "API", ordered=True)
    assert (await all_told(desk, call_id)).status == "canceled"


@pytest.mark.parametrize("name", ["twice", "each later than the next", "only the end"])
@pytest.mark.parametrize(("status", "reason"), [("busy", "BUSY"), ("no-answer", "NO_ANSWER"), ("canceled", "CANCELED")])
async def test_the_network_ends_it(line: Make, name: str, status: Status, reason: str) -> None:
    phone = PhoneScript(outcome="busy", ring=0.1) if status == "busy" else RINGS
    desk: Line = await line(default_phone=phone, twilio=twilio(FAULTS[name]))
    call_id = await desk.place()
    if phone is RINGS:
        await (await desk.sandbox.twilio.wait_calls(1))[0].wait_status("ringing")
        end_at_twilio(desk, status)
    check(await desk.follow(call_id), reason, "CARRIER", ordered=False, sip_code=486 if status == "busy" else 487)
    assert (await all_told(desk, call_id)).status == status


@pytest.mark.fault("callbacks.copies", "callbacks.late")
async def test_what_comes_after_call_closed_changes_nothing(line: Make, gate: Gate) -> None:
    """Twilio's answer to the order ended the call; all its callbacks come after that."""
    late = CallbackFaults(copies=2, late=dict.fromkeys(ALL_STATUSES, 1.5))
    desk: Line = await line(default_phone=STAYS, twilio=twilio(late))
    call_id = await desk.place()
    await desk.follow(call_id, until="media_connected")
    await desk.client.hang_up(call_id)
    check(await desk.follow(call_id), "COMPLETED", "API", ordered=True)
    assert told(desk.phone_call()) == []
    gate.set()
    call = await all_told(desk, call_id)
    assert sorted(told(call)) == sorted(["initiated", "ringing", "in-progress", "completed"] * 2)
    for status in sorted(ALL_STATUSES):
        assert (await call_back(desk, call_id, CallSid=call.sid, CallStatus=status))[0] in (200, 204)
    await all_told(desk, call_id)


async def test_an_answered_call_that_is_asked_for_after_its_end_is_hung_up(line: Make) -> None:
    desk: Line = await line(default_phone=STAYS)
    call_id = await desk.place()
    await leave(desk, call_id)
    await desk.follow(call_id)
    sid = desk.phone_call().sid
    for path in ("voice", "resume"):
        status, document = await call_back(desk, call_id, path, CallSid=sid, CallStatus="in-progress")
        assert (status, [verb.tag for verb in ElementTree.fromstring(document)]) == (200, ["Hangup"])
    await all_told(desk, call_id)


async def test_a_callback_that_names_another_call_changes_nothing(line: Make) -> None:
    desk: Line = await line(default_phone=STAYS)
    call_id = await desk.place()
    before = await desk.follow(call_id, until="media_connected")
    for status in sorted(ALL_STATUSES):
        answer, _ = await call_back(desk, call_id, CallSid="CA" + "9" * 32, CallStatus=status, SipResponseCode="486")
        assert answer in (200, 204)
    for path in ("voice", "resume"):
        _, document = await call_back(desk, call_id, path, CallSid="CA" + "9" * 32, CallStatus="in-progress")
        assert [verb.tag for verb in ElementTree.fromstring(document)] == ["Hangup"]
    shown = (await desk.client.get_call(call_id)).call
    assert shown.state == call_pb2.CALL_STATE_IN_PROGRESS
    assert shown.carrier_call_id == desk.phone_call().sid
    stream = desk.phone_call().stream
    assert stream is not None
    assert stream.live
    await desk.client.hang_up(call_id)
    history = await desk.follow(call_id)
    check(history, "COMPLETED", "API", ordered=True)
    assert history.events[: len(before.events)] == before.events
    assert len(history.all("media_connected")) == 1


async def test_what_two_calls_are_told_is_not_mixed_up(line: Make) -> None:
    """Callbacks of one call that arrive at the other's address end neither."""
    desk: Line = await line(default_phone=STAYS)
    numbers = ("+15550003333", "+15550004444")
    calls = [await desk.place(number) for number in numbers]
    for call_id in calls:
        await desk.follow(call_id, until="media_connected")
    sids = [desk.phone_call(number).sid for number in numbers]
    for call_id, sid in zip(calls, reversed(sids), strict=True):
        await call_back(desk, call_id, CallSid=sid, CallStatus="completed")
        assert (await desk.client.get_call(call_id)).call.state == call_pb2.CALL_STATE_IN_PROGRESS
    for call_id in calls:
        await desk.client.hang_up(call_id)
        check(await desk.follow(call_id), "COMPLETED", "API", ordered=True)


async def test_the_carriers_codes_are_on_record(line: Make) -> None:
    """The one callback that comes says why: Twilio's error and the network's."""
    desk: Line = await line(default_phone=RINGS, twilio=twilio(CallbackFaults(lost=ALL_STATUSES)))
    call_id = await desk.place()
    (call,) = await desk.sandbox.twilio.wait_calls(1)
    await call.wait_status("ringing")
    why = {"ErrorCode": "32016", "ErrorMessage": "PSTN timeout", "SipResponseCode": "408", "SequenceNumber": "2"}
    await call_back(desk, call_id, CallSid=call.sid, CallStatus="failed", **why)
    history = await desk.follow(call_id)
    end = check(history, "FAILED", "CARRIER", ordered=False, carrier_code=32016, sip_code=408)
    assert end.message == "PSTN timeout"


@pytest.mark.fault("callbacks.after")
async def test_an_end_that_is_told_before_the_answer_is_the_end(line: Make) -> None:
    faults = CallbackFaults(after={"in-progress": "completed"})
    desk: Line = await line(default_phone=STAYS, twilio=twilio(faults))
    call_id = await desk.place()
    await leave(desk, call_id)
    check(await desk.follow(call_id), "COMPLETED", "CALLER", ordered=False)
    assert told(await all_told(desk, call_id)) == ["initiated", "ringing", "completed", "in-progress"]


async def test_many_callbacks_at_once_are_one_history(line: Make) -> None:
    desk: Line = await line(default_phone=STAYS)
    call_id = await desk.place()
    await desk.follow(call_id, until="call_answered")
    sid = desk.phone_call().sid
    statuses: list[Status] = ["initiated", "ringing", "in-progress"]
    async with asyncio.TaskGroup() as tasks:
        for status in statuses * 10:
            tasks.create_task(call_back(desk, call_id, CallSid=sid, CallStatus=status))
    await leave(desk, call_id)
    check(await desk.follow(call_id), "COMPLETED", "CALLER", ordered=False)
