"""How the emulated Twilio, or the network before it, misbehaves. By default it does not.

Settings only: each fault is done where the thing itself is done, in `callbacks`, `rest`, `interpreter` and `stream`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from agenticd.emulator.twilio.call import Status

ALL_STATUSES: frozenset[Status] = frozenset(get_args(Status))


@dataclass(frozen=True, slots=True)
class CallbackFaults:
    """What becomes of a call's status callbacks. Media streams' callbacks are not touched.

    Each callback keeps what it said when it was due: CallStatus, Timestamp and the SequenceNumber that Twilio
    gave it, lost ones counted. A late one of which there are copies comes late, and then they all do; one that
    waits for another is not late besides.
    """

    copies: int = 1
    """How often each is sent; the copies follow the answer to the first."""
    lost: frozenset[Status] = frozenset()
    """Statuses of which no callback is ever sent; `ALL_STATUSES`: none at all."""
    late: Mapping[Status, float] = field(default_factory=dict)
    """By how many s the callback of a status is late. What is due meanwhile does not wait for it."""
    after: Mapping[Status, Status] = field(default_factory=dict)
    """The callback of a status that is sent only after the one of another, or when the call has ended without that:
    `{"in-progress": "completed"}`."""

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ValueError(f"copies is 1 or more, not {self.copies}: name what is never sent in lost")
        if any(seconds < 0 for seconds in self.late.values()):
            raise ValueError("late is in seconds, 0 or more")


@dataclass(frozen=True, slots=True)
class RestFaults:
    """What becomes of REST requests. Times in s."""

    create_delay: float = 0.0
    """How long a request to create a call waits before anything is done about it."""
    create_answer_delay: float = 0.0
    """How long the answer waits when the call is made: its first callbacks overtake it."""
    failed_updates: int = 0
    """So many updates of each call are answered with 503 and not done, before they are."""


@dataclass(frozen=True, slots=True)
class StreamFaults:
    """What becomes of media streams."""

    refused: int = 0
    """So many streams of each call do not come about: the server cannot be reached (31901)."""
    delay: float = 0.0
    """s until a stream begins to be opened."""
    stop: bool = True
    """Whether the server is told when Twilio ends a stream. False: its socket is dropped without a word."""
