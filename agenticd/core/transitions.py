"""The table of a call's states: what follows from what, and which trigger each of Twilio's words is.

Data only; call.py does what it says.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from agenticd.core.events import CallState, EndedBy, EndReason


class Trigger(enum.Enum):
    """What moves a call, whichever input brought it."""

    GRANTED = "dial granted"
    EXPIRED = "queue timeout"
    DIALED = "created"
    REFUSED = "refused"
    UNANSWERED = "no answer to the dial order"
    RINGING = "ringing"
    ANSWERED = "answered"
    ORDERED = "end ordered"
    LINE_DOWN = "line down"
    GAVE_UP = "never seen"


_S, _T = CallState, Trigger

TRANSITIONS: Mapping[CallState, Mapping[Trigger, CallState]] = {
    _S.QUEUED: {
        _T.GRANTED: _S.DIALING,
        _T.EXPIRED: _S.ENDED,
        _T.ORDERED: _S.ENDED,
    },
    _S.DIALING: {
        _T.DIALED: _S.DIALING,
        _T.REFUSED: _S.ENDED,
        _T.UNANSWERED: _S.UNCONFIRMED,
        _T.RINGING: _S.RINGING,
        _T.ANSWERED: _S.IN_PROGRESS,
        _T.ORDERED: _S.ENDING,
        _T.LINE_DOWN: _S.ENDED,
    },
    _S.UNCONFIRMED: {
        _T.DIALED: _S.DIALING,
        _T.REFUSED: _S.ENDED,
        _T.RINGING: _S.RINGING,
        _T.ANSWERED: _S.IN_PROGRESS,
        _T.ORDERED: _S.UNCONFIRMED,
        _T.LINE_DOWN: _S.ENDED,
        _T.GAVE_UP: _S.ENDED,
    },
    _S.RINGING: {
        _T.ANSWERED: _S.IN_PROGRESS,
        _T.ORDERED: _S.ENDING,
        _T.LINE_DOWN: _S.ENDED,
    },
    _S.IN_PROGRESS: {
        _T.ORDERED: _S.ENDING,
        _T.LINE_DOWN: _S.ENDED,
    },
    _S.ENDING: {
        _T.DIALED: _S.ENDING,
        _T.REFUSED: _S.ENDED,
        _T.UNANSWERED: _S.UNCONFIRMED,
        _T.RINGING: _S.ENDING,
        _T.ANSWERED: _S.ENDING,
        _T.LINE_DOWN: _S.ENDED,
    },
    _S.ENDED: {},
}

# Twilio's words for a call's status. What is not here is ignored: its vocabulary may grow.
STATUSES: Mapping[str, Trigger] = {
    "queued": Trigger.DIALED,
    "initiated": Trigger.DIALED,
    "ringing": Trigger.RINGING,
    "in-progress": Trigger.ANSWERED,
    "completed": Trigger.LINE_DOWN,
    "busy": Trigger.LINE_DOWN,
    "failed": Trigger.LINE_DOWN,
    "no-answer": Trigger.LINE_DOWN,
    "canceled": Trigger.LINE_DOWN,
}
ENDS: Mapping[str, tuple[EndReason, EndedBy]] = {
    "completed": (EndReason.COMPLETED, EndedBy.CALLER),  # while a daemon holds the call; call.py knows
    "busy": (EndReason.BUSY, EndedBy.CARRIER),
    "failed": (EndReason.FAILED, EndedBy.CARRIER),
    "no-answer": (EndReason.NO_ANSWER, EndedBy.CARRIER),
    "canceled": (EndReason.CANCELED, EndedBy.CARRIER),
}
