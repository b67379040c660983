"""What a chaos run leaves behind: the log itself, what subscribers received, what clients were told, what was dialled.

Plain values, written as lines of JSON by processes that may be killed in the middle of a line.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from agentic.v1 import event_pb2


@dataclass(frozen=True, slots=True)
class Seen:
    """An event, as the log has it or as a subscriber got it."""

    revision: int
    call_id: str
    sequence: int
    kind: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A bookmark."""

    revision: int


@dataclass(slots=True)
class Stream:
    """One stream, from its opening to its end. `kinds`, `call_ids`: the filter; empty: all.

    `node` is who served it, "" where the subscriber could not see that. `head`: the log's as it opened.
    """

    after: int
    kinds: frozenset[str] = frozenset()
    call_ids: frozenset[str] = frozenset()
    node: str = ""
    head: int = 0
    frames: list[Seen | Mark] = field(default_factory=list)

    @property
    def events(self) -> list[Seen]:
        """Without the bookmarks."""
        return [frame for frame in self.frames if isinstance(frame, Seen)]

    def wants(self, event: Seen) -> bool:
        """Whether the filter lets the event through."""
        return (not self.kinds or event.kind in self.kinds) and (not self.call_ids or event.call_id in self.call_ids)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A PlaceCall that was answered."""

    request_id: str
    call_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class Dialled:
    """A call that the carrier has on its books. Each request has a number of its own, so that it names the request."""

    request_id: str
    carrier_call_id: str


@dataclass(frozen=True, slots=True)
class Life:
    """A daemon that was ready: its name, and the log's head when it took the log over."""

    node: str
    head: int


@dataclass(slots=True)
class Run:
    """Everything about one run."""

    log: list[Seen]
    subscribers: dict[str, list[Stream]] = field(default_factory=dict)
    acknowledged: list[Acknowledged] = field(default_factory=list)
    dialled: list[Dialled] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)


def read_log(path: Path) -> list[Seen]:
    """The log, read from its file and not by the daemon."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT revision, data FROM events ORDER BY revision").fetchall()
    finally:
        connection.close()
    found = []
    for revision, data in rows:
        event = event_pb2.Event.FromString(data)
        assert event.revision == revision
        found.append(seen(event))
    return found


def seen(event: event_pb2.Event) -> Seen:
    """An event as these histories keep it."""
    return Seen(event.revision, event.call_id, event.call_sequence, event.WhichOneof("payload") or "")


class Journal:
    """A file of JSON lines that is written to by one process at a time, and survives its kill up to the last line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def lines(self) -> Iterator[dict[str, Any]]:
        """What is there, but for a line that was cut off."""
        if not self._path.exists():
            return
        text = self._path.read_bytes()
        for line in text[: text.rfind(b"\n") + 1].splitlines():
            yield json.loads(line)

    def write(self, line: dict[str, Any]) -> None:
        """Add a line; when this returns, a kill of this process does not lose it."""
        if self._file is None:
            self._mend()
            self._file = self._path.open("ab", buffering=0)
        self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def _mend(self) -> None:
        if self._path.exists():
            text = self._path.read_bytes()
            os.truncate(self._path, text.rfind(b"\n") + 1)


def read_streams(path: Path) -> list[Stream]:
    """What a subscriber wrote down."""
    streams: list[Stream] = []
    for line in Journal(path).lines():
        match line:
            case {"after": after, **rest}:
                streams.append(
                    Stream(
                        after,
                        frozenset(rest.get("kinds", ())),
                        frozenset(rest.get("call_ids", ())),
                        rest.get("node", ""),
                        rest.get("head", 0),
                    )
                )
            case {"r": revision, "c": call_id, "s": sequence, "k": kind}:
                streams[-1].frames.append(Seen(revision, call_id, sequence, kind))
            case {"b": revision}:
                streams[-1].frames.append(Mark(revision))
    return streams
