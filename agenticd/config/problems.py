"""What is wrong with a configuration: all of it at once, each in a line: where, what, what would be right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_SHOWN = 50
_LONGEST = 60


class Wrong(Exception):
    """A value is not usable. The text says why and what would be, never the value: it may be secret."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `line` and `column` from 1 (0: the file as a whole), `path` of the setting."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f":{self.line}:{self.column}" if self.line else ""
        parts = (f"{self.file}{place}", self.path, self.message)
        return ": ".join(part for part in parts if part)


class ConfigError(Exception):
    """The configuration cannot be used; its text has a line for each problem. The program ends with 78."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(dict.fromkeys(problems), key=lambda each: (each.file, each.line, each.column)))
        lines = [str(problem) for problem in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            lines.append(f"... and {len(self.problems) - _SHOWN} more")
        super().__init__("\n".join(lines))

    @classmethod
    def of(cls, file: str, message: str) -> ConfigError:
        """The error for a file as a whole."""
        return cls([Problem(file, 0, 0, "", message)])


class Problems:
    """Those of one file, while it is read."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[Problem] = []

    def add(self, line: int, column: int, path: str, message: str) -> None:
        """Note one and go on reading."""
        self.found.append(Problem(self.file, line, column, path, message))


def one_line(text: str) -> str:
    """The text as part of a line: cut where long, marks for what cannot be printed."""
    shown = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return "".join(char if char.isprintable() else "�" for char in shown)
