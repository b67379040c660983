""".env: KEY=VALUE lines that mean what they mean to a shell. What a shell would do more with is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from agenticd.config.files import read_text
from agenticd.config.problems import ConfigError, Problems, Wrong

_LINE = re.compile(r"(?:export[ \t]+)?(?P<key>[^=\s]*)(?P<space>[ \t]*)=(?P<value>.*)")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REST = re.compile(r"[ \t]*(?:[ \t]#.*)?")
_ESCAPES = {"\\": "\\", '"': '"', "$": "$", "`": "`"}


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the file and its line."""

    text: str
    line: int


def read(path: Path, shown: str, problems: Problems) -> dict[str, Value]:
    """The file's variables; none where there is no file."""
    try:
        text = read_text(path, shown)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except ConfigError as error:
        problems.found += error.problems
        return {}
    return parse(text, problems)


def parse(text: str, problems: Problems) -> dict[str, Value]:
    """The variables of the text. What is wrong goes to `problems`, never with a value."""
    values: dict[str, Value] = {}
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        try:
            key, value = _pair(line)
            if key in values:
                raise Wrong(f"{key} is here twice; the first is on line {values[key].line}")
        except Wrong as wrong:
            problems.add(number, len(raw) - len(raw.lstrip()) + 1, "", str(wrong))
        else:
            values[key] = Value(value, number)
    return values


def _pair(line: str) -> tuple[str, str]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise Wrong("must be NAME=value, or a comment that begins with #")
    key, value = found["key"], found["value"]
    if _KEY.fullmatch(key) is None:
        # Not shown: it may be a piece of a secret that has an = in it.
        raise Wrong("there is no name before the =: letters, digits and _, the first no digit")
    if found["space"] or value[:1] in (" ", "\t"):
        raise Wrong(f"{key}: there must be no space beside the =")
    match value[:1]:
        case "'":
            return key, _single(key, value)
        case '"':
            return key, _double(key, value)
    return key, _plain(key, value)


def _single(key: str, value: str) -> str:
    inner, quote, rest = value[1:].partition("'")
    return _closed(key, inner, quote, rest)


def _double(key: str, value: str) -> str:
    inner: list[str] = []
    chars = iter(enumerate(value[1:], 1))
    for at, char in chars:
        if char == '"':
            return _closed(key, "".join(inner), '"', value[at + 1 :])
        if char in "$`":
            raise Wrong(f"{key}: nothing is replaced in this file; write \\{char}, or use single quotes")
        if char == "\\":
            _, char = next(chars, (0, ""))
            if char not in _ESCAPES:
                raise Wrong(f'{key}: in double quotes a \\ stands only before \\ " $ `; use single quotes')
            char = _ESCAPES[char]
        inner.append(char)
    return _closed(key, "", "", "")


def _closed(key: str, inner: str, quote: str, rest: str) -> str:
    if not quote:
        raise Wrong(f"{key}: the quote is not closed on this line")
    if _REST.fullmatch(rest) is None:
        raise Wrong(f"{key}: something stands behind the closing quote; a comment needs a space before its #")
    return inner


def _plain(key: str, value: str) -> str:
    if value.startswith("#"):
        raise Wrong(f"{key}: a value that begins with # must be quoted")
    value = re.split(r"[ \t]#", value, maxsplit=1)[0].rstrip()
    if found := re.search(r"[\s'\"\\$`]", value):
        name = {"'": "a quote", '"': "a quote"}.get(found[0], "a space" if found[0].isspace() else f"a {found[0]}")
        raise Wrong(f"{key}: has {name} in it; put the whole value in single quotes")
    return value
