"""How the emulated Twilio, or the network before it, misbehaves. By default it does not.

Settings, and what they are at present: each fault is done where the thing itself is done, in `callbacks`, `webhook`,
`rest` and `stream`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from agenticd.emulator.twilio.call import Kind, Status

ALL_STATUSES: frozenset[Status] = frozenset(get_args(Status))


@dataclass(frozen=True, slots=True)
class CallbackFaults:
    """What becomes of the requests that Twilio makes. A change holds for all that was not sent yet, also of calls that
    are under way.

    Each status callback keeps what it said when it was due: CallStatus, Timestamp and the SequenceNumber that Twilio
    gave it, lost ones counted. A late one of which there are copies comes late, and then they all do; one that
    waits for another is not late besides.
    """

    copies: int = 1
    """How often each status callback is sent; the copies follow the answer to the first."""
    lost: frozenset[Status] = frozenset()
    """Statuses of which no callback is ever sent; all of them: there is none at all."""
    late: Mapping[Status, float] = field(default_factory=dict)
    """By how many s the callback of a status is late. What is due meanwhile does not wait for it."""
    after: Mapping[Status, Status] = field(default_factory=dict)
    """The callback of a status that is sent only after the one of another, or when the call has ended without that:
    `{"in-progress": "completed"}`."""
    slow: Mapping[Kind, float] = field(default_factory=dict)
    """How many s a request of a kind is on its way before it arrives. Twilio's patience counts from its departure: one
    that is slower than that never arrives."""
    unanswered: Mapping[Kind, int] = field(default_factory=dict)
    """Of how many of each call's requests of a kind the answer is lost: they are made, and Twilio waits in vain."""

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ValueError(f"copies is 1 or more, not {self.copies}: name what is never sent in lost")
        for name, times in (("late", self.late), ("slow", self.slow)):
            if any(seconds < 0 for seconds in times.values()):
                raise ValueError(f"{name} is in seconds, 0 or more")
        if any(count < 0 for count in self.unanswered.values()):
            raise ValueError("unanswered is how many, 0 or more")


Outcome: TypeAlias = Literal["401", "403", "429", "500", "502", "503", "504", "reset"]
NOT_LOOKED_AT: frozenset[Outcome] = frozenset(("401", "403", "429"))


@dataclass(frozen=True, slots=True)
class Mishap:
    """What REST requests of one kind get in place of their answer."""

    answer: Outcome
    """`reset`, of the TCP connection, or an HTTP status: 401 (20003, a wrong token), 403 (20003, an account that may
    not), 429, 500, 502, 503, 504."""
    done: bool = False
    """Whether what was asked for is done nevertheless."""
    first: int | None = None
    """So many of them, then no more: of each call's updates and fetches, of all creates and lists. None: all."""
    retry_after: int | None = None
    """What the header Retry-After says, in s. None: there is none."""

    def __post_init__(self) -> None:
        if self.answer not in get_args(Outcome):
            raise ValueError(f"answer must be one of {', '.join(get_args(Outcome))}, not {self.answer!r}")
        if self.first is not None and self.first < 1:
            raise ValueError("first must be at least 1, or None for all")
        if self.retry_after is not None and self.retry_after < 0:
            raise ValueError("retry_after is seconds, 0 or more")
        if self.done and self.answer in NOT_LOOKED_AT:
            raise ValueError(f"done must be false where answer is {self.answer}: such a request was not looked at")


@dataclass(frozen=True, slots=True)
class RestFaults:
    """What becomes of REST requests, from the next one on. Times in s; a request that is never answered is held until
    the server stops."""

    create_delay: float = 0.0
    """How long a request to create a call waits before anything is done about it."""
    create_answer_delay: float = 0.0
    """How long the answer waits when the call is made: its first callbacks overtake it."""
    update_delay: float = 0.0
    """How long an update of a call waits before it is done."""
    update_answer_delay: float = 0.0
    """How long the answer to an update waits when it is done."""
    fetch_delay: float = 0.0
    """How long a fetch of a call, or of its events, waits."""
    list_delay: float = 0.0
    """How long a list of calls waits."""
    create: Mishap | None = None
    """In place of the answers to creates."""
    update: Mishap | None = None
    """In place of the answers to updates."""
    fetch: Mishap | None = None
    """In place of the answers to fetches of a call, or of its events."""
    list: Mishap | None = None
    """In place of the answers to lists of calls."""
    read_delay: float = 0.0
    """Reads are eventually consistent: a call or a recording is found, its state shown, and the events of a call told,
    only so many s later. What a create or an update answers is not delayed."""
    dial_interval: float = 0.0
    """s from one call that REST creates to the next that is dialled; until its turn a call stays `queued`, with a
    `queue_time`. A new account of Twilio's has `1s`, here there is no limit. Calls that come in, and those of a
    `<Dial>`, are not counted."""

    def __post_init__(self) -> None:
        _not_negative(
            create_delay=self.create_delay,
            create_answer_delay=self.create_answer_delay,
            update_delay=self.update_delay,
            update_answer_delay=self.update_answer_delay,
            fetch_delay=self.fetch_delay,
            list_delay=self.list_delay,
            read_delay=self.read_delay,
            dial_interval=self.dial_interval,
        )
        if math.isinf(self.dial_interval):
            raise ValueError("dial_interval must come to an end: none of the calls would be dialled but the first")


