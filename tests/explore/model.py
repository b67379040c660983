"""A model as it might be: it answers orders, hears speech, speaks in deltas, is interrupted, fails and closes.

What it will say stands in the world's calendar; what an interruption makes untrue is struck out there by its token.
"""

from __future__ import annotations

import base64
from random import Random
from typing import TYPE_CHECKING

from agenticd.core import effects, inputs, realtime
from agenticd.core.events import Usage
from tests.explore.facts import order_of

if TYPE_CHECKING:
    from tests.explore.world import World

SIZES = (160, 160, 400, 800, 1440, 1600, 1601, 3200, 8000, 8000, 16000, 24000, 1, 0)
AUDIO = tuple(base64.b64encode(b"\x55" * size).decode() for size in SIZES)
AUDIO_24 = tuple(base64.b64encode(b"\x10\x03" * 3 * size).decode() for size in (*SIZES[:9], 1, 0))
WORDS = ("Hello there. ", "One moment ", "please ", "yes", "good bye", " ")
SOME = Usage(input_tokens=3, output_tokens=4)
NONE = Usage()


class Token:
    """What belongs together in the calendar; `live` False strikes it out."""

    __slots__ = ("heard", "items", "live", "response")

    def __init__(self, response: str = "") -> None:
        self.live = True
        self.response = response
        self.items: list[str] = []
        """Begun and not done."""
        self.heard: list[str] = []
        """Their audio is complete."""


