"""Where scenarios are played: beside a daemon of their own, or beside one that is there already."""

from __future__ import annotations

import errno
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import agentic
from agentic.errors import Unreachable
from agenticd.emulator.app import CannotListen, Emulator, Watch
from agenticd.emulator.faultbook import Faults
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.realtime import RealtimeConfig
from agenticd.emulator.twilio import TwilioConfig
from agenticd.emulator.voice import Recogniser, Voice
from agenticd.sandbox import Sandbox
from agenticd.scenario.story import Scenario

_INSTRUCTIONS = "You are on the phone for a small company. Be brief and friendly."
_OVERRIDES = frozenset({"instructions", "greeting", "voice", "model", "language"})


class NotHere(Exception):
    """The scenario cannot be played in this world; the text says why, and what would do."""


class NoPlace(Exception):
    """Nothing can be played: the place is not there. The text says what is missing, `hint` what to do about it."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.hint = hint


@dataclass
class World:
    """What a scenario is played in, while it is up. `person` has the phone; `overrides` are for PlaceCall; `log` is the
    daemon's, if known."""

    emulator: Emulator
    client: agentic.Client
    person: PhoneScript
    overrides: Mapping[str, Any] = field(default_factory=dict)
    log: Path | None = None
    sandbox: Sandbox | None = None

    def set_faults(self, faults: Faults) -> None:
        """From now on this goes wrong, and nothing else."""
        self.emulator.faults = faults

    async def restart(self, how: str) -> None:
        """End the daemon, `killed` or `stopped`, and start it again."""
        assert self.sandbox is not None, "reading and worlds let nobody restart a daemon that is not ours"
        daemon = self.sandbox.daemon
        if how == "killed":
            daemon.kill()
        await daemon.stop()
        await daemon.start()


class Place(Protocol):
    """A place for scenarios, one after the other or many at once."""

    at_once: bool

    async def ready(self) -> None:
        """Look whether all is there that every scenario needs. Raises NoPlace."""

    def world(self, scenario: Scenario, folder: Path, watch: Watch) -> Any:
        """A context manager: the World, up while entered. Raises NotHere, NotReady, CannotListen, AgenticError."""


@dataclass
class Own:
    """Each scenario has a daemon of its own. `agents`: those of a configuration; None: only the scenario's own."""

    agents: Mapping[str, Mapping[str, str]] | None = None
    at_once: bool = True

    async def ready(self) -> None:
        """All that is needed is started here."""

    @asynccontextmanager
    async def world(self, scenario: Scenario, folder: Path, watch: Watch) -> AsyncIterator[World]:
        """Start emulator and daemon."""
        name = scenario.call.agent
        agents: dict[str, Mapping[str, str]] = dict(self.agents or {})
        if scenario.agent is not None or name not in agents:
            if self.agents is not None and scenario.agent is None:
                raise NotHere(f"the configuration has no agent {name}; it has {', '.join(agents)}")
            agents[name] = {"instructions": _INSTRUCTIONS, **(scenario.agent or {})}
        person = understanding(scenario)
        sandbox = Sandbox(
            folder,
            brain=scenario.model.dialogue,
            default_phone=person,
            twilio=TwilioConfig(numbers=(scenario.account_number,)),
            realtime=realtime(scenario),
            agents=_section(agents),
            inbound=name,
            watch=watch,
            faults=scenario.faults,
            network=scenario.network,
        )
        async with sandbox, agentic.connect(sandbox.address) as client:
            yield World(sandbox.emulator, client, person, log=sandbox.daemon.log, sandbox=sandbox)


@dataclass
class Given:
    """A daemon that runs already, configured for the emulator on these ports: `agenticd emulate --write-config`."""

    address: str | None
    twilio_port: int
    openai_port: int
    voice_url: str
    at_once: bool = False

    async def ready(self) -> None:
        """The two ports are free, and the daemon answers. Raises NoPlace."""
        try:
            async with Emulator(TwilioConfig(port=self.twilio_port), RealtimeConfig(port=self.openai_port)):
                pass
        except CannotListen as error:
            raise self._taken(error) from error
        try:
            async with agentic.connect(self.address) as client:
                await client.status()
        except Unreachable as error:
            hint = "start it, or leave --daemon out: then each scenario has a daemon of its own"
            raise NoPlace(f"no daemon answers on {self.address or 'any of its usual sockets'}", hint) from error
        except (agentic.AgenticError, ValueError, OSError) as error:
            raise NoPlace(f"--daemon: {error}", "agenticd test --help") from error

    def _taken(self, error: CannotListen) -> NoPlace:
        port, option, setting = self.twilio_port, "--twilio-port", "twilio.api_url"
        if error.half == "OpenAI":
            port, option, setting = self.openai_port, "--openai-port", "openai.url"
        if error.errno != errno.EADDRINUSE:
            return NoPlace(f"cannot listen on port {port}: {error.strerror}", f"the daemon's {setting} has this port")
        return NoPlace(
            f"port {port} is taken, and scenarios with --daemon need it for an emulator of their own",
            f"stop agenticd emulate; if the daemon's {setting} has another port, name that with {option}",
        )

    @asynccontextmanager
    async def world(self, scenario: Scenario, folder: Path, watch: Watch) -> AsyncIterator[World]:
        """Put up the emulator beside it."""
        overrides, person = self._overrides(scenario), understanding(scenario)
        emulator = Emulator(
            TwilioConfig(port=self.twilio_port, numbers=(scenario.account_number,)),
            realtime(scenario, self.openai_port),
            brain=scenario.model.dialogue,
            default_phone=person,
            watch=watch,
            faults=scenario.faults,
            network=scenario.network,
        )
        async with emulator, agentic.connect(self.address) as client:
            emulator.twilio.set_number(scenario.account_number, self.voice_url)
            yield World(emulator, client, person, overrides)

    def _overrides(self, scenario: Scenario) -> Mapping[str, str]:
        """The scenario's agent, as far as PlaceCall can say it."""
        agent = scenario.agent or {}
        beyond = sorted(agent if scenario.call.direction == "inbound" else agent.keys() - _OVERRIDES)
        if beyond:
            names = ", ".join(beyond)
            raise NotHere(f"its agent has {names}, which only a daemon of its own can take: leave out --daemon")
        if any(step.does == "daemon" for step in scenario.meanwhile):
            raise NotHere("it restarts the daemon, which must be its own for that: leave out --daemon")
        return agent


def _section(agents: Mapping[str, Mapping[str, str]]) -> str:
    """The agents as a line of config.yaml: JSON is YAML, and $${ a ${ that is no variable."""
    return f"agents: {json.dumps(agents, ensure_ascii=False)}\n".replace("${", "$${")


def realtime(scenario: Scenario, port: int = 0) -> RealtimeConfig:
    """The model that the scenario wants, who understands its caller."""
    return RealtimeConfig(port=port, learn=scenario.sentences, response_delay=scenario.model.delay)


def understanding(scenario: Scenario) -> PhoneScript:
    """The person on the phone, who understands the agent where the scenario has them wait for its words."""
    script = scenario.caller
    if any(line.words for line in script.lines):
        recogniser, voice = Recogniser(), Voice()
        for text in scenario.replies:
            recogniser.learn(text, voice.say(text, "agent"))
        return replace(script, understands=recogniser.text_of)
    return script
