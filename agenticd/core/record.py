"""The call's row as a fold over its events: what the store keeps, and what a restart begins with."""

from __future__ import annotations

from msgspec.structs import replace

from agenticd.core.effects import Amend
from agenticd.core.events import (
    CallAnswered,
    CallClosed,
    CallDialing,
    CallEnded,
    CallEnding,
    CallQueued,
    CallRecord,
    CallRinging,
    CallState,
    Payload,
    TurnMeasured,
    UsageReported,
)


def apply(record: CallRecord, payload: Payload, time: float) -> CallRecord:
    """The call as the event leaves it. `time` is the event's, seconds since 1970."""
    record = replace(record, last_sequence=record.last_sequence + 1)
    match payload:
        case CallQueued():
            return replace(record, state=CallState.QUEUED)
        case CallDialing():
            return replace(record, state=CallState.DIALING, dial_time=time)
        case CallRinging(carrier_call_id=carrier_call_id):
            return replace(record, state=CallState.RINGING, carrier_call_id=carrier_call_id)
        case CallAnswered(carrier_call_id):
            return replace(record, state=CallState.IN_PROGRESS, carrier_call_id=carrier_call_id, answer_time=time)
        case CallEnding():
            return replace(record, state=CallState.ENDING, ending=payload)
        case CallEnded(end):
            return replace(record, state=CallState.ENDED, end=end, end_time=time)
        case CallClosed():
            return replace(record, closed=True)
        case TurnMeasured():
            return replace(record, turns=record.turns + 1)
        case UsageReported(usage=usage):
            return replace(record, usage=record.usage + usage)
        case _:
            return record


def amend(record: CallRecord, change: Amend) -> CallRecord:
    """The call after a change that is no event."""
    return replace(
        record,
        state=record.state if change.state is None else change.state,
        carrier_call_id=record.carrier_call_id if change.carrier_call_id is None else change.carrier_call_id,
        attempt=record.attempt if change.attempt is None else change.attempt,
    )
