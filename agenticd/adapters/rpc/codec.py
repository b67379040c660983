"""Events in the contract's form, both ways: what the store keeps and what subscribers get.

A payload and its message have the same field names; how a field is written follows from the message's
descriptor. So there is a rule for each kind of field and none for each event. A payload that does not fit its
message stops the import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from agentic.v1 import call_pb2, event_pb2
from agenticd.adapters.rpc import scalars
from agenticd.adapters.rpc.scalars import EnumNames, seconds_of, timestamp_fields
from agenticd.core.events import KINDS, CallEnd, Event, LiveWords, Payload, TranscriptFinal, Usage
from agenticd.core.ids import CallId


@dataclass(frozen=True, slots=True)
class _Field:
    """One field: its name on both sides, and the way there and back."""

    name: str
    write: Callable[..., object]
    read: Callable[..., object]


class _Shape:
    """A Struct of ours beside its message."""

    def __init__(self, ours: type[msgspec.Struct], theirs: Descriptor) -> None:
        names = set(ours.__struct_fields__)
        if names != set(theirs.fields_by_name):
            raise AssertionError(f"{ours.__name__} and {theirs.full_name} differ: {names ^ set(theirs.fields_by_name)}")
        self._ours = ours
        self._theirs = GetMessageClass(theirs)
        self._fields = tuple(_field(field) for field in theirs.fields)
        self._names = tuple(field.name for field in self._fields)
        self._values = _getter(self._names)
        self._written = tuple((field.name, field.write) for field in self._fields if field.write is not _same)

    def write(self, value: object) -> Message:
        """Ours as a message."""
        return self._theirs(**self.fields(value))

    def fields(self, value: object) -> dict[str, Any]:
        """Ours as what a constructor of the message takes, or that of one around it: cheaper than the message."""
        fields = dict(zip(self._names, self._values(value), strict=True))
        for name, write in self._written:
            fields[name] = write(fields[name])
        return fields

    def read(self, message: Message) -> object:
        """A message as ours."""
        return self._ours(**{field.name: field.read(getattr(message, field.name)) for field in self._fields})


def _same(value: object) -> object:
    return value


def _getter(names: Sequence[str]) -> Callable[[object], Sequence[Any]]:
    """What has these attributes -> their values."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: [getattr(value, name) for name in names]


def _enum(
    names: EnumNames[scalars.E, scalars.V],
) -> tuple[Callable[[scalars.E], scalars.V], Callable[[int], scalars.E]]:
    def read(number: int) -> scalars.E:
        member = names.from_wire(number)
        if member is None:  # the log's schema version keeps a newer daemon's events away from us
            raise AssertionError(f"{names.descriptor.full_name} has no value {number} here")
        return member

    return names.to_wire, read


_ENUMS: Mapping[str, tuple[Callable[..., object], Callable[..., object]]] = {
    "agentic.v1.CallState": _enum(scalars.CALL_STATES),
    "agentic.v1.Direction": _enum(scalars.DIRECTIONS),
    "agentic.v1.EndReason": _enum(scalars.END_REASONS),
    "agentic.v1.EndedBy": _enum(scalars.ENDED_BY),
    "agentic.v1.Speaker": _enum(scalars.SPEAKERS),
}
_TIMES: Mapping[str, tuple[Callable[..., object], Callable[..., object]]] = {
    "google.protobuf.Timestamp": (timestamp_fields, seconds_of),
    "google.protobuf.Duration": (scalars.duration_fields, seconds_of),
}
_PARTS: Mapping[str, type[msgspec.Struct]] = {"agentic.v1.Usage": Usage, "agentic.v1.CallEnd": CallEnd}


def _field(field: FieldDescriptor) -> _Field:
    """The rule for one field of a message."""
    if field.enum_type is not None:
        return _Field(field.name, *_ENUMS[field.enum_type.full_name])
    if field.message_type is not None:
        name = field.message_type.full_name
        if name in _TIMES:
            return _Field(field.name, *_TIMES[name])
        part = _Shape(_PARTS[name], field.message_type)
        return _Field(field.name, part.fields, part.read)
    if field.type == FieldDescriptor.TYPE_STRING:
        return _Field(field.name, scalars.text, _same)
    return _Field(field.name, _same, _same)


def _payload(ours: type[Payload], kind: str) -> _Shape:
    theirs = event_pb2.Event.DESCRIPTOR.fields_by_name[kind].message_type
    assert theirs is not None
    return _Shape(ours, theirs)


_PAYLOADS: Mapping[type[Payload], _Shape] = {ours: _payload(ours, kind) for ours, kind in KINDS.items()}
_BY_KIND: Mapping[str, _Shape] = {kind: _PAYLOADS[ours] for ours, kind in KINDS.items()}
_CALL_END = _Shape(CallEnd, call_pb2.CallEnd.DESCRIPTOR)
_LIVE_WORDS = _Shape(LiveWords, event_pb2.LiveWords.DESCRIPTOR)


class ProtoEventCodec:
    """ports.EventCodec by protobuf: the bytes are an agentic.v1.Event. Stateless; any thread may use it."""

    def encode(self, event: Event, revision: int) -> bytes:
        """The bytes that the log keeps and every subscriber gets. Raises ValueError for a number that is too large."""
        # A payload without fields is there, too: what is given to the constructor is set.
        fields: dict[str, Any] = {
            "revision": revision,
            "call_id": event.call_id,
            "call_sequence": event.call_sequence,
            "time": timestamp_fields(event.time),
            event.kind: _PAYLOADS[type(event.payload)].fields(event.payload),
        }
        return event_pb2.Event(**fields).SerializeToString()

    def decode(self, data: bytes) -> tuple[Event, int]:
        """The event and its revision. Only for what `encode` wrote: anything else is a defect."""
        message = event_pb2.Event.FromString(data)
        kind = message.WhichOneof("payload")
        if kind is None:
            raise AssertionError(f"revision {message.revision} has no payload that this version knows")
        payload = _BY_KIND[kind].read(getattr(message, kind))
        assert isinstance(payload, Payload)
        return Event(
            CallId(message.call_id), message.call_sequence, seconds_of(message.time), payload
        ), message.revision


def call_end_message(end: CallEnd) -> call_pb2.CallEnd:
    """How a call ended, for Call.end."""
    message = _CALL_END.write(end)
    assert isinstance(message, call_pb2.CallEnd)
    return message


def utterance_message(utterance: TranscriptFinal) -> event_pb2.TranscriptFinal:
    """An utterance, for GetTranscript."""
    message = _PAYLOADS[TranscriptFinal].write(utterance)
    assert isinstance(message, event_pb2.TranscriptFinal)
    return message


def live_message(words: LiveWords) -> event_pb2.LiveWords:
    """Words while they are spoken, for the stream."""
    message = _LIVE_WORDS.write(words)
    assert isinstance(message, event_pb2.LiveWords)
    return message
