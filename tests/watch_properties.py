"""What every subscriber may rely on, as functions over recorded histories.

After etcd's robustness tests, which record what watchers saw under faults and compare it with a model. A history
is what one subscriber received, stream after stream; the model is all that was ever made durable, in order. Each
function returns what is wrong, in words; an empty list is a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Seen:
    """An event."""

    revision: int
    call_id: str
    call_sequence: int
    kind: str


@dataclass(frozen=True, slots=True)
class Marked:
    """A bookmark."""

    revision: int


@dataclass(slots=True)
class Stream:
    """One stream: what was asked (`after`: where it had to begin, exclusive), what came, how it ended.

    `end` is "cut" (by the subscriber or a fault), "ok" (by itself), or the name of an error.
    """

    after: int
    call_ids: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    frames: list[Seen | Marked] = field(default_factory=list)
    end: str = "cut"

    @property
    def events(self) -> list[Seen]:
        """Its events alone."""
        return [frame for frame in self.frames if isinstance(frame, Seen)]

    @property
    def cursor(self) -> int:
        """From where its subscriber would go on."""
        return max([self.after, *(frame.revision for frame in self.frames)])

    def wants(self, event: Seen) -> bool:
        """Whether its filter lets the event through."""
        return (not self.call_ids or event.call_id in self.call_ids) and (not self.kinds or event.kind in self.kinds)


History = Sequence[Stream]
Model = Sequence[Seen]


def ordered(history: History, model: Model) -> list[str]:
    """Revisions rise within a stream."""
    return [
        f"{later.revision} after {earlier.revision}"
        for stream in history
        for earlier, later in pairwise(stream.events)
        if later.revision <= earlier.revision
    ]


def unique(history: History, model: Model) -> list[str]:
    """No event comes twice: not on a stream, nor on a later one that did not ask for it again."""
    wrong = []
    for stream in history:
        seen: set[int] = set()
        for event in stream.events:
            if event.revision in seen:
                wrong.append(f"{event.revision} twice on one stream")
            if event.revision <= stream.after:
                wrong.append(f"{event.revision} on a stream after {stream.after}")
            seen.add(event.revision)
    return wrong


def reliable(history: History, model: Model) -> list[str]:
    """Between the cursor and the last that came, a stream has exactly the model's matching events."""
    wrong = []
    for stream in history:
        expected = [e for e in model if stream.after < e.revision <= stream.cursor and stream.wants(e)]
        missing = set(expected) - set(stream.events)
        foreign = set(stream.events) - set(expected)
        wrong += [f"{e.revision} is missing after {stream.after}" for e in sorted(missing, key=_revision)]
        wrong += [f"{e.revision} is not in the model" for e in sorted(foreign, key=_revision)]
    return wrong


def resumable(history: History, model: Model) -> list[str]:
    """A stream begins with the first matching event after its cursor, which is where the one before stopped."""
    wrong = []
    for stream in history:
        first = next((e for e in model if e.revision > stream.after and stream.wants(e)), None)
        if stream.events and stream.events[0] != first:
            wrong.append(f"began with {stream.events[0].revision}, not {first and first.revision}")
    for earlier, later in pairwise(history):
        if later.after != earlier.cursor and earlier.end != "Compacted":
            wrong.append(f"stopped at {earlier.cursor}, went on after {later.after}")
    return wrong


def bookmarkable(history: History, model: Model) -> list[str]:
    """After a bookmark nothing comes that it covers; bookmarks never fall and never run ahead of the log."""
    wrong = []
    head = model[-1].revision if model else 0
    for stream in history:
        mark = stream.after
        for frame in stream.frames:
            if isinstance(frame, Marked):
                if frame.revision < mark:
                    wrong.append(f"bookmark {frame.revision} after {mark}")
                if frame.revision > head:
                    wrong.append(f"bookmark {frame.revision}, but the log ends at {head}")
                mark = max(mark, frame.revision)
            elif frame.revision <= mark:
                wrong.append(f"event {frame.revision} after bookmark {mark}")
    return wrong


def filtered(history: History, model: Model) -> list[str]:
    """Nothing comes that was not asked for."""
    return [
        f"{event.revision} ({event.call_id}, {event.kind}) was not asked for"
        for stream in history
        for event in stream.events
        if not stream.wants(event)
    ]


def complete(history: History, model: Model) -> list[str]:
    """Per call: call_sequence is 1, 2, 3 … and call_closed comes last, once.

    Judged from the first event of a call that came, and only where the filter shows all kinds and nothing was
    lost to compaction.
    """
    if any(stream.kinds or stream.end == "Compacted" for stream in history):
        return []
    calls: dict[str, list[Seen]] = {}
    for stream in history:
        for event in stream.events:
            calls.setdefault(event.call_id, []).append(event)
    wrong = []
    for call_id, events in calls.items():
        sequences = [event.call_sequence for event in events]
        if sequences != [*range(sequences[0], sequences[0] + len(sequences))]:
            wrong.append(f"{call_id}: sequences {sequences}")
        if any(event.kind == "call_closed" for event in events[:-1]):
            wrong.append(f"{call_id}: something came after call_closed")
    if history and history[0].after == 0:
        wrong += [f"{c}: began with {e[0].call_sequence}" for c, e in calls.items() if e[0].call_sequence != 1]
    return wrong


def ended(history: History, model: Model) -> list[str]:
    """A stream about calls ends by itself with the call_closed of the last of them, and no other does."""
    closed_at = {event.call_id: event.revision for event in model if event.kind == "call_closed"}
    wrong = []
    for stream in history:
        last = max((closed_at.get(call_id, 1 << 62) for call_id in stream.call_ids), default=1 << 62)
        if stream.end == "ok":
            expected = [e for e in model if stream.after < e.revision <= last and stream.wants(e)]
            if last == 1 << 62:
                wrong.append(f"ended by itself after {stream.cursor}, but not all its calls are closed")
            elif stream.events != expected:
                wrong.append(f"ended by itself with {len(stream.events)} of {len(expected)} events")
        elif any(event.revision > last for event in stream.events):
            wrong.append(f"went on behind {last}, where the last of its calls closed")
    return wrong


Validator = Callable[[History, Model], list[str]]
VALIDATORS: Mapping[str, Validator] = {
    check.__name__: check for check in (ordered, unique, reliable, resumable, bookmarkable, filtered, complete, ended)
}


def judge(history: History, model: Model) -> dict[str, list[str]]:
    """All that is wrong, by property."""
    found = {name: check(history, model) for name, check in VALIDATORS.items()}
    return {name: wrong for name, wrong in found.items() if wrong}


def _revision(event: Seen) -> int:
    return event.revision
