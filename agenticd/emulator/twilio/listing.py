"""Lists of REST: their filters and their pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar
from urllib.parse import urlencode

from agenticd.emulator.twilio.call import Call
from agenticd.emulator.twilio.errors import RestError
from agenticd.emulator.twilio.recording import Recording

_MAX_PAGE = 1000
_PAGE = 50
_LONGEST = 9  # digits of a number


class Listed(Protocol):
    """Something that has a SID."""

    @property
    def sid(self) -> str:
        """It."""


T = TypeVar("T", bound=Listed)


def page(
    key: str, found: Sequence[T], shown_as: Callable[[T], dict[str, object]], path: str, query: Mapping[str, str]
) -> dict[str, object]:
    """The page of `found` that `query` asks for, as REST shows it under `key`.

    Raises:
        RestError: if it asks for no page.

    """
    size = _count(query, "PageSize", _PAGE)
    if not 1 <= size <= _MAX_PAGE:
        raise RestError(20001, f"PageSize is 1 to {_MAX_PAGE}, not {size}")
    number = _count(query, "Page", 0)
    # A page begins after the entry that its token names, so that new ones do not shift it.
    token = query.get("PageToken", "").removeprefix("PA")
    begin = number * size
    if token:
        begin = next((at + 1 for at, entry in enumerate(found) if entry.sid == token), len(found))
    shown = found[begin : begin + size]
    filters = {name: value for name, value in query.items() if name not in ("Page", "PageSize", "PageToken")}

    def uri(page_number: int, page_token: str = "") -> str:
        paging = {"PageSize": str(size), "Page": str(page_number)}
        return f"{path}?{urlencode({**filters, **paging, **({'PageToken': page_token} if page_token else {})})}"

    more = begin + size < len(found)
    return {
        key: [shown_as(entry) for entry in shown],
        "page": number,
        "page_size": size,
        "start": begin,
        "end": max(begin, begin + len(shown) - 1),
        "uri": uri(number, query.get("PageToken", "")),
        "first_page_uri": uri(0),
        "next_page_uri": uri(number + 1, f"PA{shown[-1].sid}") if more else None,
        "previous_page_uri": uri(number - 1) if number > 0 else None,
    }


def calls(known: Iterable[Call], query: Mapping[str, str], at: float | None) -> list[Call]:
    """The calls that a list's filters mean, as they were at a time, newest first.

    Raises:
        RestError: if a filter is no such thing.

    """
    found = [call for call in known if (at is None or call.created <= at) and _matches(call, query, at)]
    found.reverse()
    return found


def recordings(known: Iterable[Recording], query: Mapping[str, str]) -> list[Recording]:
    """The recordings that a list's filters mean, newest first.

    Raises:
        RestError: if a filter is no such thing.

    """
    found = [
        recording
        for recording in known
        if query.get("CallSid", recording.call.sid) == recording.call.sid
        and not query.get("ConferenceSid")
        and _in_time(query, "DateCreated", recording.started)
    ]
    found.reverse()
    return found


def _matches(call: Call, query: Mapping[str, str], at: float | None) -> bool:
    seen = call.seen(at)
    texts = {
        "To": call.to,
        "From": call.from_,
        "Status": seen.status,
        "ParentCallSid": call.parent.sid if call.parent is not None else None,
    }
    for name, value in texts.items():
        if query.get(name) and query[name] != value:
            return False
    return all(_in_time(query, name, time) for name, time in (("StartTime", seen.started), ("EndTime", seen.ended)))


def _in_time(query: Mapping[str, str], name: str, at: float | None) -> bool:
    """Whether a time passes `name`, `name<` and `name>`. A call without that time passes none of them."""
    rules: Mapping[str, Callable[[float, float, float], bool]] = {
        "": lambda time, begin, end: begin <= time < end,
        "<": lambda time, begin, end: time < end,
        ">": lambda time, begin, end: time >= begin,
    }
    for suffix, holds in rules.items():
        text = query.get(name + suffix)
        if text and (at is None or not holds(int(at), *_span(name + suffix, text))):
            return False
    return True


def _span(name: str, text: str) -> tuple[float, float]:
    """A day or a second, in UTC, as the time in s since 1970 when it begins and when it is over."""
    for layout, length in (("%Y-%m-%d", timedelta(days=1)), ("%Y-%m-%dT%H:%M:%SZ", timedelta(seconds=1))):
        try:
            begin = datetime.strptime(text, layout).replace(tzinfo=UTC)
        except ValueError:
            continue
        return begin.timestamp(), (begin + length).timestamp()
    raise RestError(20001, f"{name} is YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ, not {text!r}")


def _count(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or len(text) > _LONGEST:
        raise RestError(20001, f"{name} is a number, not {text[:40]!r}")
    return int(text)
