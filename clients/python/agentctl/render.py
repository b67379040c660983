"""Tables and colours for people. The only module that uses rich."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

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
    return Console(file=sys.stdout, color_system="standard" if colored else None, highlight=False, soft_wrap=False)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], colored: bool) -> None:
    """Rows under a header. A cell that names a state has its colour."""
    made = Table(box=None, pad_edge=False, header_style="bold" if colored else "")
    for title in header:
        made.add_column(title, no_wrap=True, overflow="fold" if title == "CALL" else "ellipsis")
    for row in rows:
        made.add_row(*(Text(cell, STATE_STYLES.get(cell, "") if colored else "") for cell in row))
    _console(colored).print(made)


def facts(values: Mapping[str, str], colored: bool) -> None:
    """Names and values, one on each line."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(style="dim" if colored else "")
    made.add_column(overflow="fold")
    for name, value in values.items():
        made.add_row(name, Text(value, STATE_STYLES.get(value, "") if colored else ""))
    _console(colored).print(made)


def styled(text: str, role: str) -> str:
    """The text in a role's colours, with the escapes in it."""
    console = Console(color_system="standard", force_terminal=True, highlight=False, width=10_000)
    with console.capture() as capture:
        console.print(Text(text, ROLE_STYLES.get(role, "")), end="", soft_wrap=True)
    return capture.get()
