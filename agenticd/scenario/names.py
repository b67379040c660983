"""The contract's own words, as scenarios use them: events, reasons of an end, and who brought it about."""

from __future__ import annotations

from google.protobuf.descriptor import EnumDescriptor

from agentic.v1 import call_pb2, event_pb2


def _values(enum: EnumDescriptor) -> tuple[str, ...]:
    """The names of an enum's values without the prefix; the first, which says nothing, is left out."""
    prefix = enum.values[0].name.removesuffix("UNSPECIFIED")
    return tuple(value.name.removeprefix(prefix) for value in enum.values[1:])


EVENTS: tuple[str, ...] = tuple(field.name for field in event_pb2.Event.DESCRIPTOR.oneofs_by_name["payload"].fields)
REASONS = _values(call_pb2.DESCRIPTOR.enum_types_by_name["EndReason"])
ENDED_BY = _values(call_pb2.DESCRIPTOR.enum_types_by_name["EndedBy"])
