"""The server, and the adapter that asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agenticd.adapters.twilio.rest import TwilioCarrier
from tests.adapters.twilio.fake import (
    FakeTwilio,
    TestClock,
    config,
)


@pytest.fixture
async def twilio() -> AsyncIterator[FakeTwilio]:
    fake = FakeTwilio()
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", fake.handle)
    async with TestServer(app) as server:
        fake.url = str(server.make_url(""))
        yield fake


@pytest.fixture
async def carrier(twilio: FakeTwilio) -> AsyncIterator[TwilioCarrier]:
    carrier = TwilioCarrier(config(twilio), TestClock())
    yield carrier
    await carrier.close()
