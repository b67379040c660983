"""A real daemon beside the emulator, on loopback: what the demo shows and what the end-to-end tests drive.

The daemon is a child process with its own configuration and store in a folder of its own; the emulator runs in this
process, so that whoever made it can look at its calls and listen to them.
"""

from __future__ import annotations

import socket
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from agenticd.emulator.app import Emulator
from agenticd.emulator.network import LinkConfig, SlowLink
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.realtime import Brain, RealtimeConfig
from agenticd.emulator.twilio import TwilioConfig
from agenticd.launch import PROGRAM, Daemon, listening_socket

FROM = "+15550001111"


class Sandbox:
    """Emulator and daemon, both up while entered.

    `settings` are more lines of YAML for the agent `default`, `extra` for the configuration as a whole. With `link` all
    that the emulated Twilio asks of the daemon, webhooks and media, goes through a network that is no better than that.
    `program` is what Python runs the daemon by, `environ` what its environment has besides.
    """

    def __init__(
        self,
        folder: Path,
        *,
        greeting: str = "",
        brain: Brain | None = None,
        default_phone: PhoneScript | None = None,
        phones: Mapping[str, PhoneScript] | None = None,
        twilio: TwilioConfig | None = None,
        realtime: RealtimeConfig | None = None,
        settings: str = "",
        extra: str = "",
        link: LinkConfig | None = None,
        calls_per_second: int = 1000,
        program: Sequence[str] = PROGRAM,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._emulator = Emulator(
            twilio or TwilioConfig(numbers=(FROM,)), realtime, brain=brain, phones=phones, default_phone=default_phone
        )
        self.twilio, self.realtime = self._emulator.twilio, self._emulator.realtime
        self.address = f"unix:{folder / 'agenticd.sock'}"
        self.http: socket.socket
        self.daemon: Daemon
        self.link: SlowLink | None = None
        """The network between them, while entered; None where there is only loopback."""
        self._link_config = link
        self._greeting = greeting
        self._settings = settings
        self._extra = extra
        self._calls_per_second = calls_per_second
        self._program = program
        self._environ = dict(environ or {})

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self.http = stack.enter_context(listening_socket())
            if self._link_config is not None:
                self.link = SlowLink(self._link_config, self.http.getsockname()[1])
                await stack.enter_async_context(self.link)
            await stack.enter_async_context(self._emulator)
            self.twilio.set_number(FROM, f"{self.public_url}/twilio/voice")
            config = self.folder / "config.yaml"
            config.write_text(self._config())
            daemon = Daemon(config, self.http, self.folder / "daemon.log", self._program)
            daemon.environ = self._environ
            self.daemon = await stack.enter_async_context(daemon)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def public_url(self) -> str:
        """What the emulated Twilio is told to call."""
        port = self.http.getsockname()[1] if self.link is None else self.link.port
        return f"http://127.0.0.1:{port}"

    def _config(self) -> str:
        twilio = self.twilio.config
        return (
            textwrap.dedent(
                f"""\
                version: 1
                public_url: {self.public_url}
                node_id: sandbox
                admin: {{listen: "127.0.0.1:0"}}
                grpc: {{listen: ["{self.address}"]}}
                twilio:
                  api_url: {self.twilio.api_url}
                  account_sid: {twilio.account_sid}
                  auth_token: {twilio.auth_token}
                  from_number: "{FROM}"
                  calls_per_second: {self._calls_per_second}
                openai:
                  url: {self.realtime.url}
                  api_key: {self.realtime.config.api_key}
                store: {{path: {self.folder / "agenticd.db"}}}
                agents:
                  default:
                    instructions: You are on the phone for a small company. Be brief and friendly.
                    greeting: "{self._greeting}"
                """
            )
            + self._settings
            + f'inbound: {{"{FROM}": {{agent: default}}}}\n'
            + self._extra
        )
