"""The tables, as a list of migrations: what stands at place n brings a file from schema version n to n + 1.

A migration that was released is never changed; a new one is added behind it. `:now` is the wall clock's time.
"""

from __future__ import annotations

from collections.abc import Sequence

APPLICATION_ID = 0x61676E74  # "agnt", in SQLite's header, so that `file` and we know whose it is

_FIRST = (
    """CREATE TABLE meta (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        schema_version INTEGER NOT NULL,
        epoch TEXT NOT NULL,
        secret BLOB NOT NULL,
        created REAL NOT NULL,
        first_revision INTEGER NOT NULL
    )""",
    # Revisions have no gap from first_revision on. `data` is the event in the contract's form.
    """CREATE TABLE events (
        revision INTEGER PRIMARY KEY,
        call_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        time REAL NOT NULL,
        data BLOB NOT NULL
    )""",
    "CREATE INDEX events_by_call ON events (call_id, revision)",
    # `record` is the CallRecord in JSON, without its brief. While the call is not closed, its `last_sequence` and the
    # column `last_revision` may be behind: see writer.py. `closed_time` is in the log's own time: see retention.py. The
    # other columns repeat what is searched for.
    """CREATE TABLE calls (
        call_id TEXT PRIMARY KEY,
        create_time REAL NOT NULL,
        state TEXT NOT NULL,
        direction TEXT NOT NULL,
        closed INTEGER NOT NULL,
        closed_revision INTEGER,
        closed_time REAL,
        last_revision INTEGER NOT NULL,
        record BLOB NOT NULL
    )""",
    "CREATE INDEX calls_by_time ON calls (create_time, call_id)",
    "CREATE INDEX calls_live ON calls (create_time) WHERE NOT closed",
    "CREATE INDEX calls_closed ON calls (last_revision) WHERE closed",
    # Apart from the record: up to 32 KiB that never change are not written again with each event.
    "CREATE TABLE briefs (call_id TEXT PRIMARY KEY, brief BLOB NOT NULL)",
    # `created` is in the log's own time.
    """CREATE TABLE requests (
        identity TEXT NOT NULL,
        request_id TEXT NOT NULL,
        fingerprint BLOB NOT NULL,
        call_id TEXT NOT NULL,
        revision INTEGER NOT NULL,
        created REAL NOT NULL,
        PRIMARY KEY (identity, request_id)
    ) WITHOUT ROWID""",
    "CREATE INDEX requests_by_time ON requests (created)",
)

# The log's own time (retention.py), and what the wall clock said, as of the revision: when both were last compared. The
# newest event's time may be of a clock that was ahead: then the log's is now, unless the clock is known to be behind.
_LOG_TIME = (
    "ALTER TABLE meta ADD COLUMN log_time REAL NOT NULL DEFAULT 0",
    "ALTER TABLE meta ADD COLUMN wall_time REAL NOT NULL DEFAULT 0",
    "ALTER TABLE meta ADD COLUMN time_revision INTEGER NOT NULL DEFAULT 0",
    """UPDATE meta SET
        log_time = coalesce((SELECT time FROM events ORDER BY revision DESC LIMIT 1), created),
        time_revision = coalesce((SELECT max(revision) FROM events), first_revision - 1)""",
    "UPDATE meta SET log_time = min(log_time, :now) WHERE :now >= created",
    "UPDATE meta SET wall_time = log_time",
)

MIGRATIONS: Sequence[Sequence[str]] = (_FIRST, _LOG_TIME)
