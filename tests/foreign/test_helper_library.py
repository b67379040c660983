"""Twilio's helper library on the emulator, blocking, as it is published: what an application does to calls by REST."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.foreign.programs import Emulator, Library, addresses
from tests.foreign.story import CALLEE, OWNED

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(120)]

TWIML = "<Response><Pause length='600'/></Response>"
HERE = f"from_='{OWNED}', twiml={TWIML!r}"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator("--person", "listens", "--voice-url", "http://127.0.0.1:1/voice") as emulator:
        yield emulator


@pytest.fixture
async def library(emulator: Emulator) -> AsyncIterator[Library]:
    async with Library(emulator) as library:
        yield library


async def answered(emulator: Emulator, library: Library, more: str = HERE) -> str:
    """A call that was created, and was answered; its SID."""
    before = emulator.output.count("call     in-progress")
    created = await library(f"client.calls.create(to='{CALLEE}', {more})")
    assert (created["status"], created["to"], created["_from"]) == ("queued", CALLEE, OWNED)
    await emulator.until_all("call     in-progress", before + 1)
    sid: str = created["sid"]
    return sid


async def test_a_call_is_created_fetched_told_something_else_and_hung_up(emulator: Emulator, library: Library):
    sid = await answered(emulator, library)
    fetched = await library(f"client.calls('{sid}').fetch()")
    assert (fetched["status"], fetched["direction"], fetched["duration"]) == ("in-progress", "outbound-api", None)
    other = "<Response><Say>Of course.</Say><Pause length='600'/></Response>"
    assert (await library(f"client.calls('{sid}').update(twiml={other!r})"))["status"] == "in-progress"
    await emulator.until("Twilio   says: Of course.")
    assert (await library(f"client.calls('{sid}').update(status='completed')"))["status"] == "completed"
    await emulator.until("over, all requests are answered")
    ended = await library(f"client.calls('{sid}').fetch()")
    assert (ended["status"], int(ended["duration"]) >= 0) == ("completed", True)
    assert ended["end_time"] >= ended["start_time"] >= ended["date_created"]
    again = await library(f"client.calls('{sid}').update(status='completed')")
    assert again == {"refused": 404, "code": 20404}


async def test_calls_are_found_by_number_status_and_time(emulator: Emulator, library: Library):
    over, lives = await answered(emulator, library), await answered(emulator, library)
    await library(f"client.calls('{over}').update(status='completed')")
    await emulator.until("over, all requests are answered")

    async def found(filters: str) -> list[str]:
        return [call["sid"] for call in await library(f"client.calls.list({filters})")]

    now = "datetime.datetime.now(datetime.UTC)"
    day = "datetime.timedelta(days=1)"
    assert await found("") == await found(f"to='{CALLEE}', from_='{OWNED}'") == [lives, over]
    assert await found("limit=1") == [lives]
    assert await found("page_size=1") == [lives, over]
    assert await found("status='in-progress'") == [lives]
    assert await found("status='completed'") == [over]
    assert await found("to='+15557770001'") == []
    assert await found(f"start_time_after={now} - {day}") == [lives, over]
    assert await found(f"start_time_before={now} - {day}") == []


async def test_the_events_of_a_call_are_the_requests_that_were_made_for_it(emulator: Emulator, library: Library):
    callback = "status_callback='http://127.0.0.1:1/status', status_callback_event=['answered', 'completed']"
    sid = await answered(emulator, library, f"{HERE}, {callback}")
    await library(f"client.calls('{sid}').update(status='completed')")
    await emulator.until("  call     over")
    events = await library(f"client.calls('{sid}').events.list()")
    said = [event["request"]["parameters"]["CallStatus"] for event in events]  # and again: nobody answers them
    assert list(dict.fromkeys(said)) == ["in-progress", "completed"]
    assert {event["request"]["url"] for event in events} == {"http://127.0.0.1:1/status"}
    assert " 11205    error: " in emulator.output, "nobody listens there, and the debugger says so"


async def test_the_account_is_there_and_a_call_that_is_over_can_be_deleted(emulator: Emulator, library: Library):
    account = await library("client.api.accounts(client.account_sid).fetch()")
    assert (account["sid"], account["status"]) == (addresses(emulator)["TWILIO_ACCOUNT_SID"], "active")
    sid = await answered(emulator, library)
    assert await library(f"client.calls('{sid}').delete()") == {"refused": 409, "code": 20009}
    await library(f"client.calls('{sid}').update(status='completed')")
    await emulator.until("over, all requests are answered")
    assert await library(f"client.calls('{sid}').delete()") is True
    assert await library("client.calls.list()") == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (f"to='15557770000', {HERE}", 21211),
        (f"to='{CALLEE}', from_='+15550009999', twiml={TWIML!r}", 21210),
        (f"to='{CALLEE}', from_='{OWNED}', url='voice'", 21205),
        (f"to='{CALLEE}', {HERE}, timeout=601", 21208),
    ],
)
async def test_what_twilio_refuses_raises_with_its_code(library: Library, arguments: str, code: int):
    assert await library(f"client.calls.create({arguments})") == {"refused": 400, "code": code}
