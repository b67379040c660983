"""docs/clients.md has a line for every chapter of the clients' story and a column for every client, and no cell that
says no."""

from __future__ import annotations

import pytest

from tests.clients.chapters import FOLDER, MODULES, chapters
from tools import client_table

TEXT = client_table.DOCUMENT.read_text(encoding="utf-8")


def test_the_table_has_the_chapters_that_there_are() -> None:
    assert client_table.stale(TEXT) == [], "run: make test-clients && python -m tools.client_table"
    assert sorted(path.name for path in FOLDER.glob("test_*.py")) == sorted(MODULES)


def test_every_chapter_passes_with_every_client() -> None:
    lines = client_table.parts(TEXT)[1].splitlines()[2:]
    assert [line for line in lines if set(line.strip("| ").split(" | ")[1:]) != {"yes"}] == []


def test_a_table_that_is_stale_is_found() -> None:
    before, _, after = client_table.parts(TEXT)
    fresh = client_table.table({})
    assert client_table.stale(before + fresh + after) == []
    first = chapters()[0].shows
    assert client_table.stale(before + fresh.replace(first, "It flies") + after) == ["| It flies", f"| {first}"]
    assert client_table.stale(before + fresh.replace("Go", "Gone") + after) == ["its columns are not the clients"]
    with pytest.raises(ValueError, match="no place for the table"):
        client_table.parts("")
