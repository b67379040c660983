"""The validators themselves: a wrong history is found, by the property that it breaks; a right one passes."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest

from tests.watch_properties import Marked, Seen, Stream, judge

KINDS = {1: "call_queued", 4: "call_closed"}
MODEL = [
    Seen(revision, call, sequence, KINDS.get(sequence, "digit_received"))
    for revision, (call, sequence) in enumerate(
        [("A", 1), ("B", 1), ("A", 2), ("A", 3), ("B", 2), ("A", 4), ("B", 3), ("B", 4), ("C", 1)], 1
    )
]
A = [event for event in MODEL if event.call_id == "A"]


def right() -> list[Stream]:
    """Everything, in two streams; the second goes on after a bookmark."""
    return [
        Stream(0, frames=[*MODEL[:3], Marked(3), *MODEL[3:5], Marked(5)]),
        Stream(5, frames=[Marked(5), *MODEL[5:], Marked(9)]),
    ]


def one_call() -> list[Stream]:
    return [Stream(0, frozenset("A"), frames=[A[0], Marked(2), *A[1:]], end="ok")]


def some_kinds() -> list[Stream]:
    kinds = frozenset({"call_closed"})
    return [Stream(2, kinds=kinds, frames=[Marked(5), MODEL[5], MODEL[7], Marked(9)])]


@pytest.mark.parametrize("history", [right, one_call, some_kinds, list])
def test_a_right_history_passes(history: Callable[[], list[Stream]]) -> None:
    assert judge(history(), MODEL) == {}


def swap(history: list[Stream]) -> None:
    history[0].frames[0], history[0].frames[1] = history[0].frames[1], history[0].frames[0]


def twice(history: list[Stream]) -> None:
    history[0].frames.insert(1, history[0].frames[0])


def overlap(history: list[Stream]) -> None:
    history[1].frames.insert(0, MODEL[4])


def gap(history: list[Stream]) -> None:
    del history[1].frames[2]


def gap_at_resume(history: list[Stream]) -> None:
    history[1].after = 6
    history[1].frames = [*MODEL[6:]]


def late_begin(history: list[Stream]) -> None:
    history[0].frames = [*MODEL[1:5]]


def bookmark_before_its_event(history: list[Stream]) -> None:
    history[0].frames[3:5] = [Marked(4), MODEL[3]]


def bookmark_falls(history: list[Stream]) -> None:
    history[1].frames.append(Marked(7))


def bookmark_covers_what_never_came(history: list[Stream]) -> None:
    history[0].frames = [*MODEL[:3], Marked(5)]


def bookmark_in_the_future(history: list[Stream]) -> None:
    history[1].frames.append(Marked(10))


def invented(history: list[Stream]) -> None:
    history[1].frames[-1] = Seen(10, "C", 2, "digit_received")


def lost_last_event_of_a_call(history: list[Stream]) -> None:
    history[1].frames = [*MODEL[5:7], Marked(7), MODEL[8]]


@pytest.mark.parametrize(
    ("spoil", "broken"),
    [
        (swap, "ordered"),
        (twice, "unique"),
        (overlap, "unique"),
        (gap, "reliable"),
        (gap, "complete"),
        (gap_at_resume, "resumable"),
        (late_begin, "resumable"),
        (late_begin, "reliable"),
        (bookmark_before_its_event, "bookmarkable"),
        (bookmark_falls, "bookmarkable"),
        (bookmark_covers_what_never_came, "reliable"),
        (bookmark_in_the_future, "bookmarkable"),
        (invented, "reliable"),
        (lost_last_event_of_a_call, "reliable"),
    ],
)
def test_a_wrong_history_is_found(spoil: Callable[[list[Stream]], None], broken: str) -> None:
    history = deepcopy(right())
    spoil(history)
    assert broken in judge(history, MODEL)


@pytest.mark.parametrize("wrong", [MODEL[1], A[0]])
def test_an_event_beside_the_filter_is_found(wrong: Seen) -> None:
    history = [Stream(0, frozenset("A"), frozenset({"digit_received"}), [wrong, A[1]])]
    assert "filtered" in judge(history, MODEL)


def test_a_call_that_goes_on_behind_its_end_is_found() -> None:
    model = [*A, Seen(10, "A", 5, "digit_received")]
    assert "complete" in judge([Stream(0, frames=[*model])], model)


def test_a_stream_that_ends_too_early_or_never_is_found() -> None:
    early = one_call()
    early[0].frames.pop()
    assert "ended" in judge(early, MODEL)
    unclosed = [Stream(0, frozenset("C"), frames=[MODEL[8]], end="ok")]
    assert "ended" in judge(unclosed, MODEL)
    everything = right()
    everything[1].end = "ok"
    assert "ended" in judge(everything, MODEL)
    behind = [*MODEL, Seen(10, "A", 5, "digit_received")]
    assert "ended" in judge([Stream(0, frozenset("A"), frames=[*A, behind[-1]])], behind)
