"""The Realtime codec: what OpenAI's own types allow is read, what we send is what they allow."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import TypeAdapter

from agenticd.core import realtime
from agenticd.core.errors import RemoteError
from agenticd.core.events import Usage
from agenticd.core.realtime import (
    AudioDelta,
    AudioDone,
    FunctionCalled,
    Ignored,
    InputCommitted,
    InputTranscriptDelta,
    InputTranscriptDone,
    InputTranscriptFailed,
    ItemAdded,
    ItemDeleted,
    ItemTruncated,
    ModelFault,
    OutputItemAdded,
    OutputItemDone,
    OutputTranscriptDelta,
    OutputTranscriptDone,
    ResponseCreated,
    ResponseDone,
    SessionCreated,
    SessionSettings,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    Tool,
    decode,
)

FIXTURES = Path(__file__).parent.parent / "fixtures" / "openai"
SERVER: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
CLIENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)

AUDIO = base64.b64encode(bytes(range(256)) * 2).decode()
RESPONSE, USER, AGENT, FUNCTION = "resp_001", "item_u1", "item_a1", "item_f1"
ARGUMENTS = '{"city":"Rome"}'
TRANSCRIPTION = "conversation.item.input_audio_transcription"

EXPECTED: dict[str, realtime.ServerEvent] = {
    "session.created": SessionCreated("sess_001", "gpt-realtime-2.1", 1795356000),
    "session.updated": SessionUpdated("sess_001", "gpt-realtime-2.1", "audio/pcmu", "audio/pcmu"),
    "input_audio_buffer.speech_started": SpeechStarted(USER, 1220),
    "input_audio_buffer.speech_stopped": SpeechStopped(USER, 2890),
    "input_audio_buffer.committed": InputCommitted(USER, "item_a0"),
    "input_audio_buffer.committed-first": InputCommitted(USER, None),
    "conversation.item.added": ItemAdded(USER, None, "message", "user"),
    "conversation.item.added-function_call": ItemAdded(FUNCTION, AGENT, "function_call", ""),
    f"{TRANSCRIPTION}.delta": InputTranscriptDelta(USER, "I'd like a "),
    f"{TRANSCRIPTION}.delta-null": InputTranscriptDelta(USER, ""),
    f"{TRANSCRIPTION}.completed": InputTranscriptDone(USER, "I'd like a table."),
    f"{TRANSCRIPTION}.failed": InputTranscriptFailed(
        USER, "audio_unintelligible", "The audio could not be transcribed."
    ),
    "conversation.item.truncated": ItemTruncated(AGENT, 1480),
    "conversation.item.deleted": ItemDeleted("item_a2"),
    "response.created": ResponseCreated(RESPONSE),
    "response.output_item.added": OutputItemAdded(RESPONSE, AGENT, "message", "assistant"),
    "response.output_audio.delta": AudioDelta(RESPONSE, AGENT, 0, AUDIO),
    "response.output_audio.done": AudioDone(RESPONSE, AGENT),
    "response.output_audio_transcript.delta": OutputTranscriptDelta(AGENT, "Certainly, "),
    "response.output_audio_transcript.done": OutputTranscriptDone(AGENT, "Certainly, for how many?"),
    "response.output_item.done": OutputItemDone(RESPONSE, AGENT, "completed"),
    "response.output_item.done-function_call": FunctionCalled(
        RESPONSE, FUNCTION, "call_1", "look_up", ARGUMENTS, complete=True
    ),
    "response.output_item.done-function_call-cut": FunctionCalled(
        RESPONSE, FUNCTION, "call_1", "look_up", '{"ci', complete=False
    ),
    "response.done": ResponseDone(RESPONSE, "completed", "", "", "", Usage(132, 121, 119, 13, 64, 30, 91)),
    "response.done-cancelled": ResponseDone(RESPONSE, "cancelled", "turn_detected", "", "", Usage(132, 121)),
    "response.done-failed": ResponseDone(
        RESPONSE, "failed", "", "credit_balance_exhausted", "You have no credits left.", Usage()
    ),
    "error": ModelFault(
        "invalid_request_error",
        "response_cancel_not_active",
        "Cancellation failed: no active response found",
        "",
        "order_7",
    ),
    "error-bare": ModelFault("server_error", "", "The server had an error.", "", ""),
}
EXPECTED |= {
    kind: Ignored(kind)
    for kind in (
        "conversation.created",
        "conversation.item.done",
        "conversation.item.retrieved",
        "input_audio_buffer.cleared",
        "input_audio_buffer.timeout_triggered",
        "rate_limits.updated",
        "response.content_part.added",
        "response.content_part.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
    )
}


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_bytes())


def test_every_fixture_is_held_against_the_codec():
    assert {path.stem for path in FIXTURES.glob("*.json")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_fixture_is_what_openais_own_types_allow(name):
    assert SERVER.validate_python(fixture(name)).type == fixture(name)["type"]


@pytest.mark.parametrize("name", EXPECTED)
def test_a_server_event_is_read_as_bytes_as_text_and_as_a_view(name):
    raw = (FIXTURES / f"{name}.json").read_bytes()
    assert decode(raw) == EXPECTED[name]
    assert decode(raw.decode()) == EXPECTED[name]
    assert decode(memoryview(bytearray(raw))) == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_new_fields_change_nothing(name):
    message = fixture(name)
    message["new"] = {"a": [1, None]}
    for value in message.values():
        if isinstance(value, dict):
            value["also_new"] = "x"
    assert decode(json.dumps(message)) == EXPECTED[name]


def test_kinds_that_are_new_to_us_are_ignored_by_name():
    assert decode('{"type":"response.smell.delta"}') == Ignored("response.smell.delta")
    assert decode(json.dumps({"type": "x" * 10_000})) == Ignored("x" * 64)


def test_the_beta_names_of_the_audio_are_not_ours():
    assert decode('{"type":"response.audio.delta","delta":"AAAA"}') == Ignored("response.audio.delta")


def test_times_and_counts_may_be_fractions_and_are_never_negative_or_huge():
    moved = fixture("input_audio_buffer.speech_started")
    for sent, read in ((1220.7, 1220), (-5, 0), (1e300, 2**53)):
        moved["audio_start_ms"] = sent
        assert decode(json.dumps(moved)) == SpeechStarted(USER, read)


@pytest.mark.parametrize("delta", ["not base64", "AAA", "A===", '"},{"', "AA-_"])
def test_audio_that_is_not_base64_is_refused_and_not_repeated(delta):
    message = fixture("response.output_audio.delta")
    message["delta"] = delta
    with pytest.raises(RemoteError) as refusal:
        decode(json.dumps(message))
    assert str(refusal.value) == "openai: response.output_audio.delta: delta is not base64"


@pytest.mark.parametrize(
    ("kind", "within"),
    [
        ("input_audio_buffer.speech_started", None),
        ("conversation.item.added", "item"),
        ("conversation.item.input_audio_transcription.completed", None),
        ("response.created", "response"),
        ("response.output_audio.delta", None),
        ("response.output_item.done", "item"),
    ],
)
def test_a_name_that_no_event_would_hold_is_refused(kind, within):
    message = fixture(kind)
    for length, refused in ((256, False), (257, True)):
        if within is None:
            message["item_id"] = "i" * length
        else:
            message[within]["id"] = "i" * length
        assert (refusal(json.dumps(message)) is not None) == refused


@given(st.binary(max_size=2000))
def test_every_audio_passes_unchanged(audio):
    message = fixture("response.output_audio.delta")
    message["delta"] = base64.b64encode(audio).decode()
    assert decode(json.dumps(message)) == AudioDelta(RESPONSE, AGENT, 0, message["delta"])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        "",
        b"\xff\xfe",
        b'{"type":"\xff"}',
        "{",
        "[" * 100_000,
        '{"type":' * 20_000,
        "null",
        "[]",
        "1",
        '"error"',
    ]
    + [
        "{}",
        '{"type":null}',
        '{"type":"error"}',
        '{"type":"response.done","response":{}}',
        '"\ud800"',
        "1e999",
    ]
    + ['{"type":"response.output_audio.delta","delta":"AAAA"}', '{"type":"session.created","session":null}'],
)
def test_what_is_no_message_is_a_remote_error(data):
    with pytest.raises(RemoteError) as refusal:
        decode(data)
    assert refusal.value.peer == "openai"


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
    assert (refusal(data) or "openai: ").startswith("openai: ")


@given(st.sampled_from(sorted(EXPECTED)), st.data())
def test_an_event_with_any_one_value_changed_is_a_message_or_a_remote_error_without_the_value(name, data):
    message = fixture(name)
    at = message
    while True:
        key = data.draw(st.sampled_from(sorted(at)))
        if not isinstance(at[key], dict) or not at[key] or data.draw(st.booleans()):
            break
        at = at[key]
    at[key] = data.draw(JSON | st.just("secret-of-the-caller"))
    assert "secret" not in (refusal(json.dumps(message)) or "")


# --- What we send ---------------------------------------------------------------------------------------

TOOL = Tool("look_up", "Look up a city.", {"type": "object", "properties": {"city": {"type": "string"}}})
FULL = SessionSettings("Be brief.", "marin", language="en", tools=(TOOL, Tool("hang_up", "End the call.")))

ORDERS = {
    "append": (realtime.encode_append(AUDIO), {"type": "input_audio_buffer.append", "audio": AUDIO}),
    "truncate": (
        realtime.encode_truncate(AGENT, 0, 1480),
        {"type": "conversation.item.truncate", "item_id": AGENT, "content_index": 0, "audio_end_ms": 1480},
    ),
    "delete": (realtime.encode_delete(AGENT), {"type": "conversation.item.delete", "item_id": AGENT}),
    "create": (realtime.encode_response_create(), {"type": "response.create"}),
    "create-with-words": (
        realtime.encode_response_create("Say hello."),
        {"type": "response.create", "response": {"instructions": "Say hello."}},
    ),
    "cancel": (realtime.encode_response_cancel(), {"type": "response.cancel"}),
    "function-output": (
        realtime.encode_function_output("call_1", '{"ok":true}'),
        {
            "type": "conversation.item.create",
            "item": {"type": "function_call_output", "call_id": "call_1", "output": '{"ok":true}'},
        },
    ),
}


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_says_exactly_this_and_openais_types_allow_it(name):
    sent, meant = ORDERS[name]
    assert json.loads(sent) == meant
    CLIENT.validate_json(sent)


@pytest.mark.parametrize(
    ("role", "kind"), [("user", "input_text"), ("assistant", "output_text"), ("system", "input_text")]
)
def test_what_was_said_before_is_put_back_in_the_form_of_its_speaker(role, kind):
    sent = realtime.encode_message(role, "Good evening")
    assert json.loads(sent)["item"] == {
        "type": "message",
        "role": role,
        "content": [{"type": kind, "text": "Good evening"}],
    }
    CLIENT.validate_json(sent)


def test_a_session_is_configured_with_every_value_said():
    sent = realtime.encode_session_update(FULL)
    CLIENT.validate_json(sent)
    update = json.loads(sent)
    assert update["type"] == "session.update"
    session = update["session"]
    assert (session["type"], session["output_modalities"], session["instructions"]) == (
        "realtime",
        ["audio"],
        "Be brief.",
    )
    assert session["audio"]["input"]["transcription"] == {"model": "gpt-transcribe", "language": "en"}
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "create_response": True,
        "interrupt_response": True,
        "idle_timeout_ms": None,
    }
    assert session["audio"]["output"]["voice"] == "marin"
    assert [tool["name"] for tool in session["tools"]] == ["look_up", "hang_up"]
    assert "model" not in session  # it stands in the URL, and cannot be changed by an update


def test_mu_law_is_asked_for_without_a_rate_and_pcm_with_one():
    for audio, form in (("pcmu", {"type": "audio/pcmu"}), ("pcm24", {"type": "audio/pcm", "rate": 24000})):
        sent = realtime.encode_session_update(SessionSettings("", "marin", audio))  # type: ignore[arg-type]
        CLIENT.validate_json(sent)
        session = json.loads(sent)["session"]
        assert session["audio"]["input"]["format"] == form
        assert session["audio"]["output"]["format"] == form


def test_a_language_is_left_out_and_transcription_is_turned_off_when_not_wanted():
    free = json.loads(realtime.encode_session_update(SessionSettings("", "marin")))
    assert free["session"]["audio"]["input"]["transcription"] == {"model": "gpt-transcribe"}
    off = json.loads(realtime.encode_session_update(SessionSettings("", "marin", transcription_model="")))
    assert off["session"]["audio"]["input"]["transcription"] is None


@given(st.text(), st.integers(0, 2**31))
def test_no_text_can_add_a_field_to_an_order(text, number):
    assert json.loads(realtime.encode_append(text)) == {"type": "input_audio_buffer.append", "audio": text}
    assert json.loads(realtime.encode_delete(text)) == {"type": "conversation.item.delete", "item_id": text}
    assert json.loads(realtime.encode_truncate(text, 0, number)) == {
        "type": "conversation.item.truncate",
        "item_id": text,
        "content_index": 0,
        "audio_end_ms": number,
    }
    assert json.loads(realtime.encode_response_create(text))["response"] == {"instructions": text}
    assert json.loads(realtime.encode_message("user", text))["item"]["content"][0]["text"] == text
    assert json.loads(realtime.encode_function_output(text, text))["item"] == {
        "type": "function_call_output",
        "call_id": text,
        "output": text,
    }
    session = json.loads(realtime.encode_session_update(SessionSettings(text, text)))["session"]
    assert (session["instructions"], session["audio"]["output"]["voice"]) == (text, text)
