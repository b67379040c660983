"""The call's state machine: every reachable state with every input, and the stories that matter."""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from agenticd.core import inputs
from agenticd.core.call import LEAST_LOOK_UPS, LONGEST_SEARCH, LOOK_UPS, TRANSITIONS, CallMachine, Trigger
from agenticd.core.effects import Amend, Append, CloseModel, Dial, HangUpLeg, LookUpCall, OpenModel, Tell
from agenticd.core.events import (
    AgentBrief,
    CallClosed,
    CallDialing,
    CallEnd,
    CallEnded,
    CallEnding,
    CallOptions,
    CallQueued,
    CallRecord,
    CallState,
    Direction,
    EndedBy,
    EndReason,
    Usage,
)
from agenticd.core.ids import CallId
from agenticd.core.record import amend, apply

SID = "CA" + "0" * 32
RECORD = CallRecord(
    call_id=CallId("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    direction=Direction.OUTBOUND,
    state=CallState.QUEUED,
    from_address="+15550001111",
    to_address="+15550002222",
    agent="default",
    brief=AgentBrief(instructions="", greeting="", voice="marin", model="m"),
    options=CallOptions(),
    node_id="n",
    create_time=1000.0,
)


def status(word: str, sip_code: int = 0) -> inputs.StatusReported:
    return inputs.StatusReported(SID, word, 0, sip_code)


def hang_up(by: EndedBy = EndedBy.API) -> inputs.HangUpRequested:
    return inputs.HangUpRequested(EndReason.COMPLETED, by, "enough")


@dataclass
class Call:
    """A machine with the record that its effects leave, and everything that it ordered."""

    machine: CallMachine
    record: CallRecord
    now: float = 0.0
    ordered: list[object] | None = None

    @classmethod
    def arrived(cls) -> Call:
        record = replace(RECORD, direction=Direction.INBOUND, state=CallState.RINGING, carrier_call_id=SID)
        call = cls(CallMachine(record), record, ordered=[])
        call.feed(inputs.CallArrived())
        return call

    @classmethod
    def placed(cls) -> Call:
        call = cls(CallMachine(RECORD), RECORD, ordered=[])
        call.feed(inputs.CallPlaced())
        return call

    def feed(self, *happened: inputs.Input) -> Call:
        for input in happened:
            waiting = deque([input])
            while waiting:
                for effect in self.machine.handle(waiting.popleft(), self.now):
                    self._perform(effect, waiting)
        return self

    def _perform(self, effect: object, waiting: deque[inputs.Input]) -> None:
        if self.ordered is not None:
            self.ordered.append(effect)
        if isinstance(effect, Append):
            self.record = apply(self.record, effect.payload, self.now)
        elif isinstance(effect, Amend):
            self.record = amend(self.record, effect)
        elif isinstance(effect, Tell) and isinstance(effect.input, inputs.LineWentDown):
            waiting.append(inputs.TalkSettled(1, Usage(input_tokens=2)))
        elif isinstance(effect, Tell) and isinstance(effect.input, inputs.LastCall):
            waiting.append(inputs.TalkSettled(0, Usage()))

    def wait(self) -> Call:
        """Let the next deadline pass."""
        due = self.machine.deadline()
        assert due is not None
        self.now = due
        return self.feed(inputs.DeadlinePassed())

    @property
    def events(self) -> list[str]:
        return [type(e.payload).__name__ for e in self.ordered or [] if isinstance(e, Append)]

    def count(self, kind: type) -> int:
        return sum(isinstance(effect, kind) for effect in self.ordered or [])


def answered() -> Call:
    call = Call.placed().feed(inputs.DialGranted(), inputs.DialAnswered(SID, "queued"), status("ringing"))
    return call.feed(inputs.VoiceRequested(SID), inputs.MediaStarted("MZ1", 1))


# --- Every reachable state, every input --------------------------------------------------------------------------

INPUTS: tuple[inputs.Input, ...] = (
    inputs.CallArrived(),
    inputs.DialGranted(),
    inputs.DialAnswered(SID, "queued"),
    inputs.DialRefused(21211, "no such number"),
    inputs.DialUnanswered("timeout"),
    inputs.CallSeen(SID, "in-progress"),
    inputs.CallNotSeen(sure=True),
    inputs.CallNotSeen(sure=False),
    inputs.LookUpFailed("timeout"),
    *(
        status(word)
        for word in ("initiated", "ringing", "in-progress", "completed", "busy", "no-answer", "failed", "canceled", "?")
    ),
    inputs.VoiceRequested(SID),
    inputs.MediaStarted("MZ1", 1),
    inputs.MediaClosed("MZ1", stopped=True),
    inputs.MediaClosed("MZ1", stopped=False),
    inputs.MediaClosed("MZ-other", stopped=False),
    inputs.ModelClosed(1006, "gone"),
    hang_up(),
    inputs.HangUpRequested(EndReason.DRAINED, EndedBy.DAEMON),
    inputs.LegHungUp("completed"),
    inputs.LegHungUp("in-progress"),
    inputs.LegHungUp(None),
    inputs.LegHangUpFailed("timeout"),
    inputs.TalkSettled(0, Usage()),
    inputs.DeadlinePassed(),
)


def situation(call: Call) -> tuple[object, ...]:
    """What of a machine decides what it does next; times only as far as they can make a difference."""
    machine, now = call.machine, call.now
    fields = {k: v for k, v in vars(machine).items() if k not in ("_record", "attempt")}
    for name in ("_answered_at", "_ended_at", "_due", "_settled", "_search_until"):
        fields[name] = fields[name] is not None
    for name, step, most in (("_dialed_at", 60.0, 2), ("_without_media", 5.0, 3), ("_orphaned", 3.0, 2)):
        fields[name] = None if fields[name] is None else min(int((now - fields[name]) / step), most)
    fields["_limit"] = fields["_limit"] is not None and fields["_limit"] > now
    fields["_questions"] = min(fields["_questions"], 1)
    fields["_not_seen"] = min(fields["_not_seen"], LEAST_LOOK_UPS)
    record = call.record
    row = (record.direction, record.state, record.end is None, record.closed)
    return (*sorted((k, str(v)) for k, v in fields.items()), *row)


def recovered(state: CallState, age: float = 0.0, **changes: object) -> Call:
    record = replace(RECORD, state=state, last_sequence=3, **changes)
    call = Call(CallMachine(record), record, ordered=[])
    return call.feed(inputs.CallRecovered(age))


def after_restarts() -> list[Call]:
    """A call as a store can show it when the daemon starts."""
    order = CallEnding(EndReason.COMPLETED, EndedBy.API)
    end = CallEnd(EndReason.COMPLETED, EndedBy.CALLER)
    return [
        recovered(CallState.QUEUED),
        recovered(CallState.DIALING),
        recovered(CallState.DIALING, carrier_call_id=SID),
        recovered(CallState.UNCONFIRMED),
        recovered(CallState.UNCONFIRMED, ending=order),
        recovered(CallState.RINGING, carrier_call_id=SID),
        recovered(CallState.IN_PROGRESS, carrier_call_id=SID, answer_time=1010.0),
        recovered(CallState.ENDING, ending=order),
        recovered(CallState.ENDING, ending=order, dial_time=0.0),
        recovered(CallState.ENDING, carrier_call_id=SID, ending=order, answer_time=1010.0),
        recovered(CallState.ENDED, carrier_call_id=SID, answer_time=1010.0, end_time=1040.0, end=end),
    ]


def explore(limit: int) -> list[tuple[Call, inputs.Input | str, Call]]:
    """Every step from every situation that can be reached, of calls in both directions: (before, input, after)."""
    starts = [Call.placed(), Call.arrived(), *after_restarts()]
    for start in starts:
        start.ordered = None
    seen = {situation(start) for start in starts}
    frontier = deque(starts)
    steps: list[tuple[Call, inputs.Input | str, Call]] = []
    while frontier:
        before = frontier.popleft()
        for input in (*INPUTS, "deadline"):
            after = copy.copy(before)
            after.machine = copy.copy(before.machine)
            after.ordered = []
            if input == "deadline":
                if after.machine.deadline() is None:
                    continue
                after.wait()
            else:
                assert not isinstance(input, str)
                after.feed(input)
            steps.append((before, input, after))
            key = situation(after)
            if key not in seen:
                seen.add(key)
                kept = copy.copy(after)
                kept.ordered = None
                frontier.append(kept)
                assert len(seen) < limit, "the machine does not come to an end of new situations"
    return steps


@pytest.fixture(scope="module")
def steps() -> list[tuple[Call, inputs.Input | str, Call]]:
    return explore(limit=20_000)


def test_every_state_is_reached(steps: list[tuple[Call, object, Call]]) -> None:
    assert {after.machine.state for _, _, after in steps} == set(CallState)


def test_every_transition_of_the_table_is_taken_and_no_other(steps: list[tuple[Call, object, Call]]) -> None:
    allowed = {(state, target) for state, row in TRANSITIONS.items() for target in row.values()}
    # The one rule beside the table: an order to end is never forgotten.
    allowed |= {(CallState.UNCONFIRMED, CallState.ENDING)}
    taken = {(b.machine.state, a.machine.state) for b, _, a in steps if b.machine.state != a.machine.state}
    assert taken <= allowed
    assert {pair for pair in allowed if pair[0] != pair[1]} <= taken


def test_a_live_call_always_has_a_deadline(steps: list[tuple[Call, object, Call]]) -> None:
    for before, input, after in steps:
        in_talk = after.machine.state is CallState.IN_PROGRESS
        if not after.machine.closed:
            assert after.machine.deadline() is not None, (before.machine.state, input, in_talk)


def test_the_record_says_what_the_machine_is(steps: list[tuple[Call, object, Call]]) -> None:
    for before, input, after in steps:
        assert after.record.state is after.machine.state, (before.machine.state, input)
        assert after.record.closed is after.machine.closed


def test_a_call_is_dialled_at_most_once(steps: list[tuple[Call, object, Call]]) -> None:
    for before, input, after in steps:
        if after.count(Dial):
            assert before.machine.state is CallState.QUEUED, input
            assert after.count(Dial) == 1
            dialing = [i for i, e in enumerate(after.ordered or []) if e == Append(CallDialing())]
            assert dialing, "call_dialing must be on record before the carrier is asked"
    assert not any(CallState.QUEUED in row.values() for row in TRANSITIONS.values()), "nothing leads back"


def test_call_ended_and_call_closed_come_once_and_in_order(steps: list[tuple[Call, object, Call]]) -> None:
    for before, input, after in steps:
        events = after.events
        if before.record.end is not None:
            assert "CallEnded" not in events, input
        if before.machine.closed:
            assert not events, input
        assert events.count("CallEnded") <= 1
        assert events.count("CallClosed") <= 1
        if "CallClosed" in events:
            assert events[-1] == "CallClosed"
            assert before.record.end is not None or "CallEnded" in events


def test_an_ordered_end_is_announced_once_and_reached(steps: list[tuple[Call, object, Call]]) -> None:
    for before, input, after in steps:
        assert after.events.count("CallEnding") <= (before.record.ending is None), input
        if before.record.ending is not None and before.record.end is None:
            assert after.machine.state in (CallState.ENDING, CallState.UNCONFIRMED, CallState.ENDED), input


def test_every_live_situation_ends_when_the_carrier_says_so(steps: list[tuple[Call, object, Call]]) -> None:
    """Whatever happened before: the carrier's word that the call is over ends it, except before it was dialled."""
    for _, _, after in steps:
        if after.machine.state not in (CallState.QUEUED, CallState.ENDED):
            end = copy.copy(after)
            end.machine = copy.copy(after.machine)
            end.feed(status("completed"))
            assert end.machine.state is CallState.ENDED


def test_silence_of_everybody_comes_to_an_end_or_asks_on(steps: list[tuple[Call, object, Call]]) -> None:
    """With no input but time, a call ends, or goes on asking the carrier (to end the leg, or what became of it)."""
    for _, _, after in steps[::7]:
        lone = copy.copy(after)
        lone.machine = copy.copy(after.machine)
        states = []
        for _ in range(60):
            if lone.machine.closed:
                break
            lone.wait()
            states.append(lone.machine.state)
        else:
            assert set(states[-10:]) <= {CallState.ENDING, CallState.RINGING, CallState.DIALING}, states


# --- The stories -------------------------------------------------------------------------------------------------


def test_an_ordinary_call() -> None:
    call = answered()
    call.now = 12.5
    call.feed(status("completed", sip_code=200))
    assert call.events == [
        "CallQueued", "CallDialing", "CallRinging", "CallAnswered", "MediaConnected", "CallEnded", "CallClosed",
    ]  # fmt: skip
    assert call.record.end is not None
    assert (call.record.end.reason, call.record.end.ended_by) == (EndReason.COMPLETED, EndedBy.CALLER)
    closed = call.ordered and call.ordered[-1]
    assert closed == Append(CallClosed(12.5, 1, Usage(input_tokens=2)))
    assert call.count(OpenModel) == 1
    assert call.count(CloseModel) == 1


def test_an_inbound_call_rings_at_the_webhook_and_is_answered_by_its_media() -> None:
    call = Call.arrived()
    assert call.events == ["CallRinging"]
    assert call.count(OpenModel) == 1
    assert call.machine.wants_stream
    call.feed(inputs.MediaStarted("MZ1", 1))
    assert call.events == ["CallRinging", "CallAnswered", "MediaConnected"]


def test_the_end_of_an_inbound_call_is_asked_for_at_once_because_nobody_tells() -> None:
    call = Call.arrived().feed(inputs.MediaStarted("MZ1", 1))
    call.now = 30.0
    call.feed(inputs.MediaClosed("MZ1", stopped=True))
    assert call.machine.deadline() == 30.0
    assert call.wait().count(LookUpCall) == 1
    call.feed(inputs.CallSeen(SID, "completed"))
    assert call.record.end is not None
    assert (call.record.end.reason, call.record.end.ended_by) == (EndReason.COMPLETED, EndedBy.CALLER)


def test_an_inbound_call_whose_webhook_is_repeated_is_one_call() -> None:
    call = Call.arrived().feed(inputs.CallArrived())
    assert call.events == ["CallRinging"]
    assert call.record.attempt == 2


def test_the_model_is_opened_while_the_phone_rings() -> None:
    call = Call.placed().feed(inputs.DialGranted(), inputs.DialAnswered(SID, "queued"))
    assert call.count(OpenModel) == 0
    assert call.feed(status("ringing")).count(OpenModel) == 1


@pytest.mark.parametrize(
    ("word", "reason"),
    [("busy", EndReason.BUSY), ("no-answer", EndReason.NO_ANSWER), ("failed", EndReason.FAILED)],
)
def test_nobody_answers(word: str, reason: EndReason) -> None:
    call = Call.placed().feed(inputs.DialGranted(), inputs.DialAnswered(SID, "queued"), status("ringing"))
    call.feed(status(word, sip_code=486))
    assert call.record.end is not None
    assert (call.record.end.reason, call.record.end.ended_by) == (reason, EndedBy.CARRIER)
    assert call.record.end.sip_code == 486


def test_a_refusal_ends_the_call_with_the_carriers_code() -> None:
    call = Call.placed().feed(inputs.DialGranted(), inputs.DialRefused(21211, "Invalid 'To' Phone Number"))
    assert call.record.end is not None
    assert (call.record.end.reason, call.record.end.carrier_code) == (EndReason.REJECTED, 21211)


def test_a_queued_call_that_is_hung_up_is_never_dialled() -> None:
    call = Call.placed().feed(hang_up(), inputs.DialGranted())
    assert call.count(Dial) == 0
    assert call.record.end is not None
    assert (call.record.end.reason, call.record.end.ended_by) == (EndReason.CANCELED, EndedBy.API)


def test_a_queued_call_expires_and_is_never_dialled() -> None:
    call = Call.placed().wait().feed(inputs.DialGranted())
    assert call.count(Dial) == 0
    assert call.record.end is not None
    assert (call.record.end.reason, call.record.end.ended_by) == (EndReason.EXPIRED, EndedBy.DAEMON)


def test_a_queued_call_whose_turn_comes_too_late_expires_and_is_never_dialled() -> None:
    """Its turn may be told before its deadline is, when both passed while the daemon stood still."""
    patience = RECORD.options.queue_timeout
    call = Call.placed()
    call.now = patience
    late = call.feed(inputs.DialGranted(age=0.0))  # the clock on the wall was put back
    slept = Call.placed().feed(inputs.DialGranted(age=patience))  # the monotonic one stood still
    for call in (late, slept):
        assert call.count(Dial) == 0
        assert call.events == ["CallQueued", "CallEnded", "CallClosed"]
        assert call.record.end is not None
        assert (call.record.end.reason, call.record.end.ended_by) == (EndReason.EXPIRED, EndedBy.DAEMON)


def test_hang_up_while_the_carrier_has_not_answered_the_dial_order_waits_for_its_id() -> None:
    call = Call.placed().feed(inputs.DialGranted(), hang_up())
    assert call.count(HangUpLeg) == 0
    call.feed(inputs.DialAnswered(SID, "queued"))
    assert (call.ordered or [])[-1] == HangUpLeg(answered=False)
    call.feed(inputs.LegHungUp("canceled"))
    assert call.record.end is not None
    assert (call.record.end.reason, call.record.end.ended_by) == (EndReason.CANCELED, EndedBy.API)


def test_an_unanswered_dial_order_is_looked_for_and_never_repeated() -> None:
    call = Call.placed().feed(inputs.DialGranted(), inputs.DialUnanswered("timeout"))
    assert call.machine.state is CallState.UNCONFIRMED
    looked = []
    while call.machine.state is CallState.UNCONFIRMED:
        call.wait().feed(inputs.CallNotSeen(sure=False))
        looked.append(call.now)
    assert looked[:5] == [2.0, 5.0, 10.0, 20.0, 40.0]
    assert call.count(Dial) == 1
    assert call.record.end is not None
    assert (call.record.end.reason, call.record.end.message) == (
        EndReason.DIAL_UNCONFIRMED,
        "the call was never seen",
    )
    assert RECORD.options.ring_timeout + 90 <= call.now < RECORD.options.ring_timeout + 130


def test_a_call_that_the_carrier_could_not_be_asked_about_is_looked_for_longer_and_not_said_to_be_unseen() -> None:
    call = Call.placed().feed(inputs.DialGranted(), inputs.DialUnanswered("timeout"))
    while call.machine.state is CallState.UNCONFIRMED:
        call.wait().feed(inputs.LookUpFailed("timeout"))
    assert LONGEST_SEARCH <= call.now <= LONGEST_SEARCH + 60
    assert call.record.end is not None
    assert call.record.end.reason is EndReason.DIAL_UNCONFIRMED
    assert call.record.end.message == "Twilio could not be asked whether it dialled"


def test_a_carrier_that_can_be_asked_again_late_is_asked_until_it_has_answered_often_enough() -> None:
    call = Call.placed().feed(inputs.DialGranted(), inputs.DialUnanswered("timeout"))
    while call.now < 400:
        call.wait().feed(inputs.LookUpFailed("timeout"))
    for _ in range(LEAST_LOOK_UPS):
        assert call.machine.state is CallState.UNCONFIRMED
        call.feed(inputs.CallNotSeen(sure=False)).wait()
    assert call.record.end is not None
    assert call.record.end.message == "the call was never seen"


@pytest.mark.parametrize("answered", [3, 5])
def test_a_call_is_not_said_to_be_unseen_because_nobody_saw_it_at_once(answered: int) -> None:
    """The carrier's list is late; and from then on, until long after, it could not be asked."""
    call = Call.placed().feed(inputs.DialGranted(), inputs.DialUnanswered("timeout"))
    looks = 0
    while call.machine.state is CallState.UNCONFIRMED:
        looks += 1
        call.wait().feed(inputs.CallNotSeen(sure=False) if looks <= answered else inputs.LookUpFailed("timeout"))
    never = LOOK_UPS[answered - 1] >= RECORD.options.ring_timeout
    assert never is (answered == 5)
    end = call.record.end
    assert end is not None
    assert end.message == ("the call was never seen" if never else "Twilio could not be asked whether it dialled")


def test_a_carrier_that_cannot_be_asked_is_asked_once_a_minute_at_last() -> None:
    call = Call.placed().feed(inputs.DialGranted(), inputs.DialUnanswered("timeout"))
    looked = []
    while call.machine.state is CallState.UNCONFIRMED:
        call.wait().feed(inputs.LookUpFailed("timeout"))
        looked.append(call.now)
    assert looked[:11] == [*LOOK_UPS, 110.0, 140.0, 200.0, 260.0]


def test_an_unconfirmed_call_is_found_by_its_callback() -> None:
    call = Call.placed().feed(inputs.DialGranted(), inputs.DialUnanswered("timeout"), status("ringing"))
    assert call.machine.state is CallState.RINGING
    assert call.machine.carrier_call_id == SID


def test_a_hang_up_of_an_unconfirmed_call_is_remembered() -> None:
    call = Call.placed().feed(inputs.DialGranted(), inputs.DialUnanswered("timeout"), hang_up())
    assert call.machine.state is CallState.UNCONFIRMED
    found = copy.copy(call)
    found.machine = copy.copy(call.machine)
    found.feed(status("ringing"))
    assert found.machine.state is CallState.ENDING
    found.feed(inputs.LegHungUp("canceled"))
    assert found.record.end is not None
    assert found.record.end.reason is EndReason.CANCELED


def test_a_call_that_was_answered_while_it_was_being_canceled_is_hung_up_for_real() -> None:
    call = Call.placed().feed(inputs.DialGranted(), inputs.DialAnswered(SID, "queued"), status("ringing"), hang_up())
    assert HangUpLeg(answered=False) in (call.ordered or [])
    call.feed(inputs.LegHangUpFailed("timeout"), status("in-progress"))
    assert (call.ordered or [])[-1] == HangUpLeg(answered=True)
    assert call.machine.state is CallState.ENDING


def test_a_call_that_the_carrier_does_not_know_any_more_is_over() -> None:
    call = answered().feed(hang_up(), inputs.LegHungUp(None))
    assert call.record.end is not None
    assert (call.record.end.reason, call.record.end.ended_by) == (EndReason.COMPLETED, EndedBy.API)


def test_the_order_to_end_the_leg_is_repeated_until_the_carrier_confirms() -> None:
    call = answered().feed(hang_up())
    for _ in range(5):
        call.feed(inputs.LegHangUpFailed("timeout")).wait()
    assert call.count(HangUpLeg) == 6
    assert call.machine.state is CallState.ENDING
    assert call.feed(status("completed")).record.end is not None
    assert (call.record.end.reason, call.record.end.ended_by) == (EndReason.COMPLETED, EndedBy.API)  # type: ignore[union-attr]


def test_the_media_may_start_before_the_carrier_says_answered() -> None:
    call = Call.placed().feed(inputs.DialGranted(), inputs.DialAnswered(SID, "queued"))
    call.feed(inputs.MediaStarted("MZ1", 1), status("ringing"), status("in-progress"))
    assert call.events[-2:] == ["CallAnswered", "MediaConnected"]


def test_a_broken_media_socket_is_no_end_until_the_carrier_says_so() -> None:
    call = answered().feed(inputs.MediaClosed("MZ1", stopped=False, message="reset"))
    assert call.machine.state is CallState.IN_PROGRESS
    call.wait()
    assert call.count(LookUpCall) == 1
    call.feed(inputs.CallSeen(SID, "completed"))
    assert call.record.end is not None
    assert (call.record.end.reason, call.record.end.ended_by) == (EndReason.COMPLETED, EndedBy.CALLER)


def test_an_answered_call_without_media_ends_as_media_lost() -> None:
    call = answered().feed(inputs.MediaClosed("MZ1", stopped=False))
    while call.machine.state is CallState.IN_PROGRESS:
        call.wait().feed(inputs.CallSeen(SID, "in-progress"))
    assert call.record.ending is not None
    assert call.record.ending.reason is EndReason.MEDIA_LOST


def test_the_longest_duration_ends_the_call() -> None:
    call = answered()
    call.wait()
    assert call.now == RECORD.options.max_duration
    assert call.record.ending == CallEnding(EndReason.MAX_DURATION, EndedBy.DAEMON, "the longest duration is reached")


def test_a_lost_model_ends_the_call() -> None:
    call = answered().feed(inputs.ModelClosed(1011, "server error"))
    assert call.record.ending is not None
    assert call.record.ending.reason is EndReason.MODEL_LOST


def test_a_call_that_nobody_settles_is_closed_all_the_same() -> None:
    call = Call(CallMachine(RECORD), RECORD, ordered=[])
    machine = call.machine
    for input in (inputs.CallPlaced(), inputs.DialGranted(), inputs.DialRefused(1, "")):
        machine.handle(input, 0.0)
    assert not machine.closed
    assert machine.deadline() == 10.0
    assert machine.handle(inputs.DeadlinePassed(), 10.0) == [Tell(inputs.LastCall())]
    assert machine.deadline() == 11.0
    late = machine.handle(inputs.DeadlinePassed(), 11.0)
    assert any(isinstance(e, Append) and isinstance(e.payload, CallClosed) for e in late)


def test_the_fold_counts_events() -> None:
    record = apply(RECORD, CallQueued(Direction.OUTBOUND, "", "", "", 0.0), 1.0)
    assert record.last_sequence == 1
    assert apply(record, CallEnded(RECORD.end), 2.0).end_time == 2.0  # type: ignore[arg-type]


def test_each_trigger_is_used() -> None:
    assert {trigger for row in TRANSITIONS.values() for trigger in row} == set(Trigger)
