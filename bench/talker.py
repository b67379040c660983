"""A model that talks and is interrupted: answers eight times as fast as they are played, cut short by their callers.

That the caller speaks is made up here, at moments of an answer that are drawn by the call's number; when everything
that follows has come, the next answer begins. What follows of it is judged by the call's Exchange.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic

from picows import WSFrame, WSListener, WSMsgType, WSTransport

from bench import wire
from bench.audio import FRAME_SECONDS, Faults, call_of
from bench.exchange import DELTA_SECONDS, Exchange, Ids
from bench.model import ModelServer
from bench.phone import Pacer

_TEXT = WSMsgType.TEXT
_LATE = 2
"""Deltas that are still under way when the caller speaks, and come after the word of it."""
_WORDS_EVERY = 4  # deltas
FOLLOWS_WITHIN = 10.0
"""Seconds after which nothing more is awaited of an interruption, or of the phone before it. Whatever a busy machine
delays comes before that."""
_AGAIN = 0.05
_PLAYED_FOR = 0.15  # seconds after which nobody can doubt that everything was played


@dataclass(frozen=True, slots=True)
class Plan:
    """An answer. `deltas` long; after the first one the model falls silent for `stall` seconds; the caller speaks
    `after` seconds, or, with None, when everything was played."""

    deltas: int
    stall: float
    after: float | None

    @staticmethod
    def draw(rng: random.Random, *, plain: bool) -> Plan:
        """The next one. `plain` is for a bridge that clears whenever it is told of speech."""
        if not plain and rng.random() < 0.08:
            return Plan(2, 0.0, None)
        stall = 0.5 if rng.random() < 0.08 else 0.0
        return Plan(rng.randint(20, 90), stall, stall + rng.uniform(0.08, 0.8))


class TalkingModel(ModelServer):
    """The server. `calls` are those that there are, by number."""

    def __init__(
        self, calls: Mapping[int, Exchange], pacer: Pacer, faults: Faults, plans: Callable[[], Plan] | None = None
    ) -> None:
        super().__init__()
        self.plans = plans
        """Where each answer's plan comes from; drawn by chance without it."""
        self.follows_within = FOLLOWS_WITHIN
        """Less for a bridge of which nothing is expected."""
        self.calls = calls
        self.pacer = pacer
        self.faults = faults
        self.quiet = False
        """No further answer begins."""
        self.talking = 0
        """Sessions in which an answer is under way, or an interruption."""

    def session(self, *, realtime: bool) -> WSListener:
        """One more connection."""
        return _Session(self, realtime=realtime)


