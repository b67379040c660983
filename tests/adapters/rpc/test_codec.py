"""Events in the contract's form: nothing is lost on the way there and back, whatever was said."""

from __future__ import annotations

from typing import get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentic.v1 import event_pb2
from agenticd.adapters.rpc import scalars
from agenticd.adapters.rpc.codec import ProtoEventCodec, call_end_message, live_message, utterance_message
from agenticd.core.events import (
    KINDS,
    CallDialing,
    CallEnd,
    CallEnded,
    CallQueued,
    Direction,
    EndedBy,
    EndReason,
    Event,
    LiveWords,
    Payload,
    Speaker,
    TranscriptFinal,
    Warning,
)
from agenticd.core.ids import CallId
from tests.adapters.rpc.support import NOW, call_id

CODEC = ProtoEventCodec()
INT32 = st.integers(0, 2**31 - 1)
# What is told of times is told to the microsecond.
LENGTHS = st.integers(0, 10**11).map(lambda micros: micros / 1e6)
TIMES = st.integers(10**15, 4 * 10**15).map(lambda micros: micros / 1e6)


def values(kind: type) -> st.SearchStrategy[object]:
    """Any value of a Struct of core/events.py."""
    fields = {}
    for name, hint in get_type_hints(kind).items():
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            fields[name] = values(hint)
        elif hint is float:
            fields[name] = TIMES if name == "dial_before" else LENGTHS
        elif hint is int:
            fields[name] = INT32
        else:
            fields[name] = st.from_type(hint)
    return st.builds(kind, **fields)


@pytest.mark.parametrize("payload", KINDS, ids=KINDS.get)
def test_every_kind_comes_back_as_it_was_written(payload: type[Payload]) -> None:
    @settings(max_examples=60, deadline=None)
    @given(values(payload), TIMES, st.integers(1, 2**63 - 1), st.integers(1, 2**31))
    def check(value: Payload, time: float, revision: int, sequence: int) -> None:
        event = Event(call_id(1), sequence, time, value)
        data = CODEC.encode(event, revision)
        assert CODEC.decode(data) == (event, revision)
        message = event_pb2.Event.FromString(data)
        assert message.WhichOneof("payload") == KINDS[payload] == event.kind
        assert (message.revision, message.call_sequence, message.call_id) == (revision, sequence, call_id(1))

    check()


def test_a_payload_without_fields_is_there_for_a_client() -> None:
    message = event_pb2.Event.FromString(CODEC.encode(Event(call_id(1), 2, NOW, CallDialing()), 5))
    assert message.WhichOneof("payload") == "call_dialing"


def test_half_a_surrogate_pair_does_not_stop_the_log() -> None:
    said = Warning("MODEL_ERROR", "half \ud83d of it")
    event, _ = CODEC.decode(CODEC.encode(Event(call_id(1), 2, NOW, said), 5))
    assert event.payload == Warning("MODEL_ERROR", "half \ufffd of it")


def test_a_number_without_room_in_the_contract_is_refused_as_the_log_wants_it() -> None:
    end = CallEnd(EndReason.REJECTED, EndedBy.CARRIER, carrier_code=2**31)
    with pytest.raises(ValueError, match="out of range"):
        CODEC.encode(Event(call_id(1), 2, NOW, CallEnded(end)), 5)


def test_times_are_told_as_clients_read_them() -> None:
    event = Event(CallId(call_id(1)), 1, 1_763_834_567.5, CallQueued(Direction.OUTBOUND, "", "", "", NOW))
    message = event_pb2.Event.FromString(CODEC.encode(event, 1))
    assert message.time.ToJsonString() == "2025-11-22T18:02:47.500Z"


@pytest.mark.parametrize(("seconds", "told"), [(1.0000004, 1.0), (0.9999996, 1.0), (0.0, 0.0), (59.9999999, 60.0)])
def test_a_floats_noise_is_not_told(seconds: float, told: float) -> None:
    assert scalars.seconds_of(scalars.duration(seconds)) == told
    assert scalars.seconds_of(scalars.timestamp(NOW // 1 + seconds)) == NOW // 1 + told


def test_what_another_version_wrote_is_a_defect_and_no_wrong_event() -> None:
    with pytest.raises(AssertionError):
        CODEC.decode(event_pb2.Event(revision=3, call_id=call_id(1)).SerializeToString())
    unknown = event_pb2.Event(revision=3, call_ended=event_pb2.CallEnded(end={"reason": 99, "ended_by": 1}))  # type: ignore[arg-type]
    with pytest.raises(AssertionError):
        CODEC.decode(unknown.SerializeToString())


def test_parts_of_answers() -> None:
    end = call_end_message(CallEnd(EndReason.REJECTED, EndedBy.CARRIER, 21211, 404, "no such number"))
    assert (end.reason, end.ended_by, end.carrier_code, end.sip_code, end.message) == (
        5,
        5,
        21211,
        404,
        "no such number",
    )
    said = utterance_message(TranscriptFinal(Speaker.AGENT, "leg", "item", 3, "a b", "a", True, 1.25, 2.0))
    assert (said.speaker, said.position, said.heard_text, said.interrupted) == (2, 3, "a", True)
    assert (said.audio_start.seconds, said.audio_start.nanos) == (1, 250_000_000)
    words = live_message(LiveWords(call_id(1), "item", Speaker.CALLER, 4, "so", 8))
    assert (words.call_id, words.offset, words.text, words.after_sequence) == (call_id(1), 4, "so", 8)
