"""The fault matrix in docs/guarantees.md, made from the rows that tests/e2e/test_dial_faults.py plays.

python -m tools.fault_matrix     rewrites the matrix; a test fails while it is stale
"""

from __future__ import annotations

from pathlib import Path

from tests.e2e.dial_faults import ROWS, Row

DOCUMENT = Path(__file__).resolve().parent.parent / "docs/guarantees.md"
BEGIN = "<!-- made by `python -m tools.fault_matrix` from tests/e2e/dial_faults.py -->\n"
END = "<!-- end -->\n"


def matrix() -> str:
    """One line for each row, in its order."""
    lines = [
        "| hop | fault | the person called | the subscriber | the operator | dials | test |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in ROWS.items():
        dials = f"at most {row.calls}" if row.dials < 0 else str(row.dials)
        cells = (row.hop, row.fault, row.hears, _subscriber(row), _operator(row), dials, f"`{name}`")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _subscriber(row: Row) -> str:
    ends = " or ".join(f"`{end}`" for end in sorted(row.ends))
    code = f", `carrier_code` {row.carrier_code}" if row.carrier_code else ""
    resumes = "; the stream breaks, and goes on behind the cursor" if row.killed_at else ""
    return ends + code + resumes


def _operator(row: Row) -> str:
    seen = ["a restart, `recovered_calls`"] if row.killed_at else []
    if row.warned:
        seen.append("warning `DIAL_UNANSWERED`")
    if (
        row.rest.create
        or row.rest.update
        or row.rest.list
        or row.rest.create_delay > 3
        or row.rest.create_answer_delay > 3
    ):
        seen.append("`agenticd_twilio_requests_total` by code")
    return "; ".join(seen) or "nothing"


def replaced(text: str) -> str:
    """The document with the matrix as it must be. Raises ValueError where its marks are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no place for the matrix, between {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}{matrix()}{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(replaced(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
