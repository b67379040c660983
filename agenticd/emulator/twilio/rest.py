"""The REST API: who may ask, how much at once, and the shape of errors. The resources are in `rest_*`."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias

from aiohttp import web

from agenticd.emulator.twilio import params
from agenticd.emulator.twilio.account import account_resource
from agenticd.emulator.twilio.call import API_VERSION, Call
from agenticd.emulator.twilio.config import TwilioConfig
from agenticd.emulator.twilio.debugger import Debugger
from agenticd.emulator.twilio.errors import RestError
from agenticd.emulator.twilio.mishaps import Mishaps
from agenticd.emulator.twilio.rest_calls import Account, CallResources, read_form
from agenticd.emulator.twilio.rest_numbers import NumberResources
from agenticd.emulator.twilio.rest_recordings import RecordingResources
from agenticd.emulator.words import OWN_PATHS

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Who: TypeAlias = Literal["token", "key", "test"]
_MAX_FORM = 64 * 1024


class Rest:
    """The resources of one account."""

    def __init__(self, config: TwilioConfig, debugger: Debugger, account: Account) -> None:
        self._config = config
        self._debugger = debugger
        self._account = account
        self._since = time.time()
        self._serving = 0  # requests
        self._root = f"/{API_VERSION}/Accounts/{config.account_sid}"
        self._mishaps = Mishaps(config.now, f"{self._root}/Calls")

    def app(self) -> web.Application:
        """The aiohttp application to be served."""
        app = web.Application(middlewares=[self._guard, self._mishaps.middleware], client_max_size=_MAX_FORM)
        root = self._root
        app.router.add_get(f"{root}.json", self._fetch_account)
        CallResources(self._config, self._debugger, self._account).routes(app, root)
        RecordingResources(self._config, self._debugger, self._account).routes(app, root)
        NumberResources(self._config, self._debugger, self._account).routes(app, root)
        return app

    def close(self) -> None:
        """Requests that are held on purpose are let go."""
        self._mishaps.close()

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """What holds for every request: the limit, who asks, and the shape of errors. What is the emulator's own, and
        not Twilio's, judges for itself who asks."""
        if request.path.startswith(OWN_PATHS):
            return await self._answered(request, handler)
        self._serving += 1
        try:
            response = await self._answered(request, self._judged(handler))
        finally:
            self._serving -= 1
        response.headers["Twilio-Concurrent-Requests"] = str(self._serving + 1)
        response.headers["Twilio-Request-Id"] = f"RQ{secrets.token_hex(16)}"
        return response

    def _judged(self, handler: _Handler) -> _Handler:
        async def judged(request: web.Request) -> web.StreamResponse:
            if self._serving > self._config.rest_concurrency:
                raise RestError(20429)
            who = self._who(request.headers.get("Authorization", ""))
            if who is None and not (self._config.public_media and _is_media(request)):
                raise RestError(20003)
            if who == "key" and request.path == f"{self._root}.json":  # it has the Auth Token in it
                raise RestError(20003)
            if who == "test":
                return await self._tested(request)
            return await handler(request)

        return judged

    async def _answered(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """The answer, also where it is an error."""
        try:
            try:
                return await handler(request)
            except web.HTTPNotFound as error:
                raise RestError(20404, request.path) from error
            except web.HTTPMethodNotAllowed as error:
                raise RestError(20004) from error
        except RestError as error:
            response = web.json_response(error.body(), status=error.status)
            if error.code == 20003:
                scheme = "Bearer" if request.path.startswith(OWN_PATHS) else "Basic"
                response.headers["WWW-Authenticate"] = f'{scheme} realm="Twilio API"'
            return response

    def _who(self, authorization: str) -> _Who | None:
        """Basic: the account SID and the Auth Token, or an API key and its secret; or the test credentials."""
        config = self._config
        scheme, _, encoded = authorization.partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return None
        if scheme.lower() != "basic":
            return None
        if _same(given, config.account_sid, config.auth_token):
            return "token"
        if any(_same(given, sid, secret) for sid, secret in config.api_keys.items()):
            return "key"
        return "test" if _same(given, config.test_account_sid, config.test_auth_token) else None

    async def _tested(self, request: web.Request) -> web.StreamResponse:
        """With test credentials a call can be created: it is judged, answered, and never made."""
        sid = self._config.test_account_sid
        if (request.method, request.path) != ("POST", f"/{API_VERSION}/Accounts/{sid}/Calls.json"):
            raise RestError(20008)
        wanted = params.creation(await read_form(request), (params.MAGIC_FROM_GOOD,), lambda code, text: None)
        call = Call(sid, wanted.from_, wanted.to, "outbound-api", wanted.options, self._account.nobody())
        return web.json_response(call.resource(), status=201)

    async def _fetch_account(self, request: web.Request) -> web.Response:
        return web.json_response(account_resource(self._config.account_sid, self._config.auth_token, self._since))


def _same(given: bytes, sid: str, secret: str) -> bool:
    return hmac.compare_digest(given, f"{sid}:{secret}".encode())


def _is_media(request: web.Request) -> bool:
    """Whether a recording's sound is asked for."""
    return request.method == "GET" and "/Recordings/" in request.path and not request.path.endswith(".json")
