"""Media Streams: what Twilio sends is read, what it may not is refused, what we send is what it takes."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenticd.core.errors import RemoteError
from agenticd.core.mediastream import (
    Connected,
    DigitPressed,
    Ignored,
    MarkEchoed,
    MediaReceived,
    StartMalformed,
    StreamStarted,
    StreamStopped,
    decode,
    encode_clear,
    encode_mark,
    encode_media,
)

FIXTURES = Path(__file__).parent.parent / "fixtures" / "twilio"
STREAM = "MZ0123456789abcdef0123456789abcdef"
CALL = "CAfedcba9876543210fedcba9876543210"
ACCOUNT = "AC00112233445566778899aabbccddeeff"
FRAME = base64.b64encode(bytes([0xFF, 0x7F, 0xFE, 0x7E] * 40)).decode()

EXPECTED = {
    "connected": Connected(),
    "start": StreamStarted(STREAM, CALL, ACCOUNT, {"token": "one-time", "name": 'Zoë "Z" & <co>'}),
    "start-without-parameters": StreamStarted(STREAM, CALL, ACCOUNT, {}),
    "media": MediaReceived(STREAM, FRAME),
    "media-outbound-track": Ignored("media of another track"),
    "dtmf": DigitPressed(STREAM, "#"),
    "mark": MarkEchoed(STREAM, "g3:item_1:400"),
    "stop": StreamStopped(STREAM, CALL),
}


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_bytes())


def test_every_fixture_is_held_against_the_codec():
    orders = {"order-media", "order-mark", "order-clear"}
    assert {path.stem for path in FIXTURES.glob("*.json")} == set(EXPECTED) | orders


@pytest.mark.parametrize("name", EXPECTED)
def test_a_frame_of_twilio_is_read_as_bytes_as_text_and_as_a_view(name):
    raw = (FIXTURES / f"{name}.json").read_bytes()
    assert decode(raw) == EXPECTED[name]
    assert decode(raw.decode()) == EXPECTED[name]
    assert decode(memoryview(bytearray(raw))) == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_new_fields_and_missing_counters_change_nothing(name):
    frame = fixture(name)
    frame.pop("sequenceNumber", None)
    frame["newInTwoYears"] = {"a": [1, None]}
    for value in frame.values():
        if isinstance(value, dict):
            value["alsoNew"] = "x"
    assert decode(json.dumps(frame)) == EXPECTED[name]


def test_an_event_that_is_new_to_us_is_ignored_by_name():
    assert decode('{"event":"transcription","text":"x"}') == Ignored("transcription")
    assert decode(json.dumps({"event": "x" * 10_000})) == Ignored("x" * 64)


def test_a_stop_without_a_body_still_stops_the_stream():
    assert decode(json.dumps({"event": "stop", "streamSid": STREAM})) == StreamStopped(STREAM, "")


@pytest.mark.parametrize("digit", "0123456789*#ABCD")
def test_each_key_of_a_phone_is_a_digit(digit):
    assert decode(json.dumps({"event": "dtmf", "streamSid": STREAM, "dtmf": {"digit": digit}})) == DigitPressed(
        STREAM, digit
    )


@pytest.mark.parametrize("digit", ["", "a", "E", "10", "+", "٣", " ", "\n"])
def test_nothing_else_is_a_digit(digit):
    with pytest.raises(RemoteError, match="twilio: dtmf"):
        decode(json.dumps({"event": "dtmf", "streamSid": STREAM, "dtmf": {"digit": digit}}))


@pytest.mark.parametrize(
    "changed",
    [
        {"encoding": "audio/l16"},
        {"sampleRate": 16000},
        {"channels": 2},
        {"sampleRate": "8000"},
        {"sampleRate": None},
    ],
)
def test_a_start_with_audio_in_another_format_is_told_from_a_good_one(changed):
    frame = fixture("start")
    frame["start"]["mediaFormat"].update(changed)
    assert isinstance(decode(json.dumps(frame)), StartMalformed)


@pytest.mark.parametrize("value", [None, "", 7, ["MZ1"]])
@pytest.mark.parametrize(("place", "name"), [((), "streamSid"), (("start",), "callSid"), (("start",), "mediaFormat")])
@pytest.mark.parametrize("absent", [True, False])
def test_a_start_without_an_id_or_a_format_is_told_from_a_good_one(place, name, value, absent):
    frame = fixture("start")
    inner = frame[place[0]] if place else frame
    if absent:
        del inner[name]
    else:
        inner[name] = value
    found = decode(json.dumps(frame))
    assert isinstance(found, StartMalformed)
    assert "MZ1" not in found.why


@pytest.mark.parametrize("body", ["", ',"streamSid":"x","start":{}', ',"streamSid":"x","start":7'])
def test_a_start_with_nothing_in_it_is_told_from_a_good_one(body):
    assert isinstance(decode('{"event":"start"' + body + "}"), StartMalformed)


@pytest.mark.parametrize(
    "payload",
    ["not base64!", "AAA", "A===", "====", "A=A=", "AA==AA==", "/w", '"', "/w-_", "AAAA\n", "AAA\u0100"],
)
def test_a_payload_that_is_not_base64_is_refused_and_not_repeated(payload):
    frame = fixture("media")
    frame["media"]["payload"] = payload
    with pytest.raises(RemoteError) as refusal:
        decode(json.dumps(frame))
    assert str(refusal.value) == "twilio: media: payload is not base64"


@given(st.binary(max_size=400))
def test_every_audio_passes_unchanged(audio):
    payload = base64.b64encode(audio).decode()
    frame = fixture("media")
    frame["media"]["payload"] = payload
    assert decode(json.dumps(frame)) == MediaReceived(STREAM, payload)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        "",
        b"\xff\xfe",
        b'{"event":"\xff"}',
        "{",
        "[" * 100_000,
        '{"event":' * 20_000,
        "null",
        "[]",
        "1",
        '"media"',
    ]
    + ["{}", '{"event":null}', '{"event":5}', '{"event":"media"}', '"\ud800"', "1e999"]
    + [
        '{"event":"media","streamSid":"x","media":null}',
        "\x00",
    ],
)
def test_what_is_no_message_is_a_remote_error(data):
    with pytest.raises(RemoteError) as refusal:
        decode(data)
    assert refusal.value.peer == "twilio"


def refusal(data: bytes | str) -> str | None:
    """Why the codec refuses the text, or None. Any other exception is a fault of the codec."""
    try:
        decode(data)
    except RemoteError as error:
        return str(error)
    return None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary() | st.text() | st.text(st.characters()) | JSON.map(json.dumps))
def test_any_text_is_a_message_or_a_remote_error(data):
    assert (refusal(data) or "twilio: ").startswith("twilio: ")


@given(st.sampled_from(sorted(EXPECTED)), st.data())
def test_a_frame_with_any_one_value_changed_is_a_message_or_a_remote_error_without_the_value(name, data):
    frame = fixture(name)
    at = frame
    while True:
        key = data.draw(st.sampled_from(sorted(at)))
        if not isinstance(at[key], dict) or not at[key] or data.draw(st.booleans()):
            break
        at = at[key]
    at[key] = data.draw(JSON | st.just("secret-of-the-caller"))
    assert "secret" not in (refusal(json.dumps(frame)) or "")


def test_orders_are_exactly_what_twilio_takes():
    assert json.loads(encode_media(STREAM, FRAME)) == fixture("order-media")
    assert json.loads(encode_mark(STREAM, "g3:item_1:400")) == fixture("order-mark")
    assert json.loads(encode_clear(STREAM)) == fixture("order-clear")


@given(st.text(), st.text())
def test_no_text_can_add_a_field_to_an_order(stream, text):
    assert json.loads(encode_media(stream, text)) == {
        "event": "media",
        "streamSid": stream,
        "media": {"payload": text},
    }
    assert json.loads(encode_mark(stream, text)) == {
        "event": "mark",
        "streamSid": stream,
        "mark": {"name": text},
    }
    assert json.loads(encode_clear(stream)) == {"event": "clear", "streamSid": stream}


@given(st.text(), st.text())
def test_a_mark_comes_back_as_it_was_sent(stream, name):
    assert decode(encode_mark(stream, name)) == MarkEchoed(stream, name)
