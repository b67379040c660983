"""The whole emulator: a Twilio and an OpenAI Realtime side by side, with telephones to call."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Literal, Self, TypeAlias

from agenticd.emulator.model import ModelHappening, SeenRealtime
from agenticd.emulator.phone import PhoneScript, Speech
from agenticd.emulator.realtime import Brain, RealtimeConfig
from agenticd.emulator.twilio import Phones, TwilioConfig, TwilioServer
from agenticd.emulator.twilio.happenings import Happening
from agenticd.emulator.twilio.server import Routes
from agenticd.emulator.voice import Grammar, Voice

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
    of all that happens; `routes` adds paths to Twilio's port.
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
    ) -> None:
        voice = voice or Voice()
        self.twilio = TwilioServer(twilio or TwilioConfig(), voice, phones, default_phone, tell=watch, routes=routes)
        self.realtime = SeenRealtime(
            realtime, brain, watch or _nobody, voice if isinstance(voice, Voice) else None, grammar
        )

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
            stack.pop_all()

    async def stop(self) -> None:
        """Drop all calls, then all sessions, and wait until nothing is left of them."""
        try:
            await self.twilio.stop()
        finally:
            await self.realtime.stop()


def _nobody(happening: ModelHappening) -> None:
    """Looks on."""
