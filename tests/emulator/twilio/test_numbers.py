"""The account's numbers over REST: what a tool would do to make a number's calls come to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.twilio import TwilioConfig, TwilioServer
from tests.emulator.twilio.conftest import CALLEE, OWNED, Account
from tests.emulator.twilio.customer import Customer
from tests.emulator.twilio.library import AsyncHttpClient

SECOND, THIRD = "+15550001112", "+442071838750"

# The helper library still uses what aiohttp has deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]


@pytest.fixture
def config() -> TwilioConfig:
    return TwilioConfig(numbers=(OWNED, SECOND, THIRD))


@pytest.fixture
async def twilio(server: TwilioServer) -> AsyncIterator[Client]:
    http = AsyncHttpClient(server.api_url)
    yield Client(server.config.account_sid, server.config.auth_token, http_client=http)
    await http.close()


async def test_a_number_is_found_set_up_and_then_called(twilio: Client, server: TwilioServer, customer: Customer):
    (number,) = await twilio.incoming_phone_numbers.list_async(phone_number=OWNED)
    assert (number.phone_number, number.friendly_name, number.voice_url) == (OWNED, "(555) 000-1111", "")
    assert number.sid.startswith("PN")
    assert number.capabilities["voice"] is True
    updated = await twilio.incoming_phone_numbers(number.sid).update_async(
        voice_url=customer.url("/in"),
        voice_method="GET",
        voice_fallback_url=customer.url("/fallback"),
        status_callback=customer.url("/status"),
        friendly_name="the desk",
    )
    assert (updated.voice_url, updated.voice_method, updated.friendly_name) == (
        customer.url("/in"), "GET", "the desk",
    )  # fmt: skip
    customer.documents["/in"] = "<Response><Say>one</Say></Response>"
    call = await server.ring_in(CALLEE, OWNED, PhoneScript())
    assert await call.ended() == "completed"
    (asked,) = customer.at("/in")
    assert (asked.method, asked.signed, asked.form["Direction"], asked.form["To"]) == ("GET", True, "inbound", OWNED)
    assert [request.form["CallStatus"] for request in customer.at("/status")] == ["completed"]
    assert call.resource()["phone_number_sid"] == number.sid
    fetched = await twilio.incoming_phone_numbers(number.sid).fetch_async()
    assert (fetched.status_callback, fetched.voice_fallback_method) == (customer.url("/status"), "POST")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [OWNED, SECOND, THIRD]),
        ({"phone_number": "+1555"}, [OWNED, SECOND]),
        ({"phone_number": "0001112"}, [SECOND]),
        ({"phone_number": "+1*1112"}, [SECOND]),
        ({"phone_number": "+15559999999"}, []),
        ({"friendly_name": "(555) 000-1112"}, [SECOND]),
        ({"page_size": 1}, [OWNED, SECOND, THIRD]),
    ],
)
async def test_numbers_are_listed_by_filter_and_over_pages(twilio: Client, wanted: dict, found: list[str]):
    listed = await twilio.incoming_phone_numbers.list_async(**wanted)
    assert [number.phone_number for number in listed] == found


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"voice_url": "nonsense"}, 21402),
        ({"status_callback": "ftp://h/x"}, 21402),
        ({"voice_method": "PUT"}, 21403),
        ({"voice_fallback_url": "http://h/x"}, 21405),
        ({"friendly_name": "x" * 65}, 20002),
    ],
)
async def test_a_wrong_update_is_refused_and_changes_nothing(twilio: Client, change: dict[str, str], code: int):
    number = (await twilio.incoming_phone_numbers.list_async())[0]
    with pytest.raises(TwilioRestException) as refused:
        await twilio.incoming_phone_numbers(number.sid).update_async(**{"friendly_name": "new", **change})
    assert (refused.value.status, refused.value.code) == (400, code)
    again = await twilio.incoming_phone_numbers(number.sid).fetch_async()
    assert (again.friendly_name, again.voice_url) == (number.friendly_name, "")


async def test_another_number_is_not_found(account: Account):
    assert (await account.get(f"IncomingPhoneNumbers/PN{'0' * 32}.json"))[1]["code"] == 20404


async def test_what_is_not_built_is_said(twilio: Client, server: TwilioServer):
    number = (await twilio.incoming_phone_numbers.list_async())[0]
    await twilio.incoming_phone_numbers(number.sid).update_async(voice_application_sid="AP" + "0" * 32)
    assert [(notice.code, notice.level) for notice in server.debugger] == [(0, "emulator")]
