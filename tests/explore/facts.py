"""What a history has shown so far, kept apart from the machines: the phone's buffer, the model's grammar, our orders.

The rules (rules.py) judge by these facts alone. Nothing here looks into a machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from agenticd.core import effects, events, inputs, realtime
from agenticd.core.events import CallState, Payload
from agenticd.core.mediastream import MarkEchoed

BYTES = 8000
"""mu-law bytes a second."""
LATE = 0.010
"""Seconds that a truthful mark may take from the phone to us."""


class Order(msgspec.Struct, frozen=True, gc=False):
    """What matters of a message to the model."""

    type: str
    item_id: str = ""
    audio_end_ms: int = 0
    event_id: str = ""


_decode_order = msgspec.json.Decoder(Order).decode


def size_of(payload: str) -> int:
    """The bytes that base64 text stands for, counted by the text."""
    return len(payload) * 3 // 4 - (payload[-2:].count("=") if payload else 0)


@dataclass(slots=True)
class Step:
    """One input, what the machines made of it, and how the call then stood. `fired`: state, trigger's name, state."""

    now: float
    input: inputs.Input
    effects: list[effects.Effect]
    before: CallState = CallState.IN_PROGRESS
    after: CallState = CallState.IN_PROGRESS
    fired: list[tuple[CallState, Any, CallState]] = field(default_factory=list)
    call_due: float | None = 1e9
    turn_due: float | None = None
    closed: bool = False


class Phone:
    """The buffer of a phone that plays in order, in real time, from the moment that audio arrives."""

    def __init__(self) -> None:
        self.end = 0.0
        self.pieces: list[list[Any]] = []
        """Item, when it begins, bytes: what plays without a break of one item is one piece."""
        self.past: dict[str, float] = {}
        """Bytes of an item that were played before the last clear."""
        self.due: dict[str, float] = {}
        """When each mark of this generation is to be echoed."""
        self.stale: set[str] = set()
        self.truthful = True
        """Every echo of this generation came when it was due, and nothing waited on the way."""

    def play(self, item: str, size: int, now: float) -> None:
        pieces, end = self.pieces, self.end
        if end > now and pieces and pieces[-1][0] == item:
            pieces[-1][2] += size
        else:
            if end < now:
                end = now
            pieces.append([item, end, size])
        self.end = end + size / BYTES

    def mark(self, name: str, now: float) -> None:
        self.due[name] = max(self.end, now)

    def empty(self, now: float) -> None:
        """Cleared, or gone: what was played stays played."""
        for item in {piece[0] for piece in self.pieces}:
            self.past[item] = self.played(item, now) * BYTES
        self.pieces.clear()
        self.stale.update(self.due)
        self.due.clear()
        self.end = now

    def played(self, item: str, now: float) -> float:
        """Seconds of the item that were played."""
        total = self.past.get(item, 0.0)
        for of, begin, size in self.pieces:
            if of == item and now > begin:
                total += min(size, (now - begin) * BYTES)
        return total / BYTES

    def echoed(self, name: str, now: float) -> None:
        due = self.due.get(name)
        if due is None:
            if name not in self.stale:
                self.truthful = False
        elif now < due - 0.001:
            self.truthful = False
        elif now > due + LATE and self.end > due:
            self.truthful = False  # the clock is to be moved by this, and rightly so


