"""The model's answers: which one is under way, which one is owed, which one nobody is to hear, and what they cost.

The model answers one thing at a time and refuses a second order meanwhile; so an order waits here until it is free, and
until the caller has finished. Pure; `now` in seconds.
"""

from __future__ import annotations

from agenticd.core import realtime
from agenticd.core.effects import Effect, SendToModel
from agenticd.core.events import Usage

ORDER_ID = "answer"
"""The event_id of our orders to answer: an error that names it is about one of them."""
ALREADY_ACTIVE = "conversation_already_has_active_response"
FATAL = frozenset({"insufficient_quota", "rate_limit_exceeded", "session_expired", "invalid_api_key"})
"""Why an answer failed, where asking again would fail again."""
FAILURES = 2
"""So many failed answers in a row, and the model is of no use."""


class Answers:
    """The answers of one call."""

    def __init__(self) -> None:
        self.active: str | None = None
        """The answer that is under way."""
        self.muted: str | None = None
        """The answer that was interrupted, until it is done: nothing more of it is heard."""
        self.usage = Usage()
        self.since = 0.0
        """When the one that is under way began, or was ordered."""
        self._held = False
        """The caller speaks: nothing is ordered meanwhile."""
        self._ordered = False
        """An answer was ordered, and has not begun."""
        self._unwanted = False
        """It is to be stopped as soon as it begins."""
        self._instructions: str | None = None
        """What the last one was ordered to say; None: what the model wants."""
        self._owed: tuple[str | None, ...] = ()
        self._failures = 0

    @property
    def busy(self) -> bool:
        """One is under way, or about to be."""
        return self.active is not None or self._ordered

    def order(self, now: float, instructions: str | None = None) -> list[Effect]:
        """Have the model answer: now, or when it is free; with `instructions`, in place of the session's."""
        if self.busy or self._held:
            self._owed = (instructions,)
            return []
        self._ordered, self._instructions, self.since = True, instructions, now
        return [SendToModel(realtime.encode_response_create(instructions, ORDER_ID))]

    def hold(self) -> None:
        """The caller speaks."""
        self._held = True

    def release(self, now: float, *, answered: bool) -> list[Effect]:
        """The caller has stopped. `answered`: what they said is an order by itself, and covers what was owed."""
        self._held = False
        owed, self._owed = self._owed, ()
        return [] if answered or not owed else self.order(now, owed[0])

    def began(self, response_id: str, now: float) -> list[Effect]:
        """An answer is under way: the one that was ordered, or one of the model's own accord."""
        if not self._ordered:
            self._instructions = None
        self.active, self._ordered, self.since = response_id, False, now
        if not self._unwanted:
            return []
        self._unwanted, self.muted = False, response_id
        return [SendToModel(realtime.encode_response_cancel())]

    def refused(self, code: str, now: float) -> list[Effect] | None:
        """The order was refused. None: the model is of no use.

        As a rule the model had begun to answer of its own accord. Words that were to be said then are not wanted any
        more; an answer to what the model has been told since is, when that one is done.
        """
        instructions, self._instructions = self._instructions, None
        self._ordered = self._unwanted = False
        if code == ALREADY_ACTIVE:
            self._owed = (None,) if instructions is None else ()
            return []
        self._instructions = instructions
        return self.failed(code, now)

    def interrupt(self, *, stops_by_itself: bool) -> list[Effect]:
        """The caller interrupted: nothing more of what is under way, or about to be, is to be heard."""
        self._owed = ()
        if self.active is None:
            self._unwanted = self._ordered
            return []
        if self.muted == self.active:
            return []
        self.muted = self.active
        return [] if stops_by_itself else [SendToModel(realtime.encode_response_cancel())]

    def done(self, response_id: str, usage: Usage, now: float) -> list[Effect]:
        """An answer is complete, or was cut: give the order that was owed."""
        self.active = None
        if response_id == self.muted:
            self.muted = None
        self.usage += usage
        owed, self._owed = self._owed, ()
        return self.order(now, owed[0]) if owed else []

    def failed(self, code: str, now: float) -> list[Effect] | None:
        """The answer that was under way has failed: ask again. None: that would be of no use."""
        self._failures += 1
        if code in FATAL or self._failures >= FAILURES:
            return None
        return [] if self.busy else self.order(now, self._instructions)

    def succeeded(self) -> None:
        """The answer that is now done did not fail."""
        self._failures = 0
