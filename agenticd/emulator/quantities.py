"""Times, rates and shares as people write them: `500ms`, `64k`, `2%`. What a setting means is not known here."""

from __future__ import annotations

import math
import re
from typing import Annotated, TypeAlias

RATE = "bits per second"
SHARE = "share"

BitsPerSecond: TypeAlias = Annotated[float, RATE]
Share: TypeAlias = Annotated[float, SHARE]
"""0 to 1."""

NEVER = math.inf
"""A time that does not come."""

_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_SCALES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


def seconds(given: object) -> float:
    """A length of time. ValueError if it is none."""
    if given == "never":
        return NEVER
    found = _matched(given, rf"{_NUMBER}\s*(ms|s|min|m|h|)")
    if found is None:
        raise ValueError("a time is seconds, or 500ms, 2s, 1m, or never")
    return float(found[1]) * _UNITS[found[2]]


def milliseconds(given: object) -> int:
    """A length of time in whole ms; a number alone is ms. ValueError if it is none."""
    found = _matched(given, r"(\d+)")
    if found is not None:
        return int(found[1])
    try:
        return round(seconds(given) * 1000)
    except (ValueError, OverflowError):
        raise ValueError("a time is milliseconds, or 500ms or 2s") from None


def rate(given: object) -> float:
    """Bits per second. ValueError if they are none."""
    found = _matched(given, rf"{_NUMBER}\s*([kMG]?)(?:bit/s|bit|)")
    if found is None:
        raise ValueError("a rate is bits per second, or 64k, 1M")
    return float(found[1]) * _SCALES[found[2]]


def share(given: object) -> float:
    """A share. ValueError if it is none."""
    found = _matched(given, rf"{_NUMBER}\s*(%?)")
    if found is None:
        raise ValueError("a share is a number of 0 to 1, or 2%")
    return float(found[1]) / (100 if found[2] else 1)


def show_seconds(value: float) -> str:
    """As `seconds` reads it."""
    if value == NEVER:
        return "never"
    return f"{round(value * 1000, 6):g}ms" if 0 < value < 1 else f"{value:g}s"


def _matched(given: object, pattern: str) -> re.Match[str] | None:
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    text = given.strip() if isinstance(given, str) else repr(given)
    return re.fullmatch(pattern, text)
