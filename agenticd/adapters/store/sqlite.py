"""The event log on SQLite: ports.EventLog, over one thread that writes and one that reads."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from agenticd.adapters.store import queries
from agenticd.adapters.store.backup import Copy, describe, make_copy, remove_unfinished
from agenticd.adapters.store.database import Database, NewLog, head_of, open_database, unusable
from agenticd.adapters.store.retention import REQUEST_SECONDS, Limits, Reckoning
from agenticd.adapters.store.work import Append
from agenticd.adapters.store.writer import RETRY_SECONDS, Committed, Prune, Stop, Writer
from agenticd.core.errors import StoreDown
from agenticd.core.events import CallRecord, TranscriptFinal
from agenticd.core.ids import CallId
from agenticd.core.log import MAX_BYTES, MAX_EVENTS, HeadWindow, Page, Select
from agenticd.core.tally import Tally
from agenticd.service.failpoint import Reach
from agenticd.service.ports import CallQuery, Clock, Entry, EventCodec, KnownRequest, OnDurable

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

EPOCH_BYTES = 8
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Config:
    """Where the log is, and how much of it is kept and held.

    `keep_seconds`: events of calls that were closed longer ago are deleted; None keeps all; a day or more.
    `keep_bytes`: while more of the file is in use, calls closed more than a day ago are deleted, too; None: no limit.
    `retry_seconds`: after so long what could not be written is tried again.
    `max_waiting`: so many entries wait for the writer before the log calls itself full.
    `warm_events`: how many events are read into memory at start; older ones come from the file.
    """

    path: Path
    keep_seconds: float | None = 30 * 86400.0
    max_waiting: int = 10_000
    window_events: int = MAX_EVENTS
    window_bytes: int = MAX_BYTES
    warm_events: int = 4_096
    keep_bytes: int | None = None
    retry_seconds: float = RETRY_SECONDS

    def __post_init__(self) -> None:
        if self.keep_seconds is not None and self.keep_seconds < REQUEST_SECONDS:
            raise ValueError("keep: at least 1d, because request ids are remembered for that long")


class SqliteLog:
    """One file, one writer. Made by `open`. All methods are for the event loop's thread.

    The clock's wall and monotonic, and the codec, are also used in the two threads.
    """

    def __init__(
        self,
        database: Database,
        warm: Page,
        config: Config,
        codec: EventCodec,
        clock: Clock,
        reach: Reach | None = None,
    ) -> None:
        self.failed = asyncio.Event()
        """Set when the log went down and the daemon should end. What happened is `failure`."""
        self.failure = ""
        self.trouble = ""
        """Why nothing can be written now, though it is tried again and again; empty while all is well."""
        self._database = database
        self._config = config
        self._codec = codec
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._window = HeadWindow(warm.upto, max_events=config.window_events, max_bytes=config.window_bytes)
        for event in warm.events:
            self._window.append(event)
        self._first_revision = database.first_revision
        self._subscribers: list[Callable[[], None]] = []
        self._troubled: list[Callable[[], None]] = []
        self._reckoning = Reckoning(clock, database.compared)
        self._answers: deque[tuple[OnDurable, int | None]] = deque()
        self._behind: list[asyncio.Future[None]] = []  # reads that saw more than the window shows
        self._closing = False
        self._ended = self._loop.create_future()  # done: nothing is written any more
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="log-reader")
        self._writer = Writer(
            database,
            codec,
            clock,
            limits=Limits(config.keep_seconds, config.keep_bytes),
            reckoning=self._reckoning,
            retry_seconds=config.retry_seconds,
            on_commit=self._committed,
            on_trouble=self._trouble_moved,
            on_end=self._writer_ended,
            reach=reach,
        )

    @classmethod
    async def open(cls, config: Config, codec: EventCodec, clock: Clock, reach: Reach | None = None) -> SqliteLog:
        """Open or make the file. Raises errors.StoreUnusable."""
        new = NewLog(
            epoch=clock.randomness(EPOCH_BYTES).hex(),
            secret=clock.randomness(SECRET_BYTES),
            created=clock.wall(),
        )
        database, warm = await asyncio.to_thread(_open, config, new)
        return cls(database, warm, config, codec, clock, reach)

    async def close(self) -> None:
        """Write all that was appended, answer it, let go of the file. Later appends are answered None."""
        if not self._closing:
            self._closing = True
            self._writer.put(Stop())
        await asyncio.shield(self._ended)
        await asyncio.to_thread(self._let_go)

    def _let_go(self) -> None:
        self._writer.join()
        self._reader.shutdown()
        self._database.close()

    @property
    def epoch(self) -> str:
        """Names this log."""
        return self._database.epoch

    @property
    def secret(self) -> bytes:
        """32 random bytes made with the log."""
        return self._database.secret

    @property
    def first_revision(self) -> int:
        """The oldest revision that is kept; head + 1 when none is."""
        return self._first_revision

    @property
    def window(self) -> HeadWindow:
        """The newest events, in memory."""
        return self._window

    @property
    def full(self) -> bool:
        """The writer does not keep up, or cannot write at all: refuse new calls."""
        return bool(self.trouble) or self._writer.waiting >= self._config.max_waiting

    def busy_for(self) -> float:
        """For how many seconds the writer has been at one piece of work, which is a matter of milliseconds.

        0 while it has none. Grows while a disk does not answer, or another program holds the file.
        """
        since = self._writer.busy_since
        return max(0.0, self._clock.monotonic() - since) if since is not None else 0.0

    @property
    def waiting(self) -> int:
        """How many things wait to be written."""
        return self._writer.waiting

    @property
    def append_seconds(self) -> Tally:
        """How long the writer's transactions took."""
        return self._writer.seconds

    def append(self, entry: Entry, on_durable: OnDurable) -> None:
        """Give the entry to the writer. Never blocks, never raises, never answers before it returns."""
        if self._ended.done():
            self._answers.append((on_durable, None))
            self._loop.call_soon(self._answer)
        else:
            self._writer.put(Append(entry, on_durable))

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Call `wake` after each move of the head."""
        self._subscribers.append(wake)

    def on_trouble(self, tell: Callable[[], None]) -> None:
        """Call `tell` each time that `trouble` changes."""
        self._troubled.append(tell)

    async def prune(self, now: float) -> int:
        """Forget what is too old at `now` (in the log's time); the writer does so by itself every 5 minutes.

        Returns the first revision that is left. Raises StoreDown.
        """
        if self._ended.done():
            raise StoreDown
        done: asyncio.Future[int | None] = self._loop.create_future()
        self._writer.put(Prune(now, partial(_resolve, done)))
        first_revision = await done
        if first_revision is None:
            raise StoreDown
        return first_revision

    @asynccontextmanager
    async def backup(self) -> AsyncIterator[Copy]:
        """A copy of the whole log, made while it goes on. Raises StoreDown."""
        if self._closing:
            raise StoreDown
        making = self._loop.run_in_executor(None, make_copy, self._config.path.resolve())
        try:
            copy = await asyncio.shield(making)
        except asyncio.CancelledError:
            making.add_done_callback(_throw_away)
            raise
        except (OSError, sqlite3.Error) as error:
            raise StoreDown(f"no copy of the event log can be made: {describe(error)}") from error
        try:
            yield copy
        finally:
            copy.close()

    # --- questions: answered by the reader's thread, from one snapshot each ---

    async def read(self, after: int, select: Select, limit: int) -> Page:
        """The next matching events, from the file. Raises Compacted, StoreDown."""
        return (await self._ask(queries.read, after, select, limit))[0]

    async def call(self, call_id: CallId) -> tuple[CallRecord | None, int]:
        """The call's row, and the revision as of which it is. Raises StoreDown."""
        return await self._ask(queries.call, call_id)

    async def ends(self, call_ids: frozenset[CallId]) -> Mapping[CallId, int | None]:
        """Those that exist, each with the revision of its call_closed, if it is closed. Raises StoreDown."""
        return (await self._ask(queries.ends, call_ids))[0]

    async def horizon(self) -> float | None:
        """The time of the oldest event that is kept; None: none was deleted, or all were. Raises StoreDown."""
        return (await self._ask(queries.horizon))[0]

    async def calls(self, query: CallQuery) -> tuple[Sequence[CallRecord], int]:
        """A page of calls, newest first, and the revision as of which they are. Raises StoreDown."""
        return await self._ask(queries.calls, query)

    async def live(self) -> Sequence[CallRecord]:
        """Every call that is not closed, oldest first. Raises StoreDown."""
        return (await self._ask(queries.live))[0]

    async def carrier_call_ids(self, since: float) -> frozenset[str]:
        """The carrier's ids of our calls created since then. Raises StoreDown."""
        return (await self._ask(queries.carrier_call_ids, since))[0]

    async def unidentified(self, to_address: str, from_address: str, since: float) -> frozenset[CallId]:
        """Our calls between these numbers that were dialled since then, and that the carrier never named."""
        return (await self._ask(queries.unidentified, to_address, from_address, since))[0]

    async def transcript(self, call_id: CallId) -> tuple[Sequence[TranscriptFinal], int]:
        """The call's utterances, and the revision as of which they are. Raises StoreDown."""
        return await self._ask(queries.transcript, call_id, self._codec)

    async def request(self, identity: str, request_id: str) -> KnownRequest | None:
        """What is remembered of a request id. Raises StoreDown."""
        return (await self._ask(queries.request, identity, request_id, self._reckoning.now()))[0]

    async def _ask(self, question: Callable[[sqlite3.Connection, *Ts], T], *args: *Ts) -> tuple[T, int]:
        if self._closing:
            raise StoreDown
        reader = self._database.reader
        work = partial(_in_snapshot, reader, lambda: question(reader, *args))
        try:
            answer, revision = await self._loop.run_in_executor(self._reader, work)
        except sqlite3.Error as error:
            raise StoreDown from error
        # The file may be ahead of the window by a commit whose news is on its way. Nobody may hear of a
        # revision that a stream would refuse as lying in the future.
        while revision > self._window.head and not self._ended.done():
            moved = self._loop.create_future()
            self._behind.append(moved)
            await moved
        return answer, revision

    # --- called on the event loop by the writer ---

    def _committed(self, committed: Committed) -> None:
        for event in committed.events:
            self._window.append(event)
        if committed.first_revision > self._first_revision:
            self._first_revision = committed.first_revision
            self._window.forget(committed.first_revision)
        for waiter in self._behind:
            _resolve(waiter, None)
        self._behind.clear()
        self._answers.extend(committed.answers)
        try:
            self._answer()
        finally:
            if committed.events:
                for wake in self._subscribers:
                    wake()

    def _trouble_moved(self, trouble: str) -> None:
        self.trouble = trouble
        for tell in self._troubled:
            tell()

    def _writer_ended(self, failure: str, unwritten: Sequence[OnDurable]) -> None:
        self._closing = True
        self.failure = failure
        if failure:
            self.failed.set()
        self._answers.extend((on_durable, None) for on_durable in (*unwritten, *self._writer.drain()))
        for waiter in self._behind:
            _resolve(waiter, None)
        self._ended.set_result(None)
        self._answer()

    def _answer(self) -> None:
        # Should a callback raise, which is a defect, asyncio reports it; the others still get their answers.
        try:
            while self._answers:
                on_durable, revision = self._answers.popleft()
                on_durable(revision)
        finally:
            if self._answers:
                self._loop.call_soon(self._answer)


def _open(config: Config, new: NewLog) -> tuple[Database, Page]:
    database = open_database(config.path, new)
    remove_unfinished(config.path.resolve())
    limit = min(config.warm_events, config.window_events)
    try:
        return database, queries.newest(database.reader, database.head, limit, config.window_bytes)
    except sqlite3.Error as error:
        database.close()
        raise unusable(config.path, error) from error


def _throw_away(made: asyncio.Future[Copy]) -> None:
    """Of a copy that nobody waits for any more."""
    if made.exception() is None:
        made.result().close()


def _in_snapshot(connection: sqlite3.Connection, question: Callable[[], T]) -> tuple[T, int]:
    """The answer, and the newest revision that it could see. In the reader's thread."""
    connection.execute("BEGIN")
    try:
        head = head_of(connection)
        return question(), head
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _resolve(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)
