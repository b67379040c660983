"""Rows on a page: broken between words, whole however the text is cut, never wider than the page."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from agentctl.page import NARROWEST, Page, width

HEAD = "12:00:00  agent  "
TEXT = st.text(st.sampled_from("ab cd日é🙂- "), max_size=120)


def screen(written: str) -> list[str]:
    """The lines as a terminal shows them: "\\b" goes back, what is written there replaces what was."""
    lines = []
    for line in written.split("\n"):
        cells: list[str] = []
        at = 0
        for char in line:
            if char == "\b":
                at -= 1
                continue
            new = [char] + [""] * (width(char) - 1)
            cells[at : at + len(new)] = new
            at += len(new)
        lines.append("".join(cells))
    return lines


def write(columns: int, *pieces: str) -> list[str]:
    page = Page(lambda: columns)
    return screen(page.begin(HEAD) + "".join(map(page.add, pieces)))


def test_a_line_breaks_between_words_under_a_hanging_indent() -> None:
    lines = write(len(HEAD) + 25, "We are open from five in the afternoon.")
    assert lines == [f"{HEAD}We are open from five in", " " * len(HEAD) + "the afternoon."]


def test_a_word_that_grows_too_long_for_its_line_moves_to_the_next() -> None:
    lines = write(len(HEAD) + 25, "We are open from five in", " the after", "noon.")
    assert lines[1].strip() == "the afternoon."
    lines = write(len(HEAD) + 25, "We are open from five aft", "ernoon.")
    assert [line.rstrip() for line in lines] == [f"{HEAD}We are open from five", " " * len(HEAD) + "afternoon."]


def test_a_word_that_no_line_holds_is_broken() -> None:
    lines = write(len(HEAD) + 25, "x" * 60)
    assert [line[len(HEAD) :] for line in lines] == ["x" * 24, "x" * 24, "x" * 12]


def test_on_a_narrow_page_a_text_goes_on_at_its_left() -> None:
    lines = write(len(HEAD) + 20, "Hello, this is Aurora, the voice of Trattoria Aurora.")
    assert lines == [f"{HEAD}Hello, this is", "    Aurora, the voice of Trattoria", "    Aurora."]
    lines = write(len(HEAD), "Hello, this is Aurora.")
    assert [line.rstrip() for line in lines] == [HEAD.rstrip(), "    Hello, this", "    is Aurora."]


def test_a_page_that_is_too_narrow_or_has_no_width_breaks_nothing() -> None:
    assert len(write(12, "word " * 30)) == 1
    page = Page()
    assert page.begin(HEAD) + page.add("word " * 100) == HEAD + "word " * 100


def test_colours_take_no_room_and_do_not_run_into_the_next_line() -> None:
    page = Page(lambda: len(HEAD) + 25)
    page.begin(HEAD)
    written = page.add("We are open from five in the afternoon.", lambda text: f"<{text}>")
    assert written == "<We are open from five in>\n" + " " * len(HEAD) + "<the afternoon.>"


@given(st.lists(TEXT, max_size=5), st.integers(len(HEAD) + 1, 100))
def test_no_line_is_wider_than_the_page_and_no_letter_is_lost(pieces: list[str], columns: int) -> None:
    lines = write(columns, *pieces)
    assert all(width(line) < columns for line in lines)
    shown = "".join(lines).replace(HEAD, "", 1)
    assert shown.replace(" ", "") == "".join(pieces).replace(" ", "")


@given(TEXT, st.integers(0, 120), st.integers(len(HEAD) + NARROWEST + 1, 100))
def test_how_a_text_is_cut_makes_no_difference_to_short_words(text: str, cut: int, columns: int) -> None:
    assume(all(width(word) <= NARROWEST for word in text.split()))
    whole = [line.rstrip() for line in write(columns, text)]
    assert [line.rstrip() for line in write(columns, text[:cut], text[cut:])] == whole
