"""How long the person on the phone waited for what: measured at their ear, in seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agenticd.emulator.phone import Moment
from agenticd.emulator.twilio import Call


def measure(call: Call) -> Mapping[str, list[float]]:
    """All times by the names that `expect.timings` has; each kind as often as it happened."""
    moments = sorted(call.phone.timeline, key=lambda moment: moment.at)
    since = dict(call.history)
    times: dict[str, list[float]] = {
        "greeting": [moment.at for moment in moments if moment.what == "agent"][:1],
        "answer": list(_answers(moments)),
        "interruption": list(_interruptions(moments)),
    }
    if call.answered is not None:
        times["ring"] = [call.answered - since.get("ringing", call.created)]
        if call.ended_at is not None:
            times["duration"] = [call.ended_at - call.answered]
    return times


def _answers(moments: list[Moment]) -> Iterator[float]:
    """From the end of what the caller said to the agent's next sound, if nothing of the caller's came between."""
    ended: float | None = None
    for moment in moments:
        match moment.what:
            case "line-end":
                ended = moment.at if moment.text else None
            case "agent" if ended is not None:
                yield moment.at - ended
                ended = None
            case "line":
                ended = None


def _interruptions(moments: list[Moment]) -> Iterator[float]:
    """From the beginning of what the caller said over the agent to the agent's silence."""
    speaking, began = False, None
    for moment in moments:
        match moment.what:
            case "agent":
                speaking, began = True, None
            case "agent-end":
                if began is not None:
                    yield moment.at - began
                speaking, began = False, None
            case "line" if speaking and moment.text:
                began = moment.at
