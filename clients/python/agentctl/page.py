"""Text on a terminal: how wide it is, and rows that break between words under a hanging indent.

Strings in, strings out. A row may grow piece by piece, as words do while they are spoken.
"""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Callable

Dress = Callable[[str], str]
"""Puts colours around a text, which takes no more room by that."""

NARROWEST = 24
"""Columns that a text has below itself; where there are fewer, it goes on further to the left."""
_LEFT = 4
_LEAST = 12
"""Columns of a page below which nothing is broken: the terminal does it then."""
_TOKENS = re.compile(r"\s+|\S+")
_BREAKS = re.compile("((?:\b+ *)?\n *)")


def bare(text: str) -> str:
    """No dress."""
    return text


def width(text: str) -> int:
    """How many columns the text takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) or char == "\u200d" else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def terminal_columns() -> int:
    """Columns of the terminal, now: people resize it."""
    return shutil.get_terminal_size((80, 24)).columns


class Page:
    """Rows below each other. `columns` says how wide the page is; without it nothing is broken."""

    def __init__(self, columns: Callable[[], int] | None = None) -> None:
        self._columns = columns
        self._indent = 0
        self._at = 0
        self._word = ""  # the word that is being written, as far as it has come
        self._gap = ""  # the space before the next word: no line ends with one

    def begin(self, head: str, dress: Dress = bare, *, dressed: str | None = None) -> str:
        """A new row, which begins with `head`; what follows stands to its right. `dressed`: the head in colours."""
        self._at = width(head)
        limit = self._limit()
        self._indent = self._at if limit is None or limit - self._at >= NARROWEST else _LEFT
        self._word = self._gap = ""
        return dress(head) if dressed is None else dressed

    def add(self, text: str, dress: Dress = bare) -> str:
        """More text in the row. It holds no line ends and no controls: words.flat has seen to that."""
        limit = self._limit()
        if limit is None:
            return dress(text) if text else ""
        laid = "".join(self._token(token, limit) for token in _TOKENS.findall(text))
        return "".join(part if "\n" in part else dress(part) for part in _BREAKS.split(laid) if part)

    def _limit(self) -> int | None:
        if self._columns is None:
            return None
        # The last column stays free: what a terminal does behind it is not the same everywhere.
        limit = self._columns() - 1
        return limit if limit >= _LEAST else None

    def _token(self, token: str, limit: int) -> str:
        size = width(token)
        if token.isspace():
            self._word = ""
            self._gap += token
            return ""
        begun, self._word = self._word, self._word + token
        gap, self._gap = self._gap, ""
        if self._at + len(gap) + size <= limit:
            self._at += len(gap) + size
            return gap + token
        whole = width(self._word)
        if self._indent + whole > limit:
            return self._broken(gap + token, limit)
        self._at = self._indent + whole
        taken_back = width(begun)
        back = "\b" * taken_back + " " * taken_back if begun else ""
        return f"{back}\n{' ' * self._indent}{self._word}"

    def _broken(self, token: str, limit: int) -> str:
        """A word that no line holds, as far as it goes on each."""
        lines = [""]
        for char in token:
            if self._at + width(char) > limit:
                lines.append("")
                self._at = self._indent
            lines[-1] += char
            self._at += width(char)
        return f"\n{' ' * self._indent}".join(lines)
