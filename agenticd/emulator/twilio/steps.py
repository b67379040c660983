"""What a call performs next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from agenticd.emulator.twilio.call import Kind
from agenticd.emulator.twilio.twiml import Document, Method


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


Step: TypeAlias = Fetch | Inline | Document
Next: TypeAlias = Step | HangUp | None
"""What follows a verb; None: the next one."""
