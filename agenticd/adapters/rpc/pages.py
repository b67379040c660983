"""The tokens of ListCalls: where the next page begins, bound to the filter of the page before.

A token is not a secret and grants nothing; it is opaque so that what is in it may change.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import struct

from agenticd.core.events import CallState, Direction
from agenticd.core.ids import CallId, parse_call_id

# Form, filter, create_time, call_id.
_TOKEN = struct.Struct(">B8sd26s")
_FORM = 1


def write_token(after: tuple[float, CallId], states: frozenset[CallState], direction: Direction | None) -> str:
    """The token for the page that begins after this (create_time, call_id)."""
    create_time, call_id = after
    data = _TOKEN.pack(_FORM, _digest(states, direction), create_time, call_id.encode())
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def read_token(token: str, states: frozenset[CallState], direction: Direction | None) -> tuple[float, CallId] | None:
    """What was written, or None if the token is not ours or belongs to another filter."""
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        form, digest, create_time, raw_id = _TOKEN.unpack(data)
        call_id = parse_call_id(raw_id.decode("ascii"))
    except (binascii.Error, struct.error, ValueError):
        return None
    if form != _FORM or digest != _digest(states, direction) or call_id is None or not math.isfinite(create_time):
        return None
    return create_time, call_id


def _digest(states: frozenset[CallState], direction: Direction | None) -> bytes:
    names = [*sorted(state.value for state in states), "/", direction.value if direction else ""]
    return hashlib.sha256(" ".join(names).encode()).digest()[:8]
