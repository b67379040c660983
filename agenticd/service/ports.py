"""The only doors between the use cases and the world: what the service needs, in its own words.

Adapters implement these; tests implement them with a few lines each. Nothing here awaits on the media path: what a
session calls while it is fed never blocks and never raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from agenticd.core.events import AgentBrief, CallRecord, CallState, Direction, Event, TranscriptFinal
from agenticd.core.ids import CallId
from agenticd.core.inputs import Input
from agenticd.core.log import Logged as Logged
from agenticd.core.log import Page as Page
from agenticd.core.log import Select as Select


class Timer(Protocol):
    """A pending call of Clock.call_at."""

    def cancel(self) -> None:
        """Forget it. Harmless when it has run."""


class Clock(Protocol):
    """Time and chance, the only source of both."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes back. What machines are given as `now`."""

    def elapsed(self) -> float:
        """Seconds since an arbitrary moment, those that the machine slept included; nobody can set it."""

    def wall(self) -> float:
        """Seconds since 1970, UTC."""

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call back at the monotonic time `when`, from the event loop."""

    def randomness(self, size: int) -> bytes:
        """Unpredictable bytes."""


# --- The log and the store ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RequestKey:
    """A request id, its owner and the hash of the normalised request that it stood for."""

    identity: str
    request_id: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class KnownRequest:
    """What the store remembers of a request id."""

    fingerprint: bytes
    call_id: CallId
    revision: int


class Entry(msgspec.Struct, frozen=True):
    """One thing to make durable, whole or not at all: an event, the call's row as it then is, a request id.

    Without an event only the row changes, and no revision is spent.
    """

    record: CallRecord
    event: Event | None = None
    request: RequestKey | None = None


class OnDurable(Protocol):
    """Called once on the event loop, in the order of the call's appends, and never before `append` returns: with the
    entry's revision (0 without an event), or None when nothing of the entry was kept, nor will be of the call's later
    ones: the store failed, or its request id is already taken, or the call was not begun because nothing could be
    written, or its first or last event has no form in the contract. For another such event a warning is kept."""

    def __call__(self, revision: int | None, /) -> None: ...


@dataclass(frozen=True, slots=True)
class CallQuery:
    """Which calls to list: newest first, after the (create_time, call_id) of the last one seen."""

    limit: int
    states: frozenset[CallState] = frozenset()
    direction: Direction | None = None
    after: tuple[float, CallId] | None = None


LONGEST_QUEUE = 2 * 3600.0
"""Seconds from a call's creation to its dialling, and more: twice the longest queue timeout. Who looks by creation for
the calls that were dialled since then begins earlier by this."""


class Window(Protocol):
    """The newest part of the log, in memory. All revisions here are durable."""

    @property
    def head(self) -> int:
        """The newest durable revision; 0 in an empty log."""

    @property
    def start(self) -> int:
        """Cursors from here on are served from memory."""

    def read(self, after: int, select: Select, limit: int) -> Page:
        """The next matching events after the cursor, at most `limit`. Needs after >= start."""


class EventLog(Protocol):
    """The append-only log with the calls' rows: one writer, durable before visible."""

    @property
    def epoch(self) -> str:
        """Names this log; a restored one gets another name."""

    @property
    def first_revision(self) -> int:
        """The oldest revision that is kept; 1 in a new log. Cursors from first_revision - 1 on are served."""

    @property
    def window(self) -> Window:
        """The newest events, in memory."""

    @property
    def secret(self) -> bytes:
        """32 random bytes made with the log; signs stream tokens, so that they outlive a restart."""

    @property
    def full(self) -> bool:
        """The writer does not keep up, or cannot write: refuse new calls. What is appended is taken all the same."""

    @property
    def trouble(self) -> str:
        """Why nothing can be written now; empty while all is well. What was appended waits, in its order, until it can
        be: only calls that nobody was dialled for are answered None."""

    def on_trouble(self, tell: Callable[[], None]) -> None:
        """Call `tell` on the event loop each time that `trouble` changes."""

    def append(self, entry: Entry, on_durable: OnDurable) -> None:
        """Give the entry to the writer, in order. Never blocks, never raises."""

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Call `wake` on the event loop after each move of the head."""

    async def read(self, after: int, select: Select, limit: int) -> Page:
        """As Window.read, from the database. Raises Compacted, StoreDown."""

    async def call(self, call_id: CallId) -> tuple[CallRecord | None, int]:
        """The call's row, and the revision as of which it is. Raises StoreDown."""

    async def ends(self, call_ids: frozenset[CallId]) -> Mapping[CallId, int | None]:
        """Those of these calls that exist, each with the revision of its call_closed; None while it is not closed.
        Raises StoreDown."""

    async def horizon(self) -> float | None:
        """The time of the oldest event that is kept; None: none was deleted, or all were. Raises StoreDown."""

    async def calls(self, query: CallQuery) -> tuple[Sequence[CallRecord], int]:
        """A page of calls, and the revision as of which they are. Raises StoreDown."""

    async def live(self) -> Sequence[CallRecord]:
        """Every call that is not closed, oldest first: what recovery begins with. Raises StoreDown."""

    async def carrier_call_ids(self, since: float) -> frozenset[str]:
        """The carrier's ids of our calls, closed ones too, that were created at `since` (seconds since 1970) or later.
        Raises StoreDown."""

    async def unidentified(self, to_address: str, from_address: str, since: float) -> frozenset[CallId]:
        """Our calls between these numbers that were dialled at `since` or later, or nobody knows when, and that the
        carrier has neither given an id nor refused: live ones, and those that were given up. Raises StoreDown."""

    async def transcript(self, call_id: CallId) -> tuple[Sequence[TranscriptFinal], int]:
        """The call's utterances by position, and the revision as of which they are. Raises StoreDown."""

    async def request(self, identity: str, request_id: str) -> KnownRequest | None:
        """What is remembered of a request id, not older than 24 h. Raises StoreDown."""


