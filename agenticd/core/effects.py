"""What a machine orders. The session performs it; there are three kinds.

Now: done inside `feed`, by links that never block and never raise.
Record: put on the log's list inside `feed`, in order.
Outside: a task, one at a time per peer, begun when all that was recorded before it is durable; its result comes back
as an input.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from agenticd.core.events import CallState, Payload, Speaker
from agenticd.core.inputs import Input

# --- Now ---------------------------------------------------------------------------------------------------------


class Play(msgspec.Struct, frozen=True, gc=False):
    """Audio for the phone: mu-law, base64, a multiple of 160 bytes."""

    payload: str


class Mark(msgspec.Struct, frozen=True, gc=False):
    """Ask the phone to say when it has played what was sent before."""

    name: str


class Clear(msgspec.Struct, frozen=True, gc=False):
    """Throw away what the phone has not played."""


class SendAudio(msgspec.Struct, frozen=True, gc=False):
    """The caller's audio for the model: mu-law, base64."""

    payload: str


class SendToModel(msgspec.Struct, frozen=True, gc=False):
    """Any other message for the model, encoded."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Show:
    """Words while they are spoken, for whoever watches now."""

    item_id: str
    speaker: Speaker
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class CloseMedia:
    """End the media stream."""


@dataclass(frozen=True, slots=True)
class CloseModel:
    """End the model's session."""


@dataclass(frozen=True, slots=True)
class Tell:
    """A word from one machine to another: fed after the present input."""

    input: Input


# --- Record ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Append:
    """An event for the log."""

    payload: Payload


@dataclass(frozen=True, slots=True)
class Amend:
    """A change of the call's row that is no event: the fields of CallRecord that are not None here."""

    state: CallState | None = None
    carrier_call_id: str | None = None
    attempt: int | None = None


# --- Outside -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dial:
    """Ask the carrier to dial. Ordered at most once in the life of a call."""


@dataclass(frozen=True, slots=True)
class HangUpLeg:
    """Ask the carrier to end the leg; `answered` decides how it must be asked. With `words` it says them first."""

    answered: bool
    words: str = ""


@dataclass(frozen=True, slots=True)
class LookUpCall:
    """Ask the carrier what it knows of the call: by its id, or by search when we have none."""


@dataclass(frozen=True, slots=True)
class OpenModel:
    """Open a session of the model."""


Effect = (
    Play
    | Mark
    | Clear
    | SendAudio
    | SendToModel
    | Show
    | CloseMedia
    | CloseModel
    | Tell
    | Append
    | Amend
    | Dial
    | HangUpLeg
    | LookUpCall
    | OpenModel
)
