"""One outbound call from its creation to its end: states, callbacks, TwiML and who may end it."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from agenticd.emulator.phone import Line, PhoneScript
from agenticd.emulator.twilio import TwilioConfig, TwilioServer
from tests.emulator.twilio.conftest import CALLEE, OWNED, Account, Tones
from tests.emulator.twilio.customer import Customer, Socket

ANSWERS = PhoneScript(ring=0.05)
LEAVES = PhoneScript(ring=0, lines=(Line(hang_up=True, after="time", pause=0.1),))


async def test_an_answered_call_reports_four_events_in_order(account: Account, customer: Customer):
    call = await account.dial(LEAVES)
    assert await call.ended() == "completed"
    reports = customer.at("/status")
    assert [r.form["CallStatus"] for r in reports] == ["initiated", "ringing", "in-progress", "completed"]
    assert [r.form["SequenceNumber"] for r in reports] == ["0", "1", "2", "3"]
    for report in reports:
        assert report.signed
        assert report.method == "POST"
        assert report.form["CallSid"] == call.sid
        assert report.form["AccountSid"] == call.account_sid
        assert (report.form["From"], report.form["Caller"]) == (OWNED, OWNED)
        assert (report.form["To"], report.form["Called"]) == (CALLEE, CALLEE)
        assert report.form["Direction"] == "outbound-api"
        assert report.form["ApiVersion"] == "2010-04-01"
        assert report.form["CallbackSource"] == "call-progress-events"
        assert report.form["Timestamp"].endswith("+0000")
    assert [("CallDuration" in r.form, "Duration" in r.form) for r in reports] == [
        *[(False, False)] * 3,
        (True, True),
    ]
    assert (reports[3].form["CallDuration"], reports[3].form["Duration"]) == (str(call.duration), "1")
    assert reports[3].form["SipResponseCode"] == "200"
    assert [report.form.get("StirStatus") for report in reports] == [None, "A", "A", None]
    assert not any({"StirVerstat", "CallToken"} & report.form.keys() for report in reports)


async def test_the_voice_url_is_asked_when_the_phone_is_answered_and_not_before(account: Account, customer: Customer):
    customer.documents["/voice"] = "<Response/>"
    call = await account.dial(ANSWERS)
    await call.ended()
    (asked,) = customer.at("/voice")
    (voice,) = [webhook for webhook in call.callbacks if webhook.kind == "voice"]
    assert voice.at >= dict(call.history)["in-progress"]
    assert asked.signed
    assert asked.form["CallStatus"] == "in-progress"
    assert asked.form["CallSid"] == call.sid
    assert "SequenceNumber" not in asked.form


@pytest.mark.parametrize(
    ("script", "status", "sip", "seen"),
    [
        (PhoneScript(outcome="busy", ring=0), "busy", "486", ["initiated", "busy"]),
        (PhoneScript(outcome="failed", ring=0), "failed", "404", ["initiated", "failed"]),
        (PhoneScript(outcome="no-answer"), "no-answer", "487", ["initiated", "ringing", "no-answer"]),
        (PhoneScript(ring=60), "no-answer", "487", ["initiated", "ringing", "no-answer"]),
    ],
)
async def test_a_call_that_nobody_answers_ends_as_its_script_says(
    account: Account, customer: Customer, script: PhoneScript, status: str, sip: str, seen: list[str]
):
    call = await account.dial(script, Timeout="1")
    assert await call.ended() == status
    reports = customer.at("/status")
    assert [r.form["CallStatus"] for r in reports] == seen
    assert (reports[-1].form["SipResponseCode"], reports[-1].form["CallDuration"]) == (sip, "0")
    assert "Duration" not in reports[-1].form, "the minutes of completed calls"
    assert customer.at("/voice") == []
    assert call.resource()["duration"] is None


async def test_only_the_events_that_were_asked_for_are_reported(account: Account, customer: Customer):
    account.server.set_phone(CALLEE, LEAVES)
    basis = [("To", CALLEE), ("From", OWNED), ("Url", customer.url("/voice"))]
    back = ("StatusCallback", customer.url("/status"))
    asked = {
        "the default": [back],
        "answered": [back, ("StatusCallbackEvent", "answered")],
        "joined": [back, ("StatusCallbackEvent", "initiated ringing answered completed")],
        "no url": [("StatusCallbackEvent", "completed")],
        "bad url": [("StatusCallback", "nonsense")],
        "underscore": [("StatusCallback", "http://my_host/status")],
    }
    got = {}
    for name, form in asked.items():
        status, body = await account.post("Calls.json", [*basis, *form])
        assert status == 201
        await account.server.calls[body["sid"]].ended()
        got[name] = [r.form["CallStatus"] for r in customer.at("/status") if r.form["CallSid"] == body["sid"]]
    assert got == {
        "the default": ["completed"],
        "answered": ["in-progress"],
        "joined": [],
        "no url": [],
        "bad url": [],
        "underscore": [],
    }
    assert account.server.debugger.codes() == [21626, 21609, 21609]


async def test_a_call_canceled_while_it_is_queued_reports_nothing(customer: Customer):
    async with (
        TwilioServer(TwilioConfig(numbers=(OWNED,), queue_time=60), Tones()) as server,
        aiohttp.ClientSession() as http,
    ):
        account = Account(server, customer, http)
        call = await account.dial()
        _, body = await account.get(f"Calls/{call.sid}.json")
        assert (body["status"], body["start_time"]) == ("queued", None)
        _, body = await account.post(f"Calls/{call.sid}.json", {"Status": "canceled"})
        assert body["status"] == "canceled"
        assert await call.ended() == "canceled"
    assert customer.requests == []


@pytest.mark.parametrize("wanted", ["canceled", "completed"])
async def test_a_hang_up_while_it_rings_cancels_the_call(account: Account, customer: Customer, wanted: str):
    call = await account.dial(PhoneScript(outcome="no-answer"))
    await call.wait_status("ringing")
    _, body = await account.post(f"Calls/{call.sid}.json", {"Status": wanted})
    assert body["status"] == "canceled"
    assert await call.ended() == "canceled"
    assert [r.form["CallStatus"] for r in customer.at("/status")] == ["initiated", "ringing", "canceled"]


async def test_the_time_limit_ends_the_call(account: Account, customer: Customer):
    call = await account.dial(PhoneScript(ring=0), TimeLimit="1")
    assert await call.ended() == "completed"
    assert customer.sockets[0].messages[-1]["event"] == "stop"
    assert len(call.phone.heard) >= len(call.phone.sent) >= 7840


async def test_inline_twiml_is_performed_and_an_url_goes_before_it(account: Account, customer: Customer):
    account.server.set_phone(CALLEE, LEAVES)
    form = {"To": CALLEE, "From": OWNED, "Twiml": customer.connect(after="<Hangup/>")}
    status, body = await account.post("Calls.json", form)
    assert status == 201
    call = account.server.calls[body["sid"]]
    assert (await call.ended(), len(call.streams)) == ("completed", 1)
    assert customer.requests == []
    other = await account.dial(LEAVES, Twiml="<Response/>")
    await other.ended()
    assert len(customer.at("/voice")) == 1


async def test_pause_redirect_and_hangup_are_performed_in_order(account: Account, customer: Customer):
    customer.documents["/voice"] = '<Response><Redirect method="GET">next?a=1&amp;b=%20</Redirect><Hangup/></Response>'
    customer.documents["/next"] = '<Response><Pause length="1"/><Redirect>http://{}/last</Redirect></Response>'
    customer.documents["/next"] = str(customer.documents["/next"]).format(customer.authority)
    customer.documents["/last"] = "<Response><Hangup/><Redirect>/never</Redirect></Response>"
    call = await account.dial()
    assert await call.ended() == "completed"
    asked = [(r.path, r.method, r.signed) for r in customer.requests if r.path != "/status"]
    assert asked == [("/voice", "POST", True), ("/next", "GET", True), ("/last", "POST", True)]
    assert customer.at("/next")[0].form["CallSid"] == call.sid
    assert (customer.at("/next")[0].form["a"], customer.at("/next")[0].form["b"]) == ("1", " ")
    assert len(call.phone.heard) >= 8000, "the pause was in the call"


async def test_an_empty_document_hangs_up(account: Account, customer: Customer):
    customer.documents["/voice"] = "<Response/>"
    call = await account.dial()
    assert await call.ended() == "completed"


async def test_verbs_that_are_not_built_are_told_and_skipped(account: Account, customer: Customer):
    customer.documents["/voice"] = "<Response><Echo/><Blink/><Redirect>/next</Redirect></Response>"
    customer.documents["/next"] = "<Response/>"
    call = await account.dial()
    await call.ended()
    notices = [(n.code, n.level) for n in account.server.debugger if n.call_sid == call.sid]
    assert notices == [(12200, "warning"), (0, "emulator")]
    assert len(customer.at("/next")) == 1


async def test_a_redirect_by_rest_leaves_the_stream_for_the_new_document(account: Account, customer: Customer):
    async def media(socket: Socket) -> None:
        if len(customer.sockets) == 1:
            await socket.until("media")
            form = {"Url": customer.url("/second"), "Method": "GET"}
            status, body = await account.post(f"Calls/{call.sid}.json", form)
            assert (status, body["status"]) == (200, "in-progress")
            await socket.drain()
        else:
            await socket.until("media")

    customer.media = media
    customer.documents["/voice"] = customer.connect(action="/action", after="<Redirect>/next</Redirect>")
    customer.documents["/second"] = customer.connect(after="<Hangup/>")
    call = await account.dial()
    assert await call.ended() == "completed"
    assert customer.sockets[0].messages[-1]["event"] == "stop"
    assert len(call.streams) == 2
    assert [path for path in customer.paths() if path != "/status"] == ["/voice", "/second"]


async def test_a_redirect_by_rest_can_bring_its_own_twiml(account: Account, customer: Customer):
    call = await account.dial()
    await call.wait_status("in-progress")
    await account.post(f"Calls/{call.sid}.json", {"Twiml": "<Response><Hangup/></Response>"})
    assert await call.ended() == "completed"


async def test_a_hang_up_is_not_held_up_by_a_webhook_that_does_not_answer(account: Account, customer: Customer):
    over = asyncio.Event()

    async def voice(request: aiohttp.web.Request) -> aiohttp.web.Response:
        await over.wait()
        return aiohttp.web.Response()

    customer.documents["/voice"] = voice
    call = await account.dial()
    await customer.wait_for("/voice")
    await account.post(f"Calls/{call.sid}.json", {"Status": "completed"})
    assert await call.ended() == "completed"
    over.set()


async def test_a_phone_that_hangs_up_ends_a_call_without_a_stream_too(account: Account, customer: Customer):
    customer.documents["/voice"] = '<Response><Pause length="600"/></Response>'
    call = await account.dial(LEAVES)
    assert await call.ended() == "completed"


async def test_waiting_for_a_status_that_never_comes_is_an_error(account: Account, customer: Customer):
    call = await account.dial(PhoneScript(outcome="busy", ring=0))
    with pytest.raises(RuntimeError, match="busy"):
        await call.wait_status("in-progress")
    assert await call.wait_status("initiated", "busy") == "initiated"
