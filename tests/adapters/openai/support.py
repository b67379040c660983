"""What the tests of the link share: a model, its feed, and servers that behave or do not."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from agenticd.adapters.openai.connect import Config
from agenticd.adapters.openai.link import OpenAILink, OpenAIModel
from agenticd.core.events import AgentBrief
from agenticd.core.ids import CallId
from agenticd.core.inputs import Input, ModelClosed
from agenticd.core.realtime import OutputTranscriptDelta

KEY = "sk-very-secret"
CALL = CallId("01JD3XKQ8Y0000000000000000")
BRIEF = AgentBrief(instructions="", greeting="", voice="marin", model="gpt-realtime-2.1")
Handler = Callable[[ServerConnection], Awaitable[None]]


class FixedClock:
    """Only the wall matters here; timers are the loop's own."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def elapsed(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return 1_795_356_000.0

    def call_at(self, when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_at(when, callback)

    def randomness(self, size: int) -> bytes:
        return bytes(size)


class Feed:
    """Takes what a link feeds, and lets a test wait for it."""

    def __init__(self) -> None:
        self.inputs: list[Input] = []
        self.react: Callable[[Input], None] = lambda _input: None
        self._came = asyncio.Event()

    def __call__(self, input: Input) -> None:
        self.inputs.append(input)
        self._came.set()
        self.react(input)

    async def until(self, count: int) -> list[Input]:
        while len(self.inputs) < count:
            self._came.clear()
            await self._came.wait()
        return self.inputs

    async def closed(self) -> ModelClosed:
        while not self.inputs or not isinstance(self.inputs[-1], ModelClosed):
            self._came.clear()
            await self._came.wait()
        assert sum(isinstance(input, ModelClosed) for input in self.inputs) == 1
        return self.inputs[-1]


def model(url: str, **changes: Any) -> OpenAIModel:
    return OpenAIModel(Config(url, KEY, **changes), FixedClock())


def session(of: OpenAIModel, feed: Feed, brief: AgentBrief = BRIEF) -> OpenAILink:
    link = of.session(CALL, brief, feed)
    assert isinstance(link, OpenAILink)
    return link


@contextlib.asynccontextmanager
async def websocket(handler: Handler, **options: Any) -> AsyncIterator[str]:
    async with serve(handler, "127.0.0.1", 0, **options) as server:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"ws://{host}:{port}/v1/realtime"


Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def raw_server(handler: Raw) -> AsyncIterator[str]:
    """A server on which a test writes every byte itself."""

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"ws://{host}:{port}/v1/realtime"


async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(line.split(": ")[1] for line in head.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
    if size >= 1 << 16:
        length = b"\x7f" + size.to_bytes(8, "big")
    return bytes([opcode | (0x80 if fin else 0)]) + length + payload


def words(text: str) -> str:
    return json.dumps({"type": "response.output_audio_transcript.delta", "item_id": "i", "delta": text})


def numbers(count: int) -> list[OutputTranscriptDelta]:
    return [OutputTranscriptDelta("i", str(number)) for number in range(count)]


# What goes in and what comes out.


async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read all and answer nothing, until the other side is gone."""
    while await reader.read(65536):
        pass
