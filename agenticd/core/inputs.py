"""What can happen to a live call: everything that enters by Session.feed.

Frames of the two peers come as their codecs decoded them (core/mediastream.py, core/realtime.py); the rest stands here.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from agenticd.core.events import EndedBy, EndReason, Usage
from agenticd.core.mediastream import DigitPressed, MarkEchoed, MediaReceived
from agenticd.core.realtime import ServerEvent


@dataclass(frozen=True, slots=True)
class CallPlaced:
    """A client asked for the call: the first input of an outbound one."""


@dataclass(frozen=True, slots=True)
class CallArrived:
    """A phone called, and the carrier asks what to do: the first input of an inbound call. It may ask again, when its
    request failed or no media stream came of the answer."""


@dataclass(frozen=True, slots=True)
class CallRecovered:
    """The daemon found the call in its store when it started: the first input after a restart. `age`: seconds since
    the call was created."""

    age: float


@dataclass(frozen=True, slots=True)
class DialGranted:
    """It is the call's turn to be dialled. `age`: seconds since the call was created, by a clock that goes on while the
    machine sleeps."""

    age: float = 0.0


@dataclass(frozen=True, slots=True)
class DialAnswered:
    """The carrier created the call. `status` in its words."""

    carrier_call_id: str
    status: str


@dataclass(frozen=True, slots=True)
class DialRefused:
    """Nothing was dialled: the carrier said no, or (FAILED) it could not be asked."""

    code: int
    message: str
    reason: EndReason = EndReason.REJECTED


@dataclass(frozen=True, slots=True)
class DialUnanswered:
    """The carrier was asked and nobody knows whether it dialled."""

    what: str


@dataclass(frozen=True, slots=True)
class CallSeen:
    """The carrier shows the call, by look-up or search. `status` in its words."""

    carrier_call_id: str
    status: str


@dataclass(frozen=True, slots=True)
class CallNotSeen:
    """The carrier does not know the call. `sure`: it was asked by its id, so it is gone."""

    sure: bool


@dataclass(frozen=True, slots=True)
class LookUpFailed:
    """The carrier could not be asked."""

    what: str


@dataclass(frozen=True, slots=True)
class StatusReported:
    """A status callback. `status` in the carrier's words; codes 0 when absent; `sequence` as the carrier counts."""

    carrier_call_id: str
    status: str
    sequence: int
    sip_code: int = 0
    carrier_code: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class VoiceRequested:
    """The carrier asks what to do with an answered call."""

    carrier_call_id: str


@dataclass(frozen=True, slots=True)
class MediaStarted:
    """A media stream with a valid token began."""

    stream_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class MediaClosed:
    """The media stream is over. `stopped`: the carrier said so before its socket closed."""

    stream_id: str
    stopped: bool
    message: str = ""


class MediaHeld(msgspec.Struct, frozen=True, gc=False):
    """So many bytes of the audio that was ordered to be played still wait for the carrier to take them."""

    size: int


@dataclass(frozen=True, slots=True)
class ModelClosed:
    """The model's session is over, or could not be had. `code`: WebSocket close code or HTTP status, 0 when neither."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class HangUpRequested:
    """Somebody wants the call to end. `at_once`: there is no time for last words."""

    reason: EndReason
    by: EndedBy
    message: str = ""
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class LegHungUp:
    """The carrier took the order to end the leg. `status` as it then showed the call; None: there was none to end."""

    status: str | None


@dataclass(frozen=True, slots=True)
class LegHangUpFailed:
    """The order to end the leg got no answer, or a refusal."""

    what: str


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The time that a machine asked to be called at has come."""


@dataclass(frozen=True, slots=True)
class LineWentUp:
    """From the call's machine to the turn's: the call was answered; its time line begins."""


@dataclass(frozen=True, slots=True)
class LineWentDown:
    """From the call's machine to the turn's: nobody hears or speaks any more."""


@dataclass(frozen=True, slots=True)
class LastCall:
    """From the call's machine to the turn's: the call is about to be closed; what is on record then is all."""


@dataclass(frozen=True, slots=True)
class TalkSettled:
    """From the turn's machine to the call's: everything that was said is on record, and this is the sum of it."""

    turns: int
    usage: Usage


Input = (
    CallPlaced
    | CallArrived
    | CallRecovered
    | DialGranted
    | DialAnswered
    | DialRefused
    | DialUnanswered
    | CallSeen
    | CallNotSeen
    | LookUpFailed
    | StatusReported
    | VoiceRequested
    | MediaStarted
    | MediaClosed
    | MediaHeld
    | ModelClosed
    | HangUpRequested
    | LegHungUp
    | LegHangUpFailed
    | DeadlinePassed
    | LineWentUp
    | LineWentDown
    | LastCall
    | TalkSettled
    | MediaReceived
    | MarkEchoed
    | DigitPressed
    | ServerEvent
)
