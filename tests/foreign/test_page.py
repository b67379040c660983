"""What docs/emulator.md shows of applications is what the applications here do, line by line."""

from __future__ import annotations

import pytest

from tests.docs.markdown import ROOT, blocks
from tests.foreign.programs import FOREIGN

SECTION = (ROOT / "docs/emulator.md").read_text().partition("## With your own application\n")[2]
SHOWN = [block for block in blocks(SECTION) if not block.language]
APPLICATIONS = ("pipecat/app.py", "openai_agents/app.mjs", "helper_library/library.py")
LINES = {line.strip() for name in APPLICATIONS for line in (FOREIGN / name).read_text().splitlines()}


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: f"line-{block.line}")
def test_what_the_page_shows_is_run(block):
    assert [line for line in block.text.splitlines() if line.strip() not in LINES] == []


def test_the_page_shows_something_of_each_application():
    assert len(SHOWN) == 4
