"""What all parts of a scenario's file are read with. A wrong thing is noted, and something harmless stands for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agenticd.config.document import Entry, Items, Mark, Node, Scalar, Table
from agenticd.config.problems import Problems
from agenticd.config.reading import Noted, Reading, Section, join
from agenticd.config.values import Leaf
from agenticd.config.variables import Replaced, Variables


class _Plain(Variables):
    """A scenario has no variables: ${NAME} is a text."""

    def __init__(self) -> None:
        super().__init__({}, {}, "")

    def replace(self, text: str) -> Replaced:
        return Replaced(text, ())


class Reader:
    """One pass through one file. `elsewhere`: for a key in the wrong place, where it belongs."""

    def __init__(self, problems: Problems, elsewhere: Mapping[str, str]) -> None:
        self.reading = Reading(problems, _Plain(), elsewhere)

    def wrong(self, mark: Mark, path: str, message: str) -> None:
        """Note a problem."""
        self.reading.add(mark, path, message)

    def keys(self, entry: Entry | None, path: str, known: Sequence[str] | None) -> Mapping[str, Entry]:
        """The keys of a part; none where it is not given."""
        return self.reading.section(entry.value if entry else None, path, known).entries

    def map(self, node: Node, path: str, known: Sequence[str]) -> Section:
        """An entry of a list that has keys."""
        return self.reading.section(node, path, known)

    def leaf(self, entries: Mapping[str, Entry], path: str, name: str, leaf: Leaf, default: Any) -> Any:
        """The value of a key, or `default` where it is not given, or wrong."""
        entry = entries.get(name)
        return default if entry is None else self.value(entry.value, join(path, name), leaf, default)

    def value(self, node: Node, path: str, leaf: Leaf, default: Any) -> Any:
        """The value of a node, or `default` where it is wrong."""
        try:
            return self.reading.read(node, path, leaf)
        except Noted:
            return default

    def listed(self, entry: Entry | None, path: str) -> Sequence[Node]:
        """The nodes of a list; none where it is not given."""
        match entry:
            case None:
                return ()
            case Entry(value=Items(nodes=nodes)):
                return nodes
            case _:
                self.wrong(entry.value.mark, path, "must be a list: begin each of its entries with -, or write [ ]")
                return ()

    def values(self, entry: Entry | None, path: str, leaf: Leaf) -> tuple[Any, ...]:
        """A list of values; a single one need not be written as a list, and there may be none."""
        if entry is None:
            return ()
        nodes = (entry.value,) if isinstance(entry.value, Scalar) else self.listed(entry, path)
        found = (self.value(node, f"{path}[{at}]", leaf, None) for at, node in enumerate(nodes))
        return tuple(value for value in found if value is not None)

    def one_of(self, section: Section, names: Sequence[str], mark: Mark, path: str, what: str) -> str:
        """The one of these keys that is there; "" and a problem unless it is exactly one. `what` they are."""
        given = [name for name in names if name in section.entries]
        if len(given) == 1:
            return given[0]
        if not section.sound or set(section.mistaken) & set(names):
            return ""  # that is noted already
        also = f", not {' and '.join(given)} together" if given else ""
        self.wrong(mark, path, f"must have one of {', '.join(names)}: {what}{also}")
        return ""


def plain(node: Node) -> object:
    """A node as texts, lists and dicts."""
    match node:
        case Scalar():
            return node.text
        case Items(nodes=nodes):
            return [plain(each) for each in nodes]
        case Table(entries=entries):
            return {entry.key.text: plain(entry.value) for entry in entries}


def place(node: Node, path: Sequence[str]) -> Mark:
    """Where the last of these keys stands, as far as they lead."""
    mark = node.mark
    for key in path:
        entry = next((e for e in node.entries if e.key.text == key), None) if isinstance(node, Table) else None
        if entry is None:
            break
        node, mark = entry.value, entry.key.mark
    return mark
