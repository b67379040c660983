"""The model's socket: what comes is fed in order until exactly one ModelClosed, and nothing is left over."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import hashlib
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from agenticd.adapters.openai import link as link_module
from agenticd.adapters.openai.connect import Config
from agenticd.adapters.openai.link import RING, OpenAILink, OpenAIModel, State
from agenticd.core.events import AgentBrief
from agenticd.core.ids import CallId
from agenticd.core.inputs import Input, ModelClosed
from agenticd.core.realtime import OutputTranscriptDelta, decode

KEY = "sk-very-secret"
CALL = CallId("01JD3XKQ8Y0000000000000000")
BRIEF = AgentBrief(instructions="", greeting="", voice="marin", model="gpt-realtime-2.1")
Handler = Callable[[ServerConnection], Awaitable[None]]


class FixedClock:
    """Only the wall matters here; timers are the loop's own."""

    def monotonic(self) -> float:
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


async def test_the_upgrade_names_the_model_and_us_and_carries_the_key():
    seen: list[Any] = []

    async def handler(ws: ServerConnection) -> None:
        seen.append(ws.request)

    async with websocket(handler) as url:
        for address, brief_model in ((url, "gpt realtime/2"), (url + "?a=1", "")):
            feed = Feed()
            brief = AgentBrief(instructions="", greeting="", voice="marin", model=brief_model)
            await session(model(address, model="default", user_agent="agenticd/9"), feed, brief).open()
            await feed.closed()
    assert [request.path for request in seen] == [
        "/v1/realtime?model=gpt%20realtime%2F2",
        "/v1/realtime?a=1&model=default",
    ]
    for request in seen:
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        assert request.headers.get_all("User-Agent") == ["agenticd/9"]
        assert "OpenAI-Beta" not in request.headers


async def test_messages_are_fed_in_order_also_in_a_flood():
    async def handler(ws: ServerConnection) -> None:
        for number in range(5000):
            await ws.send(words(str(number)))

    async with websocket(handler) as url:
        feed = Feed()
        await session(model(url), feed).open()
        closed = await feed.closed()
    assert feed.inputs == [*numbers(5000), closed]


async def test_the_call_may_answer_at_once_and_its_messages_keep_their_order():
    got: list[str | bytes] = []

    async def handler(ws: ServerConnection) -> None:
        await ws.send('{"type":"session.created","session":{"id":"s"}}')
        got.extend([await ws.recv() for _ in range(4)])

    async with websocket(handler) as url:
        feed = Feed()
        link = session(model(url), feed)

        def react(input: Input) -> None:
            if len(feed.inputs) == 1:
                link.send(b'{"type":"session.update"}')
                link.append("AAAA")
                link.append("BBBB")
                link.send(b'{"type":"response.create"}')

        feed.react = react
        await link.open()
        await feed.closed()
    assert got == [
        '{"type":"session.update"}',
        '{"type":"input_audio_buffer.append","audio":"AAAA"}',
        '{"type":"input_audio_buffer.append","audio":"BBBB"}',
        '{"type":"response.create"}',
    ]


async def test_fragments_are_one_message_and_a_ping_between_them_is_answered():
    text = words("Grüße " * 40_000)
    ponged = asyncio.Event()

    async def handler(ws: ServerConnection) -> None:
        async def parts() -> AsyncIterator[str]:
            for at in range(0, len(text), 50_000):
                yield text[at : at + 50_000]
                await (await ws.ping())
            ponged.set()

        await ws.send(parts())
        await ws.send(words("after"))

    async with websocket(handler) as url:
        feed = Feed()
        await session(model(url), feed).open()
        await feed.closed()
    assert ponged.is_set()
    assert feed.inputs[:-1] == [decode(text), OutputTranscriptDelta("i", "after")]


