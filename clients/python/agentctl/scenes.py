"""What is said to a person of each kind of event: a label, a text, and how loud it is. The order: conversation.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentctl import words
from agentctl.words import flat

if TYPE_CHECKING:
    from agentic.v1.event_pb2 import CallClosed, Event, TurnMeasured, Usage

_TAIL = 48


@dataclass(frozen=True, slots=True)
class Scene:
    """A row: its label in a role's colours, and a text. `quiet`: a listener would not notice."""

    label: str
    text: str = ""
    role: str = "busy"
    text_role: str = ""
    quiet: bool = False


def of(event: Event, kind: str | None, waits: Sequence[float], rang: float | None) -> Scene:
    """What is to be said of it. `waits`: for each answer so far; `rang`: the phone; both in seconds.

    Utterances and interruptions are not told here: conversation.py knows what of them is on the page already.
    """
    match kind:
        case "call_queued":
            queued = event.call_queued
            return Scene("queued", _who(event.call_id, queued.from_address, queued.to_address, queued.agent))
        case "call_ringing":
            rings = event.call_ringing
            told = event.call_sequence > 1  # who calls whom: call_queued has said it
            text = "" if told else _who(event.call_id, rings.from_address, rings.to_address, rings.agent)
            return Scene("ringing", text)
        case "call_dialing":
            return Scene("dialing")
        case "call_answered":
            return Scene("answered", f"after {words.seconds(rang)}" if rang else "", "good", "note")
        case "call_ending":
            ending = event.call_ending
            by = f"{words.name(ending, 'reason')} by {words.name(ending, 'by')}"  # the rest is said when it has ended
            return Scene("ending", by, "attention", "note")
        case "call_ended":
            end = event.call_ended.end
            return Scene("ended", words.ending(end), "end" if words.ended_well(end) else "bad", "end")
        case "call_closed":
            return Scene("closed", closed(event.call_closed, waits), "note")
        case _:
            return _inside(event, kind)


def _inside(event: Event, kind: str | None) -> Scene:
    """What happens inside an answered call."""
    match kind:
        case "media_connected":
            again = event.media_connected.attempt > 1
            return Scene("audio", f"connected{' again' if again else ''}", "note", "note", quiet=not again)
        case "media_lost":
            return Scene("audio", f"lost: {flat(event.media_lost.message)}", "bad")
        case "model_connected":
            return Scene("model", f"{flat(event.model_connected.model)} is connected", "note", "note", quiet=True)
        case "model_lost":
            lost = event.model_lost
            return Scene("model", f"lost: {flat(lost.code)} {flat(lost.message)}", "bad")
        case "speech_started":
            return Scene("speech", "the caller begins to speak", "note", "note", quiet=True)
        case "speech_stopped":
            return Scene("silence", "the caller has stopped", "note", "note", quiet=True)
        case "digit_received":
            return Scene("digit", flat(event.digit_received.digit), "caller")
        case "turn_measured":
            return Scene("turn", turn(event.turn_measured), "note", "note", quiet=True)
        case "usage_reported":
            return Scene("usage", usage(event.usage_reported.usage), "note", "note", quiet=True)
        case "warning":
            return Scene("warning", f"{flat(event.warning.code)}: {flat(event.warning.message)}", "attention")
        case _:
            return Scene("unknown", words.UNKNOWN, "note", "note", quiet=True)


def turn(measured: TurnMeasured) -> str:
    """How long the caller waited, and for what."""
    total, detection, model = (
        words.latency(words.in_seconds(part)) for part in (measured.total, measured.detection, measured.model)
    )
    return f"answered after {total}: {detection} to notice the end of speech, {model} the model"


def closed(done: CallClosed, waits: Sequence[float]) -> str:
    """The call in a line."""
    if not done.HasField("duration") or not words.in_seconds(done.duration):
        return "never answered"
    turns = f"{words.length(done.duration)}, {done.turns} turn{'' if done.turns == 1 else 's'}"
    if not waits:
        return turns
    if len(waits) == 1:
        return f"{turns}, answer after {words.latency(waits[0])}"
    half, slowest = words.latency(_median(waits)), words.latency(max(waits))
    return f"{turns}, half of the answers within {half}, all within {slowest}"


def _median(values: Sequence[float]) -> float:
    """Here, because the module statistics takes some 7 ms to import."""
    ordered, middle = sorted(values), len(values) // 2
    return (ordered[middle] + ordered[~middle]) / 2


def usage(used: Usage) -> str:
    """Tokens."""
    cached = f", {used.cached_tokens} of them cached" if used.cached_tokens else ""
    return f"{used.input_tokens} tokens in{cached}; {used.output_tokens} out"


def tail(text: str) -> str:
    """The last words of a text, from a whole word on."""
    if len(text) <= _TAIL:
        return text
    cut = text[-_TAIL:]
    return f"… {cut.partition(' ')[2] or cut}"


def _who(call_id: str, calling: str, called: str, agent: str) -> str:
    return f"{flat(calling) or 'withheld'} calls {flat(called)}, agent {flat(agent)}, call {flat(call_id)}"
