"""Recordings over REST, as Twilio's helper library reads them: list, fetch, sound, delete; and of a call that runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from agenticd.emulator.phone import Line, PhoneScript
from agenticd.emulator.twilio import Call, TwilioConfig, TwilioServer
from tests.emulator.twilio.conftest import HELLO, OWNED, Account, Tones
from tests.emulator.twilio.customer import Customer
from tests.emulator.twilio.library import AsyncHttpClient
from tests.emulator.twilio.test_record import same, sound

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


async def recorded(account: Account, customer: Customer, **form: str) -> Call:
    customer.documents["/voice"] = "<Response><Say>one two</Say><Pause length='600'/></Response>"
    lines = (Line(audio=HELLO, pause=0.2), Line(hang_up=True, after="time", pause=0.1))
    call = await account.dial(PhoneScript(ring=0, lines=lines), Record="true", **form)
    await call.ended()
    return call


async def test_the_library_lists_and_fetches_those_of_a_call_and_of_the_account(
    twilio: Client, account: Account, customer: Customer
):
    calls = [await recorded(account, customer, RecordingChannels="dual") for _ in range(2)]
    before = datetime.now(UTC) - timedelta(minutes=1)
    listed = await twilio.recordings.list_async()
    assert [one.call_sid for one in listed] == [calls[1].sid, calls[0].sid]
    assert [one.call_sid for one in await twilio.recordings.list_async(call_sid=calls[0].sid)] == [calls[0].sid]
    assert await twilio.recordings.list_async(date_created_before=before) == []
    assert len(await twilio.recordings.list_async(date_created_after=before, page_size=1)) == 2
    (one,) = await twilio.calls(calls[0].sid).recordings.list_async()
    again = await twilio.calls(calls[0].sid).recordings(one.sid).fetch_async()
    fetched = await twilio.recordings(one.sid).fetch_async()
    for each in (one, again, fetched):
        assert (each.sid, each.call_sid, each.status, each.source) == (
            calls[0].recordings[0].sid, calls[0].sid, "completed", "OutboundAPI",
        )  # fmt: skip
        assert (each.channels, each.duration) == (2, str(calls[0].recordings[0].seconds))
    assert again.track == "both"
    assert fetched.media_url == f"{account.server.api_url}{calls[0].recordings[0].uri}"
    assert fetched.start_time >= before


async def test_the_sound_of_two_channels_is_had_as_two_or_as_one(account: Account, customer: Customer):
    call = await recorded(account, customer, RecordingChannels="dual", Trim="do-not-trim")
    url = f"{account.server.api_url}{call.recordings[0].uri}.wav"
    said, heard = await sound(account, f"{url}?RequestedChannels=2")
    (mixed,) = await sound(account, f"{url}?RequestedChannels=1")
    assert said.strip(b"\xff") == same(HELLO)
    assert len(said) == len(heard) == len(mixed)
    assert same(HELLO) in mixed


async def test_two_channels_of_a_mono_recording_are_refused_and_mp3_is_not_built(account: Account, customer: Customer):
    call = await recorded(account, customer)
    path = f"Recordings/{call.recordings[0].sid}"
    status, body = await account.get(f"{path}.wav", RequestedChannels="2")
    assert (status, body["code"]) == (400, 20001)
    assert (await account.get(f"{path}.mp3"))[0] == 404
    assert "mp3" in account.server.debugger[-1].text


async def test_a_deleted_one_is_gone(twilio: Client, account: Account, customer: Customer):
    call = await recorded(account, customer)
    sid = call.recordings[0].sid
    assert await twilio.recordings(sid).delete_async()
    assert await twilio.recordings.list_async() == []
    with pytest.raises(TwilioRestException) as refused:
        await twilio.recordings(sid).fetch_async()
    assert (refused.value.status, refused.value.code) == (404, 20404)
    assert (await account.get(f"Recordings/{sid}.wav"))[0] == 404


async def test_a_running_call_is_recorded_from_when_it_is_asked_until_it_is_stopped(
    twilio: Client, account: Account, customer: Customer
):
    customer.documents["/voice"] = "<Response><Pause length='600'/></Response>"
    call = await account.dial(PhoneScript(ring=0, lines=(Line(audio=HELLO * 100, after="time", pause=0),)))
    await call.wait_status("in-progress")
    made = await twilio.calls(call.sid).recordings.create_async(
        recording_channels="dual",
        recording_status_callback=customer.url("/rec"),
        recording_status_callback_event=["in-progress", "completed"],
    )
    assert (made.status, made.source, made.channels, made.duration) == (
        "in-progress", "StartCallRecordingAPI", 2, None,
    )  # fmt: skip
    with pytest.raises(TwilioRestException) as refused:
        await twilio.recordings(made.sid).delete_async()
    assert refused.value.code == 20009
    assert (await account.get(f"Recordings/{made.sid}.wav"))[0] == 404
    begun = len(call.phone.sent)
    while len(call.phone.sent) < begun + 4000:
        await account.get("Calls.json")
    stopped = await twilio.calls(call.sid).recordings("Twilio.CURRENT").update_async(status="stopped")
    assert (stopped.sid, stopped.status) == (made.sid, "completed")
    said, heard = await sound(account, f"{account.server.api_url}{call.recordings[0].uri}.wav")
    assert 4000 <= len(said) <= len(call.phone.sent)
    assert same(HELLO)[:1000] in said
    assert heard.strip(b"\xff") == b""
    told = await customer.wait_for("/rec", 2)
    assert [request.form["RecordingStatus"] for request in told] == ["in-progress", "completed"]
    with pytest.raises(TwilioRestException) as refused:
        await twilio.calls(call.sid).recordings(made.sid).update_async(status="stopped")
    assert refused.value.code == 21220


@pytest.mark.parametrize("behaviour", ["skip", "silence"])
async def test_what_is_said_in_a_pause_is_not_recorded(
    twilio: Client, account: Account, customer: Customer, behaviour: str
):
    customer.documents["/voice"] = "<Response><Pause length='600'/></Response>"
    call = await account.dial(PhoneScript(ring=0, lines=(Line(audio=b"\x10" * 400_000, after="time", pause=0),)))
    await call.wait_status("in-progress")
    begun = len(call.phone.sent)
    made = await twilio.calls(call.sid).recordings.create_async()
    handle = twilio.calls(call.sid).recordings(made.sid)
    paused = await handle.update_async(status="paused", pause_behavior=behaviour)
    assert paused.status == "paused"
    at = len(call.phone.sent)
    while len(call.phone.sent) < at + 8000:
        await account.get("Calls.json")
    assert (await handle.update_async(status="in-progress")).status == "in-progress"
    at = len(call.phone.sent)
    while len(call.phone.sent) < at + 800:
        await account.get("Calls.json")
    await handle.update_async(status="stopped")
    (mixed,) = await sound(account, f"{account.server.api_url}{call.recordings[0].uri}.wav")
    silent = mixed.count(b"\xff")
    assert silent == 0 if behaviour == "skip" else silent >= 8000
    assert 800 <= mixed.count(b"\x10") <= len(call.phone.sent) - begun - 8000


async def test_a_call_that_is_over_cannot_be_recorded(twilio: Client, account: Account, customer: Customer):
    call = await recorded(account, customer)
    with pytest.raises(TwilioRestException) as refused:
        await twilio.calls(call.sid).recordings.create_async()
    assert refused.value.code == 21220


@pytest.mark.parametrize(("public", "status"), [(False, 401), (True, 200)])
async def test_an_account_may_let_everybody_hear_its_recordings(customer: Customer, public: bool, status: int):
    config = TwilioConfig(numbers=(OWNED,), public_media=public)
    async with TwilioServer(config, Tones()) as server, aiohttp.ClientSession() as http:
        call = await recorded(Account(server, customer, http), customer)
        url = f"{server.api_url}{call.recordings[0].uri}"
        async with http.get(f"{url}.wav") as response:
            assert response.status == status
        async with http.get(f"{url}.json") as response:
            assert response.status == 401


async def test_the_oldest_recordings_are_forgotten_first(customer: Customer):
    config = TwilioConfig(numbers=(OWNED,), keep_recordings=2)
    async with TwilioServer(config, Tones()) as server, aiohttp.ClientSession() as http:
        account = Account(server, customer, http)
        calls = [await recorded(account, customer) for _ in range(3)]
        _, listed = await account.get("Recordings.json")
    assert [one["call_sid"] for one in listed["recordings"]] == [calls[2].sid, calls[1].sid]
