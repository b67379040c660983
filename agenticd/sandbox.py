"""A real daemon beside the emulator, on loopback: what the demo shows and what the end-to-end tests drive.

The daemon is a child process with its own configuration and store in a folder of its own; the emulator runs in this
process, so that whoever made it can look at its calls and listen to them.
"""

from __future__ import annotations

import json
import socket
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from agenticd.emulator.app import Emulator, Watch
from agenticd.emulator.faultbook import Faults
from agenticd.emulator.network import LinkConfig, SlowLink
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.realtime import Brain, RealtimeConfig
from agenticd.emulator.twilio import TwilioConfig
from agenticd.launch import PROGRAM, Daemon, listening_socket

FROM = "+15550001111"
LOG_NAME = "daemon.log"
"""The daemon's log in its folder."""


class Sandbox:
    """Emulator and daemon, both up while entered.

    `settings` are more lines of YAML for the agent `default`, `extra` for the configuration as a whole; `agents` is
    that section as a line of YAML, instead of that one agent. `inbound` is the one that answers. `watch` is told what
    happens in the emulator. With `link` all that the emulated Twilio asks of the daemon, webhooks and media, goes
    through a network that is no better than that. `faults` and `network` are the emulator's.
    `listen` are more addresses of the API, `grpc` more of its settings.
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
        agents: str = "",
        inbound: str = "default",
        watch: Watch | None = None,
        link: LinkConfig | None = None,
        faults: Faults | None = None,
        network: bool = False,
        calls_per_second: int = 1000,
        listen: Sequence[str] = (),
        grpc: Mapping[str, object] | None = None,
        program: Sequence[str] = PROGRAM,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.emulator = Emulator(
            twilio or TwilioConfig(numbers=(FROM,)),
            realtime,
            brain=brain,
            phones=phones,
            default_phone=default_phone,
            watch=watch,
            faults=faults,
            network=network,
        )
        self.twilio, self.realtime = self.emulator.twilio, self.emulator.realtime
        self.address = f"unix:{folder / 'agenticd.sock'}"
        self.http: socket.socket
        self.daemon: Daemon
        self.link: SlowLink | None = None
        """The network between them, while entered; None where there is only loopback."""
        self._link_config = link
        self._greeting = greeting
        self._settings = settings
        self._extra = extra
        self._agents = agents
        self._inbound = inbound
        self._calls_per_second = calls_per_second
        self._listen = listen
        self._grpc = dict(grpc or {})
        self._program = program
        self._environ = dict(environ or {})

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self.http = stack.enter_context(listening_socket())
            if self._link_config is not None:
                self.link = SlowLink(self._link_config, self.http.getsockname()[1])
                await stack.enter_async_context(self.link)
            await stack.enter_async_context(self.emulator)
            self.twilio.set_number(self.number, f"{self.public_url}/twilio/voice")
            config = self.folder / "config.yaml"
            config.write_text(self._config())
            daemon = Daemon(config, self.http, self.folder / LOG_NAME, self._program)
            daemon.environ = self._environ
            self.daemon = await stack.enter_async_context(daemon)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def number(self) -> str:
        """The account's number: what a phone calls, and what an outbound call comes from."""
        return self.twilio.config.numbers[0]

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
                grpc: {json.dumps({"listen": [self.address, *self._listen], **self._grpc})}
                twilio:
                  api_url: {self.emulator.api_url}
                  account_sid: {twilio.account_sid}
                  auth_token: {twilio.auth_token}
                  from_number: "{self.number}"
                  calls_per_second: {self._calls_per_second}
                openai:
                  url: {self.emulator.realtime_url}
                  api_key: {self.realtime.config.api_key}
                store: {{path: {self.folder / "agenticd.db"}}}
                inbound: {{"{self.number}": {{agent: {self._inbound}}}}}
                """
            )
            + self._extra
            + (self._agents or self._default_agent())
        )

    def _default_agent(self) -> str:
        return (
            "agents:\n"
            "  default:\n"
            "    instructions: You are on the phone for a small company. Be brief and friendly.\n"
            f'    greeting: "{self._greeting}"\n'
            f"{self._settings}"
        )
