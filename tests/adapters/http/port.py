"""The public port with the real use cases behind it, in a world in the test's hand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from agenticd.adapters.http.server import Config, HttpServer
from agenticd.core.events import AgentBrief
from agenticd.core.ids import CallId
from agenticd.core.inputs import Input
from agenticd.service.calls import Calls
from agenticd.service.calls import Config as CallsConfig
from agenticd.service.orders import AgentProfile, PlaceOrder
from agenticd.service.ports import CarrierCall, DialOrder, PeerHealth
from tests.adapters.http.support import PUBLIC, TOKEN, Client, connected, eventually, started
from tests.service.world import HandCarrier, HandClock, HandModelLink, Hands

OURS, TO = "+15550001111", "+15550002222"
SID = "CA" + "1" * 32
OTHER_SID = "CA" + "9" * 32


class Clock(HandClock):
    """Time in the test's hand, chance not: two calls must not be one."""

    _count = 0

    def randomness(self, size: int) -> bytes:
        Clock._count += 1
        return Clock._count.to_bytes(size, "big")


@dataclass
class SilentCarrier(HandCarrier):
    """A REST side that takes every request and answers none."""

    async def _never(self, what: str) -> None:
        self.orders.append((what, None))
        await asyncio.Event().wait()

    async def dial(self, order: DialOrder) -> CarrierCall:
        await self._never("dial")
        raise AssertionError("not reached")

    async def hang_up(self, carrier_call_id: str, *, answered: bool, words: str = "") -> CarrierCall | None:
        await self._never("hang_up")
        return None

    async def look_up(self, carrier_call_id: str) -> CarrierCall | None:
        await self._never("look_up")
        return None

    async def find(self, to_address: str, from_address: str, since: float) -> Sequence[CarrierCall]:
        await self._never("find")
        return ()


class SilentModel:
    """Sessions that are never opened."""

    def __init__(self) -> None:
        self.opening = 0

    def session(self, call_id: CallId, brief: AgentBrief, feed: Callable[[Input], None]) -> HandModelLink:
        model = self

        class Link(HandModelLink):
            async def open(self) -> None:
                model.opening += 1
                await asyncio.Event().wait()

        return Link(feed)


class _Peer:
    health = PeerHealth()


@dataclass
class Port:
    """A running port with its calls."""

    server: HttpServer
    calls: Calls
    hands: Hands
    clients: list[Client] = field(default_factory=list)

    async def connect(self) -> Client:
        """A new connection to it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        self.clients.append(Client(reader, writer))
        return self.clients[-1]

    async def post(self, path: str, form: Mapping[str, str]) -> tuple[int, str]:
        """A signed webhook: status and body."""
        client = await self.connect()
        status, _, body = await client.post(path, form)
        return status, body.decode()

    async def place(self) -> CallId:
        """An outbound call that the carrier was asked to dial, all of it durable."""
        asked = self._dialled()
        self.hands.clock.advance(0.001)  # the dialler's turn
        placing = asyncio.ensure_future(self.calls.place(PlaceOrder(TO), "me"))
        await eventually(lambda: self.hands.log.waiting)
        self.hands.log.commit()
        call_id = (await placing).record.call_id
        await eventually(lambda: self._dialled() > asked)
        return call_id

    def _dialled(self) -> int:
        return sum(name == "dial" for name, _ in self.hands.carrier.orders)

    async def media(self, call_id: str, token: str, stream: str, sid: str = SID) -> Client:
        """A media socket that says `start`."""
        client = await self.connect()
        status, _, _ = await client.upgrade(f"/twilio/media/{call_id}")
        assert status == 101
        client.say(connected())
        start = json.loads(started(token, stream))
        start["start"]["callSid"] = sid
        client.say(json.dumps(start))
        return client


@contextlib.asynccontextmanager
async def port(hands: Hands | None = None) -> AsyncIterator[Port]:
    """A port; `hands` is its world."""
    hands = hands or Hands(clock=Clock())
    agents = {"default": AgentProfile(instructions="Be brief.")}
    config = CallsConfig("n", "0", agents, OURS, calls_per_second=1e6, max_calls=10_000, inbound={OURS: "default"})
    calls = Calls(config, hands.world, _Peer(), _Peer())
    server = HttpServer(Config("127.0.0.1:0", PUBLIC, TOKEN), calls, hands.clock)
    running = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(calls.run(running.set))
        await running.wait()
        await server.start()
        home = Port(server, calls, hands)
        try:
            yield home
        finally:
            for client in home.clients:
                client.abort()
                await client.close()
            await server.stop()
            calls.stop()


def verbs(document: str) -> list[str]:
    """The verbs of a TwiML document."""
    return [element.tag for element in ET.fromstring(document)]


def token_of(document: str) -> str:
    """The stream token in a TwiML document."""
    parameter = ET.fromstring(document).find("./Connect/Stream/Parameter[@name='token']")
    assert parameter is not None
    return parameter.attrib["value"]
