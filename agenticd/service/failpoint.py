"""The points at which a test may have the daemon killed: before and after all that must last, or that is done once.

Names only, for whoever sets the trap (config) and whoever springs it (adapters/host). None of them is on the way of an
audio frame.
"""

from __future__ import annotations

from collections.abc import Callable

from agenticd.core.events import KINDS

Reach = Callable[[str], None]
"""Told the name of each point that is passed, from the loop's thread or the log writer's."""

STEPS = (
    *KINDS.values(),
    "amend",  # a change of the call's row without an event
    "commit",  # of the log, in the writer's thread
    "dial",
    "look_up",
    "hang_up",
    "open_model",
)
POINTS = frozenset(f"{side}_{step}" for step in STEPS for side in ("before", "after")) | {"before_answer"}
"""The last: a call is durable, and who placed it was not told yet."""
