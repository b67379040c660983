"""The stream token: proof that a media stream was offered by us, to this call, for this attempt, just now.

It travels in a <Parameter> of the TwiML and comes back in `start`, never in a URL: paths end up in access
logs. That it is used only once is the session's care; that Twilio speaks at all, signature.py's.
"""

from __future__ import annotations

import base64
import hmac

_DIGITS = 15  # of either number: far beyond any attempt and any second, far below what int() takes long for


def mint(key: bytes, call_id: str, attempt: int, expires: int) -> str:
    """A token for the call's nth stream, good until `expires` (seconds since 1970). Under 80 letters."""
    digest = hmac.digest(key, f"{call_id}|{attempt}|{expires}".encode(), "sha256")
    return f"{attempt}.{expires}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def check(key: bytes, token: str, call_id: str, now: float) -> int | None:
    """The attempt that the token was minted for; None if forged, of another call, or expired at `now`."""
    numbers = token.split(".")[:2]
    if len(numbers) < 2 or not all(_is_number(text) for text in numbers):
        return None
    attempt, expires = int(numbers[0]), int(numbers[1])
    # The whole text is compared: a token has one form only.
    genuine = hmac.compare_digest(mint(key, call_id, attempt, expires).encode(), token.encode("utf-8", "replace"))
    return attempt if genuine and now < expires else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS
