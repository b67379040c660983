"""Forgetting: one small piece of what is too old, in one transaction with the first_revision that it moves.

A piece is small because appends wait for it; which events may go is decided in core/log.py.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from agenticd.adapters.store.database import Compared, transaction
from agenticd.core.log import Aged, first_kept
from agenticd.service.ports import Clock

PIECE = 256
REQUEST_SECONDS = 24 * 3600.0
"""A request id is known for this long. Events are kept no shorter, so that its call is known, too."""

_OLDEST = """
    SELECT e.revision, CASE WHEN c.call_id IS NULL THEN e.time WHEN c.closed THEN coalesce(c.closed_time, e.time) END
    FROM events e LEFT JOIN calls c USING (call_id)
    ORDER BY e.revision LIMIT ?"""
_FORGET_EVENTS = (
    "DELETE FROM events WHERE revision < ?",
    "DELETE FROM briefs WHERE call_id IN (SELECT call_id FROM calls WHERE closed AND last_revision < ?)",
    "DELETE FROM calls WHERE closed AND last_revision < ?",
    "UPDATE meta SET first_revision = ?",
)
_OLD_REQUESTS = "SELECT identity, request_id FROM requests WHERE created < ? ORDER BY created LIMIT ?"
_COMPARED = "UPDATE meta SET log_time = ?, wall_time = ?, time_revision = ?"
_BRING_FORWARD = (
    "UPDATE requests SET created = created + :away WHERE created >= :log",
    "UPDATE calls SET closed_time = closed_time + :away WHERE closed AND last_revision > :revision",
)
LOOK_EVERY = 300.0
"""Seconds after which the clocks are compared, and what is too old is forgotten."""
_SET = 1.0  # seconds by which a clock that is only slewed does not move in LOOK_EVERY


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept: `seconds` after a call closed, and `size` in bytes; None: no limit."""

    seconds: float | None = None
    size: int | None = None


class Reckoning:
    """The log's own time, by which a request id and a closed call grow old: the running daemon's, which nobody can set.

    A wall clock is set: by hand, by NTP, by a machine that starts without knowing the time. None of that may make
    things old before their time, so the log's time goes with the monotonic clock. The wall clock is asked only for how
    long the daemon was away: once, when it has gone on for LOOK_EVERY without being set.
    """

    def __init__(self, clock: Clock, compared: Compared) -> None:
        self._clock = clock
        self._compared = compared
        self._offset = compared.log - clock.monotonic()
        self._believed = False
        self._since, self._wall_offset = self._read()

    def now(self) -> float:
        """Seconds since 1970, or near that."""
        return self._clock.monotonic() + self._offset

    def look(self, connection: sqlite3.Connection, revision: int) -> None:
        """Compare the clocks, and keep that in the file. To be called every LOOK_EVERY. Raises sqlite3.Error.

        What happened since the daemon started does not grow older by the time for which it was away before.
        """
        if not self._believed and not self._is_steady():
            return
        wall, log, last = self._clock.wall(), self.now(), self._compared
        away = 0.0 if self._believed else max(0.0, (wall - last.wall) - (log - last.log))
        with transaction(connection):
            if away:
                for statement in _BRING_FORWARD:
                    connection.execute(statement, {"away": away, "log": last.log, "revision": last.revision})
            connection.execute(_COMPARED, (log + away, wall, revision))
        self._believed = True
        self._offset += away
        self._compared = Compared(log + away, wall, revision)

    def _is_steady(self) -> bool:
        """Whether the wall clock was not set for LOOK_EVERY. If it was, that time begins anew."""
        now, wall_offset = self._read()
        if now - self._since < LOOK_EVERY:
            return False
        steady = abs(wall_offset - self._wall_offset) < _SET
        self._since, self._wall_offset = now, wall_offset
        return steady

    def _read(self) -> tuple[float, float]:
        now = self._clock.monotonic()
        return now, self._clock.wall() - now


def prune_piece(connection: sqlite3.Connection, first_revision: int, now: float, limits: Limits) -> tuple[int, bool]:
    """Delete up to PIECE events of calls that closed too long ago, or more than a day ago while the file is too large;
    and old requests.

    `now` is the log's time. A call's row goes with its last event. Returns the new first revision, and whether there
    may be more.
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
