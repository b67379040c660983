"""One listening port with an aiohttp application behind it. What is served there: server.py, admin.py."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket

from aiohttp import http_exceptions, web
from aiohttp.typedefs import Handler

from agenticd.core.errors import InvalidArgument

_BACKLOG = 512
_HEAD_LIMIT = 8190
_HEADERS = 100
_HEAD_SECONDS = 10.0
"""For the first request of a connection to arrive."""
_KEEP_ALIVE_SECONDS = 130.0
"""For the next one. Longer than common proxies wait (nginx and ALB 60 s, Caddy 120 s), so that it is they who
close an idle connection, and never we, under a webhook that is on its way."""
_LINGER_SECONDS = 2.0
_SHUTDOWN_SECONDS = 2.0
_ADVICE = {
    errno.EADDRINUSE: "; another program listens there, perhaps another agenticd: end it, or choose another port",
    errno.EADDRNOTAVAIL: "; choose an address of this machine",
    errno.EACCES: "; choose a port above 1023, or have systemd open it (systemd/README.md)",
}


class _Defects(logging.Filter):
    """Lets through what is an error of ours. aiohttp logs a traceback for everyone's bad request, too."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, http_exceptions.HttpProcessingError)


_logger = logging.getLogger("agenticd.http")
_logger.addFilter(_Defects())


class Site:
    """Serves an application from start to stop. `field` is the address's name in the configuration."""

    def __init__(self, app: web.Application, listen: str, sock: socket.socket | None, field: str) -> None:
        self._field = field
        self._sock = None if sock is None else _checked(sock, field)
        self._address = ("", 0) if sock is not None else parse_listen(listen, field)
        self._silent: set[asyncio.BaseProtocol] = set()  # connections without a request so far
        app.middlewares.append(self._hear)
        app.on_response_prepare.append(_without_version)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=_logger,
            auto_decompress=False,  # no carrier compresses its forms; a bomb does
            max_line_size=_HEAD_LIMIT,
            max_field_size=_HEAD_LIMIT,
            max_headers=_HEADERS,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            lingering_time=_LINGER_SECONDS,
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port that is listened on; 0 while it is not."""
        return int(self._server.sockets[0].getsockname()[1]) if self._server is not None else 0

    async def start(self) -> None:
        """Listen. Raises InvalidArgument where that is not possible."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        host, port = self._address
        try:
            if self._sock is not None:
                self._server = await loop.create_server(self._connect, sock=self._sock, backlog=_BACKLOG)
            else:
                self._server = await loop.create_server(self._connect, host or None, port, backlog=_BACKLOG)
        except OSError as error:
            await self._runner.cleanup()
            why = os.strerror(error.errno) if error.errno else "not possible"
            advice = _ADVICE.get(error.errno or 0, "")
            raise InvalidArgument.at(self._field, f"cannot listen on {host}:{port}: {why}{advice}") from error

    def stop_listening(self) -> None:
        """Take no new connections. Those to an inherited socket wait for the next process."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def stop(self) -> None:
        """Finish the requests that are being served, at most for two seconds, and close every connection."""
        self.stop_listening()
        server = self._runner.server
        transports = [each.transport for each in server.connections] if server is not None else []
        await self._runner.cleanup()
        # One that was closed with its answer unsent would stay until the peer reads it.
        for transport in transports:
            if transport is not None:
                transport.abort()
        for _ in range(2):
            await asyncio.sleep(0)  # the loop closes the descriptors in its next iteration

    def _connect(self) -> web.RequestHandler:
        server = self._runner.server
        assert server is not None
        handler = server()
        handler.debug = False  # or, on a loop in debug mode, tracebacks would go to the peer
        self._silent.add(handler)
        asyncio.get_running_loop().call_later(_HEAD_SECONDS, self._cut_if_silent, handler)
        return handler

    def _cut_if_silent(self, handler: web.RequestHandler) -> None:
        if handler in self._silent:
            self._silent.discard(handler)
            handler.force_close()

    @web.middleware
    async def _hear(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._silent.discard(request.protocol)
        return await handler(request)


def parse_listen(listen: str, field: str) -> tuple[str, int]:
    """Host and port of "127.0.0.1:8080", "[::1]:8080" or ":8080" (all addresses). Raises InvalidArgument."""
    host, colon, port = listen.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise InvalidArgument.at(field, f'must be an address and a port, as "127.0.0.1:8080", not "{listen}"')
    return host, int(port)


def _checked(sock: socket.socket, field: str) -> socket.socket:
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_STREAM:
        raise InvalidArgument.at(field, "the inherited socket is no TCP socket: ListenStream= takes a port here")
    return sock


async def _without_version(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "agenticd"
