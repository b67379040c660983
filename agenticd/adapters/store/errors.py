"""Why a store cannot be opened: for the operator, at start-up. When it fails later: core.errors.StoreDown."""

from __future__ import annotations

from pathlib import Path


class StoreUnusable(Exception):
    """The store cannot be opened. The text says what to do; it begins with the path."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class NotOurs(StoreUnusable):
    """The file is no SQLite database, or one that another program made."""


class SchemaTooNew(StoreUnusable):
    """A newer agenticd wrote the file. Going back needs a backup from before the upgrade."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(
            path,
            f"its schema version is {found}, this agenticd knows up to {known}: "
            "start the newer version, or restore a backup from before the upgrade",
        )
        self.found = found
        self.known = known


class NotAccessible(StoreUnusable):
    """The file or its directory cannot be made, read or written."""


class NoRoom(StoreUnusable):
    """The disk is full, or does not answer: it may be better later."""


class InUse(StoreUnusable):
    """Another daemon has the file open, or another program keeps it locked."""


class Occupied(StoreUnusable):
    """A backup is to be restored where a log is."""


class Unfinished(StoreUnusable):
    """There is no log, because the restoring of a backup was broken off."""

    def __init__(self, path: Path, left: Path) -> None:
        super().__init__(
            path,
            f"a restore was broken off ({left.name} is there, and no log): run `agenticd restore` again. What was the "
            f"log before, if there was one, is {path.name}.replaced-*. To begin with an empty log, delete {left.name}",
        )


class Unreadable(StoreUnusable):
    """A backup that cannot be read."""


class Damaged(StoreUnusable):
    """The file is a database of ours that cannot be read whole."""
