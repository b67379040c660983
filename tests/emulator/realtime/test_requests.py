"""Requests: what is taken is what the vendor's own types take, and what is refused leaves the session as it was."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.realtime import RealtimeClientEvent
from pydantic import TypeAdapter, ValidationError

from agenticd.emulator.realtime import RealtimeServer
from agenticd.emulator.realtime.requests import checked
from agenticd.emulator.realtime.schema import ClientError
from tests.emulator.realtime.client import CLIENT_EVENTS, INSTANT, PCM, PCMU, VAD, connected, talking, validate
from tests.emulator.realtime.conftest import Judge

AUDIO = base64.b64encode(bytes(960)).decode()
IMAGE = "data:image/png;base64,iVBORw0KGgo="
TOOL = {"type": "function", "name": "book", "description": "Books.", "parameters": {"type": "object"}}


def said(text: str = "Hello.", role: str = "user", **more: Any) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}], **more}


def update(**session: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "realtime", **session}}


def heard(**members: Any) -> dict[str, Any]:
    return update(audio={"input": members})


def spoken(**members: Any) -> dict[str, Any]:
    return update(audio={"output": members})


def asked(**params: Any) -> dict[str, Any]:
    return {"type": "response.create", "response": params}


def added(item: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "conversation.item.create", "item": item, **more}


ACCEPTED: list[dict[str, Any]] = [
    update(),
    update(model="gpt-realtime-2.1", instructions="", output_modalities=["text"]),
    update(tools=[TOOL], tool_choice="required", parallel_tool_calls=True),
    update(tools=[TOOL], tool_choice={"type": "function", "name": "book"}),
    update(tools=[{"type": "function", "name": "end_call"}], tool_choice="none"),
    update(reasoning={"effort": "minimal"}, max_output_tokens=4096),
    update(reasoning=None, max_output_tokens="inf", prompt=None, include=None, tracing=None),
    update(truncation="disabled", tracing="auto"),
    update(truncation={"type": "retention_ratio", "retention_ratio": 0.8, "token_limits": {"post_instructions": 5000}}),
    update(tracing={"workflow_name": "calls", "group_id": "g", "metadata": {"node": "a"}}),
    update(include=["item.input_audio_transcription.logprobs"]),
    heard(format=PCM, noise_reduction=None, transcription=None, turn_detection=None),
    heard(format=PCMU, noise_reduction={"type": "near_field"}),
    heard(format={"type": "audio/pcma"}, noise_reduction={"type": "far_field", "strength": 0.5}),
    heard(turn_detection={**VAD, "create_response": False, "interrupt_response": False, "idle_timeout_ms": 6000}),
    heard(turn_detection={"type": "semantic_vad", "eagerness": "low", "create_response": True}),
    heard(transcription={"model": "whisper-1", "language": "en", "prompt": "Aurora"}),
    heard(transcription={"model": "gpt-transcribe", "languages": ["en", "de"], "keywords": ["Aurora"]}),
    heard(transcription={"model": "gpt-realtime-whisper", "delay": "minimal"}),
    spoken(format=PCMU, voice="marin", speed=1.25),
    spoken(format={"type": "audio/pcma"}, voice={"id": "voice_123"}),
    {"type": "input_audio_buffer.append", "audio": AUDIO},
    {"type": "input_audio_buffer.append", "audio": ""},
    {"type": "input_audio_buffer.clear", "event_id": "mine"},
    added(said()),
    added(said(role="system"), previous_item_id="root"),
    added(said(role="assistant", id="said-0001", status="completed", object="realtime.item")),
    added({"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": AUDIO}]}),
    added({"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": IMAGE}]}),
    added({"type": "function_call", "name": "book", "call_id": "call_1", "arguments": "{}"}, previous_item_id=None),
    {"type": "response.create"},
    asked(),
    asked(instructions='Say: "Of course."', conversation="none", input=[said()], metadata={"k": "v"}),
    asked(output_modalities=["text"], max_output_tokens=1, tools=[TOOL], tool_choice="auto", input=[]),
    asked(audio={"output": {"format": PCMU, "voice": "cedar"}}, reasoning={"effort": "high"}),
    asked(parallel_tool_calls=False, prompt=None, metadata=None),
]
"""Each is taken by a new session."""

REFUSED: list[tuple[dict[str, Any], str | None, str | None]] = [
    (update(temperature=0.8), "unknown_parameter", "session.temperature"),
    (update(voice="alloy"), "unknown_parameter", "session.voice"),
    (update(output_modalities=["audio", "text"]), "invalid_value", "session.output_modalities"),
    (update(prompt={"id": "pmpt_1", "version": "2"}), "prompt_not_found", "session.prompt.id"),
    (update(tools=[{"type": "mcp", "server_label": "a"}]), "invalid_value", "session.tools[0].type"),
    (update(include=["everything"]), "invalid_value", "session.include[0]"),
    (heard(format={"type": "audio/pcma", "rate": 8000}), "unknown_parameter", "session.audio.input.format.rate"),
    (heard(noise_reduction={"strength": 1}), "missing_required_parameter", "session.audio.input.noise_reduction.type"),
    (
        heard(turn_detection={"type": "semantic_vad", "silence_duration_ms": 500}),
        "unknown_parameter",
        "session.audio.input.turn_detection.silence_duration_ms",
    ),
    (
        heard(transcription={"model": "gpt-realtime-whisper", "prompt": "Aurora"}),
        "invalid_value",
        "session.audio.input.transcription.prompt",
    ),
    ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", None),
    ({"type": "input_audio_buffer.append", "audio": "/w=="}, "invalid_value", "audio"),
    ({"type": "output_audio_buffer.clear"}, "invalid_value", "type"),
    ({"type": "conversation.item.retrieve", "item_id": "?"}, "item_retrieve_invalid_item_id", "item_id"),
    ({"type": "conversation.item.delete", "item_id": "?"}, "item_delete_invalid_item_id", "item_id"),
    (
        {"type": "conversation.item.truncate", "item_id": "?", "content_index": 0, "audio_end_ms": 0},
        "item_truncate_invalid_item_id",
        "item_id",
    ),
    (added(said(), previous_item_id="?"), "invalid_value", "previous_item_id"),
    (added(said(id="x" * 33)), "string_above_max_length", "item.id"),
    (
        added({"type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": "Hi."}]}),
        "invalid_value",
        "item.content[0].type",
    ),
    (
        added({"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hi."}]}),
        "invalid_value",
        "item.content[0].type",
    ),
    (added({"type": "function_call_output", "call_id": "call_1", "output": ""}), "invalid_tool_call_id", None),
    (added({"type": "function_call_output", "call_id": "call_1", "output": {}}), "invalid_type", "item.output"),
    ({"type": "response.cancel"}, "response_cancel_not_active", None),
    (asked(tool_choice="required"), "invalid_value", "tool_choice"),
    (asked(tools=[TOOL], tool_choice={"type": "function", "name": "sell"}), "invalid_value", "tool_choice"),
    (asked(max_output_tokens=0), "integer_below_min_value", "response.max_output_tokens"),
    (asked(conversation="mine"), "invalid_value", "response.conversation"),
    (asked(modalities=["audio"]), "unknown_parameter", "response.modalities"),
]


@pytest.mark.parametrize("request_", ACCEPTED, ids=lambda request: json.dumps(request)[:70])
async def test_what_is_right_is_taken_and_is_right_for_the_vendor(request_: dict[str, Any]) -> None:
    validate(request_, CLIENT_EVENTS)
    async with talking() as (server, client):
        await client.update()
        await client.send_raw(request_)
        await client.update()
        assert client.of("error") == []
        assert server.sessions[0].requests[request_["type"]] >= 1


@pytest.mark.parametrize(("request_", "code", "param"), REFUSED, ids=lambda value: json.dumps(value)[:70])
async def test_what_is_wrong_is_one_error_and_changes_nothing(
    request_: dict[str, Any], code: str | None, param: str | None
) -> None:
    async with talking() as (server, client):
        before = await client.update()
        await client.send_raw({**request_, "event_id": "mine"})
        error = await client.error()
        assert (error["code"], error["param"], error["event_id"]) == (code, param, "mine")
        assert await client.update() == before
        assert (server.sessions[0].items, len(client.of("error"))) == ([], 1)


@pytest.mark.parametrize("model", ["gpt-realtime", "gpt-realtime-1.5", "gpt-realtime-mini-2025-12-15"])
@pytest.mark.parametrize("asks", [{"reasoning": {"effort": "low"}}, {"parallel_tool_calls": True}])
async def test_a_model_that_does_not_reason_is_not_asked_to(model: str, asks: dict[str, Any]) -> None:
    async with RealtimeServer(INSTANT) as server, connected(server, model) as client:
        (name,) = asks
        await client.send("session.update", session={"type": "realtime", **asks})
        assert (await client.error())["param"] == f"session.{name}"
        await client.send("response.create", response=asks)
        assert (await client.error())["param"] == f"response.{name}"


@pytest.mark.parametrize(
    "message",
    [
        '{"type": "session.update", "session": {"type": "realtime", "instructions": "\\ud83d"}}',
        '{"type": "session.update", "session": {"type": "realtime", "tracing": {"metadata": {"a": 1e999}}}}',
        '{"type": "response.create", "event_id": ' + "9" * 5000 + "}",
        "[" * 100_000,
    ],
)
async def test_what_only_looks_like_json_is_refused(message: str) -> None:
    async with talking() as (_, client):
        await client.send_raw(message)
        assert (await client.error())["code"] == "invalid_json"


async def test_what_is_nested_without_end_is_refused_and_the_session_goes_on() -> None:
    async with talking() as (_, client):
        nested = '{"a":' * 600 + "1" + "}" * 600
        tool = '{"type": "function", "name": "book", "parameters": ' + nested + "}"
        await client.send_raw('{"type": "session.update", "session": {"type": "realtime", "tools": [' + tool + "]}}")
        assert "nested" in (await client.error())["message"]
        assert (await client.update())["tools"] == []


# Whatever is taken is right for the vendor: requests that are nearly right, in every way that is thought of.

VENDOR = TypeAdapter[Any](RealtimeClientEvent)
WORDS = sorted(
    {
        *("auto", "none", "required", "inf", "root", "realtime", "transcription", "function", "mcp", "audio", "text"),
        *("server_vad", "semantic_vad", "low", "near_field", "audio/pcm", "audio/pcmu", "marin", "message", "user"),
        *("input_text", "output_text", "input_audio", "completed", "item_reference", "retention_ratio", "disabled"),
    }
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 10**6),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.sampled_from(WORDS),
    st.text(max_size=8),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where there is something, in a JSON value."""
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in entries:
        yield from places(inner, (*path, name))


