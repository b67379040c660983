"""A call that comes in: the voice webhook is asked while it rings, and its first verb decides."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from agenticd.emulator.phone import Line, PhoneScript
from agenticd.emulator.twilio import TwilioServer
from tests.emulator.twilio.conftest import CALLEE, OWNED, TROUBLE
from tests.emulator.twilio.customer import Customer, Socket

LEAVES = PhoneScript(lines=(Line(hang_up=True, after="time", pause=0.1),))


@pytest.fixture
def number(server: TwilioServer, customer: Customer) -> None:
    server.set_number(OWNED, customer.url("/in"), status_callback=customer.url("/status"))


@pytest.mark.usefixtures("number")
async def test_a_call_is_answered_by_a_stream(server: TwilioServer, customer: Customer):
    async def media(socket: Socket) -> None:
        await socket.play(b"\x00\x80" * 1000)
        await socket.drain()

    customer.media = media
    customer.documents["/in"] = customer.connect()
    call = await server.ring_in(CALLEE, OWNED, PhoneScript(lines=(Line(hang_up=True, pause=0.1),)))
    assert await call.ended() == "completed"
    (asked,) = customer.at("/in")
    assert asked.signed
    assert (asked.form["CallStatus"], asked.form["Direction"]) == ("ringing", "inbound")
    assert (asked.form["From"], asked.form["To"]) == (CALLEE, OWNED)
    assert customer.sockets[0].messages[1]["start"]["callSid"] == call.sid
    assert [status for status, _ in call.history] == ["ringing", "in-progress", "completed"]
    (report,) = customer.at("/status")
    assert report.form["CallStatus"] == "completed", "the number's callback comes only at the end"


@pytest.mark.usefixtures("number")
@pytest.mark.parametrize(("verb", "status"), [("<Reject/>", "no-answer"), ('<Reject reason="busy"/>', "busy")])
async def test_reject_as_the_first_verb_never_answers(server: TwilioServer, customer: Customer, verb: str, status: str):
    customer.documents["/in"] = f"<Response>{verb}<Redirect>/next</Redirect></Response>"
    call = await server.ring_in(CALLEE, OWNED, LEAVES)
    assert await call.ended() == status
    assert call.answered is None
    assert customer.at("/next") == []


@pytest.mark.usefixtures("number")
async def test_any_other_first_verb_answers(server: TwilioServer, customer: Customer):
    customer.documents["/in"] = "<Response><Hangup/></Response>"
    call = await server.ring_in(CALLEE, OWNED, PhoneScript())
    assert await call.ended() == "completed"
    assert call.answered is not None


@pytest.mark.usefixtures("number")
async def test_a_webhook_that_fails_answers_the_call_and_ends_it(server: TwilioServer, customer: Customer):
    async def error(request: web.Request) -> web.Response:
        return web.Response(status=500)

    customer.documents["/in"] = error
    call = await server.ring_in(CALLEE, OWNED, PhoneScript())
    assert await call.ended() == "completed"
    assert server.debugger.codes(call.sid) == [11200]
    assert call.said == [TROUBLE]


@pytest.mark.usefixtures("number")
async def test_later_requests_say_in_progress(server: TwilioServer, customer: Customer):
    customer.documents["/in"] = "<Response><Redirect>/next</Redirect></Response>"
    customer.documents["/next"] = "<Response/>"
    await (await server.ring_in(CALLEE, OWNED, PhoneScript())).ended()
    assert customer.at("/next")[0].form["CallStatus"] == "in-progress"


@pytest.mark.usefixtures("number")
@pytest.mark.parametrize(("caller", "vouched"), [(CALLEE, "TN-Validation-Passed-A"), ("anonymous", "No-TN-Validation")])
async def test_what_is_known_of_the_caller_comes_with_a_token(
    server: TwilioServer, customer: Customer, caller: str, vouched: str
):
    customer.documents["/in"] = "<Response><Hangup/></Response>"
    calls = [await server.ring_in(caller, OWNED, PhoneScript()) for _ in range(2)]
    for call in calls:
        await call.ended()
    assert [asked.form["StirVerstat"] for asked in customer.at("/in")] == [vouched] * 2
    tokens = {request.form["CallToken"] for request in customer.requests}
    assert len(tokens) == 2, "each call has one, and keeps it"


@pytest.mark.usefixtures("number")
async def test_a_call_can_be_ended_while_its_webhook_is_asked(server: TwilioServer, customer: Customer):
    over = asyncio.Event()

    async def voice(request: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    customer.documents["/in"] = voice
    call = await server.ring_in(CALLEE, OWNED, PhoneScript())
    await customer.wait_for("/in")
    life = server.life(call.sid)
    assert life is not None
    life.end("canceled")
    assert await call.ended() == "canceled"
    over.set()


async def test_a_number_without_a_voice_url_is_told_to_the_one_who_forgot_it(server: TwilioServer):
    with pytest.raises(ValueError, match="set_number"):
        await server.ring_in(CALLEE, OWNED, PhoneScript())
    with pytest.raises(ValueError, match="none of the account's numbers"):
        server.set_number(CALLEE, "http://127.0.0.1/voice")
