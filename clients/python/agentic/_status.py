"""google.rpc.Status and the details that agenticd sends with its errors, read without another dependency.

The messages are built here, in a pool of their own, so that they meet nobody's googleapis-common-protos; and only when
an error has come, as it takes 10 ms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from google.protobuf.message import DecodeError

KEY = "grpc-status-details-bin"
_DOMAIN = "agenticd"

# As in FieldDescriptorProto.Type.
_NUMBER, _TEXT, _BYTES, _MESSAGE = 3, 9, 12, 11
# Fields by number. A message's name in brackets: repeated. A map is a repeated pair, on the wire.
_SHAPES: Mapping[str, Mapping[int, tuple[str, int | str | list[str]]]] = {
    "Status": {1: ("code", _NUMBER), 2: ("message", _TEXT), 3: ("details", ["Packed"])},
    "Packed": {1: ("type_url", _TEXT), 2: ("value", _BYTES)},
    "Pair": {1: ("key", _TEXT), 2: ("value", _TEXT)},
    "ErrorInfo": {1: ("reason", _TEXT), 2: ("domain", _TEXT), 3: ("metadata", ["Pair"])},
    "Duration": {1: ("seconds", _NUMBER), 2: ("nanos", _NUMBER)},
    "RetryInfo": {1: ("retry_delay", "Duration")},
    "FieldViolation": {1: ("field", _TEXT), 2: ("description", _TEXT)},
    "ResourceInfo": {1: ("resource_type", _TEXT), 2: ("resource_name", _TEXT)},
    "BadRequest": {1: ("field_violations", ["FieldViolation"])},
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One wrong field of a request: its path, and what would be right."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Details:
    """What an error says beside its code and its message. `retry_after` in seconds; `resource`: a call's id."""

    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()
    retry_after: float | None = None
    resource: str = ""


@cache
def _messages() -> Mapping[str, type[Any]]:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="status.proto", package="agentic.status", syntax="proto3")
    for name, fields in _SHAPES.items():
        message = file.message_type.add(name=name)
        for number, (label, kind) in fields.items():
            made = message.field.add(name=label, number=number)
            made.label = made.LABEL_REPEATED if isinstance(kind, list) else made.LABEL_OPTIONAL
            made.type = descriptor_pb2.FieldDescriptorProto.Type.ValueType(kind if isinstance(kind, int) else _MESSAGE)
            if not isinstance(kind, int):
                made.type_name = f".agentic.status.{kind[0] if isinstance(kind, list) else kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"agentic.status.{name}")) for name in _SHAPES
    }


def read(data: bytes) -> Details:
    """What the bytes under KEY say. Empty for what is no status, or not agenticd's."""
    reason, metadata, retry_after, resource = "", {}, None, ""
    violations: list[Violation] = []
    messages = _messages()
    try:
        for packed in messages["Status"].FromString(data).details:
            match packed.type_url.rpartition("/")[2]:
                case "google.rpc.ErrorInfo":
                    info = messages["ErrorInfo"].FromString(packed.value)
                    if info.domain == _DOMAIN:
                        reason, metadata = info.reason, {pair.key: pair.value for pair in info.metadata}
                case "google.rpc.RetryInfo":
                    delay = messages["RetryInfo"].FromString(packed.value).retry_delay
                    retry_after = delay.seconds + delay.nanos / 1e9
                case "google.rpc.ResourceInfo":
                    resource = messages["ResourceInfo"].FromString(packed.value).resource_name
                case "google.rpc.BadRequest":
                    for one in messages["BadRequest"].FromString(packed.value).field_violations:
                        violations.append(Violation(one.field, one.description))
    except DecodeError:
        return Details()
    return Details(reason, metadata, tuple(violations), retry_after, resource)
