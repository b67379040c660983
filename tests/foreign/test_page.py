"""What docs/emulator.md shows of applications is what the applications here do, line by line."""

from __future__ import annotations

import pytest

from tests.docs.markdown import ROOT, blocks
from tests.foreign.programs import FOREIGN

SHOWN = [block for block in blocks((ROOT / "docs/emulator.md").read_text()) if block.language in ("py", "js")]
SOURCES = {
    "py": (FOREIGN / "pipecat/app.py").read_text() + (FOREIGN / "helper_library/library.py").read_text(),
    "js": (FOREIGN / "openai_agents/app.mjs").read_text(),
}


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: f"line-{block.line}")
def test_what_the_page_shows_is_run(block):
    there = [line.strip() for line in SOURCES[block.language].splitlines()]
    assert [line for line in block.text.splitlines() if line.strip() not in there] == []


def test_the_page_shows_something():
    assert len(SHOWN) == 4
