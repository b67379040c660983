"""The table of faults in docs/emulator.md, made from the emulator's vocabulary.

python -m tools.faults     rewrites the table; a test fails while it is stale
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any, get_args

from agenticd.emulator.faultbook import Setting, settings
from agenticd.emulator.plain import hints

DOCUMENT = Path(__file__).resolve().parent.parent / "docs/emulator.md"
BEGIN = "<!-- made by `python -m tools.faults` from agenticd/emulator/faultbook.py -->\n"
END = "<!-- end -->\n"


def table() -> str:
    """Markdown: the settings, what they take, and what they do. What several things have alike is one row."""
    grouped: dict[tuple[type, str], list[Setting]] = {}
    for setting in settings():
        grouped.setdefault((setting.owner, setting.name), []).append(setting)
    lines = ["| fault | values | default | what it is |", "|---|---|---|---|"]
    for alike in grouped.values():
        first = alike[0]
        names = ", ".join(f"`{setting.path}`" for setting in alike)
        lines.append(f"| {names} | {first.form} | `{first.default}` | {_about(first)} |")
    return "\n".join(lines) + "\n"


def replaced(text: str) -> str:
    """The document with the table as it must be. Raises ValueError where its marks are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no place for the table, between {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}{table()}{END}{after}"


def _about(setting: Setting) -> str:
    """What the source says of a setting, and of its parts; of what has neither, what its type says of itself."""
    own = _said(setting.owner).get(setting.name, "")
    inner = _dataclass_in(hints(setting.owner)[setting.name])
    if inner is None:
        return own
    parts = "; ".join(f"`{name}`: {_lowered(text)}" for name, text in _said(inner).items())
    return " ".join(filter(None, (own or _one_line(inspect.getdoc(inner) or ""), parts)))


def _dataclass_in(hint: Any) -> type | None:
    for each in (hint, *get_args(hint)):
        if isinstance(each, type) and hasattr(each, "__dataclass_fields__"):
            return each
    return None


def _said(owner: type) -> dict[str, str]:
    """The texts below a class's fields. Fields that share one have it from the last of them."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = _one_line(text)
    return found


def _one_line(text: str) -> str:
    return re.sub(r"\bNone\b", "none", " ".join(text.split())).replace("|", "\\|")


def _lowered(text: str) -> str:
    return (text[:1].lower() + text[1:]).rstrip(".")


if __name__ == "__main__":
    DOCUMENT.write_text(replaced(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
