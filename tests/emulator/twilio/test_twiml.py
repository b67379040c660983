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
    body = '<Say>hi</Say><Connect><ConversationRelay url="wss://h"/></Connect><Gather><Play/></Gather>'
    assert response(body) == Document((NotBuilt("Say"), NotBuilt("ConversationRelay"), NotBuilt("Gather")))


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
