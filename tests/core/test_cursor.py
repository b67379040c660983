"""A reader's position: its text, and what a log says to it."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenticd.core.cursor import MAX_REVISION, Cursor, check, parse
from agenticd.core.errors import Compacted, InvalidArgument, LogReplaced


def judge(after: int | None, epoch: str = "") -> int:
    return check(after, epoch, log_epoch="now", first_revision=100, head=200)


@given(epoch=st.from_regex(r"[0-9a-f]{1,32}", fullmatch=True), revision=st.integers(0, MAX_REVISION))
def test_a_cursor_is_the_same_after_writing_and_reading(epoch: str, revision: int) -> None:
    cursor = Cursor(epoch, revision)
    assert parse(str(cursor)) == cursor
    assert parse(f" {cursor}\n") == cursor


@given(st.text())
def test_any_text_is_a_cursor_or_invalid_argument(text: str) -> None:
    with suppress(InvalidArgument):
        assert str(parse(text)) == text.strip()


@pytest.mark.parametrize("text", ["", "12", ":12", "a:", "a:-1", "a:1.5", "a:+1", "a:01", "a b:1", "a:b:1"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="epoch:revision, for example") as caught:
        parse(text)
    assert caught.value.violations[0].field == "cursor"
    with pytest.raises(InvalidArgument):
        parse(f"a:{MAX_REVISION + 1}")


def test_without_a_cursor_from_now_and_with_zero_from_the_oldest() -> None:
    assert judge(None) == 200
    assert judge(0) == 99


def test_the_oldest_and_the_newest_good_cursor() -> None:
    assert judge(99) == 99
    assert judge(200, "now") == 200


def test_a_cursor_whose_next_revision_is_gone_is_compacted() -> None:
    with pytest.raises(Compacted) as caught:
        judge(98)
    assert (caught.value.after, caught.value.first_revision) == (98, 100)


@pytest.mark.parametrize(("after", "says"), [(-1, "must be 0 or more; not -1"), (201, "must be at most 200")])
def test_a_negative_and_a_future_cursor_are_invalid(after: int, says: str) -> None:
    with pytest.raises(InvalidArgument, match=says) as caught:
        judge(after)
    assert caught.value.violations[0].field == "after_revision"


@pytest.mark.parametrize("after", [None, 0, 98, 150, 201])
def test_another_log_comes_before_all_else(after: int | None) -> None:
    with pytest.raises(LogReplaced) as caught:
        judge(after, "before")
    assert caught.value.epoch == "now"


def test_all_events_deleted_leaves_the_head_as_the_only_cursor() -> None:
    def empty(after: int | None) -> int:
        return check(after, "", log_epoch="now", first_revision=8, head=7)

    assert [empty(None), empty(0), empty(7)] == [7, 7, 7]
    with pytest.raises(Compacted):
        empty(6)
