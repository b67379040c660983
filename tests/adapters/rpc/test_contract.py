"""The contract beside our own words: names that agree, and names that every language can use."""

from __future__ import annotations

import enum
import keyword
from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import Descriptor, FileDescriptor

from agentic.v1 import call_pb2, call_service_pb2, errors_pb2, event_pb2, node_service_pb2
from agenticd.core import events
from agenticd.core.events import KINDS

FILES: tuple[FileDescriptor, ...] = tuple(
    module.DESCRIPTOR for module in (call_pb2, call_service_pb2, errors_pb2, event_pb2, node_service_pb2)
)


def messages(holder: FileDescriptor | Descriptor) -> Iterator[Descriptor]:
    nested = holder.message_types_by_name if isinstance(holder, FileDescriptor) else holder.nested_types_by_name
    for message in nested.values():
        yield message
        yield from messages(message)


def names() -> Iterator[str]:
    """Every name of the contract that becomes a name in code."""
    for file in FILES:
        for message in messages(file):
            yield message.name
            yield from (field.name for field in message.fields)
            yield from (oneof.name for oneof in message.oneofs)
        for enumeration in file.enum_types_by_name.values():
            yield enumeration.name
            yield from (value.name for value in enumeration.values)
        for service in file.services_by_name.values():
            yield from (method.name for method in service.methods)


def test_no_name_is_a_keyword_of_python() -> None:
    found = list(names())
    assert len(found) > 200
    assert [name for name in found if name in keyword.kwlist] == []


def test_the_payloads_of_an_event_are_our_payloads() -> None:
    fields = event_pb2.Event.DESCRIPTOR.oneofs_by_name["payload"].fields
    assert sorted(field.name for field in fields) == sorted(KINDS.values())
    assert {field.message_type.name for field in fields if field.message_type} == {
        payload.__name__ for payload in KINDS
    }


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (events.CallState, call_pb2.CallState),
        (events.Direction, call_pb2.Direction),
        (events.EndReason, call_pb2.EndReason),
        (events.EndedBy, call_pb2.EndedBy),
        (events.Speaker, event_pb2.Speaker),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_enums_have_the_same_names(ours: type[enum.Enum], theirs) -> None:
    unspecified, *others = theirs.keys()
    prefix = unspecified.removesuffix("UNSPECIFIED")
    assert [prefix + member.value for member in ours] == others
    assert all(member.name == member.value for member in ours)
