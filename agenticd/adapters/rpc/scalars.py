"""Times, enums and texts in the contract's form, both ways: what codec.py and convert.py are made of."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Generic, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from agentic.v1 import call_pb2, event_pb2
from agenticd.core.events import CallState, Direction, EndedBy, EndReason, Speaker

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor
    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper

_NANOS = 1_000_000_000

E = TypeVar("E", bound=enum.Enum)
V = TypeVar("V", bound=int)


class EnumNames(Generic[E, V]):
    """One of our enums beside the contract's: the same names, there with protobuf's usual prefix."""

    def __init__(self, ours: type[E], theirs: _EnumTypeWrapper[V]) -> None:
        prefix = theirs.DESCRIPTOR.values[0].name.removesuffix("UNSPECIFIED")
        self.descriptor: EnumDescriptor = theirs.DESCRIPTOR
        self._to_wire: dict[E, V] = {member: theirs.Value(prefix + member.value) for member in ours}
        self._from_wire: dict[int, E] = {number: member for member, number in self._to_wire.items()}
        strangers = {number for number in theirs.values() if number} - self._from_wire.keys()
        if strangers:
            raise AssertionError(f"{theirs.DESCRIPTOR.name} has values that {ours.__name__} lacks: {strangers}")

    def to_wire(self, member: E) -> V:
        """The contract's number."""
        return self._to_wire[member]

    def from_wire(self, number: int) -> E | None:
        """Our member, or None for UNSPECIFIED and for numbers that the contract does not have."""
        return self._from_wire.get(number)


CALL_STATES = EnumNames(CallState, call_pb2.CallState)
DIRECTIONS = EnumNames(Direction, call_pb2.Direction)
END_REASONS = EnumNames(EndReason, call_pb2.EndReason)
ENDED_BY = EnumNames(EndedBy, call_pb2.EndedBy)
SPEAKERS = EnumNames(Speaker, event_pb2.Speaker)


def timestamp(seconds: float) -> Timestamp:
    """Seconds since 1970 as a Timestamp, to the microsecond: what is behind that is a float's noise."""
    return Timestamp(**timestamp_fields(seconds))


def timestamp_fields(seconds: float) -> dict[str, int]:
    """The fields of that Timestamp: a constructor takes them in its place, at a third of the price."""
    whole, micros = divmod(round(seconds * 1_000_000), 1_000_000)
    return {"seconds": whole, "nanos": micros * 1_000}


def duration(seconds: float) -> Duration:
    """Seconds as a Duration, to the microsecond."""
    return Duration(**duration_fields(seconds))


def duration_fields(seconds: float) -> dict[str, int]:
    """The fields of that Duration."""
    micros = round(seconds * 1_000_000)
    sign = -1 if micros < 0 else 1  # seconds and nanos have the same one
    whole, micros = divmod(abs(micros), 1_000_000)
    return {"seconds": sign * whole, "nanos": sign * micros * 1_000}


def seconds_of(message: Timestamp | Duration) -> float:
    """The seconds of either, as the nearest float there is."""
    return (message.seconds * _NANOS + message.nanos) / _NANOS


def text(value: str) -> str:
    """The text as protobuf takes it: half a surrogate pair, which JSON can carry, becomes U+FFFD."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value
