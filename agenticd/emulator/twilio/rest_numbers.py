"""The account's phone numbers over REST: list, fetch, and where their calls go."""

from __future__ import annotations

from aiohttp import web

from agenticd.emulator.twilio import listing, numbers
from agenticd.emulator.twilio.config import TwilioConfig
from agenticd.emulator.twilio.debugger import Debugger
from agenticd.emulator.twilio.errors import RestError
from agenticd.emulator.twilio.numbers import Number
from agenticd.emulator.twilio.rest_calls import Account, read_form


class NumberResources:
    """IncomingPhoneNumbers.json and below."""

    def __init__(self, config: TwilioConfig, debugger: Debugger, account: Account) -> None:
        self._account_sid = config.account_sid
        self._debugger = debugger
        self._account = account

    def routes(self, app: web.Application, root: str) -> None:
        """Add the paths."""
        app.router.add_get(f"{root}/IncomingPhoneNumbers.json", self._list)
        app.router.add_get(f"{root}/IncomingPhoneNumbers/{{sid}}.json", self._fetch)
        app.router.add_post(f"{root}/IncomingPhoneNumbers/{{sid}}.json", self._update)

    async def _list(self, request: web.Request) -> web.Response:
        found = numbers.matching(self._account.numbers.values(), request.query)
        return web.json_response(
            listing.page("incoming_phone_numbers", found, self._shown, request.path, request.query)
        )

    async def _fetch(self, request: web.Request) -> web.Response:
        return web.json_response(self._shown(self._number(request)))

    async def _update(self, request: web.Request) -> web.Response:
        number = self._number(request)
        number.update(await read_form(request), lambda code, text: self._debugger.note(code, "", text))
        return web.json_response(self._shown(number))

    def _shown(self, number: Number) -> dict[str, object]:
        return number.resource(self._account_sid)

    def _number(self, request: web.Request) -> Number:
        for number in self._account.numbers.values():
            if number.sid == request.match_info["sid"]:
                return number
        raise RestError(20404, request.path)
