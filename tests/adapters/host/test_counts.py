"""What is counted of calls, and how long their parts took, follows from their events alone."""

from __future__ import annotations

from agenticd.adapters.host.counts import CallCounts
from agenticd.core.events import (
    KINDS,
    AgentInterrupted,
    CallAnswered,
    CallClosed,
    CallDialing,
    CallEnd,
    CallEnded,
    CallQueued,
    CallRinging,
    Direction,
    EndedBy,
    EndReason,
    Event,
    MediaConnected,
    ModelLost,
    Payload,
    Speaker,
    SpeechStarted,
    SpeechStopped,
    TranscriptFinal,
    TurnMeasured,
    Usage,
    UsageReported,
)
from agenticd.core.ids import CallId
from agenticd.core.log import Logged
from agenticd.core.tally import Tally

CALL, OTHER = CallId("01AAAAAAAAAAAAAAAAAAAAAAAA"), CallId("01BBBBBBBBBBBBBBBBBBBBBBBB")
QUEUED = CallQueued(Direction.OUTBOUND, "+1", "+2", "default", 0.0)
RINGS = CallRinging(Direction.OUTBOUND, "+1", "+2", "default", "CA1")
COMES_IN = CallRinging(Direction.INBOUND, "+1", "+2", "default", "CA1")
ENDED = CallEnded(CallEnd(EndReason.BUSY, EndedBy.CARRIER))


def said(speaker: Speaker, position: int, start: float = 0.5, end: float = 2.0) -> TranscriptFinal:
    return TranscriptFinal(speaker, "leg", f"item{position}", position, "Hello", "Hello", False, start, end)


def tell(counts: CallCounts, *events: tuple[float, Payload], call_id: CallId = CALL) -> None:
    """As the observer does."""
    for time, payload in events:
        if counts.wants(Logged(1, call_id, KINDS[type(payload)], b"")):
            counts.heard(Event(call_id, 1, 1000.0 + time, payload))


def values(tally: Tally) -> tuple[int, float]:
    return tally.count, round(tally.sum, 6)


def setup(counts: CallCounts) -> dict[str, tuple[int, float]]:
    return {part: values(tally) for part, tally in counts.setup.items() if tally.count}


def test_an_outbound_call_is_measured_part_by_part():
    counts = CallCounts()
    tell(counts, (0, QUEUED), (1, CallDialing()), (3, RINGS), (9, CallAnswered("CA1")), (9.5, MediaConnected("MZ", 1)))
    assert setup(counts) == {"queue": (1, 1.0), "dial": (1, 2.0), "ring": (1, 6.0), "media": (1, 0.5)}
    tell(counts, (20, MediaConnected("MZ2", 2)))
    assert counts.setup["media"].count == 1, "a stream that is resumed is no setup"
    assert counts.started == {"OUTBOUND": 1, "INBOUND": 0}


def test_a_phone_that_answers_without_a_sign_of_ringing_took_that_long_to_dial():
    counts = CallCounts()
    tell(counts, (0, QUEUED), (1, CallDialing()), (3, CallAnswered("CA1")))
    assert setup(counts) == {"queue": (1, 1.0), "dial": (1, 2.0)}


def test_an_inbound_call_is_measured_from_webhook_to_answer():
    counts = CallCounts()
    tell(counts, (0, COMES_IN), (0.25, CallAnswered("CA1")), (0.25, MediaConnected("MZ", 1)))
    assert setup(counts) == {"connect": (1, 0.25)}
    assert counts.started == {"OUTBOUND": 0, "INBOUND": 1}


def test_a_call_from_before_a_restart_is_counted_as_far_as_it_is_known():
    counts = CallCounts()
    tell(counts, (0, CallAnswered("CA1")), (1, MediaConnected("MZ", 1)), (2, SpeechStarted("i", 1.0)))
    tell(counts, (2, AgentInterrupted("i", 1.0, 1.0)), (3, ENDED), (4, CallClosed(60.0, 3, Usage())))
    tell(counts, (5, ENDED), call_id=OTHER)
    assert setup(counts) == {}
    assert counts.ended == {("BUSY", "CARRIER"): 2}
    assert values(counts.duration) == (1, 60.0)


def test_an_unanswered_call_has_no_length():
    counts = CallCounts()
    tell(counts, (0, QUEUED), (1, CallDialing()), (3, ENDED), (3, CallClosed(0.0, 0, Usage())))
    assert counts.duration.count == 0


def test_an_interruption_at_once_is_measured_from_the_callers_first_sound():
    counts = CallCounts()
    tell(counts, (0, COMES_IN), (10, CallAnswered("CA1")))
    # The order to clear comes first and the speech, known by the model's times, right behind it.
    tell(counts, (13.5, AgentInterrupted("i", 1.0, 1.0)), (13.5001, SpeechStarted("c", 3.25)))
    assert values(counts.barge_in_clear) == (1, 0.25)


def test_an_interruption_that_has_to_last_is_measured_from_the_callers_first_sound_too():
    counts = CallCounts()
    tell(counts, (0, COMES_IN), (10, CallAnswered("CA1")), (13.2, SpeechStarted("c", 3.0)))
    tell(counts, (13.75, AgentInterrupted("i", 1.0, 1.0)), (14, SpeechStopped("c", 4.0)))
    assert values(counts.barge_in_clear) == (1, 0.75)


def test_what_interrupts_without_speech_is_no_barge_in():
    counts = CallCounts()
    tell(counts, (0, COMES_IN), (10, CallAnswered("CA1")), (12, SpeechStarted("c", 2.0)), (13, SpeechStopped("c", 3.0)))
    tell(counts, (13.5, AgentInterrupted("i", 1.0, 1.0)), (15, SpeechStarted("c2", 4.9)))
    assert counts.barge_in_clear.count == 0


def test_turns_and_the_greeting_are_measured():
    counts = CallCounts()
    tell(counts, (0, COMES_IN), (1, CallAnswered("CA1")), (3, said(Speaker.AGENT, 1, 0.75)))
    tell(counts, (5, TurnMeasured("i", 0.8, 0.5, 0.3)), (6, said(Speaker.AGENT, 3, 5.0)))
    assert values(counts.greeting) == (1, 0.75)
    assert values(counts.first_audio) == (1, 0.8)
    assert values(counts.first_audio_model) == (1, 0.3)


def test_a_greeting_is_what_comes_first_and_was_heard():
    for first in (said(Speaker.CALLER, 1), said(Speaker.AGENT, 2), said(Speaker.AGENT, 1, 0.0, 0.0)):
        counts = CallCounts()
        tell(counts, (0, COMES_IN), (1, CallAnswered("CA1")), (3, first), (4, said(Speaker.AGENT, 1)))
        assert counts.greeting.count == 0


def test_tokens_are_added_up_by_kind():
    counts = CallCounts()
    usage = Usage(100, 50, 60, 40, 30, 20, 10)
    tell(counts, (0, UsageReported("r", usage)), (1, UsageReported("r2", usage)))
    assert counts.tokens == {
        "input_text": 120, "input_audio": 80, "input_cached": 60, "output_text": 40, "output_audio": 20,
    }  # fmt: skip


def test_every_event_is_counted_and_none_is_remembered_when_its_call_is_closed():
    counts = CallCounts()
    tell(counts, (0, QUEUED), (1, ModelLost("x", "y")), (2, CallClosed(0.0, 0, Usage())))
    assert counts.events["model_lost"] == 1
    assert sum(counts.events.values()) == 3
    assert set(counts.events) == set(KINDS.values())
    tell(counts, (3, ModelLost("x", "y")))
    assert not counts._calls