class _Session(WSListener):
    """The model's end of one call, known by its instructions or by the first frame that comes."""

    def __init__(self, model: TalkingModel, *, realtime: bool) -> None:
        self._model = model
        self._realtime = realtime
        self._transport: WSTransport | None = None
        self._call: Exchange | None = None
        self._number: int | None = None
        self._rng = random.Random()  # noqa: S311 - no secret; the call's own, once that is known
        self._plan = Plan(0, 0.0, None)
        self._ids = Ids("", "", "", "")
        self._left = 0
        """Deltas of the answer that are still to be said."""
        self._silent_until = 0.0
        self._tries = 0
        self._count = 0
        self._frames = 0
        self._words: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    # Called by picows.

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        if self._realtime:
            self._send(wire.SESSION_CREATED)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._transport = None
        self._model.pacer.remove(self)
        if self._timer is not None:
            self._timer.cancel()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        now = monotonic()
        if frame.msg_type is not _TEXT:
            if frame.msg_type is WSMsgType.CLOSE:
                transport.send_close()
                transport.disconnect()
            return
        message = wire.decode(frame.get_payload_as_bytes())
        payload = message.audio or (message.media.payload if message.media is not None else "")
        if payload:
            self._frames += 1
            call = self._call or self._find(payload)
            if call is not None:
                call.to_model.arrived(payload, now)
        elif message.type == "session.update":
            self._number = wire.line_in(message)
            self._send(wire.SESSION_UPDATED["pcmu"])
        elif self._call is not None and message.type == "conversation.item.truncate":
            self._call.truncated(message.item_id, message.audio_end_ms)
        elif self._call is not None and message.type == "conversation.item.delete":
            self._call.deleted(message.item_id)

    def _find(self, payload: str) -> Exchange | None:
        number = self._number if self._number is not None else call_of(payload)
        call = self._call = None if number is None else self._model.calls.get(number)
        if call is None:
            self._model.faults.add("the model got audio that no caller has said")
            return None
        call.settled = self._settled
        self._rng.seed(call.number)
        self._model.talking += 1
        self._model.pacer.add(self, self._rng.random())
        self._begin()
        return call

    # An answer.

    def _begin(self) -> None:
        """Say something new."""
        call = self._known()
        if self._model.quiet:
            self._model.talking -= 1
            return
        plans = self._model.plans
        plan = self._plan = plans() if plans is not None else Plan.draw(self._rng, plain=call.plain)
        ids = self._ids = call.begin()
        self._send(*wire.answer_begins(ids.response, ids.item, ids.previous or None))
        self._left, self._tries, self._words = plan.deltas, 0, []
        self._silent_until = 0.0
        after = plan.after if plan.after is not None else plan.deltas * (DELTA_SECONDS + FRAME_SECONDS) + _PLAYED_FOR
        self._call_in(after, self._interrupt)

    def speak(self) -> None:
        """Say the next 160 ms, if there is an answer."""
        now = monotonic()
        if not self._left or now < self._silent_until:
            return
        call, plan = self._known(), self._plan
        if self._left == plan.deltas:
            self._silent_until = now + plan.stall
        self._left -= 1
        self._say(call.say(monotonic()))
        if self._left % _WORDS_EVERY == 0:
            self._words.append("some words ")
            self._send(wire.answer_words(self._ids.response, self._ids.item, self._words[-1]))
        if not self._left:
            self._finish(cancelled=False)

    def _say(self, payload: str) -> None:
        self._count += 1
        ids = self._ids
        self._send(wire.DELTA_OF % (self._count, ids.response.encode(), ids.item.encode(), payload.encode()))

    def _finish(self, *, cancelled: bool) -> None:
        words = "".join(self._words)
        self._send(*wire.answer_ends(self._ids.response, self._ids.item, words, cancelled=cancelled))

    # The caller speaks.

    def _interrupt(self) -> None:
        """Tell of speech, unless the phone is not where this answer's plan wants it; then soon."""
        call, now, needed = self._known(), monotonic(), self._plan.after is not None
        playback = call.playback
        if needed:
            there = playback.played(now) > 0.05 and playback.unplayed(now) > 0.05
        else:
            there = not self._left and not call.to_caller.under_way and now > playback.end + _PLAYED_FOR
        if not there:
            self._tries += 1
            if self._tries * _AGAIN < self._model.follows_within:
                self._call_in(_AGAIN, self._interrupt)
                return
            call.faults.add(f"call {call.number}: the phone did not play what the model said")
        message = wire.speech_started(self._ids.user, self._frames * 20)
        call.interrupt(monotonic(), needed=needed)
        self._send(message)
        if self._left:
            self._left = 0
            if not call.plain:
                for _ in range(_LATE):
                    self._say(call.say_late())
            self._finish(cancelled=True)
        self._call_in(self._model.follows_within if needed else _PLAYED_FOR, self._go_on)

    def _settled(self) -> None:
        # Not at once: what comes twice comes now.
        self._call_in(self._rng.uniform(0.01, 0.03), self._go_on)

    def _go_on(self) -> None:
        """The caller has spoken. The next answer."""
        ids = self._ids
        self._known().end()
        self._send(*wire.speech_ends(ids.user, ids.item, self._frames * 20, "so be it"))
        self._call_in(self._rng.uniform(0.005, 0.02), self._begin)

    # Small help.

    def _known(self) -> Exchange:
        assert self._call is not None, "an answer begins when the call is known"
        return self._call

    def _send(self, *messages: bytes) -> None:
        if self._transport is not None:
            for message in messages:
                self._transport.send(_TEXT, message)

    def _call_in(self, seconds: float, what: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, what)
