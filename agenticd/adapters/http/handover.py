"""A WebSocket upgrade that begins in aiohttp and goes on in picows, on the same connection.

The one file that knows picows' server protocol object. Its constructor is positional and not promised to
stay, so picows is pinned. What is done with the frames: media.py.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
import socket
from collections.abc import Callable

import structlog
from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from picows import WSAutoPingStrategy, WSListener
from picows.api import WSProtocol  # type: ignore[attr-defined]
from structlog.typing import FilteringBoundLogger

LARGEST_FRAME = 256 * 1024
"""Bytes. A larger frame ends the connection with 1009; what a listener takes is its own, smaller, limit."""
# What `clear` cannot overtake is what the kernel has (twice _SEND_BUFFER at most, its own records counted) and the high
# water mark: 41 KiB with the piece that passes it, 0.34 s at 1 Mbit/s. With 16 KiB here it would be 0.41 s.
_WRITE_HIGH_WATER = 8 * 1024
_WRITE_LOW_WATER = 4 * 1024
_SEND_BUFFER = 16 * 1024
_NOT_SENT = 4 * 1024
_READ_BUFFER = 8 * 1024
_HANDSHAKE_SECONDS = 5

_log: FilteringBoundLogger = structlog.get_logger()


def refusal(request: web.Request) -> web.Response | None:
    """The answer to a request that is no good upgrade to a WebSocket (RFC 6455, 4.2.1), or None."""
    headers = request.headers
    if request.version != (1, 1) or request.body_exists:
        return web.Response(status=400, text="a WebSocket begins with HTTP/1.1 and without a body")
    if not (_lists(request, hdrs.UPGRADE, "websocket") and _lists(request, hdrs.CONNECTION, "upgrade")):
        return web.Response(status=426, headers={hdrs.UPGRADE: "websocket"}, text="a WebSocket lives here")
    if headers.get(hdrs.SEC_WEBSOCKET_VERSION) != "13":
        return web.Response(status=426, headers={hdrs.SEC_WEBSOCKET_VERSION: "13"}, text="only version 13")
    if not _is_key(headers.get(hdrs.SEC_WEBSOCKET_KEY, "")):
        return web.Response(status=400, text="Sec-WebSocket-Key is not 16 bytes in base64")
    return None


async def hand_over(
    request: web.Request, listener: WSListener, on_error: Callable[[], None], call_id: str
) -> web.StreamResponse:
    """Give the connection of a good upgrade to the listener, and return when the connection is lost.

    on_error is called for each frame that breaks the WebSocket protocol; picows then closes the connection. A defect
    of the listener's is logged under the call's id.
    """
    transport = request.transport
    if transport is None or transport.is_closing():
        return _Done()
    # aiohttp keeps what came behind the head of an upgrade, and stops reading when that is much, until it is
    # given a parser for it: so we get the rest, and reading goes on.
    rest = _Rest()
    request.protocol.set_parser(rest)  # type: ignore[arg-type]
    request.protocol.keep_alive(False)
    _tune(transport)
    protocol = _HandedOver(listener, request.protocol, _PicowsLog(on_error, call_id))
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    _feed(protocol, _head(request))
    _feed(protocol, bytes(rest.data))
    try:
        await protocol.lost
    except asyncio.CancelledError:
        transport.abort()
        raise
    return _Done()


class _HandedOver(WSProtocol):  # type: ignore[misc]
    """picows' protocol; tells its waiter, and the protocol before it, when the connection is lost."""

    def __init__(self, listener: WSListener, before: asyncio.Protocol, log: _PicowsLog) -> None:
        super().__init__(
            None,  # host and port: of clients
            None,  # path: of clients
            False,  # is_client_side
            lambda _request: listener,
            log,
            True,  # disconnect_on_exception: a defect of ours ends this connection, not the daemon
            _HANDSHAKE_SECONDS,
            False,  # enable_auto_ping
            20,
            20,
            WSAutoPingStrategy.PING_WHEN_IDLE,
            False,  # enable_auto_pong: it would fill the memory of a peer that pings and does not read
            LARGEST_FRAME,
            None,  # extra_headers: of clients
            _READ_BUFFER,
        )
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._before = before

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._before.connection_lost(exc)  # aiohttp's list of connections
        if not self.lost.done():
            self.lost.set_result(None)


class _PicowsLog:
    """Stands for the logger that picows wants. Errors of the peer are counted, defects of ours are logged."""

    def __init__(self, on_error: Callable[[], None], call_id: str) -> None:
        self._on_error = on_error
        self._call_id = call_id

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's name
        return level >= logging.ERROR

    def log(self, *_args: object) -> None: ...

    debug = info = warning = log

    def error(self, *_args: object) -> None:
        self._on_error()

    def exception(self, *_args: object) -> None:
        _log.exception("a media socket's handler failed", call_id=self._call_id)


class _Rest:
    """Stands for the WebSocket parser that aiohttp wants."""

    def __init__(self) -> None:
        self.data = bytearray()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None: ...


class _Done(web.StreamResponse):
    """The end of a request whose connection is no longer aiohttp's: writes nothing."""

    def __init__(self) -> None:
        super().__init__(status=101)
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes = b"") -> None: ...


def _tune(transport: asyncio.Transport) -> None:
    """Keep little in the kernel and in the transport, so that a `clear` is not behind seconds of audio."""
    transport.set_write_buffer_limits(high=_WRITE_HIGH_WATER, low=_WRITE_LOW_WATER)
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):  # the peer may be gone; its loss is reported on its own way
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _NOT_SENT)


def _head(request: web.Request) -> bytes:
    # Not the head that came: refusal() has judged that. picows takes at most 16 KiB, and not every form of it
    # ("Connection: keep-alive, Upgrade" is one that it refuses).
    key = request.headers[hdrs.SEC_WEBSOCKET_KEY]
    return (
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    ).encode("ascii")


def _feed(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    view = memoryview(data)
    while view:
        room = memoryview(protocol.get_buffer(-1))
        size = min(len(room), len(view))
        room[:size] = view[:size]
        protocol.buffer_updated(size)
        view = view[size:]


def _lists(request: web.Request, header: str, token: str) -> bool:
    values = ",".join(request.headers.getall(header, ()))
    return token in (part.strip().lower() for part in values.split(","))


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
