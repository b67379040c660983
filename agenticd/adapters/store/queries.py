"""What is asked of the file: one function per question, each on a connection inside a read transaction.

Each is a bounded piece of work, because the one reader's thread answers all of them in turn.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from agenticd.adapters.store.database import head_of
from agenticd.adapters.store.retention import REQUEST_SECONDS
from agenticd.adapters.store.rows import decode_record, encode_names, logged
from agenticd.core.errors import Compacted
from agenticd.core.events import KINDS, CallRecord, EndReason, TranscriptFinal
from agenticd.core.ids import CallId
from agenticd.core.log import Page, Select
from agenticd.service.ports import LONGEST_QUEUE, CallQuery, EventCodec, KnownRequest

FEW_CALLS = 16  # up to here a call's own index is the shorter way, beyond it the revisions in their order
SPAN = 4_096  # how many revisions one read looks at on that way
TRANSCRIPT_FINAL = KINDS[TranscriptFinal]

_BY_CALL = """
    SELECT revision, call_id, kind, data FROM events INDEXED BY events_by_call
    WHERE call_id IN (SELECT value FROM json_each(:calls)) AND revision > :after AND revision <= :end
        AND (:all_kinds OR kind IN (SELECT value FROM json_each(:kinds)))
    ORDER BY revision LIMIT :limit"""
_BY_REVISION = """
    SELECT revision, call_id, kind, data FROM events
    WHERE revision > :after AND revision <= :end
        AND (:all_calls OR call_id IN (SELECT value FROM json_each(:calls)))
        AND (:all_kinds OR kind IN (SELECT value FROM json_each(:kinds)))
    ORDER BY revision LIMIT :limit"""
_NEWEST = "SELECT revision, length(data) FROM events ORDER BY revision DESC LIMIT ?"
# A call that is not closed has as many events as its last one's call_sequence: which the row need not know (writer.py).
_RECORD = """
    SELECT record, brief,
        CASE WHEN NOT closed THEN (SELECT count(*) FROM events WHERE events.call_id = calls.call_id) END
    FROM calls JOIN briefs USING (call_id)"""


def read(connection: sqlite3.Connection, after: int, select: Select, limit: int) -> Page:
    """The next matching events after the cursor. Raises Compacted."""
    first_revision = connection.execute("SELECT first_revision FROM meta").fetchone()[0]
    if after < first_revision - 1:
        raise Compacted(after, first_revision)
    head = head_of(connection)
    few_calls = 0 < len(select.call_ids) <= FEW_CALLS
    end = head if few_calls else min(head, after + SPAN)
    values = {
        "after": after,
        "end": end,
        "limit": limit,
        "all_calls": not select.call_ids,
        "all_kinds": not select.kinds,
        "calls": encode_names(select.call_ids),
        "kinds": encode_names(select.kinds),
    }
    rows = connection.execute(_BY_CALL if few_calls else _BY_REVISION, values).fetchall()
    events = [logged(row) for row in rows]
    return Page(events, events[-1].revision if len(events) == limit else max(after, end))


def newest(connection: sqlite3.Connection, head: int, limit: int, max_bytes: int) -> Page:
    """The last events, at most so many and so long: to begin with. `upto`: the revision before them."""
    start = head
    for revision, size in connection.execute(_NEWEST, (limit,)):
        max_bytes -= size
        if max_bytes < 0:
            break
        start = revision - 1
    rows = connection.execute(
        "SELECT revision, call_id, kind, data FROM events WHERE revision > ? ORDER BY revision", (start,)
    )
    return Page([logged(row) for row in rows], start)


def call(connection: sqlite3.Connection, call_id: CallId) -> CallRecord | None:
    """The call as its newest event leaves it."""
    row = connection.execute(f"{_RECORD} WHERE call_id = ?", (call_id,)).fetchone()
    return None if row is None else decode_record(*row)


def ends(connection: sqlite3.Connection, call_ids: frozenset[CallId]) -> Mapping[CallId, int | None]:
    """Those of these calls that exist, each with the revision of its call_closed; None while it is not closed."""
    query = "SELECT call_id, closed_revision FROM calls WHERE call_id IN (SELECT value FROM json_each(?))"
    return dict(connection.execute(query, (encode_names(call_ids),)).fetchall())


def horizon(connection: sqlite3.Connection) -> float | None:
    """The time of the oldest event that is kept; None: none was deleted, or all were."""
    query = "SELECT time FROM events JOIN meta ON revision = first_revision WHERE first_revision > 1"
    row = connection.execute(query).fetchone()
    return None if row is None else float(row[0])


def calls(connection: sqlite3.Connection, query: CallQuery) -> Sequence[CallRecord]:
    """A page of calls, newest first."""
    time, call_id = query.after or (0.0, "")
    rows = connection.execute(
        f"""{_RECORD}
        WHERE (:from_start OR (create_time, call_id) < (:time, :call_id))
            AND (:all_states OR state IN (SELECT value FROM json_each(:states)))
            AND (:direction IS NULL OR direction = :direction)
        ORDER BY create_time DESC, call_id DESC LIMIT :limit""",
        {
            "from_start": query.after is None,
            "time": time,
            "call_id": call_id,
            "all_states": not query.states,
            "states": encode_names(state.value for state in query.states),
            "direction": None if query.direction is None else query.direction.value,
            "limit": query.limit,
        },
    )
    return [decode_record(*row) for row in rows]


def live(connection: sqlite3.Connection) -> Sequence[CallRecord]:
    """Every call that is not closed, oldest first."""
    rows = connection.execute(f"{_RECORD} WHERE NOT closed ORDER BY create_time, call_id")
    return [decode_record(*row) for row in rows]


def carrier_call_ids(connection: sqlite3.Connection, since: float) -> frozenset[str]:
    """The carrier's ids of our calls, closed ones too, that were created at `since` or later."""
    # As text: a newer SQLite takes a blob for JSON of its own form.
    rows = connection.execute(
        "SELECT json_extract(CAST(record AS TEXT), '$.call.carrier_call_id') FROM calls WHERE create_time >= ?",
        (since,),
    )
    return frozenset(row[0] for row in rows if row[0])


