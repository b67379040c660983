"""What must be true of a run, whatever was killed in it: nine functions from its histories to what is wrong.

After the validators of etcd's robustness tests. Each looks at one property and is silent about the others, so that a
fault is named by what it breaks; together with test_validators.py, where each is shown the history that it is to catch.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from tests.chaos.histories import Mark, Run, Seen, Stream

Validator = Callable[[Run], Iterator[str]]
SHOWN = 5
"""Violations of one property that are shown."""


def ordered(run: Run) -> Iterator[str]:
    """On one stream revisions never fall."""
    for name, stream in _streams(run):
        for before, after in pairwise(stream.events):
            if after.revision < before.revision:
                yield f"{name}: {after.revision} came after {before.revision}"


def unique(run: Run) -> Iterator[str]:
    """On one stream no event comes twice; over a resume only what lies after the cursor that it asked for."""
    for name, stream in _streams(run):
        for revision, count in Counter(event.revision for event in stream.events).items():
            if count > 1:
                yield f"{name}: {revision} came {count} times"
    for name, streams in run.subscribers.items():
        for before, after in pairwise(streams):
            had = {event.revision for event in before.events if event.revision <= after.after}
            for event in after.events:
                if event.revision in had:
                    yield f"{name}: {event.revision} came again although the cursor was {after.after}"


def reliable(run: Run) -> Iterator[str]:
    """Between the first and the last event of a stream there is every matching event of the log, and no other."""
    for name, stream in _streams(run):
        got = {event.revision: event for event in stream.events if stream.wants(event)}
        if not got:
            continue
        first, last = min(got), max(got)
        due = {event.revision: event for event in run.log if first <= event.revision <= last and stream.wants(event)}
        for revision in sorted(due.keys() | got.keys()):
            if revision not in got:
                yield f"{name}: {due[revision]} is in the log and did not come"
            elif due.get(revision) != got[revision]:
                yield f"{name}: {got[revision]} came; the log has {due.get(revision)}"


def resumable(run: Run) -> Iterator[str]:
    """The first event of a stream is the first matching one of the log after the cursor."""
    for name, stream in _streams(run):
        wanted = [event.revision for event in stream.events if stream.wants(event)]
        if not wanted:
            continue
        first = min(wanted)
        due = next((e.revision for e in run.log if e.revision > stream.after and stream.wants(e)), None)
        if due is not None and first > due:
            yield f"{name}: asked for what comes after {stream.after} it began with {first}, not with {due}"


def bookmarkable(run: Run) -> Iterator[str]:
    """Bookmarks never fall, nothing older comes after one, and all that matches up to it has come."""
    for name, stream in _streams(run):
        mark, had = stream.after, set[int]()
        for frame in stream.frames:
            match frame:
                case Mark(revision):
                    if revision < mark:
                        yield f"{name}: a bookmark of {revision} after one of {mark}"
                    for event in run.log:
                        if mark < event.revision <= revision and stream.wants(event) and event.revision not in had:
                            yield f"{name}: a bookmark of {revision} before the event {event.revision}"
                    mark = max(mark, revision)
                case Seen(revision):
                    had.add(revision)
                    if stream.after < revision <= mark:
                        yield f"{name}: {revision} came after a bookmark of {mark}"


def filtered(run: Run) -> Iterator[str]:
    """What was not asked for does not come."""
    for name, stream in _streams(run):
        for event in stream.events:
            if not stream.wants(event):
                yield f"{name}: {event.kind} of {event.call_id} was not asked for"


def complete(run: Run) -> Iterator[str]:
    """Each call has 1, 2, 3 … in the log's order, ends with its only call_closed, and was dialled and ended once."""
    calls: defaultdict[str, list[Seen]] = defaultdict(list)
    for event in run.log:
        calls[event.call_id].append(event)
    for call_id, events in calls.items():
        if [event.sequence for event in events] != list(range(1, len(events) + 1)):
            yield f"{call_id}: its sequence is {[event.sequence for event in events]}"
        kinds = Counter(event.kind for event in events)
        if events[-1].kind != "call_closed" or kinds["call_closed"] != 1 or kinds["call_ended"] != 1:
            yield f"{call_id}: it is not ended and closed once, at the end: {[event.kind for event in events]}"
        if kinds["call_dialing"] > 1:
            yield f"{call_id}: {kinds['call_dialing']} times call_dialing"


def durable(run: Run) -> Iterator[str]:
    """What was acknowledged is in the log as it was said; a request is one call, and is dialled at most once."""
    queued = {event.call_id: event.revision for event in run.log if event.kind == "call_queued"}
    calls: dict[str, str] = {}
    for said in run.acknowledged:
        if queued.get(said.call_id) != said.revision:
            yield f"{said.call_id} was acknowledged at {said.revision}; the log has {queued.get(said.call_id)}"
        if calls.setdefault(said.request_id, said.call_id) != said.call_id:
            yield f"{said.request_id} was answered with two calls"
    for request_id, count in Counter(dialled.request_id for dialled in run.dialled).items():
        if count > 1:
            yield f"{request_id} was dialled {count} times"


def fenced(run: Run) -> Iterator[str]:
    """A daemon shows nothing newer than the head at which its successor took the log over: it has not written since."""
    heads = {life.node: after.head for life, after in pairwise(run.lives)}
    for name, stream in _streams(run):
        limit = heads.get(stream.node)
        late = [event.revision for event in stream.events if limit is not None and event.revision > limit]
        if late:
            yield f"{name}: {stream.node} served {late[0]}, and its successor took over at {limit}"


VALIDATORS: Mapping[str, Validator] = {
    "Ordered": ordered,
    "Unique": unique,
    "Reliable": reliable,
    "Resumable": resumable,
    "Bookmarkable": bookmarkable,
    "Filter": filtered,
    "Complete": complete,
    "Durable": durable,
    "Fenced": fenced,
}


def judge(run: Run) -> list[str]:
    """All that is wrong with a run."""
    found = []
    for name, validator in VALIDATORS.items():
        for number, fault in enumerate(validator(run)):
            if number == SHOWN:
                found.append(f"{name}: and more")
                break
            found.append(f"{name}: {fault}")
    return found


def union_is_the_log(run: Run) -> Iterator[str]:
    """What a subscriber of everything received over all its streams is the log; nothing came twice past its cursor."""
    for name, streams in run.subscribers.items():
        if not streams:
            yield f"{name}: it never had a stream"
            continue
        got: dict[int, Seen] = {}
        for stream in streams:
            got.update((event.revision, event) for event in stream.events)
        due = {e.revision: e for e in run.log if e.revision > streams[0].after and streams[0].wants(e)}
        missing, foreign = sorted(due.keys() - got.keys()), sorted(got.keys() - due.keys())
        if missing or foreign:
            yield f"{name}: missing {missing[:10]}, not in the log {foreign[:10]}"
        cursor = streams[0].after
        for stream in streams:
            if stream.after < cursor:
                continue  # it asked again for what it was still doing when it was killed
            again = [event.revision for event in stream.events if event.revision <= cursor]
            if again:
                yield f"{name}: {again[:10]} came although the cursor was {cursor}"
            cursor = max([cursor, *(event.revision for event in stream.events)])


def _streams(run: Run) -> Iterator[tuple[str, Stream]]:
    for name, streams in run.subscribers.items():
        for number, stream in enumerate(streams):
            yield f"{name}, stream {number}", stream
