"""Who speaks: the conversation between the phone and the model, barge-in, and what was heard of each utterance.

The machine of the media path. Audio passes through it as text; what it decides is when the phone's buffer is cleared,
what the model must forget because nobody heard it, and which words go on record. The call's states are none of its
business (core/call.py). Pure: `handle(input, now)` never awaits and never raises for what a peer sent.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, get_args

from agenticd.core import events, inputs, realtime
from agenticd.core.answers import ALREADY_ACTIVE, ORDER_ID, Answers
from agenticd.core.caller import Caller
from agenticd.core.conversation import Conversation, Utterance
from agenticd.core.effects import Append, Effect, SendToModel, Show, Tell
from agenticd.core.events import AgentBrief, EndedBy, EndReason, Speaker, Usage
from agenticd.core.keypad import Keypad
from agenticd.core.mediastream import DigitPressed, MarkEchoed, MediaReceived
from agenticd.core.silence import Silence, Verdict
from agenticd.core.voice import Voice

LAST_WORDS = 5.0
"""Seconds that the words spoken last may take to arrive after the line went down."""
STALLED_AFTER = 30.0
"""Seconds in which a model that has begun to answer, or was asked to, must make the next sound."""
READY_WITHIN = 10.0
"""Seconds from the answer in which the model must be ready: nobody listens to silence for longer."""
LEAVE_WITHIN = 10.0
"""Seconds after its time when a goodbye counts as heard, whatever the phone's line does."""
MARK_GRACE = 2.0
"""Seconds after which an utterance counts as played although its last mark was not echoed."""
_WARNINGS_OF_A_KIND = 5
_LONGEST = 256
"""Letters of a text that a peer had a part in."""
# What the model answers to orders that crossed with its own doing: nothing is wrong.
_HARMLESS = frozenset({"response_cancel_not_active", ALREADY_ACTIVE, "input_audio_buffer_commit_empty"})
END_CALL = realtime.Tool(
    "end_call",
    "End this phone call. Say goodbye first, in the same answer; the call ends when that has been heard.",
)
CHECK_IN = (
    "The caller has said nothing for a while. Ask in one short sentence, in the language of this conversation, "
    "whether they are still there. Say nothing else."
)
_FORMATS = {"pcmu": "audio/pcmu", "pcm24": "audio/pcm"}
# What a server says before it has taken its settings is not about this call: nothing was sent that it could be about.
_TALK = frozenset(get_args(realtime.ServerEvent)) - {
    realtime.SessionCreated,
    realtime.SessionUpdated,
    realtime.ModelFault,
}
_KEYS = "keys-"
"""What the ids of items begin with that tell the model of keys: no utterances."""


class Phase(enum.Enum):
    """Where the talk stands: before the answer, during the call, waiting for the last words, all on record."""

    WAITING = "waiting"
    TALKING = "talking"
    LEAVING = "leaving"
    SETTLED = "settled"


