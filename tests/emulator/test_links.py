"""The emulator behind links: all goes through them, both ways, and what is wrong with one is wrong with no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from websockets.asyncio.client import connect

from agenticd.emulator.app import CannotListen, Emulator
from agenticd.emulator.faultbook import faults_from
from agenticd.emulator.links import LinkFaults, Links, NetworkFaults
from agenticd.emulator.network import Path
from agenticd.emulator.phone import Line, PhoneScript
from agenticd.emulator.twilio import TwilioConfig
from tests.emulator.twilio.conftest import CALLEE, OWNED
from tests.emulator.twilio.customer import Customer

LEAVES = PhoneScript(ring=0, lines=(Line(hang_up=True, after="time", pause=0.1),))


@pytest.fixture
async def customer() -> AsyncIterator[Customer]:
    customer = Customer(TwilioConfig(numbers=(OWNED,)))
    await customer.start()
    customer.documents["/voice"] = customer.connect()
    yield customer
    await customer.stop()


def passed(emulator: Emulator, name: str) -> list[tuple[int, int]]:
    """Bytes that went through each link of that name, to its server and back."""
    assert emulator._links is not None
    return [(link.to_server.passed, link.to_client.passed) for known, link in emulator._links._links if known == name]


async def dial(emulator: Emulator, customer: Customer) -> int:
    config = emulator.twilio.config
    url = f"{emulator.api_url}/2010-04-01/Accounts/{config.account_sid}/Calls.json"
    form = {"To": CALLEE, "From": OWNED, "Url": customer.url("/voice"), "StatusCallback": customer.url("/status")}
    auth = {"Authorization": aiohttp.encode_basic_auth(config.account_sid, config.auth_token)}
    async with aiohttp.ClientSession() as http, http.post(url, data=form, headers=auth) as answer:
        return answer.status


async def test_webhooks_media_rest_and_the_model_go_each_through_their_link(customer: Customer):
    async with Emulator(TwilioConfig(numbers=(OWNED,)), network=True, default_phone=LEAVES) as emulator:
        assert await dial(emulator, customer) == 201
        (call,) = emulator.twilio.calls.values()
        assert await call.ended() == "completed"
        assert all(request.signed for request in customer.requests), "signed for the address that was given"
        assert customer.requests[0].headers["Host"] == customer.authority
        assert len(customer.sockets) == 1
        config = emulator.realtime.config
        key = {"Authorization": f"Bearer {config.api_key}"}
        async with connect(f"{emulator.realtime_url}?model={config.models[0]}", additional_headers=key) as socket:
            assert "session.created" in str(await socket.recv())
        for name in ("daemon", "rest", "model"):
            ((there, back),) = passed(emulator, name)
            assert there > 100
            assert back > 100
        assert str(emulator.api_url) != emulator.twilio.api_url


async def test_without_a_network_there_is_nothing_in_between():
    async with Emulator(TwilioConfig(numbers=(OWNED,))) as emulator:
        assert (emulator.api_url, emulator.realtime_url) == (emulator.twilio.api_url, emulator.realtime.url)
        assert emulator._links is None


async def test_a_bad_network_from_the_start_needs_no_other_word(customer: Customer):
    faults = faults_from({"network": {"rest": {"reset_after": 0}}})
    async with Emulator(TwilioConfig(numbers=(OWNED,)), faults=faults, default_phone=LEAVES) as emulator:
        with pytest.raises(aiohttp.ClientConnectionError):
            await dial(emulator, customer)
        emulator.faults = faults_from({})
        assert await dial(emulator, customer) == 201


async def test_links_listen_where_the_servers_would_and_say_which_half_cannot():
    async with Emulator(network=True) as first:
        port = int(first.api_url.rpartition(":")[2])
        second = Emulator(TwilioConfig(port=port), network=True)
        with pytest.raises(CannotListen) as caught:
            await second.start()
        assert caught.value.half == "Twilio"
        assert second.twilio._runner is None
    async with Emulator(TwilioConfig(port=port), network=True) as third:
        assert third.api_url == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(("name", "to_server"), [("daemon", True), ("rest", False), ("model", False)])
async def test_a_way_is_that_of_the_daemon_on_whichever_side_it_is(name: str, to_server: bool):
    bad = LinkFaults(latency=1.0, way="to_daemon")
    async with Links(NetworkFaults()) as links:
        if name == "daemon":
            await links.to_daemon("127.0.0.1", 9)
        else:
            await links.front(name, 9, "127.0.0.1", 0)  # type: ignore[arg-type]
        ((_, link),) = links._links
        assert link.to_server.path == link.to_client.path == Path()
        links.change(NetworkFaults(**{name: bad}))
        assert (link.to_server.path.latency, link.to_client.path.latency) == ((1.0, 0.0) if to_server else (0.0, 1.0))


async def test_a_daemon_has_one_link_however_many_connections_begin_at_once():
    async with Links(NetworkFaults()) as links:
        places = await asyncio.gather(*(links.to_daemon("127.0.0.1", 9) for _ in range(5)))
        assert len(set(places)) == len(links._links) == 1


@pytest.mark.parametrize("wrong", [{"loss": 1}, {"bandwidth": -1}, {"reset_after": -1}, {"way": "up"}])
def test_a_link_that_makes_no_sense_is_refused(wrong: dict[str, object]):
    with pytest.raises(ValueError, match=" is "):
        LinkFaults(**wrong)  # type: ignore[arg-type]
