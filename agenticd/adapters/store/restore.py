"""Putting a backup in the place of the log: checked first, under the log's lock, with a new name for what is a new log.

Calls that were live when the backup was made are left as they were, for recovery to look at. Those that waited to be
dialled may have been dialled since: they are left as unconfirmed, so that they are looked for and never dialled.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from agenticd.adapters.store.backup import remove_unfinished
from agenticd.adapters.store.database import (
    PARTS,
    NewLog,
    as_ours,
    connect,
    head_of,
    migrate,
    remove_files,
    restoring,
    schema_of,
    take_lock,
    transaction,
)
from agenticd.adapters.store.errors import Damaged, NotOurs, Occupied, Unreadable
from agenticd.adapters.store.rows import decode_record, encode_record
from agenticd.core.events import CallState

_NAME_IT = "name the file that `agentctl node backup` made"


@dataclass(frozen=True, slots=True)
class Restored:
    """What stands in the log's place now. `live`: calls that were not closed; `queued` of them waited to be dialled.
    `aside`: where the log is that was there before, if one was."""

    epoch: str
    first_revision: int
    revision: int
    live: int
    queued: int
    aside: Path | None


def look_for(backup: Path) -> None:
    """Raises Unreadable where there is nothing that could be a backup. What is in it, restore() checks."""
    try:
        backup.open("rb").close()
    except FileNotFoundError:
        raise Unreadable(backup, f"there is no such file: {_NAME_IT}") from None
    except IsADirectoryError:
        raise Unreadable(backup, f"is a directory: {_NAME_IT}") from None
    except OSError as error:
        raise Unreadable(backup, f"cannot be read: {(error.strerror or str(error)).lower()}") from error


def restore(backup: Path, path: Path, new: NewLog, *, replace_log: bool) -> Restored:
    """Put the backup in the place of the log. Blocks. Raises StoreUnusable; then everything is as it was.

    `new.created` is now, in seconds since 1970. A log that is there is moved aside, if that is wanted. Whoever is
    killed in here leaves the old log, the new one, or neither in place and what makes open_database() say so.
    """
    look_for(backup)
    path = path.absolute()
    with as_ours(path), ExitStack() as undo:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = path.resolve()
        fresh = restoring(path)
        undo.enter_context(closing(take_lock(path)))
        if path.exists() and not replace_log:
            raise Occupied(path, "a log is there already: it is moved aside and kept with --force")
        undo.callback(_clear, fresh, path, needed=path.exists() or fresh.exists())
        _copy(backup, fresh)
        restored = _renamed(backup, fresh, new)
        _give_to_owner(path.parent, fresh, Path(f"{path}.lock"))
        remove_unfinished(path)
        aside = _put_in_place(fresh, path, new.created)
        _sync(path.parent)
        return replace(restored, aside=aside)


def _clear(fresh: Path, path: Path, *, needed: bool) -> None:
    """Remove what is left of the copy. Where a log was, and none is now, it stays: no empty one begins beside it."""
    if path.exists() or not needed:
        remove_files(fresh)


def _copy(backup: Path, fresh: Path) -> None:
    """The backup's bytes, readable by nobody else. What a copy of a running log left in its WAL counts."""
    for part in (*PARTS[1:], "-journal"):
        Path(f"{fresh}{part}").unlink(missing_ok=True)
    for part in PARTS[:2]:
        source = Path(f"{backup}{part}")
        if not part or source.exists():
            _copy_file(source, Path(f"{fresh}{part}"))


def _copy_file(source: Path, target: Path) -> None:
    """The bytes, on the disk. What was in the target's place is written over: at no moment is there nothing."""
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as copy, source.open("rb") as file:
        shutil.copyfileobj(file, copy, 1 << 20)
        copy.flush()
        os.fsync(descriptor)


@contextmanager
def _as_backup(backup: Path) -> Iterator[None]:
    """What is wrong with it is not for the daemon's log to mend."""
    try:
        with as_ours(backup):
            yield
    except NotOurs:
        raise NotOurs(backup, f"is no backup of an event log: {_NAME_IT}") from None
    except Damaged as damaged:
        if isinstance(damaged.__cause__, sqlite3.Error):
            raise Damaged(backup, f"cannot be read whole ({damaged.__cause__}): take another backup") from None
        raise


