"""What becomes of a call that outlived its daemon: looked for, ended truthfully, never dialled again."""

from __future__ import annotations

import pytest

from agenticd.core import inputs
from agenticd.core.effects import Append, CloseMedia, Dial, HangUpLeg, LookUpCall
from agenticd.core.events import (
    CallClosed,
    CallEnding,
    CallState,
    EndedBy,
    EndReason,
    TurnMeasured,
    Usage,
    UsageReported,
)
from agenticd.core.record import apply
from tests.core.test_call import RECORD, SID, answered, hang_up, recovered, status


def test_recovery_never_dials() -> None:
    for state in CallState:
        if state not in (CallState.QUEUED, CallState.ENDED):
            assert recovered(state).feed(inputs.DialGranted()).count(Dial) == 0, state


def test_the_call_of_another_is_not_taken_for_this_one() -> None:
    call = answered().feed(inputs.CallSeen("CA" + "9" * 32, "completed"))
    assert call.machine.state is CallState.IN_PROGRESS


def test_a_dead_line_is_let_go_while_the_carrier_cannot_be_reached() -> None:
    call = answered().feed(hang_up(), inputs.LegHangUpFailed("timeout"))
    assert call.count(CloseMedia) == 1
    assert call.machine.state is CallState.ENDING


def test_a_call_that_ended_before_a_restart_lasted_as_long_as_it_did() -> None:
    call = recovered(CallState.ENDED, answer_time=1010.0, end_time=1040.0)
    call.now = 7000.0
    call.feed(inputs.DeadlinePassed())
    (closed,) = [e.payload for e in call.ordered or [] if isinstance(e, Append) and isinstance(e.payload, CallClosed)]
    assert closed.duration == 30.0


def test_an_ending_without_the_carriers_id_comes_to_an_end_after_a_restart() -> None:
    call = recovered(CallState.ENDING, ending=CallEnding(EndReason.COMPLETED, EndedBy.API), dial_time=0.0)
    for _ in range(20):
        if call.record.closed:
            break
        call.wait()
    assert call.record.end is not None
    assert call.record.end.reason is EndReason.DIAL_UNCONFIRMED


def test_a_queued_call_goes_on_waiting_after_a_restart() -> None:
    assert recovered(CallState.QUEUED).feed(inputs.DialGranted()).count(Dial) == 1


def test_an_order_to_dial_without_an_answer_is_looked_for_after_a_restart() -> None:
    assert recovered(CallState.DIALING).machine.state is CallState.UNCONFIRMED


@pytest.mark.parametrize("state", [CallState.RINGING, CallState.IN_PROGRESS])
@pytest.mark.parametrize("answer", [inputs.CallSeen(SID, "in-progress"), inputs.LookUpFailed("timeout"), None])
def test_a_call_that_outlived_the_daemon_is_looked_up_and_ended(state: CallState, answer: inputs.Input | None) -> None:
    call = recovered(state, carrier_call_id=SID, answer_time=1.0 if state is CallState.IN_PROGRESS else None)
    assert (call.count(LookUpCall), call.count(HangUpLeg)) == (1, 0)
    assert not call.machine.wants_stream
    if answer is not None:
        call.feed(answer)
    for _ in range(10):
        if call.machine.state is CallState.ENDING:
            break
        call.wait()  # nobody says anything, or the question failed: it is asked again, but not for ever
    assert call.machine.state is CallState.ENDING
    assert call.count(HangUpLeg) == 1
    assert call.count(LookUpCall) == (1 if isinstance(answer, inputs.CallSeen) else 4)
    assert call.feed(status("completed")).record.end is not None
    assert call.record.end.reason is EndReason.NODE_LOST  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("word", "reason", "by"),
    [
        ("completed", EndReason.COMPLETED, EndedBy.CARRIER),
        ("busy", EndReason.BUSY, EndedBy.CARRIER),
        ("no-answer", EndReason.NO_ANSWER, EndedBy.CARRIER),
    ],
)
def test_a_call_that_ended_while_the_daemon_was_away_ends_as_the_carrier_says(
    word: str, reason: EndReason, by: EndedBy
) -> None:
    call = recovered(CallState.RINGING, carrier_call_id=SID).feed(inputs.CallSeen(SID, word))
    assert call.record.end is not None
    assert (call.record.end.reason, call.record.end.ended_by) == (reason, by)
    assert call.count(HangUpLeg) == 0


