"""Opening the file: its lock, its modes, its schema. Every way in which that can fail is one typed error."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agenticd.adapters.store.errors import (
    Damaged,
    InUse,
    NoRoom,
    NotAccessible,
    NotOurs,
    SchemaTooNew,
    StoreUnusable,
    Unfinished,
)
from agenticd.adapters.store.schema import APPLICATION_ID, MIGRATIONS

BUSY_SECONDS = 10.0  # how long another program (a shell, a backup) may hold the file before that is an error

PARTS = ("", "-wal", "-shm")
"""The files of a database in WAL mode: what is behind its name."""


@dataclass(frozen=True, slots=True)
class NewLog:
    """What a new log is given. `epoch` has no white space and no colon; `created` is now, in seconds since 1970."""

    epoch: str
    secret: bytes
    created: float


@dataclass(frozen=True, slots=True)
class Compared:
    """The log's own time and the wall clock's as they were at one moment, and the newest revision then."""

    log: float
    wall: float
    revision: int


@dataclass(frozen=True, slots=True)
class Database:
    """An open file: a connection to write, one that can only read, and the lock: we are its only daemon."""

    writer: sqlite3.Connection
    reader: sqlite3.Connection
    lock: io.FileIO
    epoch: str
    secret: bytes
    first_revision: int
    head: int
    compared: Compared

    def close(self) -> None:
        """Close everything, the lock last."""
        self.reader.close()
        self.writer.close()
        self.lock.close()


def open_database(path: Path, new: NewLog, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> Database:
    """Open the file, or make it (0600, in a directory with 0700). Blocks. Raises StoreUnusable."""
    path = path.absolute()
    with ExitStack() as undo, as_ours(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = path.resolve()  # two names of one file are one lock
        lock = undo.enter_context(closing(take_lock(path)))
        if not path.exists() and restoring(path).exists():
            raise Unfinished(path, restoring(path))
        remove_files(restoring(path))  # of a restore that was broken off before it touched the log
        # SQLite would make it with the umask's mode; its -wal and -shm files take the mode of this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        writer = undo.enter_context(closing(connect(path, "rw")))
        migrate(path, writer, new, migrations)
        reader = undo.enter_context(closing(connect(path, "ro")))
        reader.execute("PRAGMA query_only = ON")
        query = "SELECT epoch, secret, first_revision, log_time, wall_time, time_revision FROM meta"
        epoch, secret, first, *compared = writer.execute(query).fetchone()
        database = Database(writer, reader, lock, epoch, secret, first, head_of(writer), Compared(*compared))
        oldest = writer.execute("SELECT min(revision) FROM events").fetchone()[0]
        if oldest not in (None, database.first_revision):
            raise Damaged(path, f"its events begin at {oldest}, not at {database.first_revision}")
        undo.pop_all()
        return database


def restoring(path: Path) -> Path:
    """Where a backup is made ready that is to become the log."""
    return path.with_name(f"{path.name}.restoring")


def remove_files(path: Path) -> None:
    """A database and all that SQLite keeps beside it; what is there of it."""
    for part in (*PARTS, "-journal"):
        Path(f"{path}{part}").unlink(missing_ok=True)


def head_of(connection: sqlite3.Connection) -> int:
    """The newest revision; 0 in an empty log."""
    query = "SELECT coalesce((SELECT max(revision) FROM events), (SELECT first_revision - 1 FROM meta))"
    return int(connection.execute(query).fetchone()[0])


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection for one thread at a time, without Python's implicit transactions. `mode`: "rw" or "ro"."""
    return sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,  # the writer has some for each number of rows
    )


def migrate(
    path: Path, connection: sqlite3.Connection, new: NewLog, migrations: Sequence[Sequence[str]] = MIGRATIONS
) -> None:
    """Bring the file to our schema, from none or an older one. Raises SchemaTooNew, NotOurs, NotAccessible."""
    version = schema_of(path, connection)  # before anything is changed: the file may be somebody else's
    if version > len(migrations):
        raise SchemaTooNew(path, version, len(migrations))
    if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise NotAccessible(path, "SQLite's WAL mode does not work on its file system: use a local one")
    connection.execute("PRAGMA synchronous = FULL")  # a commit is on the disk, not on its way there
    connection.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone leaves it in the drive's memory
    connection.execute(f"PRAGMA journal_size_limit = {16 << 20}")
    for number in range(version, len(migrations)):
        with transaction(connection):
            for statement in migrations[number]:
                connection.execute(statement, {"now": new.created})
            if number == 0:
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                query = """
                    INSERT INTO meta (id, schema_version, epoch, secret, created, first_revision)
                    VALUES (1, 1, ?, ?, ?, 1)"""
                connection.execute(query, (new.epoch, new.secret, new.created))
            connection.execute("UPDATE meta SET schema_version = ?", (number + 1,))


def schema_of(path: Path, connection: sqlite3.Connection) -> int:
    """The file's schema version; 0 of a new file. Raises NotOurs."""
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
        return int(connection.execute("SELECT schema_version FROM meta").fetchone()[0])
    if tables:
        raise NotOurs(path, "an SQLite database, but not agenticd's: choose another path")
    return 0


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is written inside, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:  # it failed; some errors, a full disk among them, have already rolled back
            connection.execute("ROLLBACK")


def take_lock(path: Path) -> io.FileIO:
    """The lock file, locked until it is closed or the process ends. Never deleted: that is never safe."""
    file = io.FileIO(os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.truncate()
        file.write(f"{os.getpid()}\n".encode("ascii"))
    except BlockingIOError:
        holder = file.read(32).decode("ascii", "replace").strip() or "?"
        file.close()
        raise InUse(path, f"another agenticd has it open (process {holder})") from None
    except OSError:
        file.close()
        raise
    return file


@contextmanager
def as_ours(path: Path) -> Iterator[None]:
    """What the system and SQLite say, in our words."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise NoRoom(path, f"cannot be opened: {(error.strerror or str(error)).lower()}") from error
        what = f"cannot be opened: {(error.strerror or str(error)).lower()}"
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            what += ": the daemon's user must be able to write the file and its directory"
        where = f" ({error.filename})" if error.filename and str(error.filename) != str(path) else ""
        raise NotAccessible(path, what + where) from error
    except sqlite3.Error as error:
        raise unusable(path, error) from error


def unusable(path: Path, error: sqlite3.Error) -> StoreUnusable:
    """Why SQLite could not open or read the file, in our words."""
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:  # the low byte is the primary code
        case sqlite3.SQLITE_NOTADB:
            return NotOurs(path, "not an SQLite database: choose another path, or move the file away")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return InUse(path, f"another program has kept it locked for {BUSY_SECONDS:.0f} s")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_ERROR:
            return Damaged(path, f"cannot be read whole ({error}): restore a backup")
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
            return NoRoom(path, f"cannot be opened ({error}): is the disk full?")
        case _:
            return NotAccessible(path, f"cannot be used ({error})")
