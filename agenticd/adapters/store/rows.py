"""Values of the core as columns, and back."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from agenticd.core.events import AgentBrief, CallRecord
from agenticd.core.ids import CallId
from agenticd.core.log import Logged

RECORD_VERSION = 1
"""Rises when a field changes its meaning; not for a new field with a default, nor for one that is gone."""

_NO_BRIEF = AgentBrief(instructions="", greeting="", voice="", model="")


class _Row(msgspec.Struct, frozen=True, gc=False):
    v: int
    call: CallRecord


_encoder = msgspec.json.Encoder()
_row_decoder = msgspec.json.Decoder(_Row)
_brief_decoder = msgspec.json.Decoder(AgentBrief)


def encode_record(record: CallRecord) -> bytes:
    """The record as JSON, without its brief, which has a table of its own."""
    return _encoder.encode(_Row(RECORD_VERSION, replace(record, brief=_NO_BRIEF)))


def encode_brief(brief: AgentBrief) -> bytes:
    """The brief as JSON."""
    return _encoder.encode(brief)


def decode_record(record: bytes, brief: bytes, last_sequence: int | None = None) -> CallRecord:
    """The record with its brief, and with `last_sequence` where the row may not know it."""
    call = replace(_row_decoder.decode(record).call, brief=_brief_decoder.decode(brief))
    return call if last_sequence is None else replace(call, last_sequence=last_sequence)


def encode_names(names: Iterable[str]) -> str:
    """Any number of names for one `IN (SELECT value FROM json_each(?))`."""
    return _encoder.encode(list(names)).decode()


def logged(row: tuple[int, str, str, bytes]) -> Logged:
    """An event's row (revision, call_id, kind, data). Its kind is shared, not one copy for each event."""
    revision, call_id, kind, data = row
    return Logged(revision, CallId(call_id), sys.intern(kind), data)
