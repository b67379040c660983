"""Restores that are killed, each one step later than the one before, until one is through.

python -m tests.adapters.store.restorer BACKUP LOG FOLDER

LOG's directory, as a killed daemon left it, is copied to FOLDER/0, FOLDER/1 … and each copy is restored into.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agenticd.adapters.store.database import NewLog
from agenticd.adapters.store.restore import restore

STEPS = ("replace", "unlink", "fsync", "chown", "open")
"""Functions of os: between two of them nothing happens that another process could see, but for what SQLite does."""
NEW = NewLog("another", b"n" * 32, 1_700_000_000.0)


class Stepping:
    """Calls `stop` before the step with this number, or behind it."""

    def __init__(self, number: int, stop: Callable[[], object], *, behind: bool = False, always: bool = False) -> None:
        self._left = number
        self._stop = stop
        self._behind = behind
        self._always = always
        self._really = {name: getattr(os, name) for name in STEPS}
        self.stopped = False

    def __enter__(self) -> Stepping:
        for name, really in self._really.items():
            setattr(os, name, self._step(really))
        return self

    def __exit__(self, *error: object) -> None:
        for name, really in self._really.items():
            setattr(os, name, really)

    def _step(self, really: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **options: Any) -> Any:
            self._left -= 1
            due = self._left < 0 if self._always else self._left == -1
            if due and not self._behind:
                self._give_up()
            done = really(*args, **options)
            if due and self._behind:
                self._give_up()
            return done

        return step

    def _give_up(self) -> None:
        self.stopped = True
        self._stop()


def main(backup: Path, log: Path, folder: Path) -> None:
    for number in itertools.count():
        shutil.copytree(log.parent, folder / str(number))
        child = os.fork()
        if not child:
            with Stepping(number, lambda: os.kill(os.getpid(), signal.SIGKILL)):
                restore(backup, folder / str(number) / log.name, NEW, replace_log=True)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            break


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