class Grammar:
    """Whether the model has so far said things in an order in which a model says them."""

    def __init__(self) -> None:
        self.sane = True
        self.created = self.ready = False
        self.active: str | None = None
        self.committed = ""
        self.cause: dict[str, str] = {}
        """The caller's utterance that an answer's item answers."""
        self._speaking: str | None = None
        self._users: dict[str, int] = {}
        self._items: dict[str, str] = {}
        self._done: set[str] = set()
        self._heard: set[str] = set()
        """Items whose audio is complete."""
        self._responses: set[str] = set()

    def note(self, input: Any) -> None:
        """One more of the model's messages."""
        check = self._CHECKS.get(type(input))
        if check is not None and not check(self, input):
            self.sane = False

    def _session(self, input: realtime.SessionCreated) -> bool:
        fresh, self.created = not self.created, True
        return fresh

    def _updated(self, input: realtime.SessionUpdated) -> bool:
        self.ready = True
        return self.created

    def _speech(self, input: realtime.SpeechStarted) -> bool:
        fine = self.ready and self._speaking is None and input.item_id not in self._users
        self._speaking = input.item_id
        self._users[input.item_id] = 1
        return fine and input.item_id not in self._items

    def _stopped(self, input: realtime.SpeechStopped) -> bool:
        fine, self._speaking = input.item_id == self._speaking, None
        return fine

    def _commit(self, input: realtime.InputCommitted) -> bool:
        fine = self._users.get(input.item_id) == 1
        if self._speaking == input.item_id:
            self._speaking = None
        self._users[input.item_id] = 2
        self.committed = input.item_id
        return fine

    def _added(self, input: realtime.ItemAdded) -> bool:
        item = input.item_id
        if item in self._items:
            return False
        self._items[item] = "" if input.role == "user" else self.active or ""
        if input.role == "assistant" or input.kind == "function_call":
            if self.committed:
                self.cause[item] = self.committed
                if self.committed not in self._items:
                    return False
            return self.active is not None and item not in self._users
        if input.role == "user":
            return self._users.get(item, 2) == 2
        return self.ready

    def _words(self, input: realtime.InputTranscriptDelta) -> bool:
        return self._users.get(input.item_id) == 2

    def _written(self, input: realtime.InputTranscriptDone | realtime.InputTranscriptFailed) -> bool:
        fine = self._users.get(input.item_id) == 2
        self._users[input.item_id] = 3
        return fine

    def _response(self, input: realtime.ResponseCreated) -> bool:
        fine = self.ready and self.active is None and input.response_id not in self._responses
        self.active = input.response_id
        self._responses.add(input.response_id)
        return fine

    def _of_active(self, input: realtime.AudioDelta) -> bool:
        return (
            input.response_id == self.active == self._items.get(input.item_id)
            and input.item_id not in self._done
            and input.item_id not in self._heard
            and len(input.delta) % 4 == 0
        )

    def _ends(self, input: realtime.AudioDone) -> bool:
        fine = input.response_id == self.active == self._items.get(input.item_id)
        fine = fine and input.item_id not in self._done and input.item_id not in self._heard
        self._heard.add(input.item_id)
        return fine

    def _spoken(self, input: realtime.OutputTranscriptDelta | realtime.OutputTranscriptDone) -> bool:
        return self.active is not None and self._items.get(input.item_id) == self.active

    def _item_done(self, input: realtime.OutputItemDone | realtime.FunctionCalled) -> bool:
        fine = input.response_id == self.active == self._items.get(input.item_id) and input.item_id not in self._done
        self._done.add(input.item_id)
        return fine

    def _response_done(self, input: realtime.ResponseDone) -> bool:
        fine, self.active = input.response_id == self.active, None
        return fine and all(i in self._done for i, r in self._items.items() if r == input.response_id)

    _CHECKS: ClassVar[Mapping[type, Callable[[Any, Any], bool]]] = {
        realtime.SessionCreated: _session,
        realtime.SessionUpdated: _updated,
        realtime.SpeechStarted: _speech,
        realtime.SpeechStopped: _stopped,
        realtime.InputCommitted: _commit,
        realtime.ItemAdded: _added,
        realtime.InputTranscriptDelta: _words,
        realtime.InputTranscriptDone: _written,
        realtime.InputTranscriptFailed: _written,
        realtime.ResponseCreated: _response,
        realtime.AudioDelta: _of_active,
        realtime.AudioDone: _ends,
        realtime.OutputTranscriptDelta: _spoken,
        realtime.OutputTranscriptDone: _spoken,
        realtime.OutputItemDone: _item_done,
        realtime.FunctionCalled: _item_done,
        realtime.ResponseDone: _response_done,
    }
    SAID: ClassVar[frozenset[type]] = frozenset(_CHECKS)


