"""TwiML: Twilio reads exactly the verbs that we mean, whatever stands in the values."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenticd.core import twiml

STREAM = "wss://voice.example.com/twilio/media/01J"
ACTION = "https://voice.example.com/twilio/resume/01J"
STATUS = "https://voice.example.com/twilio/stream/01J"
XML_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\ufffe\uffff", exclude_categories=["Cc"]))
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'


def document(parameters: dict[str, str] | None = None) -> str:
    return twiml.connect_stream(
        stream_url=STREAM, action_url=ACTION, stream_status_url=STATUS, parameters=parameters or {}
    )


def test_a_stream_is_followed_by_the_question_what_next():
    assert document({"token": "t", "call": "01J"}) == (
        f'{DECLARATION}<Response><Connect action="{ACTION}" method="POST"><Stream statusCallback="{STATUS}" '
        f'statusCallbackMethod="POST" url="{STREAM}"><Parameter name="token" value="t" />'
        f'<Parameter name="call" value="01J" /></Stream></Connect><Redirect method="POST">{ACTION}</Redirect>'
        "</Response>"
    )


@given(st.dictionaries(XML_TEXT.filter(lambda name: len(name) < 100), XML_TEXT.filter(lambda v: len(v) < 300)))
def test_parameters_arrive_as_they_were_given_and_nothing_else_arrives(parameters):
    root = ET.fromstring(document(parameters))
    assert [verb.tag for verb in root] == ["Connect", "Redirect"]
    stream = root[0][0]
    assert {item.get("name"): item.get("value") for item in stream} == parameters
    assert {item.tag for item in stream} <= {"Parameter"}


def test_what_twilio_would_not_take_is_a_defect_of_ours():
    with pytest.raises(AssertionError, match="query"):
        twiml.connect_stream(stream_url=STREAM + "?a=1", action_url=ACTION, stream_status_url=STATUS, parameters={})
    with pytest.raises(AssertionError, match="token"):
        document({"token": "x" * 495})


def test_the_short_documents():
    assert twiml.hang_up() == f"{DECLARATION}<Response><Hangup /></Response>"
    assert twiml.reject(busy=True) == f'{DECLARATION}<Response><Reject reason="busy" /></Response>'
    assert twiml.reject(busy=False) == f'{DECLARATION}<Response><Reject reason="rejected" /></Response>'


@given(XML_TEXT)
def test_what_is_said_is_said_as_it_stands(text):
    root = ET.fromstring(twiml.say_and_hang_up(text))
    assert [verb.tag for verb in root] == ["Say", "Hangup"]
    assert (root[0].text or "") == text


@given(st.text(st.characters(), max_size=50))
def test_no_character_can_spoil_the_document(text):
    root = ET.fromstring(twiml.say_and_hang_up(text).encode())
    assert [verb.tag for verb in root] == ["Say", "Hangup"]


def test_a_long_text_is_cut_where_twilio_would_refuse_it():
    root = ET.fromstring(twiml.say_and_hang_up("a" * 10_000))
    assert root[0].text == "a" * 4096
