"""The emulated Twilio: the REST API, the calls that run, and the telephones at their other end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Literal, TypeAlias

import aiohttp
from aiohttp import web

from agenticd.emulator.phone import PhoneScript, Speech
from agenticd.emulator.phone.live import LivePhone
from agenticd.emulator.twilio.bridge import Leg
from agenticd.emulator.twilio.call import Call, Options, Status
from agenticd.emulator.twilio.config import TwilioConfig
from agenticd.emulator.twilio.debugger import Debugger
from agenticd.emulator.twilio.happenings import Began, Closed, SeenDebugger, SeenLife, Tell, look_at, see_requests
from agenticd.emulator.twilio.life import Life
from agenticd.emulator.twilio.numbers import Number
from agenticd.emulator.twilio.office import Office
from agenticd.emulator.twilio.params import Creation
from agenticd.emulator.twilio.rest import Rest
from agenticd.emulator.voice import Recogniser

Phones: TypeAlias = Mapping[str, PhoneScript] | Callable[[str], PhoneScript | None]
"""Who answers at a number; a number that it does not know gets the default script."""
Routes: TypeAlias = Callable[[web.Application], None]
"""Adds paths of the emulator's own to the REST API, behind the same authentication."""


class TwilioServer:
    """A Twilio on this machine, for one account. Use it as an async context manager, or start and stop it.

    `voice` speaks the scripts' texts, and what Twilio says itself. `default` is the script of every phone that has no
    other. `tell` gets what happens, as it happens; it must not raise.
    """

    def __init__(
        self,
        config: TwilioConfig,
        voice: Speech,
        phones: Phones | None = None,
        default: PhoneScript | None = None,
        *,
        tell: Tell | None = None,
        routes: Routes | None = None,
    ) -> None:
        self.config = replace(config)  # what goes wrong at present is not that of others with the same configuration
        self.calls: dict[str, Call] = {}
        """Calls by SID, oldest first: all that run and the last that ended."""
        self.debugger = Debugger() if tell is None else SeenDebugger(tell)
        """What Twilio would tell its customer, oldest first."""
        self._voice = voice
        self._tell = tell
        self._routes = routes
        self._phones = phones
        self._scripts: dict[str, PhoneScript] = {}
        self._default = default or PhoneScript()
        self.numbers = {number: Number(number) for number in config.numbers}
        """The account's numbers, and where their calls go."""
        self._recogniser = Recogniser()
        self._next_turn = 0.0  # the loop's time when the account may dial again
        self._lives: dict[str, tuple[Life, asyncio.Task[None]]] = {}
        self._started = 0  # calls ever
        self._more = asyncio.Event()
        self._stopping = asyncio.Event()
        self._connector: aiohttp.TCPConnector | None = None
        self._runner: web.AppRunner | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._main: asyncio.Task[None] | None = None

    @property
    def api_url(self) -> str:
        """The root of the REST API, what stands before `/2010-04-01`. RuntimeError while it does not run."""
        if self._runner is None:
            raise RuntimeError("the emulated Twilio is not started")
        host, port = self._runner.addresses[0][:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def __aenter__(self) -> TwilioServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: if the port is taken.

        """
        runner = web.AppRunner(self._app(), access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.config.host, self.config.port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        self._stopping.clear()
        # A connection for each request: none outlives its call, none is found dead by the next.
        self._connector = aiohttp.TCPConnector(limit=0, force_close=True)
        started = asyncio.Event()
        self._main = asyncio.create_task(self._run_calls(started))  # awaited in stop()
        await started.wait()

    def _app(self) -> web.Application:
        self._rest = Rest(self.config, self.debugger, self)
        app = self._rest.app()
        if self._routes is not None:
            self._routes(app)
        if self._tell is not None:
            see_requests(app, self._tell)
        return app

    async def stop(self) -> None:
        """Drop all calls and connections, and wait until nothing is left of them."""
        if self._main is None or self._runner is None or self._connector is None:
            return
        main, runner, connector = self._main, self._runner, self._connector
        self._main = self._runner = self._connector = None
        self._stopping.set()
        self._rest.close()
        try:
            await main
        finally:
            await runner.cleanup()
            await connector.close()

    async def _run_calls(self, started: asyncio.Event) -> None:
        """The owner of all calls' tasks: a task group must be left by the task that entered it."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            started.set()
            await self._stopping.wait()
            self._tasks = None
            for _, task in self._lives.values():
                task.cancel()

    # Telephones and numbers.

    def set_phone(self, number: str, script: PhoneScript) -> None:
        """Who answers at `number` from now on."""
        self._scripts[number] = script

    def set_default_phone(self, script: PhoneScript) -> None:
        """Who answers at all other numbers from now on."""
        self._default = script

    def set_number(
        self,
        number: str,
        voice_url: str,
        *,
        method: Literal["GET", "POST"] = "POST",
        fallback_url: str = "",
        status_callback: str = "",
    ) -> None:
        """Where calls that come in to `number` go, as in Twilio's console.

        Raises:
            ValueError: if the number is not the account's.

        """
        if number not in self.config.numbers:
            raise ValueError(f"{number} is none of the account's numbers: {', '.join(self.config.numbers)}")
        known = self.numbers[number]
        known.voice_url, known.voice_method = voice_url, method
        known.voice_fallback_url, known.status_callback = fallback_url, status_callback

    # Calls.

    def dial(self, wanted: Creation) -> Call:
        """Create an outbound call; REST does."""
        phone = LivePhone(self._script(wanted.to), self._voice)
        call = Call(self.config.account_sid, wanted.from_, wanted.to, "outbound-api", wanted.options, phone)
        call.queued_for = self._turn()
        return self._begin(call)

    def _turn(self) -> float:
        """How long the next call waits until the account may dial it."""
        interval = self.config.now.rest.dial_interval
        if not interval:
            return 0.0
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next_turn)
        self._next_turn = turn + interval
        return turn - now

    def delete(self, sid: str) -> None:
        """Forget a call that is over; REST does."""
        del self.calls[sid]

    async def ring_in(self, from_: str, to: str, script: PhoneScript) -> Call:
        """Call one of the account's numbers. `script` is the caller's part, once the call is answered.

        Raises:
            ValueError: if `set_number` was not told of the number.

        """
        if to not in self.numbers or not self.numbers[to].voice_url:
            raise ValueError(f"no voice URL is set for {to}: call set_number first")
        options = self.numbers[to].options()
        phone = LivePhone(script, self._voice)
        return self._begin(Call(self.config.account_sid, from_, to, "inbound", options, phone))

    def _dial_leg(self, parent: Call, from_: str, to: str, options: Options, leg: Leg) -> Call:
        """The call of a `<Dial>`; it does not wait in the account's queue."""
        phone = LivePhone(self._script(to), self._voice)
        return self._begin(Call(self.config.account_sid, from_, to, "outbound-dial", options, phone, parent), leg)

    def _end(self, sid: str, status: Status | None = None) -> None:
        life = self.life(sid)
        if life is not None:
            life.end(status)

    def nobody(self) -> LivePhone:
        """A telephone that is never called."""
        return LivePhone(PhoneScript(), self._voice)

    def life(self, sid: str) -> Life | None:
        """What runs a call, None if it is over."""
        entry = self._lives.get(sid)
        return entry[0] if entry else None

    async def wait_calls(self, count: int) -> list[Call]:
        """Wait until `count` calls were ever begun; the answer is those that are remembered, oldest first."""
        while self._started < count:
            self._more.clear()
            await self._more.wait()
        return list(self.calls.values())

    def _script(self, number: str) -> PhoneScript:
        if number in self._scripts:
            return self._scripts[number]
        found = self._phones(number) if callable(self._phones) else (self._phones or {}).get(number)
        return found or self._default

    def _begin(self, call: Call, leg: Leg | None = None) -> Call:
        assert self._tasks is not None, "not started"
        assert self._connector is not None
        life = self._life_of(call, leg, self._connector)
        self._lives[call.sid] = life, self._tasks.create_task(self._live(life))
        self.calls[call.sid] = call
        self._started += 1
        self._more.set()
        return call

    def _life_of(self, call: Call, leg: Leg | None, connector: aiohttp.TCPConnector) -> Life:
        office = Office(
            config=self.config,
            debugger=self.debugger,
            voice=self._voice,
            recogniser=self._recogniser,
            connector=connector,
            api_url=_reachable(self.api_url),
            dial_leg=self._dial_leg,
            end=self._end,
        )
        if self._tell is None:
            return Life(office, call, leg)
        look_at(call, self._tell)
        self._tell(Began(call))
        return SeenLife(office, call, leg, self._tell)

    async def _live(self, life: Life) -> None:
        try:
            await life.run()
        finally:
            self._forget(life.call.sid)
            life.call.close()
            if self._tell is not None:
                self._tell(Closed(life.call))

    def _forget(self, sid: str) -> None:
        """A call is over: let go of what ran it, and of the calls that ended long ago."""
        del self._lives[sid]
        ended = [known for known in self.calls if known not in self._lives]
        for known in ended[: max(0, len(ended) - self.config.keep_calls)]:
            del self.calls[known]
        recordings = [recording for call in self.calls.values() for recording in call.recordings if not recording.live]
        recordings.sort(key=lambda recording: recording.started)
        for old in recordings[: max(0, len(recordings) - self.config.keep_recordings)]:
            old.call.recordings.remove(old)


def _reachable(url: str) -> str:
    """What this machine can ask of a server that listens everywhere."""
    return url.replace("://0.0.0.0:", "://127.0.0.1:").replace("://[::]:", "://[::1]:")
