"""Takes as a play would have made them, to be judged and reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agentic.v1 import call_pb2, event_pb2
from agenticd.emulator.phone import Moment, Phone, PhoneScript
from agenticd.emulator.realtime import Dialogue
from agenticd.emulator.twilio import Call, Options
from agenticd.emulator.voice import Voice
from agenticd.scenario.judge import Miss
from agenticd.scenario.report import Verdict
from agenticd.scenario.stage import Take
from agenticd.scenario.story import CallPart, Expected, ModelPart, Scenario, Span, Utterance

Said = tuple[str, str, str]
"""speaker, text, heard"""


def scenario(**expect: Any) -> Scenario:
    """A scenario that demands this."""
    return Scenario(
        file=Path("scenarios/call.yaml"),
        name="A call",
        call=CallPart(),
        caller=PhoneScript(),
        model=ModelPart(Dialogue()),
        expect=Expected(**{"reason": "COMPLETED", "by": "CALLER", **expect}),
    )


def utterance(speaker: Any, text: str, heard: Any = None) -> Utterance:
    return Utterance(speaker, text, heard, line=7)


def within(**spans: tuple[float, float | None]) -> dict[str, Span]:
    return {name: Span(least, most, line=9) for name, (least, most) in spans.items()}


def take(*said: Said, **expect: Any) -> Take:
    """A call of that conversation, ended by the caller, as it should be."""
    taken = Take(scenario(**expect))
    add(taken, call_queued=event_pb2.CallQueued())
    for position, (speaker, text, heard) in enumerate(said, 1):
        final = event_pb2.TranscriptFinal(
            speaker=event_pb2.Speaker.Value(f"SPEAKER_{speaker.upper()}"),
            position=position,
            text=text,
            heard_text=heard,
        )
        add(taken, transcript_final=final)
    end = call_pb2.CallEnd(reason=call_pb2.END_REASON_COMPLETED, ended_by=call_pb2.ENDED_BY_CALLER)
    add(taken, call_ended=event_pb2.CallEnded(end=end))
    add(taken, call_closed=event_pb2.CallClosed())
    taken.calls = [call()]
    return taken


def add(taken: Take, *, before_end: bool = False, **payload: Any) -> None:
    """One more event; `before_end`: where it belongs while the call runs."""
    event = event_pb2.Event(call_id="01", **payload)
    taken.events.insert(len(taken.events) - 2 if before_end else len(taken.events), event)
    for number, each in enumerate(taken.events, 1):
        each.call_sequence, each.revision = number, 10 + number


def call(*moments: Moment) -> Call:
    """The call at Twilio: rung for a second, talked for ten; `moments` as the phone noted them."""
    made = Call("AC1", "+15550001111", "+15550002222", "outbound-api", Options(), Phone(PhoneScript(), Voice()))
    for status, at in (("initiated", 100.0), ("ringing", 100.5), ("in-progress", 101.5), ("completed", 111.5)):
        made.move(status)  # type: ignore[arg-type]
        made.history[-1] = (made.status, at)
    made.answered, made.ended_at = 101.5, 111.5
    made.phone.timeline.extend(moments)
    return made


def verdict(taken: Take, *misses: Miss, kept: Path | None = None) -> Verdict:
    return Verdict(taken, misses, 12.34, kept)
