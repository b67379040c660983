"""A reader's place in the event log, to be stored and resumed from."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORM = re.compile(r"([^\s:]+):(0|[1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last revision that was read, and the log's epoch. As text: epoch:revision."""

    epoch: str
    revision: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.revision}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """The cursor that the text is. Raises ValueError."""
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"a cursor is epoch:revision, for example 5f0c2a19d3b84e67:1042; not {text.strip()!r}")
        return cls(match[1], int(match[2]))
