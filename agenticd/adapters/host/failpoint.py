"""A trap for tests: kills or stops this process when it has passed a named point so many times."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Config:
    """`point`: one of service/failpoint.py. `number`: SIGKILL or SIGSTOP. `nth`: the first time is 1."""

    point: str
    number: signal.Signals
    nth: int = 1


class Trap:
    """Call it with each point that is passed. It springs once."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._left = config.nth
        self._lock = threading.Lock()  # the log's writer passes points, too

    def __call__(self, point: str) -> None:
        """The point was passed."""
        if point != self._config.point:
            return
        with self._lock:
            self._left -= 1
            springs = self._left == 0
        if springs:
            os.kill(os.getpid(), self._config.number)
