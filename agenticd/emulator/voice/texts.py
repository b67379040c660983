"""When two texts count as the same sentence: case, punctuation and spaces do not matter."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation; empty for a text that says nothing."""
    return [word.replace("\u2019", "'") for word in _WORD.findall(text.casefold())]


def key_of(text: str) -> str:
    """The form under which a sentence is looked up."""
    return " ".join(words_of(text))