class Model:
    """One session of the model after the other."""

    def __init__(self, world: World, chance: Random, audio: str) -> None:
        self._world = world
        self._chance = chance
        self._format = audio
        self._audio = AUDIO if audio == "audio/pcmu" else AUDIO_24
        self._auto = self._stops = True
        """Whether it answers, and stops its answer, of its own accord when it hears speech."""
        self._count = 0
        self._answer: Token | None = None
        self._speech: Token | None = None
        self._last = 0.0
        """When the last thing is said that cannot be taken back."""
        self.ready = False

    def _push(self, at: float, input: inputs.Input, token: Token | None = None) -> None:
        self._world.push(at, input, token)

    def _id(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"

    # What we order.

    def opened(self, now: float) -> None:
        """A session is wanted."""
        self.ready = False
        self._answer = self._speech = None
        if self._chance.random() < 0.04:
            self._push(now + 0.2, inputs.ModelClosed(self._chance.choice((401, 429, 0)), "refused"))
            return
        self._last = now + self._chance.choice((0.05, 0.3, 0.3, 2.0))
        self._push(self._last, realtime.SessionCreated("sess", "m", 0))

    def ordered(self, effect: effects.SendToModel, now: float) -> None:
        """A message came."""
        order = order_of(effect)
        self._last = max(self._last, now)
        match order.type:
            case "session.update":
                self._configure(effect.message, now)
            case "response.create":
                if self._answer is None:
                    self._begin(now)
                else:
                    self._fault(now, "conversation_already_has_active_response", order.event_id)
            case "response.cancel":
                if self._answer is None:
                    self._fault(now, "response_cancel_not_active")
                else:
                    self._cancel(now)
            case "conversation.item.truncate":
                self._push(now + 0.05, realtime.ItemTruncated(order.item_id, order.audio_end_ms))
            case "conversation.item.delete":
                self._push(now + 0.05, realtime.ItemDeleted(order.item_id))
            case "conversation.item.create":
                kind, role = self._chance.choice((("function_call_output", ""), ("message", "user")))
                self._push(now + 0.05, realtime.ItemAdded(self._id("x"), None, kind, role))
            case "input_audio_buffer.commit":
                self._commit(now)

    def _configure(self, message: bytes, now: float) -> None:
        roll = 1.0 if self.ready else self._chance.random()
        self._auto = b'"create_response":true' in message
        self._stops = b'"interrupt_response":true' in message
        if roll < 0.02:
            self._fault(now, "invalid_value")
        elif roll < 0.04:
            self._push(now + 0.1, realtime.SessionUpdated("sess", "m", "audio/g729", self._format))
        else:
            self._push(now + 0.1, realtime.SessionUpdated("sess", "m", self._format, self._format))

    def _fault(self, now: float, code: str, event_id: str = "") -> None:
        self._push(now + 0.03, realtime.ModelFault("invalid_request_error", code, "", "", event_id))

    # The caller speaks.

    def hears(self, now: float) -> None:
        """The caller begins to speak."""
        if self._speech is not None:
            return
        chance = self._chance
        self._speech = token = Token()
        item = self._id("c")
        token.items.append(item)
        at = max(now, self._last)
        ms = int(at * 1000)
        self._push(at, realtime.SpeechStarted(item, ms))
        self._last = at
        if self._answer is not None and self._stops:
            self._cancel(at)
        at += chance.choice((0.1, 0.4, 1.0, 3.0))
        self._push(at, realtime.SpeechStopped(item, int(at * 1000)), token)
        self._push(at, realtime.InputCommitted(item, None), token)

    def _commit(self, now: float) -> None:
        token = self._speech
        if token is None or not token.live:
            self._fault(now, "input_audio_buffer_commit_empty")
            return
        token.live = False
        self._push(max(now, self._last) + 0.02, realtime.InputCommitted(token.items[0], None))

    def _committed(self, item: str, now: float) -> None:
        chance = self._chance
        self._speech = None
        self._last = max(self._last, now)
        self._push(now, realtime.ItemAdded(item, None, "message", "user"))
        at = self._last + chance.choice((0.1, 0.5, 2.0, 6.0))
        roll = chance.random()
        if roll < 0.3:
            self._push(at, realtime.InputTranscriptDelta(item, chance.choice(WORDS)))
        if roll < 0.8:
            self._push(at, realtime.InputTranscriptDone(item, chance.choice(WORDS)))
        elif roll < 0.9:
            self._push(at, realtime.InputTranscriptFailed(item, "", ""))
        if self._answer is None and self._auto and chance.random() < 0.95:
            self._begin(self._last)

    # The agent speaks.

    def _begin(self, now: float) -> None:
        chance, push = self._chance, self._push
        rid = self._id("r")
        self._answer = token = Token(rid)
        at = max(self._last, now) + chance.choice((0.02, 0.3, 0.8))
        self._last = at
        push(at, realtime.ResponseCreated(rid))
        failed = chance.random() < 0.05
        for _ in range(chance.choice((1, 1, 1, 2))):
            at = self._speak(at, rid, token, failed)
        if chance.random() < 0.12:
            item = self._id("f")
            push(at, realtime.ItemAdded(item, None, "function_call", ""), token)
            name = chance.choice(("end_call", "end_call", "other"))
            push(at, realtime.FunctionCalled(rid, item, "call", name, "{}", chance.random() < 0.9), token)
        status = "failed" if failed else "completed"
        push(at, realtime.ResponseDone(rid, status, "", "", "", chance.choice((NONE, SOME))), token)

    def _speak(self, at: float, rid: str, token: Token, failed: bool) -> float:
        chance, push = self._chance, self._push
        item = self._id("a")
        if chance.random() < 0.3:
            push(at, realtime.OutputItemAdded(rid, item, "message", "assistant"), token)
        push(at, realtime.ItemAdded(item, None, "message", "assistant"), token)
        text = ""
        for _ in range(chance.choice((0, 1, 1, 2, 3))):
            at += chance.choice((0.0, 0.02, 0.05, 0.3, 2.0))
            if chance.random() < 0.5:
                words = chance.choice(WORDS)
                text += words
                push(at, realtime.OutputTranscriptDelta(item, words), token)
            push(at, realtime.AudioDelta(rid, item, 0, chance.choice(self._audio)), token)
        at += 0.01
        if not failed:
            push(at, realtime.AudioDone(rid, item), token)
            push(at, realtime.OutputTranscriptDone(item, text), token)
        push(at, realtime.OutputItemDone(rid, item, "incomplete" if failed else "completed"), token)
        return at

    def _cancel(self, now: float) -> None:
        token, chance = self._answer, self._chance
        assert token is not None
        token.live = False
        self._answer = None
        at = max(now, self._last) + chance.choice((0.0, 0.05, 0.5))
        for item in token.items:
            if item not in token.heard and chance.random() < 0.3:
                self._push(at, realtime.AudioDelta(token.response, item, 0, chance.choice(self._audio)))
            if item not in token.heard and chance.random() < 0.7:
                self._push(at, realtime.AudioDone(token.response, item))
            self._push(at, realtime.OutputItemDone(token.response, item, "incomplete"))
        self._push(at, realtime.ResponseDone(token.response, "cancelled", "turn_detected", "", "", NONE))
        self._last = at

    def said(self, input: inputs.Input, token: Token | None, now: float) -> None:
        """Something of the calendar came true."""
        match input:
            case realtime.ItemAdded() if token is not None:
                token.items.append(input.item_id)
            case realtime.AudioDone() if token is not None:
                token.heard.append(input.item_id)
            case realtime.OutputItemDone() | realtime.FunctionCalled() if token is not None:
                if input.item_id in token.items:
                    token.items.remove(input.item_id)
            case realtime.ResponseDone() if token is not None:
                self._answer = None
            case realtime.InputCommitted():
                self._committed(input.item_id, now)
            case realtime.SessionUpdated():
                self.ready = True
            case inputs.ModelClosed():
                self.ready = False


SAYS = frozenset(
    {
        realtime.AudioDone,
        realtime.ItemAdded,
        realtime.OutputItemDone,
        realtime.FunctionCalled,
        realtime.ResponseDone,
        realtime.InputCommitted,
        realtime.SessionUpdated,
        inputs.ModelClosed,
    }
)
