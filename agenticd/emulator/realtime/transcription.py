"""The caller's words as the chosen transcription model would write them down: its events, in its manner."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import TypeAlias

from agenticd.emulator.realtime.schema import JsonObject, JsonValue
from agenticd.emulator.realtime.usage import transcription_usage

Told: TypeAlias = tuple[str, JsonObject]

_KIND = "conversation.item.input_audio_transcription"
_AT_ONCE = ("whisper-1",)  # one delta, with all of it
_TELLS_LANGUAGES = ("gpt-transcribe",)
_TELLS_SPEAKERS = ("gpt-4o-transcribe-diarize",)


def transcribed(model: str, text: str, audio_ms: int, *, logprobs: bool) -> Iterator[Told]:
    """The events of one turn, but for the item's id. A text that is not known is empty, and has no deltas."""
    pieces = [text] if model in _AT_ONCE and text else re.findall(r"\s*\S+", text)
    for piece in pieces:
        delta: JsonObject = {"content_index": 0, "delta": piece}
        yield f"{_KIND}.delta", {**delta, "logprobs": _logprobs([piece])} if logprobs else delta
    if text and model in _TELLS_SPEAKERS:
        segment: JsonObject = {"content_index": 0, "id": "seg_0", "speaker": "A", "text": text}
        yield f"{_KIND}.segment", {**segment, "start": 0.0, "end": audio_ms / 1000}
    whole: JsonObject = {
        "content_index": 0,
        "transcript": text,
        "usage": transcription_usage(model, audio_ms, text),
    }
    if model in _TELLS_LANGUAGES:
        whole["languages"] = [{"code": "en"}] if text else []
    if logprobs:
        whole["logprobs"] = _logprobs(pieces)
    yield f"{_KIND}.completed", whole


def failed(model: str) -> Told:
    """The event where it could not be done."""
    error: JsonObject = {
        "type": "server_error",
        "code": None,
        "message": f"Input transcription with {model} failed. Sorry about that!",
        "param": None,
    }
    return f"{_KIND}.failed", {"content_index": 0, "error": error}


def _logprobs(pieces: list[str]) -> list[JsonValue]:
    """Confident throughout, a little less in one word than in another: nothing here is a probability."""
    return [
        {
            "token": piece,
            "bytes": list[JsonValue](piece.encode()),
            "logprob": -0.01 - (zlib.crc32(piece.encode()) & 0xFF) / 2550,
        }
        for piece in pieces
    ]
