"""Defects that the explorer has found, each with the history that showed it: mended, and to stay so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from agenticd.core import inputs, realtime
from agenticd.core.events import CallState, Direction
from tests.explore.model import AUDIO, SIZES
from tests.explore.run import Coverage, Happening, History
from tests.explore.world import World

FRAME = AUDIO[SIZES.index(160)]
CUT = AUDIO[SIZES.index(3200)]
SECOND = AUDIO[SIZES.index(8000)]


@dataclass(frozen=True, slots=True)
class Mended:
    rule: str
    why: str
    history: History


def _history(*script: tuple[float, Happening], outbound: bool = False, **brief: Any) -> History:
    """A call with an agent that has no manners but those that are named."""
    record = World(1, Coverage()).record
    plain: dict[str, Any] = {
        "greeting": "",
        "audio": "pcmu",
        "min_interruption": 0.0,
        "check_in_after": 0.0,
        "hang_up_after": 0.0,
    }
    record = replace(
        record,
        brief=replace(record.brief, **(plain | {"protect_greeting": False, "apology": ""} | brief)),
        direction=Direction.OUTBOUND if outbound else Direction.INBOUND,
        state=CallState.QUEUED if outbound else CallState.RINGING,
        carrier_call_id="" if outbound else "CA1",
    )
    return History(record, script)


_ARRIVED = (100.0, inputs.CallArrived())
_MEDIA = (100.1, inputs.MediaStarted("MZ1", 1))
_READY = (
    (100.2, realtime.SessionCreated("sess", "m", 0)),
    (100.3, realtime.SessionUpdated("sess", "m", "audio/pcmu", "audio/pcmu")),
)

MENDED: tuple[Mended, ...] = (
    Mended(
        "session_update_is_the_first_message",
        "a server that broke the protocol, and spoke before it had said session.created, got an answer",
        _history(_ARRIVED, _MEDIA, (101.0, realtime.FunctionCalled("r", "f", "call", "end_call", "{}", True))),
    ),
    Mended(
        "machines_never_raise",
        "`spoken` is a sum of floats and may be a hair more than `heard`, which is one division: an answer in several"
        " deltas that was played whole when the line went down was cut behind its end",
        _history(
            _ARRIVED,
            _MEDIA,
            (101.0, realtime.OutputTranscriptDelta("a", "One moment ")),
            (101.0, realtime.AudioDelta("r", "a", 0, CUT)),
            (101.1, realtime.AudioDelta("r", "a", 0, FRAME)),
        ),
    ),
    Mended(
        "deadlines_move_on",
        "while the link held audio, the deadline of a silence was told for another moment than it was kept for: it"
        " stayed in the past, and the session's timer spun",
        _history(
            _ARRIVED,
            _MEDIA,
            *_READY,
            (100.7, realtime.AudioDelta("r", "a", 0, SECOND)),
            (102.9, inputs.MediaHeld(320)),
            *[(120.0, inputs.DeadlinePassed())] * 8,
            check_in_after=4.0,
        ),
    ),
    Mended(
        "nothing_follows_call_closed",
        "a timer that was late by seconds, as of a machine that was suspended: the call was closed, and then the talk"
        " settled",
        _history(
            _ARRIVED,
            *_READY,
            (101.0, realtime.InputCommitted("c", None)),
            (101.4, inputs.LegHungUp("no-answer")),
            (102.0, realtime.InputTranscriptDelta("c", "Hello there. ")),
            (202.0, inputs.DeadlinePassed()),
        ),
    ),
    Mended(
        "every_call_is_closed_in_the_end",
        "a status callback without CallSid made a call ring that the carrier could not be asked about by its id: each"
        " look-up that found nothing was not sure, and it was asked for ever",
        _history(
            (100.0, inputs.CallPlaced()),
            (101.0, inputs.DialGranted()),
            (102.0, inputs.StatusReported("", "ringing", 1)),
            outbound=True,
        ),
    ),
)
