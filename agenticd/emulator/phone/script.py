"""What a person will do with a call, written down before it: do they answer, what do they say and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

KEYS = frozenset("0123456789*#")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing the caller does: exactly one of `say`, `audio`, `press` and `hang_up`.

    `say` is a text for the caller's voice, `audio` mu-law at 8 kHz, `press` keys of the telephone.
    It begins, by `after`: "agent": when the agent has spoken since the caller last did, and has then been
    silent for `pause` s; "time": `pause` s after the previous line (the first: after the answer);
    "over": `pause` s into the agent's speech, while it lasts; "words": when the agent has said `words` (any case and
    punctuation) since the caller's last line began, and has then been silent for `pause` s.

    Raises:
        ValueError: if none or more than one of the four is given, or one of them makes no sense.

    """

    say: str | None = None
    audio: bytes | None = None
    press: str | None = None
    hang_up: bool = False
    after: Literal["agent", "time", "over", "words"] = "agent"
    pause: float = 0.5
    words: str = ""

    def __post_init__(self) -> None:
        given = [self.say is not None, self.audio is not None, self.press is not None, self.hang_up]
        if sum(given) != 1:
            raise ValueError("a Line is one of say, audio, press and hang_up: give exactly one")
        if self.press is not None and not (self.press and set(self.press) <= KEYS):
            raise ValueError(f"press is one or more of 0-9, * and #, not {self.press!r}")
        if (self.after == "words") != bool(self.words):
            raise ValueError("words are given where, and only where, the line waits for them")
        if self.pause < 0:
            raise ValueError(f"pause is seconds, 0 or more, not {self.pause}")


@dataclass(frozen=True, slots=True)
class PhoneScript:
    """A person's part in one call.

    `ring` is the time in s until they answer, or until the network says busy or failed; "no-answer" rings on
    until the carrier gives up. `at_end` is what they do when the last line is done. `noise` (mu-law, looped)
    is what their telephone sends between lines; empty: digital silence. `understands` gives the words of what the agent
    said (mu-law), None for what they do not know: who waits for words needs it.
    """

    outcome: Literal["answer", "busy", "no-answer", "failed"] = "answer"
    ring: float = 1.0
    lines: tuple[Line, ...] = ()
    at_end: Literal["stay", "hang_up"] = "stay"
    noise: bytes = b""
    understands: Callable[[bytes], str | None] | None = None

    def __post_init__(self) -> None:
        if self.ring < 0:
            raise ValueError(f"ring is seconds, 0 or more, not {self.ring}")
