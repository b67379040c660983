"""Forgetting: one small piece of what is too old, in one transaction with the first_revision that it moves.

A piece is small because appends wait for it; which events may go is decided in core/log.py.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from agenticd.adapters.store.database import transaction
from agenticd.core.log import Aged, first_kept
from agenticd.service.ports import Clock

PIECE = 256
REQUEST_SECONDS = 24 * 3600.0
"""A request id is known for this long. Events are kept no shorter, so that its call is known, too."""

_OLDEST = """
    SELECT e.revision, e.time,
        CASE WHEN c.call_id IS NULL THEN e.time WHEN c.closed THEN coalesce(c.closed_time, e.time) END
    FROM events e LEFT JOIN calls c USING (call_id)
    ORDER BY e.revision LIMIT ?"""
_FORGET_EVENTS = (
    "DELETE FROM events WHERE revision < ?",
    "DELETE FROM briefs WHERE call_id IN (SELECT call_id FROM calls WHERE closed AND last_revision < ?)",
    "DELETE FROM calls WHERE closed AND last_revision < ?",
    "UPDATE meta SET first_revision = ?",
)
_OLD_REQUESTS = "SELECT identity, request_id FROM requests WHERE created < ? ORDER BY created LIMIT ?"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept: `seconds` after a call closed, and `size` in bytes; None: no limit."""

    seconds: float | None = None
    size: int | None = None


class Reckoning:
    """The time by which things are forgotten: a wall clock that cannot jump forward while the daemon runs.

    Somebody who sets the clock to next year by mistake, and back, has lost nothing, and no request id expires early. A
    clock that goes back makes things stay longer, which harms nobody.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = clock.wall() - clock.monotonic()

    def now(self) -> float:
        """Seconds since 1970."""
        return min(self._clock.wall(), self._clock.monotonic() + self._offset)


def prune_piece(connection: sqlite3.Connection, first_revision: int, now: float, limits: Limits) -> tuple[int, bool]:
    """Delete up to PIECE events of calls that closed too long ago, or more than a day ago while the file is too large;
    and old requests.

    A call's row goes with its last event. Returns the new first revision, and whether there may be more.
    """
    cutoff = None if limits.seconds is None else now - limits.seconds
    if limits.size is not None and used_bytes(connection) > limits.size:
        cutoff = now - REQUEST_SECONDS
    oldest = [] if cutoff is None else [Aged(*row) for row in connection.execute(_OLDEST, (PIECE,))]
    first = first_revision if cutoff is None else first_kept(oldest, cutoff, first_revision)
    requests = connection.execute(_OLD_REQUESTS, (now - REQUEST_SECONDS, PIECE)).fetchall()
    if first > first_revision or requests:
        with transaction(connection):
            if first > first_revision:
                for statement in _FORGET_EVENTS:
                    connection.execute(statement, (first,))
            connection.executemany("DELETE FROM requests WHERE identity = ? AND request_id = ?", requests)
    return first, first - first_revision == PIECE or len(requests) == PIECE


def used_bytes(connection: sqlite3.Connection) -> int:
    """What of the file is in use. What was deleted leaves room in it, which is used again before the file grows."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
