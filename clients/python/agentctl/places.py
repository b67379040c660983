"""Places in the log: kept in a file, or found by a time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from agentctl.exits import Exit, Failure
from agentic.cursor import Cursor
from agentic.errors import CursorCompacted

if TYPE_CHECKING:
    from agentic import Client
    from agentic.v1.event_pb2 import Event


class CursorFile:
    """A file that holds a place in the log, written whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Cursor | None:
        """The place; None if there is no file yet, or an empty one."""
        try:
            text = self.path.read_text(encoding="utf-8")
            return Cursor.parse(text) if text.strip() else None
        except FileNotFoundError as error:
            if not self.path.parent.is_dir():
                raise Failure(Exit.FAILED, [f"{self.path}: there is no directory {self.path.parent}"]) from error
            return None
        except OSError as error:
            raise Failure(Exit.FAILED, [f"{self.path}: {error.strerror}"]) from error
        except ValueError as error:
            hint = f"is it the right file? remove it to begin anew: rm {self.path}"
            raise Failure(Exit.FAILED, [f"{self.path}: {error}"], hint) from error

    def store(self, cursor: Cursor) -> None:
        """Keep the place, over a crash of the machine too."""
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            with fresh.open("w", encoding="utf-8") as file:
                file.write(f"{cursor}\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise Failure(Exit.FAILED, [f"{self.path}: {error.strerror}"]) from error


async def at(client: Client, moment: float) -> Cursor:
    """The place behind which the events since that moment lie; seconds since 1970. In about 20 looks at the log.

    Times rise with revisions, but for corrections of the daemon's clock.
    """
    status = await client.status()
    low, high = max(0, status.first_revision - 1), status.head_revision
    # What lies up to `low` is too old; the first event behind `high` is not, or there is none.
    while low < high:
        middle = (low + high) // 2
        try:
            event = await _first_behind(client, middle)
        except CursorCompacted as error:  # deleted meanwhile
            low = max(low + 1, error.first_revision - 1)
            continue
        if event.time.ToMicroseconds() / 1e6 < moment:
            low = event.revision
        else:
            high = middle
    return Cursor(status.epoch, min(low, status.head_revision))


async def _first_behind(client: Client, revision: int) -> Event:
    async with client.events(after=revision) as stream:
        return await anext(stream)
