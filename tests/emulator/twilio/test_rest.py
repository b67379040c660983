"""The REST API is read by Twilio's own helper library, sync and async, and refuses what Twilio refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.twilio import TwilioConfig, TwilioServer
from tests.emulator.twilio.conftest import CALLEE, OWNED, Account, Tones
from tests.emulator.twilio.customer import Customer
from tests.emulator.twilio.library import AsyncHttpClient, HttpClient

RINGS = PhoneScript(outcome="no-answer")

# The helper library still uses what aiohttp has deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]


@pytest.fixture
async def twilio(server: TwilioServer) -> AsyncIterator[Client]:
    http = AsyncHttpClient(server.api_url)
    yield Client(server.config.account_sid, server.config.auth_token, http_client=http)
    await http.close()


async def create(twilio: Client, customer: Customer, **more: Any) -> Any:
    arguments = {"to": CALLEE, "from_": OWNED, "url": customer.url("/voice"), **more}
    return await twilio.calls.create_async(**arguments)


async def test_the_library_creates_fetches_and_hangs_up_a_call(
    twilio: Client, server: TwilioServer, customer: Customer
):
    server.set_phone(CALLEE, PhoneScript(ring=0))
    before = datetime.now(UTC).replace(microsecond=0)
    made = await create(twilio, customer)
    assert (made.status, made.to, made._from, made.direction) == ("queued", CALLEE, OWNED, "outbound-api")
    assert made.sid.startswith("CA")
    assert before <= made.date_created <= datetime.now(UTC)
    assert (made.start_time, made.end_time, made.duration, made.price) == (None, None, None, None)
    call = server.calls[made.sid]
    await call.wait_status("in-progress")
    fetched = await twilio.calls(made.sid).fetch_async()
    assert fetched.status == "in-progress"
    assert fetched.start_time is not None
    updated = await twilio.calls(made.sid).update_async(status="completed")
    assert updated.status == "completed"
    assert await call.ended() == "completed"
    ended = await twilio.calls(made.sid).fetch_async()
    assert ended.end_time >= fetched.start_time
    assert ended.duration == str(call.duration)


async def test_the_librarys_blocking_client_reads_it_too(server: TwilioServer, customer: Customer):
    server.set_phone(CALLEE, RINGS)
    client = Client(server.config.account_sid, server.config.auth_token, http_client=HttpClient(server.api_url))
    call = await asyncio.to_thread(
        lambda: client.calls.create(to=CALLEE, from_=OWNED, url=customer.url("/voice"), timeout=600)
    )
    await server.calls[call.sid].wait_status("ringing")
    canceled = await asyncio.to_thread(lambda: client.calls(call.sid).update(status="canceled"))
    assert canceled.status == "canceled"


async def test_the_library_asks_for_the_events_that_it_wants_called_back(
    twilio: Client, server: TwilioServer, customer: Customer
):
    server.set_phone(CALLEE, PhoneScript(outcome="busy", ring=0))
    made = await create(
        twilio,
        customer,
        status_callback=customer.url("/status"),
        status_callback_event=["initiated", "ringing", "answered", "completed"],
    )
    await server.calls[made.sid].ended()
    assert [r.form["CallStatus"] for r in customer.at("/status")] == ["initiated", "busy"]
    assert server.debugger == []


async def test_the_library_pages_through_the_events_of_a_call(twilio: Client, account: Account, customer: Customer):
    customer.documents["/voice"] = "<Response/>"
    call = await account.dial()
    await call.ended()
    events = await twilio.calls(call.sid).events.list_async(page_size=2)
    assert [event.request["url"] for event in events] == [webhook.url for webhook in call.callbacks]
    assert len(events) == 5
    first = (await account.get(f"Calls/{call.sid}/Events.json", PageSize="2"))[1]
    assert (len(first["events"]), first["page_size"]) == (2, 2)
    assert first["next_page_uri"] is not None


async def test_a_call_shows_every_key_of_the_resource(account: Account, customer: Customer):
    call = await account.dial(RINGS)
    status, body = await account.get(f"Calls/{call.sid}.json")
    assert status == 200
    assert body["uri"] == f"/2010-04-01/Accounts/{call.account_sid}/Calls/{call.sid}.json"
    assert (body["to_formatted"], body["from_formatted"]) == ("(555) 222-3333", "(555) 000-1111")
    assert body["date_created"].endswith("+0000")
    assert " ".join(sorted(body)) == (
        "account_sid answered_by api_version caller_name date_created date_updated direction duration "
        "end_time forwarded_from from from_formatted group_sid parent_call_sid phone_number_sid price "
        "price_unit queue_time sid start_time status subresource_uris to to_formatted trunk_sid uri"
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"to": ""}, 21201),
        ({"from_": ""}, 21213),
        ({"to": "15552223333"}, 21211),
        ({"to": "+1555"}, 21211),
        ({"to": "+1555222333a"}, 21211),
        ({"from_": "5550001111"}, 21212),
        ({"from_": "+15550009999"}, 21210),
        ({"url": ""}, 21205),
        ({"url": "voice"}, 21205),
        ({"url": "ftp://example.com/voice"}, 21205),
        ({"url": "http:// example.com"}, 21205),
        ({"fallback_url": "nonsense"}, 21205),
        ({"timeout": 601}, 21208),
        ({"timeout": 0}, 21208),
        ({"method": "PUT"}, 21209),
        ({"to": "+15005550001"}, 21217),
        ({"to": "+15005550002"}, 21214),
        ({"to": "+15005550003"}, 21215),
        ({"to": "+15005550004"}, 21216),
        ({"from_": "+15005550001"}, 21212),
        ({"url": "", "twiml": "<Response/>" + " " * 4000}, 20001),
        ({"send_digits": "12x"}, 21206),
        ({"send_digits": "1" * 33}, 21206),
        ({"record": True, "recording_channels": "stereo"}, 20001),
        ({"record": True, "trim": "a bit"}, 20001),
    ],
)
async def test_a_wrong_create_is_refused_with_twilios_code(
    twilio: Client, server: TwilioServer, customer: Customer, change: dict[str, Any], code: int
):
    with pytest.raises(TwilioRestException) as refused:
        await create(twilio, customer, **change)
    assert (refused.value.code, refused.value.status) == (code, 400)
    assert refused.value.msg
    assert server.calls == {}, "nobody was called"


async def test_an_error_is_json_with_its_code_and_where_to_read_more(account: Account):
    sid = "CA" + "0" * 32
    status, body = await account.get(f"Calls/{sid}.json")
    path = f"/2010-04-01/Accounts/{account.server.config.account_sid}/Calls/{sid}.json"
    assert status == 404
    assert body == {
        "code": 20404,
        "message": f"The requested resource {path} was not found",
        "more_info": "https://www.twilio.com/docs/errors/20404",
        "status": 404,
    }
    assert (await account.get("Nothing.json"))[1]["code"] == 20404


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic %%%",
        "Basic w7w6",
        aiohttp.encode_basic_auth("AC", "wrong"),
        "Bearer " + "f" * 32,
    ],
)
async def test_who_does_not_know_the_token_gets_401_and_20003(server: TwilioServer, authorization: str | None):
    url = f"{server.api_url}/2010-04-01/Accounts/{server.config.account_sid}/Calls.json"
    headers = {} if authorization is None else {"Authorization": authorization}
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith("Basic")
        assert (await response.json())["code"] == 20003


async def test_another_accounts_calls_are_not_found(server: TwilioServer):
    auth = aiohttp.encode_basic_auth(server.config.account_sid, server.config.auth_token)
    url = f"{server.api_url}/2010-04-01/Accounts/AC{'9' * 32}/Calls.json"
    async with aiohttp.ClientSession() as http, http.get(url, headers={"Authorization": auth}) as response:
        assert (await response.json())["code"] == 20404


async def test_the_library_sees_whose_credentials_it_has(twilio: Client, server: TwilioServer):
    account = await twilio.api.accounts(server.config.account_sid).fetch_async()
    assert (account.sid, account.status, account.type) == (server.config.account_sid, "active", "Full")
    assert account.owner_account_sid == account.sid
    assert account.date_created <= datetime.now(UTC)
    assert account.subresource_uris["calls"] == f"/2010-04-01/Accounts/{account.sid}/Calls.json"


async def test_only_an_ended_call_can_be_deleted_and_then_it_is_gone(
    twilio: Client, account: Account, customer: Customer
):
    call = await account.dial(RINGS)
    with pytest.raises(TwilioRestException) as refused:
        await twilio.calls(call.sid).delete_async()
    assert (refused.value.status, refused.value.code) == (409, 20009)
    await account.post(f"Calls/{call.sid}.json", {"Status": "canceled"})
    await call.ended()
    assert await twilio.calls(call.sid).delete_async()
    assert (await account.get(f"Calls/{call.sid}.json"))[1]["code"] == 20404
    assert await twilio.calls.list_async() == []


async def test_an_ended_call_cannot_be_hung_up_again_nor_redirected(account: Account, customer: Customer):
    call = await account.dial(RINGS)
    await account.post(f"Calls/{call.sid}.json", {"Status": "canceled"})
    await call.ended()
    for status in ("completed", "canceled"):
        assert (await account.post(f"Calls/{call.sid}.json", {"Status": status}))[1]["code"] == 20404
    answer = await account.post(f"Calls/{call.sid}.json", {"Url": customer.url("/voice")})
    assert (answer[0], answer[1]["code"]) == (400, 21220)


@pytest.mark.parametrize("change", [{"TimeLimit": "5"}, {"StatusCallback": "http://127.0.0.1/"}, {}])
async def test_nothing_of_an_ended_call_can_be_changed(account: Account, change: dict[str, str]):
    call = await account.dial(PhoneScript(outcome="busy", ring=0))
    await call.ended()
    before = call.options
    answer = await account.post(f"Calls/{call.sid}.json", change)
    assert (answer[0], answer[1]["code"], call.options) == (404, 20404, before)


async def test_a_call_that_still_rings_cannot_be_redirected_and_a_live_one_not_canceled(
    account: Account, customer: Customer
):
    call = await account.dial(RINGS)
    await call.wait_status("ringing")
    answer = await account.post(f"Calls/{call.sid}.json", {"Twiml": "<Response/>"})
    assert (answer[0], answer[1]["code"]) == (400, 21220)
    live = await account.dial(PhoneScript(ring=0))
    await live.wait_status("in-progress")
    answer = await account.post(f"Calls/{live.sid}.json", {"Status": "canceled"})
    assert (answer[0], answer[1]["code"]) == (400, 21220)
    assert live.status == "in-progress"


@pytest.mark.parametrize(
    "form", [{"Status": "busy"}, {"Url": "nonsense"}, {"Url": "http://h/", "Twiml": "<Response/>"}]
)
async def test_a_wrong_update_is_refused(account: Account, form: dict[str, str]):
    call = await account.dial(RINGS)
    assert (await account.post(f"Calls/{call.sid}.json", form))[0] == 400


async def test_calls_are_listed_newest_first_over_pages_and_by_filter(
    twilio: Client, server: TwilioServer, customer: Customer
):
    server.set_default_phone(RINGS)
    made = [await create(twilio, customer, to=f"+1555222000{n}") for n in range(5)]
    for call in server.calls.values():
        await call.wait_status("ringing")
    listed = await twilio.calls.list_async(page_size=2)
    assert [call.sid for call in listed] == [call.sid for call in reversed(made)]
    one = await twilio.calls.list_async(to="+15552220003", from_=OWNED, status="ringing")
    assert [call.sid for call in one] == [made[3].sid]
    assert await twilio.calls.list_async(status="completed") == []
    now = datetime.now(UTC)
    recent = await twilio.calls.list_async(start_time_after=now - timedelta(minutes=1))
    assert len(recent) == 5
    assert await twilio.calls.list_async(start_time_before=now - timedelta(minutes=1)) == []
    today = await twilio.calls.list_async(start_time=now.date())
    assert len(today) <= 5


async def test_the_library_streams_pages_and_filters_by_the_end(
    twilio: Client, server: TwilioServer, customer: Customer
):
    server.set_default_phone(PhoneScript(outcome="busy", ring=0))
    made = [await create(twilio, customer, to=f"+1555222000{n}") for n in range(4)]
    for call in server.calls.values():
        await call.ended()
    streamed = [call.sid async for call in await twilio.calls.stream_async(limit=3, page_size=2)]
    assert streamed == [call.sid for call in reversed(made)][:3]
    first = await twilio.calls.page_async(page_size=3)
    second = await first.next_page_async()
    assert [[call.sid for call in page] for page in (first, second)] == [
        [call.sid for call in reversed(made)][:3], [made[0].sid],
    ]  # fmt: skip
    hour = timedelta(hours=1)
    assert len(await twilio.calls.list_async(end_time_after=datetime.now(UTC) - hour)) == 4
    assert await twilio.calls.list_async(end_time_before=datetime.now(UTC) - hour) == []
    assert await twilio.calls.list_async(parent_call_sid=made[0].sid) == []


async def test_a_call_that_is_made_while_pages_are_read_does_not_shift_them(account: Account, customer: Customer):
    calls = [await account.dial(RINGS) for _ in range(4)]
    _, first = await account.get("Calls.json", PageSize="2")
    await account.dial(RINGS)
    path = first["next_page_uri"].partition(f"{account.server.config.account_sid}/")[2]
    _, second = await account.get(path)
    sids = [call["sid"] for page in (first, second) for call in page["calls"]]
    assert sids == [call.sid for call in reversed(calls)]
    assert second["next_page_uri"] is None


@pytest.mark.parametrize("query", [{"PageSize": "0"}, {"PageSize": "x"}, {"StartTime": "yesterday"}])
async def test_a_wrong_filter_is_refused(account: Account, query: dict[str, str]):
    await account.dial(RINGS)
    assert (await account.get("Calls.json", **query))[1]["code"] == 20001


async def test_the_events_of_a_call_show_which_urls_were_asked(twilio: Client, account: Account):
    call = await account.dial(RINGS)
    await call.wait_status("ringing")
    await account.post(f"Calls/{call.sid}.json", {"Status": "canceled"})
    await call.ended()
    events = await twilio.calls(call.sid).events.list_async()
    assert {event.request["url"].rpartition("/")[2] for event in events} == {"status"}
    assert [event.response["response_code"] for event in events] == [204, 204, 204]


async def test_more_requests_at_a_time_than_allowed_are_429():
    config = TwilioConfig(rest_concurrency=0)
    async with TwilioServer(config, Tones()) as server, aiohttp.ClientSession() as http:
        auth = aiohttp.encode_basic_auth(config.account_sid, config.auth_token)
        url = f"{server.api_url}/2010-04-01/Accounts/{config.account_sid}/Calls.json"
        async with http.get(url, headers={"Authorization": auth}) as response:
            assert response.status == 429
            assert (await response.json())["code"] == 20429
            assert response.headers["Twilio-Concurrent-Requests"] == "1"
