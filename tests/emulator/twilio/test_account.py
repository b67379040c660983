"""What an account may: keys beside the token, test credentials, calls a second, late reads, digits to send."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import aiohttp
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.twilio import CallbackFaults, RestFaults, StreamFaults, TwilioConfig, TwilioServer
from tests.emulator.twilio.conftest import CALLEE, OWNED, Account, Tones
from tests.emulator.twilio.customer import Customer
from tests.emulator.twilio.library import AsyncHttpClient

KEY, SECRET = "SK" + "ab" * 16, "s" * 32
BUSY = PhoneScript(outcome="busy", ring=0)
Make = Callable[..., Awaitable[Account]]

# The helper library still uses what aiohttp has deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]


@pytest.fixture
async def account_with(customer: Customer) -> AsyncIterator[Make]:
    """`await account_with(RestFaults(…))`: an account at a Twilio with these faults and settings."""
    async with AsyncExitStack() as stack:

        async def make(rest: RestFaults = RestFaults(), **settings: object) -> Account:  # noqa: B008 - frozen
            config = TwilioConfig(numbers=(OWNED,), rest=rest, **settings)  # type: ignore[arg-type]
            server = await stack.enter_async_context(TwilioServer(config, Tones()))
            return Account(server, customer, await stack.enter_async_context(aiohttp.ClientSession()))

        yield make


def behind(account: Account, seconds: float) -> None:
    """From now on reads are so late."""
    account.server.config.now.change(CallbackFaults(), RestFaults(read_delay=seconds), StreamFaults())


@pytest.fixture
async def client() -> AsyncIterator[Callable[..., Client]]:
    """`client(server, user, secret, account_sid)`: the helper library with these credentials."""
    clients: list[AsyncHttpClient] = []

    def make(server: TwilioServer, user: str, secret: str, account_sid: str | None = None) -> Client:
        clients.append(AsyncHttpClient(server.api_url))
        return Client(user, secret, account_sid, http_client=clients[-1])

    yield make
    for http in clients:
        await http.close()


# Who asks.


async def test_an_api_key_serves_beside_the_token_and_webhooks_stay_signed_with_the_token(
    account_with: Make, client: Callable[..., Client], customer: Customer
):
    account = await account_with(api_keys={KEY: SECRET})
    account.server.set_phone(CALLEE, PhoneScript(ring=0))
    customer.documents["/voice"] = "<Response/>"
    twilio = client(account.server, KEY, SECRET, account.server.config.account_sid)
    made = await twilio.calls.create_async(to=CALLEE, from_=OWNED, url=customer.url("/voice"))
    assert await account.server.calls[made.sid].ended() == "completed"
    assert [request.signed for request in customer.at("/voice")] == [True]
    with pytest.raises(TwilioRestException) as refused:
        await client(account.server, KEY, "wrong", account.server.config.account_sid).calls(made.sid).fetch_async()
    assert (refused.value.status, refused.value.code) == (401, 20003)


async def test_the_account_with_its_token_is_not_shown_to_an_api_key(account_with: Make, client: Callable[..., Client]):
    server = (await account_with(api_keys={KEY: SECRET})).server
    sid, token = server.config.account_sid, server.config.auth_token
    shown = await client(server, sid, token).api.accounts(sid).fetch_async()
    assert shown.auth_token == token
    with pytest.raises(TwilioRestException) as refused:
        await client(server, KEY, SECRET, sid).api.accounts(sid).fetch_async()
    assert (refused.value.status, refused.value.code) == (401, 20003)


async def test_test_credentials_judge_a_call_and_make_none(
    account_with: Make, client: Callable[..., Client], customer: Customer
):
    server = (await account_with()).server
    twilio = client(server, server.config.test_account_sid, server.config.test_auth_token)
    form = {"to": CALLEE, "from_": "+15005550006", "url": customer.url("/voice")}
    made = await twilio.calls.create_async(**form)
    assert (made.status, made.to, made.account_sid) == ("queued", CALLEE, server.config.test_account_sid)
    refusals = [({"from_": OWNED}, 21210), ({"to": "+15005550003"}, 21215), ({"from_": "+15005550001"}, 21212)]
    for change, code in refusals:
        with pytest.raises(TwilioRestException) as refused:
            await twilio.calls.create_async(**{**form, **change})
        assert refused.value.code == code
    with pytest.raises(TwilioRestException) as refused:
        await twilio.calls(made.sid).fetch_async()
    assert (refused.value.status, refused.value.code) == (403, 20008)
    assert (server.calls, customer.requests) == ({}, [])


# How fast it dials.


async def test_more_calls_than_a_second_may_have_wait_for_their_turn(account_with: Make):
    account = await account_with(RestFaults(dial_interval=0.25))
    calls = []
    for _ in range(4):
        asked = time.monotonic()
        calls.append((await account.dial(BUSY), asked, time.monotonic()))
    waits = [int(str(call.resource()["queue_time"])) / 1000 for call, _, _ in calls]
    assert waits[0] == 0
    # Each has its turn a quarter of a second after the one before, or at once when that has passed; the account took
    # the request at some time between the two that are known here.
    for place in range(1, 4):
        earliest = max(0.0, waits[place - 1] + 0.25 - (calls[place][2] - calls[place - 1][1]))
        latest = max(0.0, waits[place - 1] + 0.25 - (calls[place][1] - calls[place - 1][2]))
        assert earliest - 0.001 <= waits[place] <= latest + 0.001
    for call, _, _ in calls:
        await call.ended()
    dialled = [dict(call.history)["initiated"] for call, _, _ in calls]
    assert dialled == sorted(dialled)


async def test_a_call_that_waits_is_queued_and_can_be_canceled_unheard(account_with: Make, customer: Customer):
    account = await account_with(RestFaults(dial_interval=100))
    first, second = [await account.dial(BUSY) for _ in range(2)]
    await first.ended()
    _, body = await account.get(f"Calls/{second.sid}.json")
    assert (body["status"], second.status) == ("queued", "queued")
    assert (await account.post(f"Calls/{second.sid}.json", {"Status": "canceled"}))[1]["status"] == "canceled"
    await second.ended()
    assert {request.form["CallSid"] for request in customer.at("/status")} == {first.sid}


async def test_calls_that_come_in_and_those_of_a_dial_do_not_wait(account_with: Make, customer: Customer):
    account = await account_with(RestFaults(dial_interval=100))
    server = account.server
    await (await account.dial(BUSY)).ended()
    server.set_number(OWNED, customer.url("/voice"))
    customer.documents["/voice"] = "<Response><Dial>+15552224444</Dial></Response>"
    server.set_default_phone(BUSY)
    call = await server.ring_in(CALLEE, OWNED, PhoneScript())
    assert await call.ended() == "completed"
    assert [each.status for each in server.calls.values()] == ["busy", "completed", "busy"]


# Reads that lag behind.


async def test_reads_show_what_was_true_a_while_ago(account_with: Make):
    account = await account_with(RestFaults(read_delay=1000))
    call = await account.dial(BUSY)
    await call.ended()
    path = f"Calls/{call.sid}.json"
    assert (await account.get(path))[1]["code"] == 20404
    assert (await account.get("Calls.json"))[1]["calls"] == []
    dialled, ended = call.created - 1500, call.created - 500
    call.created -= 2000
    call.history = [("queued", call.created), ("initiated", dialled), ("busy", ended)]
    then = (await account.get(path))[1]
    assert (then["status"], then["end_time"]) == ("queued", None)
    assert (await account.get("Calls.json", Status="busy"))[1]["calls"] == []
    assert (await account.get("Calls.json", Status="queued"))[1]["calls"] == [then]
    behind(account, 100)
    assert (await account.get(path))[1]["status"] == "busy"
    assert (await account.get("Calls.json", Status="busy"))[1]["calls"][0]["sid"] == call.sid


async def test_what_was_asked_for_a_call_and_what_was_recorded_of_it_are_read_late_too(
    account_with: Make, customer: Customer
):
    customer.documents["/voice"] = "<Response><Say>one</Say></Response>"
    account = await account_with()
    call = await account.dial(Record="true", Trim="do-not-trim")
    await call.ended()
    (recording,) = call.recordings
    lists = {
        f"Calls/{call.sid}/Events.json": "events",
        "Recordings.json": "recordings",
        f"Calls/{call.sid}/Recordings.json": "recordings",
    }
    for path, key in lists.items():
        assert (await account.get(path))[1][key]
    behind(account, 1000)
    call.created -= 2000
    for path, key in lists.items():
        assert (await account.get(path))[1][key] == []
    assert (await account.get(f"Recordings/{recording.sid}.json"))[0] == 404
    recording.started -= 2000
    recording.history[0] = "in-progress", recording.started
    then = (await account.get(f"Recordings/{recording.sid}.json"))[1]
    assert (then["status"], then["duration"]) == ("in-progress", None)
    assert (await account.get("Recordings.json"))[1]["recordings"] == [then]
    behind(account, 0)
    assert (await account.get(f"Recordings/{recording.sid}.json"))[1]["status"] == "completed"


async def test_an_update_is_done_and_answered_at_once_and_read_later(account_with: Make):
    account = await account_with(RestFaults(read_delay=600))
    call = await account.dial(PhoneScript(outcome="no-answer"))
    await call.wait_status("ringing")
    status, body = await account.post(f"Calls/{call.sid}.json", {"Status": "canceled"})
    assert (status, body["status"], call.status) == (200, "canceled", "canceled")
    assert (await account.get(f"Calls/{call.sid}.json"))[0] == 404
    assert (await account.get("Calls.json"))[1]["calls"] == []


async def test_a_call_of_which_the_past_is_read_looks_as_it_did(account: Account):
    call = await account.dial(BUSY)
    await call.ended()
    times = dict(call.history)
    then = call.resource(times["initiated"])
    assert (then["status"], then["end_time"], then["duration"]) == ("queued", None, None)
    assert then["start_time"] is not None
    assert call.resource(call.created)["status"] == "queued"
    assert call.resource()["status"] == "busy"


# Digits.


async def test_send_digits_are_heard_before_the_twiml_begins(account: Account, customer: Customer):
    customer.documents["/voice"] = "<Response><Say>one two</Say></Response>"
    call = await account.dial(SendDigits="w1#w9")
    await call.ended()
    digits = [moment for moment in call.phone.timeline if moment.what == "heard-digit"]
    assert [moment.text for moment in digits] == ["1", "#", "9"]
    assert digits[0].at >= 0.5
    heard = bytes(call.phone.heard)
    assert heard.index(Tones().say("one", "agent")[:100]) > int(digits[-1].at * 8000)
