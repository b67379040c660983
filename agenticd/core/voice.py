"""The agent's voice: what the model says, on its way to the phone, and how much of it was heard.

Between the playout clock, which knows the phone's buffer, and the conversation, which knows the utterances. When the
agent is interrupted is not decided here (turn.py). Pure: `now` is an argument, in seconds.
"""

from __future__ import annotations

from typing import Literal

from agenticd.core import events, realtime
from agenticd.core.conversation import Conversation, Utterance
from agenticd.core.effects import Effect, SendToModel
from agenticd.core.events import Speaker
from agenticd.core.pcm24 import LAG, downwards
from agenticd.core.playout import BYTES_PER_SECOND, Playout, decoded_size

FRAME_SECONDS = 0.020


class Voice:
    """What the agent says in one call."""

    def __init__(self, conversation: Conversation, audio: Literal["pcmu", "pcm24"]) -> None:
        self.origin: float | None = None
        """When the call was answered: second 0 of its time line."""
        self._conversation = conversation
        self._playout = Playout()
        self.heard_any = False
        """Something of what the agent said was heard."""
        self.recorded = 0
        """Utterances that are on record."""
        self._lag = LAG if audio == "pcm24" else 0.0
        """Seconds by which the phone's copy of an utterance begins later than the model's."""
        self._downwards = downwards() if audio == "pcm24" else None

    # On its way to the phone.

    def say(self, utterance: Utterance, delta: str, now: float) -> list[Effect] | None:
        """More audio of the utterance, base64, in the session's format; it stays here if nobody is to hear it.
        None: it is no base64."""
        if self._downwards is not None:
            converted = self._downwards.convert(delta)
            if converted is None:
                return None
            delta = converted
        utterance.spoken += decoded_size(delta) / BYTES_PER_SECOND
        return [] if utterance.interrupted else self._playout.play(utterance.item_id, delta, now)

    def finish_audio(self, utterance: Utterance, now: float) -> list[Effect]:
        """The model has no more audio of it. Harmless when repeated."""
        effects: list[Effect] = []
        if self._downwards is not None and (rest := self._downwards.rest()):
            utterance.spoken += decoded_size(rest) / BYTES_PER_SECOND
            if not utterance.interrupted:
                effects += self._playout.play(utterance.item_id, rest, now) or []
        return effects if utterance.interrupted else effects + self._playout.finish(utterance.item_id, now)

    def echoed(self, name: str, now: float) -> bool:
        """The phone played everything before this mark. False: it is none of ours, or of an earlier generation."""
        return self._playout.echoed(name, now)

    def hold(self, size: int, now: float) -> None:
        """So many bytes of what was said last still wait before the phone's stream."""
        self._playout.hold(size, now)

    def unplayed(self, now: float) -> bool:
        """Something was said that the phone has not played yet."""
        return self._playout.unplayed(now) > 0

    def until(self, now: float) -> float:
        """When the phone will have played everything."""
        return self._playout.end(now)

    @property
    def unfinished(self) -> bool:
        """The model is still saying something that is to be heard."""
        return any(not u.whole and not u.interrupted for u in self._conversation.open(Speaker.AGENT))

    # What was heard.

    def clear(self, now: float) -> list[Effect]:
        """Throw away what the phone has not played, if there is anything."""
        return self._playout.clear(now) if self.unplayed(now) else []

    def lose(self, now: float) -> None:
        """The phone's stream is gone, and its buffer with it."""
        self._playout.lose(now)

    def cut_short(self, now: float) -> tuple[list[Effect], events.AgentInterrupted | None]:
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
            effects += self.unsay(utterance)
        if self._downwards is not None:
            self._downwards.forget()
        return effects, None if first is None else events.AgentInterrupted(first.item_id, heard, discarded)

    def unsay(self, utterance: Utterance) -> list[Effect]:
        """Let the model know, once, how much was heard of an utterance that was cut short."""
        if utterance.unsaid:
            return []
        utterance.unsaid = True
        if utterance.heard > 0:
            heard_ms = int(max(0.0, utterance.heard - self._lag) * 1000 + 1e-6)
            return [SendToModel(realtime.encode_truncate(utterance.item_id, 0, heard_ms))]
        return [SendToModel(realtime.encode_delete(utterance.item_id))]

    # On record.

    def settle(self, now: float, *, echoes: bool = True) -> list[Effect]:
        """Put on record what is settled: played to the end, or cut short and whole. Without `echoes`, also what should
        have been played by now, and was not confirmed."""
        effects: list[Effect] = []
        for utterance in self._conversation.open(Speaker.AGENT):
            if not utterance.whole:
                continue
            if not utterance.interrupted:
                if echoes and not self._playout.played_out(utterance.item_id):
                    continue
                self._note_heard(utterance, now)
            effects += self._record(utterance)
        return effects

    def leave(self, now: float) -> list[Effect]:
        """The line went down: put on record all that was said, with what was heard of it."""
        effects = self.clear(now)
        for utterance in self._conversation.open(Speaker.AGENT):
            played, _ = self._note_heard(utterance, now)
            cut = not utterance.whole or played + FRAME_SECONDS < utterance.spoken
            utterance.interrupted = utterance.interrupted or cut
            effects += self._record(utterance)
        return effects

    def since_answer(self, moment: float) -> float:
        """Seconds on the call's time line."""
        return max(0.0, moment - self.origin) if self.origin is not None else 0.0

    def _note_heard(self, utterance: Utterance, now: float) -> tuple[float, float]:
        """Seconds of it that were heard and sent, noted in the utterance with its place on the time line."""
        start = self._playout.start(utterance.item_id)
        played, sent = self._playout.heard(utterance.item_id, now), self._playout.sent(utterance.item_id)
        if start is not None:
            utterance.audio_start = self.since_answer(start)
            utterance.audio_end = utterance.audio_start + played
        utterance.heard = played
        self.heard_any = self.heard_any or played > 0
        return played, sent

    def _record(self, utterance: Utterance) -> list[Effect]:
        self.recorded += 1
        self._playout.forget(utterance.item_id)
        return self._conversation.record(utterance)