def others(name: Any) -> list[Any]:
    """What stands under this name in good requests."""
    found = []
    for request in ACCEPTED:
        for *way, last in filter(None, places(request)):
            if last == name:
                inside: Any = request
                for step in way:
                    inside = inside[step]
                found.append(inside[last])
    return found


def members(requests: list[dict[str, Any]]) -> list[str]:
    return sorted(
        {name for request in requests for place in places(request) for name in place if isinstance(name, str)}
    )


@st.composite
def nearly_right(draw: st.DrawFn, requests: list[dict[str, Any]]) -> dict[str, Any]:
    """A good request with up to two things changed, taken out or put in."""
    request = copy.deepcopy(draw(st.sampled_from(requests)))
    for _ in range(draw(st.integers(0, 2))):
        *way, last = draw(st.sampled_from([place for place in places(request) if place] or [("event_id",)]))
        inside: Any = request
        for name in way:
            inside = inside[name]
        match draw(st.sampled_from(["exchange", "exchange", "change", "remove", "add"])):
            case "exchange" if others(last):
                inside[last] = copy.deepcopy(draw(st.sampled_from(others(last))))
            case "change":
                inside[last] = draw(JSON)
            case "remove":
                inside.pop(last, None) if isinstance(inside, dict) else inside.pop(last)
            case "add" if isinstance(inside, dict):
                inside[draw(st.sampled_from(members(ACCEPTED)))] = draw(JSON)
    return request