async def test_a_large_message_in_one_frame_arrives():
    async def handler(ws: ServerConnection) -> None:
        await ws.send(words("x" * 3_000_000))

    async with websocket(handler) as url:
        feed = Feed()
        await session(model(url), feed).open()
        await feed.closed()
    assert feed.inputs[0] == OutputTranscriptDelta("i", "x" * 3_000_000)


async def test_what_is_no_message_is_counted_and_the_session_goes_on():
    async def handler(ws: ServerConnection) -> None:
        await ws.send("no json")
        await ws.send(words("binary").encode())
        await ws.send([b"binary in ", b"fragments"])
        await ws.send('{"type":"error"}')
        await ws.send(words("0"))

    async with websocket(handler) as url:
        feed, of = Feed(), model(url)
        await session(of, feed).open()
        await feed.closed()
    assert feed.inputs[:-1] == numbers(1)
    assert of.faults == 4


# Refusals.


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, '{"error":{"code":"invalid_api_key","message":"Incorrect API key: sk-very-se***"}}', "API key"),
        (403, "", "does not allow"),
        (404, '{"error": {"code": "model_not_found"}}', "no such model or address (model_not_found)"),
        (429, "", "no more sessions"),
        (500, "Traceback: sk-very-secret", "HTTP 500"),
    ],
)
async def test_a_refused_upgrade_is_one_model_closed_with_the_status(status, body, words):
    async def handler(ws: ServerConnection) -> None:
        raise AssertionError("not reached")

    def refuse(ws: ServerConnection, _request: object) -> Any:
        return ws.respond(HTTPStatus(status), body)

    async with websocket(handler, process_request=refuse) as url:
        feed, of = Feed(), model(url)
        await session(of, feed).open()
        (closed,) = feed.inputs
    assert isinstance(closed, ModelClosed)
    assert closed.code == status
    assert words in closed.message
    assert "sk-" not in closed.message
    assert (of.health.ok, of.health.at, of.health.message) == (False, 1_795_356_000.0, closed.message)


async def test_a_redirect_does_not_get_the_key():
    asked: list[str] = []

    async def handler(ws: ServerConnection) -> None: ...

    def elsewhere(_ws: ServerConnection, request: Any) -> None:
        asked.append(request.path)

    async with websocket(handler, process_request=elsewhere) as other:

        def redirect(ws: ServerConnection, _request: object) -> Any:
            response = ws.respond(HTTPStatus.FOUND, "")
            response.headers["Location"] = other
            return response

        async with websocket(handler, process_request=redirect) as url:
            feed = Feed()
            await session(model(url), feed).open()
    assert feed.inputs == [ModelClosed(302, "OpenAI answered with HTTP 302")]
    assert asked == []


async def test_a_port_that_nobody_listens_on():
    async with raw_server(accept) as url:
        pass
    feed, of = Feed(), model(url)
    await session(of, feed).open()
    assert feed.inputs == [ModelClosed(0, "OpenAI's address takes no connections")]
    assert of.health.ok is False


async def test_a_host_that_does_not_exist():
    feed = Feed()
    await session(model("ws://no-such-host.invalid/"), feed).open()
    assert feed.inputs == [ModelClosed(0, "OpenAI's host name is unknown")]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "OpenAI closed the connection in place of an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "OpenAI's address does not speak WebSocket"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "OpenAI's address does not speak WebSocket"),
        (b"HTTP/1.1 abc\r\n\r\n", "OpenAI's address does not speak WebSocket"),
    ],
)
async def test_an_answer_that_is_no_upgrade(answer, message):
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with raw_server(handler) as url:
        feed = Feed()
        await session(model(url), feed).open()
    assert feed.inputs == [ModelClosed(0, message)]


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "ws://", "ws://[::1", "ws://127.0.0.1:99999/", "ws://h/#x"])
async def test_an_address_that_is_none(url):
    feed = Feed()
    await session(model(url), feed).open()
    (closed,) = feed.inputs
    assert isinstance(closed, ModelClosed)
    assert closed.code == 0


