"""One history through the pure machines, judged as it goes: what service/session.py does, without a loop and a world.

A history is a record to begin with and a script: what happened, and when. What the machines tell each other, and what
the links of a session answer at once, is not in the script. Inputs that the daemon's doors would not let in (a frame of
no stream, a message of a closed model) are not let in here either, so every part of a script is a script.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agenticd.core import effects, events, inputs, realtime
from agenticd.core.call import TRANSITIONS, CallMachine, Trigger
from agenticd.core.events import CallRecord, CallState, Direction
from agenticd.core.mediastream import DigitPressed, MarkEchoed, MediaReceived
from agenticd.core.record import amend, apply
from agenticd.core.turn import Turn
from agenticd.service.session import UNDIALLED
from tests.explore.facts import Facts, Step
from tests.explore.rules import AT_END, BY_STEP, rules_on

WALL = 1_700_000_000.0
FORMATS = {"pcmu": "audio/pcmu", "pcm24": "audio/pcm"}
_FRAMES = frozenset({MediaReceived, MarkEchoed, inputs.MediaHeld, realtime.AudioDelta})
_OF_STREAM = frozenset({MediaReceived, MarkEchoed, DigitPressed})
_OF_MODEL: frozenset[type] = frozenset(realtime.ServerEvent.__args__) | {inputs.ModelClosed}
INTERNAL: frozenset[type] = frozenset({inputs.LineWentUp, inputs.LineWentDown, inputs.LastCall, inputs.TalkSettled})
"""What machines tell each other, and nobody else."""
MOST_DEADLINES = 600
"""Deadlines that may pass, and seconds beyond the call's own limits that may go by, before a call that nobody touches
is closed."""
PATIENCE = 600.0


@dataclass(frozen=True, slots=True)
class DialBegun:
    """Not an input: the order to dial left the session; until then it can be taken back."""


Happening = inputs.Input | DialBegun


@dataclass(frozen=True, slots=True)
class History:
    """`silence`: how often the carrier fails to answer, when all else is silent, before it says that nothing is left of
    the call."""

    record: CallRecord
    script: Sequence[tuple[float, Happening]]
    silence: int = 0


class Violation(Exception):
    """A rule was broken."""

    def __init__(self, rule: str, text: str, at: float) -> None:
        super().__init__(f"{rule}: {text} (at {at:.3f})")
        self.rule = rule


@dataclass
class Coverage:
    """What was reached, and how often."""

    histories: int = 0
    steps: int = 0
    compared: int = 0
    sane: int = 0
    triggers: Counter[tuple[CallState, Trigger]] = field(default_factory=Counter)
    inputs: Counter[type] = field(default_factory=Counter)
    effects: Counter[type] = field(default_factory=Counter)
    payloads: Counter[type] = field(default_factory=Counter)
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, other: Coverage) -> None:
        """Both together."""
        self.histories += other.histories
        self.steps += other.steps
        self.compared += other.compared
        self.sane += other.sane
        self.triggers.update(other.triggers)
        self.inputs.update(other.inputs)
        self.effects.update(other.effects)
        self.payloads.update(other.payloads)
        self.ends.update(other.ends)


class Watched(CallMachine):
    """The call's machine, telling which of its transitions it takes."""

    def __init__(self, record: CallRecord, answered_at: float | None, fired: list[Any]) -> None:
        super().__init__(record, answered_at)
        self._fired = fired

    def _fire(self, trigger: Trigger, now: float, end: events.CallEnd | None = None) -> list[effects.Effect]:
        before, at = self.state, len(self._fired)
        self._fired.append(None)  # its place, before those that it brings about
        made = super()._fire(trigger, now, end)
        if self.state is not before or trigger in TRANSITIONS[before]:
            self._fired[at] = (before, trigger, self.state)
        return made


