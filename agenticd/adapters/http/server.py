"""The one public port: the carrier's webhooks, and its media sockets, which begin here; more in media.py."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from agenticd.adapters.http.handover import hand_over, refusal
from agenticd.adapters.http.mediasockets import MediaLimits, MediaSockets
from agenticd.adapters.http.site import Site
from agenticd.adapters.http.switchboard import Switchboard
from agenticd.adapters.http.verify import SIGNATURE_HEADER, Verifier
from agenticd.adapters.http.webhooks import BODY_LIMIT, Webhooks
from agenticd.core.ids import parse_call_id
from agenticd.core.tally import Tally
from agenticd.service.ports import Clock
from agenticd.service.urls import Urls


@dataclass(frozen=True, slots=True)
class Config:
    """Where to listen, how the carrier sees us, and Twilio's primary Auth Token, which signs its requests."""

    listen: str
    public_url: str
    auth_token: str = field(repr=False)
    media: MediaLimits = MediaLimits()


class HttpServer:
    """The public port. Raises InvalidArgument for a configuration that cannot work, here or in start.

    A socket that was inherited (socket activation) is used instead of `listen`.
    """

    def __init__(
        self, config: Config, switchboard: Switchboard, clock: Clock, sock: socket.socket | None = None
    ) -> None:
        urls = Urls(config.public_url)
        self._verifier = Verifier(config.auth_token, urls, clock)
        self._media = MediaSockets(switchboard, clock, config.media)
        webhooks = Webhooks(self._verifier, switchboard)
        app = web.Application(client_max_size=BODY_LIMIT)
        # A proxy in front may take the public URL's path away, or leave it.
        for prefix in {"", urls.prefix}:
            app.add_routes(webhooks.routes(prefix))
            app.add_routes([web.get(f"{prefix}/twilio/media/{{call_id}}", self._upgrade, allow_head=False)])
        self._site = Site(app, config.listen, sock, "http.listen")

    @property
    def port(self) -> int:
        """The port that is listened on; 0 before start."""
        return self._site.port

    @property
    def refused(self) -> Mapping[str, int]:
        """How many requests were refused since the start, by reason."""
        return self._verifier.refused

    @property
    def media_faults(self) -> Mapping[str, int]:
        """What went wrong on media sockets since the start, by reason."""
        return self._media.faults

    @property
    def media_gaps(self) -> Tally:
        """The longest time without a frame, of each media stream that has ended."""
        return self._media.gaps

    @property
    def media_sockets(self) -> int:
        """How many media sockets there are."""
        return len(self._media)

    async def start(self) -> None:
        """Serve. Raises InvalidArgument when the address cannot be listened on."""
        await self._site.start()

    async def stop(self) -> None:
        """Listen no more, end the media sockets and tell their calls, then all the rest. Leaves no socket."""
        self._site.stop_listening()
        await self._media.close()
        await self._site.stop()

    async def _upgrade(self, request: web.Request) -> web.StreamResponse:
        if not self._verifier.upgrade(request.raw_path, request.headers.get(SIGNATURE_HEADER)):
            return _closing(web.Response(status=403))
        no_upgrade = refusal(request)
        if no_upgrade is not None:
            self._verifier.refuse("no_upgrade", request.raw_path, path=request.raw_path)
            return _closing(no_upgrade)
        call_id = parse_call_id(request.match_info["call_id"])
        if call_id is None:
            self._verifier.refuse("no_call", request.raw_path, path=request.raw_path)
            return _closing(web.Response(status=404))
        media = self._media.admit(call_id)
        if media is None:
            self._verifier.refuse("too_many_sockets", request.raw_path, path=request.raw_path)
            return _closing(web.Response(status=503, headers={"Retry-After": "5"}))
        try:
            return await hand_over(request, media, media.broken, call_id)
        finally:
            media.gone()


def _closing(response: web.Response) -> web.Response:
    response.force_close()
    return response
