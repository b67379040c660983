"""Forgetting: one small piece of what is too old, in one transaction with the first_revision that it moves.

A piece is small because appends wait for it; which events may go is decided in core/log.py.
"""

from __future__ import annotations

import sqlite3

from agenticd.adapters.store.database import transaction
from agenticd.core.log import Aged, first_kept

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


def prune_piece(
    connection: sqlite3.Connection, first_revision: int, now: float, keep: float | None
) -> tuple[int, bool]:
    """Delete up to PIECE events of calls closed more than `keep` seconds ago (None: never) and old requests.

    A call's row goes with its last event. Returns the new first revision, and whether there may be more.
    """
    oldest = [] if keep is None else [Aged(*row) for row in connection.execute(_OLDEST, (PIECE,))]
    first = first_revision if keep is None else first_kept(oldest, now - keep, first_revision)
    requests = connection.execute(_OLD_REQUESTS, (now - REQUEST_SECONDS, PIECE)).fetchall()
    if first > first_revision or requests:
        with transaction(connection):
            if first > first_revision:
                for statement in _FORGET_EVENTS:
                    connection.execute(statement, (first,))
            connection.executemany("DELETE FROM requests WHERE identity = ? AND request_id = ?", requests)
    return first, first - first_revision == PIECE or len(requests) == PIECE
