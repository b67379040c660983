"""The texts of a media stream: valid JSON whatever is in them, nothing taken that is not to the letter."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenticd.emulator.twilio import wire

SID = "MZ" + "1" * 32


def test_media_and_dtmf_read_as_twilios_pages_print_them():
    assert json.loads(wire.media(SID, 4, 2, 20, b"\xff\x00")) == {
        "event": "media",
        "sequenceNumber": "4",
        "media": {"track": "inbound", "chunk": "2", "timestamp": "20", "payload": "/wA="},
        "streamSid": SID,
    }
    assert json.loads(wire.dtmf(SID, 5, "#")) == {
        "event": "dtmf",
        "streamSid": SID,
        "sequenceNumber": "5",
        "dtmf": {"track": "inbound_track", "digit": "#"},
    }
    assert json.loads(wire.stop(SID, 5, "AC1", "CA1")) == {
        "event": "stop",
        "sequenceNumber": "5",
        "streamSid": SID,
        "stop": {"accountSid": "AC1", "callSid": "CA1"},
    }


@given(st.text(), st.dictionaries(st.text(), st.text()))
def test_any_name_and_any_parameter_survive(name: str, parameters: dict[str, str]):
    assert json.loads(wire.mark(SID, 1, name))["mark"] == {"name": name}
    assert json.loads(wire.start(SID, "AC", "CA", parameters))["start"]["customParameters"] == parameters


@given(st.binary(max_size=400))
def test_any_audio_is_taken(audio: bytes):
    payload = base64.b64encode(audio).decode()
    message = json.dumps({"event": "media", "streamSid": SID, "media": {"payload": payload}})
    command = wire.decode(message, SID)
    assert isinstance(command, wire.Media)
    assert command.media.payload == audio


@given(st.one_of(st.text(), st.binary(), st.recursive(st.none() | st.text(), st.lists).map(json.dumps)))
def test_any_other_message_is_malformed_and_nothing_else(message: str | bytes):
    with pytest.raises(wire.Malformed) as malformed:
        wire.decode(message, SID)
    assert malformed.value.code in (31950, 31951)


@pytest.mark.parametrize("event", ["connected", "start", "stop", "dtmf", "Media", "", None, 1])
def test_only_three_events_are_taken(event: object):
    with pytest.raises(wire.Malformed) as malformed:
        wire.decode(json.dumps({"event": event, "streamSid": SID}), SID)
    assert malformed.value.code == 31951
