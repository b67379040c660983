"""`<Dial>`: another phone rings, both hear each other, and what became of it is told as Twilio tells it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agenticd.emulator.phone import Line, PhoneScript
from agenticd.emulator.phone.live import LivePhone
from agenticd.emulator.twilio import Call, TwilioServer
from tests.emulator.twilio.conftest import CALLEE, HELLO, OWNED, WORLD, Account, Tones
from tests.emulator.twilio.customer import Customer

SILENCE = b"\xff"
OTHER, THIRD = "+15552224444", "+15552225555"
HUM = b"\x7d"
"""What a telephone sends that is on: too faint to be speech."""
HUMS = PhoneScript(ring=0, noise=HUM)


def says(audio: bytes, *then: Line, ring: float = 0, pause: float = 0.3) -> PhoneScript:
    return PhoneScript(ring=ring, lines=(Line(audio=audio, after="time", pause=pause), *then))


def talks(*then: Line) -> PhoneScript:
    """Speaks first, and does the rest when the other has spoken."""
    return says(WORLD, *then)


def answers(audio: bytes, *then: Line) -> PhoneScript:
    """Speaks when the other has spoken, and is sure to be heard."""
    return PhoneScript(ring=0, lines=(Line(audio=audio, pause=0.1), *then))


LEAVES = Line(hang_up=True, after="time", pause=0.3)
PATIENT = PhoneScript(ring=0)


def dials(customer: Customer, dial: str, after: str = "<Redirect>/next</Redirect>") -> None:
    customer.documents["/voice"] = f"<Response>{dial}{after}</Response>"
    customer.documents["/next"] = customer.documents["/over"] = "<Response/>"


async def child_of(server: TwilioServer, call: Call) -> Call:
    """The call that `call` dials, once it does."""
    calls = await server.wait_calls(2)
    return next(each for each in calls if each.parent is call)


def phone_of(call: Call) -> LivePhone:
    assert isinstance(call.phone, LivePhone)
    return call.phone


def heard(call: Call) -> bytes:
    """What this phone heard beside humming and silence."""
    return bytes(call.phone.heard).translate(None, HUM + SILENCE)


def digits(call: Call) -> list[str]:
    """The keys that this phone heard."""
    return [moment.text for moment in call.phone.timeline if moment.what == "heard-digit"]


async def until(account: Account, true: Callable[[], bool]) -> None:
    while not true():
        await account.get("Calls.json")


async def joined(account: Account) -> tuple[Call, Call]:
    """A call, and the one that it dials: each hears that the other is there."""
    account.server.set_phone(OTHER, HUMS)
    call = await account.dial(HUMS)
    child = await child_of(account.server, call)
    await until(account, lambda: HUM in call.phone.heard and HUM in child.phone.heard)
    return call, child


async def talk(account: Account, call: Call, child: Call) -> None:
    """The called speaks, then the caller, and the called hangs up, each when the other was heard to the end."""
    phone_of(child).say("WORLD")
    await until(account, lambda: heard(call) == WORLD)
    phone_of(call).say("HELLO")
    await until(account, lambda: heard(child) == HELLO)
    phone_of(child).hang_up()


async def test_the_two_hear_each_other_and_the_next_verb_follows(account: Account, customer: Customer):
    dials(customer, f"<Dial>{OTHER}</Dial>")
    call, child = await joined(account)
    await talk(account, call, child)
    assert await call.ended() == "completed"
    assert (child.status, child.direction, child.from_, child.to) == ("completed", "outbound-dial", OWNED, OTHER)
    assert (heard(child), heard(call)) == (HELLO, WORLD)
    assert len(customer.at("/next")) == 1
    assert account.server.debugger == []


async def test_the_action_is_told_how_it_went(account: Account, customer: Customer):
    dials(customer, f'<Dial action="/over"><Number>{OTHER}</Number></Dial>')
    account.server.set_phone(OTHER, says(WORLD, Line(hang_up=True, after="time", pause=0.6)))
    call = await account.dial()
    child = await child_of(account.server, call)
    await call.ended()
    (over,) = customer.at("/over")
    assert over.signed
    told = {name: value for name, value in over.form.items() if name.startswith("Dial")}
    assert told == {
        "DialCallStatus": "completed",
        "DialCallSid": child.sid,
        "DialCallDuration": str(child.duration),
        "DialBridged": "true",
    }
    assert child.duration >= 1
    assert over.form["CallStatus"] == "in-progress"
    assert customer.at("/next") == []


@pytest.mark.parametrize(("outcome", "status"), [("busy", "busy"), ("failed", "failed"), ("no-answer", "no-answer")])
async def test_who_does_not_answer_is_told_with_why(account: Account, customer: Customer, outcome, status: str):
    dials(customer, f'<Dial action="/over" timeout="1">{OTHER}</Dial>')
    account.server.set_phone(OTHER, PhoneScript(outcome=outcome, ring=0))
    call = await account.dial()
    child = await child_of(account.server, call)
    await call.ended()
    form = customer.at("/over")[0].form
    assert (form["DialCallStatus"], form["DialCallSid"], form["DialBridged"]) == (status, child.sid, "false")
    assert "DialCallDuration" not in form


async def test_the_number_is_told_of_each_state_of_its_call(account: Account, customer: Customer):
    events = "initiated ringing answered completed"
    dials(
        customer,
        f'<Dial><Number statusCallback="/leg" statusCallbackEvent="{events}" sendDigits="5">{OTHER}</Number></Dial>',
    )
    account.server.set_phone(OTHER, says(WORLD, LEAVES, ring=0.1))
    call = await account.dial()
    child = await child_of(account.server, call)
    await child.ended()
    told = customer.at("/leg")
    assert [request.form["CallStatus"] for request in told] == ["initiated", "ringing", "in-progress", "completed"]
    assert [request.form["SequenceNumber"] for request in told] == ["0", "1", "2", "3"]
    assert {request.form["ParentCallSid"] for request in told} == {call.sid}
    assert {request.form["Direction"] for request in told} == {"outbound-dial"}
    assert all(request.signed for request in told)
    assert [moment.text for moment in child.phone.timeline if moment.what == "heard-digit"] == ["5"]


async def test_keys_are_heard_as_tones_by_the_other(account: Account, customer: Customer):
    dials(customer, f"<Dial>{OTHER}</Dial>")
    call, child = await joined(account)
    phone_of(call).press("4*2")
    await until(account, lambda: len(digits(child)) == 3)
    phone_of(child).hang_up()
    await call.ended()
    assert digits(child) == ["4", "*", "2"]


@pytest.mark.parametrize("who", ["star", "limit"])
async def test_the_caller_lives_on_after_a_star_or_the_time_limit(account: Account, customer: Customer, who: str):
    attribute = 'hangupOnStar="true"' if who == "star" else 'timeLimit="1"'
    dials(customer, f'<Dial action="/over" {attribute}>{OTHER}</Dial>')
    account.server.set_phone(OTHER, talks())
    lines = (Line(press="1*", pause=0.1),) if who == "star" else ()
    call = await account.dial(PhoneScript(ring=0, lines=lines))
    child = await child_of(account.server, call)
    await call.ended()
    assert (child.status, customer.at("/over")[0].form["DialCallStatus"]) == ("completed", "completed")
    heard = [moment.text for moment in child.phone.timeline if moment.what == "heard-digit"]
    assert heard == (["1"] if who == "star" else [])


async def test_when_the_caller_hangs_up_the_other_is_hung_up_and_the_action_told(account: Account, customer: Customer):
    dials(customer, f'<Dial action="/over">{OTHER}</Dial>')
    account.server.set_phone(OTHER, talks())
    call = await account.dial(answers(HELLO, LEAVES))
    child = await child_of(account.server, call)
    assert (await call.ended(), await child.ended()) == ("completed", "completed")
    (over,) = customer.at("/over")
    assert (over.form["CallStatus"], over.form["DialCallStatus"]) == ("completed", "completed")
    assert customer.at("/next") == []


async def test_a_caller_who_gives_up_lets_the_other_ring_no_more(account: Account, customer: Customer):
    dials(customer, f"<Dial>{OTHER}</Dial>")
    account.server.set_phone(OTHER, PhoneScript(outcome="no-answer"))
    call = await account.dial()
    child = await child_of(account.server, call)
    await child.wait_status("ringing")
    await account.post(f"Calls/{call.sid}.json", {"Status": "completed"})
    assert (await call.ended(), await child.ended()) == ("completed", "canceled")


async def test_an_inbound_caller_is_joined_under_their_own_number(server: TwilioServer, customer: Customer):
    server.set_number(OWNED, customer.url("/voice"))
    server.set_phone(OTHER, says(WORLD, LEAVES))
    dials(customer, f"<Dial>{OTHER}</Dial>", after="")
    call = await server.ring_in(CALLEE, OWNED, PATIENT)
    child = await child_of(server, call)
    await call.ended()
    assert child.from_ == CALLEE
    assert bytes(call.phone.heard).replace(SILENCE, b"") == WORLD


@pytest.mark.parametrize(
    ("attribute", "number", "code"),
    [('callerId="+15559990000"', OTHER, 13214), ("", "nobody", 13223), ("", "+1555", 13223)],
)
async def test_what_cannot_be_dialled_has_failed(
    account: Account, customer: Customer, attribute: str, number: str, code: int
):
    dials(customer, f'<Dial action="/over" {attribute}>{number}</Dial>')
    call = await account.dial()
    await call.ended()
    assert customer.at("/over")[0].form["DialCallStatus"] == "failed"
    assert [(notice.code, notice.level) for notice in account.server.debugger] == [(code, "warning")]
    assert len(account.server.calls) == 1


async def test_a_number_as_people_in_the_us_write_it_is_dialled(account: Account, customer: Customer):
    dials(customer, f'<Dial callerId="{OWNED}">(555) 222-4444</Dial>')
    account.server.set_phone(OTHER, PhoneScript(outcome="busy", ring=0))
    call = await account.dial()
    assert (await child_of(account.server, call)).to == OTHER
    await call.ended()


async def test_several_ring_at_once_and_the_first_who_answers_is_joined(account: Account, customer: Customer):
    dials(customer, f'<Dial action="/over"><Number>{THIRD}</Number><Number>{OTHER}</Number></Dial>')
    account.server.set_phone(THIRD, PhoneScript(ring=30))
    account.server.set_phone(OTHER, says(WORLD, LEAVES, ring=0.2))
    call = await account.dial()
    _, third, other = await account.server.wait_calls(3)
    await call.ended()
    assert (await third.ended(), await other.ended()) == ("canceled", "completed")
    assert third.ended_at is not None
    assert other.ended_at is not None
    assert third.ended_at < other.ended_at, "when the other answered, not when they had done"
    assert customer.at("/over")[0].form["DialCallSid"] == other.sid


async def test_one_after_the_other_if_that_is_wanted(account: Account, customer: Customer):
    dials(customer, f'<Dial sequential="true"><Number>{THIRD}</Number><Number>{OTHER}</Number></Dial>')
    account.server.set_phone(THIRD, PhoneScript(outcome="busy", ring=0))
    account.server.set_phone(OTHER, says(WORLD, LEAVES))
    call = await account.dial()
    _, third, other = await account.server.wait_calls(3)
    await call.ended()
    assert other.created >= (third.ended_at or 0)
    assert bytes(call.phone.heard).replace(SILENCE, b"") == WORLD


# What the called hear first.


async def test_a_whisper_is_for_the_called_alone(account: Account, customer: Customer):
    dials(customer, f'<Dial><Number url="/whisper">{OTHER}</Number></Dial>')
    customer.documents["/whisper"] = "<Response><Say>a customer</Say></Response>"
    account.server.set_phone(OTHER, says(WORLD, LEAVES, pause=0.5))
    call = await account.dial()
    child = await child_of(account.server, call)
    await call.ended()
    assert child.said == ["a customer"]
    assert bytes(child.phone.heard).replace(SILENCE, b"") == Tones().say("a customer", "agent")
    assert bytes(call.phone.heard).replace(SILENCE, b"") == WORLD
    assert customer.at("/whisper")[0].form["CallSid"] == child.sid


async def test_the_called_may_decline_after_the_whisper(account: Account, customer: Customer):
    dials(customer, f'<Dial action="/over"><Number url="/whisper">{OTHER}</Number></Dial>')
    customer.documents["/whisper"] = '<Response><Gather numDigits="1" timeout="1"/><Hangup/></Response>'
    account.server.set_phone(OTHER, PATIENT)
    call = await account.dial()
    await call.ended()
    assert customer.at("/over")[0].form["DialBridged"] == "false"


async def test_a_dial_within_a_whisper_is_an_error(account: Account, customer: Customer):
    dials(customer, f'<Dial><Number url="/whisper">{OTHER}</Number></Dial>')
    customer.documents["/whisper"] = f"<Response><Dial>{THIRD}</Dial></Response>"
    account.server.set_phone(OTHER, says(WORLD, LEAVES))
    call = await account.dial()
    await call.ended()
    assert account.server.debugger.codes() == [13201]
    assert len(account.server.calls) == 2


# Over REST.


async def test_the_child_is_a_call_of_its_own(account: Account, customer: Customer):
    dials(customer, f"<Dial>{OTHER}</Dial>")
    account.server.set_phone(OTHER, PATIENT)
    call = await account.dial()
    child = await child_of(account.server, call)
    await child.wait_status("in-progress")
    _, body = await account.get(f"Calls/{child.sid}.json")
    assert (body["parent_call_sid"], body["direction"]) == (call.sid, "outbound-dial")
    _, listed = await account.get("Calls.json", ParentCallSid=call.sid)
    assert [each["sid"] for each in listed["calls"]] == [child.sid]
    await account.post(f"Calls/{child.sid}.json", {"Status": "completed"})
    assert await call.ended() == "completed"
    assert len(customer.at("/next")) == 1


async def test_the_child_can_be_sent_elsewhere_and_lives_on(account: Account, customer: Customer):
    dials(customer, f'<Dial action="/over">{OTHER}</Dial>')
    account.server.set_phone(OTHER, talks())
    call = await account.dial(answers(HELLO))
    child = await child_of(account.server, call)
    while bytes(child.phone.heard).replace(SILENCE, b"") != HELLO:
        await account.get("Calls.json")
    status, _ = await account.post(
        f"Calls/{child.sid}.json", {"Twiml": "<Response><Say>one two</Say><Pause length='1'/></Response>"}
    )
    assert status == 200
    assert await call.ended() == "completed"
    assert customer.at("/over")[0].form["DialCallStatus"] == "completed"
    assert await child.ended() == "completed"
    assert child.said == ["one two"]


async def test_the_called_can_be_sent_elsewhere_before_they_are_joined(account: Account, customer: Customer):
    dials(customer, f'<Dial action="/over"><Number url="/whisper">{OTHER}</Number></Dial>')
    customer.documents["/whisper"] = "<Response><Say>one</Say><Pause length='600'/></Response>"
    account.server.set_phone(OTHER, PATIENT)
    call = await account.dial()
    child = await child_of(account.server, call)
    while not child.said:
        await account.get("Calls.json")
    again = f"<Response><Dial>{THIRD}</Dial></Response>"
    account.server.set_phone(THIRD, PhoneScript(outcome="busy", ring=0))
    await account.post(f"Calls/{child.sid}.json", {"Twiml": again})
    assert (await call.ended(), await child.ended()) == ("completed", "completed")
    assert customer.at("/over")[0].form["DialBridged"] == "false"
    assert [each.to for each in account.server.calls.values()] == [CALLEE, OTHER, THIRD], "it may dial by now"
    assert account.server.debugger == []


async def test_a_caller_who_is_sent_elsewhere_leaves_the_other(account: Account, customer: Customer):
    dials(customer, f'<Dial action="/over">{OTHER}</Dial>')
    account.server.set_phone(OTHER, PATIENT)
    call = await account.dial()
    child = await child_of(account.server, call)
    await child.wait_status("in-progress")
    await account.post(f"Calls/{call.sid}.json", {"Twiml": "<Response><Say>one</Say></Response>"})
    assert (await child.ended(), await call.ended()) == ("completed", "completed")
    assert (call.said, customer.at("/over"), customer.at("/next")) == (["one"], [], [])
