"""The whole emulator: a Twilio and an OpenAI Realtime side by side, with telephones to call."""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from agenticd.emulator.phone import PhoneScript, Speech
from agenticd.emulator.realtime import Brain, RealtimeConfig, RealtimeServer
from agenticd.emulator.twilio import Phones, TwilioConfig, TwilioServer
from agenticd.emulator.voice import Voice


class Emulator:
    """Both servers. Use it as an async context manager, or start and stop it.

    A daemon is pointed at `twilio.api_url` and `realtime.url`, with the secrets of the two configs.
    `brain` answers as the model; `phones` and `default_phone` are who answers at which number.
    """

    def __init__(
        self,
        twilio: TwilioConfig | None = None,
        realtime: RealtimeConfig | None = None,
        *,
        brain: Brain | None = None,
        voice: Speech | None = None,
        phones: Phones | None = None,
        default_phone: PhoneScript | None = None,
    ) -> None:
        self.twilio = TwilioServer(twilio or TwilioConfig(), voice or Voice(), phones, default_phone)
        self.realtime = RealtimeServer(realtime, brain)

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
            OSError: if a port is taken.

        """
        async with AsyncExitStack() as stack:
            await self.twilio.start()
            stack.push_async_callback(self.twilio.stop)
            await self.realtime.start()
            stack.pop_all()

    async def stop(self) -> None:
        """Drop all calls, then all sessions, and wait until nothing is left of them."""
        try:
            await self.twilio.stop()
        finally:
            await self.realtime.stop()