class Run:
    """The machines of one call, their inbox and their record."""

    def __init__(self, record: CallRecord, coverage: Coverage, *, keep: bool = False) -> None:
        self.record = record
        self.facts = Facts(FORMATS[record.brief.audio])
        self.coverage = coverage
        self.ordered: list[effects.Effect] = []
        """All that the newest input led to."""
        self.kept: list[tuple[inputs.Input, list[effects.Effect]]] = []
        self.steps = 0
        self.now = 0.0
        self.model_open = False
        self.streams: set[str] = set()
        self._keep = keep
        self._fired: list[Any] = []
        self._inbox: deque[inputs.Input] = deque()
        self._begin(None)

    def _begin(self, answered_at: float | None) -> None:
        self.call = Watched(self.record, answered_at, self._fired)
        self.turn = Turn(self.record.brief, self.record.call_id)
        self.dial_waits = False
        self.model_open = False
        self.streams = set()
        self._consumed = 0

    def deadline(self) -> float | None:
        """The earliest of both machines."""
        call, turn = self.call.deadline(), self.turn.deadline()
        if call is None or turn is None:
            return turn if call is None else call
        return call if call < turn else turn

    def feed(self, at: float, happening: Happening) -> bool:
        """Something happened. Returns whether the daemon's doors let it in. Raises Violation."""
        kind = type(happening)
        self.now = at
        self.ordered = []
        if kind is DialBegun:
            begun, self.dial_waits = self.dial_waits, False
            self.facts.begun |= begun
            return begun
        if not self._let_in(kind, happening, at):
            return False
        inbox, due = self._inbox, self.call.deadline()
        if kind is inputs.DeadlinePassed and self.dial_waits and due is not None and at >= due:
            inbox.append(UNDIALLED)
        inbox.append(happening)  # type: ignore[arg-type]
        while inbox:
            self._step(inbox.popleft(), at)
        return True

    def _let_in(self, kind: type, happening: Any, at: float) -> bool:
        if kind in _OF_STREAM:
            return happening.stream_sid in self.streams
        if kind in _OF_MODEL:
            if kind is inputs.ModelClosed:
                was, self.model_open = self.model_open, False
                return was
            return self.model_open
        if kind is inputs.MediaStarted:
            call = self.call
            fine = call.wants_stream and self._consumed < happening.attempt == call.attempt
            if fine and happening.stream_id not in self.streams:
                self._consumed = happening.attempt
                self.streams.add(happening.stream_id)
                return True
            return False
        if kind is inputs.MediaClosed:
            was = happening.stream_id in self.streams
            self.streams.discard(happening.stream_id)
            return was
        if kind is inputs.MediaHeld:  # what waits was sent, and not cleared since
            return bool(self.streams) and 0 <= happening.size <= self.facts.talk.sent_now
        if kind is inputs.CallRecovered:
            if self.record.closed or not self.record.last_sequence:
                return False
            answer = self.record.answer_time
            self.facts.restart()
            self._begin(None if answer is None else at - max(0.0, WALL + at - answer))
            return True
        if kind is inputs.CallPlaced:
            return self.record.direction is Direction.OUTBOUND and not self.record.last_sequence
        if kind is inputs.CallArrived:
            return self.record.direction is Direction.INBOUND
        return kind not in INTERNAL and self.record.last_sequence > 0

    def _step(self, input: inputs.Input, now: float) -> None:
        kind = type(input)
        call, turn, facts, fired = self.call, self.turn, self.facts, self._fired
        fired.clear()
        before = call.state
        facts.take(input, now)
        made: list[effects.Effect] = []
        try:
            if kind not in _FRAMES:
                made = call.handle(input, now)
            if kind in Turn.HANDLED:
                made = made + turn.handle(input, now)
        except Exception as error:
            raise Violation("machines_never_raise", f"{kind.__name__}: {error!r}", now) from error
        step = Step(
            now,
            input,
            made,
            before,
            call.state,
            [one for one in fired if one] if fired else fired,
            call.deadline(),
            turn.deadline() if kind is inputs.DeadlinePassed else None,
            call.closed,
        )
        self.steps += 1
        self._count(kind, step)
        if made:
            self._perform(step, now)
            self.ordered += made
        facts.settle(step)
        judge(facts, step)
        if self._keep:
            self.kept.append((input, made))

    def _perform(self, step: Step, now: float) -> None:
        """As Session does it: what is recorded, what is told, what the links answer at once."""
        inbox, facts = self._inbox, self.facts
        for effect in step.effects:
            kind = type(effect)
            for rule in rules_on(effect):
                wrong = rule(facts, effect, step)
                if wrong is not None:
                    raise Violation(rule.__name__, wrong, now)
            facts.give(effect, step)
            self.coverage.effects[kind] += 1
            match effect:
                case effects.Play() | effects.Mark() | effects.SendAudio() | effects.SendToModel():
                    pass
                case effects.Append(payload):
                    self.coverage.payloads[type(payload)] += 1
                    self.record = apply(self.record, payload, WALL + now)
                    if self.dial_waits and type(payload) in (events.CallEnding, events.CallEnded):
                        self.dial_waits = False
                        inbox.append(inputs.DialRefused(0, ""))
                case effects.Amend():
                    self.record = amend(self.record, effect)
                case effects.Tell(told):
                    inbox.append(told)
                case effects.Dial():
                    self.dial_waits = True
                case effects.OpenModel():
                    self.model_open = True
                case effects.CloseModel():
                    if self.model_open:
                        self.model_open = False
                        inbox.append(inputs.ModelClosed(1000, "closed by the daemon"))

    def _count(self, kind: type, step: Step) -> None:
        coverage = self.coverage
        coverage.inputs[kind] += 1
        for before, trigger, _ in step.fired:
            coverage.triggers[before, trigger] += 1

    def end(self, silence: int) -> None:
        """Nothing happens any more, but time, and a carrier that knows no such call. Raises Violation."""
        now, failures, deadlines = self.now, silence, 0
        limits = self.record.options
        last: float | None = None
        self.feed(now, inputs.MediaHeld(0))
        while not self.call.closed:
            due = self.deadline()
            deadlines += 1
            if due is None or deadlines > MOST_DEADLINES:
                raise Violation(
                    "every_call_is_closed_in_the_end", f"after {deadlines} deadlines: {self.call.state}", now
                )
            now = max(now, due)
            if last is None:
                last = now + limits.queue_timeout + limits.ring_timeout + limits.max_duration + PATIENCE
            if now > last:
                raise Violation(
                    "every_call_is_closed_in_the_end",
                    f"left in {self.call.state}, carrier_call_id={self.call.carrier_call_id!r}",
                    now,
                )
            self.feed(now, inputs.DeadlinePassed())
            questions = [e for e in self.ordered if isinstance(e, effects.HangUpLeg | effects.LookUpCall)]
            if self.dial_waits:
                self.feed(now, DialBegun())
            for question in questions:
                failures -= 1
                self.feed(now, _answer(question, failed=failures >= 0, known=bool(self.call.carrier_call_id)))
        self._closed(now)

    def _closed(self, now: float) -> None:
        for rule in AT_END:
            wrong = rule(self.facts, self.record)
            if wrong is not None:
                raise Violation(rule.__name__, wrong, now)
        coverage = self.coverage
        coverage.histories += 1
        coverage.steps += self.steps
        coverage.compared += self.facts.compared
        coverage.sane += self.facts.talk.grammar.sane
        end = self.record.end
        if end is not None:
            coverage.ends[end.reason.value, end.ended_by.value] += 1


