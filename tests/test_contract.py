"""What a generated client must be able to rely on, in every language."""

from __future__ import annotations

import keyword
from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FileDescriptor

from agentic.v1 import call_pb2, call_service_pb2, errors_pb2, event_pb2, node_service_pb2
from agenticd.core import errors, events

FILES: tuple[FileDescriptor, ...] = tuple(
    module.DESCRIPTOR for module in (call_pb2, event_pb2, errors_pb2, call_service_pb2, node_service_pb2)
)


def messages() -> Iterator[Descriptor]:
    for file in FILES:
        yield from file.message_types_by_name.values()


def enums() -> Iterator[EnumDescriptor]:
    for file in FILES:
        yield from file.enum_types_by_name.values()


def test_no_name_is_a_keyword_of_python() -> None:
    names = {field.name for message in messages() for field in message.fields}
    names |= {oneof.name for message in messages() for oneof in message.oneofs}
    names |= {value.name for enum in enums() for value in enum.values}
    assert not names & set(keyword.kwlist)


def test_the_events_of_the_contract_are_the_events_of_the_core() -> None:
    payload = event_pb2.Event.DESCRIPTOR.oneofs_by_name["payload"]
    assert [field.name for field in payload.fields] == list(events.KINDS.values())


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (events.CallState, call_pb2.CallState),
        (events.EndReason, call_pb2.EndReason),
        (events.EndedBy, call_pb2.EndedBy),
        (events.Direction, call_pb2.Direction),
        (events.Speaker, event_pb2.Speaker),
    ],
)
def test_every_value_of_ours_has_its_value_in_the_contract(ours: type, theirs: object) -> None:
    prefix = next(iter(theirs.keys())).removesuffix("UNSPECIFIED")  # type: ignore[attr-defined]
    names = {name.removeprefix(prefix) for name in theirs.keys()} - {"UNSPECIFIED"}  # type: ignore[attr-defined]  # noqa: SIM118
    assert {member.name for member in ours} == names  # type: ignore[attr-defined]


def test_every_reason_of_ours_is_a_value_of_the_contract() -> None:
    def tree(error: type[errors.AgenticError]) -> Iterator[type[errors.AgenticError]]:
        for child in error.__subclasses__():
            yield child
            yield from tree(child)

    known = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys()}  # noqa: SIM118
    assert {error.reason for error in tree(errors.AgenticError)} <= known
