"""A subscriber in a process of its own: writes down every frame, and when started again goes on behind its last.

    python -m tests.chaos.subscriber ADDRESS TOKEN JOURNAL raw|client [KIND …]

`raw` speaks the contract and sees who serves it; `client` is the Python client, whose resuming is thereby tried, too.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import grpc

import agentic.sync
from agentic import Cursor
from agentic.errors import DeadlineExceeded, Unavailable
from agentic.v1 import call_service_pb2 as pb
from agentic.v1.call_service_pb2_grpc import CallServiceStub
from agentic.v1.event_pb2 import Event
from tests.chaos.histories import Journal

OPTIONS = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 300),
           ("grpc.min_reconnect_backoff_ms", 100))  # fmt: skip


class Place:
    """Where it is, taken from what it wrote down."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.revision, self.epoch = 0, ""
        for line in journal.lines():
            self._move(line)

    def write(self, line: dict[str, Any]) -> None:
        """Write it down, then be behind it."""
        self.journal.write(line)
        self._move(line)

    def _move(self, line: dict[str, Any]) -> None:
        self.epoch = line.get("epoch", self.epoch)
        self.revision = max(self.revision, line.get("r", 0), line.get("b", 0))


def event_line(event: Event) -> dict[str, Any]:
    """An event as it is written down."""
    return {
        "r": event.revision, "c": event.call_id, "s": event.call_sequence, "k": event.WhichOneof("payload") or "",
    }  # fmt: skip


def raw(address: str, token: str, place: Place, kinds: list[str]) -> None:
    """By the contract alone, for ever."""
    metadata = (("authorization", f"Bearer {token}"),)
    while True:
        with grpc.insecure_channel(address, options=OPTIONS) as channel:
            after = place.revision
            request = pb.StreamEventsRequest(after_revision=after, epoch=place.epoch, types=kinds)
            try:
                for frame in CallServiceStub(channel).StreamEvents(request, metadata=metadata, wait_for_ready=True):
                    match frame.WhichOneof("frame"):
                        case "opened":
                            opened = frame.opened
                            place.write(
                                {"after": after, "kinds": kinds, "node": opened.node_id, "head": opened.revision,
                                 "epoch": opened.epoch}
                            )  # fmt: skip
                        case "batch":
                            for event in frame.batch.events:
                                place.write(event_line(event))
                        case "bookmark":
                            place.write({"b": frame.bookmark.revision})
            except grpc.RpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                    print(f"{error.code().name}: {error.details()}", file=sys.stderr, flush=True)
        time.sleep(0.05)


def by_client(address: str, token: str, place: Place, kinds: list[str]) -> None:
    """By the Python client, which resumes by itself."""

    def opened(cursor: Cursor) -> None:
        place.write({"after": cursor.revision, "kinds": kinds, "epoch": cursor.epoch})

    while True:
        after = Cursor(place.epoch, place.revision) if place.epoch else 0
        with agentic.sync.connect(address, token) as client:
            try:
                epoch = client.status().epoch
                place.write({"after": place.revision, "kinds": kinds, "epoch": epoch})
                for event in client.events(
                    after=after, types=kinds, on_resume=opened,
                    on_bookmark=lambda cursor: place.write({"b": cursor.revision}),
                ):  # fmt: skip
                    place.write(event_line(event))
            except agentic.AgenticError as error:
                # A daemon that is stopped (SIGSTOP) answers nothing, and no fault is meant.
                if not isinstance(error, Unavailable | DeadlineExceeded):
                    print(error, file=sys.stderr, flush=True)
        time.sleep(0.05)


def main(address: str, token: str, journal: str, how: str, *kinds: str) -> None:
    """Follow until killed."""
    {"raw": raw, "client": by_client}[how](address, token, Place(Journal(Path(journal))), list(kinds))


if __name__ == "__main__":
    main(*sys.argv[1:])