class Turn:
    """The talk of one call."""

    def __init__(self, brief: AgentBrief, leg_id: str) -> None:
        self.phase = Phase.WAITING
        self._brief = brief
        self._protected = brief.protect_greeting and bool(brief.greeting)
        """Nobody can interrupt: the greeting has not been heard to its end."""
        self._deciding = self._protected or brief.min_interruption > 0
        """Who interrupts, and when the model answers, is decided here; else by the model, which is quicker."""
        self._settings = realtime.SessionSettings(
            instructions=brief.instructions,
            voice=brief.voice,
            audio=brief.audio,
            transcription_model=brief.transcription_model,
            language=brief.language,
            interrupt_response=not self._deciding,
            create_response=not self._deciding,
            tools=(END_CALL,),
        )
        self._answers = Answers()
        self._silence = Silence(brief.check_in_after, brief.hang_up_after)
        self._keypad = Keypad()
        self._conversation = Conversation(leg_id)
        self._voice = Voice(self._conversation, brief.audio)
        self._caller = Caller(brief, self._conversation, self._voice)
        self._configured = self._ready = False
        """The model was sent its settings; it has taken them."""
        self._stream: str | None = None
        """The media stream that there is now."""
        self._greeted = not brief.greeting
        self._ready_due: float | None = None
        self._farewell = False
        """The agent wants to end the call when all that it said has been heard."""
        self._reminded = False
        """It wanted to end the call without a word to the caller, and was told to say goodbye."""
        self._leave_by: float | None = None
        """When it ends although the phone has not confirmed that."""
        self._turns = 0
        self._warned: dict[str, int] = {}
        self._now = 0.0
        self._deadline: float | None = None

    def deadline(self) -> float | None:
        """When to feed DeadlinePassed."""
        now = self._now
        keys = self._keypad.due if self._ready else None
        dues = (self._deadline, self._ready_due, keys, self._silence_due(now), self._stalled_due(now))
        return min((due for due in dues if due is not None), default=None)

    @property
    def _over(self) -> bool:
        """Nobody is on the line any more: only what was said before is still of interest."""
        return self.phase is Phase.LEAVING or self.phase is Phase.SETTLED

    def handle(self, input: inputs.Input, now: float) -> list[Effect]:
        """What follows from what happened."""
        kind = type(input)
        handler = self._HANDLERS.get(kind)
        if handler is None or (not self._ready and kind in _TALK):
            return []
        self._now = now
        return handler(self, input, now)

    @property
    def dropped(self) -> int:
        """Frames of the caller that no model was ready for."""
        return self._caller.hearing.dropped

    def unplayed(self, now: float) -> float:
        """Seconds of the agent's voice that were sent and that the phone has not played."""
        return max(0.0, self._voice.until(now) - now)

    # The phone.

    def _media_received(self, input: MediaReceived, now: float) -> list[Effect]:
        if self._over:
            return []
        if not self._ready:
            self._caller.hearing.keep(input.payload, now)
            return []
        audio, meant = self._caller.hear(input, now)
        return [audio, *self._interrupt(now)] if meant else [audio]

    def _mark_echoed(self, input: MarkEchoed, now: float) -> list[Effect]:
        if not self._voice.echoed(input.name, now):
            return []
        return self._settle_heard(now) + self._leave_when_heard(now)

    def _media_held(self, input: inputs.MediaHeld, now: float) -> list[Effect]:
        self._voice.hold(input.size, now)
        return []

    def _digit_pressed(self, input: DigitPressed, now: float) -> list[Effect]:
        if self.phase is not Phase.TALKING:
            return []
        self._silence.sign(now)
        if self._brief.digits_to_model:
            self._keypad.press(input.digit, now)
            self._farewell = False  # what they type is for somebody
        return [Append(events.DigitReceived(input.digit))]

    def _media_started(self, input: inputs.MediaStarted, now: float) -> list[Effect]:
        effects = self._lose_stream(now) if self._stream is not None else []
        self._stream = input.stream_id
        self._silence.sign(now)
        return effects + self._greet(now)

    def _media_closed(self, input: inputs.MediaClosed, now: float) -> list[Effect]:
        return self._lose_stream(now) if input.stream_id == self._stream else []

    def _lose_stream(self, now: float) -> list[Effect]:
        """The phone's buffer is gone with its stream: what was not played of it will never be."""
        self._stream = None
        self._voice.lose(now)
        if self._over:
            return []
        effects, _ = self._voice.cut_short(now)
        if not self._voice.heard_any:
            self._greeted = not self._brief.greeting
        return effects + self._settle_heard(now)

    # The model's session.

    def _session_created(self, input: realtime.SessionCreated, now: float) -> list[Effect]:
        self._configured = True
        return [SendToModel(realtime.encode_session_update(self._settings))]

    def _session_updated(self, input: realtime.SessionUpdated, now: float) -> list[Effect]:
        if self._over or not self._configured:
            return []
        wanted = _FORMATS[self._brief.audio]
        if input.input_format != wanted or input.output_format != wanted:
            message = f"the model speaks {input.output_format} and hears {input.input_format}, not {wanted}"
            return self._give_up("FORMAT", message)
        if self._ready:
            self._deciding = not self._settings.interrupt_response
            return []
        self._ready, self._ready_due = True, None
        connected = Append(events.ModelConnected(input.model, input.session_id))
        return [connected, *self._caller.hearing.release(), *self._greet(now)]

    def _greet(self, now: float) -> list[Effect]:
        if self._greeted or self._over or not self._ready or self._stream is None:
            return []
        self._greeted = True
        return self._answers.order(now, _exactly(self._brief.greeting))

    def _model_closed(self, input: inputs.ModelClosed, now: float) -> list[Effect]:
        self._ready, self._ready_due = False, None
        return self._settle(now) if self.phase is Phase.LEAVING else []

    def _fault(self, input: realtime.ModelFault, now: float) -> list[Effect]:
        effects: list[Effect] = []
        if input.event_id == ORDER_ID:
            again = self._answers.refused(input.code, now)
            if again is None:
                return self._give_up(input.code or input.kind, "the model refuses to answer")
            effects += again
        if input.code in _HARMLESS:
            return effects
        # In “ ”, as a peer's words: it names a field of ours, or whatever the peer puts there.
        what = f"{input.code or input.kind}{f' “{input.param}”' if input.param else ''}"
        if not self._ready and not self._over:
            # Nothing but the settings was sent, and without them it would stay silent.
            return self._give_up(input.code or input.kind, f"the model refused its settings with the error {what}")
        return effects + self._warn("MODEL_ERROR", f"the model answered with the error {what}")

    # The caller speaks.

    def _speech_started(self, input: realtime.SpeechStarted, now: float) -> list[Effect]:
        if self._over:
            return []
        # OpenAI: the start is early by the padding that it puts before speech, the end late by the silence it awaits.
        event, meant = self._caller.begins(input.item_id, input.audio_start_ms + self._settings.prefix_padding_ms, now)
        self._answers.hold()
        return [*(self._interrupt(now) if meant else []), event]

    def _speech_stopped(self, input: realtime.SpeechStopped, now: float) -> list[Effect]:
        self._silence.sign(now)
        if self._over:
            self._caller.speaking = None
            return []
        end_ms = input.audio_end_ms - self._settings.silence_duration_ms
        event, ignored = self._caller.stops(input.item_id, end_ms, now, over_agent=self._stoppable(now))
        effects = [event, *self._answers.release(now, answered=not ignored)]
        return effects + self._leave_when_heard(now)

    def _input_committed(self, input: realtime.InputCommitted, now: float) -> list[Effect]:
        undone = self._caller.committed(input.item_id)
        if undone is not None:
            return undone
        return self._answers.order(now) if self._deciding and not self._over else []

    def _caller_words(self, input: realtime.InputTranscriptDelta, now: float) -> list[Effect]:
        return self._words(input.item_id, Speaker.CALLER, input.delta)

    def _caller_done(self, input: realtime.InputTranscriptDone, now: float) -> list[Effect]:
        return self._caller.done(input.item_id, input.transcript) + self._settle_if_done(now)

    def _caller_failed(self, input: realtime.InputTranscriptFailed, now: float) -> list[Effect]:
        if not self._caller.failed(input.item_id):
            return []
        warning = self._warn("TRANSCRIPTION_FAILED", "an utterance of the caller could not be transcribed")
        return warning + self._settle_if_done(now)

    # The agent speaks.

    def _item_added(self, input: realtime.ItemAdded, now: float) -> list[Effect]:
        speaker = {"user": Speaker.CALLER, "assistant": Speaker.AGENT}.get(input.role)
        if input.kind != "message" or speaker is None or input.item_id.startswith(_KEYS):
            return []
        if not (self._over and speaker is Speaker.AGENT):
            utterance = self._conversation.utterance(input.item_id, speaker)
            if utterance is not None:
                self._conversation.place(utterance)
        return []

    def _response_created(self, input: realtime.ResponseCreated, now: float) -> list[Effect]:
        return self._answers.began(input.response_id, now)

    def _audio_delta(self, input: realtime.AudioDelta, now: float) -> list[Effect]:
        utterance = self._agent_utterance(input.item_id)
        if utterance is None:
            return []
        self._caller.answered = True
        first = not utterance.spoken
        if self._stream is None or input.response_id == self._answers.muted:
            utterance.interrupted = True
        effects = self._voice.say(utterance, input.delta, now)
        if effects is None:
            return self._warn("MODEL_AUDIO", "the model sent audio that is no base64")
        if first and not utterance.interrupted and self._caller.asked is not None:
            effects.append(self._measure(input.item_id, *self._caller.asked, now))
        return effects

    def _agent_utterance(self, item_id: str) -> Utterance | None:
        """What the agent says on the line; None: it is on record, or the caller's, or nobody is there to hear it."""
        utterance = None if self._over else self._conversation.utterance(item_id, Speaker.AGENT)
        return utterance if utterance is not None and utterance.speaker is Speaker.AGENT else None

    def _measure(self, item_id: str, ended: float, told: float, now: float) -> Effect:
        self._caller.asked = None
        self._turns += 1
        return Append(events.TurnMeasured(item_id, now - ended, told - ended, now - told))

    def _audio_done(self, input: realtime.AudioDone, now: float) -> list[Effect]:
        utterance = self._conversation.find(input.item_id)
        if utterance is None or utterance.speaker is Speaker.CALLER:
            return []
        effects = self._voice.finish_audio(utterance, now)
        if not utterance.interrupted and self.phase is Phase.TALKING:
            self._deadline = self._voice.until(now) + MARK_GRACE
        return effects

    def _agent_words(self, input: realtime.OutputTranscriptDelta, now: float) -> list[Effect]:
        return [] if self._over else self._words(input.item_id, Speaker.AGENT, input.delta)

    def _agent_done(self, input: realtime.OutputTranscriptDone, now: float) -> list[Effect]:
        utterance = self._agent_utterance(input.item_id)
        if utterance is None:
            return []
        if input.transcript:
            utterance.replace(input.transcript)
        return []

    def _item_done(self, input: realtime.OutputItemDone, now: float) -> list[Effect]:
        utterance = self._conversation.find(input.item_id)
        if utterance is None or self._over or utterance.speaker is Speaker.CALLER:
            return []
        utterance.whole = True
        if input.response_id == self._answers.muted and not utterance.spoken:
            utterance.interrupted = True
        effects = self._voice.finish_audio(utterance, now)
        if utterance.interrupted:
            effects += self._voice.unsay(utterance)
        return effects + self._settle_heard(now)

    def _response_done(self, input: realtime.ResponseDone, now: float) -> list[Effect]:
        effects = self._answers.done(input.response_id, input.usage, now)
        if input.usage != Usage():
            effects.append(Append(events.UsageReported(input.response_id, input.usage)))
        if self.phase is Phase.SETTLED:
            return [*effects, Tell(inputs.TalkSettled(self._turns, self._answers.usage))]
        if input.status == "failed":
            effects += self._answer_failed(input.error_code or "unknown", now)
        else:
            self._answers.succeeded()
        if self._protected and not self._answers.busy and not self._conversation.open(Speaker.AGENT):
            effects += self._unprotect()  # it said nothing
        return effects + self._leave_when_heard(now) + self._settle_if_done(now)

    def _answer_failed(self, code: str, now: float) -> list[Effect]:
        effects = self._warn("MODEL_ERROR", f"an answer failed with the error {code}")
        if self._over:
            return effects
        again = self._answers.failed(code, now)
        if again is None:
            return effects + self._give_up(code, "the model's answers fail")
        return effects + again

    def _function_called(self, input: realtime.FunctionCalled, now: float) -> list[Effect]:
        if not input.complete or self.phase is not Phase.TALKING:
            return []
        if input.name != END_CALL.name:
            return [_result(input, "there is no such function"), *self._answers.order(now)]
        if input.response_id == self._answers.muted or self._caller.speaking is not None:
            return [_result(input, "the caller goes on speaking")]
        if not self._caller.answered and not self._reminded:
            self._reminded = True
            return [_result(input, "say goodbye first, then call it again"), *self._answers.order(now)]
        self._farewell, self._leave_by = True, None
        return [_result(input)]

    def _leave_when_heard(self, now: float) -> list[Effect]:
        """The agent ends the call: not before its answer is whole and the goodbye has been played."""
        if not self._farewell or self._answers.busy or self.phase is not Phase.TALKING:
            return []
        if self._caller.speaking is not None:
            return []
        if self._leave_by is None:
            self._leave_by = self._voice.until(now) + LEAVE_WITHIN
        if self._voice.unplayed(now) and now < self._leave_by:
            self._deadline = min(self._voice.until(now) + MARK_GRACE, self._leave_by)
            return []
        self._farewell = False
        return [Tell(inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.AGENT, "the agent ended the call"))]

    # Barge-in, and what was heard.

    def _stoppable(self, now: float) -> bool:
        """Whether there is anything to interrupt.

        With everything played and no answer under way there is not: truncating then would only destroy the model's
        record of what it said. With everything played and the answer under way the model has stalled, or has not begun
        to speak: the phone's buffer needs no clearing, but what comes late must not be heard.
        """
        return self._voice.unplayed(now) or self._answers.busy

    def _interrupt(self, now: float) -> list[Effect]:
        """The caller speaks: stop what is being played, and let the model know how much of it was heard."""
        if self._protected:
            return []
        self._farewell = False  # whoever speaks over a goodbye has not finished
        if not self._stoppable(now):
            return []
        effects = self._voice.clear(now) + self._answers.interrupt(stops_by_itself=not self._deciding)
        cut, interrupted = self._voice.cut_short(now)
        if interrupted is not None:
            cut.append(Append(interrupted))
        return effects + cut + self._settle_heard(now)

    def _settle_heard(self, now: float, *, echoes: bool = True) -> list[Effect]:
        """Put on record what of the agent's utterances is settled."""
        effects = self._voice.settle(now, echoes=echoes)
        return effects + self._unprotect() if self._protected and self._voice.recorded else effects

    def _unprotect(self) -> list[Effect]:
        """The greeting was heard: from now on the caller may interrupt."""
        self._protected = False
        if self._brief.min_interruption:
            return []
        self._settings = replace(self._settings, interrupt_response=True, create_response=True)
        return [SendToModel(realtime.encode_turn_detection(self._settings))]

    # The end.

    def _line_up(self, input: inputs.LineWentUp, now: float) -> list[Effect]:
        self._voice.origin = now
        self.phase = Phase.TALKING
        self._silence.sign(now)
        self._ready_due = None if self._ready else now + READY_WITHIN
        return []

    def _line_down(self, input: inputs.LineWentDown, now: float) -> list[Effect]:
        if self._over:
            return []
        effects = self._voice.leave(now)
        self.phase = Phase.LEAVING
        self._deadline, self._ready_due = now + LAST_WORDS, None
        if self._answers.active is not None and self._ready:
            effects.append(SendToModel(realtime.encode_response_cancel()))  # nobody will hear the rest of it
        if self._caller.speaking is not None and self._ready:
            # The model would wait for a silence that never comes; the words spoken last are wanted now.
            self._caller.pending[self._caller.speaking] = None
            effects.append(SendToModel(realtime.encode_commit()))
        return effects + self._settle_if_done(now)

    def _deadline_passed(self, input: inputs.DeadlinePassed, now: float) -> list[Effect]:
        if self._ready_due is not None and now >= self._ready_due:
            self._ready_due = None
            return self._give_up("NOT_READY", "the model was not ready in time")
        if (due := self._stalled_due(now)) is not None and now >= due:
            self._answers.since = now
            return self._give_up("STALLED", "the model began to answer and fell silent")
        effects: list[Effect] = []
        if self._ready and self._keypad.due is not None and now >= self._keypad.due:
            effects += self._tell_keys(now)
        if (due := self._silence_due(now)) is not None and now >= due:
            effects += self._break_silence(now)
        if self._deadline is None or now < self._deadline:
            return effects
        self._deadline = None
        if self.phase is Phase.LEAVING:
            return effects + self._settle(now)
        if self._voice.unplayed(now):
            self._deadline = self._voice.until(now) + MARK_GRACE
            return effects + self._leave_when_heard(now)
        return effects + self._settle_heard(now, echoes=False) + self._leave_when_heard(now)

    def _tell_keys(self, now: float) -> list[Effect]:
        """What the caller typed is whole: the model is told, and answers."""
        words = self._keypad.take()
        if self._over:
            return []
        item = realtime.encode_message("user", words, f"{_KEYS}{self._keypad.entries}")
        return [SendToModel(item), *self._answers.order(now)]

    def _silence_due(self, now: float) -> float | None:
        """When the silence will be too long. None while anybody speaks or is about to, or nobody could."""
        if self.phase is not Phase.TALKING or self._stream is None or not self._ready or self._farewell:
            return None
        if self._caller.speaking is not None or self._answers.busy or self._keypad.due is not None:
            return None
        return self._silence.due(self._voice.until(now))

    def _stalled_due(self, now: float) -> float | None:
        """When the model will have kept the line silent for too long."""
        if self.phase is not Phase.TALKING or not self._ready or not self._answers.busy:
            return None
        return max(self._answers.since, self._voice.until(now)) + STALLED_AFTER

    def _break_silence(self, now: float) -> list[Effect]:
        if self._silence.verdict(now) is Verdict.CHECK_IN:
            return self._answers.order(now, _exactly(self._brief.check_in) if self._brief.check_in else CHECK_IN)
        return [
            Tell(inputs.HangUpRequested(EndReason.SILENCE, EndedBy.DAEMON, "nobody has said anything for too long"))
        ]

    def _last_call(self, input: inputs.LastCall, now: float) -> list[Effect]:
        return self._settle(now)

    def _settle_if_done(self, now: float) -> list[Effect]:
        said = not self._caller.pending and self._answers.active is None
        return self._settle(now) if self.phase is Phase.LEAVING and (said or not self._ready) else []

    def _settle(self, now: float) -> list[Effect]:
        """Everything that will ever be known is known: what words there are go on record."""
        self.phase = Phase.SETTLED
        self._deadline = None
        return [*self._caller.settle(), Tell(inputs.TalkSettled(self._turns, self._answers.usage))]

    # Small help.

    def _words(self, item_id: str, speaker: Speaker, delta: str) -> list[Effect]:
        utterance = self._conversation.utterance(item_id, speaker)
        if utterance is None:
            return []
        offset = len(utterance.text)
        kept = utterance.add(delta)
        return [Show(item_id, speaker, offset, kept)] if kept and not utterance.interrupted else []

    def _give_up(self, code: str, message: str) -> list[Effect]:
        """This model will be of no use: better no call than a silent one."""
        order = inputs.HangUpRequested(EndReason.MODEL_LOST, EndedBy.DAEMON, message[:_LONGEST])
        return [Append(events.ModelLost(code[:_LONGEST], message[:_LONGEST])), Tell(order)]

    def _warn(self, code: str, message: str) -> list[Effect]:
        count = self._warned[code] = self._warned.get(code, 0) + 1
        return [Append(events.Warning(code, message[:_LONGEST]))] if count <= _WARNINGS_OF_A_KIND else []

    # Any: each handler takes the one input type that it stands beside.
    _HANDLERS: ClassVar[Mapping[type, Callable[[Any, Any, float], list[Effect]]]] = {
        MediaReceived: _media_received,
        MarkEchoed: _mark_echoed,
        inputs.MediaHeld: _media_held,
        DigitPressed: _digit_pressed,
        inputs.MediaStarted: _media_started,
        inputs.MediaClosed: _media_closed,
        realtime.SessionCreated: _session_created,
        realtime.SessionUpdated: _session_updated,
        inputs.ModelClosed: _model_closed,
        realtime.ModelFault: _fault,
        realtime.SpeechStarted: _speech_started,
        realtime.SpeechStopped: _speech_stopped,
        realtime.InputCommitted: _input_committed,
        realtime.InputTranscriptDelta: _caller_words,
        realtime.InputTranscriptDone: _caller_done,
        realtime.InputTranscriptFailed: _caller_failed,
        realtime.ItemAdded: _item_added,
        realtime.ResponseCreated: _response_created,
        realtime.AudioDelta: _audio_delta,
        realtime.AudioDone: _audio_done,
        realtime.OutputTranscriptDelta: _agent_words,
        realtime.OutputTranscriptDone: _agent_done,
        realtime.OutputItemDone: _item_done,
        realtime.ResponseDone: _response_done,
        realtime.FunctionCalled: _function_called,
        inputs.LineWentUp: _line_up,
        inputs.LineWentDown: _line_down,
        inputs.LastCall: _last_call,
        inputs.DeadlinePassed: _deadline_passed,
    }
    HANDLED: ClassVar[frozenset[type]] = frozenset(_HANDLERS)


def _exactly(words: str) -> str:
    return f'Say exactly this, and nothing else: "{words}"'


def _result(called: realtime.FunctionCalled, problem: str = "") -> Effect:
    result = {"ok": False, "error": problem} if problem else {"ok": True}
    return SendToModel(realtime.encode_function_output(called.call_id, json.dumps(result)))
