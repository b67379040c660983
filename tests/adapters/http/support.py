"""A switchboard that writes all down, a clock that is moved by hand, and a client of the public port."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import heapq
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast
from urllib.parse import urlencode

import uvloop
from twilio.request_validator import RequestValidator

from agenticd.adapters.http.media import MediaSocket
from agenticd.adapters.http.server import Config, HttpServer
from agenticd.core.errors import NotFound
from agenticd.core.ids import CallId
from agenticd.core.inputs import Input, MediaStarted
from agenticd.core.mediastream import StreamStarted
from agenticd.service.ports import MediaLink

CALL = CallId("01HZZZZZZZZZZZZZZZZZZZZZZZ")
OTHER_CALL = CallId("01HYYYYYYYYYYYYYYYYYYYYYYY")
TOKEN = "0123456789abcdef0123456789abcdef"
PUBLIC = "https://voice.example.com"
SIGNER = RequestValidator(TOKEN)
STREAM = "MZ00000000000000000000000000000001"
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

T = TypeVar("T")


def run(loop: str, main: Coroutine[object, object, T]) -> T:
    """Run to the end on that loop, in 30 s; fails if a callback raised that nobody awaited."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        failed: list[dict[str, object]] = []
        runner.get_loop().set_exception_handler(lambda _loop, context: failed.append(context))
        result = runner.run(asyncio.wait_for(main, 30))
    assert not failed
    return result


class ManualClock:
    """The Clock port; time passes by advance() alone."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._cancelled: set[int] = set()
        self._number = 0

    def monotonic(self) -> float:
        return self.now

    def elapsed(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_700_000_000.0 + self.now

    def randomness(self, size: int) -> bytes:
        return os.urandom(size)

    def call_at(self, when: float, callback: Callable[[], None]) -> _Timer:
        self._number += 1
        heapq.heappush(self._due, (when, self._number, callback))
        return _Timer(self._cancelled, self._number)

    def advance(self, seconds: float) -> None:
        """Let time pass, and all that is due happen at its time."""
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            when, number, callback = heapq.heappop(self._due)
            self.now = max(self.now, when)
            if number not in self._cancelled:
                callback()
        self.now = end

    @property
    def pending(self) -> int:
        """How many timers would still call back."""
        return sum(number not in self._cancelled for _, number, _ in self._due)


@dataclass
class _Timer:
    cancelled: set[int]
    number: int

    def cancel(self) -> None:
        self.cancelled.add(self.number)


@dataclass
class Board:
    """A Switchboard with one call. A start with the token "good" is taken."""

    asked: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    links: list[MediaLink] = field(default_factory=list)
    starts: list[tuple[CallId, StreamStarted]] = field(default_factory=list)
    error: Exception | None = None
    on_input: Callable[[Input], None] | None = None
    on_attach: Callable[[MediaLink], None] | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def voice_requested(self, call_id: CallId, form: Mapping[str, str]) -> str:
        return self._ask("voice", call_id, form)

    def resume_requested(self, call_id: CallId, form: Mapping[str, str]) -> str:
        return self._ask("resume", call_id, form)

    def status_reported(self, call_id: CallId, form: Mapping[str, str]) -> None:
        self._ask("status", call_id, form)

    def stream_reported(self, call_id: CallId, form: Mapping[str, str]) -> None:
        self._ask("stream", call_id, form)

    def arrived(self, form: Mapping[str, str]) -> str:
        return self._ask("arrived", CALL, form)

    def attach(self, call_id: CallId, start: StreamStarted, link: MediaLink) -> Callable[[Input], None] | None:
        self.starts.append((call_id, start))
        self.links.append(link)
        if self.error is not None:
            raise self.error
        if start.parameters.get("token") != "good":
            self._changed.set()
            return None
        if self.on_attach is not None:
            self.on_attach(link)
        self.feed(MediaStarted(start.stream_sid, 1))
        return self.feed

    def feed(self, message: Input) -> None:
        self.inputs.append(message)
        self._changed.set()
        if self.on_input is not None:
            self.on_input(message)

    async def until(self, met: Callable[[], object]) -> None:
        """Wait for something to be so, looking after each input."""
        while not met():
            self._changed.clear()
            await self._changed.wait()

    def kinds(self) -> list[str]:
        return [type(message).__name__ for message in self.inputs]

    def _ask(self, what: str, call_id: CallId, form: Mapping[str, str]) -> str:
        if self.error is not None:
            raise self.error
        if call_id != CALL:
            raise NotFound(call_id)
        self.asked.append((what, call_id, form))
        return f"<Response><!-- {what} --></Response>"


@dataclass
class House:
    """A running server with what stands around it."""

    server: HttpServer
    board: Board
    clock: ManualClock
    clients: list[Client] = field(default_factory=list)

    @property
    def socket(self) -> MediaSocket:
        """The one that was attached last."""
        link = self.board.links[-1]
        assert isinstance(link, MediaSocket)
        return link

    async def connect(self) -> Client:
        """A new connection to the public port."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        self.clients.append(Client(reader, writer))
        return self.clients[-1]

    async def media(self, *, start: bool = True, call_id: str = CALL) -> Client:
        """A media socket, with its stream begun."""
        client = await self.connect()
        status, _, _ = await client.upgrade(f"/twilio/media/{call_id}")
        assert status == 101
        if start:
            client.say(connected())
            client.say(started())
            await self.board.until(lambda: self.board.inputs)
        return client


