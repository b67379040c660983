"""What a call performs next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from agenticd.emulator.twilio.call import Kind
from agenticd.emulator.twilio.twiml import Document, Hangup, Method, Say


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask a URL for the next document."""

    kind: Kind
    url: str
    method: Method = "POST"
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inline:
    """A document given as text."""

    text: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """Nothing: the call ends."""


SORRY = Document((Say("We are sorry, an application error has occurred. Goodbye."), Hangup()))
"""What is performed where no document can be had, from the fallback URL neither."""

Step: TypeAlias = Fetch | Inline | Document
Next: TypeAlias = Step | HangUp | None
"""What follows a verb; None: the next one."""