async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read all and answer nothing, until the other side is gone."""
    while await reader.read(65536):
        pass


async def test_a_server_that_never_answers():
    async with raw_server(never) as url:
        feed = Feed()
        await session(model(url, connect_timeout=0.1), feed).open()
    assert feed.inputs == [ModelClosed(0, "OpenAI did not answer within 0.1 s")]


# The end of a session.


@pytest.mark.parametrize(
    ("code", "reason", "message"),
    [
        (1000, "", "OpenAI closed the session with 1000"),
        (1001, "60 minutes.", "OpenAI closed the session with 1001: 60 minutes."),
        (1011, "a\nb\x00c", "OpenAI closed the session with 1011: a b c"),
        (4000, "beta_api_shape_disabled", "OpenAI closed the session with 4000: beta_api_shape_disabled"),
    ],
)
async def test_a_close_by_the_peer_gives_its_code_and_its_words(code, reason, message):
    async def handler(ws: ServerConnection) -> None:
        await ws.send(words("0"))
        await ws.close(code, reason)

    async with websocket(handler) as url:
        feed, of = Feed(), model(url)
        await session(of, feed).open()
        closed = await feed.closed()
    assert feed.inputs == [*numbers(1), ModelClosed(code, message)]
    assert of.health.ok is (code in (1000, 1001))
    assert closed.message == message


async def test_a_close_without_a_code():
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        writer.write(frame(0x8, b""))
        await never(reader, writer)

    async with raw_server(handler) as url:
        feed = Feed()
        await session(model(url), feed).open()
        assert await feed.closed() == ModelClosed(1005, "OpenAI closed the session with 1005")


async def test_an_abrupt_reset_is_1006():
    async def handler(ws: ServerConnection) -> None:
        await ws.send(words("0"))
        await ws.recv()
        ws.transport.abort()

    async with websocket(handler) as url:
        feed, of = Feed(), model(url)
        link = session(of, feed)
        await link.open()
        link.send(b"{}")
        assert await feed.closed() == ModelClosed(1006, "the connection to OpenAI was lost")
        link.append("AAAA")
        link.send(b"{}")
        link.close()
    assert len(feed.inputs) == 2
    assert of.health.ok is False


async def test_our_close_says_1000_and_nothing_is_fed_behind_it():
    seen: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def handler(ws: ServerConnection) -> None:
        with contextlib.suppress(Exception):
            while True:
                await ws.send(words("0"))
        await ws.wait_closed()
        seen.set_result(ws.close_code)

    async with websocket(handler) as url:
        feed, of = Feed(), model(url)
        link = session(of, feed)
        await link.open()
        await feed.until(3)
        link.close()
        count = len(feed.inputs)
        assert feed.inputs[-1] == ModelClosed(1000, "closed by the daemon")
        link.close()
        link.send(b"{}")
        link.append("AAAA")
        assert await seen == 1000
    assert len(feed.inputs) == count
    assert of.health.ok is True


async def test_a_close_from_within_feed_is_the_last_thing_that_is_fed():
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        writer.write(b"".join(frame(0x1, words(str(number)).encode()) for number in range(100)))
        await never(reader, writer)

    async with raw_server(handler) as url:
        feed = Feed()
        link = session(model(url), feed)
        feed.react = lambda input: link.close() if input == numbers(5)[4] else None
        await link.open()
        await feed.closed()
    assert feed.inputs == [*numbers(5), ModelClosed(1000, "closed by the daemon")]


async def test_a_peer_that_does_not_answer_our_close_is_cut_off(monkeypatch):
    monkeypatch.setattr(link_module, "_CLOSE_SECONDS", 0.05)
    gone = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        with contextlib.suppress(OSError):
            await never(reader, writer)
        gone.set()

    async with raw_server(handler) as url:
        feed = Feed()
        link = session(model(url), feed)
        await link.open()
        link.close()
        await gone.wait()
    assert feed.inputs == [ModelClosed(1000, "closed by the daemon")]


async def test_a_session_that_is_closed_before_it_is_opened_never_connects():
    feed = Feed()
    link = session(model("ws://127.0.0.1:1/"), feed)
    link.send(b"{}")
    link.append("AAAA")
    link.close()
    await link.open()
    assert feed.inputs == [ModelClosed(1000, "closed by the daemon")]


async def test_a_close_while_it_is_being_opened_ends_the_wait():
    asked = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await never(reader, writer)

    async with raw_server(handler) as url:
        feed, of = Feed(), model(url, connect_timeout=30)
        link = session(of, feed)
        async with asyncio.TaskGroup() as group:
            opening = group.create_task(link.open())
            await asked.wait()
            link.send(b"{}")
            link.close()
            link.close()
            await opening
    assert feed.inputs == [ModelClosed(1000, "closed by the daemon")]
    assert of.health.ok is None


async def test_an_upgrade_that_comes_too_late_finds_nobody():
    asked, answer, gone = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = asyncio.StreamReader()
        head.feed_data(await reader.readuntil(b"\r\n\r\n"))
        asked.set()
        await answer.wait()
        await accept(head, writer)
        with contextlib.suppress(OSError):
            await never(reader, writer)
        gone.set()

    async with raw_server(handler) as url:
        feed = Feed()
        link = session(model(url), feed)
        async with asyncio.TaskGroup() as group:
            group.create_task(link.open())
            await asked.wait()
            link.close()
        answer.set()
        await gone.wait()
    assert feed.inputs == [ModelClosed(1000, "closed by the daemon")]


async def test_a_cancelled_open_is_cancelled_and_says_nothing():
    asked = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await never(reader, writer)

    async with raw_server(handler) as url:
        feed = Feed()
        link = session(model(url), feed)
        async with asyncio.TaskGroup() as group:
            opening = group.create_task(link.open())
            await asked.wait()
            opening.cancel()
        link.close()
    assert opening.cancelled()
    assert feed.inputs == []
    assert link.state is State.CLOSED


async def test_a_peer_that_gives_no_sign_of_life_is_lost():
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        await never(reader, writer)

    async with raw_server(handler) as url:
        feed = Feed()
        await session(model(url, ping_interval=0.05, ping_timeout=0.05), feed).open()
        assert await feed.closed() == ModelClosed(1006, "OpenAI gave no sign of life")


BROKEN = {
    "masked": (b"\x81\x80abcd", 1002, "broke the WebSocket protocol"),
    "unknown opcode": (b"\x83\x00", 1002, "broke the WebSocket protocol"),
    "continuation of nothing": (frame(0x0, b"x"), 1002, "fragments out of order"),
    "text within a text": (frame(0x1, b"x", fin=False) + frame(0x1, b"y"), 1002, "fragments out of order"),
    "frame too large": (b"\x81\x7f" + (1 << 40).to_bytes(8, "big"), 1009, "broke the WebSocket protocol"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_protocol_ends_the_session_and_leaves_no_forgotten_error(name, caplog):
    sent, code, message = BROKEN[name]

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        writer.write(frame(0x1, words("0").encode()))
        await writer.drain()
        await reader.readuntil(b"\x80")  # our first frame: the words have been read
        writer.write(sent)
        await never(reader, writer)

    async with raw_server(handler) as url:
        feed = Feed()
        link = session(model(url), feed)
        await link.open()
        await feed.until(1)
        link.send(b"")
        closed = await feed.closed()
    assert closed.code == code
    assert message in closed.message
    assert feed.inputs[:-1] == numbers(1)
    del link, feed
    await asyncio.sleep(0)  # the loop lets go of the connection
    gc.collect()
    assert not [record for record in caplog.records if "never retrieved" in record.message]


async def test_endless_fragments_end_the_session(monkeypatch):
    monkeypatch.setattr(link_module, "MESSAGE_LIMIT", 100_000)

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        writer.write(frame(0x1, b"x" * 1000, fin=False))
        while True:
            writer.write(frame(0x0, b"x" * 1000, fin=False))
            await writer.drain()

    async with raw_server(handler) as url:
        feed = Feed()
        await session(model(url), feed).open()
        assert await feed.closed() == ModelClosed(1009, "OpenAI sent a message of more than 16 MiB")


# A peer that does not read.


async def test_while_the_socket_takes_none_the_last_two_seconds_wait_and_other_messages_pass():
    read = asyncio.Event()
    got: list[dict[str, str]] = []
    sent = [f"{number:08d}" + "A" * 208 for number in range(60_000)]  # 20 minutes of frames

    async def handler(ws: ServerConnection) -> None:
        ws.transport.pause_reading()
        await read.wait()
        ws.transport.resume_reading()
        while not got or got[-1].get("audio") != sent[-1]:
            got.append(json.loads(await ws.recv()))

    async with websocket(handler) as url:
        feed, of = Feed(), model(url, ping_interval=300)
        link = session(of, feed)
        await link.open()
        for payload in sent:
            link.append(payload)
        link.send(b'{"type":"urgent"}')
        assert link.dropped > 0
        assert of.dropped == link.dropped
        read.set()
        await feed.closed()
    audio = [message["audio"] for message in got if "audio" in message]
    assert len(audio) == len(sent) - link.dropped
    kept = RING["pcmu"] // 216
    assert audio[-kept:] == sent[-kept:]
    assert audio[:-kept] == sent[: len(audio) - kept]
    assert got.index({"type": "urgent"}) == len(audio) - kept


# Nothing is left behind.


def sockets() -> int:
    """How many sockets this process has open."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return count


