"""`session.update`: a partial merge of what is right, and one exact error for what is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.emulator.realtime.client import CLIENT_EVENTS, PCM, PCMU, SLOW, VAD, Client, talking, validate


def path_of(path: str, value: Any) -> dict[str, Any]:
    """`{"a": {"b": value}}` for "a.b"."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return dict(value)


async def refused(client: Client, session: object) -> dict[str, Any]:
    await client.send_raw({"type": "session.update", "event_id": "mine", "session": session})
    error = await client.error()
    assert error["event_id"] == "mine"
    assert error["type"] == "invalid_request_error"
    return error


async def test_only_what_is_named_changes() -> None:
    async with talking() as (server, client):
        await client.update(instructions="Be brief.", audio={"output": {"voice": "cedar"}})
        session = await client.update(audio={"input": {"format": PCMU}})
        assert session["instructions"] == "Be brief."
        assert session["audio"]["output"]["voice"] == "cedar"
        assert session["audio"]["output"]["format"] == PCM
        assert session["audio"]["input"]["format"] == PCMU
        assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"
        assert server.sessions[0].instructions == "Be brief."


async def test_a_part_of_an_object_changes_and_the_rest_of_it_stays() -> None:
    async with talking() as (_, client):

        async def transcribed(**members: Any) -> dict[str, Any]:
            session = await client.update(audio={"input": {"transcription": members}})
            return dict(session["audio"]["input"]["transcription"])

        assert await transcribed(model="gpt-transcribe", languages=["en", "de"]) is not None
        both = {"model": "gpt-transcribe", "languages": ["en", "de"], "prompt": "Bicycles."}
        assert await transcribed(model="gpt-transcribe", prompt="Bicycles.") == both
        assert await transcribed(model="whisper-1") == {"model": "whisper-1"}  # which has no languages
        kept = {"type": "retention_ratio", "retention_ratio": 0.5, "token_limits": {"post_instructions": 800}}
        await client.update(truncation=kept)
        changed = await client.update(truncation={"type": "retention_ratio", "retention_ratio": 0.8})
        assert changed["truncation"] == {**kept, "retention_ratio": 0.8}
        assert (await client.update(truncation="auto"))["truncation"] == "auto"


async def test_empty_clears_and_null_switches_off() -> None:
    async with talking() as (_, client):
        tool = {"type": "function", "name": "book", "description": "", "parameters": {"type": "object"}}
        assert (await client.update(tools=[tool]))["tools"] == [tool]
        session = await client.update(tools=[], instructions="", audio={"input": {"turn_detection": None}})
        assert session["tools"] == []
        assert session["instructions"] == ""
        assert session["audio"]["input"]["turn_detection"] is None


