"""The caller: what they say on its way to the model and into the transcript, and whether they speak right now.

When that interrupts the agent is not decided here (turn.py). Pure: `now` is an argument, in seconds.
"""

from __future__ import annotations

from agenticd.core import events, realtime
from agenticd.core.conversation import Conversation
from agenticd.core.effects import Append, Effect, SendToModel
from agenticd.core.events import AgentBrief, Speaker
from agenticd.core.hearing import Hearing
from agenticd.core.mediastream import MediaReceived
from agenticd.core.noise import NoiseGate
from agenticd.core.voice import Voice

PENDING = 64
"""So many utterances may wait for their words; the oldest will never get them."""


class Caller:
    """The caller of one call."""

    def __init__(self, brief: AgentBrief, conversation: Conversation, voice: Voice) -> None:
        self.speaking: str | None = None
        """The utterance that has begun and not stopped."""
        self.pending: dict[str, None] = {}
        """Utterances whose words are still to come, the oldest first."""
        self.asked: tuple[float, float] | None = None
        """When they stopped speaking, and when the model said so; until the answer begins."""
        self.answered = False
        """The agent has said something since they spoke."""
        self.hearing = Hearing(brief.audio)
        self.noise = NoiseGate(brief.min_interruption) if brief.min_interruption else None
        self._ignored: str | None = None
        """A sound that was too short to be meant; until the model has made an item of it."""
        self._conversation, self._voice = conversation, voice

    def hear(self, input: MediaReceived, now: float) -> tuple[Effect, bool]:
        """A frame for the model; and whether a sound has, with it, become long enough to be meant."""
        audio = self.hearing.pass_on(input.payload, now)
        return audio, self.noise is not None and self.noise.hear(input.payload)

    def begins(self, item_id: str, start_ms: float, now: float) -> tuple[Effect, bool]:
        """The model hears them, since that millisecond of its time line; and whether that is meant already."""
        began = self.hearing.spoken_at(start_ms, now)
        meant = self.noise is None or self.noise.begin(now - began)
        self.speaking, self.asked = item_id, None
        at = self._voice.since_answer(began)
        utterance = self._conversation.utterance(item_id, Speaker.CALLER)
        if utterance is not None:
            utterance.audio_start = at
        return Append(events.SpeechStarted(item_id, at)), meant

    def stops(self, item_id: str, end_ms: float, now: float, *, over_agent: bool) -> tuple[Effect, bool]:
        """They have stopped; and whether it was only a noise, `over_agent` while that was to be heard."""
        self.speaking = None
        ignored = over_agent and self.noise is not None and self.noise.undecided
        if self.noise is not None:
            self.noise.end()
        ended = self.hearing.spoken_at(end_ms, now)
        at = self._voice.since_answer(ended)
        utterance = self._conversation.utterance(item_id, Speaker.CALLER)
        if utterance is not None:
            utterance.audio_end = at
        if ignored:
            self._ignored = item_id
        else:
            self.asked, self.answered = (min(now, ended), now), False
            self._wait_for_words(item_id)
        return Append(events.SpeechStopped(item_id, at)), ignored

    def committed(self, item_id: str) -> list[Effect] | None:
        """The model made an item of it. None: that is to be answered; else what undoes it."""
        if item_id == self._ignored:
            self._ignored = None
            self._conversation.drop(item_id)
            return [SendToModel(realtime.encode_delete(item_id))]
        self._wait_for_words(item_id)
        return None

    def done(self, item_id: str, text: str) -> list[Effect]:
        """The words of an utterance are whole."""
        self.pending.pop(item_id, None)
        utterance = self._conversation.utterance(item_id, Speaker.CALLER)
        if utterance is None:
            return []
        utterance.replace(text)
        return self._record(item_id)

    def failed(self, item_id: str) -> bool:
        """There will be no words. Whether anybody waited for them."""
        self.pending.pop(item_id, None)
        known = self._conversation.find(item_id) is not None
        self._conversation.drop(item_id)
        return known

    def settle(self) -> list[Effect]:
        """Nothing more will be known: what words there are go on record."""
        self.hearing.forget()
        effects: list[Effect] = []
        for utterance in self._conversation.open(Speaker.CALLER):
            utterance.interrupted = True
            effects += self._record(utterance.item_id)
        return effects

    def _wait_for_words(self, item_id: str) -> None:
        if self._conversation.utterance(item_id, Speaker.CALLER) is None:
            return
        self.pending[item_id] = None
        if len(self.pending) > PENDING:
            self.failed(next(iter(self.pending)))

    def _record(self, item_id: str) -> list[Effect]:
        utterance = self._conversation.find(item_id)
        return [] if utterance is None else self._conversation.record(utterance)
