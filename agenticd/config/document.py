"""YAML as this project reads it: maps, lists and texts, each with its place. No text is a number.

Made from PyYAML's events, not from its nodes: its composer is recursive, and a deep enough file ends it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from agenticd.config.problems import Problems, one_line

_DEPTH = 16
_NODES = 10_000


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the file: line and column, from 1."""

    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text. `bare`: it stands without quotes, so that other readers of YAML would guess its type."""

    text: str
    bare: bool
    mark: Mark


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    nodes: tuple[Node, ...]
    mark: Mark


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and its value."""

    key: Scalar
    value: Node


@dataclass(frozen=True, slots=True)
class Table:
    """A map, in the file's order; no key is there twice."""

    entries: tuple[Entry, ...]
    mark: Mark


Node: TypeAlias = Scalar | Items | Table


class _HasPlace(Protocol):
    line: int
    column: int


class _Broken(Exception):
    """The file cannot be read on from here."""

    def __init__(self, mark: Mark, message: str) -> None:
        super().__init__(message)
        self.mark = mark
        self.message = message


def parse(text: str, problems: Problems) -> Node | None:
    """What the file holds; an empty one holds an empty map. None, and a problem, for what is no YAML here."""
    builder = _Builder(problems)
    try:
        return builder.document(yaml.parse(text, Loader=yaml.BaseLoader))
    except _Broken as broken:
        problems.add(broken.mark.line, broken.mark.column, "", broken.message)
    except yaml.reader.ReaderError as error:
        mark = _mark_of(text, error.position)
        problems.add(mark.line, mark.column, "", "this character cannot stand in YAML; is the file damaged?")
    except yaml.MarkedYAMLError as error:
        mark, message = _explained(error, *builder.quoted)
        problems.add(mark.line, mark.column, "", f"no valid YAML: {message}")
    except (ValueError, OverflowError):
        # PyYAML: chr() of an escape such as \UFFFFFFFF, int() of a %YAML directive with thousands of digits.
        mark = builder.mark
        problems.add(mark.line, mark.column, "", "no valid YAML: a number behind here is too large")
    return None


