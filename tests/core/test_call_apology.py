"""Whoever is on the line when the model is lost hears why it has become silent."""

from __future__ import annotations

from msgspec.structs import replace

from agenticd.core import inputs
from agenticd.core.call import CallMachine
from agenticd.core.effects import CloseMedia, CloseModel, HangUpLeg, LookUpCall
from agenticd.core.events import CallRecord, CallState, Direction, EndedBy, EndReason
from tests.core.test_call import RECORD, SID, Call, status

SORRY = "I am sorry. Goodbye."
APOLOGETIC = replace(RECORD, brief=replace(RECORD.brief, apology=SORRY))


def call_of(record: CallRecord, *happened: inputs.Input) -> Call:
    return Call(CallMachine(record), record, ordered=[]).feed(*happened)


def answered(record: CallRecord = APOLOGETIC) -> Call:
    return call_of(
        record,
        inputs.CallPlaced(),
        inputs.DialGranted(),
        inputs.DialAnswered(SID, "queued"),
        inputs.VoiceRequested(SID),
    )


def orders(call: Call) -> list[object]:
    return [effect for effect in call.ordered or [] if isinstance(effect, HangUpLeg | CloseMedia)]


def test_the_carrier_says_it_and_ends_the_leg() -> None:
    call = answered().feed(inputs.ModelClosed(1011, "server error"))
    assert orders(call) == [HangUpLeg(True, SORRY)]
    call.feed(inputs.LegHungUp("in-progress"))
    assert orders(call)[-1] == CloseMedia()
    assert call.record.state is CallState.ENDING
    call.feed(status("completed"))
    assert call.record.end is not None
    assert (call.record.end.reason, call.record.end.ended_by) == (EndReason.MODEL_LOST, EndedBy.DAEMON)


def test_it_is_not_cut_short_and_said_once() -> None:
    call = answered().feed(inputs.ModelClosed(1011, "server error"))
    while call.now < 12.0:  # 10 s, and 0.1 s for each of 20 letters
        assert orders(call) == [HangUpLeg(True, SORRY)]
        call.feed(inputs.CallSeen(SID, "in-progress"), status("in-progress"))
        call.wait()
    assert orders(call) == [HangUpLeg(True, SORRY), HangUpLeg(True)]


def test_meanwhile_the_carrier_is_asked_whether_the_line_is_down() -> None:
    call = answered().feed(inputs.ModelClosed(1011, "server error")).wait()
    assert call.count(LookUpCall) == 1
    call.feed(inputs.CallSeen(SID, "completed"))
    assert call.record.state is CallState.ENDED


def test_who_wants_the_end_at_once_does_not_wait_for_the_words() -> None:
    call = answered().feed(inputs.ModelClosed(1011, "server error"))
    call.feed(inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.API))
    assert orders(call) == [HangUpLeg(True, SORRY), HangUpLeg(True)]
    call.feed(inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.API))
    assert orders(call) == [HangUpLeg(True, SORRY), HangUpLeg(True)]
    assert call.record.ending is not None
    assert call.record.ending.reason is EndReason.MODEL_LOST


def test_a_phone_that_still_rings_hears_nothing() -> None:
    call = call_of(APOLOGETIC, inputs.CallPlaced(), inputs.DialGranted(), inputs.DialAnswered(SID, "queued"))
    call.feed(status("ringing"), inputs.ModelClosed(401, "refused"))
    assert orders(call) == [HangUpLeg(False)]


def test_a_phone_that_called_is_on_the_line_already() -> None:
    record = replace(APOLOGETIC, direction=Direction.INBOUND, state=CallState.RINGING, carrier_call_id=SID)
    call = call_of(record, inputs.CallArrived(), inputs.ModelClosed(401, "refused"))
    assert orders(call) == [], "the carrier would refuse it: it has not begun what it was told"
    assert call.machine.last_words == SORRY
    call.wait()
    assert orders(call) == [HangUpLeg(True, SORRY)]


def test_a_carrier_that_asks_is_told_the_words_and_not_ordered_to_say_them_again() -> None:
    record = replace(APOLOGETIC, direction=Direction.INBOUND, state=CallState.RINGING, carrier_call_id=SID)
    call = call_of(record, inputs.CallArrived(), inputs.ModelClosed(401, "refused"), inputs.VoiceRequested(SID))
    assert call.machine.last_words == SORRY
    call.wait()
    assert orders(call) == []
    assert call.count(LookUpCall) == 1


def test_the_model_is_let_go_when_all_is_said_though_the_carrier_does_not_confirm() -> None:
    call = answered().feed(inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.API))
    assert call.record.state is CallState.ENDING
    assert call.count(CloseModel) == 1


def test_every_other_end_is_without_words() -> None:
    call = answered().feed(inputs.HangUpRequested(EndReason.SILENCE, EndedBy.DAEMON))
    assert orders(call) == [HangUpLeg(True)]


def test_without_an_apology_the_call_just_ends() -> None:
    assert orders(answered(RECORD).feed(inputs.ModelClosed(1011, ""))) == [HangUpLeg(True)]
