"""The diagram of a call's states in docs/architecture.md, made from the table in agenticd/core/transitions.py.

python -m tools.diagram     rewrites the diagram; a test fails while it is stale
"""

from __future__ import annotations

from pathlib import Path

from agenticd.core.events import CallState
from agenticd.core.transitions import TRANSITIONS

DOCUMENT = Path(__file__).resolve().parent.parent / "docs/architecture.md"
BEGIN = "<!-- made by `python -m tools.diagram` from agenticd/core/transitions.py -->\n```mermaid\n"
END = "```\n<!-- end -->\n"
_FIRST = {CallState.QUEUED: "PlaceCall", CallState.RINGING: "a phone calls"}


def diagram() -> str:
    """The states in mermaid. Triggers that lead the same way share an arrow."""
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {state.value}: {why}" for state, why in _FIRST.items()]
    for state, row in TRANSITIONS.items():
        targets: dict[CallState, list[str]] = {}
        for trigger, target in row.items():
            targets.setdefault(target, []).append(trigger.value)
        for target, triggers in targets.items():
            lines.append(f"    {state.value} --> {target.value}: {', '.join(triggers)}")
        if not row:
            lines.append(f"    {state.value} --> [*]")
    return "\n".join(lines) + "\n"


def replaced(text: str) -> str:
    """The document with the diagram as it must be. Raises ValueError where its marks are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no place for the diagram, between {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}{diagram()}{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(replaced(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
