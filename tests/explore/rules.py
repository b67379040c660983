"""The rules that every history must keep: each is one function, named for what it forbids or demands.

A rule gets the facts as they were before the thing that it judges, and says what is wrong, or None. BY_EFFECT are asked
at each order, BY_STEP after each input, AT_END when a history is over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from agenticd.core import effects, events, inputs, realtime
from agenticd.core.call import TRANSITIONS
from agenticd.core.events import CallRecord, CallState, EndedBy, EndReason
from tests.explore.facts import BYTES, Facts, Order, Step, order_of

HEARD_WITHIN = 0.040 + 0.001
"""Seconds: 20 ms and a frame; and half a millisecond lost in rounding, twice."""
MARK_WITHIN = BYTES // 5
BY_DAEMON = frozenset(
    {
        EndReason.EXPIRED,
        EndReason.MAX_DURATION,
        EndReason.SILENCE,
        EndReason.MODEL_LOST,
        EndReason.MEDIA_LOST,
        EndReason.DRAINED,
        EndReason.NODE_LOST,
        EndReason.DIAL_UNCONFIRMED,
        EndReason.POLICY,
        EndReason.BUDGET,
    }
)
BY_CARRIER = frozenset({EndReason.BUSY, EndReason.NO_ANSWER, EndReason.REJECTED})
FINAL = CallState.ENDED
_BEFORE_ENDING = frozenset({CallState.DIALING, CallState.RINGING, CallState.IN_PROGRESS})

EffectRule = Callable[[Facts, Any, Step], str | None]
StepRule = Callable[[Facts, Step], str | None]
EndRule = Callable[[Facts, CallRecord], str | None]


# --- The call's states -------------------------------------------------------------------------------------------


def states_move_along_the_table(facts: Facts, step: Step) -> str | None:
    """After a restart a call that nobody has seen is looked for anew, as if the order to dial were unanswered now."""
    state = step.before
    if type(step.input) is inputs.CallRecovered and state is CallState.UNCONFIRMED and step.fired:
        state = CallState.DIALING
    for before, trigger, after in step.fired:
        target = TRANSITIONS[before].get(trigger)
        diverted = after is CallState.ENDING and target in _BEFORE_ENDING
        if before is not state or (after is not target and not (diverted and facts.ending is not None)):
            return f"{before.value} --{trigger.value}--> {after.value} while {state.value}; the table says {target}"
        state = after
    return None if state is step.after else f"{state.value} became {step.after.value} without a trigger"


def nothing_leads_back_from_ended(facts: Facts, step: Step) -> str | None:
    if step.before is FINAL and step.after is not FINAL:
        return f"ENDED became {step.after.value}"
    return None


def every_live_state_has_a_deadline(facts: Facts, step: Step) -> str | None:
    return None if step.closed or step.call_due is not None else f"{step.after.value} without a deadline"


def an_order_to_end_is_never_forgotten(facts: Facts, step: Step) -> str | None:
    if facts.ending is not None and step.after in (CallState.QUEUED, *_BEFORE_ENDING):
        return f"{step.after.value} after call_ending"
    return None


def deadlines_move_on(facts: Facts, step: Step) -> str | None:
    if type(step.input) is inputs.DeadlinePassed and facts.idle > 4:
        held = facts.talk.held
        return f"{facts.idle} deadlines in a row passed at one moment, and the next is due; {held} bytes are held"
    return None


# --- What is recorded --------------------------------------------------------------------------------------------


def nothing_follows_call_closed(facts: Facts, effect: effects.Append, step: Step) -> str | None:
    return f"{type(effect.payload).__name__} after call_closed" if facts.closed else None


def call_ended_comes_once(facts: Facts, effect: effects.Append, step: Step) -> str | None:
    return "call_ended twice" if facts.ended else None


def call_closed_follows_call_ended(facts: Facts, effect: effects.Append, step: Step) -> str | None:
    return None if facts.ended else "call_closed before call_ended"


def call_ending_comes_once_and_before_call_ended(facts: Facts, effect: effects.Append, step: Step) -> str | None:
    if facts.ended:
        return "call_ending after call_ended"
    return "call_ending twice" if facts.ending is not None else None


def a_call_is_answered_once(facts: Facts, effect: effects.Append, step: Step) -> str | None:
    if facts.answered:
        return "call_answered twice"
    return "call_answered after the end began" if facts.ending is not None or facts.ended else None


def a_hang_up_by_api_is_canceled_before_the_answer_and_completed_after(
    facts: Facts, effect: effects.Append, step: Step
) -> str | None:
    ending = effect.payload
    if not isinstance(ending, events.CallEnding) or ending.by is not EndedBy.API:
        return None
    wanted = EndReason.COMPLETED if facts.answered else EndReason.CANCELED
    return None if ending.reason is wanted else f"{ending.reason.value} by API, answered: {facts.answered}"


def the_end_is_what_was_ordered(facts: Facts, effect: effects.Append, step: Step) -> str | None:
    """But for what is the carrier's to tell, and for a call that was never found."""
    if not isinstance(effect.payload, events.CallEnded) or facts.ending is None:
        return None
    end, ordered = effect.payload.end, facts.ending
    if (end.reason, end.ended_by) == (ordered.reason, ordered.by):
        return None
    if end.ended_by is EndedBy.CARRIER and end.reason in (EndReason.BUSY, EndReason.NO_ANSWER, EndReason.FAILED):
        return None
    if end.reason is EndReason.DIAL_UNCONFIRMED and end.ended_by is EndedBy.DAEMON:
        return None
    return f"ordered {ordered.reason.value} by {ordered.by.value}, ended {end.reason.value} by {end.ended_by.value}"


