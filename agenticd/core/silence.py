"""How long nobody has spoken: when to ask whether the caller is still there, and when to give the call up. Pure.

Times in seconds; a limit of 0 is off.
"""

from __future__ import annotations

import enum


class Verdict(enum.Enum):
    """What a silence calls for."""

    CHECK_IN = "check in"
    HANG_UP = "hang up"


class Silence:
    """The silence of both sides in one call."""

    def __init__(self, check_in_after: float, hang_up_after: float) -> None:
        self._check_in_after, self._hang_up_after = check_in_after, hang_up_after
        self._since = 0.0
        self._asked = False

    def sign(self, now: float) -> None:
        """The caller spoke or pressed a key, or a stream brought them back."""
        self._since, self._asked = now, False

    def due(self, agent_until: float) -> float | None:
        """When the silence will have lasted too long, the agent having spoken until then. None: never."""
        limit = self._hang_up_after if self._asked or not self._check_in_after else self._check_in_after
        return max(self._since, agent_until) + limit if limit else None

    def verdict(self, now: float) -> Verdict:
        """It has lasted too long: what now. The question is asked once in a silence, which then lasts on from there."""
        if self._asked or not self._check_in_after:
            return Verdict.HANG_UP
        self._asked, self._since = True, now
        return Verdict.CHECK_IN
