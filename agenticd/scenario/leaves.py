"""From a text of a scenario to a value: one function each, which raises Wrong where it cannot. See config/values.py."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from agenticd.config.problems import Wrong
from agenticd.config.values import Text, nearest
from agenticd.emulator.phone import KEYS

_LENGTH = re.compile(r"(?:[0-9]{1,6}(?:\.[0-9]{1,3})?(?:ms|s|m))+")
_PART = re.compile(r"([0-9.]+)(ms|s|m)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_LONGEST_TEXT = 4096
_LONGEST_NAME = 100


def length(most: float) -> Callable[[Text], float]:
    """A length of time in seconds, up to `most`: 500ms, 2s, 1m30s."""

    def read(text: Text) -> float:
        if _LENGTH.fullmatch(text.value) is None:
            unit = "needs a unit" if re.fullmatch(r"[0-9.]+", text.value) else "must be a length of time"
            raise Wrong(f"{unit}: 500ms, 2s, 1m30s")
        seconds = round(sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(text.value)), 3)
        if seconds > most:
            raise Wrong(f"must be at most {most:g}s")
        return seconds

    return read


def words(text: Text) -> str:
    """Something to say, or to be said: a word at least."""
    if len(text.value) > _LONGEST_TEXT:
        raise Wrong(f"is longer than {_LONGEST_TEXT} characters")
    if not any(map(str.isalnum, text.value)):
        raise Wrong("says nothing; write a word or more")
    return " ".join(text.value.split())


def title(text: Text) -> str:
    """A name for lists: one line."""
    if not text.value.strip() or len(text.value) > _LONGEST_NAME or not text.value.isprintable():
        raise Wrong(f"must be one line of at most {_LONGEST_NAME} characters")
    return text.value.strip()


def prose(text: Text) -> str:
    """Any text, perhaps none."""
    return text.value


def keys(text: Text) -> str:
    """Keys of a telephone."""
    if not text.value or not set(text.value) <= KEYS:
        raise Wrong('must be one or more of 0-9, * and #, for example "4#"')
    return text.value


def expression(text: Text) -> str:
    """A regular expression; plain words are one."""
    try:
        re.compile(text.value)
    except re.error as error:
        raise Wrong(f"is no regular expression ({error}); write . * ? ( ) [ ] + | with a \\ before them") from None
    return words(text)


def one_of(known: Sequence[str], what: str) -> Callable[[Text], str]:
    """One of many words; `what` they are, for the message."""

    def read(text: Text) -> str:
        if text.value in known:
            return text.value
        near = nearest(text.value, known)
        listed = ", ".join(known[:25])
        raise Wrong(f"is no {what}; did you mean {near}?" if near else f"is no {what}; known are {listed}")

    return read


def pattern(text: Text) -> str:
    """Words as they must be said or heard; … (or ...) stands for any."""
    found = text.value.replace("...", "…")
    return found if found.strip() == "…" else words(Text(found, text.bare))


def json_object(text: Text) -> str:
    """The arguments of a function that the model calls."""
    try:
        given = json.loads(text.value)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise Wrong("""must be an object of JSON in quotes, for example '{"table": 2}'""")
    return text.value