async def test_all_that_the_design_sends_is_taken() -> None:
    async with talking() as (_, client):
        session = await client.update(
            model="gpt-realtime-2.1",
            output_modalities=["audio"],
            instructions="Be brief.",
            audio={
                "input": {
                    "format": PCMU,
                    "noise_reduction": None,
                    "transcription": {"model": "gpt-transcribe", "language": "en"},
                    "turn_detection": {**VAD, "create_response": True, "interrupt_response": True},
                },
                "output": {"format": PCMU, "voice": "marin", "speed": 1.0},
            },
            tools=[],
            tool_choice="auto",
            max_output_tokens="inf",
            truncation={"type": "retention_ratio", "retention_ratio": 0.8},
            tracing=None,
            reasoning={"effort": "low"},
        )
        assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 500
        assert session["truncation"] == {"type": "retention_ratio", "retention_ratio": 0.8}


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        # The beta interface's names do not exist any more.
        ("modalities", ["audio", "text"], "unknown_parameter"),
        ("temperature", 0.8, "unknown_parameter"),
        ("voice", "alloy", "unknown_parameter"),
        ("turn_detection", None, "unknown_parameter"),
        ("input_audio_format", "g711_ulaw", "unknown_parameter"),
        ("output_audio_format", "g711_ulaw", "unknown_parameter"),
        ("input_audio_transcription", {"model": "whisper-1"}, "unknown_parameter"),
        ("max_response_output_tokens", "inf", "unknown_parameter"),
        ("audio.input.sample_rate", 8000, "unknown_parameter"),
        ("audio.output.modalities", ["audio"], "unknown_parameter"),
        (
            "audio.input.turn_detection",
            {"type": "semantic_vad", "idle_timeout_ms": 6000},
            "unknown_parameter",
        ),
        ("output_modalities", ["audio", "text"], "invalid_value"),
        ("output_modalities", [], "invalid_value"),
        ("output_modalities", ["video"], "invalid_value"),
        ("model", "gpt-realtime-2", "invalid_value"),
        ("audio.input.format", {"type": "audio/pcm"}, "missing_required_parameter"),
        ("audio.input.format", {"type": "audio/pcm", "rate": 8000}, "invalid_value"),
        ("audio.input.format", {"type": "g711_ulaw"}, "invalid_value"),
        ("audio.input.format", "audio/pcmu", "invalid_type"),
        ("audio.input.turn_detection", {"threshold": 0.5}, "missing_required_parameter"),
        ("audio.input.turn_detection", {"type": "server_vad", "threshold": 1.5}, "decimal_above_max_value"),
        (
            "audio.input.turn_detection",
            {"type": "server_vad", "idle_timeout_ms": 100},
            "integer_below_min_value",
        ),
        ("audio.input.turn_detection", {"type": "semantic_vad", "eagerness": "now"}, "invalid_value"),
        ("audio.input.transcription", {"language": "en"}, "missing_required_parameter"),
        ("audio.input.transcription", {"model": "gpt-5"}, "invalid_value"),
        ("audio.input.transcription", {"model": "whisper-1", "keywords": ["Aurora"]}, "invalid_value"),
        ("audio.output.voice", "nova", "invalid_value"),
        ("audio.output.speed", 2, "decimal_above_max_value"),
        ("max_output_tokens", 5000, "integer_above_max_value"),
        ("max_output_tokens", True, "invalid_type"),
        ("instructions", None, "invalid_type"),
        ("tools", [{"type": "function", "function": {"name": "book"}}], "missing_required_parameter"),
        ("tools", [{"type": "function", "name": "book", "function": {}}], "unknown_parameter"),
        ("tools", [{"type": "retrieval"}], "invalid_value"),
        ("tool_choice", "any", "invalid_value"),
        ("prompt", {"id": "pmpt_1"}, "prompt_not_found"),
        ("truncation", {"type": "retention_ratio"}, "missing_required_parameter"),
    ],
)
async def test_what_is_wrong_is_named_and_changes_nothing(path: str, value: Any, code: str) -> None:
    async with talking() as (server, client):
        change = {"type": "realtime", "instructions": "Not to be taken.", **path_of(path, value)}
        error = await refused(client, change)
        assert error["code"] == code
        assert (error["param"] or "").startswith(f"session.{path}")
        assert server.sessions[0].instructions != "Not to be taken."
        assert (await client.update())["object"] == "realtime.session"  # the session goes on


async def test_mu_law_takes_no_rate() -> None:
    async with talking() as (_, client):
        change = path_of("audio.input.format", {"type": "audio/pcmu", "rate": 8000})
        error = await refused(client, {"type": "realtime", **change})
        assert (error["code"], error["param"]) == ("unknown_parameter", "session.audio.input.format.rate")
        assert error["message"] == "Unknown parameter: 'session.audio.input.format.rate'."


async def test_the_type_is_required() -> None:
    async with talking() as (_, client):
        error = await refused(client, {"instructions": "Hello."})
        assert error["code"] == "missing_required_parameter"
        assert error["message"] == "Missing required parameter: 'session.type'."
        assert (await refused(client, {"type": "transcription"}))["code"] == "invalid_parameter"


