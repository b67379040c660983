"""Tables and colours for people. The only module that uses rich."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

STATE_STYLES = {
    "QUEUED": "cyan",
    "DIALING": "cyan",
    "UNCONFIRMED": "yellow",
    "RINGING": "cyan",
    "IN_PROGRESS": "green",
    "ENDING": "yellow",
    "ENDED": "dim",
}
ROLE_STYLES = {"caller": "bold cyan", "agent": "bold green", "note": "dim", "end": "bold"}


def _console(colored: bool) -> Console:
    # What is not a terminal has no width: nothing is cut there.
    width = None if sys.stdout.isatty() else 100_000
    return Console(
        file=sys.stdout,
        color_system="standard" if colored else None,
        force_terminal=colored,
        highlight=False,
        width=width,
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]], spare: Sequence[str], colored: bool) -> None:
    """Rows under a header. Where it is too narrow for all, the columns in `spare` go, the first first.

    A cell that names a state has its colour.
    """
    console = _console(colored)
    widths = {title: max(len(row[index]) for row in (header, *rows)) for index, title in enumerate(header)}
    shown = list(header)
    for title in spare:
        if sum(widths[one] + 2 for one in shown) - 2 <= console.width:
            break
        shown.remove(title)
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold" if colored else "")
    for title in shown:
        made.add_column(title, no_wrap=True)
    for row in rows:
        cells = [cell for title, cell in zip(header, row, strict=True) if title in shown]
        made.add_row(*(Text(cell, STATE_STYLES.get(cell, "") if colored else "") for cell in cells))
    console.print(made)


def facts(values: Mapping[str, str], colored: bool) -> None:
    """Names and values, one on each line."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(style="dim" if colored else "")
    made.add_column(overflow="fold")
    for name, value in values.items():
        made.add_row(Text(name), Text(value, STATE_STYLES.get(value, "") if colored else ""))
    _console(colored).print(made)


def styled(text: str, role: str) -> str:
    """The text in a role's colours, with the escapes in it."""
    console = Console(color_system="standard", force_terminal=True, highlight=False, width=10_000)
    with console.capture() as capture:
        console.print(Text(text, ROLE_STYLES.get(role, "")), end="", soft_wrap=True)
    return capture.get()
