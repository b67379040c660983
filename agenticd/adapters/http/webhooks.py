"""The carrier's requests about calls: verified, read, given to the switchboard, answered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

import structlog
from aiohttp import web
from structlog.typing import FilteringBoundLogger

from agenticd.adapters.http.switchboard import Switchboard
from agenticd.adapters.http.verify import SIGNATURE_HEADER, Pairs, Verifier, about
from agenticd.core import twiml
from agenticd.core.errors import AgenticError, NotFound, NotLive
from agenticd.core.ids import CallId, parse_call_id

BODY_LIMIT = 64 * 1024
"""Bytes. Twilio's forms are some 2 KiB."""
_BODY_SECONDS = 5.0
_PARAMETERS = 1000
_FORM = "application/x-www-form-urlencoded"
_SID = re.compile(r"[A-Za-z0-9]{1,64}")
"""The carrier's id of a call. It becomes part of a REST path, and tells whose call a webhook is about: nothing that is
said about a call goes without one."""

_log: FilteringBoundLogger = structlog.get_logger()

Ask = Callable[[CallId, Mapping[str, str]], str]
Tell = Callable[[CallId, Mapping[str, str]], None]


class Webhooks:
    """Handlers for aiohttp. They answer everything themselves and raise nothing that a remote could cause."""

    def __init__(self, verifier: Verifier, switchboard: Switchboard) -> None:
        self._verifier = verifier
        self._switchboard = switchboard

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """What is served below the prefix."""
        return [
            web.post(f"{prefix}/twilio/voice", self._arrived),
            web.post(f"{prefix}/twilio/voice/{{call_id}}", self._voice),
            web.post(f"{prefix}/twilio/resume/{{call_id}}", self._resume),
            web.post(f"{prefix}/twilio/status/{{call_id}}", self._status),
            web.post(f"{prefix}/twilio/stream/{{call_id}}", self._stream),
        ]

    async def _arrived(self, request: web.Request) -> web.Response:
        form = await self._verified(request)
        if isinstance(form, web.Response):
            return form
        return _answered(request, lambda: self._switchboard.arrived(form))

    async def _voice(self, request: web.Request) -> web.Response:
        return await self._asked(request, self._switchboard.voice_requested)

    async def _resume(self, request: web.Request) -> web.Response:
        return await self._asked(request, self._switchboard.resume_requested)

    async def _status(self, request: web.Request) -> web.Response:
        return await self._told(request, self._switchboard.status_reported)

    async def _stream(self, request: web.Request) -> web.Response:
        return await self._told(request, self._switchboard.stream_reported)

    async def _asked(self, request: web.Request, ask: Ask) -> web.Response:
        form = await self._verified(request)
        if isinstance(form, web.Response):
            return form
        return _answered(request, lambda: ask(_call_id(request), form))

    async def _told(self, request: web.Request, tell: Tell) -> web.Response:
        form = await self._verified(request)
        if isinstance(form, web.Response):
            return form
        try:
            tell(_call_id(request), form)
        except (NotFound, NotLive) as error:
            _log.warning("report about a call that is not live", error=str(error), **_about(request))
        except AgenticError as error:
            return _unable(request, error)
        return web.Response(status=204)

    async def _verified(self, request: web.Request) -> Mapping[str, str] | web.Response:
        given = request.headers.get(SIGNATURE_HEADER)
        if not given:
            # Its body is not even read.
            self._verifier.webhook(request.raw_path, (), None)
            return _refusal(403)
        pairs = await self._pairs(request)
        if isinstance(pairs, web.Response):
            return pairs
        if not self._verifier.webhook(request.raw_path, pairs, given):
            return _refusal(403)
        if not _is_form(request):
            return self._refuse(request, "content_type", 415)
        form = dict(pairs)
        if not _SID.fullmatch(form.get("CallSid", "")):
            return self._refuse(request, "call_sid", 400)
        return form

    async def _pairs(self, request: web.Request) -> Pairs | web.Response:
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await request.read()
        except TimeoutError:
            return self._refuse(request, "slow", 408)
        except web.HTTPRequestEntityTooLarge:
            return self._refuse(request, "too_large", 413)
        except (ConnectionError, web.RequestPayloadError):
            return self._refuse(request, "broken_off", 400)
        if not _is_form(request):
            return ()  # signed by its URL alone, and refused later
        # What is not UTF-8, nobody has signed.
        text = body.decode("utf-8", "replace")
        try:
            return parse_qsl(text, keep_blank_values=True, max_num_fields=_PARAMETERS)
        except ValueError:
            return self._refuse(request, "too_large", 413)

    def _refuse(self, request: web.Request, why: str, status: int) -> web.Response:
        self._verifier.refuse(why, request.raw_path, path=request.raw_path)
        return _refusal(status)


def _is_form(request: web.Request) -> bool:
    return request.content_type == _FORM or not request.body_exists


def _call_id(request: web.Request) -> CallId:
    """Raises NotFound for what is no call id: so it cannot be a call's."""
    text = request.match_info["call_id"]
    call_id = parse_call_id(text)
    if call_id is None:
        raise NotFound(text)
    return call_id


def _about(request: web.Request) -> dict[str, str]:
    return about(request.match_info.get("call_id", ""))


def _answered(request: web.Request, ask: Callable[[], str]) -> web.Response:
    try:
        document = ask()
    except (NotFound, NotLive) as error:
        # A call that we do not have must end, not come back: after an error Twilio asks the fallback URL.
        _log.warning("a call that is not live was hung up", path=request.path, error=str(error), **_about(request))
        document = twiml.hang_up()
    except AgenticError as error:
        return _unable(request, error)
    return web.Response(text=document, content_type="text/xml", charset="utf-8")


def _unable(request: web.Request, error: AgenticError) -> web.Response:
    # An error makes Twilio try the fallback URL: the resume request, a little later.
    _log.warning("request not served", reason=error.reason, error=str(error), **_about(request))
    return web.Response(status=503, headers={"Retry-After": "1"})


def _refusal(status: int) -> web.Response:
    response = web.Response(status=status)
    response.force_close()
    return response
