"""An upgrade becomes a media socket, however the connection came and whatever becomes of it."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import socket

import pytest
import websockets.asyncio.client

from tests.adapters.http.support import (
    CALL,
    STREAM,
    House,
    connected,
    descriptors,
    eventually,
    frame,
    in_house,
    media,
    request_bytes,
    started,
    upgrade_headers,
)

PATH = f"/twilio/media/{CALL}"
both_loops = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


def test_picows_is_the_version_whose_constructor_is_used():
    # The order of WSProtocol's arguments was read in this version. With another, read it again.
    assert importlib.metadata.version("picows") == "2.3.1"


@both_loops
def test_an_independent_client_gets_a_websocket(loop: str):
    async def check(home: House) -> None:
        headers = {"X-Twilio-Signature": upgrade_headers(PATH)["X-Twilio-Signature"]}
        url = f"ws://127.0.0.1:{home.server.port}{PATH}"
        async with websockets.asyncio.client.connect(url, additional_headers=headers, proxy=None) as client:
            await client.send(connected())
            await client.send(started())
            await client.send(media("AAAA"))
            await home.board.until(lambda: len(home.board.inputs) == 2)
            home.socket.play("//8=")
            got = json.loads(await client.recv())
            assert got == {"event": "media", "streamSid": STREAM, "media": {"payload": "//8="}}
            await (await client.ping())
        await home.board.until(lambda: home.board.kinds()[-1] == "MediaClosed")

    in_house(loop, check)


@both_loops
def test_an_upgrade_on_a_connection_that_has_served_webhooks(loop: str):
    async def check(home: House) -> None:
        client = await home.connect()
        for _ in range(3):
            status, _, _ = await client.post(f"/twilio/status/{CALL}", {"CallSid": "CA1", "CallStatus": "ringing"})
            assert status == 204
        status, headers, _ = await client.upgrade(PATH)
        assert status == 101
        assert headers["upgrade"] == "websocket"
        client.say(started())
        client.say(media("AAAA"))
        await home.board.until(lambda: home.board.kinds() == ["MediaStarted", "MediaReceived"])
        await client.close()

    in_house(loop, check)


@both_loops
@pytest.mark.parametrize("connection", ["keep-alive, Upgrade", "upgrade", "UPGRADE,close"])
def test_proxies_write_the_connection_header_in_many_ways(loop: str, connection: str):
    async def check(home: House) -> None:
        client = await home.connect()
        status, _, _ = await client.upgrade(PATH, Connection=connection, Upgrade="WebSocket")
        assert status == 101
        await client.close()

    in_house(loop, check)


@both_loops
@pytest.mark.parametrize("frames", [1, 2000])
def test_what_comes_right_behind_the_head_is_not_lost(loop: str, frames: int):
    async def check(home: House) -> None:
        client = await home.connect()
        said = [frame(text.encode()) for text in (connected(), started(), *[media("AAAA")] * frames)]
        client.writer.write(request_bytes(f"GET {PATH}", upgrade_headers(PATH)) + b"".join(said))
        status, _, _ = await client.answer()
        assert status == 101
        await home.board.until(lambda: len(home.board.inputs) == frames + 1)
        assert home.server.media_faults == {}
        await client.close()

    in_house(loop, check)


@both_loops
@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Upgrade": "h2c"}, 426),
        ({"Connection": "keep-alive"}, 426),
        ({"Sec-WebSocket-Version": "12"}, 426),
        ({"Sec-WebSocket-Key": "c2hvcnQ="}, 400),
        ({"Sec-WebSocket-Key": "no base64 ünd no ascii"}, 400),
        ({"Content-Length": "5"}, 400),
    ],
)
def test_a_signed_request_that_is_no_upgrade_is_told_why(loop: str, changed: dict[str, str], status: int):
    async def check(home: House) -> None:
        client = await home.connect()
        got, headers, body = await client.request(f"GET {PATH}", upgrade_headers(PATH) | changed)
        assert got == status
        assert body
        assert headers["connection"] == "close"
        assert home.server.media_sockets == 0
        assert home.server.refused == {"no_upgrade": 1}
        await client.close()

    in_house(loop, check)


@both_loops
@pytest.mark.parametrize("signature", ["", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "ünd"])
def test_no_signature_no_socket(loop: str, signature: str):
    async def check(home: House) -> None:
        client = await home.connect()
        status, _, body = await client.upgrade(PATH, **{"X-Twilio-Signature": signature})
        assert status == 403
        assert len(body) < 40
        assert home.server.media_sockets == 0
        assert sum(home.server.refused.values()) == 1
        await client.lost()
        await client.close()

    in_house(loop, check)


@both_loops
def test_an_upgrade_signed_as_a_webhook_is_refused(loop: str):
    async def check(home: House) -> None:
        client = await home.connect()
        status, _, _ = await client.upgrade(PATH, url=f"https://voice.example.com{PATH}")
        assert status == 403
        await client.close()

    in_house(loop, check)


@both_loops
def test_the_socket_keeps_little_back_so_that_a_clear_is_soon_heard(loop: str):
    async def check(home: House) -> None:
        await home.media()
        transport = home.socket._transport
        assert transport is not None
        sock = transport.underlying_transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * 16 * 1024  # Linux doubles it
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 4 * 1024
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    in_house(loop, check)


@both_loops
def test_fifty_broken_connections_leave_no_descriptor_and_no_task(loop: str):
    async def check(home: House) -> None:
        await _break(home, 3)  # whatever is made once, is made
        await eventually(lambda: home.server.media_sockets == 0)
        descriptors_before, tasks_before = descriptors(), len(asyncio.all_tasks())
        for number in range(50):
            await _break(home, number % 3)
        # Fewer is possible: one of the first may have gone late.
        await eventually(lambda: descriptors() <= descriptors_before)
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks_before)
        assert home.server.media_sockets == 0
        assert home.clock.pending == 0
        server = home.server._site._runner.server
        assert server is not None
        await eventually(lambda: server.connections == [])

    in_house(loop, check)


async def _break(home: House, how: int) -> None:
    """Break a connection: before the answer, after it, or after a start."""
    client = await home.connect()
    client.writer.write(request_bytes(f"GET {PATH}", upgrade_headers(PATH)))
    if how > 0:
        await client.answer()
    if how > 1:
        home.board.inputs.clear()
        client.say(started())
        await home.board.until(lambda: home.board.inputs)
    client.abort()
    if how > 1:
        await home.board.until(lambda: home.board.kinds() == ["MediaStarted", "MediaClosed"])
    await eventually(lambda: home.server.media_sockets == 0)
