"""docs/guarantees.md promises nothing that no test shows, and its matrix is the table that is played."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tools import fault_matrix

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/guarantees.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def defined_in(path: Path) -> set[str]:
    """The names of a file's tests; nothing where there is no such file."""
    if not path.exists():
        return set()
    nodes = ast.walk(ast.parse(path.read_text()))
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {function.name for function in functions if function.name.startswith("test_")}


def missing(text: str) -> list[str]:
    """The tests that the text names and that there are not."""
    return [f"{file}::{name}" for file, name in NAMED.findall(text) if name not in defined_in(ROOT / file)]


def unproved(text: str) -> list[str]:
    """Promises, which are lines of tables of two columns, that name no test."""
    lines = [line for line in text.splitlines() if re.fullmatch(r"\| [^|]+ \| [^|]+ \|", line)]
    return [line for line in lines if not NAMED.search(line) and "shown by" not in line]


def test_each_test_that_is_named_exists_and_each_promise_names_one() -> None:
    text = DOCUMENT.read_text()
    assert len(NAMED.findall(text)) > 20
    assert missing(text) == []
    assert unproved(text) == []


def test_a_name_that_is_wrong_is_found() -> None:
    wrong = (
        "| It flies | `tests/docs/test_guarantees.py::test_it_flies`, `tests/none.py::test_a` |\n| It sings | so |\n"
    )
    assert missing(wrong) == ["tests/docs/test_guarantees.py::test_it_flies", "tests/none.py::test_a"]
    assert unproved(wrong) == ["| It sings | so |"]


def test_the_matrix_is_the_table_that_is_played() -> None:
    text = DOCUMENT.read_text()
    assert text == fault_matrix.replaced(text), "run: python -m tools.fault_matrix"
    with pytest.raises(ValueError, match="no place for the matrix"):
        fault_matrix.replaced("")
