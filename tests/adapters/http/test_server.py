"""The public port opens where it should and, when it is closed, leaves nothing behind."""

from __future__ import annotations

import asyncio
import socket

import pytest

from agenticd.adapters.http import mediasockets, site
from agenticd.adapters.http.server import Config, HttpServer
from agenticd.core.errors import InvalidArgument
from agenticd.core.inputs import MediaClosed
from tests.adapters.http.support import (
    CALL,
    PUBLIC,
    STREAM,
    TOKEN,
    Board,
    House,
    ManualClock,
    descriptors,
    eventually,
    frame,
    house,
    in_house,
    request_bytes,
    run,
    upgrade_headers,
)

both_loops = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


def server(listen: str, sock: socket.socket | None = None) -> HttpServer:
    return HttpServer(Config(listen, PUBLIC, TOKEN), Board(), ManualClock(), sock)


def test_the_token_is_not_in_the_configurations_text():
    assert TOKEN not in repr(Config("127.0.0.1:0", PUBLIC, TOKEN))


@both_loops
def test_an_inherited_socket_is_used_instead_of_listen(loop: str):
    async def main() -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        async with house(sock=sock) as home:
            assert home.server.port == port
            client = await home.connect()
            status, _, _ = await client.post(f"/twilio/status/{CALL}", {"CallSid": "CA1"})
            assert status == 204

    run(loop, main())


@both_loops
def test_connections_to_an_inherited_socket_wait_for_the_next_process(loop: str):
    async def main() -> None:
        kept = socket.create_server(("127.0.0.1", 0))  # as systemd keeps it
        async with house(sock=kept.dup()):
            pass
        reader, writer = await asyncio.open_connection(*kept.getsockname())
        async with house(sock=kept.dup()) as home:
            writer.write(request_bytes("POST /twilio/status/x", {}))
            assert b" 403 " in await reader.readuntil(b"\r\n\r\n")
            home.clients.clear()
        writer.close()
        await writer.wait_closed()
        kept.close()

    run(loop, main())


def test_a_unix_socket_is_no_place_for_it():
    with socket.socket(socket.AF_UNIX) as sock, pytest.raises(InvalidArgument, match="no TCP socket"):
        server("127.0.0.1:0", sock)


@both_loops
def test_a_port_that_is_taken_is_named(loop: str):
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            with pytest.raises(InvalidArgument, match=f"http.listen: cannot listen on {address}") as caught:
                await server(address).start()
            assert "another agenticd: end it, or choose another port" in str(caught.value)

    run(loop, main())


@pytest.mark.parametrize("listen", ["", "8080", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "::1:80", "a:\u0665"])
def test_an_address_that_is_none_says_what_would_be_right(listen: str):
    with pytest.raises(InvalidArgument, match=r'http\.listen: must be .*"127\.0\.0\.1:8080"'):
        server(listen)


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:80", ("::1", 80)),
        (":80", ("", 80)),
        ("a.b:0", ("a.b", 0)),
    ],
)
def test_addresses(listen: str, address: tuple[str, int]):
    assert site.parse_listen(listen, "f") == address


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mediasockets, "_GRACE_SECONDS", 0.05)


@both_loops
@pytest.mark.usefixtures("short_grace")
@pytest.mark.parametrize("polite", [True, False])
def test_stop_ends_media_streams_first_and_tells_their_calls(loop: str, polite: bool):
    async def check(home: House) -> None:
        client = await home.media()
        stopping = asyncio.ensure_future(home.server.stop())
        assert await client.closed_with() == 1001
        if polite:
            client.writer.write(frame((1001).to_bytes(2, "big"), opcode=8))
        await stopping
        assert len(home.board.inputs) == 2
        closed = home.board.inputs[1]
        assert isinstance(closed, MediaClosed)
        assert (closed.stream_id, closed.stopped) == (STREAM, False)
        await client.lost()

    in_house(loop, check)


def undelivered(home: House) -> int:
    """Bytes of answers that wait for their client to read."""
    server = home.server._site._runner.server
    assert server is not None
    transports = [connection.transport for connection in server.connections]
    return max(transport.get_write_buffer_size() for transport in transports if transport is not None)


@both_loops
@pytest.mark.usefixtures("short_grace")
def test_stop_leaves_no_descriptor(loop: str):
    async def main() -> None:
        async with house():
            pass
        before = descriptors()
        async with house() as home:
            idle, half, kept, unproven = [await home.connect() for _ in range(4)]
            half.writer.write(b"POST /twilio/status/x HTTP/1.1\r\nContent-Le")
            await kept.post(f"/twilio/status/{CALL}", {"CallSid": "CA1"})
            await unproven.upgrade(f"/twilio/media/{CALL}")
            await home.media()
            # One that asks much and reads nothing: its answers cannot be delivered.
            deaf = await home.connect()
            deaf.deaf()
            asked = request_bytes("POST /nowhere", {"Content-Length": "0"}) * 100
            while not undelivered(home):
                if not deaf.writer.transport.get_write_buffer_size():  # more would only make it slow
                    deaf.writer.write(asked)
                await asyncio.sleep(0)
            await home.server.stop()
            await eventually(lambda: descriptors() <= before + len(home.clients))
            for client in (idle, half, kept, unproven):
                await client.lost()
        await eventually(lambda: descriptors() <= before)

    run(loop, main())


@both_loops
def test_after_stop_nothing_is_admitted(loop: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mediasockets, "_GRACE_SECONDS", 25.0)

    async def check(home: House) -> None:
        client = await home.media()
        late = await home.connect()
        await late.post(f"/twilio/status/{CALL}", {"CallSid": "CA1"})
        port = home.server.port
        stopping = asyncio.ensure_future(home.server.stop())
        await client.closed_with()  # it waits for this one to go
        path = f"/twilio/media/{CALL}"
        late.writer.write(request_bytes(f"GET {path}", upgrade_headers(path)))
        assert b" 503 " in await late.reader.readuntil(b"\r\n\r\n")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        client.abort()
        await stopping

    in_house(loop, check)


@both_loops
def test_a_connection_that_asks_nothing_is_closed(loop: str, monkeypatch: pytest.MonkeyPatch):
    async def check(home: House) -> None:
        silent_ones = home.server._site._silent
        await home.media()
        assert not silent_ones  # what has asked stays
        monkeypatch.setattr(site, "_HEAD_SECONDS", 0.05)
        silent, slow = await home.connect(), await home.connect()
        slow.writer.write(b"POST /twilio/status/x HTTP/1.1\r\nX-Drip: a")
        await silent.lost()
        await slow.lost()
        assert not silent_ones

    in_house(loop, check)
