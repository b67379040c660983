"""One emulated Twilio and one customer for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.twilio import Call, TwilioConfig, TwilioServer
from agenticd.emulator.voice import Speaker
from tests.emulator.twilio.customer import Customer

EVENTS = ("initiated", "ringing", "answered", "completed")
TROUBLE = "We are sorry, an application error has occurred. Goodbye."
CALLEE, OWNED = "+15552223333", "+15550001111"


HELLO, WORLD = bytes(range(100)) * 32, bytes(range(128, 228)) * 48
"""What people say: 0.4 s and 0.6 s, no two samples alike in a row, none of them silence."""
_SOUNDS = {"HELLO": HELLO, "WORLD": WORLD}


class Tones:
    """A voice: HELLO and WORLD, or 0.1 s of the loudest tone for each word."""

    def say(self, text: str, speaker: Speaker) -> bytes:
        return _SOUNDS.get(text) or b"\x00\x80" * (400 * len(text.split()))


class Account:
    """The account as a customer uses it over REST, without the SDK: see test_rest for that."""

    def __init__(self, server: TwilioServer, customer: Customer, http: aiohttp.ClientSession) -> None:
        self.server = server
        self._customer = customer
        self._http = http
        self._root = f"{server.api_url}/2010-04-01/Accounts/{server.config.account_sid}"
        basic = aiohttp.encode_basic_auth(server.config.account_sid, server.config.auth_token)
        self._headers = {"Authorization": basic}

    async def post(self, path: str, form: dict[str, str] | list[tuple[str, str]]) -> tuple[int, dict]:
        async with self._http.post(f"{self._root}/{path}", data=form, headers=self._headers) as response:
            return response.status, await response.json()

    async def get(self, path: str, **params: str) -> tuple[int, dict]:
        async with self._http.get(f"{self._root}/{path}", params=params, headers=self._headers) as response:
            return response.status, await response.json()

    async def dial(self, script: PhoneScript | None = None, **form: str) -> Call:
        """Place a call with all callbacks to `/status`; `script` is the callee's part."""
        self.server.set_phone(CALLEE, script or PhoneScript(ring=0))
        basis = {
            "To": CALLEE,
            "From": OWNED,
            "Url": self._customer.url("/voice"),
            "StatusCallback": self._customer.url("/status"),
        }
        events = [("StatusCallbackEvent", event) for event in EVENTS]
        status, body = await self.post("Calls.json", [*{**basis, **form}.items(), *events])
        assert status == 201, body
        return self.server.calls[body["sid"]]


@pytest.fixture
def config() -> TwilioConfig:
    return TwilioConfig(numbers=(OWNED,))


@pytest.fixture
async def customer(config: TwilioConfig) -> AsyncIterator[Customer]:
    customer = Customer(config)
    await customer.start()
    customer.documents["/voice"] = customer.connect()
    yield customer
    await customer.stop()


@pytest.fixture
async def server(config: TwilioConfig) -> AsyncIterator[TwilioServer]:
    async with TwilioServer(config, Tones()) as server:
        yield server


@pytest.fixture
async def account(server: TwilioServer, customer: Customer) -> AsyncIterator[Account]:
    async with aiohttp.ClientSession() as http:
        yield Account(server, customer, http)
