"""A carrier in a few lines: Twilio's REST, webhooks and media streams, as far as an outbound call needs them.

Every phone answers at once; what it does then is `talk`'s. Not the emulator, which plays in real time and
listens: this one must be as cheap as can be, as it shares its process with the clock.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from xml.etree import ElementTree

import aiohttp
from aiohttp import web
from picows import WSError
from twilio.request_validator import RequestValidator

from bench import wire
from bench.audio import Faults, Line
from bench.phone import Phone

ACCOUNT_SID = "AC" + "b" * 32
AUTH_TOKEN = "c" * 32  # noqa: S105 - of no account
FROM_NUMBER = "+15550001111"
_SIGNATURE = "X-Twilio-Signature"
_SERVER_KEEP_ALIVE, _CLIENT_KEEP_ALIVE = 120.0, 2.0
"""Seconds. It is the client that closes an idle connection, and never the server under a request on its way."""
_WEBHOOK_WITHIN = 10.0


class CallFailed(Exception):
    """The call did not come about."""


@dataclass(slots=True)
class CarrierCall:
    """A call as REST shows it."""

    sid: str
    to: str
    voice_url: str
    status_url: str
    status: str = "queued"
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """REST ordered its end."""

    def resource(self) -> dict[str, object]:
        """Its JSON."""
        return {
            "sid": self.sid,
            "account_sid": ACCOUNT_SID,
            "to": self.to,
            "from": FROM_NUMBER,
            "status": self.status,
            "direction": "outbound-api",
            "date_created": "Sun, 22 Nov 2026 12:00:00 +0000",
            "api_version": "2010-04-01",
            "uri": f"/2010-04-01/Accounts/{ACCOUNT_SID}/Calls/{self.sid}.json",
        }


Talk = Callable[[Phone, CarrierCall], Awaitable[None]]
"""What a phone does between its answer and its hanging up."""


def number_of(line: int) -> str:
    """The telephone number of a line."""
    return f"+1555{line:07d}"


def line_of(number: str) -> int:
    """The line that has the telephone number."""
    return int(number[-7:])


class Carrier:
    """The account. `lines` are the phones that exist, by number; others may be added at any time.

    `on_end` is told of a line when its call is over, whether it came about or not. `phone` makes the telephone of a
    line and a stream SID.
    """

    def __init__(
        self,
        lines: Mapping[int, Line],
        faults: Faults,
        talk: Talk,
        on_end: Callable[[int], None] = lambda _line: None,
        phone: Callable[[Line, str], Phone] = Phone,
    ) -> None:
        self.calls: dict[str, CarrierCall] = {}
        """Those that have not ended, by SID."""
        self._lines = lines
        self._faults = faults
        self._talk = talk
        self._on_end = on_end
        self._phone = phone
        self._validator = RequestValidator(AUTH_TOKEN)
        self._group = asyncio.TaskGroup()
        self._session: aiohttp.ClientSession | None = None
        self._port = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def api_url(self) -> str:
        """The root of REST."""
        return f"http://127.0.0.1:{self._port}"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve on a free port; on leaving, wait for the calls that are left."""
        app = web.Application()
        base = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Calls"
        app.router.add_post(f"{base}.json", self._create)
        app.router.add_get(f"{base}/{{sid}}.json", self._fetch)
        app.router.add_post(f"{base}/{{sid}}.json", self._update)
        runner = web.AppRunner(app, access_log=None, keepalive_timeout=_SERVER_KEEP_ALIVE)
        await runner.setup()
        sock = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._port = sock.getsockname()[1]
        connector = aiohttp.TCPConnector(keepalive_timeout=_CLIENT_KEEP_ALIVE)
        timeout = aiohttp.ClientTimeout(total=_WEBHOOK_WITHIN)
        try:
            await web.SockSite(runner, sock).start()
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as self._session,
                self._group,
            ):
                yield
        finally:
            await runner.cleanup()

    async def all_ended(self, within: float) -> None:
        """Wait until no call is left. Raises TimeoutError after so many seconds."""
        async with asyncio.timeout(within):
            await self._idle.wait()

    # REST.

    async def _create(self, request: web.Request) -> web.Response:
        form = await request.post()
        wanted = {name: str(value) for name, value in form.items()}
        call = CarrierCall("CA" + secrets.token_hex(16), wanted["To"], wanted["Url"], wanted["StatusCallback"])
        self.calls[call.sid] = call
        self._idle.clear()
        self._group.create_task(self._run(call))
        return web.json_response(call.resource(), status=201)

    async def _fetch(self, request: web.Request) -> web.Response:
        call = self.calls.get(request.match_info["sid"])
        return web.Response(status=404) if call is None else web.json_response(call.resource())

    async def _update(self, request: web.Request) -> web.Response:
        call = self.calls.get(request.match_info["sid"])
        if call is None:
            return web.Response(status=404)
        form = await request.post()
        if form.get("Status") in ("completed", "canceled"):
            call.ended.set()
        return web.json_response(call.resource())

    # One call.

    async def _run(self, call: CarrierCall) -> None:
        try:
            await self._live(call)
        except (CallFailed, WSError, OSError, TimeoutError, aiohttp.ClientError) as error:
            self._faults.add(f"the call to {call.to} failed: {type(error).__name__} {error}")
        call.status = "completed"
        try:
            await self._webhook(call, call.status_url)
        except (CallFailed, OSError, TimeoutError, aiohttp.ClientError) as error:
            self._faults.add(f"the end of the call to {call.to} could not be told: {error}")
        finally:
            del self.calls[call.sid]
            self._on_end(line_of(call.to))
            if not self.calls:
                self._idle.set()

    async def _live(self, call: CarrierCall) -> None:
        line = self._lines.get(line_of(call.to))
        if line is None:
            raise CallFailed("nobody has this number")
        call.status = "ringing"
        await self._webhook(call, call.status_url)
        call.status = "in-progress"
        stream_url, parameters = _stream_of(await self._webhook(call, call.voice_url))
        phone = self._phone(line, "MZ" + secrets.token_hex(16))
        await phone.connect(stream_url, {_SIGNATURE: self._validator.compute_signature(stream_url, {})})
        phone.send(wire.CONNECTED)
        phone.send(wire.start(phone.stream_sid, ACCOUNT_SID, call.sid, parameters))
        try:
            await self._talk(phone, call)
        finally:
            await phone.hang_up(ACCOUNT_SID, call.sid)
            line.close()

    async def _webhook(self, call: CarrierCall, url: str) -> str:
        form = {
            "AccountSid": ACCOUNT_SID,
            "ApiVersion": "2010-04-01",
            "CallSid": call.sid,
            "CallStatus": call.status,
            "Direction": "outbound-api",
            "From": FROM_NUMBER,
            "To": call.to,
        }
        headers = {_SIGNATURE: self._validator.compute_signature(url, form)}
        assert self._session is not None
        async with self._session.post(url, data=form, headers=headers) as answer:
            if answer.status >= 300:
                raise CallFailed(f"the webhook was answered with {answer.status}")
            return await answer.text()


def _stream_of(document: str) -> tuple[str, dict[str, str]]:
    """The URL and the parameters of the TwiML's <Stream>. Raises CallFailed if there is none."""
    try:
        stream = ElementTree.fromstring(document).find("Connect/Stream")
    except ElementTree.ParseError:
        stream = None
    if stream is None:
        raise CallFailed(f"the answer has no <Stream>: {document[:200]}")
    parameters = {each.get("name", ""): each.get("value", "") for each in stream.findall("Parameter")}
    return stream.get("url", ""), parameters