@contextlib.asynccontextmanager
async def house(public_url: str = PUBLIC, sock: socket.socket | None = None) -> AsyncIterator[House]:
    board, clock = Board(), ManualClock()
    server = HttpServer(Config("127.0.0.1:0", public_url, TOKEN), board, clock, sock)
    await server.start()
    home = House(server, board, clock)
    try:
        yield home
    finally:
        for client in home.clients:
            client.abort()
            await client.close()
        await server.stop()
    assert server.media_sockets == 0
    assert clock.pending == 0


class Client:
    """One connection, spoken to byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(
        self, head: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request and read the answer: status, headers in lower case, body."""
        self.writer.write(request_bytes(head, headers, body))
        return await self.answer()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read one answer."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body

    async def post(
        self, path: str, form: Mapping[str, str], *, url: str = "", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """A webhook as Twilio would send it, signed for its public URL."""
        signature = SIGNER.compute_signature(url or PUBLIC + path, dict(form))
        body = encode_form(form)
        base = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
        return await self.request(f"POST {path}", base | headers, body)

    async def upgrade(self, path: str, *, url: str = "", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """An upgrade as Twilio would send it."""
        return await self.request(f"GET {path}", upgrade_headers(path, url=url) | headers)

    def say(self, text: str | bytes) -> None:
        """Send a message in one frame."""
        self.writer.write(frame(text.encode() if isinstance(text, str) else text))

    async def message(self) -> dict[str, object]:
        """The next message, decoded."""
        opcode, payload = await self.frame()
        assert opcode == 1, (opcode, payload)
        decoded = json.loads(payload)
        assert isinstance(decoded, dict)
        return decoded

    async def frame(self) -> tuple[int, bytes]:
        """The next frame: opcode and payload."""
        first, second = await self.reader.readexactly(2)
        assert first & 0x80
        assert not second & 0x80, "a server does not mask"
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        return first & 0x0F, await self.reader.readexactly(size)

    async def closed_with(self) -> int:
        """Read on to the close frame; its code."""
        while True:
            opcode, payload = await self.frame()
            if opcode == 8:
                return int.from_bytes(payload[:2], "big")

    async def lost(self) -> None:
        """Read on until the connection is lost."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    def deaf(self) -> None:
        """Read nothing more from the connection."""
        cast(asyncio.Transport, self.writer.transport).pause_reading()

    def hearing(self) -> None:
        """Read again."""
        cast(asyncio.Transport, self.writer.transport).resume_reading()

    def abort(self) -> None:
        """Break the connection."""
        self.writer.transport.abort()

    async def close(self) -> None:
        """Close the connection and wait for it."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


def request_bytes(head: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    lines = [f"{head} HTTP/1.1", "Host: evil.example"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8") + body


def upgrade_headers(path: str, *, url: str = "") -> dict[str, str]:
    signed = url or PUBLIC.replace("https", "wss") + path
    return {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "X-Twilio-Signature": SIGNER.compute_signature(signed, {}),
    }


def encode_form(form: Mapping[str, str]) -> bytes:
    return urlencode(form).encode()


def frame(payload: bytes, *, opcode: int = 1, fin: bool = True, rsv: int = 0) -> bytes:
    """A client's frame."""
    mask = os.urandom(4)
    size = len(payload)
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += bytes([0x80 | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([0x80 | 127]) + size.to_bytes(8, "big")
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return head + mask + masked


def connected() -> str:
    return json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})


def started(token: str = "good", stream: str = STREAM) -> str:
    return json.dumps(
        {
            "event": "start",
            "sequenceNumber": "1",
            "streamSid": stream,
            "start": {
                "streamSid": stream,
                "accountSid": "AC1",
                "callSid": "CA1",
                "tracks": ["inbound"],
                "customParameters": {"token": token},
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            },
        }
    )


def media(payload: str = "//8=", stream: str = STREAM) -> str:
    inner = {"track": "inbound", "chunk": "1", "timestamp": "5", "payload": payload}
    return json.dumps({"event": "media", "sequenceNumber": "3", "streamSid": stream, "media": inner})


def mark(name: str, stream: str = STREAM) -> str:
    return json.dumps({"event": "mark", "sequenceNumber": "4", "streamSid": stream, "mark": {"name": name}})


def digit(key: str, stream: str = STREAM) -> str:
    inner = {"track": "inbound_track", "digit": key}
    return json.dumps({"event": "dtmf", "sequenceNumber": "5", "streamSid": stream, "dtmf": inner})


def stopped(stream: str = STREAM) -> str:
    inner = {"accountSid": "AC1", "callSid": "CA1"}
    return json.dumps({"event": "stop", "sequenceNumber": "9", "streamSid": stream, "stop": inner})


def descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


async def eventually(met: Callable[[], object]) -> None:
    """Let the loop run until something is so that nobody announces. The test's own limit is the limit."""
    while not met():  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0)


Check = Callable[[House], Awaitable[None]]


def in_house(loop: str, check: Check, public_url: str = PUBLIC) -> None:
    """Run the check in a house of its own, on that loop."""

    async def main() -> None:
        async with house(public_url) as home:
            await check(home)

    run(loop, main())