class _Builder:
    """Nodes from events."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._anchors: dict[str, Scalar] = {}
        self._unshared: set[str] = set()
        self._nodes = 0
        self.mark = Mark()
        self.quoted = (Mark(), 0)
        """Where the last quoted text begins, and the line of its end."""

    def document(self, events: Iterator[Event]) -> Node:
        """The one document of the file. Raises _Broken and what PyYAML raises."""
        root: Node | None = None
        for event in events:
            if not isinstance(event, DocumentStartEvent):
                continue
            if root is not None:
                raise _Broken(_mark(event), "a second document begins here; there must be one only")
            root = self._node(next(events), events, 0)
        return Table((), Mark()) if root is None else root

    def _node(self, event: Event, events: Iterator[Event], depth: int) -> Node:
        mark = self.mark = _mark(event)
        self._nodes += 1
        if self._nodes > _NODES:
            raise _Broken(mark, f"more than {_NODES} texts, lists and maps; this cannot be a configuration")
        if depth > _DEPTH:
            raise _Broken(mark, f"more than {_DEPTH} levels deep; this cannot be a configuration")
        self._refuse_tag(event, mark)
        if isinstance(event, SequenceStartEvent | MappingStartEvent) and event.anchor is not None:
            self._unshared.add(event.anchor)
        match event:
            case AliasEvent():
                return self._shared(event.anchor or "", mark)
            case ScalarEvent():
                scalar = Scalar(event.value, event.style is None, mark)
                if event.style in ("'", '"'):
                    self.quoted = (mark, _place(event.end_mark).line)
                if event.anchor is not None:
                    self._anchors[event.anchor] = scalar
                return scalar
            case SequenceStartEvent():
                nodes = []
                while not isinstance(inner := next(events), SequenceEndEvent):
                    nodes.append(self._node(inner, events, depth + 1))
                return Items(tuple(nodes), mark)
            case MappingStartEvent():
                return Table(tuple(self._entries(events, depth + 1)), mark)
        raise AssertionError(f"no event of YAML that begins a node: {event!r}")

    def _entries(self, events: Iterator[Event], depth: int) -> Iterator[Entry]:
        seen: dict[str, Mark] = {}
        while not isinstance(event := next(events), MappingEndEvent):
            key = self._node(event, events, depth)
            value = self._node(next(events), events, depth)
            if not isinstance(key, Scalar):
                self._add(key.mark, 'a key must be a text; a text that begins with "{" or "[" must be quoted')
            elif key.text in seen:
                first = seen[key.text].line
                self._add(key.mark, f"{one_line(key.text)} is here twice; the first is on line {first}")
            else:
                seen[key.text] = key.mark
                yield Entry(key, value)

    def _shared(self, name: str, mark: Mark) -> Scalar:
        # Only texts: shared maps and lists can make a small file enormous.
        shown = one_line(name)
        if name in self._unshared:
            raise _Broken(mark, f"*{shown}: only single texts can be shared by & and *; write the keys out")
        if name not in self._anchors:
            raise _Broken(mark, f"*{shown} needs &{shown} before a text further up; quote a text that begins with *")
        return self._anchors[name]

    def _refuse_tag(self, event: Event, mark: Mark) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None:
            shown = one_line(tag.replace("tag:yaml.org,2002:", "!!"))
            self._add(mark, f"the tag {shown} is not known here; quote a text that begins with !")

    def _add(self, mark: Mark, message: str) -> None:
        self._problems.add(mark.line, mark.column, "", message)


def _mark(event: Event) -> Mark:
    return _place(event.start_mark)


def _mark_of(text: str, position: int) -> Mark:
    before = text[:position].split("\n")
    return Mark(len(before), len(before[-1]) + 1)


_EXPLAINED: tuple[tuple[str, str], ...] = (
    (
        r"mapping values are not allowed",
        'no ": " can stand here; quote the text, mend the indentation, or put a space behind the ":" of the line above',
    ),
    (r"found character '\\t'", "a tab; indent with spaces"),
    (r"found character '(.)' that cannot start", r"a text that begins with \1 must be quoted"),
    (r"unexpected end of stream.*quoted", "the quote that opens here is never closed"),
    (r"but got '\{'", 'inside {…} and […] quote what has braces: "${NAME}"'),
    (r"expected ',' or '([}\]])'", r"a comma or the closing \1 is missing"),
    (r"could not find expected ':'", 'a ":" is missing behind this key, or the indentation is wrong'),
    (
        r"expected <block end>",
        "the indentation is wrong, or a quote further up is not closed, or is closed too early",
    ),
    (r"expected '<document start>'", "nothing can follow here: what stands above is complete in itself"),
    (r"expected the node content", "a value is missing before this"),
    (r"unknown escape", r"an unknown \\ escape; in single quotes a \\ is just a \\"),
    (r"%|directive|YAML version|incompatible YAML", "leave out the lines that begin with %"),
)


def _explained(error: yaml.MarkedYAMLError, quote: Mark, quote_end: int) -> tuple[Mark, str]:
    problem = f"{error.problem or error.context or 'cannot be read'}"
    whole = f"{problem} {error.context or ''}"
    mark = error.problem_mark or error.context_mark
    if quote.line < quote_end == _place(mark).line:
        return quote, f"the quote that opens here is closed only on line {quote_end}; is one missing before?"
    for pattern, advice in _EXPLAINED:
        if found := re.search(pattern, whole):
            if "never closed" in advice:
                mark = error.context_mark or mark
            return _place(mark), found.expand(advice)
    return _place(mark), one_line(problem)


def _place(mark: _HasPlace | None) -> Mark:
    return Mark(mark.line + 1, mark.column + 1) if mark is not None else Mark()