def an_end_that_nobody_ordered_is_the_lines_own(facts: Facts, effect: effects.Append, step: Step) -> str | None:
    if not isinstance(effect.payload, events.CallEnded) or facts.ending is not None:
        return None
    end = effect.payload.end
    pair = (end.reason, end.ended_by)
    if pair == (EndReason.COMPLETED, EndedBy.CARRIER if facts.away else EndedBy.CALLER):
        return None
    if end.ended_by is EndedBy.CARRIER and end.reason in BY_CARRIER | {EndReason.FAILED, EndReason.CANCELED}:
        return None
    if end.ended_by is EndedBy.DAEMON and end.reason in (EndReason.EXPIRED, EndReason.DIAL_UNCONFIRMED):
        return None
    return f"ended {end.reason.value} by {end.ended_by.value} without call_ending"


def reasons_have_their_authors(facts: Facts, effect: effects.Append, step: Step) -> str | None:
    match effect.payload:
        case events.CallEnded(end):
            reason, by = end.reason, end.ended_by
        case events.CallEnding(reason, by):
            pass
        case _:
            return None
    if reason in BY_DAEMON and by is not EndedBy.DAEMON:
        return f"{reason.value} by {by.value}"
    return f"{reason.value} by {by.value}" if reason in BY_CARRIER and by is not EndedBy.CARRIER else None


def expired_calls_were_never_dialled(facts: Facts, effect: effects.Append, step: Step) -> str | None:
    if isinstance(effect.payload, events.CallEnded) and effect.payload.end.reason is EndReason.EXPIRED and facts.dials:
        return "EXPIRED after the order to dial"
    return None


# --- What the carrier is asked -----------------------------------------------------------------------------------


def a_call_is_dialled_at_most_once(facts: Facts, effect: effects.Dial, step: Step) -> str | None:
    return "a second order to dial" if facts.dials else None


def nothing_is_dialled_once_the_end_began(facts: Facts, effect: effects.Dial, step: Step) -> str | None:
    return "Dial after the end began" if facts.ending is not None or facts.ended else None


def what_is_dialled_is_on_record(facts: Facts, effect: effects.Dial, step: Step) -> str | None:
    return None if facts.log and isinstance(facts.log[-1], events.CallDialing) else "Dial without call_dialing before"


def a_leg_is_hung_up_only_by_order(facts: Facts, effect: effects.HangUpLeg, step: Step) -> str | None:
    if facts.ending is None or step.after is not CallState.ENDING:
        return f"HangUpLeg in {step.after.value}, call_ending: {facts.ending is not None}"
    return None


def media_is_closed_only_at_the_end(facts: Facts, effect: effects.CloseMedia, step: Step) -> str | None:
    return None if step.after in (CallState.ENDING, FINAL) else f"CloseMedia in {step.after.value}"


def no_model_is_opened_once_the_end_began(facts: Facts, effect: effects.OpenModel, step: Step) -> str | None:
    return "OpenModel after the end began" if facts.ending is not None or facts.ended else None


# --- The way to the phone ----------------------------------------------------------------------------------------


