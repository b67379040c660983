"""The writer's thread: all that is waiting goes into one transaction; then the event loop hears of it, once.

It alone gives revisions and encodes events. It ends when it is told to, or for good when SQLite fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVarTuple

from agenticd.adapters.store.database import Database, transaction
from agenticd.adapters.store.retention import REQUEST_SECONDS, prune_piece
from agenticd.adapters.store.rows import encode_brief, encode_record
from agenticd.core.events import KINDS, AgentBrief, CallClosed, CallRecord
from agenticd.core.ids import CallId
from agenticd.core.log import Logged
from agenticd.core.tally import Tally
from agenticd.service.failpoint import Reach
from agenticd.service.ports import Clock, Entry, EventCodec, OnDurable, RequestKey

Ts = TypeVarTuple("Ts")

BATCH = 512  # the most entries of one transaction, so that their callbacks do not hold up the loop
PRUNE_EVERY = 300.0
CALL_CLOSED = KINDS[CallClosed]
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

_EVENT = "INSERT INTO events (revision, call_id, kind, time, data) VALUES (?, ?, ?, ?, ?)"
_CALL = """
    INSERT INTO calls (
        call_id, create_time, state, direction, closed, closed_revision, closed_time, last_revision, record)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (call_id) DO UPDATE SET
        state = excluded.state,
        closed = excluded.closed,
        closed_revision = coalesce(excluded.closed_revision, closed_revision),
        closed_time = coalesce(excluded.closed_time, closed_time),
        last_revision = max(excluded.last_revision, last_revision),
        record = excluded.record"""
_BRIEF = "INSERT OR REPLACE INTO briefs (call_id, brief) VALUES (?, ?)"
_REQUEST = """
    INSERT OR REPLACE INTO requests (identity, request_id, fingerprint, call_id, revision, created)
    VALUES (?, ?, ?, ?, ?, ?)"""
_REQUEST_KNOWN = "SELECT 1 FROM requests WHERE identity = ? AND request_id = ? AND created >= ?"


@dataclass(frozen=True, slots=True)
class Append:
    """An entry for the log, and who wants to know."""

    entry: Entry
    on_durable: OnDurable


@dataclass(frozen=True, slots=True)
class Prune:
    """Forget what is too old at `now` (seconds since 1970); answered with the first revision."""

    now: float
    on_durable: OnDurable


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing comes after this."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What one transaction made durable, and the answers to its entries in their order."""

    events: Sequence[Logged]
    answers: Sequence[tuple[OnDurable, int | None]]
    first_revision: int


