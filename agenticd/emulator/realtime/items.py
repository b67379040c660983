"""The conversation: items in order, what they hold, and what a client may do with them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast

from agenticd.emulator.realtime import schema
from agenticd.emulator.realtime.formats import AudioFormat
from agenticd.emulator.realtime.schema import Check, ClientError, JsonObject, JsonValue

Kind: TypeAlias = Literal["message", "function_call", "function_call_output"]
Role: TypeAlias = Literal["user", "assistant", "system"]
Status: TypeAlias = Literal["in_progress", "completed", "incomplete"]


@dataclass(slots=True, kw_only=True)
class Part:
    """One content part. `heard` is what the model understood, with or without a transcription."""

    type: str
    text: str | None = None
    transcript: str | None = None
    heard: str = ""
    audio: bytearray = field(default_factory=bytearray)
    audio_format: AudioFormat | None = None
    extra: JsonObject = field(default_factory=dict)
    truncated: bool = False
    guessed: bool = False
    """`heard` is what a grammar made of it."""

    @property
    def audio_ms(self) -> int:
        """The length of its audio."""
        return len(self.audio) // self.audio_format.bytes_per_ms if self.audio_format is not None else 0

    def to_json(self, *, with_audio: bool) -> JsonObject:
        """As in an item on the wire; audio only where the client retrieves it."""
        part: JsonObject = {"type": self.type, **self.extra}
        if self.type in ("input_text", "output_text"):
            part["text"] = self.text or ""
        if self.type in ("input_audio", "output_audio") and not self.truncated:
            part["transcript"] = self.transcript
        if with_audio and self.audio:
            part["audio"] = base64.b64encode(self.audio).decode()
        return part


@dataclass(slots=True, kw_only=True)
class Item:
    """One item of a conversation; `role` and `content` for messages, the rest for function calls."""

    id: str
    kind: Kind = "message"
    role: Role | None = None
    content: list[Part] = field(default_factory=list)
    status: Status = "completed"
    name: str = ""
    call_id: str = ""
    arguments: str = ""
    output: str = ""

    @property
    def text(self) -> str:
        """What it says, as the model knows it: nothing for audio that was truncated."""
        match self.kind:
            case "function_call":
                return ""
            case "function_call_output":
                return self.output
            case "message":
                parts = (p.text or p.heard or (p.transcript if not p.truncated else "") or "" for p in self.content)
                return " ".join(text for text in parts if text)

    def to_json(self, *, with_audio: bool = False) -> JsonObject:
        """As on the wire."""
        item: JsonObject = {
            "id": self.id,
            "object": "realtime.item",
            "type": self.kind,
            "status": self.status,
        }
        match self.kind:
            case "message":
                content: list[JsonValue] = [part.to_json(with_audio=with_audio) for part in self.content]
                return {**item, "role": self.role, "content": content}
            case "function_call":
                return {**item, "name": self.name, "call_id": self.call_id, "arguments": self.arguments}
            case "function_call_output":
                return {**item, "call_id": self.call_id, "output": self.output}


_TEXT = {"text": schema.text()}


def _part(kind: str, required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    return schema.record({"type": schema.choice(kind), **required}, optional or {})


_COMMON: Mapping[str, Check] = {
    "id": schema.text(32),
    "object": schema.choice("realtime.item"),
    "status": schema.choice("in_progress", "completed", "incomplete"),  # has no effect
}
_INPUT_TEXT = _part("input_text", _TEXT)
_INPUT_AUDIO = _part("input_audio", {"audio": schema.text()}, {"transcript": schema.nullable(schema.text())})
_INPUT_IMAGE = _part(
    "input_image",
    {"image_url": schema.text(pattern=r"(?s)data:image/(png|jpeg);base64,.+")},
    {"detail": schema.choice("auto", "low", "high")},
)
_CONTENT: Mapping[str, Mapping[str, Check]] = {
    "user": {"input_text": _INPUT_TEXT, "input_audio": _INPUT_AUDIO, "input_image": _INPUT_IMAGE},
    "assistant": {"output_text": _part("output_text", _TEXT)},  # never audio: only the model makes that
    "system": {"input_text": _INPUT_TEXT},
}
_CALL_ID = schema.text(64, "[a-zA-Z0-9_-]+")


def _message(role: str) -> Check:
    content = schema.listing(schema.tagged("type", _CONTENT[role]))
    return schema.record({"type": schema.anything, "role": schema.anything, "content": content}, _COMMON)


_ITEM_KINDS: Mapping[str, Check] = {
    "message": schema.tagged("role", {role: _message(role) for role in _CONTENT}),
    "function_call": schema.record(
        {"type": schema.anything, "name": schema.text(64), "arguments": schema.text()},
        {**_COMMON, "call_id": _CALL_ID},
    ),
    "function_call_output": schema.record(
        {"type": schema.anything, "call_id": _CALL_ID, "output": schema.text()}, _COMMON
    ),
}
ITEM = schema.tagged("type", _ITEM_KINDS)
"""What `conversation.item.create` takes."""

_REFERENCE = schema.record({"type": schema.anything, "id": schema.text()}, {})
INPUT = schema.listing(schema.tagged("type", {**_ITEM_KINDS, "item_reference": _REFERENCE}))
"""What `response.create` takes as `input`."""


def item_from_json(checked: JsonObject, new_id: str, new_call_id: str, audio_format: AudioFormat, path: str) -> Item:
    """A new item from a client's checked one. Bad audio is a ClientError."""
    item = Item(id=cast("str", checked.get("id", new_id)), kind=cast("Kind", checked["type"]))
    if item.kind == "message":
        item.role = cast("Role", checked["role"])
        parts = cast("list[JsonObject]", checked["content"])
        item.content = [
            _part_from_json(part, audio_format, f"{path}.content[{index}]") for index, part in enumerate(parts)
        ]
    else:
        item.name = cast("str", checked.get("name", ""))
        item.call_id = cast("str", checked.get("call_id", new_call_id))
        item.arguments = cast("str", checked.get("arguments", ""))
        item.output = cast("str", checked.get("output", ""))
    return item