async def test_no_descriptor_is_left_whatever_the_end():
    async def handler(ws: ServerConnection) -> None:
        assert ws.request is not None
        match ws.request.path.rpartition("=")[2]:
            case "abort":
                ws.transport.abort()
            case "close":
                await ws.close(1001)
            case _:
                await ws.wait_closed()

    def refuse(ws: ServerConnection, request: Any) -> Any:
        return ws.respond(HTTPStatus.UNAUTHORIZED, "no") if request.path.endswith("refuse") else None

    async def cycle(times: int) -> None:
        async with websocket(handler, process_request=refuse) as url:
            of = model(url)
            for kind in ("abort", "close", "refuse", "ours") * times:
                feed = Feed()
                link = session(of, feed, AgentBrief(instructions="", greeting="", voice="", model=kind))
                await link.open()
                transport = link._transport
                if kind == "ours":
                    link.close()
                await feed.closed()
                if transport is not None:
                    await transport.wait_disconnected()

    await cycle(1)
    before = sockets()
    await cycle(10)
    assert sockets() == before


def test_the_key_is_not_in_what_is_printed():
    assert KEY not in repr(Config("wss://h", KEY))


# TLS.


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for localhost that nobody signed, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make a certificate")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    paths = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command.split(), *paths, *names], check=True, capture_output=True)
    return tmp_path / "cert", tmp_path / "key"


async def test_tls_works_and_an_unknown_certificate_is_refused(certificate, monkeypatch):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)

    async def handler(ws: ServerConnection) -> None:
        await ws.send(words("0"))
        await ws.recv()

    async with websocket(handler, ssl=tls) as url:
        url = url.replace("ws://127.0.0.1", "wss://localhost")
        stranger = Feed()
        await session(model(url), stranger).open()
        (refused,) = stranger.inputs
        assert isinstance(refused, ModelClosed)
        assert "certificate is not valid" in refused.message
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        feed = Feed()
        link = session(model(url), feed)
        await link.open()
        await feed.until(1)
        link.close()
    assert feed.inputs == [*numbers(1), ModelClosed(1000, "closed by the daemon")]
