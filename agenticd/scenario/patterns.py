"""Words as a scenario demands them: case and punctuation do not matter, … stands for any words."""

from __future__ import annotations

import re

from agenticd.emulator.voice.texts import words_of


def fits(text: str, pattern: str) -> bool:
    """Whether all of the text is what the pattern says."""
    pieces = (re.escape(_spaced(piece)) for piece in pattern.split("…"))
    return re.fullmatch(".*".join(pieces), _spaced(text)) is not None


def says(text: str, words: str) -> bool:
    """Whether these words, in this order and nothing between them, are in the text."""
    return _spaced(words) in _spaced(text)


def _spaced(text: str) -> str:
    """Each word with a space of its own on both sides, so that none is found inside another."""
    return "".join(f" {word} " for word in words_of(text))
