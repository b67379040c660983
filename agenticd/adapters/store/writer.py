"""The writer's thread: all that is waiting goes into one transaction; then the event loop hears of it, once.

It alone gives revisions and encodes events. A call's row is written when more of it changed than its `last_sequence`,
which is how many events the call has: most entries are only an event. What cannot be written now, because the
disk is full or broken, is kept in its order and tried again for as long as it takes; it ends when it is told to, or
when trying is of no use.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVarTuple

import structlog
from msgspec.structs import replace

from agenticd.adapters.store.database import Database, transaction
from agenticd.adapters.store.retention import LOOK_EVERY, REQUEST_SECONDS, Limits, Reckoning, prune_piece
from agenticd.adapters.store.rows import encode_brief
from agenticd.adapters.store.work import CALL_QUEUED, Append, Change, Work
from agenticd.core.events import CallRecord
from agenticd.core.ids import CallId
from agenticd.core.log import Logged
from agenticd.core.tally import Tally
from agenticd.service.failpoint import Reach
from agenticd.service.ports import Clock, EventCodec, OnDurable, RequestKey

_logger = structlog.get_logger(__name__)

Ts = TypeVarTuple("Ts")

BATCH = 512  # the most entries of one transaction, so that their callbacks do not hold up the loop
RETRY_SECONDS = 0.5
REFUSED = 10_000  # of so many calls it is known that they were refused: more than can wait to be told
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

_PASSING = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOMEM,
    }
)
"""What is wrong with the place and not with the file: it may pass. A transaction that failed so left nothing, unless it
was the sync that failed: see Writer._overwrite."""
_PROBE = "PRAGMA user_version = {}"  # a page is written each time that the number is another
_REQUEST_KNOWN = "SELECT 1 FROM requests WHERE identity = ? AND request_id = ? AND created >= ?"


@dataclass(frozen=True, slots=True)
class Prune:
    """Forget what is too old at `now` (in the log's own time); answered with the first revision."""

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
    """Owns the writing connection while its thread runs. All that it calls back is called on the event loop.

    `on_trouble` gets why nothing can be written now, and "" when it can be again. `on_end` gets what failed ("" when it
    was told to stop) and those who wait for what was not written.
    """

    def __init__(
        self,
        database: Database,
        codec: EventCodec,
        clock: Clock,
        *,
        limits: Limits,
        reckoning: Reckoning,
        retry_seconds: float,
        on_commit: Callable[[Committed], None],
        on_trouble: Callable[[str], None],
        on_end: Callable[[str, Sequence[OnDurable]], None],
        reach: Reach | None = None,
    ) -> None:
        self._connection = database.writer
        self._codec = codec
        self._clock = clock
        self._limits = limits
        self._reckoning = reckoning
        self._retry = retry_seconds
        self._on_commit = on_commit
        self._on_trouble = on_trouble
        self._on_end = on_end
        self._reach = reach
        self._loop = asyncio.get_running_loop()
        self._head = database.head
        self._first = database.first_revision
        self._waiting: queue.SimpleQueue[Append | Prune | Stop] = queue.SimpleQueue()
        self._held: deque[Append] = deque()  # taken from the queue, and not begun
        self._batch: list[Append] = []  # what is being written
        self._trouble = ""
        self._doubtful = False  # what failed may be found committed by the next start, if we are killed now
        self._refused: dict[CallId, None] = {}  # calls of which an entry was refused: what comes of them later is, too
        self._stop_waiting = threading.Event()
        self._rows: dict[CallId, CallRecord] = {}  # of calls that are live: as they are written
        self._orders: list[Prune] = []
        self._pruning: float | None = None  # the time for which old things are being forgotten now
        self._prune_at = clock.monotonic() + LOOK_EVERY  # by then a clock that is to be set has been
        self._stopping = False
        self._busy_since: float | None = None
        self.seconds = Tally(_SECONDS)
        """How long the transactions took, until they were on the disk."""
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many things wait to be written."""
        return self._waiting.qsize() + len(self._held)

    @property
    def busy_since(self) -> float | None:
        """The monotonic time at which the thread began what it does now; None while it has nothing to do.

        Each transaction begins anew, however many more wait: what grows old here is a disk that does not answer.
        """
        return self._busy_since

    def put(self, item: Append | Prune | Stop) -> None:
        """Give it to the thread. Never blocks, never refuses."""
        self._waiting.put(item)
        if isinstance(item, Stop):
            self._stop_waiting.set()

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
            failure = _words(error)
        finally:
            self._busy_since = None
            lost = [item.on_durable for item in (*self._batch, *self._held)]
            lost += [order.on_durable for order in self._orders]
            self._call(self._on_end, failure, lost)

    def _work(self) -> None:
        while not (self._stopping and not self._held):
            self._busy_since = None
            self._take()
            begin = self._busy_since = self._clock.monotonic()
            self._batch = [self._held.popleft() for _ in range(min(BATCH, len(self._held)))]
            if self._batch or self._trouble:
                try:
                    committed = self._write(self._batch)
                except sqlite3.Error as error:
                    self._wait_for_better_times(error)
                    continue
                self.seconds.add(self._clock.monotonic() - begin)
                self._written(committed)
            if self._pruning is None and self._clock.monotonic() >= self._prune_at:
                self._compare_clocks()
                self._pruning = self._reckoning.now()
            if self._pruning is not None:
                self._forget(self._pruning)
        self._compare_clocks()

    def _compare_clocks(self) -> None:
        try:
            self._reckoning.look(self._connection, self._head)
        except sqlite3.Error as error:
            if not _may_pass(error):  # as with forgetting: it can wait
                raise

    def _written(self, committed: Committed) -> None:
        if self._batch:
            self._batch = []
            self._call(self._on_commit, committed)
        if self._trouble:
            self._trouble, self._doubtful = "", False
            self._call(self._on_trouble, "")
        self._busy_since = self._clock.monotonic()

    def _wait_for_better_times(self, error: sqlite3.Error) -> None:
        """What is held stays held. Raises the error when better times will not come, or nobody waits for them."""
        if _is_sync(error) or self._doubtful:
            self._overwrite()
        if self._stopping or not _may_pass(error):
            raise error
        self._busy_since = None  # it waits, and is not stuck
        self._held.extendleft(reversed(self._batch))
        self._batch = []
        trouble = _words(error)
        if trouble != self._trouble:
            self._trouble = trouble
            self._call(self._on_trouble, trouble)
        self._sift(new_calls=not self._doubtful)
        self._stop_waiting.wait(self._retry)

    def _overwrite(self) -> None:
        """Make sure that what a failed sync kept from being committed cannot be found as if it had been.

        It stands whole in the WAL, behind what counts for us; whoever reads the WAL anew would count it. So something
        else is written in its place: whether that is synced does not matter, as long as only this process dies. Where
        it cannot be written, nobody is refused: they wait until it can.
        """
        try:
            with transaction(self._connection):
                self._probe()
        except sqlite3.Error as error:
            self._doubtful = not _is_sync(error)
        else:
            self._doubtful = False

    def _sift(self, *, new_calls: bool) -> None:
        """Refuse calls that exist nowhere but here, since they wait to be dialled: they never were, and need not wait
        for a disk. What comes of a refused call, before it hears of it, is refused too."""
        kept: deque[Append] = deque()
        answers: list[tuple[OnDurable, int | None]] = []
        if self._trouble:
            answers += [(order.on_durable, None) for order in self._orders]
            self._orders, self._pruning = [], None
        for item in self._held:
            call_id, event = item.entry.record.call_id, item.entry.event
            if new_calls and event is not None and event.kind == CALL_QUEUED:
                self._refuse(call_id)
            if call_id in self._refused:
                answers.append((item.on_durable, None))
            else:
                kept.append(item)
        self._held = kept
        if answers:
            self._call(self._on_commit, Committed((), answers, self._first))

    def _take(self) -> None:
        """Wait until there is something to write or to forget, then take all that is there."""
        if self._held or self._trouble or self._stopping:
            self._fetch(wait=None)
        else:
            patience = 0.0 if self._pruning is not None else self._prune_at - self._clock.monotonic()
            self._fetch(wait=max(0.0, patience))
        if self._trouble or self._refused:
            self._sift(new_calls=bool(self._trouble) and not self._doubtful)

    def _fetch(self, wait: float | None) -> None:
        """Move what is in the queue to what is held, after a wait for the first of it if there is none."""
        try:
            item = self._waiting.get(timeout=wait) if wait is not None else self._waiting.get_nowait()
            while True:
                match item:
                    case Append():
                        self._held.append(item)
                    case Prune():
                        self._orders.append(item)
                        self._pruning = item.now
                    case Stop():
                        self._stopping = True
                        break
                item = self._waiting.get_nowait()
        except queue.Empty:
            pass

    def _write(self, batch: Sequence[Append]) -> Committed:
        work = Work(self._head, self._reckoning.now())
        for item in batch:
            if not self._add(item, work):
                # What comes later of this call has no place without it: a sequence without a gap begins with its first.
                self._refuse(item.entry.record.call_id)
                work.answers.append((item.on_durable, None))
        changed = [change for change in work.changes.values() if self._is_news(change.record)]
        briefs = self._new_briefs(changed)
        calls = [change.row() for change in changed]
        if self._reach is not None:
            self._reach("before_commit")
        with transaction(self._connection):
            if self._trouble:
                self._probe()
            work.write(self._connection, calls, briefs)
        self._head = work.revision
        if self._reach is not None:
            self._reach("after_commit")
        self._remember(changed)
        return Committed(work.events, work.answers, self._first)

    def _add(self, item: Append, work: Work) -> bool:
        """Gather what the entry writes. False: it is refused, and nothing of it is kept."""
        record, request = item.entry.record, item.entry.request
        if record.call_id in self._refused:
            return False
        if request is not None and self._is_taken(request, work):
            # Whoever checks before he appends never comes here; should he, nothing is done twice.
            return False
        try:
            work.add(item, self._codec)
        except (ValueError, OverflowError) as error:
            # Whatever made it, it is this call's misfortune and no other's.
            why = type(error).__name__
            _logger.error("an event has no form, and its call is given up", call_id=record.call_id, why=why)
            return False
        return True

    def _refuse(self, call_id: CallId) -> None:
        """Whatever comes of this call from now on is refused. The calls refused longest ago are forgotten: they ended
        when they were told."""
        self._refused[call_id] = None
        if len(self._refused) > REFUSED:
            del self._refused[next(iter(self._refused))]

    def _probe(self) -> None:
        """Something that must reach the disk, even where nothing waits to be written."""
        (number,) = self._connection.execute("PRAGMA user_version").fetchone()
        self._connection.execute(_PROBE.format(1 - number % 2))

    def _is_taken(self, request: RequestKey, work: Work) -> bool:
        key = (request.identity, request.request_id)
        known = self._connection.execute(_REQUEST_KNOWN, (*key, work.now - REQUEST_SECONDS)).fetchone()
        return key in work.requests or known is not None

    def _is_news(self, record: CallRecord) -> bool:
        """Whether the row must be written: the record is not what is there, but for its `last_sequence`."""
        known = self._rows.get(record.call_id)
        return known is None or record != replace(known, last_sequence=record.last_sequence)

    def _new_briefs(self, changed: Sequence[Change]) -> Sequence[tuple[str, bytes]]:
        briefs = []
        for change in changed:
            record = change.record
            known = self._rows.get(record.call_id)
            if known is None or known.brief is not record.brief:
                briefs.append((record.call_id, encode_brief(record.brief)))
        return briefs

    def _remember(self, changed: Sequence[Change]) -> None:
        """The rows that are there, now that they are."""
        for change in changed:
            if change.record.closed:
                self._rows.pop(change.record.call_id, None)
            else:
                self._rows[change.record.call_id] = change.record

    def _forget(self, now: float) -> None:
        answers: list[tuple[OnDurable, int | None]] = []
        reached: int | None
        try:
            reached, more = prune_piece(self._connection, self._first, now, self._limits)
        except sqlite3.Error as error:
            # Deleting needs room, too. Whoever appends will learn whether it was more than that.
            if not _may_pass(error):
                raise
            reached, more = None, False
        first = self._first if reached is None else reached
        if not more:
            answers = [(order.on_durable, reached) for order in self._orders]
            self._orders = []
            self._pruning = None
            self._prune_at = self._clock.monotonic() + LOOK_EVERY
        if first > self._first or answers:
            self._first = first
            self._call(self._on_commit, Committed((), answers, first))

    def _call(self, callback: Callable[[*Ts], None], *args: *Ts) -> None:
        # The loop is closed when the daemon went down without closing the log: then nobody is left to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *args)


def _may_pass(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING


def _is_sync(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_FSYNC


def _words(error: sqlite3.Error) -> str:
    return f"{error} ({getattr(error, 'sqlite_errorname', 'no SQLite code')})"