class Writer:
    """Owns the writing connection while its thread runs. It calls `on_commit` and `on_end` on the event loop.

    `on_end` gets what failed ("" when it was told to stop) and those who wait for what was not written.
    """

    def __init__(
        self,
        database: Database,
        codec: EventCodec,
        clock: Clock,
        *,
        keep_seconds: float | None,
        on_commit: Callable[[Committed], None],
        on_end: Callable[[str, Sequence[OnDurable]], None],
        reach: Reach | None = None,
    ) -> None:
        self._connection = database.writer
        self._codec = codec
        self._clock = clock
        self._keep = keep_seconds
        self._on_commit = on_commit
        self._on_end = on_end
        self._reach = reach
        self._loop = asyncio.get_running_loop()
        self._head = database.head
        self._first = database.first_revision
        self._waiting: queue.SimpleQueue[Append | Prune | Stop] = queue.SimpleQueue()
        self._batch: list[Append] = []
        self._briefs: dict[CallId, AgentBrief] = {}  # of calls that are live: those that are already written
        self._orders: list[Prune] = []
        self._pruning: float | None = None  # the time for which old things are being forgotten now
        self._prune_at = clock.monotonic()
        self._stopping = False
        self._busy_since: float | None = None
        self.seconds = Tally(_SECONDS)
        """How long the transactions took, until they were on the disk."""
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many things wait to be written."""
        return self._waiting.qsize()

    @property
    def busy_since(self) -> float | None:
        """The monotonic time at which the thread began what it does now; None while it has nothing to do.

        Each transaction begins anew, however many more wait: what grows old here is a disk that does not answer.
        """
        return self._busy_since

    def put(self, item: Append | Prune | Stop) -> None:
        """Give it to the thread. Never blocks, never refuses."""
        self._waiting.put(item)

    def join(self) -> None:
        """Wait for the thread; short after on_end."""
        self._thread.join()

    def drain(self) -> list[OnDurable]:
        """Those who wait for what nobody will write any more. Only after on_end."""
        left: list[OnDurable] = []
        with contextlib.suppress(queue.Empty):
            while True:
                item = self._waiting.get_nowait()
                if not isinstance(item, Stop):
                    left.append(item.on_durable)
        return left

    def _run(self) -> None:
        failure = "a defect in the writer, whose traceback was printed"
        try:
            self._work()
            failure = ""
        except sqlite3.Error as error:
            failure = f"{error} ({getattr(error, 'sqlite_errorname', 'no SQLite code')})"
        finally:
            self._busy_since = None
            lost = [append.on_durable for append in self._batch] + [order.on_durable for order in self._orders]
            self._call(self._on_end, failure, lost)

    def _work(self) -> None:
        while not self._stopping:
            self._busy_since = None
            self._batch = self._take()
            begin = self._busy_since = self._clock.monotonic()
            if self._batch:
                committed = self._write(self._batch)
                self.seconds.add(self._clock.monotonic() - begin)
                self._batch = []
                self._call(self._on_commit, committed)
                self._busy_since = self._clock.monotonic()
            if self._pruning is None and self._clock.monotonic() >= self._prune_at:
                self._pruning = self._clock.wall()
            if self._pruning is not None:
                self._forget(self._pruning)

    def _take(self) -> list[Append]:
        """Wait until there is something to write or to forget, then take all that is there."""
        patience = 0.0 if self._pruning is not None else self._prune_at - self._clock.monotonic()
        batch: list[Append] = []
        try:
            item = self._waiting.get(timeout=max(0.0, patience))
            while True:
                match item:
                    case Append():
                        batch.append(item)
                    case Prune():
                        self._orders.append(item)
                        self._pruning = item.now
                    case Stop():
                        self._stopping = True
                if self._stopping or len(batch) == BATCH:
                    break
                item = self._waiting.get_nowait()
        except queue.Empty:
            pass
        return batch

    def _write(self, batch: Sequence[Append]) -> Committed:
        work = _Work(self._head, self._clock.wall())
        for item in batch:
            request = item.entry.request
            if request is not None and self._is_taken(request, work):
                # Whoever checks before he appends never comes here; should he, nothing is done twice.
                work.answers.append((item.on_durable, None))
            else:
                work.add(item, self._codec)
        briefs = self._new_briefs(work.changes)
        if self._reach is not None:
            self._reach("before_commit")
        with transaction(self._connection):
            self._connection.executemany(_EVENT, work.rows)
            self._connection.executemany(_CALL, [change.row() for change in work.changes.values()])
            self._connection.executemany(_BRIEF, briefs)
            self._connection.executemany(_REQUEST, work.requests.values())
        self._head = work.revision
        if self._reach is not None:
            self._reach("after_commit")
        return Committed(work.events, work.answers, self._first)

    def _is_taken(self, request: RequestKey, work: _Work) -> bool:
        key = (request.identity, request.request_id)
        known = self._connection.execute(_REQUEST_KNOWN, (*key, work.now - REQUEST_SECONDS)).fetchone()
        return key in work.requests or known is not None

    def _new_briefs(self, changes: dict[CallId, _Change]) -> list[tuple[str, bytes]]:
        new: list[tuple[str, bytes]] = []
        for call_id, change in changes.items():
            brief = change.record.brief
            if self._briefs.get(call_id) is not brief:
                new.append((call_id, encode_brief(brief)))
                self._briefs[call_id] = brief
            if change.record.closed:
                del self._briefs[call_id]
        return new

    def _forget(self, now: float) -> None:
        first, more = prune_piece(self._connection, self._first, now, self._keep)
        answers: list[tuple[OnDurable, int | None]] = []
        if not more:
            answers = [(order.on_durable, first) for order in self._orders]
            self._orders = []
            self._pruning = None
            self._prune_at = self._clock.monotonic() + PRUNE_EVERY
        if first > self._first or answers:
            self._first = first
            self._call(self._on_commit, Committed((), answers, first))

    def _call(self, callback: Callable[[*Ts], None], *args: *Ts) -> None:
        # The loop is closed when the daemon went down without closing the log: then nobody is left to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *args)


class _Change:
    """What one transaction does to one call's row."""

    __slots__ = ("closed_revision", "closed_time", "last_revision", "record")

    def __init__(self, record: CallRecord) -> None:
        self.record = record
        self.last_revision = 0
        self.closed_revision: int | None = None
        self.closed_time: float | None = None

    def row(self) -> tuple[object, ...]:
        """The row of the table calls."""
        record = self.record
        return (
            record.call_id,
            record.create_time,
            record.state.value,
            record.direction.value,
            record.closed,
            self.closed_revision,
            self.closed_time,
            self.last_revision,
            encode_record(record),
        )


class _Work:
    """The rows of one transaction, gathered before it begins."""

    def __init__(self, head: int, now: float) -> None:
        self.revision = head
        self.now = now
        self.events: list[Logged] = []
        self.rows: list[tuple[int, str, str, float, bytes]] = []
        self.changes: dict[CallId, _Change] = {}  # of several changes to one row only the last is written
        self.requests: dict[tuple[str, str], tuple[str, str, bytes, str, int, float]] = {}
        self.answers: list[tuple[OnDurable, int | None]] = []

    def add(self, item: Append, codec: EventCodec) -> None:
        """Give the entry's event its revision, and gather its rows."""
        record, event, request = item.entry.record, item.entry.event, item.entry.request
        change = self.changes.setdefault(record.call_id, _Change(record))
        change.record = record
        revision = 0
        if event is not None:
            revision = self.revision = self.revision + 1
            data = codec.encode(event, revision)
            self.events.append(Logged(revision, event.call_id, event.kind, data))
            self.rows.append((revision, event.call_id, event.kind, event.time, data))
            change.last_revision = revision
            if event.kind == CALL_CLOSED:
                change.closed_revision, change.closed_time = revision, event.time
        if request is not None:
            key = (request.identity, request.request_id)
            self.requests[key] = (*key, request.fingerprint, record.call_id, revision, self.now)
        self.answers.append((item.on_durable, revision))
