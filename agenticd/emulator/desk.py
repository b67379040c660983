"""Who calls, what persons on the phone do, and what goes wrong, decided while it runs: by typed lines and over HTTP."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Sequence
from typing import Protocol
from urllib.parse import parse_qs

from aiohttp import web

from agenticd.emulator.app import Emulator
from agenticd.emulator.faultbook import NO_FAULTS, Faults, WrongFault, faults_from, spoken, to_mapping
from agenticd.emulator.persons import as_caller
from agenticd.emulator.phone import Line, PhoneScript
from agenticd.emulator.phone.live import LivePhone
from agenticd.emulator.twilio import Call, urls
from agenticd.emulator.twilio.errors import RestError
from agenticd.emulator.words import CONTROL_PATH, FAULTS_PATH

_LONGEST_TEXT = 1000
_FROM = re.compile(r"[\w+@:.;=*#-]{1,100}")
_CALL = re.compile(r"(?P<to>\+?[\d]\S*)?\s*(?:from\s+(?P<from>\S+))?")


class NotPossible(Exception):
    """What was asked for cannot be done; the text says why, and what can."""


class Numbering(Protocol):
    """How calls are shown to who reads along."""

    def number(self, call: Call) -> int:
        """Its number, from 1."""


class Desk:
    """Acts on a running emulator. `token` is what scripts must know; `changed` is told when faults are."""

    def __init__(
        self,
        emulator: Emulator,
        caller: PhoneScript,
        caller_number: str,
        token: str,
        changed: Callable[[Faults], None] | None = None,
    ) -> None:
        self._emulator = emulator
        self._twilio = emulator.twilio
        self._caller = as_caller(caller)
        self._caller_number = caller_number
        self._token = token.encode()
        self._changed = changed
        for line in caller.lines:
            if line.say is not None:
                emulator.realtime.learn(line.say)

    async def call(self, to: str = "", from_: str = "", says: Sequence[str] | None = None) -> Call:
        """A phone calls one of the account's numbers; `says` are its lines, None: those of the usual person.

        Raises:
            NotPossible: if it is no number of the account, or nobody calls from there.

        """
        numbers = self._twilio.config.numbers
        to = to or numbers[0]
        if to not in numbers:
            raise NotPossible(f"{to} is not a number of this account: {', '.join(numbers)}")
        if from_ and not _FROM.fullmatch(from_):
            raise NotPossible(f"{from_[:40]!r} is no caller: a number such as +15550002222, anonymous, or an address")
        script = self._caller
        if says is not None:
            script = PhoneScript(lines=tuple(Line(say=self._learnt(text)) for text in says))
        return await self._twilio.ring_in(from_ or self._caller_number, to, script)

    def say(self, call: Call, text: str) -> None:
        """The person on the phone says it. NotPossible if there is no one."""
        self._live(call).say(self._learnt(text))

    def press(self, call: Call, keys: str) -> None:
        """The person presses keys. NotPossible if there is no one, or if they are none."""
        try:
            self._live(call).press(keys)
        except ValueError as error:
            raise NotPossible(str(error)) from None

    def hang_up(self, call: Call) -> None:
        """The person hangs up, declines, or gives up before anybody answered. NotPossible if the call is over."""
        if call.status == "in-progress":
            self._live(call).hang_up()
            return
        life = self._twilio.life(call.sid)
        if call.final or life is None:
            raise NotPossible(f"the call is over: {call.status}")
        if call.status != "ringing":
            raise NotPossible(f"the phone does not ring yet: the call is {call.status}")
        life.end("canceled" if call.direction == "inbound" else "busy")

    def go_wrong(self, faults: Faults) -> None:
        """From now on this. WrongFault if that cannot be."""
        self._emulator.faults = faults
        if self._changed is not None:
            self._changed(faults)

    def _live(self, call: Call) -> LivePhone:
        if call.status != "in-progress":
            raise NotPossible(f"nobody is on the line: the call is {call.status}")
        assert isinstance(call.phone, LivePhone)
        return call.phone

    def _learnt(self, text: str) -> str:
        """A text that the model will understand."""
        text = " ".join(text.split())
        if not any(map(str.isalnum, text)):
            raise NotPossible("there is nothing to say: give it a word or more")
        if len(text) > _LONGEST_TEXT:
            raise NotPossible(f"that is longer than {_LONGEST_TEXT} characters")
        self._emulator.realtime.learn(text)
        return text

    # At a terminal.

    async def do(self, typed: str, numbering: Numbering) -> None:
        """What a typed line says. NotPossible if it says nothing that can be done."""
        found = re.fullmatch(r"\s*(?:#(?P<number>\d+)\s+)?(?P<verb>\S+)\s*(?P<rest>.*?)\s*", typed)
        if found is None:
            return
        number = int(found["number"]) if found["number"] else None
        match found["verb"].lower():
            case "call":
                await self._typed_call(found["rest"])
            case "say":
                self.say(self._meant(number, numbering), found["rest"])
            case "press":
                self.press(self._meant(number, numbering), found["rest"])
            case "hangup":
                self.hang_up(self._meant(number, numbering))
            case "fault" | "faults":
                self._typed_faults(found["rest"])
            case verb:
                raise NotPossible(f"{verb!r} is none of: call, say, press, hangup, fault, help, quit")

    def _typed_faults(self, rest: str) -> None:
        try:
            if rest:
                self.go_wrong(NO_FAULTS if rest == "off" else spoken(rest, self._emulator.faults))
            elif self._changed is not None:
                self._changed(self._emulator.faults)
        except WrongFault as error:
            raise NotPossible(f"fault {error}") from error

    async def _typed_call(self, rest: str) -> None:
        found = _CALL.fullmatch(rest)
        if found is None:
            raise NotPossible(
                "call takes a number of yours, then from and another: call +15550001111 from +15550007777"
            )
        await self.call(found["to"] or "", found["from"] or "")

    def _meant(self, number: int | None, numbering: Numbering) -> Call:
        calls = list(self._twilio.calls.values())
        if number is not None:
            for call in calls:
                if numbering.number(call) == number:
                    return call
            raise NotPossible(f"there is no call #{number}")
        live = [call for call in calls if not call.final]
        if not live:
            raise NotPossible("there is no call: type call, or place one")
        return live[-1]

    # Over HTTP.

    def routes(self, app: web.Application) -> None:
        """Add the paths to Twilio's."""
        app.router.add_post(CONTROL_PATH, self._post_call)
        app.router.add_post(f"{CONTROL_PATH}/{{sid}}", self._post_act)
        app.router.add_get(FAULTS_PATH, self._get_faults)
        app.router.add_put(FAULTS_PATH, self._put_faults)
        app.router.add_patch(FAULTS_PATH, self._put_faults)
        app.router.add_delete(FAULTS_PATH, self._delete_faults)

    def _admit(self, request: web.Request) -> None:
        """Only from this machine, whatever address is listened on, and only who knows the token. Raises RestError."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        known = scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token)
        if not urls.is_loopback(request.remote or "") or not known:
            raise RestError(20003)

    async def _get_faults(self, request: web.Request) -> web.Response:
        self._admit(request)
        return web.json_response(to_mapping(self._emulator.faults))

    async def _put_faults(self, request: web.Request) -> web.Response:
        """PUT: these and no others; PATCH: these besides, null takes one out."""
        self._admit(request)
        base = NO_FAULTS if request.method == "PUT" else self._emulator.faults
        try:
            self.go_wrong(faults_from(json.loads(await request.read()), base))
        except WrongFault as error:
            raise RestError(20001, str(error)) from error
        except ValueError as error:
            raise RestError(20001, f"the body is no JSON: {error}") from error
        return web.json_response(to_mapping(self._emulator.faults))

    async def _delete_faults(self, request: web.Request) -> web.Response:
        self._admit(request)
        self.go_wrong(NO_FAULTS)
        return web.json_response(to_mapping(self._emulator.faults))

    async def _post_call(self, request: web.Request) -> web.Response:
        form = await self._form(request, {"To", "From", "Say"})
        try:
            call = await self.call(_number(form, "To"), _number(form, "From"), form.get("Say"))
        except NotPossible as error:
            raise RestError(20001, str(error)) from error
        return web.json_response(call.resource(), status=201)

    async def _post_act(self, request: web.Request) -> web.Response:
        form = await self._form(request, {"Say", "Press", "HangUp"})
        call = self._twilio.calls.get(request.match_info["sid"])
        if call is None:
            raise RestError(20404, request.path)
        if len(form) != 1:
            raise RestError(20001, "give one of Say, Press and HangUp=true")
        try:
            if "Say" in form:
                self.say(call, _one(form, "Say"))
            elif "Press" in form:
                self.press(call, _one(form, "Press"))
            elif _one(form, "HangUp") == "true":
                self.hang_up(call)
            else:
                raise NotPossible("HangUp is true, or not given")
        except NotPossible as error:
            raise RestError(20001, str(error)) from error
        return web.json_response(call.resource())

    async def _form(self, request: web.Request, known: set[str]) -> dict[str, list[str]]:
        self._admit(request)
        form = parse_qs((await request.read()).decode(errors="replace"), keep_blank_values=True)
        for name in form:
            if name not in known:
                raise RestError(20001, f"{name!r} is none of {', '.join(sorted(known))}")
        return form


def _one(form: dict[str, list[str]], name: str) -> str:
    values = form.get(name, [""])
    if len(values) > 1:
        raise RestError(20001, f"{name} is given more than once")
    return values[0]


def _number(form: dict[str, list[str]], name: str) -> str:
    """A number; who forgot that + means a space in a form is understood."""
    value = _one(form, name)
    return f"+{value[1:]}" if value.startswith(" ") else value