def judge(facts: Facts, step: Step) -> None:
    """The rules that are asked after each input. Raises Violation."""
    for rule in BY_STEP:
        wrong = rule(facts, step)
        if wrong is not None:
            raise Violation(rule.__name__, wrong, step.now)


def _answer(question: effects.Effect, *, failed: bool, known: bool) -> inputs.Input:
    if isinstance(question, effects.HangUpLeg):
        return inputs.LegHangUpFailed("timeout") if failed else inputs.LegHungUp(None)
    return inputs.LookUpFailed("timeout") if failed else inputs.CallNotSeen(sure=known)


def replay(history: History, coverage: Coverage | None = None, *, keep: bool = False) -> Run:
    """Run it again. Raises Violation."""
    run = Run(history.record, coverage or Coverage(), keep=keep)
    for at, happening in history.script:
        run.feed(at, happening)
    run.end(history.silence)
    return run


def violation_of(history: History) -> Violation | None:
    """The rule that it breaks, if it breaks one."""
    try:
        replay(history)
    except Violation as violation:
        return violation
    return None


def shrunk(history: History, rule: str) -> History:
    """The history without all that is not needed to break the rule."""

    def breaks(script: Sequence[tuple[float, Happening]]) -> bool:
        found = violation_of(History(history.record, script, history.silence))
        return found is not None and found.rule == rule

    script = list(history.script)
    size = max(1, len(script) // 2)
    while size:
        at, dropped = 1, False  # a call begins with its beginning
        while at < len(script):
            fewer = script[:at] + script[at + size :]
            if breaks(fewer):
                script, dropped = fewer, True
            else:
                at += size
        size = size if dropped and size == 1 else size // 2
    return History(history.record, script, history.silence)
