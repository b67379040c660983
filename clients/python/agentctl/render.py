"""Colours and tables for people. For programs: output.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import click

from agentctl.page import Page, width

Style = Callable[[str, str], str]
"""Dresses a text up in a role."""

_CALLS = ("magenta", "blue", "yellow", "bright_magenta", "bright_blue", "bright_black")
CALL_COLORS = len(_CALLS)
"""Calls side by side are told apart by roles call0, call1 …"""
_ROLES: Mapping[str, Mapping[str, str | bool]] = {
    "caller": {"fg": "cyan", "bold": True},
    "agent": {"fg": "green", "bold": True},
    "note": {"dim": True},
    "end": {"bold": True},
    "good": {"fg": "green"},
    "busy": {"fg": "cyan"},
    "attention": {"fg": "yellow"},
    "bad": {"fg": "red"},
    **{f"call{number}": {"fg": color} for number, color in enumerate(_CALLS)},
}
ROLE_OF: Mapping[str, str] = {
    "QUEUED": "busy",
    "DIALING": "busy",
    "RINGING": "busy",
    "IN_PROGRESS": "good",
    "UNCONFIRMED": "attention",
    "ENDING": "attention",
    "ENDED": "note",
    "reachable": "good",
    "failing": "bad",
    "serving": "good",
    "draining": "attention",
}
"""Of values that are shown in lists."""


def look(style: Style, role: str) -> Callable[[str], str]:
    """The dress of one role."""
    return lambda text: style(text, role)


def plain(text: str, role: str) -> str:
    """No dress."""
    return text


def dressed(text: str, role: str) -> str:
    """The text in a role's colours; bare in no role."""
    dress = _ROLES.get(role)
    return click.style(text, **dress) if text and dress else text  # type: ignore[arg-type]


def style(colored: bool) -> Style:
    """The style to use."""
    return dressed if colored else plain


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], spare: Sequence[str], columns: int | None, dress: Style
) -> Iterator[str]:
    """Rows under a header, as lines. Where `columns` are too few for all, the columns in `spare` go, the first first.

    Nothing is cut. A cell that names a state has its colour.
    """
    sizes = {title: max(width(row[index]) for row in (header, *rows)) for index, title in enumerate(header)}
    shown = list(header)
    for title in spare:
        if columns is None or sum(sizes[one] + 2 for one in shown) - 2 <= columns:
            break
        shown.remove(title)

    def line(cells: Sequence[str], role: Callable[[str], str]) -> str:
        pieces = []
        for title, cell in zip(header, cells, strict=True):
            if title in shown:
                pad = " " * (sizes[title] - width(cell)) if title != shown[-1] else ""
                pieces.append(dress(cell, role(cell)) + pad)
        return "  ".join(pieces).rstrip()

    yield line(header, lambda _: "end")
    for row in rows:
        yield line(row, lambda cell: ROLE_OF.get(cell, ""))


def facts(values: Mapping[str, str], columns: Callable[[], int] | None, dress: Style) -> Iterator[str]:
    """Names and values, one below the other; long values go on under themselves."""
    page = Page(columns)
    widest = max(map(width, values), default=0)
    for name, value in values.items():
        head = name + " " * (widest - width(name) + 2)
        role = ROLE_OF.get(value.split(",")[0], "")
        yield page.begin(head, look(dress, "note")) + page.add(value, look(dress, role))
