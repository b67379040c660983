"""`<Say>`: what Twilio says in its own voice is heard on the phone, is cut off by what comes next, and is on record."""

from __future__ import annotations

import pytest
from aiohttp import web

from agenticd.emulator.phone import Line, PhoneScript
from agenticd.emulator.twilio import TwilioServer
from tests.emulator.twilio.conftest import CALLEE, OWNED, Account, Tones
from tests.emulator.twilio.customer import Customer, Socket
from tests.emulator.twilio.test_dial import phone_of, until

SILENCE = b"\xff"
LONG = "word " * 300
"""30 s in the voice of these tests."""


def heard(text: str) -> bytes:
    return Tones().say(text, "agent")


async def test_a_text_is_heard_to_its_end_before_the_next_verb(account: Account, customer: Customer):
    customer.documents["/voice"] = "<Response><Say>Good bye, friend.</Say><Hangup/></Response>"
    call = await account.dial()
    assert await call.ended() == "completed"
    assert call.said == ["Good bye, friend."]
    assert bytes(call.phone.heard).strip(SILENCE) == heard("Good bye, friend.")
    assert account.server.debugger.codes() == []


async def test_it_is_said_as_often_as_loop_says(account: Account, customer: Customer):
    customer.documents["/voice"] = '<Response><Say loop="3">one two</Say></Response>'
    call = await account.dial()
    await call.ended()
    assert call.said == ["one two"] * 3
    assert bytes(call.phone.heard).count(heard("one two")[:2]) == 3 * len(heard("one two")) // 2


async def test_zero_goes_on_until_the_person_hangs_up(account: Account, customer: Customer):
    customer.documents["/voice"] = '<Response><Say loop="0">hello</Say><Redirect>/never</Redirect></Response>'
    call = await account.dial()
    await until(account, lambda: len(call.said) >= 4)
    phone_of(call).hang_up()
    assert await call.ended() == "completed"
    assert customer.at("/never") == []


async def test_a_say_without_words_is_warned_of_and_the_document_goes_on(account: Account, customer: Customer):
    customer.documents["/voice"] = "<Response><Say> </Say><Redirect>/next</Redirect></Response>"
    customer.documents["/next"] = "<Response/>"
    call = await account.dial()
    await call.ended()
    assert call.said == []
    assert [(n.code, n.level) for n in account.server.debugger] == [(13520, "warning")]
    assert len(customer.at("/next")) == 1


async def test_the_person_on_the_phone_takes_it_for_an_agent_and_answers(account: Account, customer: Customer):
    customer.documents["/voice"] = "<Response><Say>how are you</Say><Pause length='600'/></Response>"
    call = await account.dial(PhoneScript(ring=0, lines=(Line(hang_up=True, pause=0.3),)))
    assert await call.ended() == "completed"
    assert [moment.what for moment in call.phone.timeline][:2] == ["agent", "agent-end"]


async def test_an_inbound_call_is_answered_by_it(server: TwilioServer, customer: Customer):
    server.set_number(OWNED, customer.url("/in"))
    customer.documents["/in"] = "<Response><Say>closed today</Say></Response>"
    call = await server.ring_in(CALLEE, OWNED, PhoneScript())
    assert await call.ended() == "completed"
    assert call.answered is not None
    assert (call.said, bytes(call.phone.heard).strip(SILENCE)) == (["closed today"], heard("closed today"))


async def test_an_answer_in_plain_text_is_spoken(account: Account, customer: Customer):
    async def voice(_request: web.Request) -> web.Response:
        return web.Response(text="Hello & good bye", content_type="text/plain")

    customer.documents["/voice"] = voice
    call = await account.dial()
    await call.ended()
    assert call.said == ["Hello & good bye"]


@pytest.mark.parametrize("how", ["Twiml", "Url"])
async def test_an_update_leaves_a_running_stream_for_the_words_and_the_end(
    account: Account, customer: Customer, how: str
):
    """What the stream had buffered is not played on, and the server is told of its end before the words."""
    document = "<Response><Say>sorry and good bye</Say><Hangup/></Response>"

    async def media(socket: Socket) -> None:
        await socket.play(b"\x10" * 80_000)
        await socket.until("media", 3)
        customer.documents["/sorry"] = document
        value = document if how == "Twiml" else customer.url("/sorry")
        status, body = await account.post(f"Calls/{call.sid}.json", {how: value})
        assert (status, body["status"]) == (200, "in-progress")
        await socket.drain()
        assert socket.ws.close_code == 1000

    customer.media = media
    customer.documents["/voice"] = customer.connect(action="/action", after="<Redirect>/next</Redirect>")
    call = await account.dial()
    assert await call.ended() == "completed"
    assert customer.sockets[0].messages[-1]["event"] == "stop"
    assert call.said == ["sorry and good bye"]
    sound = bytes(call.phone.heard).strip(SILENCE)
    assert sound.endswith(heard("sorry and good bye"))
    assert sound.count(b"\x10") < 40_000, "the stream's audio was cut off"
    assert [path for path in customer.paths() if path in ("/action", "/next")] == []
    assert account.server.debugger.codes() == []


async def test_an_update_cuts_off_what_is_being_said(account: Account, customer: Customer):
    customer.documents["/voice"] = f"<Response><Say>{LONG}</Say></Response>"
    call = await account.dial()
    await call.wait_status("in-progress")
    while not call.said:
        await account.get(f"Calls/{call.sid}.json")
    await account.post(f"Calls/{call.sid}.json", {"Twiml": "<Response><Pause/><Say>bye</Say></Response>"})
    await call.ended()
    assert call.said == [LONG.strip(), "bye"]
    assert len(bytes(call.phone.heard).strip(SILENCE)) < 40_000, "not to its end"
    assert bytes(call.phone.heard)[-4000:].strip(SILENCE) == heard("bye"), "and silence in the pause"


async def test_a_hang_up_cuts_off_what_is_being_said(account: Account, customer: Customer):
    customer.documents["/voice"] = f"<Response><Say>{LONG}</Say></Response>"
    call = await account.dial()
    await customer.wait_for("/voice")
    await account.post(f"Calls/{call.sid}.json", {"Status": "completed"})
    assert await call.ended() == "completed"
    assert len(call.phone.heard) < 40_000


async def test_an_update_that_is_too_long_is_refused(account: Account, customer: Customer):
    call = await account.dial()
    await call.wait_status("in-progress")
    status, body = await account.post(f"Calls/{call.sid}.json", {"Twiml": "<Response/>" + " " * 4000})
    assert (status, body["code"]) == (400, 20001)
    assert call.status == "in-progress"