@pytest.mark.parametrize("end", [inputs.CallSeen(SID, "completed"), status("completed")])
def test_nobody_is_said_to_have_hung_up_while_the_daemon_was_away(end: inputs.Input) -> None:
    """It may have been the caller, or Twilio when the media stream broke."""
    for state in (CallState.DIALING, CallState.RINGING, CallState.IN_PROGRESS):
        call = recovered(state, carrier_call_id=SID).feed(end)
        assert call.record.end is not None
        assert (call.record.end.ended_by, call.record.end.message) == (
            EndedBy.CARRIER,
            "it ended while the daemon was away",
        )


def test_who_hangs_up_on_the_daemon_that_found_the_call_is_the_caller() -> None:
    call = recovered(CallState.DIALING).feed(inputs.VoiceRequested(SID), inputs.MediaStarted("MZ1", 1))
    call.feed(status("completed"))
    assert call.record.end is not None
    assert (call.record.end.ended_by, call.record.end.message) == (EndedBy.CALLER, "")


def test_who_asks_for_the_words_of_a_call_that_outlived_the_daemon_says_that_it_lives() -> None:
    call = recovered(CallState.IN_PROGRESS, carrier_call_id=SID, answer_time=1.0)
    call.feed(inputs.VoiceRequested(SID))
    assert call.machine.state is CallState.ENDING


def test_a_call_hung_up_in_the_queue_is_not_looked_for_after_a_restart() -> None:
    """The daemon was killed between the two events of its end: it was never dialled, and nobody need be asked."""
    call = recovered(CallState.ENDING, ending=CallEnding(EndReason.CANCELED, EndedBy.API, "no need"))
    assert call.record.end is not None
    assert (call.record.end.reason, call.record.end.message) == (EndReason.CANCELED, "no need")
    assert call.count(LookUpCall) == 0


def test_a_call_that_was_never_seen_is_looked_for_some_times_however_long_the_daemon_was_away() -> None:
    call = recovered(CallState.DIALING, dial_time=RECORD.create_time, age=4000.0)
    for _ in range(10):
        if call.machine.state is CallState.ENDED:
            break
        call.wait()
    assert call.count(LookUpCall) >= 3
    assert call.record.end is not None
    assert call.record.end.reason is EndReason.DIAL_UNCONFIRMED


def test_what_was_said_and_used_before_a_restart_counts() -> None:
    used = Usage(input_tokens=5, output_tokens=7)
    record = apply(RECORD, TurnMeasured("a", 1.0, 0.5, 0.5), 1.0)
    record = apply(apply(record, UsageReported("r", used), 2.0), UsageReported("s", used), 3.0)
    call = recovered(CallState.ENDED, turns=record.turns, usage=record.usage).wait()
    (closed,) = [e.payload for e in call.ordered or [] if isinstance(e, Append) and isinstance(e.payload, CallClosed)]
    assert (closed.turns, closed.usage) == (1, used + used)


def test_an_ending_is_carried_on_after_a_restart() -> None:
    ending = CallEnding(EndReason.COMPLETED, EndedBy.API)
    call = recovered(CallState.ENDING, carrier_call_id=SID, ending=ending, answer_time=1.0)
    assert call.count(HangUpLeg) == 1
    assert call.feed(status("completed")).record.end is not None
    assert (call.record.end.reason, call.record.end.ended_by) == (EndReason.COMPLETED, EndedBy.API)  # type: ignore[union-attr]


def test_an_ended_call_is_closed_after_a_restart() -> None:
    call = recovered(CallState.ENDED)
    assert call.wait().record.closed
