"""What one transaction of the writer writes: gathered before it begins, inserted by few statements. See writer.py."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import cache

import msgspec
import structlog
from msgspec import structs

from agenticd.adapters.store.rows import encode_record
from agenticd.core.events import KINDS, CallClosed, CallQueued, CallRecord, Event, Warning
from agenticd.core.ids import CallId
from agenticd.core.log import Logged
from agenticd.service.ports import Entry, EventCodec, OnDurable

_logger = structlog.get_logger(__name__)

CALL_QUEUED = KINDS[CallQueued]
CALL_CLOSED = KINDS[CallClosed]
_ENDS = (CALL_QUEUED, CALL_CLOSED)  # a call is read from its first event to its last: nothing can stand for these

TOGETHER = 64
"""The most rows of one statement. Each statement hands the interpreter to the loop and waits to get it back, which is
longer than writing a row takes while the loop is busy; so a transaction has few of them."""

_EVENTS = "INSERT INTO events (revision, call_id, kind, time, data) VALUES {}"
_CALLS = """
    INSERT INTO calls (
        call_id, create_time, state, direction, closed, closed_revision, closed_time, last_revision, record)
    VALUES {}
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


class Append(msgspec.Struct, frozen=True):
    """An entry for the log, and who wants to know."""

    entry: Entry
    on_durable: OnDurable


class Change:
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


class Work:
    """The rows of one transaction, gathered before it begins."""

    def __init__(self, head: int, now: float) -> None:
        self.revision = head
        self.now = now
        """In the log's own time."""
        self.events: list[Logged] = []
        self.rows: list[tuple[int, str, str, float, bytes]] = []
        self.changes: dict[CallId, Change] = {}  # of several changes to one row only the last is written
        self.requests: dict[tuple[str, str], tuple[str, str, bytes, str, int, float]] = {}
        self.answers: list[tuple[OnDurable, int | None]] = []

    def add(self, item: Append, codec: EventCodec) -> None:
        """Give the entry's event its revision, and gather its rows.

        Raises ValueError, OverflowError for an event that has no form; then it gathered nothing.
        """
        record, event, request = item.entry.record, item.entry.event, item.entry.request
        data = b""
        if event is not None:
            event, data = _encoded(event, self.revision + 1, codec)  # before anything is changed
        change = self.changes.get(record.call_id)
        if change is None:
            change = self.changes[record.call_id] = Change(record)
        change.record = record
        revision = 0
        if event is not None:
            revision = self.revision = self.revision + 1
            kind = event.kind
            self.events.append(Logged(revision, event.call_id, kind, data))
            self.rows.append((revision, event.call_id, kind, event.time, data))
            change.last_revision = revision
            if kind == CALL_CLOSED:
                change.closed_revision, change.closed_time = revision, self.now
        if request is not None:
            key = (request.identity, request.request_id)
            self.requests[key] = (*key, request.fingerprint, record.call_id, revision, self.now)
        self.answers.append((item.on_durable, revision))

    def write(
        self, connection: sqlite3.Connection, calls: Sequence[tuple[object, ...]], briefs: Sequence[tuple[str, bytes]]
    ) -> None:
        """Insert the rows; of the calls and their briefs only these. Inside a transaction."""
        _insert(connection, _EVENTS, self.rows)
        _insert(connection, _CALLS, calls)
        if briefs:
            connection.executemany(_BRIEF, briefs)
        if self.requests:
            connection.executemany(_REQUEST, self.requests.values())


def _encoded(event: Event, revision: int, codec: EventCodec) -> tuple[Event, bytes]:
    """The event and its bytes; of one that has no form, those of a warning in its place, for its call goes on."""
    try:
        return event, codec.encode(event, revision)
    except (ValueError, OverflowError) as error:
        kind = event.kind
        if kind in _ENDS:
            raise
        why = type(error).__name__
        _logger.error("an event has no form in the contract", call_id=event.call_id, kind=kind, why=why)
        text = f"an event of the kind {kind} was left out: it has no form in the contract"
        warning = structs.replace(event, payload=Warning("EVENT_UNREPRESENTABLE", text))
        return warning, codec.encode(warning, revision)


def _insert(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert the rows by as few statements as may be; each is kept prepared for its number of rows."""
    for at in range(0, len(rows), TOGETHER):
        piece = rows[at : at + TOGETHER]
        values = [value for row in piece for value in row]
        connection.execute(_for_rows(statement, len(piece), len(piece[0])), values)


@cache
def _for_rows(statement: str, rows: int, columns: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return statement.format(", ".join([row] * rows))
