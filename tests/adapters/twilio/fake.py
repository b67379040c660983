"""A server that speaks the JSON of Twilio's REST API, and what it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from agenticd.adapters.twilio.transport import Config
from agenticd.core.ids import CallId
from agenticd.service.ports import CarrierCall, DialOrder

ACCOUNT = "AC00112233445566778899aabbccddeeff"
TOKEN = "very-secret-token"
SID = "CAfedcba9876543210fedcba9876543210"
CALLS = f"/2010-04-01/Accounts/{ACCOUNT}/Calls"
OURS, THEIRS = "+15550001111", "+15552223333"
ORDER = DialOrder(
    call_id=CallId("01JD3XKQ8Y0000000000000000"),
    to_address=THEIRS,
    from_address=OURS,
    ring_timeout=29.6,
    voice_url="https://voice.example.com/twilio/voice/01JD",
    status_url="https://voice.example.com/twilio/status/01JD",
    fallback_url="https://voice.example.com/twilio/resume/01JD",
)
CREATED = 1_795_356_005.0  # Sun, 22 Nov 2026 14:00:05 GMT
NOW = 1_795_356_100.0


def call(**changes: object) -> dict[str, object]:
    """The Call as Twilio shows it."""
    return {
        "sid": SID,
        "date_created": "Sun, 22 Nov 2026 14:00:05 +0000",
        "date_updated": None,
        "parent_call_sid": None,
        "account_sid": ACCOUNT,
        "to": THEIRS,
        "to_formatted": "(555) 222-3333",
        "from": OURS,
        "from_formatted": "(555) 000-1111",
        "phone_number_sid": "PN00112233445566778899aabbccddeeff",
        "status": "queued",
        "start_time": None,
        "end_time": None,
        "duration": None,
        "price": None,
        "price_unit": "USD",
        "direction": "outbound-api",
        "answered_by": None,
        "api_version": "2010-04-01",
        "forwarded_from": None,
        "group_sid": None,
        "caller_name": None,
        "queue_time": "0",
        "trunk_sid": None,
        "uri": f"{CALLS}/{SID}.json",
        "subresource_uris": {"events": f"{CALLS}/{SID}/Events.json"},
        **changes,
    }


def page(*calls: dict[str, object], next_page_uri: str | None = None) -> dict[str, object]:
    """A page of Calls as Twilio shows it."""
    return {
        "calls": list(calls),
        "first_page_uri": f"{CALLS}.json?PageSize=50&Page=0",
        "next_page_uri": next_page_uri,
        "previous_page_uri": None,
        "page": 0,
        "page_size": 50,
        "start": 0,
        "end": len(calls),
        "uri": f"{CALLS}.json",
    }


def error(code: int, status: int, message: str = "No.") -> web.Response:
    """An error as Twilio explains it."""
    body = {"code": code, "message": message, "more_info": f"https://twilio.com/{code}", "status": status}
    return web.json_response(body, status=status)


SEEN = CarrierCall(SID, "queued", CREATED, THEIRS, OURS)
Answer = web.StreamResponse | Callable[[web.Request], Any]


@dataclass
class Asked:
    """One request that came."""

    method: str
    path: str
    query: list[tuple[str, str]]
    form: list[tuple[str, str]]
    headers: dict[str, str]


@dataclass
class FakeTwilio:
    """Gives the answers that a test laid out, in order, and keeps what it was asked."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        form = [(name, str(value)) for name, value in (await request.post()).items()]
        query = list(request.query.items())
        self.asked.append(Asked(request.method, request.path, query, form, dict(request.headers)))
        answer = self.answers.pop(0)
        if isinstance(answer, web.StreamResponse):
            return answer
        result: web.StreamResponse = await answer(request)
        return result


class TestClock:
    """A wall that stands, and no chance."""

    __test__ = False

    def monotonic(self) -> float:
        return 0.0

    def elapsed(self) -> float:
        return 0.0

    def wall(self) -> float:
        return NOW

    def call_at(self, when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        raise AssertionError("the carrier sets no timers")

    def randomness(self, size: int) -> bytes:
        return bytes(size)


def config(twilio: FakeTwilio, **changes: Any) -> Config:
    return Config(
        **{"account_sid": ACCOUNT, "auth_token": TOKEN, "api_url": twilio.url, "retry_delays": (0, 0)} | changes
    )
