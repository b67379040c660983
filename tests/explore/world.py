"""A world for one call: a carrier, a phone, a model and clients, from one seed, on a calendar instead of a clock.

Most of what happens is plausible, and then goes wrong: callbacks are lost, repeated, late and out of order; marks lie;
sockets break; the daemon restarts. At a given rate the input is wholly random. The script that was fed is kept, so a
history can be run again without the world that made it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from random import Random
from typing import Any, ClassVar

from agenticd.core import effects, inputs, realtime
from agenticd.core.events import AgentBrief, CallOptions, CallRecord, CallState, Direction, EndedBy, EndReason
from agenticd.core.ids import CallId
from agenticd.core.mediastream import DigitPressed, MarkEchoed, MediaReceived
from tests.explore import wild
from tests.explore.model import SAYS, Model, Token
from tests.explore.run import FORMATS, WALL, Coverage, DialBegun, Happening, History, Run

_CONNECT = object()
_SPEAK = object()
SID = "CA1"
_LOST, _TWICE, _LATE = 0.1, 0.2, 0.35
_API = inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.API, "enough")


def _briefs() -> list[AgentBrief]:
    chance = Random(7)
    pick = chance.choice
    return [
        AgentBrief(
            instructions="Be brief.",
            greeting=pick(("", "Hello.", "Hello.")),
            voice="marin",
            model="m",
            audio="pcm24" if number % 16 == 15 else "pcmu",
            transcription_model=pick(("", "gpt-transcribe", "gpt-transcribe")),
            protect_greeting=pick((False, True)),
            min_interruption=pick((0.0, 0.0, 0.3, 1.0)),
            digits_to_model=pick((False, True)),
            check_in=pick(("", "Are you still there?")),
            check_in_after=pick((0.0, 4.0, 10.0)),
            hang_up_after=pick((0.0, 3.0, 20.0)),
            apology=pick(("", "Sorry, goodbye.")),
        )
        for number in range(64)
    ]


_BRIEFS = _briefs()
_OPTIONS = [CallOptions(30.0, most, 60.0) for most in (3600.0, 3600.0, 600.0, 20.0)]


class World:
    """One history, as it is made. `wildness`: the share of inputs that are wholly random."""

    def __init__(self, seed: int, coverage: Coverage, *, steps: int = 30, wildness: float | None = None) -> None:
        self.chance = chance = Random(seed)
        self.coverage = coverage
        inbound = chance.random() < 0.4
        brief = _BRIEFS[int(chance.random() * len(_BRIEFS))]
        self.record = CallRecord(
            call_id=CallId("01JD0000000000000000000000"),
            direction=Direction.INBOUND if inbound else Direction.OUTBOUND,
            state=CallState.RINGING if inbound else CallState.QUEUED,
            from_address="+15550001111",
            to_address="+15550002222",
            agent="default",
            brief=brief,
            options=_OPTIONS[int(chance.random() * len(_OPTIONS))],
            node_id="node",
            create_time=WALL,
            carrier_call_id=SID if inbound else "",
        )
        self.now = 100.0
        self.run = Run(self.record, coverage)
        self.script: list[tuple[float, Happening]] = []
        self.silence = int(chance.random() * 4)
        self._steps = int(steps * (0.5 + chance.random()))
        self._wildness = (0.0, 0.0, 0.03, 0.25)[int(chance.random() * 4)] if wildness is None else wildness
        self._model = Model(self, chance, FORMATS[brief.audio])
        self._names = wild.Names()
        self._calendar: list[tuple[float, int, Any, Token | None]] = []
        self._entries = 0
        self._truth = "queued"
        self._exists = inbound
        self._streams = 0
        self._buffer, self._outstanding = Token(), list[str]()
        self._marks = chance.choice(("true", "true", "true", "late", "deaf", "false"))

    @property
    def history(self) -> History:
        """What was fed so far."""
        return History(self.record, self.script, self.silence)

    def push(self, at: float, input: Any, token: Token | None = None) -> None:
        """Into the calendar. Struck out when the token is."""
        self._entries += 1
        heappush(self._calendar, (at, self._entries, input, token))

    def play(self) -> None:
        """Make the history, up to its end. Raises Violation; `history` is then what led to it."""
        inbound = self.record.direction is Direction.INBOUND
        self._feed(self.now, inputs.CallArrived() if inbound else inputs.CallPlaced(), None)
        if not inbound and self.chance.random() < 0.95:
            self.push(self.now + self.chance.choice((0.0, 0.5, 30.0)), inputs.DialGranted())
        run, limit, turns = self.run, self._steps, 0
        while run.steps < limit and not run.call.closed and turns < 4 * limit:
            turns += 1
            self._next()
        if run.call.closed:
            self._linger()
        run.end(self.silence)

    def _linger(self) -> None:
        """What comes when all is over."""
        for _ in range(3):
            self._wild()
            if self._calendar:
                self._due()

    # What comes next.

    def _next(self) -> None:
        roll = self.chance.random()
        if roll < self._wildness:
            self._wild()
            return
        if self._calendar and roll < 0.94:
            self._due()
            return
        self._spontaneous()

    def _due(self) -> None:
        """The next of the calendar, or a deadline that comes before it."""
        at, _, input, token = self._calendar[0]
        deadline = self.run.deadline()
        if deadline is not None and deadline < at:
            self.now = max(self.now, deadline)
            self._feed(self.now, inputs.DeadlinePassed(), None)
            return
        heappop(self._calendar)
        if token is not None and not token.live:
            return
        if at > self.now:
            self.now = at
        if input is _CONNECT:
            self._streams += 1
            name = f"MZ{self._streams}"
            self._names.streams.append(name)
            input = inputs.MediaStarted(name, self.run.call.attempt)
        elif input is _SPEAK:
            if self._model.ready and self.run.streams:
                self._model.hears(self.now)
            return
        self._feed(self.now, input, token)

    def _wild(self) -> None:
        chance = self.chance
        input = wild.ALL[int(chance.random() * len(wild.ALL))](chance, self._names)
        self.now += chance.choice((0.0, 0.0, 0.01, 0.5))
        self._feed(self.now, input, None)

    def _spontaneous(self) -> None:
        chance, run = self.chance, self.run
        roll = chance.random()
        deadline = run.deadline()
        if roll < 0.03:
            self._feed(self.now, _API, None)
        elif roll < 0.06:
            self._restart()
        elif roll < 0.10:
            self.now += chance.choice((1.0, 10.0, 100.0))
        elif roll < 0.22 and deadline is not None:
            self.now = max(self.now, deadline) + chance.choice((0.0, 0.0, 0.05))
            self._feed(self.now, inputs.DeadlinePassed(), None)
        elif run.streams:
            self._phone(roll)
        elif not self._calendar and deadline is not None:
            self.now = max(self.now, deadline)
            self._feed(self.now, inputs.DeadlinePassed(), None)

    def _phone(self, roll: float) -> None:
        """The person on the phone does something."""
        chance, stream = self.chance, f"MZ{self._streams}"
        self.now += chance.choice((0.0, 0.02, 0.1, 0.4))
        if roll < 0.7 and self._model.ready:
            self._model.hears(self.now)
        elif roll < 0.8:
            self._feed(self.now, MediaReceived(stream, wild.FRAME), None)
        elif roll < 0.86:
            self._feed(self.now, DigitPressed(stream, "5"), None)
        elif roll < 0.9:
            self._hold()
        elif roll < 0.94:
            self._feed(self.now, inputs.MediaClosed(stream, False, "1006"), None)
        elif roll < 0.97:
            self._truth = "completed"
            self._report("completed", 0.2)
            self._feed(self.now, inputs.MediaClosed(stream, True), None)
        else:
            self.push(self.now, inputs.ModelClosed(1006, "gone"))

    def _hold(self) -> None:
        """The link takes no more for a while."""
        size, at = min(self.chance.choice((320, 8000, 40_000)), self.run.facts.talk.sent_now), self.now
        pause = self.chance.choice((0.2, 0.2, 5.0))
        while size > 200:
            self.push(at, inputs.MediaHeld(size))
            size //= 3
            at += pause
        self.push(at, inputs.MediaHeld(0))

    def _restart(self) -> None:
        self.now += self.chance.choice((0.5, 3.0, 70.0))
        self._model.ready = False
        self._feed(self.now, inputs.CallRecovered(self.now - 100.0), None)

    # What follows.

    def _feed(self, at: float, happening: Happening, token: Token | None) -> None:
        run = self.run
        self.script.append((at, happening))
        if not run.feed(at, happening):
            self.script.pop()
            return
        kind = type(happening)
        if kind in SAYS:
            self._model.said(happening, token, at)  # type: ignore[arg-type]
        follows = self._FOLLOWS.get(kind)
        if follows is not None:
            follows(self, happening, at)
        for effect in run.ordered:
            obeys = self._OBEYS.get(type(effect))
            if obeys is not None:
                obeys(self, effect, at)

    def _voice(self, input: object, at: float) -> None:
        if self.chance.random() < 0.92:
            self.push(at + self.chance.choice((0.1, 0.4)), _CONNECT)

    def _media_over(self, input: inputs.MediaClosed, at: float) -> None:
        if not input.stopped and self.chance.random() < 0.6:
            self.push(at + 0.5, inputs.VoiceRequested(SID))

    def _dialled(self, input: object, at: float) -> None:
        chance = self.chance
        roll = chance.random()
        if roll < 0.06:
            self.push(at + 0.3, inputs.DialRefused(21211, "no such number"))
            return
        unanswered = roll < 0.2
        if unanswered:
            self.push(at + chance.choice((0.0, 15.0)), inputs.DialUnanswered("timeout"))
        else:
            self.push(at + chance.choice((0.1, 0.1, 0.6)), inputs.DialAnswered(SID, "queued"))
        if unanswered and chance.random() < 0.5:
            return
        self._exists = True
        self._report("initiated", 0.1)
        self._report("ringing", 0.5)
        final = chance.choice(("in-progress",) * 8 + ("busy", "no-answer", "failed", "canceled"))
        after = chance.choice((0.55, 1.0, 5.0, 25.0))
        self._truth = final
        self._report(final, after)
        if final == "in-progress":
            self.push(at + after, inputs.VoiceRequested(SID))

    def _report(self, status: str, after: float) -> None:
        """A status callback: it may be lost, repeated or late."""
        roll, at = self.chance.random(), self.now + after
        if roll < _LOST:
            return
        sip, code = (486, 0) if status == "busy" else (0, 0)
        report = inputs.StatusReported(SID, status, 1, sip, code)
        if roll < _TWICE:
            self.push(at + 0.2, report)
        self.push(at + 4.0 if _TWICE <= roll < _LATE else at, report)

    def _hang_up(self, effect: effects.HangUpLeg, at: float) -> None:
        chance = self.chance
        roll, later = chance.random(), at + chance.choice((0.1, 2.0))
        if roll < 0.12:
            self.push(later, inputs.LegHangUpFailed("timeout"))
            return
        self._truth = "completed" if effect.answered else "canceled"
        if roll < 0.24:
            self.push(later, inputs.LegHungUp(None))
        elif roll < 0.7:
            self.push(later, inputs.LegHungUp(self._truth))
        else:
            self.push(later, inputs.LegHungUp("in-progress"))
        self._report(self._truth, 0.5)

    def _look_up(self, effect: object, at: float) -> None:
        roll, later = self.chance.random(), at + 0.2
        if roll < 0.2:
            self.push(later, inputs.LookUpFailed("timeout"))
        elif self._exists and roll < 0.9:
            self.push(later, inputs.CallSeen(SID, self._truth))
        else:
            self.push(later, inputs.CallNotSeen(sure=bool(self.run.call.carrier_call_id)))

    def _dial(self, effect: object, at: float) -> None:
        self.push(at + self.chance.choice((0.0, 0.0, 0.0, 2.0, 25.0)), DialBegun())

    def _close_media(self, effect: object, at: float) -> None:
        for stream in sorted(self.run.streams):
            self.push(at + 0.1, inputs.MediaClosed(stream, stopped=True))

    def _mark(self, effect: effects.Mark, at: float) -> None:
        """The phone will echo it: when it is due, or late, or never, or at once."""
        name, marks, chance = effect.name, self._marks, self.chance
        if len(self._names.marks) < 12:
            self._names.marks.append(name)
        if marks == "deaf" or not self._streams:
            return
        due = self.run.facts.talk.phone.due.get(name, at)
        if marks == "true":
            due += chance.choice((0.0, 0.004, 0.008))
        elif marks == "late":
            due += chance.choice((0.0, 0.2, 1.5))
        else:
            due = at + chance.choice((0.0, 0.0, 5.0))
        self._outstanding.append(name)
        self.push(due, MarkEchoed(f"MZ{self._streams}", name), self._buffer)

    def _clear(self, effect: object, at: float) -> None:
        """Twilio echoes at once what it had not echoed before."""
        self._buffer.live = False
        for name in self._outstanding:
            self.push(at + 0.03, MarkEchoed(f"MZ{self._streams}", name))
        self._buffer, self._outstanding = Token(), []

    def _echoed(self, input: MarkEchoed, at: float) -> None:
        if input.name in self._outstanding:
            self._outstanding.remove(input.name)

    def _open_model(self, effect: object, at: float) -> None:
        self._model.opened(at)

    def _to_model(self, effect: effects.SendToModel, at: float) -> None:
        self._model.ordered(effect, at)

    def _heard(self, input: object, at: float) -> None:
        """The caller speaks over it, or after it."""
        if self.chance.random() < 0.25:
            self.push(at + self.chance.choice((0.01, 0.1, 0.5, 1.1, 3.0)), _SPEAK)

    def _names_of(self, input: Any, at: float) -> None:
        names = self._names
        if len(names.items) < 8:
            names.items.append(input.item_id)

    def _response_of(self, input: realtime.ResponseCreated, at: float) -> None:
        if len(self._names.responses) < 4:
            self._names.responses.append(input.response_id)

    _FOLLOWS: ClassVar[Mapping[type, Callable[[Any, Any, float], None]]] = {
        DialBegun: _dialled,
        inputs.VoiceRequested: _voice,
        inputs.CallArrived: _voice,
        inputs.MediaClosed: _media_over,
        realtime.AudioDelta: _heard,
        MarkEchoed: _echoed,
        realtime.ItemAdded: _names_of,
        realtime.SpeechStarted: _names_of,
        realtime.ResponseCreated: _response_of,
    }
    _OBEYS: ClassVar[Mapping[type, Callable[[Any, Any, float], None]]] = {
        effects.Dial: _dial,
        effects.HangUpLeg: _hang_up,
        effects.LookUpCall: _look_up,
        effects.CloseMedia: _close_media,
        effects.Mark: _mark,
        effects.Clear: _clear,
        effects.OpenModel: _open_model,
        effects.SendToModel: _to_model,
    }