def _renamed(backup: Path, fresh: Path, new: NewLog) -> Restored:
    """Check the copy, bring its schema up to date, and make it a log of its own."""
    with _as_backup(backup), closing(connect(fresh, "rw")) as connection:
        if schema_of(backup, connection) == 0:
            raise Damaged(backup, "is empty")
        found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            raise Damaged(backup, f"is not whole ({found}): take another backup")
        migrate(backup, connection, new)
        (first,) = connection.execute("SELECT first_revision FROM meta").fetchone()
        head = head_of(connection)
        count, oldest = connection.execute("SELECT count(*), min(revision) FROM events").fetchone()
        if oldest not in (None, first) or count != head - first + 1:
            raise Damaged(backup, f"of its revisions {first} to {head} some are missing: take another backup")
        with transaction(connection):
            connection.execute("UPDATE meta SET epoch = ?, secret = ?", (new.epoch, new.secret))
            queued = _look_for_queued(connection)
        (live,) = connection.execute("SELECT count(*) FROM calls WHERE NOT closed").fetchone()
        connection.execute("PRAGMA journal_mode = DELETE")  # one file, so that one rename puts it in place
    descriptor = os.open(fresh, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return Restored(new.epoch, first, head, live, queued, None)


def _look_for_queued(connection: sqlite3.Connection) -> int:
    """Make of each call that waits to be dialled one of which nobody knows whether it was. Their number."""
    rows = connection.execute(
        "SELECT record, brief FROM calls JOIN briefs USING (call_id) WHERE NOT closed AND state = ?",
        (CallState.QUEUED.value,),
    ).fetchall()
    for record, brief in rows:
        call = structs.replace(decode_record(record, brief), state=CallState.UNCONFIRMED)
        connection.execute(
            "UPDATE calls SET state = ?, record = ? WHERE call_id = ?",
            (call.state.value, encode_record(call), call.call_id),
        )
    return len(rows)


def _put_in_place(fresh: Path, path: Path, now: float) -> Path | None:
    """The old log goes aside, under a name that is free, and the new one to its place. Or all is as it was."""
    number = int(now)
    while any(Path(f"{path}.replaced-{number}{part}").exists() for part in PARTS):
        number += 1
    aside = Path(f"{path}.replaced-{number}")
    if not path.exists():
        for part in PARTS[1:]:  # of another log than the new one, which would take them for its own
            if Path(f"{path}{part}").exists():
                os.replace(f"{path}{part}", f"{aside}{part}")
        os.replace(fresh, path)
        return None
    with ExitStack() as undo:
        undo.callback(_put_back, fresh, path, aside)
        _move(path, aside)
        os.replace(fresh, path)
    return aside


def _put_back(fresh: Path, path: Path, aside: Path) -> None:
    """The old log, if the new one did not come to its place."""
    if not fresh.exists():
        return
    if path.exists():
        remove_files(aside)  # a copy of the WAL at most
    else:
        _move(aside, path)


def _move(path: Path, target: Path) -> None:
    """Move a log that nobody has open. At each moment it is whole, with its WAL, under one of the two names."""
    wal = Path(f"{path}-wal")
    if wal.exists():
        _copy_file(wal, Path(f"{target}-wal"))
        _give_to_owner(path.parent, Path(f"{target}-wal"))
    os.replace(path, target)
    _sync(path.parent)  # what is removed now may be gone for good before what was moved is there for good
    for part in PARTS[1:]:  # the -shm is made anew from the WAL
        Path(f"{path}{part}").unlink(missing_ok=True)


def _give_to_owner(folder: Path, *paths: Path) -> None:
    """What root has made is of no use to the daemon's user."""
    if os.geteuid() == 0:
        owner = folder.stat()
        for path in paths:
            os.chown(path, owner.st_uid, owner.st_gid)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
