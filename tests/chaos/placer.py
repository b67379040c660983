"""A client in a process of its own that places calls as a careful one does: one request id until there is an answer.

    python -m tests.chaos.placer ADDRESS TOKEN JOURNAL SEED

Each request has a number of its own. Some are asked again after their answer, some calls are hung up. It ends when its
standard input does, and when all that it began is answered.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from pathlib import Path

import agentic.sync
from tests.chaos.histories import Journal

WORKERS = 3


def number_of(request: int) -> str:
    """The number that stands for the request."""
    return f"+1555{2_000_000 + request:07d}"


def request_of(number: str) -> str:
    """The request that the number stands for."""
    return f"request-{int(number[5:]) - 2_000_000}"


class Placer:
    """What its threads share."""

    def __init__(self, address: str, token: str, journal: Path, seed: str) -> None:
        self._address, self._token = address, token
        self._journal = Journal(journal)
        self._lock = threading.Lock()
        self._next = 1 + max((line["n"] for line in self._journal.lines() if "n" in line), default=0)
        self._seed = seed
        self.stopping = threading.Event()

    def work(self) -> None:
        """Place one call after the other."""
        with agentic.sync.connect(self._address, self._token, timeout=5.0) as client:
            while not self.stopping.is_set():
                with self._lock:
                    request, self._next = self._next, self._next + 1
                    self._journal.write({"n": request})
                self._place(client, request, random.Random(f"{self._seed}:{request}"))

    def _place(self, client: agentic.sync.Client, request: int, chance: random.Random) -> None:
        call_id = self._insist(client, request)
        if chance.random() < 0.3:
            self._insist(client, request)
        if chance.random() < 0.35:
            time.sleep(chance.choice((0.0, 0.0, 0.2, 0.5)))
            while True:
                try:
                    client.hang_up(call_id)
                    break
                except (agentic.AgenticError, TimeoutError):
                    time.sleep(0.05)
        time.sleep(chance.uniform(0.1, 0.6))

    def _insist(self, client: agentic.sync.Client, request: int) -> str:
        """Ask until there is an answer, always with the same request id."""
        number = number_of(request)
        while True:
            try:
                placed = client.place_call(
                    number, request_id=request_of(number), ring_timeout=5.0, max_duration=3.0, queue_timeout=30.0
                )
            except agentic.AgenticError as error:
                with self._lock:
                    self._journal.write({"error": type(error).__name__, "of": request})
                time.sleep(0.05)
                continue
            line = {"id": request_of(number), "call": placed.call.call_id, "r": placed.revision}
            with self._lock:
                self._journal.write(line | {"replayed": placed.replayed})
            return placed.call.call_id


def main(address: str, token: str, journal: str, seed: str) -> None:
    """Place calls until the standard input ends."""
    placer = Placer(address, token, Path(journal), seed)
    threads = [threading.Thread(target=placer.work) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    placer.stopping.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
