"""The REST API: routes, authentication, and the JSON of answers and errors."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from aiohttp import web

from agenticd.emulator.twilio import params
from agenticd.emulator.twilio.account import account_resource
from agenticd.emulator.twilio.call import API_VERSION, Call, Webhook, rfc2822
from agenticd.emulator.twilio.config import TwilioConfig
from agenticd.emulator.twilio.debugger import Debugger
from agenticd.emulator.twilio.errors import RestError
from agenticd.emulator.twilio.interpreter import Fetch, Inline
from agenticd.emulator.twilio.life import Life
from agenticd.emulator.twilio.listing import page

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_MAX_FORM = 64 * 1024


class Account(Protocol):
    """What REST needs of the rest of Twilio."""

    @property
    def calls(self) -> Mapping[str, Call]:
        """All calls that are remembered, by SID, oldest first."""

    def life(self, sid: str) -> Life | None:
        """What runs a call, None if it is over."""

    def dial(self, wanted: params.Creation) -> Call:
        """Create an outbound call."""

    def delete(self, sid: str) -> None:
        """Forget a call that is over."""


class Rest:
    """The resources of one account."""

    def __init__(self, config: TwilioConfig, debugger: Debugger, account: Account) -> None:
        self._config = config
        self._debugger = debugger
        self._account = account
        self._since = time.time()
        self._serving = 0  # requests
        self._failed: Counter[str] = Counter()  # updates that were answered with 503, by call

    def app(self) -> web.Application:
        """The aiohttp application to be served."""
        app = web.Application(middlewares=[self._guard], client_max_size=_MAX_FORM)
        root = f"/{API_VERSION}/Accounts/{self._config.account_sid}"
        calls = f"{root}/Calls"
        app.router.add_get(f"{root}.json", self._fetch_account)
        app.router.add_post(f"{calls}.json", self._create)
        app.router.add_get(f"{calls}.json", self._list)
        app.router.add_post(f"{calls}/{{sid}}.json", self._update)
        app.router.add_get(f"{calls}/{{sid}}.json", self._fetch)
        app.router.add_delete(f"{calls}/{{sid}}.json", self._delete)
        app.router.add_get(f"{calls}/{{sid}}/Events.json", self._events)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """What holds for every request: the limit, who asks, and the shape of errors."""
        self._serving += 1
        try:
            response = await self._judged(request, handler)
        except RestError as error:
            response = web.json_response(error.body(), status=error.status)
            if error.code == 20003:
                response.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
        finally:
            self._serving -= 1
        response.headers["Twilio-Concurrent-Requests"] = str(self._serving + 1)
        response.headers["Twilio-Request-Id"] = f"RQ{secrets.token_hex(16)}"
        return response

    async def _judged(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if self._serving > self._config.rest_concurrency:
            raise RestError(20429)
        if not self._knows(request.headers.get("Authorization", "")):
            raise RestError(20003)
        try:
            return await handler(request)
        except web.HTTPNotFound as error:
            raise RestError(20404, request.path) from error
        except web.HTTPMethodNotAllowed as error:
            raise RestError(20004) from error

    def _knows(self, authorization: str) -> bool:
        """Basic, account SID and Auth Token."""
        scheme, _, encoded = authorization.partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return False
        wanted = f"{self._config.account_sid}:{self._config.auth_token}".encode()
        return scheme.lower() == "basic" and hmac.compare_digest(given, wanted)

    async def _create(self, request: web.Request) -> web.Response:
        form = await _form(request)
        # A warning about a call comes before the call has a SID.
        warnings: list[tuple[int, str]] = []
        wanted = params.creation(form, self._config.numbers, lambda code, text: warnings.append((code, text)))
        await asyncio.sleep(self._config.rest.create_delay)
        call = self._account.dial(wanted)
        for code, text in warnings:
            self._debugger.note(code, call.sid, text)
        created = call.resource()
        await asyncio.sleep(self._config.rest.create_answer_delay)
        return web.json_response(created, status=201)

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response(page(self._account.calls.values(), request.path, request.query))

    async def _fetch_account(self, request: web.Request) -> web.Response:
        return web.json_response(account_resource(self._config.account_sid, self._config.auth_token, self._since))

    async def _delete(self, request: web.Request) -> web.Response:
        call = self._call(request)
        if self._account.life(call.sid) is not None:
            raise RestError(20009)
        self._account.delete(call.sid)
        return web.Response(status=204)

    async def _fetch(self, request: web.Request) -> web.Response:
        return web.json_response(self._call(request).resource())

    async def _update(self, request: web.Request) -> web.Response:
        call = self._call(request)
        form = await _form(request)
        if self._failed[call.sid] < self._config.rest.failed_updates:
            self._failed[call.sid] += 1
            raise RestError(20503)
        wanted = params.update(form, call.options, lambda code, text: self._debugger.note(code, call.sid, text))
        life = self._account.life(call.sid)
        if wanted.status:
            if life is None or call.final:
                # Documented is 21220; this is what was seen.
                raise RestError(20404, request.path)
            if wanted.status == "canceled" and call.status == "in-progress":
                raise RestError(21220, "Call is in-progress. Cannot cancel.")
            life.end("completed" if call.status == "in-progress" else "canceled")
        elif wanted.url or wanted.twiml:
            if life is None or call.status != "in-progress":
                raise RestError(21220, "Call is not in-progress. Cannot redirect.")
            redirect = Fetch("redirect", wanted.url, wanted.method) if wanted.url else Inline(wanted.twiml)
            life.redirect(redirect)
        call.options = wanted.options
        return web.json_response(call.resource())

    async def _events(self, request: web.Request) -> web.Response:
        """The requests that were made for a call, and their answers."""
        call = self._call(request)
        path = request.path
        return web.json_response(
            {
                "events": [_event(webhook) for webhook in call.callbacks],
                "page": 0,
                "page_size": 50,
                "start": 0,
                "end": max(0, len(call.callbacks) - 1),
                "uri": path,
                "first_page_uri": path,
                "next_page_uri": None,
                "previous_page_uri": None,
            }
        )

    def _call(self, request: web.Request) -> Call:
        call = self._account.calls.get(request.match_info["sid"])
        if call is None:
            raise RestError(20404, request.path)
        return call


async def _form(request: web.Request) -> params.Form:
    # Whatever the content type says: Twilio reads forms only.
    return params.Form((await request.read()).decode(errors="replace"))


def _event(webhook: Webhook) -> dict[str, object]:
    return {
        "request": {"method": webhook.method, "url": webhook.url, "parameters": dict(webhook.params)},
        "response": {
            "response_code": webhook.status,
            "request_duration": round(webhook.seconds * 1000),
            "date_created": rfc2822(webhook.at),
        },
    }
