"""What can happen in a call: the durable events, and the call as they leave it.

Events are past tense and stay as they are for ever. `adapters/rpc` writes them in the contract's form; the names in
KINDS are the names of its payload fields. `core/record.py` folds them into a CallRecord.

They are Structs: each event makes a few of them and a new record, which takes a tenth of what dataclasses take.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from agenticd.core.ids import CallId


class CallState(enum.Enum):
    """Where a call stands. Values are the contract's names."""

    QUEUED = "QUEUED"
    DIALING = "DIALING"
    UNCONFIRMED = "UNCONFIRMED"
    RINGING = "RINGING"
    IN_PROGRESS = "IN_PROGRESS"
    ENDING = "ENDING"
    ENDED = "ENDED"


class Direction(enum.Enum):
    """Who dialled: a phone (INBOUND) or the daemon (OUTBOUND)."""

    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"


class EndReason(enum.Enum):
    """Why a call ended. Values are the contract's names."""

    COMPLETED = "COMPLETED"
    BUSY = "BUSY"
    NO_ANSWER = "NO_ANSWER"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"
    MAX_DURATION = "MAX_DURATION"
    SILENCE = "SILENCE"
    MODEL_LOST = "MODEL_LOST"
    MEDIA_LOST = "MEDIA_LOST"
    DRAINED = "DRAINED"
    NODE_LOST = "NODE_LOST"
    DIAL_UNCONFIRMED = "DIAL_UNCONFIRMED"
    POLICY = "POLICY"
    BUDGET = "BUDGET"
    TRANSFERRED = "TRANSFERRED"
    VOICEMAIL = "VOICEMAIL"


class EndedBy(enum.Enum):
    """Who brought the end about."""

    CALLER = "CALLER"
    AGENT = "AGENT"
    API = "API"
    DAEMON = "DAEMON"
    CARRIER = "CARRIER"


class Speaker(enum.Enum):
    """Who speaks: the person on the phone, whoever dialled, or the agent."""

    CALLER = "CALLER"
    AGENT = "AGENT"


class CallEnd(msgspec.Struct, frozen=True):
    """How a call ended. Codes are 0 when the carrier gave none."""

    reason: EndReason
    ended_by: EndedBy
    carrier_code: int = 0
    sip_code: int = 0
    message: str = ""


class Usage(msgspec.Struct, frozen=True):
    """What a model used, in tokens. Cached tokens are part of the input's."""

    input_tokens: int = 0
    output_tokens: int = 0
    input_text_tokens: int = 0
    input_audio_tokens: int = 0
    cached_tokens: int = 0
    output_text_tokens: int = 0
    output_audio_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Both together, field by field."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.input_text_tokens + other.input_text_tokens,
            self.input_audio_tokens + other.input_audio_tokens,
            self.cached_tokens + other.cached_tokens,
            self.output_text_tokens + other.output_text_tokens,
            self.output_audio_tokens + other.output_audio_tokens,
        )


# The events. Times "at", "audio_start" … are seconds since answer, on the call's one time line.


class CallQueued(msgspec.Struct, frozen=True):
    """Accepted; `dial_before` is wall-clock seconds since 1970."""

    direction: Direction
    from_address: str
    to_address: str
    agent: str
    dial_before: float


class CallDialing(msgspec.Struct, frozen=True):
    """The carrier is about to be asked to dial."""


class CallRinging(msgspec.Struct, frozen=True):
    """The phone rings; the first event of an inbound call."""

    direction: Direction
    from_address: str
    to_address: str
    agent: str
    carrier_call_id: str


class CallAnswered(msgspec.Struct, frozen=True):
    """Somebody, or something, answered."""

    carrier_call_id: str


class CallEnding(msgspec.Struct, frozen=True):
    """The daemon has begun to end the call."""

    reason: EndReason
    by: EndedBy
    message: str = ""


class CallEnded(msgspec.Struct, frozen=True):
    """The line is down."""

    end: CallEnd


class CallClosed(msgspec.Struct, frozen=True):
    """Everything about the call is known; `duration` in seconds from answer to end."""

    duration: float
    turns: int
    usage: Usage


class MediaConnected(msgspec.Struct, frozen=True):
    """The phone's audio is connected."""

    stream_id: str
    attempt: int


class MediaLost(msgspec.Struct, frozen=True):
    """The phone's audio was lost while the call went on."""

    stream_id: str
    message: str


class ModelConnected(msgspec.Struct, frozen=True):
    """The model is connected and configured."""

    model: str
    session_id: str


