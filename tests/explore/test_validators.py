"""Each rule of the explorer bites: a right history breaks none, the wrong one next to it breaks that one.

The histories are written by hand; no machine takes part.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from agenticd.core import effects, events, inputs, realtime
from agenticd.core.call import Trigger
from agenticd.core.effects import Append, Clear, Mark, Play, SendAudio, SendToModel
from agenticd.core.events import CallEnd, CallEnding, CallState, EndedBy, EndReason, Speaker, TranscriptFinal, Usage
from agenticd.core.mediastream import MarkEchoed
from tests.explore import rules
from tests.explore.facts import Facts, Step
from tests.explore.run import Coverage
from tests.explore.world import World

S = CallState
AUDIO = base64.b64encode(b"\x55" * 1440).decode()
"""180 ms."""
PIECE = 0.18


class Told:
    """Facts of a history that is told by hand, and the rules that it broke."""

    def __init__(self) -> None:
        self.facts = Facts()
        self.now = 100.0
        self.broken: set[str] = set()

    def step(self, input: Any, *ordered: effects.Effect, wait: float = 0.0, **how: Any) -> None:
        """An input, so many seconds later, and what was ordered upon it."""
        self.now += wait
        step = Step(self.now, input, list(ordered), **how)
        self.facts.take(input, self.now)
        for effect in ordered:
            for rule in rules.rules_on(effect):
                if rule(self.facts, effect, step) is not None:
                    self.broken.add(rule.__name__)
            self.facts.give(effect, step)
        self.facts.settle(step)
        for check in rules.BY_STEP:
            if check(self.facts, step) is not None:
                self.broken.add(check.__name__)

    def says(self, *payloads: events.Payload, **how: Any) -> None:
        """Something happened that is put on record."""
        self.step(inputs.LookUpFailed(""), *(Append(payload) for payload in payloads), **how)

    def talk(self) -> Told:
        """Phone and model are there, and the model answers."""
        self.step(realtime.SessionCreated("s", "m", 0), SendToModel(b'{"type":"session.update"}'))
        self.step(realtime.SessionUpdated("s", "m", "audio/pcmu", "audio/pcmu"))
        self.step(inputs.LineWentUp())
        self.step(inputs.MediaStarted("MZ", 1))
        self.step(realtime.ResponseCreated("r"))
        self.step(realtime.ItemAdded("a", None, "message", "assistant"))
        return self

    def plays(self, pieces: int = 1, item: str = "a") -> None:
        """So many pieces of an item, each with its mark."""
        for _ in range(pieces):
            sent = self.facts.talk.sent.get(item, 0) + 1440
            self.step(realtime.AudioDelta("r", item, 0, AUDIO), Play(AUDIO), Mark(f"g:{item}:{sent // 8}"))


def truncate(ms: int, item: str = "a") -> SendToModel:
    return SendToModel(f'{{"type":"conversation.item.truncate","item_id":"{item}","audio_end_ms":{ms}}}'.encode())


def delete(item: str = "a") -> SendToModel:
    return SendToModel(f'{{"type":"conversation.item.delete","item_id":"{item}"}}'.encode())


def create(event_id: str = "e") -> SendToModel:
    return SendToModel(f'{{"type":"response.create","event_id":"{event_id}"}}'.encode())


def ended(reason: EndReason = EndReason.COMPLETED, by: EndedBy = EndedBy.CALLER) -> events.CallEnded:
    return events.CallEnded(CallEnd(reason, by))


def closed() -> events.CallClosed:
    return events.CallClosed(1.0, 0, Usage())


def final(item: str, position: int, text: str = "yes", heard: str | None = None, **how: Any) -> TranscriptFinal:
    fields: dict[str, Any] = {"interrupted": False, "audio_start": 0.0, "audio_end": 1.0} | how
    return TranscriptFinal(Speaker.AGENT, "leg", item, position, text, text if heard is None else heard, **fields)


Tell = Callable[[Told, bool], None]
CASES: list[tuple[str, Tell]] = []


def bites(rule: str) -> Callable[[Tell], Tell]:
    """The history told by the function breaks that rule, and no other, when told wrong; told right it breaks none."""

    def keep(tell: Tell) -> Tell:
        CASES.append((rule, tell))
        return tell

    return keep


# --- The call's states -------------------------------------------------------------------------------------------


@bites("states_move_along_the_table")
def another_target(t: Told, wrong: bool) -> None:
    after = S.IN_PROGRESS if wrong else S.RINGING
    t.step(inputs.DialGranted(), before=S.DIALING, after=after, fired=[(S.DIALING, Trigger.RINGING, after)])


@bites("states_move_along_the_table")
def diverted_without_an_order(t: Told, wrong: bool) -> None:
    if not wrong:
        t.says(CallEnding(EndReason.CANCELED, EndedBy.API), before=S.UNCONFIRMED, after=S.UNCONFIRMED)
    fired = [(S.UNCONFIRMED, Trigger.RINGING, S.ENDING)]
    t.step(inputs.DialGranted(), before=S.UNCONFIRMED, after=S.ENDING, fired=fired)


@bites("states_move_along_the_table")
def moved_without_a_trigger(t: Told, wrong: bool) -> None:
    t.step(inputs.DialGranted(), before=S.RINGING, after=S.IN_PROGRESS if wrong else S.RINGING)


@bites("nothing_leads_back_from_ended")
def back_from_the_dead(t: Told, wrong: bool) -> None:
    t.step(inputs.DialGranted(), before=S.ENDED, after=S.ENDED)
    if wrong:
        # However it came about: the table's own rule is silenced, to see this one alone.
        step = Step(t.now, inputs.DialGranted(), [], S.ENDED, S.RINGING)
        if rules.nothing_leads_back_from_ended(t.facts, step) is not None:
            t.broken.add("nothing_leads_back_from_ended")


@bites("every_live_state_has_a_deadline")
def forgotten(t: Told, wrong: bool) -> None:
    t.step(inputs.DialGranted(), call_due=None, closed=not wrong)


@bites("an_order_to_end_is_never_forgotten")
def lives_on(t: Told, wrong: bool) -> None:
    t.says(CallEnding(EndReason.DRAINED, EndedBy.DAEMON), before=S.ENDING, after=S.ENDING)
    state = S.RINGING if wrong else S.ENDING
    t.step(inputs.DialGranted(), before=state, after=state)


@bites("deadlines_move_on")
def spins(t: Told, wrong: bool) -> None:
    for _ in range(9):
        t.step(inputs.DeadlinePassed(), turn_due=t.now if wrong else t.now + 1)


# --- What is recorded --------------------------------------------------------------------------------------------


@bites("nothing_follows_call_closed")
def afterlife(t: Told, wrong: bool) -> None:
    digit = events.DigitReceived("1")
    t.says(ended(), *((closed(), digit) if wrong else (digit, closed())))


@bites("call_ended_comes_once")
def two_ends(t: Told, wrong: bool) -> None:
    t.says(ended(), *([ended()] if wrong else []))


@bites("call_closed_follows_call_ended")
def closed_first(t: Told, wrong: bool) -> None:
    t.says(*([] if wrong else [ended()]), closed())


@bites("call_ending_comes_once_and_before_call_ended")
def two_orders(t: Told, wrong: bool) -> None:
    ending = CallEnding(EndReason.DRAINED, EndedBy.DAEMON)
    t.says(ending, *([ending] if wrong else []), before=S.ENDING, after=S.ENDING)


@bites("call_ending_comes_once_and_before_call_ended")
def an_order_for_the_dead(t: Told, wrong: bool) -> None:
    ending, end = CallEnding(EndReason.DRAINED, EndedBy.DAEMON), ended(EndReason.DRAINED, EndedBy.DAEMON)
    if wrong:
        t.says(ended(), before=S.ENDED, after=S.ENDED)
        t.says(ending, before=S.ENDED, after=S.ENDED)
    else:
        t.says(ending, end, before=S.ENDED, after=S.ENDED)


@bites("a_call_is_answered_once")
def answered_twice(t: Told, wrong: bool) -> None:
    t.says(*[events.CallAnswered("CA")] * (2 if wrong else 1))


@bites("a_call_is_answered_once")
def answered_too_late(t: Told, wrong: bool) -> None:
    order: tuple[events.Payload, ...] = (events.CallAnswered("CA"), CallEnding(EndReason.DRAINED, EndedBy.DAEMON))
    t.says(*(order[::-1] if wrong else order), before=S.ENDING, after=S.ENDING)


@bites("a_hang_up_by_api_is_canceled_before_the_answer_and_completed_after")
def completed_unheard(t: Told, wrong: bool) -> None:
    t.says(
        CallEnding(EndReason.COMPLETED if wrong else EndReason.CANCELED, EndedBy.API), before=S.ENDING, after=S.ENDING
    )


@bites("a_hang_up_by_api_is_canceled_before_the_answer_and_completed_after")
def canceled_although_answered(t: Told, wrong: bool) -> None:
    t.says(events.CallAnswered("CA"))
    t.says(
        CallEnding(EndReason.CANCELED if wrong else EndReason.COMPLETED, EndedBy.API), before=S.ENDING, after=S.ENDING
    )


@bites("the_end_is_what_was_ordered")
def another_reason(t: Told, wrong: bool) -> None:
    t.says(CallEnding(EndReason.DRAINED, EndedBy.DAEMON), before=S.ENDING, after=S.ENDING)
    t.says(ended() if wrong else ended(EndReason.BUSY, EndedBy.CARRIER), before=S.ENDED, after=S.ENDED)


@bites("an_end_that_nobody_ordered_is_the_lines_own")
def nobodys_order(t: Told, wrong: bool) -> None:
    t.says(ended(EndReason.MAX_DURATION, EndedBy.DAEMON) if wrong else ended())


@bites("an_end_that_nobody_ordered_is_the_lines_own")
def a_caller_whom_nobody_saw(t: Told, wrong: bool) -> None:
    t.says(events.CallAnswered("CA"))
    t.facts.restart()
    t.says(ended(by=EndedBy.CALLER if wrong else EndedBy.CARRIER))


@bites("reasons_have_their_authors")
def anothers_order(t: Told, wrong: bool) -> None:
    by = EndedBy.AGENT if wrong else EndedBy.DAEMON
    t.says(CallEnding(EndReason.SILENCE, by), before=S.ENDING, after=S.ENDING)


@bites("expired_calls_were_never_dialled")
def expired_late(t: Told, wrong: bool) -> None:
    if wrong:
        t.step(inputs.DialGranted(), Append(events.CallDialing()), effects.Dial())
    t.says(ended(EndReason.EXPIRED, EndedBy.DAEMON))


# --- What the carrier is asked -----------------------------------------------------------------------------------


@bites("a_call_is_dialled_at_most_once")
def dialled_twice(t: Told, wrong: bool) -> None:
    for _ in range(2 if wrong else 1):
        t.step(inputs.DialGranted(), Append(events.CallDialing()), effects.Dial())


@bites("a_call_is_dialled_at_most_once")
def dialled_again_after_a_restart(t: Told, wrong: bool) -> None:
    for _ in range(2 if wrong else 1):
        t.step(inputs.DialGranted(), Append(events.CallDialing()), effects.Dial())
        t.facts.restart()


@bites("nothing_is_dialled_once_the_end_began")
def dialled_although_withdrawn(t: Told, wrong: bool) -> None:
    if wrong:
        t.says(CallEnding(EndReason.CANCELED, EndedBy.API), before=S.ENDING, after=S.ENDING)
    dial = (Append(events.CallDialing()), effects.Dial())
    t.step(inputs.DialGranted(), *dial, before=S.ENDING, after=S.ENDING)


@bites("what_is_dialled_is_on_record")
def dialled_off_the_record(t: Told, wrong: bool) -> None:
    t.step(inputs.DialGranted(), *([] if wrong else [Append(events.CallDialing())]), effects.Dial())


@bites("a_leg_is_hung_up_only_by_order")
def hung_up_by_nobody(t: Told, wrong: bool) -> None:
    if not wrong:
        t.says(CallEnding(EndReason.CANCELED, EndedBy.API), before=S.ENDING, after=S.ENDING)
    t.step(inputs.DeadlinePassed(), effects.HangUpLeg(True), before=S.ENDING, after=S.ENDING)


@bites("media_is_closed_only_at_the_end")
def cut_off(t: Told, wrong: bool) -> None:
    state = S.IN_PROGRESS if wrong else S.ENDED
    t.step(inputs.DeadlinePassed(), effects.CloseMedia(), before=state, after=state)


@bites("no_model_is_opened_once_the_end_began")
def a_model_for_nobody(t: Told, wrong: bool) -> None:
    if wrong:
        t.says(ended(), before=S.ENDED, after=S.ENDED)
    t.step(inputs.DeadlinePassed(), effects.OpenModel(), before=S.ENDED, after=S.ENDED)


# --- The way to the phone ----------------------------------------------------------------------------------------


@bites("clear_has_something_to_clear")
def clear_of_nothing(t: Told, wrong: bool) -> None:
    t.talk()
    if not wrong:
        t.plays()
    t.step(realtime.SpeechStarted("c", 0), Clear())


@bites("clear_has_something_to_clear")
def clear_of_what_was_played(t: Told, wrong: bool) -> None:
    t.talk().plays()
    t.step(realtime.SpeechStarted("c", 0), Clear(), wait=PIECE + (0.1 if wrong else -0.1))


@bites("nothing_is_played_once_it_was_interrupted")
def late_delta(t: Told, wrong: bool) -> None:
    t.talk().plays(2)
    t.step(realtime.SpeechStarted("c", 0), Clear(), truncate(100), wait=0.1)
    t.step(realtime.AudioDelta("r", "a", 0, AUDIO), *([Play(AUDIO)] if wrong else []))


@bites("nothing_is_played_once_it_was_interrupted")
def what_a_clear_threw_away_goes_on(t: Told, wrong: bool) -> None:
    t.talk().plays(2)
    t.step(realtime.SpeechStarted("c", 0), Clear(), wait=0.1)
    item = "a" if wrong else "b"
    t.step(realtime.AudioDelta("r", item, 0, AUDIO), Play(AUDIO))


@bites("audio_is_played_only_while_somebody_hears")
def nobody_hears(t: Told, wrong: bool) -> None:
    t.talk()
    t.step(inputs.LineWentDown() if wrong else inputs.LineWentUp())
    t.plays()


@bites("audio_is_played_only_while_somebody_hears")
def no_stream(t: Told, wrong: bool) -> None:
    t.talk()
    t.step(inputs.MediaClosed("MZ" if wrong else "MZ0", stopped=False))
    t.plays()


@bites("audio_goes_out_in_whole_frames")
def a_part_of_a_frame(t: Told, wrong: bool) -> None:
    payload = base64.b64encode(b"\x55" * (161 if wrong else 160)).decode()
    t.talk().step(realtime.AudioDelta("r", "a", 0, payload), Play(payload))


@bites("a_mark_at_least_every_200_ms")
def unmarked(t: Told, wrong: bool) -> None:
    t.talk()
    between = [] if wrong else [Mark("g:a:180")]
    t.step(realtime.AudioDelta("r", "a", 0, AUDIO), Play(AUDIO), *between, Play(AUDIO))


@bites("marks_are_named_once")
def one_name_for_two(t: Told, wrong: bool) -> None:
    t.talk()
    for name in ("x", "x" if wrong else "y"):
        t.step(realtime.AudioDelta("r", "a", 0, AUDIO), Play(AUDIO), Mark(name))


@bites("an_item_ends_with_a_mark")
def no_last_mark(t: Told, wrong: bool) -> None:
    t.talk().step(realtime.AudioDelta("r", "a", 0, AUDIO), Play(AUDIO))
    t.step(realtime.AudioDone("r", "a"), *([] if wrong else [Mark("last")]))


# --- The way to the model ----------------------------------------------------------------------------------------


@bites("session_update_is_the_first_message")
def an_answer_before_the_settings(t: Told, wrong: bool) -> None:
    t.step(realtime.SessionCreated("s", "m", 0), *([] if wrong else [SendToModel(b'{"type":"session.update"}')]))
    t.step(inputs.MediaStarted("MZ", 1), create())


@bites("session_update_is_the_first_message")
def a_second_session_without_settings(t: Told, wrong: bool) -> None:
    t.talk()
    t.step(inputs.ModelClosed(1006, "") if wrong else inputs.LookUpFailed(""))
    t.step(inputs.MediaStarted("MZ2", 1), create())


@bites("audio_goes_only_to_a_ready_model")
def audio_in_another_format(t: Told, wrong: bool) -> None:
    t.step(realtime.SessionUpdated("s", "m", "audio/pcmu", "audio/pcm" if wrong else "audio/pcmu"))
    t.step(inputs.LookUpFailed(""), SendAudio(AUDIO))


@bites("one_answer_is_ordered_at_a_time")
def two_answers(t: Told, wrong: bool) -> None:
    t.talk()
    t.step(inputs.LookUpFailed(""), create("one"))
    if not wrong:
        t.step(realtime.ModelFault("", "x", "", "", "one"))
    t.step(inputs.LookUpFailed(""), create("two"))


@bites("an_item_is_cut_at_most_once")
def cut_twice(t: Told, wrong: bool) -> None:
    t.talk().plays(2)
    t.step(realtime.SpeechStarted("c", 0), Clear(), truncate(100), *([truncate(100)] if wrong else []), wait=0.1)


@bites("nothing_is_truncated_beyond_what_was_sent")
def more_than_there_is(t: Told, wrong: bool) -> None:
    t.talk().plays()
    t.step(realtime.SpeechStarted("c", 0), truncate(181 if wrong else 180), wait=1.0)


@bites("nothing_is_truncated_beyond_what_was_sent")
def less_than_nothing(t: Told, wrong: bool) -> None:
    t.talk().plays()
    t.step(realtime.SpeechStarted("c", 0), Clear(), truncate(-1 if wrong else 0))


@bites("the_model_knows_what_the_phone_played")
def wall_clock(t: Told, wrong: bool) -> None:
    t.talk().plays(4)
    t.step(realtime.SpeechStarted("c", 0), Clear(), truncate(345 if wrong else 335), wait=0.3)


@bites("the_model_knows_what_the_phone_played")
def sent_counts_as_heard(t: Told, wrong: bool) -> None:
    t.talk().plays(4)
    t.step(MarkEchoed("MZ", "g:a:180"), wait=PIECE)
    t.step(realtime.SpeechStarted("c", 0), Clear(), truncate(720 if wrong else 280), wait=0.1)


@bites("the_model_knows_what_the_phone_played")
def heard_and_forgotten(t: Told, wrong: bool) -> None:
    t.talk().plays()
    t.step(realtime.SpeechStarted("c", 0), Clear(), delete(), wait=0.1 if wrong else 0.03)


@bites("the_log_knows_what_the_phone_played")
def another_number_for_the_log(t: Told, wrong: bool) -> None:
    t.talk().plays(4)
    cut = events.AgentInterrupted("a", 0.35 if wrong else 0.3, 0.42)
    t.step(realtime.SpeechStarted("c", 0), Clear(), Append(cut), wait=0.3)


# --- The transcript ----------------------------------------------------------------------------------------------


@bites("an_item_has_one_transcript")
def said_twice(t: Told, wrong: bool) -> None:
    t.says(final("a", 1), final("a" if wrong else "b", 2))


@bites("positions_are_unique")
def one_place_for_two(t: Told, wrong: bool) -> None:
    t.says(final("a", 1), final("b", 1 if wrong else 2))


@bites("positions_are_unique")
def no_place(t: Told, wrong: bool) -> None:
    t.says(final("a", 0 if wrong else 1))


@bites("the_transcript_has_the_models_order")
def by_arrival(t: Told, wrong: bool) -> None:
    t.facts.talk.ready = True
    t.step(realtime.ItemAdded("x", None, "message", "user"))
    t.step(realtime.ItemAdded("y", "x", "message", "assistant"))
    t.says(final("y", 1 if wrong else 2), final("x", 2 if wrong else 1))


@bites("an_answer_never_stands_before_what_it_answers")
def the_answer_first(t: Told, wrong: bool) -> None:
    t.talk().step(realtime.ResponseDone("r", "completed", "", "", "", Usage()))
    t.facts.talk.grammar.sane = True  # "a" of that answer does not matter here
    t.step(realtime.SpeechStarted("c", 0))
    t.step(realtime.SpeechStopped("c", 900))
    t.step(realtime.InputCommitted("c", None))
    t.step(realtime.ItemAdded("c", None, "message", "user"))
    t.step(realtime.ResponseCreated("r2"))
    t.step(realtime.ItemAdded("a2", "c", "message", "assistant"))
    t.facts.order.clear()  # so that only the cause speaks
    t.says(final("a2", 2), final("c", 3 if wrong else 1))


@bites("heard_text_begins_the_text")
def words_that_nobody_said(t: Told, wrong: bool) -> None:
    t.says(final("a", 1, "one two", "two" if wrong else "one", interrupted=True))


@bites("heard_text_begins_the_text")
def unheard_although_whole(t: Told, wrong: bool) -> None:
    t.says(final("a", 1, "one two", "one", interrupted=not wrong))


@bites("times_run_forward")
def backwards(t: Told, wrong: bool) -> None:
    t.says(final("a", 1, audio_start=2.0, audio_end=1.0 if wrong else 2.0))


@bites("times_run_forward")
def before_the_answer(t: Told, wrong: bool) -> None:
    t.says(events.SpeechStarted("c", -0.1 if wrong else 0.0))


@pytest.mark.parametrize(("rule", "tell"), CASES, ids=[f"{rule}-{tell.__name__}" for rule, tell in CASES])
def test_a_rule_accepts_the_right_history_and_bites_the_wrong_one(rule: str, tell: Tell) -> None:
    right, wrong = Told(), Told()
    tell(right, False)
    tell(wrong, True)
    assert right.broken == set()
    assert wrong.broken == {rule}


# --- At the end of a history -------------------------------------------------------------------------------------


def finished() -> tuple[Facts, events.CallRecord]:
    """A history that ended well, and its row."""
    told = Told()
    told.says(ended(), closed(), before=S.ENDED, after=S.ENDED)
    record = World(1, Coverage()).record
    end = CallEnd(EndReason.COMPLETED, EndedBy.CALLER)
    return told.facts, replace(record, state=S.ENDED, end=end, closed=True, last_sequence=2)


def broken_at_the_end(facts: Facts, record: events.CallRecord) -> set[str]:
    return {rule.__name__ for rule in rules.AT_END if rule(facts, record) is not None}


def test_a_history_that_ended_well_is_accepted() -> None:
    assert broken_at_the_end(*finished()) == set()


def test_a_call_that_is_left_open_is_found() -> None:
    facts, record = finished()
    assert "every_call_is_closed_in_the_end" in broken_at_the_end(facts, replace(record, closed=False))


def test_a_second_call_ended_is_found_at_the_end_too() -> None:
    facts, record = finished()
    facts.log.insert(0, ended())
    assert broken_at_the_end(facts, replace(record, last_sequence=3)) == {
        "one_call_ended_one_call_closed_last",
        "the_row_tells_the_end_as_the_log_does",
    }


def test_a_gap_in_the_sequence_is_found() -> None:
    facts, record = finished()
    assert broken_at_the_end(facts, replace(record, last_sequence=3)) == {"the_sequence_has_no_gap"}


def test_a_row_that_tells_another_end_is_found() -> None:
    facts, record = finished()
    other = replace(record, end=CallEnd(EndReason.FAILED, EndedBy.CARRIER))
    assert broken_at_the_end(facts, other) == {"the_row_tells_the_end_as_the_log_does"}


def test_every_rule_has_a_history_that_breaks_it() -> None:
    at_the_end = {rule.__name__ for rule in rules.AT_END}
    elsewhere = {"machines_never_raise", "the_same_history_has_the_same_effects"}  # test_explore.py
    assert {rule for rule, _ in CASES} == rules.NAMES - at_the_end - elsewhere
