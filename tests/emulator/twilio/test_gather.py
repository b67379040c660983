"""`<Gather>`: keys end by number, key or silence; a key cuts a prompt off; sentences that are known are understood."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from agenticd.emulator.phone import Line, PhoneScript
from agenticd.emulator.twilio import TwilioConfig, TwilioServer
from agenticd.emulator.voice import Voice
from tests.emulator.twilio.conftest import Account
from tests.emulator.twilio.customer import Customer
from tests.emulator.twilio.test_play import AUDIO, file
from tests.emulator.twilio.test_say import LONG

SENTENCE = "I would like a table for two tonight."


PROMPT = "<Say>press now</Say>"


def presses(first: str, *more: str, pause: float = 0.1) -> PhoneScript:
    """Somebody who presses keys when they were asked to, and others `pause` s later."""
    lines = (Line(press=group, after="time", pause=pause) for group in more)
    return PhoneScript(ring=0, lines=(Line(press=first, pause=0.3), *lines))


def asks(
    customer: Customer, attributes: str = "", prompts: str = PROMPT, after: str = "<Redirect>/none</Redirect>"
) -> None:
    customer.documents["/voice"] = f'<Response><Gather action="/got" {attributes}>{prompts}</Gather>{after}</Response>'
    customer.documents["/got"] = customer.documents["/none"] = "<Response/>"


def got(customer: Customer) -> list[dict[str, str]]:
    names = ("Digits", "SpeechResult", "Confidence")
    return [{name: request.form[name] for name in names if name in request.form} for request in customer.at("/got")]


async def test_the_number_of_digits_that_is_wanted_ends_it(account: Account, customer: Customer):
    asks(customer, 'numDigits="3"')
    call = await account.dial(presses("12", "34"))
    assert await call.ended() == "completed"
    assert got(customer) == [{"Digits": "123"}]
    asked = customer.at("/got")[0]
    assert (asked.method, asked.signed, asked.form["CallStatus"]) == ("POST", True, "in-progress")
    assert customer.at("/none") == []
    assert [gathered.digits for gathered in call.gathered] == ["123"]


@pytest.mark.parametrize(
    ("attributes", "keys", "digits"),
    [
        ("", ("12#",), "12"),
        ("", ("#7#",), "7"),  # alone it ends nothing
        ('finishOnKey="*"', ("1#2*",), "1#2"),
        ('finishOnKey="" timeout="1"', ("1#*",), "1#*"),
        ('timeout="1"', ("5", "6"), "56"),
        ('timeout="1" numDigits="9"', ("5",), "5"),
    ],
)
async def test_a_key_or_silence_ends_it(
    account: Account, customer: Customer, attributes: str, keys: tuple[str, ...], digits: str
):
    asks(customer, attributes)
    await (await account.dial(presses(*keys))).ended()
    assert got(customer) == [{"Digits": digits}]


async def test_without_a_key_the_next_verb_follows(account: Account, customer: Customer):
    asks(customer, 'timeout="1"')
    call = await account.dial()
    await call.ended()
    assert got(customer) == []
    assert len(customer.at("/none")) == 1
    assert len(call.phone.sent) >= 8000 * 1.2, "the timeout begins after the prompt"
    assert [(gathered.digits, gathered.speech) for gathered in call.gathered] == [("", "")]


async def test_an_empty_result_goes_to_the_action_if_that_is_wanted(account: Account, customer: Customer):
    asks(customer, 'timeout="1" actionOnEmptyResult="true" method="GET"')
    await (await account.dial()).ended()
    assert got(customer) == [{"Digits": ""}]
    assert (customer.at("/got")[0].method, customer.at("/got")[0].signed) == ("GET", True)


async def test_without_an_action_the_present_url_is_asked_again(account: Account, customer: Customer):
    customer.documents["/voice"] = f'<Response><Gather numDigits="1" timeout="1">{PROMPT}</Gather></Response>'
    script = PhoneScript(ring=0, lines=(Line(press="4", pause=0.3), Line(press="5", pause=0.3)))
    await (await account.dial(script)).ended()
    assert [request.form.get("Digits") for request in customer.at("/voice")] == [None, "4", "5"]


@pytest.mark.parametrize(
    ("prompt", "after"),
    [
        (f"<Say>{LONG}</Say>", "over"),
        ("<Play loop='0'>/hi</Play>", "over"),
        (f"{PROMPT}<Pause length='500'/>", "agent"),
    ],
)
async def test_a_key_cuts_the_prompts_off(account: Account, customer: Customer, prompt: str, after):
    asks(customer, 'numDigits="2"', f"{prompt}<Say>never heard</Say>")
    customer.documents["/hi"] = file(AUDIO, "audio/ulaw")
    lines = (Line(press="1", after=after, pause=0.3), Line(press="2", after="time", pause=0.7))
    call = await account.dial(PhoneScript(ring=0, lines=lines))
    await call.ended()
    assert got(customer) == [{"Digits": "12"}]
    assert "never heard" not in call.said
    tail = bytes(call.phone.heard[-4000:])
    assert tail.count(b"\xff") > 3000, "silence since the first key"


async def test_a_prompt_that_is_no_audio_has_the_code_for_it_here(account: Account, customer: Customer):
    asks(customer, 'timeout="1"', "<Play>/none</Play>")
    await (await account.dial()).ended()
    assert account.server.debugger.codes() == [13325]


async def test_who_hangs_up_in_the_middle_asks_no_action(account: Account, customer: Customer):
    asks(customer)
    lines = (Line(press="1", pause=0.1), Line(hang_up=True, after="time", pause=0.2))
    assert await (await account.dial(PhoneScript(ring=0, lines=lines))).ended() == "completed"
    assert got(customer) == []
    assert customer.at("/none") == []


async def test_keys_are_not_kept_for_a_gather_that_comes_later(account: Account, customer: Customer):
    customer.documents["/voice"] = f"<Response>{PROMPT}<Pause length='2'/><Redirect>/ask</Redirect></Response>"
    customer.documents["/ask"] = '<Response><Gather action="/got" timeout="1"/></Response>'
    await (await account.dial(presses("1"))).ended()
    assert got(customer) == []


# Speech, in a real voice.


@pytest.fixture
async def speaking(customer: Customer) -> AsyncIterator[Account]:
    config = TwilioConfig(numbers=("+15550001111",))
    async with TwilioServer(config, Voice()) as server, aiohttp.ClientSession() as http:
        yield Account(server, customer, http)


@pytest.mark.parametrize("sentence", [SENTENCE, "Sieben Brezeln ohne Salz bitte"])
async def test_a_sentence_is_understood(speaking: Account, customer: Customer, sentence: str):
    asks(customer, 'input="speech" speechTimeout="auto"', "<Say>Hello.</Say>")
    call = await speaking.dial(PhoneScript(ring=0, lines=(Line(say=sentence, pause=0.3),)))
    await call.ended()
    (result,) = got(customer)
    assert result["SpeechResult"] == sentence
    assert 0.65 <= float(result["Confidence"]) <= 1
    assert call.gathered[0].speech == sentence


async def test_speech_cuts_the_prompts_off_unless_that_is_not_wanted(speaking: Account, customer: Customer):
    prompt = f"<Say>{LONG}</Say>"
    script = PhoneScript(ring=0, lines=(Line(say=SENTENCE, after="over", pause=0.3),))
    asks(customer, 'input="speech" speechTimeout="1"', prompt)
    call = await speaking.dial(script)
    await call.ended()
    assert [result["SpeechResult"] for result in got(customer)] == [SENTENCE]
    asks(customer, 'input="speech" timeout="1" bargeIn="false"', "<Say>word word word word word</Say>")
    deaf = await speaking.dial(PhoneScript(ring=0, lines=(Line(audio=b"\x00\x80" * 1200, after="over", pause=0.1),)))
    await deaf.ended()
    assert len(got(customer)) == 1
    assert [gathered.speech for gathered in deaf.gathered] == [""]


async def test_unknown_speech_is_never_made_up(speaking: Account, customer: Customer):
    asks(customer, 'input="speech" speechTimeout="1"')
    noise = bytes(range(256)) * 40
    await (await speaking.dial(PhoneScript(ring=0, lines=(Line(audio=noise, pause=0.2),)))).ended()
    assert got(customer) == []
    assert len(customer.at("/none")) == 1
    (notice,) = speaking.server.debugger
    assert (notice.code, notice.level) == (0, "emulator")
    assert "does not know" in notice.text


async def test_keys_win_over_speech_where_both_are_wanted(speaking: Account, customer: Customer):
    asks(customer, 'input="dtmf speech" numDigits="2" speechTimeout="5"')
    lines = (Line(say=SENTENCE, pause=0.1), Line(press="42", after="time", pause=0.1))
    await (await speaking.dial(PhoneScript(ring=0, lines=lines))).ended()
    assert got(customer) == [{"Digits": "42"}]
