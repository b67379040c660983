"""A page of the account's calls: filters and paging of `GET Calls.json`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from agenticd.emulator.twilio.call import Call
from agenticd.emulator.twilio.errors import RestError

_MAX_PAGE = 1000
_PAGE = 50


def page(calls: Iterable[Call], path: str, query: Mapping[str, str]) -> dict[str, object]:
    """The page of `calls` that `query` asks for, newest first, as REST shows it.

    Raises:
        RestError: if a filter or a page is no such thing.

    """
    size = _count(query, "PageSize", _PAGE)
    if not 1 <= size <= _MAX_PAGE:
        raise RestError(20001, f"PageSize is 1 to {_MAX_PAGE}, not {size}")
    number = _count(query, "Page", 0)
    found = [call for call in calls if _matches(call, query)]
    found.reverse()
    # A page begins after the call that its token names, so that new calls do not shift it.
    token = query.get("PageToken", "").removeprefix("PA")
    begin = number * size
    if token:
        begin = next((at + 1 for at, call in enumerate(found) if call.sid == token), len(found))
    shown = found[begin : begin + size]
    filters = {name: value for name, value in query.items() if name not in ("Page", "PageSize", "PageToken")}

    def uri(page_number: int, page_token: str = "") -> str:
        paging = {"PageSize": str(size), "Page": str(page_number)}
        return f"{path}?{urlencode({**filters, **paging, **({'PageToken': page_token} if page_token else {})})}"

    more = begin + size < len(found)
    return {
        "calls": [call.resource() for call in shown],
        "page": number,
        "page_size": size,
        "start": begin,
        "end": max(begin, begin + len(shown) - 1),
        "uri": uri(number, query.get("PageToken", "")),
        "first_page_uri": uri(0),
        "next_page_uri": uri(number + 1, f"PA{shown[-1].sid}") if more else None,
        "previous_page_uri": uri(number - 1) if number > 0 else None,
    }


def _matches(call: Call, query: Mapping[str, str]) -> bool:
    texts = {"To": call.to, "From": call.from_, "Status": call.rest_status, "ParentCallSid": None}
    for name, value in texts.items():
        if query.get(name) and query[name] != value:
            return False
    return all(_in_time(query, name, at) for name, at in (("StartTime", call.started), ("EndTime", call.ended_at)))


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
    if not text.isdecimal():
        raise RestError(20001, f"{name} is a number, not {text!r}")
    return int(text)
