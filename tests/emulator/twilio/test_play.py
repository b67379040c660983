"""`<Play>`: files and tones are heard on the phone; what cannot be played has Twilio's code, and the call goes on."""

from __future__ import annotations

import numpy as np
import pytest
from aiohttp import web

from agenticd.emulator.phone import Line, PhoneScript
from agenticd.emulator.voice import ulaw
from tests.emulator.twilio.conftest import Account
from tests.emulator.twilio.customer import Customer, Document
from tests.emulator.twilio.test_sound import pcm_wav, tone, ulaw_wav

SILENCE = b"\xff"
AUDIO = bytes(range(120)) * 10
NEXT = "<Redirect>/next</Redirect>"


def file(body: bytes, content_type: str, status: int = 200) -> Document:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, status=status, headers={"Content-Type": content_type})

    return answer


def digits_heard(call) -> str:
    return "".join(moment.text for moment in call.phone.timeline if moment.what == "heard-digit")


async def test_a_mu_law_wav_is_heard_byte_for_byte_before_the_next_verb(account: Account, customer: Customer):
    customer.documents["/voice"] = f"<Response><Play>hi.wav</Play>{NEXT}</Response>"
    customer.documents["/hi.wav"] = file(ulaw_wav(AUDIO), "audio/wav")
    customer.documents["/next"] = "<Response/>"
    call = await account.dial()
    assert await call.ended() == "completed"
    assert bytes(call.phone.heard).strip(SILENCE) == AUDIO
    assert call.played == [customer.url("/hi.wav")]
    asked = customer.at("/hi.wav")
    assert [(request.method, dict(request.form), request.signed) for request in asked] == [("GET", {}, True)]
    assert account.server.debugger == []


async def test_it_is_fetched_once_and_played_as_often_as_loop_says(account: Account, customer: Customer):
    customer.documents["/voice"] = '<Response><Play loop="3">/hi</Play></Response>'
    customer.documents["/hi"] = file(AUDIO, "audio/ulaw")
    call = await account.dial()
    await call.ended()
    assert bytes(call.phone.heard).replace(SILENCE, b"") == AUDIO * 3
    assert len(customer.at("/hi")) == 1


async def test_a_studios_wav_is_heard_at_the_telephones_rate(account: Account, customer: Customer):
    customer.documents["/voice"] = "<Response><Play>/hi</Play></Response>"
    customer.documents["/hi"] = file(pcm_wav(tone(44100, 700), 44100), "audio/x-wav")
    call = await account.dial()
    await call.ended()
    heard = ulaw.decode(bytes(call.phone.heard).strip(SILENCE)).astype(float)
    assert len(heard) == pytest.approx(4000, abs=20)
    at = np.arange(len(heard)) / 8000
    assert 2 / len(heard) * abs((heard * np.exp(-2j * np.pi * 700 * at)).sum()) == pytest.approx(8000, rel=0.05)


async def test_zero_plays_until_the_person_hangs_up(account: Account, customer: Customer):
    customer.documents["/voice"] = f'<Response><Play loop="0">/hi</Play>{NEXT}</Response>'
    customer.documents["/hi"] = file(AUDIO[:400], "audio/ulaw")
    call = await account.dial(PhoneScript(ring=0, lines=(Line(hang_up=True, after="time", pause=0.5),)))
    assert await call.ended() == "completed"
    assert len(call.played) >= 4
    assert customer.at("/next") == []


async def test_the_tones_of_digits_are_heard_by_the_phone(account: Account, customer: Customer):
    customer.documents["/voice"] = '<Response><Play digits="1w2#"/><Play loop="2" digits="9">/never</Play></Response>'
    call = await account.dial()
    await call.ended()
    assert digits_heard(call) == "12#99"
    assert call.played == ["1w2#", "9", "9"]
    assert customer.at("/never") == []


async def test_an_answer_that_is_audio_is_played_and_the_call_ends(account: Account, customer: Customer):
    customer.documents["/voice"] = file(ulaw_wav(AUDIO * 60), "audio/wav")  # more than TwiML may have
    call = await account.dial()
    assert await call.ended() == "completed"
    assert bytes(call.phone.heard).strip(SILENCE) == AUDIO * 60
    assert account.server.debugger == []


@pytest.mark.parametrize(
    ("answer", "code", "level"),
    [
        (file(b"no", "audio/wav", 404), 11200, "error"),
        (file(b"<Response/>", "text/xml"), 13420, "error"),
        (file(b"", "audio/basic"), 13420, "error"),
        (file(b"ID3 and more", "audio/wav"), 11200, "error"),
        (file(b"ID3 and more", "audio/mpeg"), 0, "emulator"),
    ],
)
async def test_what_cannot_be_played_is_told_and_the_next_verb_follows(
    account: Account, customer: Customer, answer: Document, code: int, level: str
):
    customer.documents["/voice"] = f"<Response><Play>/hi</Play>{NEXT}</Response>"
    customer.documents["/hi"] = answer
    customer.documents["/next"] = "<Response/>"
    call = await account.dial()
    assert await call.ended() == "completed"
    assert [(notice.code, notice.level) for notice in account.server.debugger] == [(code, level)]
    assert call.played == []
    assert len(customer.at("/next")) == 1


async def test_a_file_on_a_server_that_is_not_there(account: Account, customer: Customer):
    customer.documents["/voice"] = f"<Response><Play>http://127.0.0.1:1/hi#rc=0</Play>{NEXT}</Response>"
    customer.documents["/next"] = "<Response/>"
    await (await account.dial()).ended()
    assert account.server.debugger.codes() == [11205]
    assert len(customer.at("/next")) == 1
