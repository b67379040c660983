"""The state of one call: a table of transitions, and what is ordered on each.

Everything that changes a call's state is in this file. TRANSITIONS, in transitions.py, says what follows from what; a
trigger that a state does not list is late, repeated or out of order, and is ignored. Two rules are not in the table:

1. An order to end is never forgotten: once it is given, a transition to a state before ENDING goes to ENDING instead,
   but for UNCONFIRMED, where there may be nothing to end and nobody to tell.
2. A deadline is a trigger or a question to the carrier, as `_deadline_passed` says; every state that is not final has
   one.

Pure: `handle(input, now)` never awaits and never raises for what a peer sent.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from agenticd.core import inputs
from agenticd.core.effects import (
    Amend,
    Append,
    CloseMedia,
    CloseModel,
    Dial,
    Effect,
    HangUpLeg,
    LookUpCall,
    OpenModel,
    Tell,
)
from agenticd.core.events import (
    CallAnswered,
    CallClosed,
    CallDialing,
    CallEnd,
    CallEnded,
    CallEnding,
    CallQueued,
    CallRecord,
    CallRinging,
    CallState,
    Direction,
    EndedBy,
    EndReason,
    MediaConnected,
    MediaLost,
    ModelLost,
    Usage,
    Warning,
)
from agenticd.core.transitions import ENDS, STATUSES
from agenticd.core.transitions import TRANSITIONS as TRANSITIONS
from agenticd.core.transitions import Trigger as Trigger

DIAL_ANSWER = 20.0
"""Seconds for the carrier to answer the order to dial; the adapter gives up earlier."""
RING_GRACE = 30.0
"""Seconds after the ring timeout when the carrier, which should have said something, is asked."""
ASK_AGAIN = 15.0
LOOK_UPS: Sequence[float] = (2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 80.0)
"""Seconds after an unanswered order to dial when the call is looked for."""
LOOK_EVERY, LOOK_OVERDUE = 30.0, 60.0
"""Seconds between two looks after those; and when the call would be given up if only the carrier could be asked."""
UNCONFIRMED_GRACE = 90.0
"""Seconds after the ring timeout when an unconfirmed call is given up."""
LEAST_LOOK_UPS = 3
"""So many look-ups that the carrier answered it takes to say that a call was never seen, however long nobody looked;
and one of them when it cannot ring any more, because the carrier's list of calls is late."""
LONGEST_SEARCH = 900.0
"""Seconds after which a call is given up that the carrier could not be asked about."""
RECOVERY_ASK = 10.0
"""Seconds that the carrier has, after a restart, to say what became of a call, before its end is ordered."""
MEDIA_PATIENCE = 15.0
"""Seconds that an answered call may be without a media stream."""
MEDIA_ASK = 3.0
HANG_UP_AGAIN = (3.0, 5.0, 10.0, 20.0, 30.0)
"""Seconds between orders to end the leg, until the carrier confirms."""
WORDS_WITHIN, SECONDS_A_LETTER = 10.0, 0.1
"""Seconds that the carrier has to say the last words and end the leg: some, and more for each letter."""
CLOSE_WITHIN = 10.0
LAST_CALL_WITHIN = 1.0

_OUR_FAULT = frozenset({EndReason.MODEL_LOST, EndReason.MEDIA_LOST, EndReason.DRAINED, EndReason.NODE_LOST})
_BEFORE_ENDING = frozenset({CallState.DIALING, CallState.RINGING, CallState.IN_PROGRESS})


