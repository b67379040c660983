"""A customer of Twilio's: webhooks and media sockets on aiohttp; every signature is checked with the SDK.

Not the daemon: it knows nothing but what Twilio's pages say, and does what a test tells it to.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web
from twilio.request_validator import RequestValidator

from agenticd.emulator.twilio import TwilioConfig

Document = str | Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Request:
    """One webhook as it arrived."""

    path: str
    method: str
    form: Mapping[str, str]
    headers: Mapping[str, str]
    signed: bool


@dataclass(slots=True)
class Socket:
    """The server's end of a media stream: all messages seen, and what a server can send."""

    ws: web.WebSocketResponse
    transport: asyncio.Transport
    headers: Mapping[str, str]
    raw_headers: tuple[tuple[bytes, bytes], ...]
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def sid(self) -> str:
        return str(self.messages[1]["streamSid"])

    async def until(self, event: str, count: int = 1) -> dict[str, Any]:
        """Read until `count` messages of this event were seen; the last of them."""
        while True:
            seen = [message for message in self.messages if message["event"] == event]
            if len(seen) >= count:
                return seen[count - 1]
            message = await self.ws.receive()
            assert message.type is WSMsgType.TEXT, f"{message.type} while waiting for {event}"
            self.messages.append(json.loads(message.data))

    async def drain(self) -> None:
        """Read until the stream ends."""
        async for message in self.ws:
            self.messages.append(json.loads(message.data))

    async def send(self, event: str, **body: Any) -> None:
        await self.ws.send_str(json.dumps({"event": event, "streamSid": self.sid, **body}))

    async def play(self, audio: bytes) -> None:
        await self.send("media", media={"payload": base64.b64encode(audio).decode()})

    async def mark(self, name: str) -> None:
        await self.send("mark", mark={"name": name})

    def of(self, event: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["event"] == event]

    def audio(self) -> bytes:
        """All that the caller sent."""
        return b"".join(base64.b64decode(message["media"]["payload"]) for message in self.of("media"))


class Customer:
    """`documents` are TwiML by path, `media` is what is done with a media socket; 204 for everything else."""

    def __init__(self, config: TwilioConfig) -> None:
        self.config = config
        self.documents: dict[str, Document] = {}
        self.media: Callable[[Socket], Awaitable[None]] = Socket.drain
        self.refuse_media: int | None = None
        self.requests: list[Request] = []
        self.sockets: list[Socket] = []
        self._validator = RequestValidator(config.auth_token)
        self._runner: web.AppRunner | None = None
        self._more = asyncio.Event()

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/media", self._media)
        app.router.add_route("*", "/{tail:.*}", self._webhook)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def authority(self) -> str:
        assert self._runner is not None
        return "{}:{}".format(*self._runner.addresses[0][:2])

    def url(self, path: str) -> str:
        return f"http://{self.authority}{path}"

    @property
    def media_url(self) -> str:
        return f"ws://{self.authority}/media"

    def connect(self, after: str = "", action: str = "", stream: str = "", parameters: str = "") -> str:
        """TwiML that connects to the media socket, with what is to stand around it."""
        action = f' action="{action}"' if action else ""
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><Response><Connect{action}>'
            f'<Stream url="{self.media_url}"{stream}>{parameters}</Stream></Connect>{after}</Response>'
        )

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def at(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    async def wait_for(self, path: str, count: int = 1) -> list[Request]:
        """Wait until `path` was asked `count` times."""
        while len(self.at(path)) < count:
            self._more.clear()
            await self._more.wait()
        return self.at(path)

    async def _webhook(self, request: web.Request) -> web.StreamResponse:
        url = self.url(request.raw_path)
        form = {str(name): str(value) for name, value in (await request.post()).items()}
        given = form or dict(request.query)
        signed = self._validator.validate(url, form, request.headers.get("X-Twilio-Signature", ""))
        self.requests.append(Request(request.path, request.method, given, request.headers, signed))
        self._more.set()
        match self.documents.get(request.path):
            case None:
                return web.Response(status=204)
            case str(text):
                return web.Response(text=text, content_type="text/xml")
            case handler:
                return await handler(request)

    async def _media(self, request: web.Request) -> web.StreamResponse:
        signature = request.headers.get("X-Twilio-Signature", "")
        if not self._validator.validate(self.media_url, {}, signature):
            return web.Response(status=403)
        if self.refuse_media is not None:
            return web.Response(status=self.refuse_media, headers={"Location": self.media_url})
        ws = web.WebSocketResponse()
        assert isinstance(request.transport, asyncio.Transport)
        await ws.prepare(request)
        socket = Socket(ws, request.transport, request.headers, request.raw_headers)
        self.sockets.append(socket)
        await socket.until("start")
        await self.media(socket)
        return ws