class ModelLost(msgspec.Struct, frozen=True):
    """The model was lost while the call went on."""

    code: str
    message: str


class SpeechStarted(msgspec.Struct, frozen=True):
    """The caller began to speak."""

    item_id: str
    at: float


class SpeechStopped(msgspec.Struct, frozen=True):
    """The caller stopped speaking."""

    item_id: str
    at: float


class TranscriptFinal(msgspec.Struct, frozen=True):
    """Somebody's whole utterance. `heard_text`: what of it the phone played."""

    speaker: Speaker
    leg_id: str
    item_id: str
    position: int
    text: str
    heard_text: str
    interrupted: bool
    audio_start: float
    audio_end: float


class AgentInterrupted(msgspec.Struct, frozen=True):
    """The caller interrupted the agent; seconds of the item that were heard, and that were sent but thrown away."""

    item_id: str
    heard: float
    discarded: float


class DigitReceived(msgspec.Struct, frozen=True):
    """The caller pressed a key."""

    digit: str


class TurnMeasured(msgspec.Struct, frozen=True):
    """Seconds from the end of the caller's speech to the answer's first audio: total = detection + model."""

    item_id: str
    total: float
    detection: float
    model: float


class UsageReported(msgspec.Struct, frozen=True):
    """What one answer of the model used."""

    response_id: str
    usage: Usage


class Warning(msgspec.Struct, frozen=True):  # noqa: A001 - the contract's word; Python's warnings are not used below app
    """Something to look at that did not end the call."""

    code: str
    message: str


Payload = (
    CallQueued
    | CallDialing
    | CallRinging
    | CallAnswered
    | CallEnding
    | CallEnded
    | CallClosed
    | MediaConnected
    | MediaLost
    | ModelConnected
    | ModelLost
    | SpeechStarted
    | SpeechStopped
    | TranscriptFinal
    | AgentInterrupted
    | DigitReceived
    | TurnMeasured
    | UsageReported
    | Warning
)


def _kind(payload: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", payload.__name__).lower()


KINDS: Mapping[type[Payload], str] = {payload: _kind(payload) for payload in Payload.__args__}
"""Each payload's name in the contract: CallQueued -> "call_queued"."""


class Event(msgspec.Struct, frozen=True):
    """A payload with its place in its call; the log gives it its revision. `time` is seconds since 1970."""

    call_id: CallId
    call_sequence: int
    time: float
    payload: Payload

    @property
    def kind(self) -> str:
        """The payload's name in the contract."""
        return KINDS[type(self.payload)]


class LiveWords(msgspec.Struct, frozen=True):
    """Words while they are spoken: shown, never logged. `offset` counts code points of the utterance."""

    call_id: CallId
    item_id: str
    speaker: Speaker
    offset: int
    text: str
    after_sequence: int


class AgentBrief(msgspec.Struct, frozen=True):
    """What the agent of one call is, says and does: the profile with the call's overrides, variables filled in.

    Times in seconds; 0 turns a thing off. What each field does is said in service/orders.py.
    """

    instructions: str
    greeting: str
    voice: str
    model: str
    language: str = ""
    audio: Literal["pcmu", "pcm24"] = "pcmu"
    transcription_model: str = "gpt-transcribe"
    protect_greeting: bool = False
    min_interruption: float = 0.0
    digits_to_model: bool = False
    check_in: str = ""
    check_in_after: float = 0.0
    hang_up_after: float = 0.0
    apology: str = ""


class CallOptions(msgspec.Struct, frozen=True):
    """Limits of one call, in seconds."""

    ring_timeout: float = 30.0
    max_duration: float = 3600.0
    queue_timeout: float = 60.0


class CallRecord(msgspec.Struct, frozen=True):
    """One call as its events left it: a row of the store. Times are seconds since 1970, None while unknown.

    `attempt` counts the media streams that TwiML offered to the carrier; `ending` is the order to end the call, once
    there is one. `last_sequence` is the call_sequence of its last event. `dial_time`: when the carrier was about to be
    asked to dial; `turns` and `usage`: what the log knows of them so far.
    """

    call_id: CallId
    direction: Direction
    state: CallState
    from_address: str
    to_address: str
    agent: str
    brief: AgentBrief
    options: CallOptions
    node_id: str
    create_time: float
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
    answer_time: float | None = None
    end_time: float | None = None
    ending: CallEnding | None = None
    end: CallEnd | None = None
    closed: bool = False
    carrier_call_id: str = ""
    last_sequence: int = 0
    attempt: int = 0
    dial_time: float | None = None
    turns: int = 0
    usage: Usage = Usage()