def is_a_reference(request: dict[str, Any]) -> bool:
    """The one thing that is documented and that the vendor's types do not know."""
    given = (request.get("response") or {}).get("input") or []
    return any(item.get("type") == "item_reference" for item in given)


def judged_by_the_vendor(request: dict[str, Any]) -> None:
    try:
        VENDOR.validate_python(request, strict=True)
    except ValidationError as error:
        pytest.fail(f"{request}: {error}")
    validate(request, CLIENT_EVENTS)


FORMED: list[dict[str, Any]] = [  # of things that a new session does not have
    *ACCEPTED,
    added({"type": "function_call_output", "call_id": "call_1", "output": "booked"}),
    {"type": "input_audio_buffer.commit", "event_id": "mine"},
    {"type": "conversation.item.retrieve", "item_id": "item_1"},
    {"type": "conversation.item.delete", "item_id": "item_1"},
    {"type": "conversation.item.truncate", "item_id": "item_1", "content_index": 0, "audio_end_ms": 120},
    {"type": "response.cancel", "response_id": "resp_1"},
]


VALUES: list[Any] = [
    *(None, True, 0, -1, 5, 0.5, 10**9, "", "x", "auto", [], ["x"], [None], [{}], {}),
    *({"k": 5}, {"k": None}, {"type": "x"}, {"id": "voice_1"}, {"name": "x"}, {"x": {"y": []}}),
]


