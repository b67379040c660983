"""The table in docs/clients.md: every chapter of the clients' story, and with which client it was seen to pass.

python -m tools.client_table     rewrites it from what `make test-clients` left; a test fails while it is stale
"""

from __future__ import annotations

from pathlib import Path

from tests.clients.chapters import Results, chapters, read
from tests.clients.languages import LANGUAGES, Language

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs/clients.md"
BEGIN = "<!-- made by `python -m tools.client_table` from a run of `make test-clients` -->\n"
END = "<!-- end -->\n"
WORDS = {"passed": "yes", "failed": "**no**", "skipped": "not tried"}


def table(results: Results) -> str:
    """One line for each chapter, one column for each client."""
    titles = [_linked(language) for language in LANGUAGES]
    lines = [f"| what is shown | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    for chapter in chapters():
        told = results.get(chapter.name, {})
        cells = [WORDS[told.get(language.name, "skipped")] for language in LANGUAGES]
        lines.append(f"| {chapter.shows} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _linked(language: Language) -> str:
    """The head of its column: its name, which leads to its page."""
    page = language.path / "README.md"
    return f"[{language.title}](../{page.relative_to(ROOT).as_posix()})" if page.exists() else language.title


def parts(text: str) -> tuple[str, str, str]:
    """What stands before the table, it, and what stands behind. Raises ValueError where its marks are missing."""
    before, begin, rest = text.partition(BEGIN)
    between, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no place for the table, between {BEGIN!r} and {END!r}")
    return before + begin, between, end + after


def stale(text: str) -> list[str]:
    """What the table of a document says of chapters and clients that is not so: lines that are missing or too many."""
    written = parts(text)[1].splitlines()
    expected = table({}).splitlines()
    heads = [[line.split(" | ")[0] for line in lines] for lines in (written, expected)]
    if written[:1] != expected[:1]:
        return ["its columns are not the clients"]
    return [line for line in heads[0] + heads[1] if (line in heads[0]) != (line in heads[1])]


if __name__ == "__main__":
    before, _, after = parts(DOCUMENT.read_text(encoding="utf-8"))
    DOCUMENT.write_text(before + table(read()) + after, encoding="utf-8")