def clear_has_something_to_clear(facts: Facts, effect: effects.Clear, step: Step) -> str | None:
    talk = facts.talk
    if not talk.sent_now:
        return "Clear with nothing sent"
    if talk.phone.truthful and talk.grammar.sane and talk.phone.end < step.now - HEARD_WITHIN:
        return f"Clear {step.now - talk.phone.end:.3f} s after the phone had played everything"
    return None


def nothing_is_played_once_it_was_interrupted(facts: Facts, effect: effects.Play, step: Step) -> str | None:
    item = getattr(step.input, "item_id", "")
    talk = facts.talk
    if item in talk.cut or item in facts.finals:
        return f"Play of {item} after it was cut or put on record"
    return f"Play of {item} after a clear threw away some of it" if item in talk.cleared else None


def audio_is_played_only_while_somebody_hears(facts: Facts, effect: effects.Play, step: Step) -> str | None:
    talk = facts.talk
    if talk.stream is None or talk.down:
        return f"Play with stream {talk.stream}, line down: {talk.down}"
    return None


def audio_goes_out_in_whole_frames(facts: Facts, effect: effects.Play, step: Step) -> str | None:
    payload = effect.payload
    size = len(payload) * 3 // 4 - (payload[-2:].count("=") if payload else 0)
    return f"{size} bytes" if not size or size % 160 else None


def a_mark_at_least_every_200_ms(facts: Facts, effect: effects.Play, step: Step) -> str | None:
    payload = effect.payload
    size = len(payload) * 3 // 4 - (payload[-2:].count("=") if payload else 0)
    unmarked = facts.talk.unmarked + size
    return f"{unmarked / 8:.0f} ms without a mark" if unmarked > MARK_WITHIN else None


def marks_are_named_once(facts: Facts, effect: effects.Mark, step: Step) -> str | None:
    phone = facts.talk.phone
    if not facts.talk.grammar.sane:  # items that take turns share a place
        return None
    return f"{effect.name} twice" if effect.name in phone.due or effect.name in phone.stale else None


def an_item_ends_with_a_mark(facts: Facts, step: Step) -> str | None:
    kind = type(step.input)
    if kind is not realtime.AudioDone and kind is not realtime.OutputItemDone:
        return None
    talk = facts.talk
    if not talk.unmarked or talk.down or not talk.grammar.sane:
        return None
    item = getattr(step.input, "item_id", "")
    if item != talk.last_item or item in talk.cut:
        return None
    return f"{talk.unmarked} bytes of {talk.last_item} have no mark behind them"


# --- The way to the model ----------------------------------------------------------------------------------------


def session_update_is_the_first_message(facts: Facts, effect: effects.SendToModel, step: Step) -> str | None:
    order, talk = order_of(effect), facts.talk
    if talk.configured or order.type == "session.update":
        return None
    return f"{order.type} before session.update{'' if talk.grammar.created else ', and before session.created'}"


def audio_goes_only_to_a_ready_model(facts: Facts, effect: effects.SendAudio, step: Step) -> str | None:
    return None if facts.talk.ready else "SendAudio before the model was configured as asked"


def one_answer_is_ordered_at_a_time(facts: Facts, effect: effects.SendToModel, step: Step) -> str | None:
    if order_of(effect).type != "response.create" or not facts.talk.grammar.sane:
        return None
    return "response.create while another waits for its answer" if facts.talk.creates else None


def _cutting(effect: effects.SendToModel) -> Order | None:
    order = order_of(effect)
    return order if order.type in ("conversation.item.truncate", "conversation.item.delete") else None


def an_item_is_cut_at_most_once(facts: Facts, effect: effects.SendToModel, step: Step) -> str | None:
    order = _cutting(effect)
    if order is None or order.item_id not in facts.talk.cut:
        return None
    return f"{order.type} of {order.item_id} after {facts.talk.cut[order.item_id]}"


def nothing_is_truncated_beyond_what_was_sent(facts: Facts, effect: effects.SendToModel, step: Step) -> str | None:
    order = _cutting(effect)
    if order is None or order.type != "conversation.item.truncate":
        return None
    talk, item = facts.talk, order.item_id
    sent = min(talk.given.get(item, 0), talk.sent.get(item, 0)) / BYTES * 1000
    return None if 0 <= order.audio_end_ms <= sent else f"{item} at {order.audio_end_ms} ms, {sent:.1f} ms were sent"


