"""The operator's port: /healthz, /readyz, /metrics. Open to whoever reaches it: counts, no calls."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from agenticd.adapters.http.site import Site


@dataclass(frozen=True, slots=True)
class Probes:
    """Where the answers come from.

    not_ready: why no calls can be taken now, or None. metrics: the body and its content type.
    """

    not_ready: Callable[[], str | None]
    metrics: Callable[[], tuple[bytes, str]]


class AdminServer:
    """Serves the probes. Raises InvalidArgument for an address that cannot be listened on."""

    def __init__(self, listen: str, probes: Probes, sock: socket.socket | None = None) -> None:
        self._probes = probes
        app = web.Application(client_max_size=1024)
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
            ]
        )
        self._site = Site(app, listen, sock, "admin.listen")

    @property
    def port(self) -> int:
        """The port that is listened on; 0 before start."""
        return self._site.port

    async def start(self) -> None:
        """Serve. Raises InvalidArgument when the address cannot be listened on."""
        await self._site.start()

    async def stop(self) -> None:
        """Serve no more, and leave no socket."""
        await self._site.stop()

    async def _healthz(self, _request: web.Request) -> web.Response:
        # That this is answered is the whole of it: the loop runs.
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        why = self._probes.not_ready()
        if why is None:
            return web.Response(text="ready\n")
        return web.Response(status=503, text=f"not ready: {why}\n")

    async def _metrics(self, _request: web.Request) -> web.Response:
        body, content_type = self._probes.metrics()
        return web.Response(body=body, headers={"Content-Type": content_type})