class Talk:
    """What one session has shown: a restart forgets it."""

    def __init__(self) -> None:
        self.stream: str | None = None
        self.up = self.down = False
        self.phone = Phone()
        self.emptied = False
        """In this step: the orders that go with it are still judged by what the phone was before."""
        self.grammar = Grammar()
        self.ready = False
        """The model is configured as it was asked to be."""
        self.configured = False
        """session.update was sent to the present model."""
        self.creates = 0
        """Answers that we ordered and that the model has neither begun nor refused."""
        self.create_id = ""
        self.given: dict[str, int] = {}
        self.sent: dict[str, int] = {}
        self.held = 0
        """Bytes that wait before the phone's stream."""
        self.sent_now = 0
        """Bytes sent since the last clear."""
        self.unmarked = 0
        self.last_item = ""
        self.cut: dict[str, str] = {}
        """Items that the model was told to cut, or to forget."""
        self.cleared: set[str] = set()
        """Items of which a clear threw something away."""


class Facts:
    """What one history has shown."""

    def __init__(self, audio: str = "audio/pcmu") -> None:
        self.audio = audio
        self.width = 1 if audio == "audio/pcmu" else 6
        """Bytes of the model's audio for one of the phone's."""
        self.log: list[Payload] = []
        self.talk = Talk()
        self.dials = 0
        self.answered = False
        self.away = False
        """The daemon was restarted during the call, and nothing has shown it held here since."""
        self.ending: events.CallEnding | None = None
        self.ended = self.closed = False
        self.finals: dict[str, events.TranscriptFinal] = {}
        self.positions: set[int] = set()
        self.order: dict[str, int] = {}
        """The place in the model's conversation of items whose words are not on record yet."""
        self.compared = 0
        """How often what was heard was held against the phone."""
        self.idle = 0
        """Deadlines in a row that passed at one moment, and left another that is due."""
        self.idle_at = -1.0

    def restart(self) -> None:
        """The daemon was restarted: what is not in the record is forgotten."""
        self.talk = Talk()
        self.order.clear()
        self.away = any(not isinstance(payload, events.CallQueued) for payload in self.log)

    # Before the step's rules: what came in.

    def take(self, input: Any, now: float) -> None:
        """What the input says."""
        kind = type(input)
        talk = self.talk
        if kind in Grammar.SAID:
            talk.grammar.note(input)
        handler = self._TAKE.get(kind)
        if handler is not None:
            handler(self, talk, input, now)

    def _delta(self, talk: Talk, input: realtime.AudioDelta, now: float) -> None:
        talk.given[input.item_id] = talk.given.get(input.item_id, 0) + size_of(input.delta) // self.width

    def _echo(self, talk: Talk, input: MarkEchoed, now: float) -> None:
        talk.phone.echoed(input.name, now)

    def _held(self, talk: Talk, input: inputs.MediaHeld, now: float) -> None:
        talk.held = input.size
        if input.size:
            talk.phone.truthful = False

    def _started(self, talk: Talk, input: inputs.MediaStarted, now: float) -> None:
        if talk.stream is not None:
            self._empty(talk, now)
        talk.stream = input.stream_id
        self.away = False

    def _asked(self, talk: Talk, input: inputs.VoiceRequested, now: float) -> None:
        self.away = self.away and not input.carrier_call_id

    def _stopped(self, talk: Talk, input: inputs.MediaClosed, now: float) -> None:
        if input.stream_id == talk.stream:
            talk.stream = None
            self._empty(talk, now)

    def _empty(self, talk: Talk, now: float) -> None:
        phone = talk.phone
        if phone.truthful:
            talk.cleared.update(item for item, begin, size in phone.pieces if begin + size / BYTES > now + 0.04)
        phone.empty(now)
        talk.emptied = True
        talk.unmarked = talk.sent_now = talk.held = 0

    def _updated(self, talk: Talk, input: realtime.SessionUpdated, now: float) -> None:
        if input.input_format == input.output_format == self.audio and not talk.down:
            talk.ready = True

    def _model_closed(self, talk: Talk, input: inputs.ModelClosed, now: float) -> None:
        talk.ready = talk.configured = False
        talk.creates = 0

    def _began(self, talk: Talk, input: object, now: float) -> None:
        talk.creates = max(0, talk.creates - 1)

    def _refused(self, talk: Talk, input: realtime.ModelFault, now: float) -> None:
        if input.event_id == talk.create_id or input.code == "conversation_already_has_active_response":
            talk.creates = 0

    def _added(self, talk: Talk, input: realtime.ItemAdded, now: float) -> None:
        if not talk.ready or (talk.down and input.role == "assistant"):
            return  # not of this conversation; or nobody is there to hear it: it will not be on record
        if input.kind == "message" and input.role in ("user", "assistant") and input.item_id not in self.finals:
            self.order.setdefault(input.item_id, len(self.order))

    def _up(self, talk: Talk, input: object, now: float) -> None:
        talk.up = True

    def _down(self, talk: Talk, input: object, now: float) -> None:
        talk.down = True

    _TAKE: ClassVar[Mapping[type, Callable[[Any, Talk, Any, float], None]]] = {
        realtime.AudioDelta: _delta,
        MarkEchoed: _echo,
        inputs.MediaHeld: _held,
        inputs.MediaStarted: _started,
        inputs.VoiceRequested: _asked,
        inputs.MediaClosed: _stopped,
        realtime.SessionUpdated: _updated,
        inputs.ModelClosed: _model_closed,
        realtime.ResponseCreated: _began,
        realtime.ModelFault: _refused,
        realtime.ItemAdded: _added,
        inputs.LineWentUp: _up,
        inputs.LineWentDown: _down,
    }

    # After the rules on it: what was ordered.

    def give(self, effect: Any, step: Step) -> None:
        """What the effect says."""
        handler = self._GIVE.get(type(effect))
        if handler is not None:
            handler(self, effect, step)

    def _play(self, effect: effects.Play, step: Step) -> None:
        talk = self.talk
        item = getattr(step.input, "item_id", "")
        size = size_of(effect.payload)
        talk.sent[item] = talk.sent.get(item, 0) + size
        talk.sent_now += size
        talk.unmarked += size
        talk.last_item = item
        talk.phone.play(item, size, step.now)

    def _mark(self, effect: effects.Mark, step: Step) -> None:
        self.talk.unmarked = 0
        self.talk.phone.mark(effect.name, step.now)

    def _clear(self, effect: effects.Clear, step: Step) -> None:
        self._empty(self.talk, step.now)

    def _dial(self, effect: effects.Dial, step: Step) -> None:
        self.dials += 1

    def _to_model(self, effect: effects.SendToModel, step: Step) -> None:
        talk = self.talk
        order = order_of(effect)
        match order.type:
            case "session.update":
                talk.configured = True
            case "response.create":
                talk.creates += 1
                talk.create_id = order.event_id
            case "conversation.item.truncate" | "conversation.item.delete":
                talk.cut[order.item_id] = order.type

    def _append(self, effect: effects.Append, step: Step) -> None:
        payload = effect.payload
        self.log.append(payload)
        match payload:
            case events.TranscriptFinal():
                self.finals[payload.item_id] = payload
                self.positions.add(payload.position)
            case events.CallAnswered():
                self.answered = True
            case events.CallEnding():
                self.ending = payload
            case events.CallEnded():
                self.ended = True
            case events.CallClosed():
                self.closed = True

    _GIVE: ClassVar[Mapping[type, Callable[[Any, Any, Step], None]]] = {
        effects.Play: _play,
        effects.Mark: _mark,
        effects.Clear: _clear,
        effects.Dial: _dial,
        effects.SendToModel: _to_model,
        effects.Append: _append,
    }

    def settle(self, step: Step) -> None:
        """The step is judged."""
        if type(step.input) is inputs.DeadlinePassed:
            due = min((due for due in (step.call_due, step.turn_due) if due is not None), default=step.now + 1)
            self.idle = self.idle + 1 if step.now == self.idle_at and due <= step.now else 0
            self.idle_at = step.now
        if self.talk.emptied:
            self.talk.emptied = False
            self.talk.phone.truthful = True  # an empty buffer has nothing to be wrong about


def order_of(effect: effects.SendToModel) -> Order:
    """The message, decoded."""
    return _decode_order(effect.message)