class CallMachine:
    """The states of one call, from QUEUED (or RINGING, when a phone called) to closed."""

    def __init__(self, record: CallRecord, answered_at: float | None = None) -> None:
        self.state = record.state
        self.closed = record.closed
        self.attempt = record.attempt
        self.carrier_call_id = record.carrier_call_id
        self._record = record
        self._ordered = record.ending
        self._silent = False
        """The end that was ordered leaves no time for words."""
        self._answered = record.answer_time is not None
        self._answered_at = answered_at
        self._ended_at: float | None = None
        self._dialed_at: float | None = None
        self._stream: str | None = None
        self._without_media: float | None = None
        """Since when an answered call has been without a media stream."""
        self._model_wanted = False
        self._told_down = False
        self._questions = 0
        self._not_seen = 0
        """Look-ups that the carrier answered, and that did not find the call."""
        self._looked_late = False
        """One of them was when it could not ring any more."""
        self._search_until: float | None = None
        self._due: float | None = None
        self._limit: float | None = None
        self._settled: inputs.TalkSettled | None = None
        self._last_call = False
        self._words_wait = False
        """The last words are for when the carrier asks."""
        self._words_until: float | None = None
        """When the carrier, which says the last words and ends the leg, must be done."""
        self._orphaned: float | None = None
        """It lived when the daemon went down; until when the carrier has to say whether it still does."""
        self._unwatched = False
        """The daemon was away, and nothing has come of the call since that shows it held here: if it ends, nobody
        knows who ended it."""

    def deadline(self) -> float | None:
        """When to feed DeadlinePassed. None only when the call is closed, or before its first input."""
        if self._due is None or self._limit is None:
            return self._due if self._limit is None else self._limit
        return min(self._due, self._limit)

    @property
    def wants_stream(self) -> bool:
        """Whether the carrier, when it asks, is to open a media stream: the call is answered, or answered thereby."""
        if self._orphaned is not None:
            return False
        if self.state is CallState.RINGING:
            return self._record.direction is Direction.INBOUND
        return self.state is CallState.IN_PROGRESS

    def handle(self, input: inputs.Input, now: float) -> list[Effect]:
        """What follows from what happened."""
        match input:
            case inputs.DeadlinePassed():
                return self._deadline_passed(now)
            case inputs.StatusReported():
                return self._status(input, now)
            case inputs.VoiceRequested(carrier_call_id):
                return self._voice_requested(carrier_call_id, now)
            case inputs.MediaStarted(stream_id, attempt):
                return self._media_started(stream_id, attempt, now)
            case inputs.MediaClosed():
                return self._media_closed(input, now)
            case inputs.CallPlaced():
                return self._placed(now)
            case inputs.CallArrived():
                return self._arrived(now)
            case inputs.DialGranted(age):
                return self._granted(age, now)
            case inputs.DialAnswered(carrier_call_id, status):
                return self._seen(carrier_call_id, status, now)
            case inputs.CallSeen(carrier_call_id, status):
                return self._seen(carrier_call_id, status, now) + self._end_orphan(now)
            case inputs.DialRefused(code, message, reason):
                end = CallEnd(reason, EndedBy.CARRIER, carrier_code=code, message=message)
                return self._fire(Trigger.REFUSED, now, self._ordered_or(end))
            case inputs.DialUnanswered(what):
                return [] if self.carrier_call_id else self._unanswered(what, now)
            case inputs.CallNotSeen(sure):
                if sure:
                    return self._line_gone(now)
                self._not_seen += 1
                self._looked_late = self._looked_late or now >= self._rung_out(now)
                return []
            case inputs.HangUpRequested(reason, by, message, at_once):
                return self._order_end(reason, by, message, now, at_once=at_once)
            case inputs.LegHungUp(status):
                return self._leg_hung_up(status, now)
            case inputs.ModelClosed(code, message):
                return self._model_closed(code, message, now)
            case inputs.TalkSettled():
                self._settled = input
                return self._close(now) if self.state is CallState.ENDED else [CloseModel()]
            case inputs.LegHangUpFailed():
                return self._let_go_of_media()
            case inputs.CallRecovered(age):
                return self._recovered(age, now)
            case _:
                return []

    # What happened, as triggers.

    def _placed(self, now: float) -> list[Effect]:
        record = self._record
        self._due = now + record.options.queue_timeout
        dial_before = record.create_time + record.options.queue_timeout
        return [Append(CallQueued(record.direction, record.from_address, record.to_address, record.agent, dial_before))]

    def _granted(self, age: float, now: float) -> list[Effect]:
        # Of a machine that slept the monotonic clock, by which deadlines pass, knows nothing.
        late = (self._due is not None and now >= self._due) or age >= self._record.options.queue_timeout
        return self._expired(now) if late else self._fire(Trigger.GRANTED, now)

    def _expired(self, now: float) -> list[Effect]:
        end = CallEnd(EndReason.EXPIRED, EndedBy.DAEMON, message="it was not dialled in time")
        return self._fire(Trigger.EXPIRED, now, end)

    def _arrived(self, now: float) -> list[Effect]:
        if self.state is not CallState.RINGING:
            return []
        if self._orphaned is not None:
            return self._end_orphan(now)
        effects = [] if self.attempt else self._ringing(now)
        self.attempt += 1
        # The carrier tells nothing of this call by itself: without a media stream it is asked.
        self._due = now + MEDIA_PATIENCE
        return [*effects, Amend(attempt=self.attempt)]

    def _status(self, input: inputs.StatusReported, now: float) -> list[Effect]:
        trigger = STATUSES.get(input.status)
        if trigger is None or not input.carrier_call_id:
            return []
        if self.carrier_call_id and input.carrier_call_id != self.carrier_call_id:
            return []  # another call of the carrier's, however it came to be taken for this one
        effects = self._learn(input.carrier_call_id)
        end = self._end_of(input.status, input.carrier_code, input.sip_code, input.message)
        return effects + self._fire(trigger, now, end)

    def _seen(self, carrier_call_id: str, status: str, now: float) -> list[Effect]:
        return self._status(inputs.StatusReported(carrier_call_id, status, 0), now)

    @property
    def last_words(self) -> str:
        """What the carrier, when it asks what to do with a call that is ending, is to say before it hangs up."""
        return self._apology() if self.state is CallState.ENDING and self._words_until is not None else ""

    def _voice_requested(self, carrier_call_id: str, now: float) -> list[Effect]:
        if not carrier_call_id:
            return []
        self._words_wait, self._unwatched = False, False  # it is told them now, and held from here on
        effects = self._learn(carrier_call_id) + self._fire(Trigger.ANSWERED, now)
        if self._orphaned is not None:  # who asks how the call goes on says that it lives
            return effects + self._end_orphan(now)
        if self.state is CallState.IN_PROGRESS:
            self.attempt += 1
            effects.append(Amend(attempt=self.attempt))
        return effects

    def _media_started(self, stream_id: str, attempt: int, now: float) -> list[Effect]:
        effects = self._fire(Trigger.ANSWERED, now) + self._end_orphan(now)
        if self.state is not CallState.IN_PROGRESS:
            return effects
        self._unwatched = False
        self._stream, self._without_media, self._due = stream_id, None, None
        return [*effects, Append(MediaConnected(stream_id, attempt))]

    def _media_closed(self, input: inputs.MediaClosed, now: float) -> list[Effect]:
        if input.stream_id != self._stream:
            return []
        self._stream = None
        if self.state is not CallState.IN_PROGRESS:
            return []
        # Whether the call is over is not the socket's to say: the status follows, or the carrier is asked; at once
        # where no status callback was ordered.
        inbound = self._record.direction is Direction.INBOUND
        self._without_media, self._due = now, now if inbound else now + MEDIA_ASK
        return [] if input.stopped else [Append(MediaLost(input.stream_id, input.message))]

    def _unanswered(self, what: str, now: float) -> list[Effect]:
        effects = self._fire(Trigger.UNANSWERED, now)
        if not effects:
            return []
        text = f"Twilio did not answer the order to dial ({what}); the call is looked for and not dialled again"
        return [Append(Warning("DIAL_UNANSWERED", text)), *effects]

    def _order_end(
        self, reason: EndReason, by: EndedBy, message: str, now: float, *, at_once: bool = False
    ) -> list[Effect]:
        if self._ordered is not None or self.state is CallState.ENDED:
            # The end is on its way already; but who wants it at once need not wait for the last words.
            return self._hang_up(now) if self._words_until is not None else []
        if by is EndedBy.API and not self._answered:
            reason = EndReason.CANCELED
        self._ordered, self._silent = CallEnding(reason, by, message), at_once
        end = CallEnd(reason, by, message=message)
        return [Append(self._ordered), *self._fire(Trigger.ORDERED, now, end)]

    def _leg_hung_up(self, status: str | None, now: float) -> list[Effect]:
        if status is not None:
            trigger = STATUSES.get(status)
            if trigger is Trigger.LINE_DOWN:
                return self._fire(trigger, now, self._end_of(status))
            return self._let_go_of_media()
        return self._line_gone(now)

    def _let_go_of_media(self) -> list[Effect]:
        """The order went to the carrier; now, or if it cannot be heard, nobody is to hang on a dead line."""
        return [CloseMedia()] if self.state is CallState.ENDING else []

    def _line_gone(self, now: float) -> list[Effect]:
        end = CallEnd(EndReason.FAILED, EndedBy.CARRIER, message="the carrier no longer knows the call")
        return self._fire(Trigger.LINE_DOWN, now, self._ordered_or(end))

    def _model_closed(self, code: int, message: str, now: float) -> list[Effect]:
        self._model_wanted = False
        if self.state not in (CallState.RINGING, CallState.IN_PROGRESS) or self._ordered is not None:
            return []
        lost = Append(ModelLost(str(code), message))
        return [lost, *self._order_end(EndReason.MODEL_LOST, EndedBy.DAEMON, message, now)]

    def _recovered(self, age: float, now: float) -> list[Effect]:
        """After a restart: queued calls go on waiting, an order to dial without an answer is looked for, and what
        lived is ended, because nobody holds it any more."""
        record, self._dialed_at = self._record, now
        self._unwatched = self.state is not CallState.QUEUED
        if record.dial_time is not None:
            self._dialed_at = now - max(0.0, age - (record.dial_time - record.create_time))
        match self.state:
            case CallState.QUEUED:
                self._due = now + self._record.options.queue_timeout - age
                return self._deadline_passed(now)
            case CallState.DIALING | CallState.UNCONFIRMED if not self.carrier_call_id:
                self.state = CallState.DIALING
                return self._unanswered("the daemon was restarted", now)
            case CallState.ENDED:
                self._due = now
                return []
            case CallState.ENDING if not self.carrier_call_id and record.dial_time is None:
                # It was hung up while it waited for its turn.
                end = CallEnd(EndReason.CANCELED, EndedBy.API)
                return self._fire(Trigger.REFUSED, now, self._ordered_or(end))
            case CallState.ENDING if not self.carrier_call_id:
                return self._unanswered("the daemon was restarted", now)
            case CallState.ENDING:
                return self._hang_up(now)
            case _:
                # It may have ended meanwhile, and then the carrier knows how.
                self._orphaned, self._due = now + RECOVERY_ASK, now + MEDIA_ASK
                return [LookUpCall()]

    def _end_orphan(self, now: float) -> list[Effect]:
        """A call that outlived its daemon is ended: nobody holds its conversation any more."""
        orphaned, self._orphaned = self._orphaned, None
        if orphaned is None:
            return []
        message = "the daemon was restarted during the call"
        return self._order_end(EndReason.NODE_LOST, EndedBy.DAEMON, message, now)

    # Time.

    def _deadline_passed(self, now: float) -> list[Effect]:
        if self._limit is not None and now >= self._limit:
            self._limit = None
            return self._order_end(EndReason.MAX_DURATION, EndedBy.DAEMON, "the longest duration is reached", now)
        if self._due is None or now < self._due:
            return []
        if self._orphaned is not None and self.state in _BEFORE_ENDING:
            if now >= self._orphaned:
                return self._end_orphan(now)
            self._due = min(now + MEDIA_ASK, self._orphaned)
            return [LookUpCall()]
        match self.state:
            case CallState.QUEUED:
                return self._expired(now)
            case CallState.DIALING if not self.carrier_call_id:
                return self._unanswered("no answer in time", now)
            case CallState.DIALING | CallState.RINGING:
                self._due = now + ASK_AGAIN
                return [LookUpCall()]
            case CallState.UNCONFIRMED:
                return self._look_again(now)
            case CallState.IN_PROGRESS:
                return self._media_overdue(now)
            case CallState.ENDING if not self.carrier_call_id:
                return self._unanswered("no answer in time", now)
            case CallState.ENDING if self._words_until is not None and now < self._words_until:
                # Of an inbound call's end nobody tells; and callbacks get lost.
                self._due = min(now + MEDIA_ASK, self._words_until)
                waited, self._words_wait = self._words_wait, False
                return [HangUpLeg(True, self._apology())] if waited else [LookUpCall()]
            case CallState.ENDING:
                return self._hang_up(now)
            case CallState.ENDED if self._settled is None and not self._last_call:
                self._last_call, self._due = True, now + LAST_CALL_WITHIN
                return [Tell(inputs.LastCall())]
            case CallState.ENDED:
                return self._close(now)

    def _look_again(self, now: float) -> list[Effect]:
        overdue = now >= self._rung_out(now) + UNCONFIRMED_GRACE
        looked = self._looked_late and self._not_seen >= LEAST_LOOK_UPS
        if self._search_until is None:
            self._search_until = now + LONGEST_SEARCH
        if overdue and (looked or now >= self._search_until):
            message = "the call was never seen" if looked else "Twilio could not be asked whether it dialled"
            end = CallEnd(EndReason.DIAL_UNCONFIRMED, EndedBy.DAEMON, message=message)
            return self._fire(Trigger.GAVE_UP, now, end)
        self._questions += 1
        steps = LOOK_UPS[self._questions : self._questions + 1]
        every = LOOK_OVERDUE if overdue else LOOK_EVERY
        self._due = now + (steps[0] - LOOK_UPS[self._questions - 1] if steps else every)
        return [LookUpCall()]

    def _rung_out(self, now: float) -> float:
        """When the order to dial was given so long ago that no phone rings of it any more."""
        asked = self._dialed_at if self._dialed_at is not None else now
        return asked + self._record.options.ring_timeout

    def _media_overdue(self, now: float) -> list[Effect]:
        since = self._without_media
        if since is None:
            self._due = None
            return []
        if now >= since + MEDIA_PATIENCE:
            return self._order_end(EndReason.MEDIA_LOST, EndedBy.DAEMON, "no media stream came", now)
        self._due = now + MEDIA_ASK
        return [LookUpCall()]

    # Transitions.

    def _fire(self, trigger: Trigger, now: float, end: CallEnd | None = None) -> list[Effect]:
        target = TRANSITIONS[self.state].get(trigger)
        if target is None:
            return []
        if self._ordered is not None and target in _BEFORE_ENDING:
            target = CallState.ENDING
        previous, self.state = self.state, target
        match target:
            case CallState.DIALING:
                return self._dialing(previous, now)
            case CallState.UNCONFIRMED:
                return self._unconfirmed(previous, now)
            case CallState.RINGING:
                return self._ringing(now)
            case CallState.IN_PROGRESS:
                return self._in_progress(now)
            case CallState.ENDING:
                return self._ending(previous, trigger, now)
            case CallState.ENDED:
                assert end is not None, trigger
                return self._ended(end, now)
            case CallState.QUEUED:
                raise AssertionError("nothing leads back to the queue")

    def _dialing(self, previous: CallState, now: float) -> list[Effect]:
        if previous is CallState.QUEUED:
            self._dialed_at, self._due = now, now + DIAL_ANSWER
            return [Append(CallDialing()), Dial()]
        self._due = now + self._record.options.ring_timeout + RING_GRACE
        return [Amend(state=CallState.DIALING)] if previous is CallState.UNCONFIRMED else []

    def _unconfirmed(self, previous: CallState, now: float) -> list[Effect]:
        if previous is not CallState.UNCONFIRMED:
            self._questions, self._due = 0, now + LOOK_UPS[0]
            self._not_seen, self._looked_late, self._search_until = 0, False, None
        # After the event of an order to end, which reads as ENDING, the row must say what is true.
        return [Amend(state=CallState.UNCONFIRMED)]

    def _ringing(self, now: float) -> list[Effect]:
        record = self._record
        self._due = now + record.options.ring_timeout + RING_GRACE
        ringing = CallRinging(
            record.direction, record.from_address, record.to_address, record.agent, self.carrier_call_id
        )
        return [Append(ringing), *self._want_model()]

    def _in_progress(self, now: float) -> list[Effect]:
        self._answered, self._answered_at, self._without_media = True, now, now
        self._due = now + MEDIA_ASK
        self._limit = now + self._record.options.max_duration
        return [Append(CallAnswered(self.carrier_call_id)), *self._want_model(), Tell(inputs.LineWentUp())]

    def _ending(self, previous: CallState, trigger: Trigger, now: float) -> list[Effect]:
        self._limit = None
        if trigger is Trigger.ANSWERED:
            self._answered = True
        if previous is CallState.UNCONFIRMED:
            return [Amend(state=CallState.ENDING), *self._hang_up(now)]
        if previous is CallState.ENDING:
            late = trigger is Trigger.RINGING or self._words_until is not None
            return [] if late else self._hang_up(now)
        self._questions = 0
        return [*self._tell_down(), *self._hang_up(now, self._apology())]

    def _ended(self, end: CallEnd, now: float) -> list[Effect]:
        self._ended_at, self._limit, self._due, self._words_until = now, None, now + CLOSE_WITHIN, None
        effects: list[Effect] = [Append(CallEnded(end)), CloseMedia(), *self._tell_down()]
        return effects + (self._close(now) if self._settled is not None else [])

    def _close(self, now: float) -> list[Effect]:
        if self.closed:
            return []
        self.closed, self._due = True, None
        settled = self._settled or inputs.TalkSettled(0, Usage())
        # What was before a restart is in the row.
        turns, usage = self._record.turns + settled.turns, self._record.usage + settled.usage
        return [CloseModel(), Append(CallClosed(self._duration(), turns, usage))]

    def _duration(self) -> float:
        """Seconds from answer to end; of a call that had ended before a restart, by the clock on the wall."""
        begin, end = self._answered_at, self._ended_at
        if end is None:
            begin, end = self._record.answer_time, self._record.end_time
        return max(0.0, end - begin) if begin is not None and end is not None else 0.0

    # Small help.

    def _learn(self, carrier_call_id: str) -> list[Effect]:
        if self.carrier_call_id or not carrier_call_id or self.state is CallState.ENDED:
            return []
        self.carrier_call_id = carrier_call_id
        return [Amend(carrier_call_id=carrier_call_id)]

    def _hang_up(self, now: float, words: str = "") -> list[Effect]:
        """Order the leg's end, again and again until the carrier confirms; without its id only wait for it."""
        if not self.carrier_call_id:
            self._due = now + DIAL_ANSWER
            return []
        if words:
            self._words_until = now + WORDS_WITHIN + len(words) * SECONDS_A_LETTER
            self._due = now + MEDIA_ASK
            # A call that came in, and whose stream did not: the carrier is about to ask, and refuses orders until then.
            self._words_wait = not self._answered
            return [] if self._words_wait else [HangUpLeg(True, words)]
        self._words_until = None
        self._due = now + HANG_UP_AGAIN[min(self._questions, len(HANG_UP_AGAIN) - 1)]
        self._questions += 1
        return [HangUpLeg(self._answered)]

    def _apology(self) -> str:
        """What the carrier says to a person on the line whose agent falls silent for a reason of ours."""
        # A phone that called us is on the line from the first webhook's answer on.
        on_line = self._answered or self._record.direction is Direction.INBOUND
        ours = self._ordered is not None and self._ordered.reason in _OUR_FAULT and not self._silent
        return self._record.brief.apology if ours and on_line else ""

    def _want_model(self) -> list[Effect]:
        if self._model_wanted or self._orphaned is not None:  # whom nobody holds any more is hung up
            return []
        self._model_wanted = True
        return [OpenModel()]

    def _tell_down(self) -> list[Effect]:
        if self._told_down:
            return []
        self._told_down = True
        return [Tell(inputs.LineWentDown())]

    def _end_of(self, status: str, carrier_code: int = 0, sip_code: int = 0, message: str = "") -> CallEnd | None:
        if status not in ENDS:
            return None
        reason, by = ENDS[status]
        if self._unwatched and by is EndedBy.CALLER:
            by, message = EndedBy.CARRIER, "it ended while the daemon was away"
        end = CallEnd(reason, by, carrier_code, sip_code, message)
        # Busy, no answer and failed are the carrier's to tell, even when the end was ordered in the same moment.
        return self._ordered_or(end) if status in ("completed", "canceled") else end

    def _ordered_or(self, end: CallEnd) -> CallEnd:
        if self._ordered is None:
            return end
        return replace(end, reason=self._ordered.reason, ended_by=self._ordered.by, message=self._ordered.message)
