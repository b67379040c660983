"""TwiML is read as Twilio reads it: case-sensitive, tolerant of the unknown, deaf to what is no XML."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.twiml.voice_response import Connect as LibraryConnect
from twilio.twiml.voice_response import VoiceResponse

from agenticd.emulator.twilio.twiml import (
    Connect,
    Document,
    Hangup,
    NotBuilt,
    Pause,
    Redirect,
    Reject,
    Say,
    Stream,
    TwimlInvalid,
    parse,
)


def response(body: str) -> Document:
    return parse(f"<Response>{body}</Response>".encode())


def test_what_the_helper_library_writes_is_read_back():
    connect = LibraryConnect(action="/action?a=1&b=2", method="GET")
    stream = connect.stream(url="wss://h/m", name="agent", status_callback="https://h/s")
    stream.parameter(name="call", value='<"&é>')
    stream.parameter(name="token", value="")
    written = VoiceResponse()
    written.append(connect)
    written.redirect("/next", method="GET")
    written.pause(length=3)
    written.reject(reason="busy")
    written.say("Tschüß & <bye>", voice="woman", language="de-DE", loop=2)
    written.hangup()
    read = parse(str(written).encode())
    assert read.warnings == ()
    assert read.verbs == (
        Connect(
            Stream(
                url="wss://h/m",
                name="agent",
                status_callback="https://h/s",
                parameters={"call": '<"&é>', "token": ""},
            ),
            action="/action?a=1&b=2",
            method="GET",
        ),
        Redirect("/next", "GET"),
        Pause(3),
        Reject("busy"),
        Say("Tschüß & <bye>", loop=2),
        Hangup(),
    )


@pytest.mark.parametrize(
    ("body", "verbs"),
    [
        ("<hangup/><Hangup/>", (Hangup(),)),
        ("<Connect/>", ()),
        ('<Connect><stream url="wss://h/m"/></Connect>', ()),
        ('<Stream url="wss://h/m"/>', ()),
        ('<Hangup now="1"/>', (Hangup(),)),
        ('<Pause length="soon"/>', (Pause(1),)),
        ('<Redirect method="PUT">/x</Redirect>', (Redirect("/x"),)),
        ('<Reject reason="never"/>', (Reject(),)),
        ('<Connect Action="/a"><Stream url="u"/></Connect>', (Connect(Stream("u")),)),
        ('<Connect><Stream url="u"/><Stream url="v"/></Connect>', (Connect(Stream("u")),)),
        (
            f'<Connect><Stream url="u"><Parameter name="a" value="{"x" * 499}"/></Stream></Connect>',
            (Connect(Stream("u")),),
        ),
    ],
)
def test_what_is_unknown_or_wrong_is_warned_of_and_left_out(body: str, verbs: tuple[object, ...]):
    document = response(body)
    assert document.verbs == verbs
    assert len(document.warnings) >= 1


def test_a_parameter_of_499_characters_passes():
    body = f'<Connect><Stream url="u"><Parameter name="a" value="{"x" * 498}"/></Stream></Connect>'
    assert response(body).warnings == ()


def test_verbs_and_nouns_of_twilios_that_are_not_built_are_named():
    body = (
        '<Echo/><Connect><ConversationRelay url="wss://h"/></Connect><Dial><Conference>room</Conference></Dial>'
        '<Start><Siprec name="s"/></Start><Stop><Transcription name="t"/></Stop>'
    )
    names = ("Echo", "ConversationRelay", "Dial/Conference", "Start/Siprec", "Stop/Transcription")
    assert response(body) == Document(tuple(map(NotBuilt, names)))


@pytest.mark.parametrize(
    ("element", "say"),
    [
        ("<Say>Good  bye &amp;\n thanks.</Say>", Say("Good bye & thanks.")),
        ('<Say voice="Polly.Joanna-Neural" language="en-US" loop="3">Hi.</Say>', Say("Hi.", loop=3)),
        ('<Say loop="0">Hi.</Say>', Say("Hi.", loop=0)),
        (f"<Say>{'x' * 4096}</Say>", Say("x" * 4096)),
    ],
)
def test_a_text_to_be_said(element: str, say: Say):
    assert response(element) == Document((say,))


@pytest.mark.parametrize(
    ("element", "verbs", "code"),
    [
        ("<Say/>", (), 13520),
        ("<Say> \n </Say>", (), 13520),
        (f"<Say>{'x' * 4097}</Say>", (), 13521),
        ('<Say loop="-1">Hi.</Say>', (Say("Hi."),), 13510),
        ('<Say loop="ever">Hi.</Say>', (Say("Hi."),), 13510),
        ('<Say speed="2">Hi.</Say>', (Say("Hi."),), 12200),
    ],
)
def test_what_is_wrong_with_a_say_is_warned_of_and_the_document_goes_on(
    element: str, verbs: tuple[Say, ...], code: int
):
    document = response(f"{element}<Hangup/>")
    assert document.verbs == (*verbs, Hangup())
    assert [flaw.code for flaw in document.warnings] == [code]


def test_ssml_is_not_built():
    assert response('<Say>One<break time="2s"/>two</Say>').verbs == (NotBuilt("Say/break"),)


def test_comments_and_space_do_not_matter():
    assert response("<!-- <Hangup/> -->\n <Redirect>\n /x \n</Redirect>").verbs == (Redirect("/x"),)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" <?xml version='1.0'?><Response/>",
        b"<Response>",
        b"<Response><Redirect>a&b</Redirect></Response>",
        b"<response/>",
        b"{}",
        b"<?xml version='1.0' encoding='nobody'?><Response/>",
        b"\xff\xfe<",
    ],
)
def test_what_cannot_be_parsed_is_an_error(body: bytes):
    with pytest.raises(TwimlInvalid):
        parse(body)


@given(st.one_of(st.binary(max_size=200), st.text("<>/Responcht \"=&;'", max_size=80).map(str.encode)))
def test_any_bytes_are_a_document_or_invalid(body: bytes):
    with suppress(TwimlInvalid):
        assert isinstance(parse(body), Document)
