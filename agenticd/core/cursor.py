"""A reader's position in the log: its text form `epoch:revision`, and whether a log can go on from there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agenticd.core.errors import Compacted, InvalidArgument, LogReplaced

MAX_REVISION = 2**63 - 1
_FORM = re.compile(r"([^\s:]+):(0|[1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last revision that a reader has, and the log that it is of."""

    epoch: str
    revision: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.revision}"


def parse(text: str) -> Cursor:
    """The cursor that the text is. White space around it does not count. Raises InvalidArgument."""
    match = _FORM.fullmatch(text.strip())
    if match is None or int(match[2]) > MAX_REVISION:
        raise InvalidArgument.at(
            "cursor", f"must be epoch:revision, for example 5f0c2a19d3b84e67:1042; not {text!r:.80}"
        )
    return Cursor(match[1], int(match[2]))


def check(after: int | None, epoch: str, *, log_epoch: str, first_revision: int, head: int) -> int:
    """The revision after which to read. `after`: None is the head, 0 is before the oldest revision kept.

    `epoch` is empty when the subscriber has none. Raises LogReplaced; InvalidArgument for a revision that is
    negative or in the future; Compacted when revisions after `after` are gone, so below first_revision - 1.
    """
    if epoch and epoch != log_epoch:
        raise LogReplaced(log_epoch)
    if after is None:
        return head
    if after < 0:
        raise InvalidArgument.at("after_revision", f"must be 0 or more; not {after}")
    if after > head:
        advice = f"must be at most {head}, the newest revision; {after} lies in the future"
        raise InvalidArgument.at("after_revision", advice)
    if after == 0:
        return first_revision - 1
    if after < first_revision - 1:
        raise Compacted(after, first_revision)
    return after
