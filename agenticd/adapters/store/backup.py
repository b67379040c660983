"""A copy of the log while it is written: whole, as of one revision, without the key that signs stream tokens.

It is made beside the log, in a place that only the daemon may read, and has no name by the time it is read: a daemon
that is killed leaves nothing behind, but for what it had not finished, which the next start removes.
"""

from __future__ import annotations

import asyncio
import math
import os
import sqlite3
import tempfile
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

from agenticd.adapters.store.database import connect, head_of
from agenticd.adapters.store.retention import used_bytes
from agenticd.core.errors import StoreDown

_INFIX = ".backup-"
SPARE = 64 << 20
"""Bytes that a copy leaves free, for what is recorded while it is there."""


@dataclass(frozen=True, slots=True)
class Copy:
    """An open copy: ports.LogCopy."""

    epoch: str
    revision: int
    first_revision: int
    size: int
    descriptor: int

    async def read(self, size: int) -> bytes:
        """The next bytes; none at the end. Raises StoreDown."""
        try:
            return await asyncio.to_thread(os.read, self.descriptor, size)
        except OSError as error:
            raise StoreDown(f"the copy cannot be read: {(error.strerror or str(error)).lower()}") from error

    def close(self) -> None:
        """Let go of it, and with that of its room on the disk."""
        os.close(self.descriptor)


def make_copy(path: Path) -> Copy:
    """Copy the log at `path`. Blocks, for as long as the disk needs. Raises OSError, sqlite3.Error, StoreDown."""
    _check_room(path)
    descriptor, text = tempfile.mkstemp(prefix=path.name + _INFIX, dir=path.parent)  # 0600, as the log
    name = Path(text)
    with ExitStack() as undo:
        opened = undo.enter_context(ExitStack())
        opened.callback(os.close, descriptor)
        undo.callback(name.unlink, missing_ok=True)
        with closing(connect(path, "ro")) as source:
            source.execute("VACUUM INTO ?", (text,))
        with closing(connect(name, "rw")) as copy:
            copy.execute("PRAGMA journal_mode = OFF")  # a file by itself; should it be cut off, it is thrown away
            copy.execute("UPDATE meta SET secret = zeroblob(length(secret))")
            epoch, first = copy.execute("SELECT epoch, first_revision FROM meta").fetchone()
            revision = head_of(copy)
        size = os.fstat(descriptor).st_size
        opened.pop_all()
        return Copy(epoch, revision, first, size, descriptor)


def _check_room(path: Path) -> None:
    """A copy that fills the disk would keep the log itself from being written. Raises StoreDown."""
    with closing(connect(path, "ro")) as source:
        needed = used_bytes(source) + SPARE
    free = _free(path.parent)
    if free < needed:
        raise StoreDown(
            "no copy of the event log can be made: it is made beside the log first, for which the disk needs "
            f"{math.ceil(needed / 1e6)} MB of room, and {math.floor(free / 1e6)} MB are free"
        )


def _free(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def remove_unfinished(path: Path) -> None:
    """Copies that a daemon did not finish. Only under the log's lock."""
    for left in path.parent.glob(f"{path.name}{_INFIX}*"):
        with suppress(OSError):
            left.unlink()


def describe(error: OSError | sqlite3.Error) -> str:
    """Why no copy could be made."""
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
