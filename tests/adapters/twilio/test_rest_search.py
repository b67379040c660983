"""Calls of Twilio's are looked up by their id, and found by numbers and time."""

from __future__ import annotations

import pytest
from aiohttp import web

from agenticd.core.errors import CarrierUnanswered
from agenticd.service.ports import CarrierCall
from tests.adapters.twilio.fake import (
    CALLS,
    CREATED,
    OURS,
    SEEN,
    SID,
    THEIRS,
    call,
    error,
    page,
)


async def test_a_call_is_looked_up_by_its_id(twilio, carrier):
    twilio.answers += [web.json_response(call(status="in-progress")), error(20404, 404)]
    assert await carrier.look_up(SID) == CarrierCall(SID, "in-progress", CREATED, THEIRS, OURS)
    assert await carrier.look_up(SID) is None
    assert {(asked.method, asked.path) for asked in twilio.asked} == {("GET", f"{CALLS}/{SID}.json")}


async def test_a_date_that_is_none_is_long_ago(twilio, carrier):
    twilio.answers.append(web.json_response(call(date_created="yesterday")))
    seen = await carrier.look_up(SID)
    assert seen is not None
    assert seen.created == 0


def at(second: int, sid: str) -> dict[str, object]:
    return call(sid=sid, date_created=f"Sun, 22 Nov 2026 14:00:{second:02d} +0000")


async def test_calls_are_found_by_numbers_and_time_over_pages(twilio, carrier):
    more = f"{CALLS}.json?To=%2B15552223333&PageSize=50&Page=1&PageToken=PA{SID}"
    twilio.answers += [
        web.json_response(page(at(9, "CA4"), at(8, "CA3"), next_page_uri=more)),
        web.json_response(page(at(5, "CA2"), at(3, "CA1"), next_page_uri=more.replace("=1&", "=2&"))),
        web.json_response(page(at(2, "CA0"), next_page_uri=more.replace("=1&", "=3&"))),
    ]
    # Twilio cuts to the second: what was created at 5.9 is shown as 5.
    found = await carrier.find(THEIRS, OURS, since=CREATED + 0.9)
    assert [seen.carrier_call_id for seen in found] == ["CA4", "CA3", "CA2"]
    first, second, third = twilio.asked
    assert sorted(first.query) == [("From", OURS), ("PageSize", "50"), ("To", THEIRS)]
    assert ("PageToken", f"PA{SID}") in second.query
    assert ("To", THEIRS) in second.query
    assert ("Page", "2") in third.query


async def test_a_search_ends_with_the_last_page(twilio, carrier):
    twilio.answers += [web.json_response(page()), web.json_response(page(call()))]
    assert await carrier.find(THEIRS, OURS, since=0) == []
    assert await carrier.find(THEIRS, OURS, since=0) == [SEEN]


async def test_the_urls_that_were_asked_for_a_call(twilio, carrier):
    asked = [{"request": {"method": "POST", "url": f"https://voice.example.com/{n}"}, "response": {}} for n in (1, 2)]
    body = {"events": asked, "page": 0, "page_size": 50, "next_page_uri": None, "uri": "/"}
    twilio.answers += [web.json_response(body), web.json_response(body | {"events": [{"request": None}]})]
    assert await carrier.requested(SID) == ["https://voice.example.com/1", "https://voice.example.com/2"]
    assert (twilio.asked[0].method, twilio.asked[0].path) == ("GET", f"{CALLS}/{SID}/Events.json")
    with pytest.raises(CarrierUnanswered, match="not understood"):
        await carrier.requested(SID)


async def test_a_search_without_end_is_ended(twilio, carrier):
    again = f"{CALLS}.json?Page=1"
    twilio.answers += [web.json_response(page(call(), next_page_uri=again)) for _ in range(100)]
    assert len(await carrier.find(THEIRS, OURS, since=0)) == 20


async def test_the_credentials_go_nowhere_else(twilio, carrier):
    elsewhere = {"meta": {"key": "calls", "next_page_url": "https://example.com/"}, "calls": [call()]}
    twilio.answers.append(web.json_response(elsewhere))
    with pytest.raises(CarrierUnanswered, match="another address"):
        await carrier.find(THEIRS, OURS, since=0)
