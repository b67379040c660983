"""What the tests ask of a document in Markdown: its fenced blocks, its tables, its headings, its links."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, and the line of the document where the text begins."""

    language: str
    text: str
    line: int


def blocks(text: str) -> list[Block]:
    """All fenced blocks, in the document's order."""
    return [
        Block(found[2], textwrap.dedent(found[3]), text.count("\n", 0, found.start()) + 2)
        for found in _FENCE.finditer(text)
    ]


def prose(text: str) -> str:
    """The document without its fenced blocks."""
    return _FENCE.sub("", text)


def links(text: str) -> list[str]:
    """Where the links go."""
    return _LINK.findall(prose(text))


def anchors(text: str) -> set[str]:
    """What a link may name behind #: the headings, as GitHub calls them."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def rows(text: str, columns: int) -> list[list[str]]:
    """The cells of all rows of the tables with so many columns, heads too, in the document's order."""
    lines = [line for line in prose(text).splitlines() if line.startswith("|") and not line.startswith("|---")]
    cut = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    return [cells for cells in cut if len(cells) == columns]


def named(text: str) -> set[str]:
    """Everything that stands in `code` in the prose."""
    return set(re.findall(r"`([^`\n]+)`", prose(text)))


def commands(block: Block) -> list[str]:
    """What a shell is given, command by command: lines, joined where one goes on; of a session what follows `$ `."""
    lines = block.text.splitlines()
    if block.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    found: list[str] = []
    going_on = False
    for line in lines:
        if not line.strip() and not going_on:
            continue
        found.append(line) if not going_on else found.append(f"{found.pop()}\n{line}")
        body = found[-1].rstrip()
        going_on = body.endswith("\\") or ("() {\n" in f"{body}\n" and not body.endswith("\n}"))
    return found
