"""How a WebSocket to the OpenAI Realtime API is opened, and given up while it is being opened.

picows is pinned: its client is used by its public door (ws_connect), its listener in link.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit, urlunsplit

from picows import WSListener, WSParsedURL, ws_connect

MESSAGE_LIMIT = 16 * 1024 * 1024
"""Bytes of one message, its fragments joined. OpenAI takes 15 MiB of audio in one, and may send as much."""
HIGH_WATER = 16 * 1024
LOW_WATER = 8 * 1024
_SEND_BUFFER = 16 * 1024
_NOT_SENT = 16 * 1024
_TLS_GOODBYE_SECONDS = 2.0

# Nothing below WARNING: picows writes the upgrade request, with the key in it, at its lowest level.
_picows_log = logging.getLogger(f"{__name__}.picows")
_picows_log.setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Config:
    """Where the model is and how it is reached. Times in seconds."""

    url: str
    """wss://api.openai.com/v1/realtime, or another server that speaks it. `?model=` is added."""
    api_key: str = field(repr=False)
    model: str = ""
    """For calls whose brief names none."""
    user_agent: str = "agenticd"
    connect_timeout: float = 10.0
    """Until the peer has accepted the upgrade, name look-up and TLS included."""
    ping_interval: float = 15.0
    """How long the peer may be silent before it is asked for a sign of life."""
    ping_timeout: float = 10.0
    """How long it may take to give one. At most ping_interval."""


def tls_context(url: str) -> ssl.SSLContext | None:
    """What a wss URL needs. Made once: reading the system's certificates takes 20 ms."""
    return ssl.create_default_context() if url.lower().startswith("wss:") else None


async def connect(config: Config, tls: ssl.SSLContext | None, model: str, listener: WSListener) -> None:
    """Open a WebSocket: the listener gets on_ws_connected before this returns, unless the peer hung up.

    Raises what picows raises, OSError and ValueError. Cancelled, it leaves no connection behind.
    """
    opened: list[socket.socket] = []
    try:
        await ws_connect(
            lambda _request, _response: listener,
            _with_model(config.url, model),
            ssl_context=tls,
            websocket_handshake_timeout=config.connect_timeout,
            logger_name=_picows_log,
            enable_auto_ping=True,
            auto_ping_idle_timeout=config.ping_interval,
            auto_ping_reply_timeout=config.ping_timeout,
            max_frame_size=MESSAGE_LIMIT,
            extra_headers={"Authorization": f"Bearer {config.api_key}", "User-Agent": config.user_agent},
            max_redirects=0,  # the key is for this server and for no other
            socket_factory=_remembering(opened),
            use_aiofastnet=False,
            # asyncio takes this for TLS only. Without it a refused connection may linger for 30 s.
            ssl_shutdown_timeout=_TLS_GOODBYE_SECONDS if tls else None,
        )
    except asyncio.CancelledError:
        # picows leaves a connection open that waits for the upgrade. The socket is its transport's now and is
        # not closed here: shut down, it reads an end, and the transport closes itself.
        for sock in opened:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        raise


def _remembering(opened: list[socket.socket]) -> Callable[[WSParsedURL], Awaitable[socket.socket]]:
    async def dial(url: WSParsedURL) -> socket.socket:
        sock = await _dial(url.host, url.port)
        opened.append(sock)
        return sock

    return dial


async def _dial(host: str, port: int) -> socket.socket:
    """A connection to the first of the host's addresses that takes one."""
    loop = asyncio.get_running_loop()
    refusal: OSError | None = None
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        with contextlib.ExitStack() as unless_connected:
            sock = unless_connected.enter_context(socket.socket(family, kind, protocol))
            sock.setblocking(False)
            _tune(sock)
            try:
                await loop.sock_connect(sock, address)
            except OSError as error:
                refusal = refusal or error
            else:
                unless_connected.pop_all()
                return sock
    raise refusal or OSError("no address")


def _tune(sock: socket.socket) -> None:
    """Keep little in the kernel: what is said now must not wait behind what was said."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _NOT_SENT)


def _with_model(url: str, model: str) -> str:
    parts = urlsplit(url)
    query = f"{parts.query}&" if parts.query else ""
    return urlunsplit(parts._replace(query=f"{query}model={quote(model, safe='')}"))