class LogCopy(Protocol):
    """A whole copy of the log as of one revision, to be read once from its beginning."""

    @property
    def epoch(self) -> str:
        """The log's name."""

    @property
    def revision(self) -> int:
        """The newest revision in it."""

    @property
    def first_revision(self) -> int:
        """The oldest revision in it."""

    @property
    def size(self) -> int:
        """Its length in bytes."""

    async def read(self, size: int) -> bytes:
        """The next bytes, at most `size`; none at the end. Raises StoreDown."""


class EventCodec(Protocol):
    """Events in the contract's form. The store keeps what this writes, and looks inside for transcripts only."""

    def encode(self, event: Event, revision: int) -> bytes:
        """The event's bytes. Called in the writer's thread. Raises ValueError, OverflowError: it has no form for it."""

    def decode(self, data: bytes) -> tuple[Event, int]:
        """The event and its revision."""


# --- The carrier -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DialOrder:
    """What Carrier.dial needs. `ring_timeout` in seconds; the URLs carry the call's id in their path."""

    call_id: CallId
    to_address: str
    from_address: str
    ring_timeout: float
    voice_url: str
    status_url: str
    fallback_url: str
    wanted: Callable[[], bool] = field(default=lambda: True, compare=False)
    """Asked right before each request: what was hung up meanwhile is not to be dialled."""


@dataclass(frozen=True, slots=True)
class CarrierCall:
    """A call as the carrier shows it. `status` in Twilio's words; `created` in seconds since 1970."""

    carrier_call_id: str
    status: str
    created: float
    to_address: str
    from_address: str


class Carrier(Protocol):
    """Twilio's REST side. All raise CarrierRefused and CarrierUnanswered, and nothing else."""

    async def dial(self, order: DialOrder) -> CarrierCall:
        """Create the call, once. Never tried again by the adapter, but for an answer that says it was not processed.
        No longer wanted is refused: with the status 0 if the carrier was not asked at all."""

    async def hang_up(self, carrier_call_id: str, *, answered: bool, words: str = "") -> CarrierCall | None:
        """Order the call's end (canceled before the answer, completed after). None: it had already ended, or is not
        known there, which is the same to us. With `words` the carrier says them first, in its own voice; only once
        the call was answered."""

    async def look_up(self, carrier_call_id: str) -> CarrierCall | None:
        """The call as it is. None: not known there."""

    async def find(self, to_address: str, from_address: str, since: float) -> Sequence[CarrierCall]:
        """Calls from there to there that were created at `since` (seconds since 1970) or later."""

    async def requested(self, carrier_call_id: str) -> Sequence[str]:
        """The URLs that the carrier has asked for the call so far."""


# --- The two ends of the media path ------------------------------------------------------------------------------


class MediaLink(Protocol):
    """The media stream towards the phone. Calls after its end are ignored.

    What is sent while it is not `writable` goes behind what waits there already; `on_writable` is called each time
    that it becomes writable again.
    """

    on_writable: Callable[[], None] | None

    @property
    def writable(self) -> bool:
        """Whether what is sent goes out at once."""

    def play(self, payload: str) -> None:
        """Send mu-law, base64, a multiple of 160 bytes. Sent at once; the phone buffers it."""

    def mark(self, name: str) -> None:
        """Ask to be told when all that was sent before has been played."""

    def clear(self) -> None:
        """Throw away what the phone has not played."""

    def close(self, code: int = 1000) -> None:
        """End the stream."""


class ModelLink(Protocol):
    """One session of the model. Before it is open and after its end, what is sent is dropped."""

    async def open(self) -> None:
        """Connect. Cannot fail: a refusal is a ModelClosed, fed before this returns."""

    def append(self, payload: str) -> None:
        """Send the caller's audio, base64, in the session's input format."""

    def send(self, message: bytes) -> None:
        """Send any other message, as core/realtime.py encoded it."""

    def close(self) -> None:
        """End the session, also while it is being opened."""


class Model(Protocol):
    """Where sessions of the model come from."""

    def session(self, call_id: CallId, brief: AgentBrief, feed: Callable[[Input], None]) -> ModelLink:
        """A session that is not open yet. Everything that the peer sends goes to `feed`, decoded, until exactly one
        ModelClosed, after which nothing more comes."""


@dataclass(frozen=True, slots=True)
class PeerHealth:
    """How a peer answered last: `ok` None when it was never used; `at` in seconds since 1970."""

    ok: bool | None = None
    at: float = 0.0
    message: str = ""


class Peer(Protocol):
    """A peer that knows how it was used last."""

    @property
    def health(self) -> PeerHealth:
        """The last use."""
