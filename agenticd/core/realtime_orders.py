"""What we send to the OpenAI Realtime API, in its GA form. The other direction is realtime.py.

Everything is written by a JSON encoder: no text, whoever said it, can become a field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call. `parameters` is a JSON Schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How a session is configured. Audio is the same both ways; `language` "" leaves it to the transcriber,
    `transcription_model` "" turns transcripts of the caller off."""

    instructions: str
    voice: str
    audio: Literal["pcmu", "pcm24"] = "pcmu"
    transcription_model: str = "gpt-transcribe"
    language: str = ""
    vad_threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    interrupt_response: bool = True
    create_response: bool = True
    tools: tuple[Tool, ...] = ()


class _Append(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="input_audio_buffer.append"):
    audio: str


class _Truncate(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="conversation.item.truncate"):
    item_id: str
    content_index: int
    audio_end_ms: int


class _Delete(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="conversation.item.delete"):
    item_id: str


_encode = msgspec.json.Encoder().encode
_CONTENT = {"user": "input_text", "system": "input_text", "assistant": "output_text"}


def encode_append(payload: str) -> bytes:
    """More of the caller's audio, base64. The hot path."""
    return _encode(_Append(payload))


def encode_commit() -> bytes:
    """Take what was said so far as a whole utterance, without waiting for silence."""
    return b'{"type":"input_audio_buffer.commit"}'


def encode_session_update(settings: SessionSettings) -> bytes:
    """Configure the session. Every value is said: a change of the server's defaults changes nothing."""
    # OpenAI: audio/pcmu takes no rate, audio/pcm needs one.
    audio = {"type": "audio/pcmu"} if settings.audio == "pcmu" else {"type": "audio/pcm", "rate": 24000}
    session = {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": settings.instructions,
        "audio": {
            "input": {
                "format": audio,
                "noise_reduction": None,
                "transcription": _transcription(settings),
                "turn_detection": _turn_detection(settings),
            },
            "output": {"format": audio, "voice": settings.voice, "speed": 1.0},
        },
        "tools": [_tool(tool) for tool in settings.tools],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "truncation": "auto",
        "tracing": None,
    }
    return _encode({"type": "session.update", "session": session})


def encode_turn_detection(settings: SessionSettings) -> bytes:
    """Change only who decides about turns, in a session that is configured."""
    session = {"type": "realtime", "audio": {"input": {"turn_detection": _turn_detection(settings)}}}
    return _encode({"type": "session.update", "session": session})


def _turn_detection(settings: SessionSettings) -> dict[str, object]:
    return {
        "type": "server_vad",
        "threshold": settings.vad_threshold,
        "prefix_padding_ms": settings.prefix_padding_ms,
        "silence_duration_ms": settings.silence_duration_ms,
        "create_response": settings.create_response,
        "interrupt_response": settings.interrupt_response,
        "idle_timeout_ms": None,
    }


def _transcription(settings: SessionSettings) -> dict[str, str] | None:
    if not settings.transcription_model:
        return None
    language = {"language": settings.language} if settings.language else {}
    return {"model": settings.transcription_model, **language}


def _tool(tool: Tool) -> dict[str, object]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters or {"type": "object", "properties": {}},
    }


def encode_truncate(item_id: str, content_index: int, audio_end_ms: int) -> bytes:
    """The caller heard the item up to there. More than the item has is an error of the server's."""
    return _encode(_Truncate(item_id, content_index, audio_end_ms))


def encode_delete(item_id: str) -> bytes:
    """Nobody heard the item: take it out of the conversation."""
    return _encode(_Delete(item_id))


def encode_response_create(instructions: str | None = None, event_id: str = "") -> bytes:
    """Answer now; with `instructions`, in place of the session's for this one answer. An error about it names the
    `event_id`."""
    message: dict[str, object] = {"type": "response.create"}
    if event_id:
        message["event_id"] = event_id
    if instructions is not None:
        message["response"] = {"instructions": instructions}
    return _encode(message)


def encode_response_cancel() -> bytes:
    """Stop the answer. With none active the server says response_cancel_not_active, which is harmless."""
    return b'{"type":"response.cancel"}'


def encode_message(role: Literal["user", "assistant", "system"], text: str, item_id: str = "") -> bytes:
    """Put words into the conversation: what was said before a reconnection, what was typed, or a hint (system).
    Without an `item_id` the server makes one."""
    content = [{"type": _CONTENT[role], "text": text}]
    item: dict[str, object] = {"type": "message", "role": role, "content": content}
    if item_id:
        item["id"] = item_id
    return _encode({"type": "conversation.item.create", "item": item})


def encode_function_output(call_id: str, output: str) -> bytes:
    """A tool's result; as a rule JSON in a string."""
    item = {"type": "function_call_output", "call_id": call_id, "output": output}
    return _encode({"type": "conversation.item.create", "item": item})
