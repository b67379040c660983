"""The model's socket: what comes is fed in order until exactly one ModelClosed, and nothing is left over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, get_args

import pytest
from openai.types.realtime import RealtimeServerEvent
from websockets.asyncio.server import ServerConnection

from agenticd.adapters.openai.unneeded import UNNEEDED
from agenticd.core.errors import RemoteError
from agenticd.core.events import AgentBrief
from agenticd.core.inputs import Input, ModelClosed
from agenticd.core.realtime import Ignored, OutputTranscriptDelta, decode
from tests.adapters.openai.support import (
    KEY,
    Feed,
    accept,
    model,
    never,
    numbers,
    raw_server,
    session,
    websocket,
    words,
)


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
        await ws.send('{"type":"response.mood.delta","delta":"cheerful"}')
        await ws.send('{"type":"rate_limits.updated","rate_limits":[]}')
        await ws.send(words("0"))

    async with websocket(handler) as url:
        feed, of = Feed(), model(url)
        await session(of, feed).open()
        await feed.closed()
    assert feed.inputs[:-1] == [Ignored("response.mood.delta"), Ignored("rate_limits.updated"), *numbers(1)]
    assert of.faults == {"undecodable": 2, "binary": 2, "unknown_event": 1}


def test_what_the_api_has_is_either_read_or_known_as_unneeded():
    """By the vendor's own types: none of its events is counted as news, and none that is read is called unneeded."""
    for kind in get_args(get_args(RealtimeServerEvent)[0]):
        (name,) = get_args(kind.model_fields["type"].annotation)
        try:
            read = not isinstance(decode(json.dumps({"type": name})), Ignored)
        except RemoteError:
            read = True  # one that is read, and has nothing in it here
        assert read != (name in UNNEEDED), name


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
    assert (of.connects, of.connect_seconds.count) == ({"refused": 1}, 0)


async def test_who_hears_of_a_refusal_may_close_the_session():
    async def handler(ws: ServerConnection) -> None:
        raise AssertionError("not reached")

    async with websocket(handler, process_request=lambda ws, _: ws.respond(HTTPStatus(429), "")) as url:
        feed = Feed()
        link = session(model(url), feed)
        feed.react = lambda _input: link.close()
        await link.open()
    (closed,) = feed.inputs
    assert isinstance(closed, ModelClosed)
    assert closed.code == 429


async def test_sessions_that_were_opened_are_counted_and_timed():
    async def handler(ws: ServerConnection) -> None:
        await ws.wait_closed()

    async with websocket(handler) as url:
        of = model(url)
        for number in (1, 2):
            link = session(of, Feed())
            await link.open()
            assert (of.connects, of.connect_seconds.count) == ({"ok": number}, number)
            link.close()


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


async def test_a_server_that_never_answers():
    async with raw_server(never) as url:
        feed = Feed()
        await session(model(url, connect_timeout=0.1), feed).open()
    assert feed.inputs == [ModelClosed(0, "OpenAI did not answer within 0.1 s")]


# The end of a session.
