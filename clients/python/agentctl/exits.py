"""How agentctl ends: every exit code there is."""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    """Exit codes. Scripts branch on them, so none ever changes its meaning."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    PRECONDITION = 4
    UNREACHABLE = 5
    DENIED = 6
    TIMEOUT = 7
    CURSOR = 8
    NOT_ANSWERED = 9
    INTERRUPTED = 130
    PIPE_CLOSED = 141


class Failure(Exception):
    """A command failed: what is said on stderr, what to do about it, and the exit code.

    `data` is what `-o json` says instead: code, reason, message, metadata.
    """

    def __init__(
        self, exit_code: Exit, messages: list[str], hint: str = "", data: dict[str, object] | None = None
    ) -> None:
        super().__init__("; ".join(messages))
        self.exit_code = exit_code
        self.messages = messages
        self.hint = hint
        self.data = data or {"code": "", "reason": "", "message": "; ".join(messages), "metadata": {}}
