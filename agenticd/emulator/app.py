"""The whole emulator: a Twilio and an OpenAI Realtime side by side, with telephones to call."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import Literal, Self, TypeAlias
from urllib.parse import urlsplit

from agenticd.emulator.faultbook import Faults, WrongFault
from agenticd.emulator.links import Links, NetworkFaults
from agenticd.emulator.model import ModelHappening, SeenRealtime
from agenticd.emulator.phone import PhoneScript, Speech
from agenticd.emulator.realtime import Brain, RealtimeConfig
from agenticd.emulator.twilio import Phones, TwilioConfig, TwilioServer
from agenticd.emulator.twilio.happenings import Happening
from agenticd.emulator.twilio.server import Routes
from agenticd.emulator.twilio.urls import is_loopback
from agenticd.emulator.voice import Grammar, Voice

_HERE = "127.0.0.1"
Watch: TypeAlias = Callable[[Happening | ModelHappening], None]
"""Gets what happens, as it happens. It must not raise."""


class CannotListen(OSError):
    """One of the two ports cannot be had; `half` says which."""

    def __init__(self, half: Literal["Twilio", "OpenAI"], error: OSError) -> None:
        super().__init__(error.errno, error.strerror or str(error))
        self.half = half


class Emulator:
    """Both servers. Use it as an async context manager, or start and stop it.

    A daemon is pointed at `twilio.api_url` and `realtime.url`, with the secrets of the two configs.
    `brain` answers as the model, and `grammar` hears for it what is not known. `voice` is everybody's; where it is no
    `Voice`, that of Twilio's half only. `phones` and `default_phone` are who answers at which number. `watch` is told
    of all that happens; `routes` adds paths to Twilio's port. `faults` is what goes wrong at first, None: what the two
    configs say. With `network`, or if the network is bad from the beginning, all goes through links that can be bad:
    then a daemon is pointed at `api_url` and `realtime_url`, which are right in any case. A link hides who came, and
    what only this machine may do would be for others too: ValueError if a host is not this machine's.
    """

    def __init__(
        self,
        twilio: TwilioConfig | None = None,
        realtime: RealtimeConfig | None = None,
        *,
        brain: Brain | None = None,
        voice: Speech | None = None,
        grammar: Grammar | None = None,
        phones: Phones | None = None,
        default_phone: PhoneScript | None = None,
        watch: Watch | None = None,
        routes: Routes | None = None,
        faults: Faults | None = None,
        network: bool = False,
    ) -> None:
        twilio, realtime = twilio or TwilioConfig(), realtime or RealtimeConfig()
        if faults is None:
            faults = Faults(twilio.rest, twilio.callbacks, twilio.streams, realtime.faults)
        twilio = replace(twilio, rest=faults.rest, callbacks=faults.callbacks, streams=faults.streams)
        realtime = replace(realtime, faults=faults.model)
        self._faults = faults
        self._fronts = (twilio.host, twilio.port), (realtime.host, realtime.port)
        self._ports: tuple[int, int] | None = None  # of the links in front
        self._links: Links | None = None
        if network or faults.network != NetworkFaults():
            for host in (twilio.host, realtime.host):
                if not is_loopback(host):
                    raise ValueError(f"network is for this machine alone, and the host {host!r} is not")
            self._links = Links(faults.network)
            twilio, realtime = replace(twilio, host=_HERE, port=0), replace(realtime, host=_HERE, port=0)
        voice = voice or Voice()
        self.twilio = TwilioServer(twilio, voice, phones, default_phone, tell=watch, routes=routes)
        speaker = voice if isinstance(voice, Voice) else None
        self.realtime = SeenRealtime(realtime, brain, watch or _nobody, speaker, grammar)

    @property
    def faults(self) -> Faults:
        """What goes wrong at present. It is set as a whole; what is under way meets it at its next occasion, as each
        setting's own class says."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        """Raises WrongFault if the network shall be bad, and there is none."""
        if self._links is not None:
            self._links.change(faults.network)
        elif faults.network != NetworkFaults():
            raise WrongFault(("network",), "is only where the emulator was started with it: agenticd emulate --network")
        self._faults = faults
        self.twilio.config.now.change(faults.callbacks, faults.rest, faults.streams)
        self.realtime.config.now.faults = faults.model

    @property
    def api_url(self) -> str:
        """The root of the REST API, as a daemon reaches it. RuntimeError while it does not run."""
        return _through(self.twilio.api_url, self._fronts[0][0], self._ports and self._ports[0])

    @property
    def realtime_url(self) -> str:
        """The model, as a daemon reaches it. RuntimeError while it does not run."""
        return _through(self.realtime.url, self._fronts[1][0], self._ports and self._ports[1])

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen on both ports; on none of them if one cannot be had.

        Raises:
            CannotListen: if a port is taken.

        """
        async with AsyncExitStack() as stack:
            try:
                await self.twilio.start()
            except OSError as error:
                raise CannotListen("Twilio", error) from error
            stack.push_async_callback(self.twilio.stop)
            try:
                await self.realtime.start()
            except OSError as error:
                raise CannotListen("OpenAI", error) from error
            stack.push_async_callback(self.realtime.stop)
            if self._links is not None:
                await stack.enter_async_context(self._links)
                await self._put_in_front(self._links)
            stack.pop_all()

    async def _put_in_front(self, links: Links) -> None:
        (rest_host, rest_port), (model_host, model_port) = self._fronts
        try:
            rest = await links.front("rest", urlsplit(self.twilio.api_url).port or 0, rest_host, rest_port)
        except OSError as error:
            raise CannotListen("Twilio", error) from error
        try:
            model = await links.front("model", urlsplit(self.realtime.url).port or 0, model_host, model_port)
        except OSError as error:
            raise CannotListen("OpenAI", error) from error
        self._ports = rest, model
        self.twilio.config.now.road = links.to_daemon

    async def stop(self) -> None:
        """Drop all calls, then all sessions, and wait until nothing is left of them."""
        async with AsyncExitStack() as stack:
            if self._links is not None:
                stack.push_async_exit(self._links)
            stack.push_async_callback(self.realtime.stop)
            stack.push_async_callback(self.twilio.stop)
        self._ports = None


def _through(url: str, host: str, port: int | None) -> str:
    """The address of the link in front of a server."""
    return url if port is None else urlsplit(url)._replace(netloc=f"{host}:{port}").geturl()


def _nobody(happening: ModelHappening) -> None:
    """Looks on."""
