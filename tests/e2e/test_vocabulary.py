"""Every fault that can be said is met by the daemon in a test of this folder, which names it with a marker."""

from __future__ import annotations

import ast
from pathlib import Path

from agenticd.emulator.faultbook import settings


def named(folder: Path) -> set[str]:
    """What the markers `fault` in a folder's tests name."""
    found = set()
    for path in folder.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault":
                found |= {ast.literal_eval(argument) for argument in node.args}
    return found


def test_every_fault_has_a_test_and_every_test_a_fault_that_there_is() -> None:
    known, tested = {setting.path for setting in settings()}, named(Path(__file__).parent)
    assert sorted(known - tested) == [], "no end-to-end test is marked with these faults"
    assert sorted(tested - known) == [], "tests are marked with faults that there are not"
