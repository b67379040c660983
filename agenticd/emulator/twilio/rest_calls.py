"""Calls over REST: create, update, fetch, list, and the requests that were made for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from agenticd.emulator.phone import Phone
from agenticd.emulator.twilio import listing, params
from agenticd.emulator.twilio.call import Call, Webhook, rfc2822
from agenticd.emulator.twilio.config import TwilioConfig
from agenticd.emulator.twilio.debugger import Debugger
from agenticd.emulator.twilio.errors import RestError
from agenticd.emulator.twilio.life import Life
from agenticd.emulator.twilio.numbers import Number
from agenticd.emulator.twilio.steps import Fetch, Inline


class Account(Protocol):
    """What REST needs of the rest of Twilio."""

    @property
    def calls(self) -> Mapping[str, Call]:
        """All calls that are remembered, by SID, oldest first."""

    @property
    def numbers(self) -> Mapping[str, Number]:
        """The account's numbers."""

    @property
    def api_url(self) -> str:
        """Where REST is."""

    def life(self, sid: str) -> Life | None:
        """What runs a call, None if it is over."""

    def dial(self, wanted: params.Creation) -> Call:
        """Create an outbound call."""

    def delete(self, sid: str) -> None:
        """Forget a call that is over."""

    def nobody(self) -> Phone:
        """A telephone that is never called."""


class CallResources:
    """Calls.json and below."""

    def __init__(self, config: TwilioConfig, debugger: Debugger, account: Account) -> None:
        self._config = config
        self._debugger = debugger
        self._account = account

    def routes(self, app: web.Application, root: str) -> None:
        """Add the paths."""
        app.router.add_post(f"{root}/Calls.json", self._create)
        app.router.add_get(f"{root}/Calls.json", self._list)
        app.router.add_post(f"{root}/Calls/{{sid}}.json", self._update)
        app.router.add_get(f"{root}/Calls/{{sid}}.json", self._fetch)
        app.router.add_delete(f"{root}/Calls/{{sid}}.json", self._delete)
        app.router.add_get(f"{root}/Calls/{{sid}}/Events.json", self._events)

    async def _create(self, request: web.Request) -> web.Response:
        form = await read_form(request)
        # A warning about a call comes before the call has a SID.
        warnings: list[tuple[int, str]] = []
        wanted = params.creation(form, self._config.numbers, lambda code, text: warnings.append((code, text)))
        call = self._account.dial(wanted)
        for code, text in warnings:
            self._debugger.note(code, call.sid, text)
        return web.json_response(call.resource(), status=201)

    async def _delete(self, request: web.Request) -> web.Response:
        call = self._call(request)
        if self._account.life(call.sid) is not None:
            raise RestError(20009, call.sid)
        self._account.delete(call.sid)
        return web.Response(status=204)

    async def _list(self, request: web.Request) -> web.Response:
        at = self._config.now.read_at()
        found = listing.calls(self._account.calls.values(), request.query, at)
        return web.json_response(
            listing.page("calls", found, lambda call: call.resource(at), request.path, request.query)
        )

    async def _fetch(self, request: web.Request) -> web.Response:
        at = self._config.now.read_at()
        return web.json_response(self._call(request, at).resource(at))

    async def _update(self, request: web.Request) -> web.Response:
        call = self._call(request)
        form = await read_form(request)
        wanted = params.update(form, call.options, lambda code, text: self._debugger.note(code, call.sid, text))
        life = self._account.life(call.sid)
        if wanted.status:
            if life is None or call.final:
                # Documented is 21220; this is what was seen.
                raise RestError(20404, request.path)
            if wanted.status == "canceled" and call.status == "in-progress":
                raise RestError(21220, "Call is in-progress. Cannot cancel.")
            life.end()
        elif wanted.url or wanted.twiml:
            if life is None or call.status != "in-progress":
                raise RestError(21220, "Call is not in-progress. Cannot redirect.")
            redirect = Fetch("redirect", wanted.url, wanted.method) if wanted.url else Inline(wanted.twiml)
            life.redirect(redirect)
        elif life is None or call.final:
            raise RestError(20404, request.path)
        call.options = wanted.options
        return web.json_response(call.resource())

    async def _events(self, request: web.Request) -> web.Response:
        """The requests that were made for a call, and their answers."""
        at = self._config.now.read_at()
        call = self._call(request, at)
        made = [
            _Event(str(number), webhook)
            for number, webhook in enumerate(call.callbacks)
            if at is None or webhook.at + webhook.seconds <= at
        ]
        return web.json_response(listing.page("events", made, _Event.resource, request.path, request.query))

    def _call(self, request: web.Request, at: float | None = None) -> Call:
        """The call of a path, if it is known: as of a time, None: now."""
        call = self._account.calls.get(request.match_info["sid"])
        if call is None or (at is not None and call.created > at):
            raise RestError(20404, request.path)
        return call


async def read_form(request: web.Request) -> params.Form:
    """The form that a request carries."""
    # Whatever the content type says: Twilio reads forms only.
    return params.Form((await request.read()).decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class _Event:
    """A request that was made for a call, and its place among them: it has no SID, and pages need one."""

    sid: str
    webhook: Webhook

    def resource(self) -> dict[str, object]:
        """As REST shows it."""
        made = self.webhook
        return {
            "request": {"method": made.method, "url": made.url, "parameters": dict(made.params)},
            "response": {
                "response_code": made.status,
                "request_duration": round(made.seconds * 1000),
                "date_created": rfc2822(made.at),
            },
        }
