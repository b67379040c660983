"""A Twilio that misbehaves as its configuration says: each fault happens, and nothing else does."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import get_args

import aiohttp
import pytest

from agenticd.emulator.phone import Line, PhoneScript
from agenticd.emulator.twilio import (
    ALL_STATUSES,
    Call,
    CallbackFaults,
    Mishap,
    RestFaults,
    StreamFaults,
    TwilioConfig,
    TwilioServer,
)
from agenticd.emulator.twilio.faults import NOT_LOOKED_AT, Outcome
from tests.emulator.twilio.conftest import CALLEE, EVENTS, OWNED, Account, Tones
from tests.emulator.twilio.customer import Customer, Socket

LEAVES = PhoneScript(ring=0, lines=(Line(hang_up=True, after="time", pause=0.1),))
Make = Callable[..., Awaitable[Account]]


@pytest.fixture
async def faulty(customer: Customer) -> AsyncIterator[Make]:
    """`await faulty(callbacks=…)`: an account at a Twilio with these settings."""
    async with AsyncExitStack() as stack:

        async def make(
            callbacks: CallbackFaults = CallbackFaults(),  # noqa: B008 - frozen
            rest: RestFaults = RestFaults(),  # noqa: B008
            streams: StreamFaults = StreamFaults(),  # noqa: B008
        ) -> Account:
            config = TwilioConfig(numbers=(OWNED,), callbacks=callbacks, rest=rest, streams=streams)
            server = await stack.enter_async_context(TwilioServer(config, Tones()))
            http = await stack.enter_async_context(aiohttp.ClientSession())
            return Account(server, customer, http)

        yield make


def told(customer: Customer) -> list[tuple[str, str]]:
    """The callbacks as they came: status and number."""
    return [(each.form["CallStatus"], each.form["SequenceNumber"]) for each in customer.at("/status")]


# Callbacks.


async def test_each_callback_may_come_again(faulty: Make, customer: Customer):
    account = await faulty(CallbackFaults(copies=2))
    await (await account.dial(LEAVES)).ended()
    order = [("initiated", "0"), ("ringing", "1"), ("in-progress", "2"), ("completed", "3")]
    assert told(customer) == [each for each in order for _ in range(2)]
    assert all(request.signed for request in customer.requests)
    first, second = customer.at("/status")[:2]
    assert first.form == second.form


async def test_lost_ones_keep_their_numbers_to_themselves(faulty: Make, customer: Customer):
    account = await faulty(CallbackFaults(lost=frozenset({"ringing", "in-progress"})))
    await (await account.dial(LEAVES)).ended()
    assert told(customer) == [("initiated", "0"), ("completed", "3")]


async def test_all_may_be_lost_and_the_streams_are_not_among_them(faulty: Make, customer: Customer):
    account = await faulty(CallbackFaults(lost=ALL_STATUSES))
    customer.documents["/voice"] = customer.connect(stream=f' statusCallback="{customer.url("/stream")}"')
    await (await account.dial(LEAVES)).ended()
    assert told(customer) == []
    assert [request.form["StreamEvent"] for request in customer.at("/stream")] == ["stream-started", "stream-stopped"]


async def test_a_late_one_holds_up_nobody(faulty: Make, customer: Customer):
    account = await faulty(CallbackFaults(late={"ringing": 1000}))
    await account.dial(LEAVES)
    await customer.wait_for("/status", 3)
    assert told(customer) == [("initiated", "0"), ("in-progress", "2"), ("completed", "3")]


async def test_a_late_one_comes_and_says_what_was_true(faulty: Make, customer: Customer):
    account = await faulty(CallbackFaults(late={"ringing": 0.3}))
    call = await account.dial(LEAVES)
    await call.ended()
    (late,) = [request.form for request in customer.at("/status") if request.form["SequenceNumber"] == "1"]
    assert late["CallStatus"] == "ringing"
    assert "CallDuration" not in late
    sent = [webhook.at for webhook in call.callbacks if webhook.params.get("SequenceNumber") == "1"]
    assert sent[0] - dict(call.history)["ringing"] >= 0.3


async def test_one_may_wait_for_another(faulty: Make, customer: Customer):
    account = await faulty(CallbackFaults(after={"initiated": "ringing", "in-progress": "completed"}))
    await (await account.dial(LEAVES)).ended()
    assert told(customer) == [("ringing", "1"), ("initiated", "0"), ("completed", "3"), ("in-progress", "2")]


async def test_what_waits_in_vain_is_sent_at_the_end(faulty: Make, customer: Customer):
    account = await faulty(CallbackFaults(after={"ringing": "busy"}))
    await (await account.dial(LEAVES)).ended()
    assert told(customer) == [("initiated", "0"), ("in-progress", "2"), ("completed", "3"), ("ringing", "1")]


async def test_faults_add_up(faulty: Make, customer: Customer):
    faults = CallbackFaults(
        copies=2, lost=frozenset({"initiated"}), late={"completed": 0.2}, after={"ringing": "completed"}
    )
    account = await faulty(faults)
    await (await account.dial(LEAVES)).ended()
    order = [("in-progress", "2"), ("completed", "3"), ("ringing", "1")]
    assert told(customer) == [each for each in order for _ in range(2)]


@pytest.mark.parametrize("wrong", [{"copies": 0}, {"late": {"ringing": -1.0}}])
def test_a_fault_that_makes_no_sense_is_refused(wrong: dict[str, object]):
    with pytest.raises(ValueError, match="or more"):
        CallbackFaults(**wrong)  # type: ignore[arg-type]


# REST.


async def test_a_slow_create_dials_late(faulty: Make, customer: Customer):
    account = await faulty(rest=RestFaults(create_delay=0.3))
    begun = time.time()
    call = await account.dial(LEAVES)
    assert call.created - begun >= 0.29, "the clock of the wait is another one"
    await call.ended()


async def test_a_slow_answer_is_overtaken_by_the_callbacks(faulty: Make, customer: Customer):
    account = await faulty(rest=RestFaults(create_answer_delay=math.inf))
    account.server.set_phone(CALLEE, PhoneScript(ring=0))
    form = {"To": CALLEE, "From": OWNED, "Url": customer.url("/voice"), "StatusCallback": customer.url("/status")}
    events = [("StatusCallbackEvent", event) for event in EVENTS]
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(account.post("Calls.json", [*form.items(), *events]))
        await customer.wait_for("/status", 3)
        assert not asked.done()
        asked.cancel()


async def test_a_slow_answer_says_what_was_true_when_the_call_was_made(faulty: Make, customer: Customer):
    account = await faulty(rest=RestFaults(create_answer_delay=0.3))
    account.server.set_phone(CALLEE, PhoneScript(outcome="busy", ring=0))
    status, body = await account.post("Calls.json", {"To": CALLEE, "From": OWNED, "Url": customer.url("/voice")})
    assert (status, body["status"]) == (201, "queued")


async def test_updates_fail_so_often_for_each_call_and_are_not_done(faulty: Make, customer: Customer):
    account = await faulty(rest=RestFaults(update=Mishap("503", first=2)))
    calls = [await account.dial(PhoneScript(ring=0)) for _ in range(2)]
    for call in calls:
        await call.wait_status("in-progress")
        for _ in range(2):
            status, body = await account.post(f"Calls/{call.sid}.json", {"Status": "completed"})
            assert (status, body["code"]) == (503, 20503)
            assert call.status == "in-progress"
        assert (await account.post(f"Calls/{call.sid}.json", {"Status": "completed"}))[0] == 200
        assert await call.ended() == "completed"


# Media streams.


async def until_it_streams(account: Account, customer: Customer) -> Call:
    """A call that is ended once there is a stream."""

    async def media(socket: Socket) -> None:
        await account.post(f"Calls/{socket.messages[1]['start']['callSid']}.json", {"Status": "completed"})
        await socket.drain()

    customer.media = media
    call = await account.dial()
    await call.ended()
    return call


async def test_streams_that_do_not_come_about(faulty: Make, customer: Customer):
    account = await faulty(streams=StreamFaults(refused=2))
    customer.documents["/voice"] = customer.connect(after="<Redirect>/voice</Redirect>")
    call = await until_it_streams(account, customer)
    assert [stream.started for stream in call.streams] == [False, False, True]
    assert len(customer.sockets) == 1
    assert account.server.debugger.codes() == [31901, 31901]


async def test_a_stream_that_comes_late(faulty: Make, customer: Customer):
    account = await faulty(streams=StreamFaults(delay=0.3))
    call = await until_it_streams(account, customer)
    assert call.stream is not None
    assert call.stream.skip >= 2000, "a quarter of a second of the phone went by before it"


async def test_a_stream_that_ends_without_a_word(faulty: Make, customer: Customer):
    account = await faulty(streams=StreamFaults(stop=False))
    call = await account.dial(LEAVES)
    assert await call.ended() == "completed"
    assert customer.sockets[0].of("stop") == []
    assert customer.sockets[0].ws.close_code == 1006


@pytest.mark.parametrize("answer", get_args(Outcome))
@pytest.mark.parametrize("done", [False, True])
async def test_a_create_gets_another_answer_whether_it_is_done_or_not(
    faulty: Make, customer: Customer, answer: Outcome, done: bool
):
    if answer in NOT_LOOKED_AT and done:
        pytest.skip("such a request is not looked at")
    account = await faulty(rest=RestFaults(create=Mishap(answer, done=done, first=1, retry_after=7)))
    root = f"{account.server.api_url}/2010-04-01/Accounts/{account.server.config.account_sid}/Calls.json"
    config = account.server.config
    auth = {"Authorization": aiohttp.encode_basic_auth(config.account_sid, config.auth_token)}
    form = {"To": CALLEE, "From": OWNED, "Url": customer.url("/voice")}
    if answer == "reset":
        with pytest.raises(aiohttp.ClientConnectionError):
            await account._http.post(root, data=form, headers=auth)
    else:
        async with account._http.post(root, data=form, headers=auth) as response:
            assert (response.status, response.headers["Retry-After"]) == (int(answer), "7")
            json_expected = answer not in ("502", "504")
            assert (response.content_type == "application/json") == json_expected
            if json_expected:
                body = await response.json()
                codes = {"401": 20003, "403": 20003, "429": 20429, "500": 20500, "503": 20503}
                assert (body["code"], body["status"]) == (codes[answer], int(answer))
    assert len(account.server.calls) == done
    status, _ = await account.post("Calls.json", list(form.items()))
    assert status == 201, "only the first goes wrong"


async def test_reads_go_wrong_too_and_each_call_is_counted_for_itself(faulty: Make, customer: Customer):
    account = await faulty(rest=RestFaults(fetch=Mishap("500", first=1), list=Mishap("503", first=1), list_delay=0.01))
    calls = [await account.dial(PhoneScript(ring=0)) for _ in range(2)]
    for call in calls:
        assert [(await account.get(f"Calls/{call.sid}.json"))[0] for _ in range(2)] == [500, 200]
    assert [(await account.get("Calls.json"))[0] for _ in range(2)] == [503, 200]
    account.server.config.now.change(CallbackFaults(), RestFaults(fetch=Mishap("500", first=1)), StreamFaults())
    assert (await account.get(f"Calls/{calls[0].sid}/Events.json"))[0] == 500, "counted anew since the change"
    assert (await account.get(f"Calls/{calls[0].sid}/Events.json"))[0] == 200


async def test_what_is_never_answered_does_not_hold_up_the_end(faulty: Make, customer: Customer):
    account = await faulty(rest=RestFaults(create_delay=math.inf))
    form = [("To", CALLEE), ("From", OWNED), ("Url", customer.url("/voice"))]
    asked = asyncio.create_task(account.post("Calls.json", form))
    await account.get("Calls.json")
    await account.server.stop()
    with pytest.raises(aiohttp.ClientConnectionError):
        await asked
    assert not account.server.calls


# Requests of Twilio's.


async def test_a_request_that_is_slower_than_twilios_patience_never_arrives(customer: Customer):
    faults = CallbackFaults(slow={"voice": 100.0, "status": 0.05})
    config = TwilioConfig(numbers=(OWNED,), callbacks=faults, connect_timeout=0.1, read_timeout=0.3)
    async with TwilioServer(config, Tones()) as server, aiohttp.ClientSession() as http:
        call = await Account(server, customer, http).dial(PhoneScript(ring=0))
        assert await call.ended() == "completed", "there is no document and no fallback"
        assert server.debugger.codes() == [11200]
    assert customer.at("/voice") == []
    assert [status for status, _ in told(customer)] == ["initiated", "ringing", "in-progress", "completed"]


async def test_an_answer_that_is_lost_was_asked_for(customer: Customer):
    faults = CallbackFaults(unanswered={"voice": 1})
    config = TwilioConfig(numbers=(OWNED,), callbacks=faults, connect_timeout=0.1, read_timeout=0.3)
    async with TwilioServer(config, Tones()) as server, aiohttp.ClientSession() as http:
        account = Account(server, customer, http)
        stays = PhoneScript(ring=0, lines=(Line(hang_up=True, after="time", pause=2.0),))
        call = await account.dial(stays, FallbackUrl=customer.url("/voice"))
        await call.ended()
        asked = [webhook for webhook in call.callbacks if webhook.kind in ("voice", "fallback")]
        assert [(webhook.kind, webhook.status) for webhook in asked] == [("voice", None), ("fallback", 200)]
    assert [request.form.get("ErrorCode") for request in customer.at("/voice")] == [None, "11200"]


# Media streams that go wrong when they are open.


async def test_a_stream_is_reset_and_twilio_goes_on_with_the_next(faulty: Make, customer: Customer):
    account = await faulty(streams=StreamFaults(break_after=0.1))
    customer.documents["/voice"] = customer.connect(action="/voice")
    call = await account.dial(PhoneScript(ring=0, lines=(Line(hang_up=True, after="time", pause=1.0),)))
    await call.ended()
    assert account.server.debugger.codes() == [31903]
    assert len(customer.sockets) == 2
    assert [bool(socket.of("stop")) for socket in customer.sockets] == [False, True]


async def test_an_open_stream_breaks_when_that_is_wanted_while_it_is_open(faulty: Make, customer: Customer):
    account = await faulty()
    customer.documents["/voice"] = customer.connect(after="<Hangup/>")
    heard = asyncio.Event()

    async def media(socket: Socket) -> None:
        await socket.until("media")
        heard.set()
        await socket.drain()

    customer.media = media
    call = await account.dial(PhoneScript(ring=0))
    await heard.wait()
    account.server.config.now.change(CallbackFaults(), RestFaults(), StreamFaults(break_after=0.0))
    assert await call.ended() == "completed"
    assert account.server.debugger.codes() == [31903]


async def test_what_is_sent_on_a_dead_stream_vanishes_and_nobody_is_told(faulty: Make, customer: Customer):
    account = await faulty(streams=StreamFaults(vanish_after=0.2))
    deaf = asyncio.Event()

    async def media(socket: Socket) -> None:
        await asyncio.sleep(0.4)  # dead by now: neither the mark is echoed, nor is a frame on its way
        await socket.mark("m")
        deaf.set()
        await socket.drain()

    customer.media = media
    call = await account.dial(PhoneScript(ring=0, lines=(Line(hang_up=True, after="time", pause=1.0),)))
    await call.ended()
    await deaf.wait()
    (socket,) = customer.sockets
    assert call.stream is not None
    assert socket.of("media")
    assert len(socket.of("media")) == call.stream.media_sent < 40
    assert (socket.of("mark"), socket.of("stop"), call.stream.marks_received) == ([], [], 0)


async def test_start_says_what_the_fault_says(faulty: Make, customer: Customer):
    account = await faulty(streams=StreamFaults(encoding="audio/l16", sample_rate=16000))
    await (await account.dial(LEAVES)).ended()
    (socket,) = customer.sockets
    assert socket.of("start")[0]["start"]["mediaFormat"] == {
        "encoding": "audio/l16",
        "sampleRate": 16000,
        "channels": 1,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Mishap("418"),  # type: ignore[arg-type]
        lambda: Mishap("429", done=True),
        lambda: Mishap("401", done=True),
        lambda: Mishap("500", first=0),
        lambda: Mishap("500", retry_after=-1),
        lambda: RestFaults(list_delay=-1),
        lambda: StreamFaults(break_after=-1),
        lambda: RestFaults(read_delay=-1),
        lambda: RestFaults(dial_interval=math.inf),
        lambda: StreamFaults(breaks=0),
        lambda: StreamFaults(after_break="nothing"),  # type: ignore[arg-type]
        lambda: StreamFaults(encoding="audio/mp3"),  # type: ignore[arg-type]
        lambda: StreamFaults(sample_rate=0),
        lambda: CallbackFaults(slow={"voice": -1}),
        lambda: CallbackFaults(unanswered={"voice": -1}),
    ],
)
def test_faults_that_make_no_sense_are_refused(wrong: Callable[[], object]):
    with pytest.raises(ValueError, match=r" (is|are|must) "):
        wrong()
