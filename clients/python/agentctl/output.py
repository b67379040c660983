"""Answers as text for programs: JSON in the contract's names, plain columns, ids. For people: render.py."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from agentctl.options import Env
    from agentic.v1.call_pb2 import Call

# What steers a terminal, or is a line's end to somebody, and JSON does not escape by itself.
_STEERING = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def to_json(data: Mapping[str, Any], indent: int | None = None) -> str:
    """The data as JSON in which no control character stands raw; on one line without `indent`."""
    # Where a letter cannot be written as it is, it must not become another one.
    escape = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    text = json.dumps(data, ensure_ascii=escape, indent=indent, separators=(",", ": " if indent else ":"))
    return _STEERING.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def to_dict(message: Message) -> dict[str, Any]:
    """protojson with the contract's field names, every field there, in the contract's order."""
    from google.protobuf.json_format import MessageToDict

    plain = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return _ordered(plain, message)


def _ordered(plain: dict[str, Any], message: Message) -> dict[str, Any]:
    """The same, field by field in the order of the contract, whichever of them are set."""
    found: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        if field.name not in plain:
            continue
        value = plain[field.name]
        part = getattr(message, field.name)
        if isinstance(value, dict) and not isinstance(part, Mapping):
            value = _ordered(value, part)
        elif isinstance(value, list) and field.message_type is not None:
            value = [_ordered(one, child) for one, child in zip(value, part, strict=True)]
        found[field.name] = value
    return found


def write(text: str) -> None:
    """A text, at once: whoever reads a stream does not wait for a buffer to fill."""
    sys.stdout.write(text)
    sys.stdout.flush()


def line(text: str) -> None:
    """One line, at once."""
    write(text + "\n")


def ident(text: str) -> None:
    """An id, or what is as short, on a line."""
    from agentctl.words import flat

    line(flat(text))


def json_block(message: Message) -> None:
    """One message, for people who read JSON and programs alike."""
    line(to_json(to_dict(message), indent=2))


def json_line(data: Mapping[str, Any]) -> None:
    """One object on one line."""
    line(to_json(data))


def answer(env: Env, whole: Message, call: Call) -> None:
    """An answer about one call, as the command was asked to print."""
    from agentctl import words

    match env.format():
        case "json":
            json_block(whole)
        case "jsonl":
            json_line(to_dict(call))
        case "id":
            ident(call.call_id)
        case "table":
            from agentctl import render

            for text in render.facts(words.facts(call), env.columns, env.style):
                line(text)
        case _:
            pairs(words.facts(call).items())


def columns(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Aligned columns with a header. Nothing is cut."""
    lines = [header, *rows]
    widths = [max(len(row[index]) for row in lines) for index in range(len(header))]
    for row in lines:
        line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def pairs(values: Iterable[tuple[str, str]]) -> None:
    """name: value, one on each line."""
    for name, value in values:
        line(f"{name}: {value}")
