"""How a session of the model ends, and what is left of it: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import shutil
import ssl
import subprocess
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from agenticd.adapters.openai import link as link_module
from agenticd.adapters.openai.connect import Config
from agenticd.adapters.openai.link import RING, State
from agenticd.core.events import AgentBrief
from agenticd.core.inputs import ModelClosed
from tests.adapters.openai.support import (
    KEY,
    Feed,
    accept,
    frame,
    model,
    never,
    numbers,
    raw_server,
    session,
    websocket,
    words,
)


@pytest.mark.parametrize(
    ("code", "reason", "message"),
    [
        (1000, "", "OpenAI closed the session with 1000"),
        (1001, "60 minutes.", "OpenAI closed the session with 1001 “60 minutes.”"),
        (1011, "a\nb\x00c", "OpenAI closed the session with 1011 “a b c”"),
        (4000, "beta_api_shape_disabled", "OpenAI closed the session with 4000 “beta_api_shape_disabled”"),
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
