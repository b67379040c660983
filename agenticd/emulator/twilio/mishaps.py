"""What REST requests that go wrong are answered. Which of them do, and whether they are done, the faults say."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias

from aiohttp import web

from agenticd.emulator.twilio.errors import RestError
from agenticd.emulator.twilio.faults import Mishap, Present

Operation: TypeAlias = Literal["create", "update", "fetch", "list"]

RESET = 444
"""What is shown in place of a status where the connection was reset. No client sees it."""

_CODES = {"401": 20003, "403": 20003, "429": 20429, "500": 20500, "503": 20503}
_GATEWAY = {"502": "Bad Gateway", "504": "Gateway Time-out"}  # not Twilio's own answers, and no JSON
_NO_LINGER = struct.pack("ii", 1, 0)


class Mishaps:
    """Stands between who asks and what is done."""

    def __init__(self, now: Present, root: str) -> None:
        """`root` is the path of the account's Calls."""
        self._now = now
        self._root = root
        self._closing = asyncio.Event()

    def close(self) -> None:
        """What is held is let go, without an answer."""
        self._closing.set()

    @web.middleware
    async def middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Let a request go wrong, before it is done or after that."""
        operation = self._operation(request)
        if operation is None:
            return await handler(request)
        kind, whose = operation
        if not await self._waited(getattr(self._now.rest, f"{kind}_delay")):
            return _reset(request)
        mishap = self._befalls(kind, whose)
        if mishap is not None and not mishap.done:
            return _answered(request, mishap)
        response = await handler(request)
        if not await self._waited(getattr(self._now.rest, f"{kind}_answer_delay", 0.0)):
            return _reset(request)
        return response if mishap is None else _answered(request, mishap)

    def _operation(self, request: web.Request) -> tuple[Operation, str] | None:
        """What is asked for, and of which call."""
        if request.path == f"{self._root}.json":
            return ("create" if request.method == "POST" else "list"), ""
        if not request.path.startswith(f"{self._root}/"):
            return None
        return ("update" if request.method == "POST" else "fetch"), request.path.removeprefix(self._root)[:35]

    def _befalls(self, kind: Operation, whose: str) -> Mishap | None:
        mishap: Mishap | None = getattr(self._now.rest, kind)
        if mishap is None or not self._now.strikes(f"rest {kind}", whose, mishap.first):
            return None
        return mishap

    async def _waited(self, seconds: float) -> bool:
        """Let a request wait, or its answer, though who asked may be gone meanwhile. False: the server stops."""
        if not seconds:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return True
        return False


def _answered(request: web.Request, mishap: Mishap) -> web.Response:
    """Answer with it."""
    if mishap.answer == "reset":
        return _reset(request)
    status = int(mishap.answer)
    if mishap.answer in _GATEWAY:
        title = f"{status} {_GATEWAY[mishap.answer]}"
        response = web.Response(status=status, text=f"<html><h1>{title}</h1></html>", content_type="text/html")
    else:
        # 20003 comes with 401 or 403; where the code has one status alone, this is it.
        body = {**RestError(_CODES[mishap.answer]).body(), "status": status}
        response = web.json_response(body, status=status)
    if mishap.answer == "401":
        response.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
    if mishap.retry_after is not None:
        response.headers["Retry-After"] = str(mishap.retry_after)
    return response


def _reset(request: web.Request) -> web.Response:
    """Break the connection; the response is for who looks on."""
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        transport.abort()
    return web.Response(status=RESET, reason="reset")