def unidentified(connection: sqlite3.Connection, to_address: str, from_address: str, since: float) -> frozenset[CallId]:
    """Our calls between these numbers that were dialled since then, and that the carrier neither named nor refused.

    Of a call that waited to be dialled when a backup was made (restore.py) nobody knows when it was dialled, if it was.
    """
    rows = connection.execute(
        """SELECT call_id FROM (
            SELECT call_id, CAST(record AS TEXT) AS call FROM calls WHERE create_time >= ? AND direction = 'OUTBOUND')
        WHERE coalesce(json_extract(call, '$.call.dial_time') >= ?, json_extract(call, '$.call.state') != 'QUEUED')
            AND json_extract(call, '$.call.carrier_call_id') = ''
            AND json_extract(call, '$.call.to_address') = ? AND json_extract(call, '$.call.from_address') = ?
            AND coalesce(json_extract(call, '$.call.end.reason'), ?) = ?""",
        (since - LONGEST_QUEUE, since, to_address, from_address, *(EndReason.DIAL_UNCONFIRMED.value,) * 2),
    )
    return frozenset(CallId(row[0]) for row in rows)


def transcript(connection: sqlite3.Connection, call_id: CallId, codec: EventCodec) -> Sequence[TranscriptFinal]:
    """The call's utterances by their position in the conversation."""
    rows = connection.execute(
        "SELECT data FROM events WHERE call_id = ? AND kind = ? ORDER BY revision",
        (call_id, TRANSCRIPT_FINAL),
    )
    payloads = [codec.decode(data)[0].payload for (data,) in rows]
    return sorted((p for p in payloads if isinstance(p, TranscriptFinal)), key=lambda p: p.position)


def request(connection: sqlite3.Connection, identity: str, request_id: str, now: float) -> KnownRequest | None:
    """What a request id stands for, if it is not too old."""
    row = connection.execute(
        """SELECT fingerprint, call_id, revision FROM requests
        WHERE identity = ? AND request_id = ? AND created >= ?""",
        (identity, request_id, now - REQUEST_SECONDS),
    ).fetchone()
    return None if row is None else KnownRequest(*row)
