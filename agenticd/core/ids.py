"""What things are called: call ids (ULIDs) and how a person's text is told from one.

Pure: time and randomness are arguments.
"""

from __future__ import annotations

from typing import NewType

CallId = NewType("CallId", str)
"""Our id of a call: a ULID, 26 characters of Crockford's base 32, sortable by its first 48 bits, the time."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 26
_TIME_LENGTH = 10
RANDOM_BYTES = 10


def new_call_id(wall: float, randomness: bytes) -> CallId:
    """A call id from wall-clock seconds since 1970 and 10 random bytes."""
    if len(randomness) != RANDOM_BYTES:
        raise AssertionError(f"a ULID takes {RANDOM_BYTES} random bytes, not {len(randomness)}")
    number = (int(wall * 1000) << 80) | int.from_bytes(randomness, "big")
    return CallId("".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5)))


def created_of(call_id: CallId) -> float:
    """When the call was created, in seconds since 1970, to the millisecond: what `new_call_id` was given."""
    number = 0
    for char in call_id[:_TIME_LENGTH]:
        number = number << 5 | _ALPHABET.index(char)
    return number / 1000


def parse_call_id(text: str) -> CallId | None:
    """The call id that the text is, in capitals, or None. A ULID's first character is at most 7 (128 bits)."""
    upper = text.upper()
    if len(upper) != _LENGTH or upper[0] > "7" or any(char not in _ALPHABET for char in upper):
        return None
    return CallId(upper)
