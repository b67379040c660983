"""Who speaks: the conversation between the phone and the model, barge-in, and what was heard of each utterance.

The machine of the media path. Audio passes through it as text; what it decides is when the phone's buffer is cleared,
what the model must forget because nobody heard it, and which words go on record. The call's states are none of its
business (core/call.py). Pure: `handle(input, now)` never awaits and never raises for what a peer sent.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from agenticd.core import events, inputs, realtime
from agenticd.core.conversation import Conversation, Utterance
from agenticd.core.effects import Append, Effect, SendAudio, SendToModel, Show, Tell
from agenticd.core.events import AgentBrief, EndedBy, EndReason, Speaker, Usage
from agenticd.core.mediastream import DigitPressed, MarkEchoed, MediaReceived
from agenticd.core.playout import BYTES_PER_SECOND, Playout, decoded_size

RING_FRAMES = 100
"""Caller audio that waits for the model: 2 s of 20 ms frames, the oldest dropped first."""
LAST_WORDS = 5.0
"""Seconds that the words spoken last may take to arrive after the line went down."""
READY_WITHIN = 10.0
"""Seconds from the answer in which the model must be ready: nobody listens to silence for longer."""
MARK_GRACE = 2.0
"""Seconds after which an utterance counts as played although its last mark was not echoed."""
_FRAME_SECONDS = 0.020
_WARNINGS_OF_A_KIND = 5
# What the model answers to orders that crossed with its own doing: nothing is wrong.
_HARMLESS = frozenset({"response_cancel_not_active", "conversation_already_has_active_response"})
END_CALL = realtime.Tool(
    "end_call",
    "End this phone call. Say goodbye first, in the same answer; the call ends when that has been heard.",
)
_FORMATS = {"pcmu": "audio/pcmu", "pcm24": "audio/pcm"}


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
        self.dropped = 0
        """Frames of the caller that the model never got."""
        self._brief = brief
        self._settings = realtime.SessionSettings(
            instructions=brief.instructions,
            voice=brief.voice,
            audio=brief.audio,
            transcription_model=brief.transcription_model,
            language=brief.language,
            tools=(END_CALL,),
        )
        self._playout = Playout()
        self._conversation = Conversation(leg_id)
        self._ready = False
        self._stream: str | None = None
        """The media stream that there is now."""
        self._greeted = not brief.greeting
        self._waiting: deque[tuple[str, float]] = deque(maxlen=RING_FRAMES)
        self._origin: float | None = None
        """When the call was answered: second 0 of its time line."""
        self._input_origin: float | None = None
        """When the first audio that the model got was spoken: millisecond 0 of its time line."""
        self._speaking: str | None = None
        """The caller's utterance that has begun and not stopped."""
        self._pending: set[str] = set()
        """Utterances of the caller whose words are still to come."""
        self._asked: tuple[float, float] | None = None
        """When the caller stopped speaking, and when the model said so; until the answer begins."""
        self._response: str | None = None
        self._muted: str | None = None
        """The answer that was interrupted, until it is done: nothing more of it is heard."""
        self._ready_due: float | None = None
        self._farewell = False
        """The agent wants to end the call when all that it said has been heard."""
        self._turns = 0
        self._usage = Usage()
        self._warned: dict[str, int] = {}
        self._deadline: float | None = None

    def deadline(self) -> float | None:
        """When to feed DeadlinePassed."""
        if self._deadline is None or self._ready_due is None:
            return self._ready_due if self._deadline is None else self._deadline
        return min(self._deadline, self._ready_due)

    @property
    def _over(self) -> bool:
        """Nobody is on the line any more: only what was said before is still of interest."""
        return self.phase is Phase.LEAVING or self.phase is Phase.SETTLED

    def handle(self, input: inputs.Input, now: float) -> list[Effect]:
        """What follows from what happened."""
        handler = self._HANDLERS.get(type(input))
        return handler(self, input, now) if handler is not None else []

    # The phone.

    def _media_received(self, input: MediaReceived, now: float) -> list[Effect]:
        if self._over:
            return []
        if self._ready:
            if self._input_origin is None:
                self._input_origin = now - _FRAME_SECONDS
            return [SendAudio(input.payload)]
        if len(self._waiting) == RING_FRAMES:
            self.dropped += 1
        self._waiting.append((input.payload, now))
        return []

    def _mark_echoed(self, input: MarkEchoed, now: float) -> list[Effect]:
        if not self._playout.echoed(input.name, now):
            return []
        return self._finish_played(now) + self._leave_when_heard(now)

    def _media_held(self, input: inputs.MediaHeld, now: float) -> list[Effect]:
        self._playout.hold(input.size, now)
        return []

    def _digit_pressed(self, input: DigitPressed, now: float) -> list[Effect]:
        return [Append(events.DigitReceived(input.digit))] if self.phase is Phase.TALKING else []

    def _media_started(self, input: inputs.MediaStarted, now: float) -> list[Effect]:
        effects = self._lose_stream(now) if self._stream is not None else []
        self._stream = input.stream_id
        return effects + self._greet()

    def _media_closed(self, input: inputs.MediaClosed, now: float) -> list[Effect]:
        return self._lose_stream(now) if input.stream_id == self._stream else []

    def _lose_stream(self, now: float) -> list[Effect]:
        """The phone's buffer is gone with its stream: what was not played of it will never be."""
        self._stream = None
        self._playout.lose(now)
        if self._over:
            return []
        effects, _ = self._cut_short(now)
        return effects + self._finish_played(now)

    # The model's session.

    def _session_created(self, input: realtime.SessionCreated, now: float) -> list[Effect]:
        return [SendToModel(realtime.encode_session_update(self._settings))]

    def _session_updated(self, input: realtime.SessionUpdated, now: float) -> list[Effect]:
        if self._ready or self._over:
            return []
        wanted = _FORMATS[self._brief.audio]
        if input.input_format != wanted or input.output_format != wanted:
            message = f"the model speaks {input.output_format} and hears {input.input_format}, not {wanted}"
            return self._give_up("FORMAT", message)
        self._ready, self._ready_due = True, None
        effects: list[Effect] = [Append(events.ModelConnected(input.model, input.session_id))]
        if self._waiting:
            self._input_origin = self._waiting[0][1] - _FRAME_SECONDS
            effects.extend(SendAudio(payload) for payload, _ in self._waiting)
            self._waiting.clear()
        return effects + self._greet()

    def _greet(self) -> list[Effect]:
        if self._greeted or self._over or not self._ready or self._stream is None:
            return []
        self._greeted = True
        order = f'Say exactly this, and nothing else: "{self._brief.greeting}"'
        return [SendToModel(realtime.encode_response_create(order))]

    def _model_closed(self, input: inputs.ModelClosed, now: float) -> list[Effect]:
        self._ready, self._ready_due = False, None
        return self._settle(now) if self.phase is Phase.LEAVING else []

    def _fault(self, input: realtime.ModelFault, now: float) -> list[Effect]:
        if input.code in _HARMLESS:
            return []
        what = f"{input.code or input.kind}{f' ({input.param})' if input.param else ''}"
        if not self._ready and not self._over:
            # Nothing but the settings was sent, and without them it would stay silent.
            return self._give_up(input.code or input.kind, f"the model refused its settings with the error {what}")
        return self._warn("MODEL_ERROR", f"the model answered with the error {what}")

    # The caller speaks.

    def _speech_started(self, input: realtime.SpeechStarted, now: float) -> list[Effect]:
        if self._over:
            return []
        effects = self._interrupt(now)
        self._speaking, self._asked = input.item_id, None
        # OpenAI: the start is early by the padding that it puts before speech, the end late by the silence it awaits.
        at = self._heard_at(input.audio_start_ms + self._settings.prefix_padding_ms, now)
        utterance = self._conversation.utterance(input.item_id, Speaker.CALLER)
        if utterance is not None:
            utterance.audio_start = at
        return [*effects, Append(events.SpeechStarted(input.item_id, at))]

    def _speech_stopped(self, input: realtime.SpeechStopped, now: float) -> list[Effect]:
        self._speaking = None
        if self._over:
            return []
        end_ms = input.audio_end_ms - self._settings.silence_duration_ms
        at = self._heard_at(end_ms, now)
        self._asked = (min(now, (self._input_origin or now) + end_ms / 1000), now)
        utterance = self._conversation.utterance(input.item_id, Speaker.CALLER)
        if utterance is not None:
            utterance.audio_end = at
        return [Append(events.SpeechStopped(input.item_id, at))]

    def _input_committed(self, input: realtime.InputCommitted, now: float) -> list[Effect]:
        if self._conversation.utterance(input.item_id, Speaker.CALLER) is not None:
            self._pending.add(input.item_id)
        return []

    def _caller_words(self, input: realtime.InputTranscriptDelta, now: float) -> list[Effect]:
        return self._words(input.item_id, Speaker.CALLER, input.delta)

    def _caller_done(self, input: realtime.InputTranscriptDone, now: float) -> list[Effect]:
        self._pending.discard(input.item_id)
        utterance = self._conversation.utterance(input.item_id, Speaker.CALLER)
        if utterance is None:
            return []
        utterance.text = input.transcript
        return self._finish(utterance) + self._settle_if_done(now)

    def _caller_failed(self, input: realtime.InputTranscriptFailed, now: float) -> list[Effect]:
        self._pending.discard(input.item_id)
        self._conversation.drop(input.item_id)
        warning = self._warn("TRANSCRIPTION_FAILED", "an utterance of the caller could not be transcribed")
        return warning + self._settle_if_done(now)

    # The agent speaks.

    def _item_added(self, input: realtime.ItemAdded, now: float) -> list[Effect]:
        speaker = {"user": Speaker.CALLER, "assistant": Speaker.AGENT}.get(input.role)
        if input.kind == "message" and speaker is not None and not (self._over and speaker is Speaker.AGENT):
            utterance = self._conversation.utterance(input.item_id, speaker)
            if utterance is not None:
                self._conversation.place(utterance)
        return []

    def _response_created(self, input: realtime.ResponseCreated, now: float) -> list[Effect]:
        self._response = input.response_id
        return []

    def _audio_delta(self, input: realtime.AudioDelta, now: float) -> list[Effect]:
        utterance = self._agent_utterance(input.item_id)
        if utterance is None:
            return []
        first = not utterance.spoken
        utterance.spoken += decoded_size(input.delta) / BYTES_PER_SECOND
        if self._stream is None or input.response_id == self._muted:
            utterance.interrupted = True
        if utterance.interrupted:
            return []
        effects = self._playout.play(input.item_id, input.delta, now)
        if effects is None:
            return self._warn("MODEL_AUDIO", "the model sent audio that is no base64")
        if first and self._asked is not None:
            effects.append(self._measure(input.item_id, *self._asked, now))
        return effects

    def _agent_utterance(self, item_id: str) -> Utterance | None:
        """What the agent says on the line; None when it is on record, or when nobody is there to hear it."""
        return None if self._over else self._conversation.utterance(item_id, Speaker.AGENT)

    def _measure(self, item_id: str, ended: float, told: float, now: float) -> Effect:
        self._asked = None
        self._turns += 1
        return Append(events.TurnMeasured(item_id, now - ended, told - ended, now - told))

    def _audio_done(self, input: realtime.AudioDone, now: float) -> list[Effect]:
        utterance = self._conversation.find(input.item_id)
        if utterance is None or utterance.interrupted:
            return []
        effects = self._playout.finish(input.item_id, now)
        if self.phase is Phase.TALKING:
            self._deadline = self._playout.end(now) + MARK_GRACE
        return effects

    def _agent_words(self, input: realtime.OutputTranscriptDelta, now: float) -> list[Effect]:
        return [] if self._over else self._words(input.item_id, Speaker.AGENT, input.delta)

    def _agent_done(self, input: realtime.OutputTranscriptDone, now: float) -> list[Effect]:
        utterance = self._agent_utterance(input.item_id)
        if utterance is None:
            return []
        utterance.text = input.transcript or utterance.text
        return []

    def _item_done(self, input: realtime.OutputItemDone, now: float) -> list[Effect]:
        utterance = self._conversation.find(input.item_id)
        if utterance is None or self._over or utterance.speaker is Speaker.CALLER:
            return []
        utterance.whole = True
        effects = [] if utterance.interrupted else self._playout.finish(input.item_id, now)
        return effects + self._finish_played(now)

    def _response_done(self, input: realtime.ResponseDone, now: float) -> list[Effect]:
        self._response = None
        if input.response_id == self._muted:
            self._muted = None
        effects: list[Effect] = []
        if input.usage != Usage():
            self._usage += input.usage
            effects.append(Append(events.UsageReported(input.response_id, input.usage)))
        if input.status == "failed":
            effects += self._warn("MODEL_ERROR", f"an answer failed with the error {input.error_code or 'unknown'}")
        if self.phase is Phase.SETTLED:
            return [*effects, Tell(inputs.TalkSettled(self._turns, self._usage))]
        return effects + self._leave_when_heard(now) + self._settle_if_done(now)

    def _function_called(self, input: realtime.FunctionCalled, now: float) -> list[Effect]:
        if input.name != END_CALL.name or not input.complete or self.phase is not Phase.TALKING:
            return []
        self._farewell = True
        return [SendToModel(realtime.encode_function_output(input.call_id, '{"ok":true}'))]

    def _leave_when_heard(self, now: float) -> list[Effect]:
        """The agent ends the call: not before its answer is whole and the goodbye has been played."""
        if not self._farewell or self._response is not None or self.phase is not Phase.TALKING:
            return []
        if self._playout.unplayed(now) > 0:
            self._deadline = self._playout.end(now) + MARK_GRACE
            return []
        self._farewell = False
        return [Tell(inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.AGENT, "the agent ended the call"))]

    # Barge-in, and what was heard.

    def _interrupt(self, now: float) -> list[Effect]:
        """The caller spoke: stop what is being played, and let the model know how much of it was heard.

        With everything played and no answer under way there is nothing to stop: truncating then would only destroy
        the model's record of what it said. With everything played and the answer under way the model has stalled: the
        phone's buffer needs no clearing, but what comes late must not be heard.
        """
        unplayed = self._playout.unplayed(now) > 0
        open_items = [u for u in self._conversation.open(Speaker.AGENT) if not u.interrupted]
        if not (unplayed or (self._response is not None and any(not u.whole for u in open_items))):
            return []
        effects = self._playout.clear(now) if unplayed else []
        self._farewell = False  # whoever speaks over a goodbye has not finished
        self._muted = self._response
        cut, interrupted = self._cut_short(now)
        if interrupted is not None:
            cut.append(Append(interrupted))
        return effects + cut + self._finish_played(now)

    def _cut_short(self, now: float) -> tuple[list[Effect], events.AgentInterrupted | None]:
        """Let the model know how much was heard of everything that the agent has not finished saying."""
        effects: list[Effect] = []
        first: Utterance | None = None
        heard = discarded = 0.0
        for utterance in self._conversation.open(Speaker.AGENT):
            if utterance.interrupted:
                continue
            played, sent = self._note_heard(utterance, now)
            if utterance.whole and played >= sent > 0:
                continue
            utterance.interrupted = True
            discarded += sent - played
            if first is None:
                first, heard = utterance, played
            if played > 0:
                effects.append(SendToModel(realtime.encode_truncate(utterance.item_id, 0, int(played * 1000))))
            else:
                effects.append(SendToModel(realtime.encode_delete(utterance.item_id)))
        return effects, None if first is None else events.AgentInterrupted(first.item_id, heard, discarded)

    def _note_heard(self, utterance: Utterance, now: float) -> tuple[float, float]:
        """Seconds of it that were heard and sent, noted in the utterance with its place on the time line."""
        start = self._playout.start(utterance.item_id)
        played, sent = self._playout.heard(utterance.item_id, now), self._playout.sent(utterance.item_id)
        if start is not None:
            utterance.audio_start = self._since_answer(start)
            utterance.audio_end = utterance.audio_start + played
        utterance.heard = played
        return played, sent

    def _finish_played(self, now: float) -> list[Effect]:
        """Put on record what of the agent's utterances is settled: played to the end, or cut short and whole."""
        effects: list[Effect] = []
        for utterance in self._conversation.open(Speaker.AGENT):
            if not utterance.whole:
                continue
            if not utterance.interrupted:
                if not self._playout.played_out(utterance.item_id):
                    continue
                self._note_heard(utterance, now)
            effects += self._finish(utterance)
        return effects

    def _finish(self, utterance: Utterance) -> list[Effect]:
        self._playout.forget(utterance.item_id)
        final = self._conversation.finish(utterance)
        return [] if final is None else [Append(final)]

    # The end.

    def _line_up(self, input: inputs.LineWentUp, now: float) -> list[Effect]:
        self._origin = now
        self.phase = Phase.TALKING
        self._ready_due = None if self._ready else now + READY_WITHIN
        return []

    def _line_down(self, input: inputs.LineWentDown, now: float) -> list[Effect]:
        if self._over:
            return []
        effects: list[Effect] = []
        if self._playout.unplayed(now) > 0:
            effects += self._playout.clear(now)
        for utterance in self._conversation.open(Speaker.AGENT):
            played, _ = self._note_heard(utterance, now)
            utterance.interrupted = (
                utterance.interrupted or not utterance.whole or played + _FRAME_SECONDS < utterance.spoken
            )
            effects += self._finish(utterance)
        self.phase = Phase.LEAVING
        self._deadline, self._ready_due = now + LAST_WORDS, None
        if self._response is not None and self._ready:
            effects.append(SendToModel(realtime.encode_response_cancel()))  # nobody will hear the rest of it
        if self._speaking is not None and self._ready:
            # The model would wait for a silence that never comes; the words spoken last are wanted now.
            self._pending.add(self._speaking)
            effects.append(SendToModel(realtime.encode_commit()))
        return effects + self._settle_if_done(now)

    def _deadline_passed(self, input: inputs.DeadlinePassed, now: float) -> list[Effect]:
        if self._ready_due is not None and now >= self._ready_due:
            self._ready_due = None
            return self._give_up("NOT_READY", "the model was not ready in time")
        if self._deadline is None or now < self._deadline:
            return []
        self._deadline = None
        if self.phase is Phase.LEAVING:
            return self._settle(now)
        if self._playout.unplayed(now) > 0:
            self._deadline = self._playout.end(now) + MARK_GRACE
            return []
        effects: list[Effect] = []
        for utterance in self._conversation.open(Speaker.AGENT):
            if utterance.whole and not utterance.interrupted:
                self._note_heard(utterance, now)
                effects += self._finish(utterance)
        return effects + self._leave_when_heard(now)

    def _settle_if_done(self, now: float) -> list[Effect]:
        said = not self._pending and self._response is None
        return self._settle(now) if self.phase is Phase.LEAVING and (said or not self._ready) else []

    def _settle(self, now: float) -> list[Effect]:
        """Everything that will ever be known is known: what words there are go on record."""
        self.phase = Phase.SETTLED
        self._deadline = None
        self._waiting.clear()
        effects: list[Effect] = []
        for utterance in self._conversation.open(Speaker.CALLER):
            utterance.interrupted = True
            effects += self._finish(utterance)
        return [*effects, Tell(inputs.TalkSettled(self._turns, self._usage))]

    # Small help.

    def _words(self, item_id: str, speaker: Speaker, delta: str) -> list[Effect]:
        utterance = self._conversation.utterance(item_id, speaker)
        if utterance is None or not delta:
            return []
        offset = len(utterance.text)
        utterance.text += delta
        return [] if utterance.interrupted else [Show(item_id, speaker, offset, delta)]

    def _give_up(self, code: str, message: str) -> list[Effect]:
        """This model will be of no use: better no call than a silent one."""
        order = inputs.HangUpRequested(EndReason.MODEL_LOST, EndedBy.DAEMON, message)
        return [Append(events.ModelLost(code, message)), Tell(order)]

    def _warn(self, code: str, message: str) -> list[Effect]:
        count = self._warned[code] = self._warned.get(code, 0) + 1
        return [Append(events.Warning(code, message))] if count <= _WARNINGS_OF_A_KIND else []

    def _since_answer(self, moment: float) -> float:
        return max(0.0, moment - self._origin) if self._origin is not None else 0.0

    def _heard_at(self, audio_ms: int, now: float) -> float:
        """The model counts milliseconds of the audio that it got; the call counts from its answer."""
        return self._since_answer((self._input_origin or now) + audio_ms / 1000)

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
        inputs.DeadlinePassed: _deadline_passed,
    }
    HANDLED: ClassVar[frozenset[type]] = frozenset(_HANDLERS)