@pytest.mark.parametrize("request_", FORMED, ids=lambda request: json.dumps(request)[:70])
def test_whatever_value_stands_anywhere_what_has_the_right_form_has_it_for_the_vendor_too(
    request_: dict[str, Any],
) -> None:
    right = 0
    for *way, last in filter(None, places(request_)):
        for value in VALUES:
            request = copy.deepcopy(request_)
            inside: Any = request
            for name in way:
                inside = inside[name]
            inside[last] = value
            try:
                checked(request)
            except ClientError:
                continue
            right += 1
            judged_by_the_vendor(request)
    assert right or len(list(places(request_))) <= 4  # nothing in it but types


@given(request=nearly_right(FORMED))
@settings(deadline=None, max_examples=1000)
def test_whatever_has_the_right_form_has_it_for_the_vendor_too(request: dict[str, Any]) -> None:
    try:
        checked(request)
    except ClientError:
        return
    if not is_a_reference(request):
        judged_by_the_vendor(request)


def test_whatever_is_taken_the_vendors_types_take_too(judge: Judge) -> None:
    taken = refused = 0

    async def send(server: RealtimeServer, request: dict[str, Any]) -> list[dict[str, Any]]:
        """The errors that a request makes in a new session."""
        async with connected(server) as client:
            await client.send_raw(request)
            await client.update()
            return [event["error"] for event in client.of("error")]

    with asyncio.Runner() as runner:
        server = RealtimeServer(INSTANT)
        runner.run(server.start())

        @given(request=nearly_right([*ACCEPTED, *(request for request, _, _ in REFUSED)]))
        @settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow])
        def judged(request: dict[str, Any]) -> None:
            nonlocal taken, refused
            request["event_id"] = "mine"
            errors = runner.run(send(server, request))
            if errors:
                refused += 1
                assert len(errors) == 1
                assert errors[0]["message"]
                assert errors[0]["event_id"] == "mine"
                return
            taken += 1
            if not is_a_reference(request):
                judged_by_the_vendor(request)

        try:
            judged()
        finally:
            runner.run(server.stop())
    judge.decide()
    assert taken > 30
    assert refused > 30
    assert judge.judged["session.created"] >= taken + refused
