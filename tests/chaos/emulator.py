"""Twilio and OpenAI in a process of their own, and the bad networks before them and before the daemon.

    python -m tests.chaos.emulator JOURNAL DAEMON_PORT

The first line that it prints says where it is. Each line on its standard input is an order in JSON, answered by a line:
{"rest": …}, {"callbacks": …}: faults, by the names of the emulator's settings; {"link": NAME, "do": …}: a network's.
Each call that is made is written down in JOURNAL before anybody is told of it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agenticd.emulator.app import Emulator
from agenticd.emulator.network import LinkConfig, SlowLink
from agenticd.emulator.network import Path as Way
from agenticd.emulator.phone import Line, PhoneScript
from agenticd.emulator.realtime import RealtimeConfig
from agenticd.emulator.twilio import CallbackFaults, RestFaults, StreamFaults, TwilioConfig
from agenticd.emulator.twilio.faults import Mishap
from agenticd.emulator.twilio.happenings import Began
from agenticd.sandbox import FROM
from tests.chaos.histories import Journal

PERSONS = (
    PhoneScript(ring=0.1, lines=(Line(hang_up=True, after="time", pause=0.2),)),
    PhoneScript(ring=0.1, lines=(Line(hang_up=True, after="time", pause=0.6),)),
    PhoneScript(
        ring=0.3, lines=(Line(press="1", after="time", pause=0.1), Line(hang_up=True, after="time", pause=0.5))
    ),
    PhoneScript(ring=0.1),
    PhoneScript(outcome="busy", ring=0.2),
    PhoneScript(outcome="no-answer"),
)
"""Who answers, by the number's last digit; of the fourth the API or the longest duration ends the call."""


def person(number: str) -> PhoneScript:
    """Who answers at that number."""
    return PERSONS[int(number[-1]) % len(PERSONS)]


def rest_faults(given: dict[str, Any]) -> RestFaults:
    """The settings out of plain data."""
    return RestFaults(**{key: Mishap(**value) if isinstance(value, dict) else value for key, value in given.items()})


class Networks:
    """The links, by name."""

    def __init__(self, links: dict[str, SlowLink]) -> None:
        self.links = links

    def do(self, name: str, what: str) -> None:
        """Cut what is connected; let all that is open vanish for a moment; slow it down; or make it good again."""
        link = self.links[name]
        match what:
            case "cut":
                link.trouble(reset_after=0.0)
                asyncio.get_running_loop().call_later(0.1, link.trouble)
            case "half-open":
                link.trouble(vanishing=True)
                asyncio.get_running_loop().call_later(0.1, link.trouble)
            case "slow":
                for way in (link.to_server, link.to_client):
                    way.change(Way(bits_per_second=256_000, latency=0.15))
            case "heal":
                link.trouble()
                for way in (link.to_server, link.to_client):
                    way.change(Way())
            case _:
                raise ValueError(what)


async def main(journal_path: str, daemon_port: str) -> None:
    """Serve until the standard input ends."""
    journal = Journal(Path(journal_path))

    def watch(happening: object) -> None:
        if isinstance(happening, Began):
            journal.write({"to": happening.call.to, "sid": happening.call.sid})

    twilio = TwilioConfig(numbers=(FROM,), keep_calls=500, close_timeout=0.3)
    realtime = RealtimeConfig(keep_audio=False, keep_sessions=4, response_delay=0.05)
    emulator = Emulator(twilio, realtime, phones=person, watch=watch)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(emulator)
        ports = {
            "twilio": urlsplit(emulator.twilio.api_url).port,
            "openai": urlsplit(emulator.realtime.url).port,
            "daemon": int(daemon_port),
        }
        links = {name: SlowLink(LinkConfig(), port or 0) for name, port in ports.items()}
        for link in links.values():
            await stack.enter_async_context(link)
        networks = Networks(links)
        config = emulator.twilio.config
        path = urlsplit(emulator.realtime.url).path
        where = {
            "api_url": f"http://127.0.0.1:{links['twilio'].port}",
            "realtime_url": f"ws://127.0.0.1:{links['openai'].port}{path}",
            "public_url": f"http://127.0.0.1:{links['daemon'].port}",
            "account_sid": config.account_sid,
            "auth_token": config.auth_token,
            "api_key": realtime.api_key,
        }
        print(json.dumps(where), flush=True)
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            match json.loads(line):
                case {"rest": rest, "callbacks": callbacks}:
                    calls = CallbackFaults(**{**callbacks, "lost": frozenset(callbacks.get("lost", ()))})
                    config.now.change(calls, rest_faults(rest), StreamFaults())
                case {"link": name, "do": what}:
                    networks.do(name, what)
            print("ok", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
