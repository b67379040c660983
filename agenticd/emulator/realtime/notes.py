"""What a session remembers of its events for tests to look at, with the time: no audio, and nothing for the client."""

from __future__ import annotations

from dataclasses import dataclass

from agenticd.emulator.realtime.schema import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class Noted:
    """One event. `at` is the loop's clock: when it was ordered to be sent, or when it was read."""

    at: float
    kind: str
    item_id: str = ""
    audio_end_ms: int | None = None


def noted(at: float, kind: str, fields: JsonObject) -> Noted | None:
    """The note of an event; None for the many that carry a piece of audio or a word."""
    if kind == "input_audio_buffer.append" or kind.endswith(".delta"):
        return None
    return Noted(at, kind, _text(fields.get("item_id")), _whole(fields.get("audio_end_ms")))


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: JsonValue) -> int | None:
    return value if isinstance(value, int) else None
