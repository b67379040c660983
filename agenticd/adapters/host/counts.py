"""What the events of all calls come to: how many, how they ended, how long everything took. Shown by metrics.py.

Times are differences between events, so they are as true as the log, and cost a call nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from agenticd.core.events import (
    KINDS,
    AgentInterrupted,
    CallAnswered,
    CallClosed,
    CallDialing,
    CallEnded,
    CallQueued,
    CallRinging,
    Direction,
    Event,
    MediaConnected,
    Speaker,
    SpeechStarted,
    SpeechStopped,
    TranscriptFinal,
    TurnMeasured,
    Usage,
    UsageReported,
)
from agenticd.core.ids import CallId
from agenticd.core.log import Logged
from agenticd.core.tally import Tally

SETUP_PARTS = ("queue", "dial", "ring", "connect", "media")
_SETUP = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, 45.0, 60.0)
_LENGTH = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0)
_ANSWER = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
_INTERRUPTION = (0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
_TOGETHER = 0.1
"""Seconds: events of one moment are not further apart."""
_WANTED = frozenset(
    KINDS[kind]
    for kind in (
        CallQueued, CallDialing, CallRinging, CallAnswered, MediaConnected, CallEnded, CallClosed,
        AgentInterrupted, SpeechStarted, SpeechStopped, TurnMeasured, UsageReported,
    )
)  # fmt: skip
_TRANSCRIPT_FINAL = KINDS[TranscriptFinal]


@dataclass(slots=True)
class _Call:
    """What is remembered of a live call. Times are seconds since 1970, but `speaking`: since the answer."""

    inbound: bool = False
    step: float | None = None
    """When the last step of its setup was taken; None: nobody knows, or it has been set up."""
    rings: bool = False
    answered: float | None = None
    speaking: float | None = None
    """When the caller began to say what he is saying."""
    interrupted: float | None = None
    """When the agent was interrupted by what is about to be known as speech."""
    words: bool = False
    """Somebody's words are on record."""


class CallCounts:
    """Counters and histograms since the start of the daemon. A Listener of observer.py."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter(dict.fromkeys(KINDS.values(), 0))
        """Events, by kind."""
        self.started: Counter[str] = Counter({direction.value: 0 for direction in Direction})
        """Calls, by direction."""
        self.ended: Counter[tuple[str, str]] = Counter()
        """Calls whose line is down, by reason and by whom."""
        self.tokens: Counter[str] = Counter()
        """What the model used, by kind."""
        self.setup = {part: Tally(_SETUP) for part in SETUP_PARTS}
        self.duration = Tally(_LENGTH)
        self.greeting = Tally(_ANSWER)
        self.first_audio = Tally(_ANSWER)
        self.first_audio_model = Tally(_ANSWER)
        self.barge_in_clear = Tally(_INTERRUPTION)
        self._calls: dict[CallId, _Call] = {}

    def wants(self, logged: Logged) -> bool:
        """Counts it, and says whether there is more to it."""
        self.events[logged.kind] += 1
        if logged.kind == _TRANSCRIPT_FINAL:  # only a call's first words
            call = self._calls.get(logged.call_id)
            return call is not None and not call.words
        return logged.kind in _WANTED

    def heard(self, event: Event) -> None:
        """An event of a call."""
        call = self._calls.setdefault(event.call_id, _Call())
        match event.payload:
            case CallQueued(direction=direction):
                self._begin(call, direction, event.time)
            case CallDialing():
                self._step(call, "queue", event.time)
            case CallRinging(direction=direction):
                if call.step is None and direction is Direction.INBOUND:
                    self._begin(call, direction, event.time)
                else:
                    self._step(call, "dial", event.time)
                call.rings = True
            case CallAnswered():
                part = "connect" if call.inbound else "ring" if call.rings else "dial"
                self._step(call, part, event.time)
                call.answered = event.time
            case MediaConnected():
                if not call.inbound:
                    self._step(call, "media", event.time)
                call.step = None
            case CallEnded(end):
                self.ended[end.reason.value, end.ended_by.value] += 1
            case CallClosed(duration=duration):
                if duration > 0:
                    self.duration.add(duration)
                del self._calls[event.call_id]
            case UsageReported(usage=usage):
                self._used(usage)
            case _:
                self._talk(call, event)

    def _begin(self, call: _Call, direction: Direction, time: float) -> None:
        self.started[direction.value] += 1
        call.inbound = direction is Direction.INBOUND
        call.step = time

    def _step(self, call: _Call, part: str, time: float) -> None:
        if call.step is not None:
            self.setup[part].add(time - call.step)
            call.step = time

    def _talk(self, call: _Call, event: Event) -> None:
        match event.payload:
            case TurnMeasured(total=total, model=model):
                self.first_audio.add(total)
                self.first_audio_model.add(model)
            case TranscriptFinal() as said:
                if said.speaker is Speaker.AGENT and said.position == 1 and said.audio_end:
                    self.greeting.add(said.audio_start)
                call.words = True
            case SpeechStarted(at=at):
                call.speaking = at
                if call.interrupted is not None and event.time - call.interrupted < _TOGETHER:
                    self._interrupted(call, call.interrupted)
                call.interrupted = None
            case SpeechStopped():
                call.speaking = None
            case AgentInterrupted():
                if call.speaking is not None:
                    self._interrupted(call, event.time)
                else:
                    call.interrupted = event.time
            case _:
                pass

    def _interrupted(self, call: _Call, time: float) -> None:
        if call.answered is not None and call.speaking is not None:
            self.barge_in_clear.add(time - call.answered - call.speaking)

    def _used(self, usage: Usage) -> None:
        self.tokens["input_text"] += usage.input_text_tokens
        self.tokens["input_audio"] += usage.input_audio_tokens
        self.tokens["input_cached"] += usage.cached_tokens
        self.tokens["output_text"] += usage.output_text_tokens
        self.tokens["output_audio"] += usage.output_audio_tokens