Encoding: TypeAlias = Literal["audio/x-mulaw", "audio/x-alaw", "audio/l16"]
AfterBreak: TypeAlias = Literal["action", "next", "fallback", "hang-up"]


@dataclass(frozen=True, slots=True)
class StreamFaults:
    """What becomes of media streams. A change holds for those that are opened from then on; `break_after`,
    `after_break`, `vanish_after` and `stop` also for those that are open."""

    refused: int = 0
    """So many streams of each call do not come about: the server cannot be reached (31901)."""
    delay: float = 0.0
    """s until a stream begins to be opened."""
    stop: bool = True
    """Whether the server is told when Twilio ends a stream. False: its socket is dropped without a word."""
    break_after: float | None = None
    """s after the start of a stream its connection is reset, without a word."""
    breaks: int | None = 1
    """So many streams of each call break, if any do. None: all."""
    after_break: AfterBreak = "action"
    """What follows a stream that broke without a close (31903), which Twilio documents in part: the `<Connect>`'s
    `action`, or without one the next verb; always the `next` verb; the `fallback` URL; a `hang-up`."""
    vanish_after: float | None = None
    """s after the start of a stream its connection is dead: what is sent vanishes, both ways, and neither side is told,
    until the call is over."""
    vanishes: int | None = 1
    """So many streams of each call go dead, if any do. None: all."""
    encoding: Encoding = "audio/x-mulaw"
    """What `start` says that the audio is. The audio itself is always mu-law."""
    sample_rate: int = 8000
    """What `start` says that the sample rate is."""

    def __post_init__(self) -> None:
        _not_negative(
            refused=self.refused, delay=self.delay, break_after=self.break_after, vanish_after=self.vanish_after
        )
        for name, count in (("breaks", self.breaks), ("vanishes", self.vanishes)):
            if count is not None and count < 1:
                raise ValueError(f"{name} must be at least 1, or None for all")
        if self.after_break not in get_args(AfterBreak):
            raise ValueError(f"after_break must be one of {', '.join(get_args(AfterBreak))}, not {self.after_break!r}")
        if self.encoding not in get_args(Encoding):
            raise ValueError(f"encoding must be one of {', '.join(get_args(Encoding))}, not {self.encoding!r}")
        if self.sample_rate < 1:
            raise ValueError("sample_rate must be at least 1")


Road: TypeAlias = Callable[[str, int], Awaitable[tuple[str, int]]]
"""Where to connect, in place of a host and port."""


class Present:
    """What goes wrong at present. It is read at each occasion, and changed as a whole; what is counted is counted anew
    from then on."""

    def __init__(self, callbacks: CallbackFaults, rest: RestFaults, streams: StreamFaults) -> None:
        self.callbacks, self.rest, self.streams = callbacks, rest, streams
        self.changed = asyncio.Event()
        """Set, and replaced, at the next change."""
        self.road: Road | None = None
        """How Twilio's requests reach a server, if not directly."""
        self._counts: Counter[tuple[str, str]] = Counter()

    def change(self, callbacks: CallbackFaults, rest: RestFaults, streams: StreamFaults) -> None:
        """From now on these."""
        self.callbacks, self.rest, self.streams = callbacks, rest, streams
        self._counts.clear()
        self.changed.set()
        self.changed = asyncio.Event()

    def read_at(self) -> float | None:
        """The time as of which reads answer; None: now."""
        return time.time() - self.rest.read_delay if self.rest.read_delay else None

    def strikes(self, what: str, whose: str, first: int | None) -> bool:
        """Count one more of `what`; whether it is among the `first` (None: all)."""
        if first is None:
            return True
        self._counts[what, whose] += 1
        return self._counts[what, whose] <= first


def _not_negative(**values: float | None) -> None:
    for name, value in values.items():
        if value is not None and value < 0:
            raise ValueError(f"{name} is 0 or more, not {value}")
