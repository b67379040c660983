"""Walks a document against what is known: reads texts by their leaves, names unknown and missing keys."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, assert_never

from agenticd.config.document import Entry, Items, Mark, Node, Scalar, Table
from agenticd.config.problems import Problems, Wrong, one_line
from agenticd.config.values import Leaf, Text, nearest
from agenticd.config.variables import Variables

T = TypeVar("T")

_NULLS = ("~", "null", "Null", "NULL")


class Noted(Exception):
    """A value is not usable, and the problem says so already."""


@dataclass(frozen=True, slots=True)
class Many:
    """A list of what the leaf reads, at least one; a single one need not be written as a list."""

    leaf: Leaf


@dataclass(frozen=True, slots=True)
class Shape(Generic[T]):
    """A dataclass of the tree and how its fields are read. `advice`: what to write for a missing one."""

    kind: type[T]
    leaves: Mapping[str, Leaf | Many]
    advice: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if fields_of(self.kind).keys() != self.leaves.keys():
            raise AssertionError(f"{self.kind.__name__} and its leaves have different names")


@dataclass(frozen=True, slots=True)
class Section:
    """A map of the file: its known entries by key, and the keys for which something else may stand there.

    `sound`: it is a map.
    """

    entries: Mapping[str, Entry]
    mistaken: Collection[str]
    sound: bool


def fields_of(kind: type) -> dict[str, bool]:
    """The names of a dataclass's fields; whether each is required."""
    missing = dataclasses.MISSING
    return {each.name: each.default is missing and each.default_factory is missing for each in dataclasses.fields(kind)}


class Reading:
    """One pass through one document. `elsewhere`: for a key in the wrong place, where it belongs."""

    def __init__(self, problems: Problems, variables: Variables, elsewhere: Mapping[str, str]) -> None:
        self._problems = problems
        self._variables = variables
        self._elsewhere = elsewhere

    def add(self, mark: Mark, path: str, message: str) -> None:
        """Note a problem."""
        self._problems.add(mark.line, mark.column, path, message)

    def section(self, node: Node | None, path: str, known: Sequence[str] | None) -> Section:
        """A map's entries; without `known` any key is. None and an empty value are an empty map."""
        found: dict[str, Entry] = {}
        mistaken: set[str] = set()
        match node:
            case Table(entries=entries):
                for entry in entries:
                    key = entry.key.text
                    if known is None or key in known:
                        found[key] = entry
                    else:
                        near = nearest(key, known)
                        self.add(entry.key.mark, join(path, key), self._unknown(key, known, near))
                        mistaken |= {near}
            case None | Scalar(text="", bare=True):
                pass
            case Items(mark=mark) | Scalar(mark=mark):
                kind = "a list: leave out the -" if isinstance(node, Items) else f"a text{_no_key(node, known or ())}"
                names = f" ({', '.join(known)})" if known else ""
                self.add(mark, path, f"must have keys {'below it' if path else 'in it'}{names}, not be {kind}")
                return Section({}, frozenset(known or ()), sound=False)
            case _:
                assert_never(node)
        return Section(found, frozenset(mistaken), sound=True)

    def fill(
        self,
        shape: Shape[T],
        section: Section,
        where: Mark,
        path: str,
        given: Mapping[str, object] | None = None,
    ) -> T | None:
        """The dataclass of a section, `given` before its own defaults. None where something is wrong."""
        values = dict(given or {})
        sound = True
        for name, required in fields_of(shape.kind).items():
            entry = section.entries.get(name)
            if entry is not None:
                try:
                    values[name] = self.read(entry.value, join(path, name), shape.leaves[name])
                except Noted:
                    sound = False
            elif required and name not in values:
                sound = False
                if name not in section.mistaken:
                    advice = f"; {shape.advice[name]}" if name in shape.advice else ""
                    self.add(where, join(path, name), f"is required{advice}")
        make: Callable[..., T] = shape.kind
        return make(**values) if sound else None

    def read(self, node: Node, path: str, leaf: Leaf | Many) -> object:
        """The value of a node. Raises Noted."""
        if not isinstance(leaf, Many):
            return self._one(node, path, leaf)
        if not isinstance(node, Items):
            return (self._one(node, path, leaf.leaf),)
        if not node.nodes:
            self.add(node.mark, path, "must have at least one entry")
            raise Noted
        values: list[object] = []
        sound = True
        for index, each in enumerate(node.nodes):
            try:
                value = self._one(each, f"{path}[{index}]", leaf.leaf)
            except Noted:
                sound = False
                continue
            if value in values:
                self.add(each.mark, f"{path}[{index}]", "is in the list already")
                sound = False
            values.append(value)
        if not sound:
            raise Noted
        return tuple(values)

    def text(self, node: Node) -> str:
        """A node's text with its variables filled in; "" for what is no text, or is wrong in a way that is noted."""
        try:
            return self._variables.replace(node.text).text if isinstance(node, Scalar) else ""
        except Wrong:
            return ""

    def _one(self, node: Node, path: str, leaf: Leaf) -> object:
        try:
            match node:
                case Scalar():
                    return self._through(node, leaf)
                case Items():
                    raise Wrong('must be one text, not a list; a text that begins with "[" must be quoted')
                case Table():
                    raise Wrong(
                        'must be one text, not keys; a text that begins with "{" or has ": " in it must be quoted'
                    )
        except Wrong as wrong:
            self.add(node.mark, path, str(wrong))
            raise Noted from None

    def _through(self, scalar: Scalar, leaf: Leaf) -> object:
        if scalar.bare and scalar.text == "":
            raise Wrong('has no value; write one, or leave the line out; an empty text is ""')
        if scalar.bare and scalar.text in _NULLS:
            raise Wrong("there is no null here; leave the line out, or quote it if it is meant as a text")
        replaced = self._variables.replace(scalar.text)
        try:
            if any(_is_control(char) for char in replaced.text):
                raise Wrong("has a control character or another one that is no text in it")
            return leaf(Text(replaced.text, bare=scalar.bare and not replaced.used))
        except Wrong as wrong:
            used = ", ".join(f"${{{found.name}}} is from {found.origin}" for found in replaced.used)
            raise Wrong(f"{wrong} ({used})" if used else str(wrong)) from None

    def _unknown(self, key: str, known: Sequence[str], near: str) -> str:
        if key == "<<":
            return "maps cannot be merged; write the keys out, or share single texts with & and *"
        unseen = next((char for char in key if (char.isspace() and char != " ") or not char.isprintable()), "")
        hint = f"has a character that is not seen in it, U+{ord(unseen):04X}; " if unseen else ""
        if near:
            return f"unknown key; {hint}did you mean {near}?"
        if place := self._elsewhere.get(key):
            return f"unknown key; it belongs {place}"
        return f"unknown key; {hint}known here: {', '.join(known)}"


def _no_key(node: Scalar, known: Collection[str]) -> str:
    """What to say of a text where keys belong: perhaps it was meant as one."""
    word, sign, _ = re.split(r"([:=\s]|$)", node.text, maxsplit=1)
    return f': write "{word}: " before the value, with a space behind the colon' if sign and word in known else ""


def join(path: str, name: str) -> str:
    """The path of a setting below another."""
    shown = one_line(name) or '""'
    return f"{path}.{shown}" if path else shown


def _is_control(char: str) -> bool:
    return (char < " " and char not in "\n\r\t") or char == "\x7f" or "\ud800" <= char <= "\udfff"
