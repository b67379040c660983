"""Keys that the caller presses, gathered until they are a whole: a pause, or #. Pure; times in seconds."""

from __future__ import annotations

PAUSE = 1.5
"""From the last key to the end of what is being typed."""
_LONGEST = 64


class Keypad:
    """What the caller is typing."""

    def __init__(self) -> None:
        self.due: float | None = None
        """When what was typed is whole. None: nothing was."""
        self.entries = 0
        """How many there have been."""
        self._keys = ""

    def press(self, key: str, now: float) -> None:
        """One more key."""
        self._keys = (self._keys + key)[-_LONGEST:]
        self.due = now if key == "#" else now + PAUSE

    def take(self) -> str:
        """What was typed, as words for the model; the next key begins something new."""
        keys, self._keys, self.due = self._keys, "", None
        self.entries += 1
        return f"The caller pressed these keys of the telephone: {' '.join(keys)}"