def the_model_knows_what_the_phone_played(facts: Facts, effect: effects.SendToModel, step: Step) -> str | None:
    """Truncate at what was heard, within 20 ms and a frame; delete only what nobody heard."""
    order, talk = _cutting(effect), facts.talk
    if order is None or not talk.phone.truthful or not talk.grammar.sane:
        return None
    facts.compared += 1
    played = talk.phone.played(order.item_id, step.now)
    if order.type == "conversation.item.delete":
        return f"{order.item_id} deleted, {played:.3f} s of it were heard" if played > HEARD_WITHIN else None
    if abs(played - order.audio_end_ms / 1000) <= HEARD_WITHIN:
        return None
    return f"{order.item_id} truncated at {order.audio_end_ms} ms, the phone played {played * 1000:.0f} ms"


def the_log_knows_what_the_phone_played(facts: Facts, effect: effects.Append, step: Step) -> str | None:
    cut = effect.payload
    if not isinstance(cut, events.AgentInterrupted):
        return None
    talk = facts.talk
    sent = talk.sent.get(cut.item_id, 0) / BYTES
    if cut.heard < 0 or cut.discarded < 0 or cut.heard > sent + 1e-6:
        return f"{cut.item_id}: heard {cut.heard}, discarded {cut.discarded}, sent {sent}"
    if not talk.phone.truthful or not talk.grammar.sane:
        return None
    played = talk.phone.played(cut.item_id, step.now)
    return f"{cut.item_id}: heard {cut.heard}, played {played}" if abs(played - cut.heard) > HEARD_WITHIN else None


# --- The transcript ----------------------------------------------------------------------------------------------


def _final(effect: effects.Append) -> events.TranscriptFinal | None:
    return effect.payload if isinstance(effect.payload, events.TranscriptFinal) else None


def an_item_has_one_transcript(facts: Facts, effect: effects.Append, step: Step) -> str | None:
    final = _final(effect)
    return f"{final.item_id} twice" if final is not None and final.item_id in facts.finals else None


def positions_are_unique(facts: Facts, effect: effects.Append, step: Step) -> str | None:
    final = _final(effect)
    if final is None or (final.position > 0 and final.position not in facts.positions):
        return None
    return f"{final.item_id} at {final.position}, which is taken or no position"


def the_transcript_has_the_models_order(facts: Facts, effect: effects.Append, step: Step) -> str | None:
    final = _final(effect)
    place = facts.order.get(final.item_id) if final is not None else None
    if final is None or place is None:
        return None
    for other in facts.finals.values():
        theirs = facts.order.get(other.item_id)
        if theirs is not None and (theirs < place) != (other.position < final.position):
            return f"{final.item_id} at {final.position}, {other.item_id} at {other.position}"
    return None


def an_answer_never_stands_before_what_it_answers(facts: Facts, effect: effects.Append, step: Step) -> str | None:
    final, grammar = _final(effect), facts.talk.grammar
    if final is None or not grammar.sane:
        return None
    for answer, question in grammar.cause.items():
        if final.item_id not in (answer, question):
            continue
        first = final if question == final.item_id else facts.finals.get(question)
        second = final if answer == final.item_id else facts.finals.get(answer)
        if first is not None and second is not None and second.position < first.position:
            return f"{answer} at {second.position} answers {question} at {first.position}"
    return None


def heard_text_begins_the_text(facts: Facts, effect: effects.Append, step: Step) -> str | None:
    final = _final(effect)
    if final is None:
        return None
    if not final.text or not final.text.startswith(final.heard_text):
        return f"heard {final.heard_text!r} of {final.text!r}"
    whole = final.heard_text == final.text
    return None if whole or final.interrupted else f"{final.item_id} was not interrupted and not heard whole"


def times_run_forward(facts: Facts, effect: effects.Append, step: Step) -> str | None:
    match effect.payload:
        case events.TranscriptFinal(audio_start=start, audio_end=end):
            return f"{start} to {end}" if not 0 <= start <= end else None
        case events.CallClosed(duration, turns):
            return f"{duration} s, {turns} turns" if duration < 0 or turns < 0 else None
        case events.SpeechStarted(at=at) | events.SpeechStopped(at=at):
            return f"at {at}" if at < 0 else None
    return None


# --- At the end --------------------------------------------------------------------------------------------------


def every_call_is_closed_in_the_end(facts: Facts, record: CallRecord) -> str | None:
    return None if facts.closed and record.closed else f"the call is left in {record.state.value}, not closed"