def _part_from_json(checked: JsonObject, audio_format: AudioFormat, path: str) -> Part:
    kind = cast("str", checked["type"])
    if kind == "input_audio":
        audio = audio_format.parse(cast("str", checked["audio"]), f"{path}.audio")
        transcript = cast("str | None", checked.get("transcript"))
        return Part(type=kind, transcript=transcript, audio=bytearray(audio), audio_format=audio_format)
    if kind == "input_image":
        return Part(type=kind, extra={name: value for name, value in checked.items() if name != "type"})
    return Part(type=kind, text=cast("str", checked["text"]))


class Conversation:
    """The items of one session, in order."""

    def __init__(self, conversation_id: str) -> None:
        self.id = conversation_id
        self.items: list[Item] = []

    @property
    def last_id(self) -> str | None:
        """The item after which a new one comes."""
        return self.items[-1].id if self.items else None

    def find(self, item_id: str, purpose: str) -> Item:
        """The item, or a ClientError `item_<purpose>_invalid_item_id`."""
        for item in self.items:
            if item.id == item_id:
                return item
        message = f"Could not {purpose} the item: there is no item with id '{item_id}' in the conversation."
        raise ClientError(f"item_{purpose}_invalid_item_id", message, "item_id")

    def add(self, item: Item, after: str | None = None) -> str | None:
        """Puts an item at the end, at the `root`, or after another; answers with the id before it."""
        if any(known.id == item.id for known in self.items):
            message = f"Error adding item: an item with id '{item.id}' already exists."
            raise ClientError("invalid_value", message, "item.id")
        if item.kind == "function_call_output" and not self._has_call(item.call_id):
            message = f"Tool call ID '{item.call_id}' not found in conversation."
            raise ClientError("invalid_tool_call_id", message)
        position = self._position_after(after)
        self.items.insert(position, item)
        return self.items[position - 1].id if position else None

    def _has_call(self, call_id: str) -> bool:
        return any(item.kind == "function_call" and item.call_id == call_id for item in self.items)

    def _position_after(self, after: str | None) -> int:
        if after is None:
            return len(self.items)
        if after == "root":
            return 0
        for position, item in enumerate(self.items):
            if item.id == after:
                return position + 1
        message = f"Error adding item: the previous item with id '{after}' does not exist."
        raise ClientError("invalid_value", message, "previous_item_id")

    def delete(self, item_id: str) -> None:
        """Takes an item out."""
        self.items.remove(self.find(item_id, "delete"))

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """Cuts the audio of what the model said, and forgets its transcript: nobody knows how far it went."""
        item = self.find(item_id, "truncate")
        part = item.content[0] if item.content else None
        if item.role != "assistant" or part is None or part.audio_format is None or not (part.audio or part.truncated):
            raise ClientError("invalid_value", "Only model output audio messages can be truncated", "item_id")
        if content_index != 0:
            message = f"Content index {content_index} is not the audio of the item; set it to 0."
            raise ClientError("invalid_value", message, "content_index")
        if audio_end_ms > part.audio_ms:
            message = f"Audio content of {part.audio_ms}ms is already shorter than {audio_end_ms}ms"
            raise ClientError("invalid_value", message, "audio_end_ms")
        del part.audio[audio_end_ms * part.audio_format.bytes_per_ms :]
        part.truncated = True
        part.transcript = None
