"""The list of chapters, as it stands in the tests, and what became of each in each language."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER.parents[1] / "build/story.json"
"""Where `make test-clients` leaves what became of the chapters: {chapter: {language: "passed" …}}."""
MODULES = ("test_story.py", "test_wrong.py", "test_door.py", "test_rules.py")


@dataclass(frozen=True, slots=True)
class Chapter:
    """A test that is told in each language: `name` is file::function, `shows` its docstring in one line."""

    name: str
    shows: str


def chapters() -> list[Chapter]:
    """All of them, in their order. Raises ValueError for one that does not say what it shows."""
    found = []
    for module in MODULES:
        for node in ast.parse((FOLDER / module).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_"):
                shows = " ".join((ast.get_docstring(node) or "").split())
                if not shows:
                    raise ValueError(f"{module}::{node.name} does not say what it shows")
                found.append(Chapter(f"{module}::{node.name}", shows))
    return found


Results = dict[str, dict[str, str]]


def read() -> Results:
    """What became of the chapters, as far as they were told; those that are no more are left out."""
    if not RESULTS.exists():
        return {}
    known = {chapter.name for chapter in chapters()}
    told: Results = json.loads(RESULTS.read_text())
    return {name: outcomes for name, outcomes in told.items() if name in known}


def keep(fresh: Results) -> None:
    """Keep these, and what was known of others before: of languages that were left out, or could not be tried."""
    told = read()
    for name, outcomes in fresh.items():
        known = told.setdefault(name, {})
        known |= {language: outcome for language, outcome in outcomes.items() if outcome != "skipped"}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")


def worse(one: str, other: str) -> str:
    """The outcome of a chapter that was told in parts."""
    order = ("failed", "skipped", "passed")
    return min(one, other, key=order.index)