def one_call_ended_one_call_closed_last(facts: Facts, record: CallRecord) -> str | None:
    kinds = [type(payload) for payload in facts.log]
    counts = kinds.count(events.CallEnded), kinds.count(events.CallClosed)
    if counts != (1, 1) or kinds[-1] is not events.CallClosed:
        return f"{counts[0]} call_ended, {counts[1]} call_closed, last is {kinds[-1].__name__ if kinds else 'nothing'}"
    return None


def the_sequence_has_no_gap(facts: Facts, record: CallRecord) -> str | None:
    if record.last_sequence != len(facts.log):
        return f"{len(facts.log)} events, the last has call_sequence {record.last_sequence}"
    return None


def the_row_tells_the_end_as_the_log_does(facts: Facts, record: CallRecord) -> str | None:
    ends = [payload.end for payload in facts.log if isinstance(payload, events.CallEnded)]
    return None if ends == [record.end] and record.state is FINAL else f"{ends} but {record.end}, {record.state.value}"


BY_STEP: tuple[StepRule, ...] = (
    states_move_along_the_table,
    nothing_leads_back_from_ended,
    every_live_state_has_a_deadline,
    an_order_to_end_is_never_forgotten,
    deadlines_move_on,
    an_item_ends_with_a_mark,
)
BY_EFFECT: Mapping[type, tuple[EffectRule, ...]] = {
    effects.Dial: (
        a_call_is_dialled_at_most_once,
        nothing_is_dialled_once_the_end_began,
        what_is_dialled_is_on_record,
    ),
    effects.HangUpLeg: (a_leg_is_hung_up_only_by_order,),
    effects.CloseMedia: (media_is_closed_only_at_the_end,),
    effects.OpenModel: (no_model_is_opened_once_the_end_began,),
    effects.Clear: (clear_has_something_to_clear,),
    effects.Play: (
        nothing_is_played_once_it_was_interrupted,
        audio_is_played_only_while_somebody_hears,
        audio_goes_out_in_whole_frames,
        a_mark_at_least_every_200_ms,
    ),
    effects.Mark: (marks_are_named_once,),
    effects.SendAudio: (audio_goes_only_to_a_ready_model,),
    effects.SendToModel: (
        session_update_is_the_first_message,
        one_answer_is_ordered_at_a_time,
        an_item_is_cut_at_most_once,
        nothing_is_truncated_beyond_what_was_sent,
        the_model_knows_what_the_phone_played,
    ),
}
_BY_PAYLOAD: Mapping[type, tuple[EffectRule, ...]] = {
    events.CallAnswered: (a_call_is_answered_once,),
    events.CallEnding: (
        call_ending_comes_once_and_before_call_ended,
        a_hang_up_by_api_is_canceled_before_the_answer_and_completed_after,
        reasons_have_their_authors,
    ),
    events.CallEnded: (
        call_ended_comes_once,
        the_end_is_what_was_ordered,
        an_end_that_nobody_ordered_is_the_lines_own,
        reasons_have_their_authors,
        expired_calls_were_never_dialled,
    ),
    events.CallClosed: (call_closed_follows_call_ended, times_run_forward),
    events.SpeechStarted: (times_run_forward,),
    events.SpeechStopped: (times_run_forward,),
    events.AgentInterrupted: (the_log_knows_what_the_phone_played,),
    events.TranscriptFinal: (
        an_item_has_one_transcript,
        positions_are_unique,
        the_transcript_has_the_models_order,
        an_answer_never_stands_before_what_it_answers,
        heard_text_begins_the_text,
        times_run_forward,
    ),
}
BY_PAYLOAD: Mapping[type, tuple[EffectRule, ...]] = {
    kind: (nothing_follows_call_closed, *_BY_PAYLOAD.get(kind, ())) for kind in events.Payload.__args__
}
AT_END: tuple[EndRule, ...] = (
    every_call_is_closed_in_the_end,
    one_call_ended_one_call_closed_last,
    the_sequence_has_no_gap,
    the_row_tells_the_end_as_the_log_does,
)
NAMES: frozenset[str] = frozenset(
    rule.__name__ for rules in (BY_STEP, *BY_EFFECT.values(), *BY_PAYLOAD.values(), AT_END) for rule in rules
) | {"machines_never_raise", "the_same_history_has_the_same_effects"}


def rules_on(effect: Any) -> tuple[EffectRule, ...]:
    """What is asked of that order."""
    if type(effect) is effects.Append:
        return BY_PAYLOAD[type(effect.payload)]
    return BY_EFFECT.get(type(effect), ())
