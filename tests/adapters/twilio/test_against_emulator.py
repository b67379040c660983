"""Our end of Twilio against the emulated Twilio, which shares no code with it: REST, signatures, TwiML, media
frames and the stream token must all be understood by the other side."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import time
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from agenticd.adapters.twilio.rest import TwilioCarrier
from agenticd.adapters.twilio.transport import Config
from agenticd.core import mediastream, signature, token, twiml
from agenticd.core.errors import CarrierRefused
from agenticd.core.ids import CallId
from agenticd.core.mediastream import Connected, MarkEchoed, MediaReceived, StreamStarted, StreamStopped
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.twilio import TwilioConfig, TwilioServer
from agenticd.service.ports import DialOrder

CALL = CallId("01JD3XKQ8Y0000000000000000")
KEY = bytes(32)
CALLEE, OWNED = "+15552223333", "+15550001111"


class Silence:
    """A voice that says nothing."""

    def say(self, text: str, speaker: object) -> bytes:
        return b""


class Clock:
    """The real time, for creation dates; no chance."""

    def monotonic(self) -> float:
        return time.monotonic()

    def elapsed(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    def call_at(self, when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_at(when, callback)

    def randomness(self, size: int) -> bytes:
        return bytes(size)


class Daemon:
    """The webhooks and the media socket, on the parts of core that are tested here."""

    def __init__(self, auth_token: str) -> None:
        self.origin = ""
        self.statuses: asyncio.Queue[str] = asyncio.Queue()
        self.messages: asyncio.Queue[mediastream.Message] = asyncio.Queue()
        self.socket: web.WebSocketResponse | None = None
        self._auth_token = auth_token
        self.app = web.Application()
        self.app.router.add_post("/voice", self._voice)
        self.app.router.add_post("/status", self._status)
        self.app.router.add_post("/resume", self._resume)
        self.app.router.add_post("/stream", self._nothing)
        self.app.router.add_get("/media", self._media)

    async def _check(self, request: web.Request, origin: str, *, websocket: bool = False) -> dict[str, str]:
        form = {name: str(value) for name, value in (await request.post()).items()}
        header = request.headers.get("X-Twilio-Signature", "")
        url = origin + request.raw_path
        assert signature.valid(self._auth_token, url, form.items(), header, websocket=websocket)
        assert not signature.valid("0" * 32, url, form.items(), header, websocket=websocket)
        return form

    async def _voice(self, request: web.Request) -> web.Response:
        await self._check(request, self.origin)
        document = twiml.connect_stream(
            stream_url=self.origin.replace("http", "ws") + "/media",
            action_url=self.origin + "/resume",
            stream_status_url=self.origin + "/stream",
            parameters={"token": token.mint(KEY, CALL, 1, 1000), "note": '"<&>" é'},
        )
        return web.Response(text=document, content_type="text/xml")

    async def _resume(self, request: web.Request) -> web.Response:
        await self._check(request, self.origin)
        return web.Response(text=twiml.hang_up(), content_type="text/xml")

    async def _status(self, request: web.Request) -> web.Response:
        form = await self._check(request, self.origin)
        self.statuses.put_nowait(form["CallStatus"])
        return web.Response(status=204)

    async def _nothing(self, request: web.Request) -> web.Response:
        await self._check(request, self.origin)
        return web.Response(status=204)

    async def _media(self, request: web.Request) -> web.WebSocketResponse:
        await self._check(request, self.origin.replace("http", "ws"), websocket=True)
        self.socket = web.WebSocketResponse()
        await self.socket.prepare(request)
        async for frame in self.socket:
            assert frame.type is WSMsgType.TEXT
            self.messages.put_nowait(mediastream.decode(frame.data))
        return self.socket

    async def until(self, kind: type) -> mediastream.Message:
        while not isinstance(message := await self.messages.get(), kind):
            pass
        return message


@pytest.fixture
async def twilio() -> AsyncIterator[TwilioServer]:
    async with TwilioServer(TwilioConfig(numbers=(OWNED,)), Silence(), default=PhoneScript(ring=0)) as server:
        yield server


@pytest.fixture
async def daemon(twilio: TwilioServer) -> AsyncIterator[Daemon]:
    daemon = Daemon(twilio.config.auth_token)
    async with TestServer(daemon.app) as server:
        daemon.origin = str(server.make_url("")).rstrip("/")
        yield daemon


@pytest.fixture
async def carrier(twilio: TwilioServer) -> AsyncIterator[TwilioCarrier]:
    account = twilio.config
    carrier = TwilioCarrier(Config(account.account_sid, account.auth_token, twilio.api_url), Clock())
    yield carrier
    await carrier.close()


def order(daemon: Daemon, **changes: str) -> DialOrder:
    wanted = DialOrder(
        call_id=CALL,
        to_address=CALLEE,
        from_address=OWNED,
        ring_timeout=10,
        voice_url=daemon.origin + "/voice",
        status_url=daemon.origin + "/status",
        fallback_url=daemon.origin + "/resume",
    )
    return dataclasses.replace(wanted, **changes)  # type: ignore[arg-type]


async def test_a_call_from_dial_to_hang_up(twilio, daemon, carrier):
    begun = time.time()
    dialled = await carrier.dial(order(daemon))
    assert (dialled.to_address, dialled.from_address, dialled.status) == (CALLEE, OWNED, "queued")
    assert [await daemon.statuses.get() for _ in range(3)] == ["initiated", "ringing", "in-progress"]
    found = await carrier.find(CALLEE, OWNED, begun)
    assert [seen.carrier_call_id for seen in found] == [dialled.carrier_call_id]
    assert await carrier.find(CALLEE, OWNED, begun + 60) == []

    assert await daemon.messages.get() == Connected()
    start = await daemon.messages.get()
    assert isinstance(start, StreamStarted)
    assert start.call_sid == dialled.carrier_call_id
    assert start.parameters["note"] == '"<&>" é'
    assert token.check(KEY, start.parameters["token"], CALL, now=999) == 1
    assert await daemon.until(MediaReceived)

    assert daemon.socket is not None
    sid = start.stream_sid
    for message in (
        mediastream.encode_media(sid, base64.b64encode(bytes(160)).decode()),
        mediastream.encode_mark(sid, "g1:item_1:20"),
    ):
        await daemon.socket.send_str(message.decode())
    assert await daemon.until(MarkEchoed) == MarkEchoed(sid, "g1:item_1:20")
    await daemon.socket.send_str(mediastream.encode_media(sid, base64.b64encode(bytes(80_000)).decode()).decode())
    await daemon.socket.send_str(mediastream.encode_mark(sid, "g1:item_1:10020").decode())
    await daemon.socket.send_str(mediastream.encode_clear(sid).decode())
    assert await daemon.until(MarkEchoed) == MarkEchoed(sid, "g1:item_1:10020")

    ended = await carrier.hang_up(dialled.carrier_call_id, answered=True)
    assert ended is not None
    assert await daemon.until(StreamStopped) == StreamStopped(sid, dialled.carrier_call_id)
    assert await daemon.statuses.get() == "completed"
    seen = await carrier.look_up(dialled.carrier_call_id)
    assert seen is not None
    assert seen.status == "completed"
    assert await carrier.hang_up(dialled.carrier_call_id, answered=True) is None
    assert twilio.debugger.codes() == []


async def test_an_answered_call_is_ended_even_if_we_thought_it_rang(twilio, daemon, carrier):
    dialled = await carrier.dial(order(daemon))
    await daemon.until(StreamStarted)
    assert await carrier.hang_up(dialled.carrier_call_id, answered=False) is not None
    await daemon.until(StreamStopped)


async def test_words_are_said_to_their_end_and_then_the_call_is_over(twilio, daemon, carrier):
    dialled = await carrier.dial(order(daemon))
    await daemon.until(StreamStarted)
    seen = await carrier.hang_up(dialled.carrier_call_id, answered=True, words="Sorry & good bye.")
    assert seen is not None
    assert seen.status == "in-progress"
    await daemon.until(StreamStopped)
    call = twilio.calls[dialled.carrier_call_id]
    assert await call.ended() == "completed"
    assert call.said == ["Sorry & good bye."]
    assert await carrier.hang_up(dialled.carrier_call_id, answered=True, words="Once more.") is None
    assert twilio.debugger.codes() == []


async def test_twilio_says_which_urls_it_asked_for_a_call(twilio, daemon, carrier):
    dialled = await carrier.dial(order(daemon))
    await daemon.until(StreamStarted)
    urls = await carrier.requested(dialled.carrier_call_id)
    assert f"{daemon.origin}/voice" in urls
    assert f"{daemon.origin}/status" in urls
    await carrier.hang_up(dialled.carrier_call_id, answered=True)
    await daemon.until(StreamStopped)


async def test_a_ringing_call_is_canceled(twilio, daemon, carrier):
    twilio.set_phone(CALLEE, PhoneScript(outcome="no-answer"))
    dialled = await carrier.dial(order(daemon))
    while await daemon.statuses.get() != "ringing":
        pass
    assert await carrier.hang_up(dialled.carrier_call_id, answered=False) is not None
    assert await daemon.statuses.get() == "canceled"


async def test_refusals(twilio, daemon, carrier):
    with pytest.raises(CarrierRefused, match="21210|21212") as refusal:
        await carrier.dial(order(daemon, from_address="+15559999999"))
    assert refusal.value.status == 400
    with pytest.raises(CarrierRefused, match="21211"):
        await carrier.dial(order(daemon, to_address="nobody"))
    stranger = TwilioCarrier(Config(twilio.config.account_sid, "0" * 32, twilio.api_url), Clock())
    with pytest.raises(CarrierRefused, match="20003"):
        await stranger.look_up("CA" + "0" * 32)
    await stranger.close()
    assert await carrier.look_up("CA" + "0" * 32) is None
    assert twilio.calls == {}
