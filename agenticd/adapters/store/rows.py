"""Values of the core as columns, and back."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import fields, replace
from operator import attrgetter

import msgspec

from agenticd.core.events import AgentBrief, CallRecord
from agenticd.core.ids import CallId
from agenticd.core.log import Logged

RECORD_VERSION = 1
"""Rises when a field changes its meaning; not for a new field with a default, nor for one that is gone."""

_NO_BRIEF = AgentBrief(instructions="", greeting="", voice="", model="")


class _Row(msgspec.Struct, frozen=True, gc=False):
    v: int
    call: CallRecord


_NAMES = tuple(field.name for field in fields(CallRecord))
_values = attrgetter(*_NAMES)
_encoder = msgspec.json.Encoder()
_row_decoder = msgspec.json.Decoder(_Row)
_brief_decoder = msgspec.json.Decoder(AgentBrief)


def encode_record(record: CallRecord) -> bytes:
    """The record as JSON, without its brief, which has a table of its own."""
    # As a dict: it costs a fifth of a second record made by `replace`, and each event has its record.
    call = dict(zip(_NAMES, _values(record), strict=True))
    call["brief"] = _NO_BRIEF
    return _encoder.encode({"v": RECORD_VERSION, "call": call})


def encode_brief(brief: AgentBrief) -> bytes:
    """The brief as JSON."""
    return _encoder.encode(brief)


def decode_record(record: bytes, brief: bytes) -> CallRecord:
    """The record with its brief."""
    return replace(_row_decoder.decode(record).call, brief=_brief_decoder.decode(brief))


def encode_names(names: Iterable[str]) -> str:
    """Any number of names for one `IN (SELECT value FROM json_each(?))`."""
    return _encoder.encode(list(names)).decode()


def logged(row: tuple[int, str, str, bytes]) -> Logged:
    """An event's row (revision, call_id, kind, data). Its kind is shared, not one copy for each event."""
    revision, call_id, kind, data = row
    return Logged(revision, CallId(call_id), sys.intern(kind), data)
