"""Twilio's debugger: what went wrong, as Twilio tells its customers, by error code."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["error", "warning", "emulator"]

NOT_BUILT = 0
"""Not a code of Twilio's: the emulator says that it cannot do what it was asked."""

_WARNINGS = frozenset(
    [12200, 13210, 13212, 13213, 13214, 13215, 13216, 13217, 13218, 13221, 13222, 13223, 13250, 13256, 13310, 13311]
    + [13312, 13313, 13314, 13320, 13322, 13326, 13327, 13332, 13410, 13430, 13510, 13520, 13521, 13610, 13611]
    + [13612, 13613, 13616, 13699, 13710, 13810, 13910, 20001, 21626, 31930, 31931, 31950, 31951]
)
_KEEP = 10_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Notice:
    """One entry of the debugger; `at` is in s since 1970, `call_sid` empty where no call is concerned."""

    code: int
    level: Level
    call_sid: str
    text: str
    at: float


class Debugger(list[Notice]):
    """The notices, oldest first; the last 10,000 are kept."""

    def note(self, code: int, call_sid: str, text: str) -> None:
        """Add a notice; its level follows from the code."""
        level: Level = "emulator" if code == NOT_BUILT else "warning" if code in _WARNINGS else "error"
        self.append(Notice(code, level, call_sid, text, time.time()))
        del self[:-_KEEP]
        _log.info("notice", extra={"code": code, "level": level, "call_sid": call_sid, "text": text})

    def codes(self, call_sid: str | None = None) -> list[int]:
        """The codes in order, of one call or of all."""
        return [notice.code for notice in self if call_sid in (None, notice.call_sid)]
