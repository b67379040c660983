"""What a client may send: its events and their members, and the way from a message to a checked event."""

from __future__ import annotations

import json
import math
from typing import cast

from agenticd.emulator.realtime import schema
from agenticd.emulator.realtime.items import INPUT, ITEM
from agenticd.emulator.realtime.schema import Check, ClientError, JsonObject, JsonValue
from agenticd.emulator.realtime.settings import RESPONSE_PARAMS, SESSION_UPDATE

_DEEPEST = 100  # objects within objects; nothing that means anything is near it


def _event(required: dict[str, Check] | None = None, optional: dict[str, Check] | None = None) -> Check:
    members = {"event_id": schema.nullable(schema.text(512)), **(optional or {})}
    return schema.record({"type": schema.anything, **(required or {})}, members)


_ID = schema.text()
_COUNT = schema.number(0, 2**53, whole=True)
_EVENTS: dict[str, Check] = {
    "session.update": _event({"session": SESSION_UPDATE}),
    "input_audio_buffer.append": _event({"audio": schema.text()}),
    "input_audio_buffer.commit": _event(),
    "input_audio_buffer.clear": _event(),
    "conversation.item.create": _event({"item": ITEM}, {"previous_item_id": schema.nullable(_ID)}),
    "conversation.item.retrieve": _event({"item_id": _ID}),
    "conversation.item.truncate": _event({"item_id": _ID, "content_index": _COUNT, "audio_end_ms": _COUNT}),
    "conversation.item.delete": _event({"item_id": _ID}),
    "response.create": _event(
        optional={"response": schema.nullable(schema.record({}, {**RESPONSE_PARAMS, "input": INPUT}))}
    ),
    "response.cancel": _event(optional={"response_id": schema.nullable(_ID)}),
    "output_audio_buffer.clear": _event(),
}
_EVENT = schema.tagged("type", _EVENTS)


def checked(event: JsonObject) -> JsonObject:
    """The event, its members all known and of their types; anything else is a ClientError."""
    return cast("JsonObject", _EVENT(event, ""))


def parse(message: str | bytes) -> JsonObject:
    """A message as a JSON object; anything else is a ClientError."""
    if isinstance(message, bytes):
        raise ClientError("invalid_value", "Binary messages are not supported; send JSON as text.")
    try:
        event = json.loads(message, parse_constant=_no_constant, parse_float=_finite)
        if "\\ud" in message.casefold():  # half a character is none
            json.dumps(event, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise ClientError("invalid_json", "We could not parse the message: it is not valid JSON.") from None
    if not isinstance(event, dict):
        raise schema.wrong_type("event", "an object", event)
    if message.count("[") + message.count("{") > _DEEPEST and _depth(cast("JsonObject", event)) > _DEEPEST:
        raise ClientError("invalid_value", f"The message is nested more than {_DEEPEST} deep.")
    return cast("JsonObject", event)


def _no_constant(name: str) -> JsonValue:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits} is no number that there is")
    return number


def _depth(event: JsonObject) -> int:
    """How many objects and arrays lie in each other; without recursion, for there may be many."""
    deepest = 0
    open_: list[tuple[JsonValue, int]] = [(event, 1)]
    while open_:
        value, depth = open_.pop()
        deepest = max(deepest, depth)
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        open_.extend((entry, depth + 1) for entry in inner if isinstance(entry, (dict, list)))
    return deepest
