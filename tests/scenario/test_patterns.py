"""Words as scenarios demand them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenticd.emulator.voice.texts import words_of
from agenticd.scenario.patterns import fits, says

WORDS = st.lists(st.sampled_from(["a", "table", "for", "two", "tab", "o'clock"]), max_size=6).map(" ".join)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("Hello, how can I help you?", "hello how can i help you"),
        ("Hello, how can I help you?", "Hello …"),
        ("Hello, how can I help you?", "… help you?"),
        ("Hello, how can I help you?", "hello … help …"),
        ("Hello", "Hello …"),
        ("", "…"),
        ("It's seven o’clock.", "It's seven o'clock"),
    ],
)
def test_what_fits(text: str, pattern: str) -> None:
    assert fits(text, pattern)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("Hello, how can I help you?", "Hello"),
        ("Hello, how can I help you?", "… help"),
        ("Hello, how can I help you?", "hell …"),
        ("Hello, how can I help you?", "help … hello"),
        ("at seven", "at seven … seven"),
        ("A table for two", "a table for tw…"),
    ],
)
def test_what_does_not_fit(text: str, pattern: str) -> None:
    assert not fits(text, pattern)


@given(WORDS, WORDS, WORDS)
def test_a_text_fits_itself_and_any_middle_can_be_left_open(begin: str, middle: str, end: str) -> None:
    text = f"{begin} {middle} {end}"
    assert fits(text, text)
    assert fits(text, f"{begin} … {end}")
    assert says(text, middle)


@given(WORDS, WORDS)
def test_without_an_open_place_only_the_same_words_fit(one: str, other: str) -> None:
    assert fits(one, other) == (words_of(one) == words_of(other))


def test_words_are_found_as_words_only() -> None:
    assert says("We are open until eleven.", "open until")
    assert not says("We are open until eleven.", "pen until")
    assert not says("We are open until eleven.", "open eleven")
