"""The server as a whole: many calls at once, nothing lost between them, and nothing left when it stops."""

from __future__ import annotations

import asyncio
import os

import aiohttp
import pytest

from agenticd.emulator.phone import Line, PhoneScript
from agenticd.emulator.twilio import TwilioConfig, TwilioServer
from tests.emulator.twilio.conftest import CALLEE, OWNED, Account, Tones
from tests.emulator.twilio.customer import Customer, Socket

LEAVES = PhoneScript(ring=0, lines=(Line(hang_up=True, after="time", pause=0.1),))


async def test_twenty_calls_at_once_keep_their_audio_apart_and_whole(account: Account, customer: Customer):
    async def media(socket: Socket) -> None:
        number = len(customer.sockets)
        for _ in range(10):
            await socket.play(bytes([number]) * 160)
        await socket.mark("end")
        await socket.until("mark")
        await socket.drain()

    customer.media = media
    calls = []
    for number in range(20):
        audio = bytes([number, number | 0x80]) * 1600
        lines = (Line(audio=audio, pause=0.1), Line(hang_up=True, after="time", pause=0.1))
        calls.append(await account.dial(PhoneScript(ring=0, lines=lines)))
    assert [await call.ended() for call in calls] == ["completed"] * 20
    assert len({call.sid for call in calls}) == 20
    by_call = {socket.messages[1]["start"]["callSid"]: socket for socket in customer.sockets}
    for number, call in enumerate(calls):
        stream, socket = call.stream, by_call[call.sid]
        assert stream is not None
        assert bytes([number, number | 0x80]) * 1600 in socket.audio()
        assert bytes(call.phone.sent)[stream.skip :] == socket.audio()
        heard = bytes(call.phone.heard).replace(b"\xff", b"")
        assert heard == bytes(stream.received)
        assert len(set(heard)) == 1
        assert len(heard) == 1600


@pytest.mark.parametrize("moment", ["queued", "ringing", "webhook", "stream", "callback"])
async def test_stop_leaves_no_task_and_no_descriptor_whatever_the_calls_were_doing(moment: str):
    asked, over = asyncio.Event(), asyncio.Event()

    async def late(request: aiohttp.web.Request) -> aiohttp.web.Response:
        asked.set()
        await over.wait()
        return aiohttp.web.Response()

    async def media(socket: Socket) -> None:
        await socket.play(bytes(8000))
        await socket.until("media")
        asked.set()
        await socket.drain()

    async def once() -> None:
        config = TwilioConfig(numbers=(OWNED,), queue_time=60 if moment == "queued" else 0)
        customer = Customer(config)
        await customer.start()
        customer.media = media
        customer.documents["/voice"] = late if moment == "webhook" else customer.connect()
        if moment == "callback":
            customer.documents["/status"] = late
        try:
            async with TwilioServer(config, Tones()) as server, aiohttp.ClientSession() as http:
                script = PhoneScript(outcome="no-answer") if moment == "ringing" else PhoneScript(ring=0)
                call = await Account(server, customer, http).dial(script)
                if moment in ("webhook", "stream", "callback"):
                    await asked.wait()
                elif moment == "ringing":
                    await call.wait_status("ringing")
            assert server.life(call.sid) is None
            await call.ended()
        finally:
            over.set()
            await customer.stop()

    await once()  # what is opened once and kept: the loop's own
    asked.clear()
    over.clear()
    tasks, descriptors = asyncio.all_tasks(), sorted(os.listdir("/proc/self/fd"))
    await once()
    assert asyncio.all_tasks() == tasks
    assert sorted(os.listdir("/proc/self/fd")) == descriptors


async def test_stopping_twice_or_without_a_start_does_nothing():
    server = TwilioServer(TwilioConfig(), Tones())
    await server.stop()
    async with server:
        await server.stop()
    with pytest.raises(RuntimeError, match="not started"):
        _ = server.api_url


async def test_a_server_that_was_stopped_can_be_started_again(customer: Customer):
    server = TwilioServer(TwilioConfig(numbers=(OWNED,)), Tones())
    for _ in range(2):
        async with server, aiohttp.ClientSession() as http:
            call = await Account(server, customer, http).dial(LEAVES)
            assert await call.ended() == "completed"


async def test_a_taken_port_is_an_error_and_leaves_nothing_open(server: TwilioServer):
    port = int(server.api_url.rpartition(":")[2])
    with pytest.raises(OSError, match="address already in use"):
        await TwilioServer(TwilioConfig(port=port), Tones()).start()


async def test_only_so_many_ended_calls_are_remembered(customer: Customer):
    config = TwilioConfig(numbers=(OWNED,), keep_calls=2)
    async with TwilioServer(config, Tones()) as server, aiohttp.ClientSession() as http:
        account = Account(server, customer, http)
        live = await account.dial(PhoneScript(outcome="no-answer"))
        ended = []
        for _ in range(4):
            ended.append(await account.dial(PhoneScript(outcome="busy", ring=0)))
            await ended[-1].ended()
        assert list(server.calls) == [live.sid, ended[2].sid, ended[3].sid]
        assert len(await server.wait_calls(5)) == 3


async def test_one_can_wait_for_a_call_that_somebody_else_places(server: TwilioServer, account: Account):
    waiting = asyncio.ensure_future(server.wait_calls(1))
    call = await account.dial(LEAVES)
    assert await waiting == [call]


async def test_phones_come_from_a_function_a_mapping_or_the_default(customer: Customer):
    busy, failed = PhoneScript(outcome="busy", ring=0), PhoneScript(outcome="failed", ring=0)
    config = TwilioConfig(numbers=(OWNED,))
    sources = ({CALLEE: busy}, lambda number: busy if number == CALLEE else None)
    for phones in sources:
        async with TwilioServer(config, Tones(), phones, failed) as server, aiohttp.ClientSession() as http:
            account = Account(server, customer, http)
            ends = []
            for number in (CALLEE, "+15552224444"):
                form = {"To": number, "From": OWNED, "Twiml": "<Response/>"}
                _, body = await account.post("Calls.json", form)
                ends.append(await server.calls[body["sid"]].ended())
            assert ends == ["busy", "failed"]