async def test_the_voice_is_locked_once_it_was_heard() -> None:
    async with talking() as (_, client):
        await client.update(audio={"output": {"voice": "marin"}})
        await client.send("response.create", response={"instructions": 'Say: "Of course."'})
        await client.until("response.done")
        error = await refused(client, {"type": "realtime", **path_of("audio.output.voice", "cedar")})
        assert error["code"] == "cannot_update_voice"
        assert (await client.update(audio={"output": {"voice": "marin"}}))["audio"]["output"]["voice"] == "marin"


async def test_the_voice_that_was_heard_is_that_of_later_answers_too() -> None:
    async with talking() as (server, client):

        async def asked(**response: Any) -> dict[str, Any]:
            await client.send("response.create", response={"instructions": 'Say: "Of course."', **response})
            event = await client.next()
            while event["type"] not in ("error", "response.done"):
                event = await client.next()
            return event

        in_cedar, in_marin = ({"audio": {"output": {"voice": voice}}} for voice in ("cedar", "marin"))
        await client.update(**in_marin)
        assert (await asked(output_modalities=["text"], **in_cedar))["type"] == "response.done"
        assert (await asked(**in_cedar))["type"] == "response.done"
        assert (await asked(**in_marin))["error"]["code"] == "cannot_update_voice"
        for more in ({}, in_cedar):
            assert (await asked(**more))["response"]["audio"]["output"]["voice"] == "cedar"
        assert (await client.update(**in_cedar))["audio"]["output"]["voice"] == "cedar"
        assert len(server.sessions[0].errors) == 1


async def test_the_speed_changes_only_between_turns() -> None:
    async with talking(replace(SLOW, speed=0.1)) as (_, client):
        await client.send("response.create", response={"instructions": 'Say: "Are you still there?"'})
        await client.until("response.output_audio.delta")
        error = await refused(client, {"type": "realtime", **path_of("audio.output.speed", 1.2)})
        assert error["param"] == "session.audio.output.speed"
        await client.send("response.cancel")
        await client.until("response.done")
        assert (await client.update(audio={"output": {"speed": 1.2}}))["audio"]["output"]["speed"] == 1.2


@pytest.mark.parametrize(
    ("request_", "code", "param"),
    [
        ("{not json", "invalid_json", None),
        ('{"type": "session.update", "session": NaN}', "invalid_json", None),
        ("[1, 2]", "invalid_type", "event"),
        ("null", "invalid_type", "event"),
        ("{}", "missing_required_parameter", "type"),
        ('{"type": 5}', "invalid_type", "type"),
        ('{"type": "response.audio.delta"}', "invalid_value", "type"),
        ('{"type": "transcription_session.update"}', "invalid_value", "type"),
        ('{"type": "session.update"}', "missing_required_parameter", "session"),
        ('{"type": "session.update", "session": []}', "invalid_type", "session"),
        ('{"type": "response.cancel", "reason": "x"}', "unknown_parameter", "reason"),
        ('{"type": "input_audio_buffer.append"}', "missing_required_parameter", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": "%%%"}', "invalid_value", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": "AAAA"}', "invalid_value", "audio"),
        ('{"type": "output_audio_buffer.clear"}', "invalid_value", "type"),
        (b"\x00\x01", "invalid_value", None),
    ],
)
async def test_a_request_that_makes_no_sense_is_an_error_and_not_an_end(
    request_: str | bytes, code: str, param: str | None
) -> None:
    async with talking() as (server, client):
        await client.send_raw(request_)
        error = await client.error()
        assert (error["code"], error["param"]) == (code, param)
        assert server.sessions[0].errors == [error]
        await client.update()


def test_the_test_clients_own_judge_sees_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="event_id"):
        validate({"type": "session.update", "event_id": 5, "session": {"type": "realtime"}}, CLIENT_EVENTS)
    with pytest.raises(AssertionError):
        validate({"type": "session.update", "session": {"type": "realtime", "voice": "alloy"}}, CLIENT_EVENTS)
