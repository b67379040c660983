"""The event log's rules: what an event is there, its newest part in memory, how far the past may be deleted.

Not the log itself: adapters/store makes events durable, then appends them here. A reader's place: cursor.py.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import NamedTuple

import msgspec

from agenticd.core.ids import CallId

MAX_EVENTS = 65_536
MAX_BYTES = 32 << 20
SCAN = 4_096
"""One read looks at no more events than this, so that a rare kind does not hold up the loop: about 0.5 ms."""


class Logged(msgspec.Struct, frozen=True, gc=False):
    """One durable event as the log keeps it: encoded once, in the contract's form.

    Unknown to the garbage collector, which would else look at 64 k of them each time, in front of everybody's audio.
    """

    revision: int
    call_id: CallId
    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Select:
    """Which events a subscriber wants. Empty sets: all."""

    call_ids: frozenset[CallId] = frozenset()
    kinds: frozenset[str] = frozenset()

    def matches(self, event: Logged) -> bool:
        """Whether it wants this one."""
        return (not self.call_ids or event.call_id in self.call_ids) and (not self.kinds or event.kind in self.kinds)


@dataclass(frozen=True, slots=True)
class Page:
    """Events read from the log in order. `upto`: everything that matches up to there is in it.

    A page may be empty although its `upto` lies before the head: then read on from there.
    """

    events: Sequence[Logged]
    upto: int


class HeadWindow:
    """The newest events in memory, up to 64 k of them or 32 MB of their bytes. All of them are durable.

    It holds the revisions start + 1 to head, so it serves any cursor from start to head.
    """

    def __init__(self, head: int = 0, *, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> None:
        self._head = self._start = head
        self._max_bytes = max_bytes
        self._bytes = 0
        # A ring: revision r stands at r modulo its size. No shifting, and any revision is one look away.
        self._ring: list[Logged | None] = [None] * max_events
        self._by_call: dict[CallId, _Positions] = {}

    @property
    def head(self) -> int:
        """The newest durable revision; 0 in an empty log."""
        return self._head

    @property
    def start(self) -> int:
        """Cursors from here on are served from memory."""
        return self._start

    @property
    def size(self) -> int:
        """The bytes of the events in memory."""
        return self._bytes

    def append(self, event: Logged) -> None:
        """Take the next event; the oldest make room for it."""
        if event.revision != self._head + 1:
            raise AssertionError(f"revision {event.revision} after {self._head}")
        if self._head - self._start == len(self._ring):
            self._evict()
        self._head = event.revision
        self._ring[event.revision % len(self._ring)] = event
        self._bytes += len(event.data)
        positions = self._by_call.get(event.call_id)
        if positions is None:
            positions = self._by_call[event.call_id] = _Positions()
        positions.revisions.append(event.revision)
        while self._bytes > self._max_bytes:
            self._evict()

    def forget(self, first_revision: int) -> None:
        """Drop what retention has deleted: all before `first_revision`."""
        while self._start < min(first_revision - 1, self._head):
            self._evict()

    def read(self, after: int, select: Select, limit: int) -> Page:
        """The next matching events after the cursor, at most `limit`. Needs after >= start."""
        if after < self._start:
            raise AssertionError(f"read after {after}, but memory begins after {self._start}")
        end = min(self._head, after + SCAN)
        # For few events and many calls it is cheaper to look at the events.
        if select.call_ids and len(select.call_ids) < self._head - after:
            candidates = self._of_calls(select.call_ids, after)
            end = self._head
        else:
            candidates = iter(range(after + 1, end + 1))
        events: list[Logged] = []
        revision = after
        for revision in islice(candidates, SCAN):
            event = self._at(revision)
            if select.matches(event):
                events.append(event)
                if len(events) == limit:
                    return Page(events, revision)
        exhausted = next(candidates, None) is None
        return Page(events, max(after, end) if exhausted else revision)

    def _of_calls(self, call_ids: frozenset[CallId], after: int) -> Iterator[int]:
        found = [p.after(after) for call_id in call_ids if (p := self._by_call.get(call_id)) is not None]
        return iter(found[0]) if len(found) == 1 else iter(merge(*found))

    def _at(self, revision: int) -> Logged:
        event = self._ring[revision % len(self._ring)]
        if event is None or event.revision != revision:
            raise AssertionError(f"revision {revision} is not in memory")
        return event

    def _evict(self) -> None:
        self._start += 1
        event = self._at(self._start)
        self._ring[self._start % len(self._ring)] = None
        self._bytes -= len(event.data)
        if self._by_call[event.call_id].drop_first():
            del self._by_call[event.call_id]


class _Positions:
    """The revisions of one call in memory, rising. The first `gone` are evicted, and cut off now and then."""

    __slots__ = ("gone", "revisions")

    def __init__(self) -> None:
        self.revisions: list[int] = []
        self.gone = 0

    def after(self, revision: int) -> Iterator[int]:
        """Those after `revision`, from the first, without a copy."""
        begin = bisect_right(self.revisions, revision, self.gone)
        return map(self.revisions.__getitem__, range(begin, len(self.revisions)))

    def drop_first(self) -> bool:
        """Evict the oldest. True: it was the last."""
        self.gone += 1
        if self.gone == len(self.revisions):
            return True
        if self.gone >= 64 and self.gone * 2 >= len(self.revisions):
            del self.revisions[: self.gone]
            self.gone = 0
        return False


class Aged(NamedTuple):
    """What retention must know of an event: when its call closed, in the log's own seconds; None while it goes on."""

    revision: int
    closed: float | None


def first_kept(oldest: Iterable[Aged], cutoff: float, first_revision: int) -> int:
    """The new first revision, given the oldest events in order: all before it may be deleted.

    Only a prefix goes, so that revisions have no gap from the first one on; and only of calls that closed
    before `cutoff`, so that a call does not lose its beginning while people still ask for its end.
    """
    for event in oldest:
        if event.closed is None or event.closed >= cutoff:
            return event.revision
        first_revision = event.revision + 1
    return first_revision
