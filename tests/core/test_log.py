"""The head of the log in memory: what it holds, what a reader gets, how far the past may be forgotten."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenticd.core.ids import CallId
from agenticd.core.log import SCAN, Aged, HeadWindow, Logged, Page, Select, first_kept

CALLS = [CallId(name) for name in "ABCDEFGH"]
KINDS = ["call_queued", "digit_received", "call_closed"]


def fill(window: HeadWindow, count: int, seed: int = 0, size: int = 4) -> list[Logged]:
    chance = random.Random(seed)
    first = window.head + 1
    events = [
        Logged(revision, chance.choice(CALLS), chance.choice(KINDS), b"x" * size)
        for revision in range(first, first + count)
    ]
    for event in events:
        window.append(event)
    return events


def read_all(window: HeadWindow, after: int, select: Select, limit: int) -> list[Logged]:
    """As a follower reads: page after page, up to the head."""
    events: list[Logged] = []
    while after < window.head:
        page = window.read(after, select, limit)
        assert page.upto > after, "a reader would never come to the head"
        assert len(page.events) <= limit
        assert all(after < event.revision <= page.upto for event in page.events)
        events += page.events
        after = page.upto
    return events


def test_a_new_window_is_empty_and_begins_at_its_head() -> None:
    window = HeadWindow(17)
    assert (window.head, window.start) == (17, 17)
    assert window.read(17, Select(), 10) == Page([], 17)


def test_revisions_come_without_a_gap_or_not_at_all() -> None:
    window = HeadWindow(3)
    for wrong in (3, 5):
        with pytest.raises(AssertionError):
            window.append(Logged(wrong, CALLS[0], "k", b""))
    window.append(Logged(4, CALLS[0], "k", b""))
    assert window.head == 4


@given(
    count=st.integers(0, 60),
    max_events=st.integers(1, 40),
    calls=st.frozensets(st.sampled_from(CALLS)),
    kinds=st.frozensets(st.sampled_from(KINDS)),
    limit=st.integers(1, 9),
    behind=st.integers(0, 40),
    seed=st.integers(0, 9),
)
def test_any_reader_gets_exactly_what_matches_in_order(
    count: int,
    max_events: int,
    calls: frozenset[CallId],
    kinds: frozenset[str],
    limit: int,
    behind: int,
    seed: int,
) -> None:
    window = HeadWindow(5, max_events=max_events)
    events = fill(window, count, seed)
    after = max(window.start, window.head - behind)
    select = Select(calls, kinds)
    expected = [event for event in events if event.revision > after and select.matches(event)]
    assert read_all(window, after, select, limit) == expected


def test_the_oldest_events_make_room_by_number() -> None:
    window = HeadWindow(max_events=10)
    events = fill(window, 25)
    assert (window.start, window.head, window.size) == (15, 25, 40)
    assert read_all(window, 15, Select(), 100) == events[15:]


def test_the_oldest_events_make_room_by_bytes() -> None:
    window = HeadWindow(max_bytes=100)
    events = fill(window, 25, size=30)
    assert (window.start, window.size) == (22, 90)
    assert read_all(window, 22, Select(), 100) == events[22:]


def test_an_event_longer_than_the_window_is_left_to_the_disk() -> None:
    window = HeadWindow(max_bytes=100)
    fill(window, 3)
    window.append(Logged(4, CALLS[0], "k", bytes(101)))
    assert (window.start, window.head, window.size) == (4, 4, 0)
    fill(window, 1)
    assert len(read_all(window, 4, Select(), 9)) == 1


def test_a_cursor_before_the_window_is_a_defect_of_the_caller() -> None:
    window = HeadWindow(max_events=10)
    fill(window, 25)
    with pytest.raises(AssertionError):
        window.read(14, Select(), 1)


def test_a_call_that_left_the_window_leaves_nothing_behind() -> None:
    window = HeadWindow(max_events=8)
    for number in range(1000):
        window.append(Logged(number + 1, CallId(str(number)), "k", b"x"))
    assert len(window._by_call) == 8


def test_a_long_call_does_not_grow_the_index() -> None:
    window = HeadWindow(max_events=100)
    for number in range(10_000):
        window.append(Logged(number + 1, CALLS[0], "k", b"x"))
    assert len(window._by_call[CALLS[0]].revisions) <= 300
    assert [event.revision for event in read_all(window, 9950, Select(frozenset(CALLS[:1])), 7)] == [
        *range(9951, 10_001)
    ]


def test_one_read_looks_at_a_bounded_number_of_events() -> None:
    window = HeadWindow()
    for revision in range(1, 3 * SCAN):
        window.append(Logged(revision, CALLS[revision % 2], "k", b""))
    window.append(Logged(3 * SCAN, CALLS[0], "rare", b""))
    assert window.read(0, Select(kinds=frozenset({"rare"})), 9) == Page([], SCAN)
    one_call = Select(frozenset(CALLS[:1]), frozenset({"rare"}))
    page = window.read(0, one_call, 9)
    assert page.events == []
    assert page.upto >= SCAN
    assert [event.revision for event in read_all(window, 0, one_call, 9)] == [3 * SCAN]


def test_a_reader_of_one_call_is_at_the_head_after_one_read() -> None:
    """The index, not a scan: the events of others are not looked at, however many they are."""
    window = HeadWindow()
    window.append(Logged(1, CALLS[1], "k", b"mine"))
    for revision in range(2, 4 * SCAN):
        window.append(Logged(revision, CALLS[0], "k", b""))
    page = window.read(0, Select(frozenset(CALLS[1:2])), 9)
    assert ([event.data for event in page.events], page.upto) == ([b"mine"], window.head)


def test_what_retention_deleted_is_forgotten_and_no_more() -> None:
    window = HeadWindow()
    events = fill(window, 20)
    window.forget(8)
    assert (window.start, window.head) == (7, 20)
    assert read_all(window, 7, Select(), 9) == events[7:]
    window.forget(3)
    assert window.start == 7
    window.forget(1000)
    assert (window.start, window.head, window.size) == (20, 20, 0)
    assert window._by_call == {}
    fill(window, 1)
    assert len(read_all(window, 20, Select(), 9)) == 1


@pytest.mark.parametrize(
    ("oldest", "kept"),
    [
        ([], 5),
        ([Aged(5, 2.0), Aged(6, 2.0), Aged(7, 2.0)], 8),
        ([Aged(5, None), Aged(6, 2.0)], 5),  # its call goes on
        ([Aged(5, 2.0), Aged(6, 10.0), Aged(7, 2.0)], 6),  # its call closed too late
    ],
)
def test_only_a_prefix_of_old_closed_calls_is_deleted(oldest: list[Aged], kept: int) -> None:
    assert first_kept(oldest, cutoff=10.0, first_revision=5) == kept
