"""What follows a stream that breaks without a close is a setting, for Twilio's documents leave it open."""

from __future__ import annotations

import aiohttp
import pytest

from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.twilio import Call, StreamFaults, TwilioConfig, TwilioServer
from agenticd.emulator.twilio.faults import AfterBreak as Follows
from tests.emulator.twilio.conftest import CALLEE, OWNED, TROUBLE, Account, Tones
from tests.emulator.twilio.customer import Customer, Socket


async def breaks(socket: Socket) -> None:
    socket.transport.abort()


async def closes(socket: Socket) -> None:
    await socket.ws.close()


async def run(customer: Customer, follows: Follows, *, action: str = "/action", fallback: str = "/fallback") -> Call:
    customer.documents["/voice"] = customer.connect(action=action, after="<Redirect>/next</Redirect>")
    for path in ("/action", "/next", "/fallback"):
        customer.documents[path] = "<Response/>"
    config = TwilioConfig(numbers=(OWNED,), streams=StreamFaults(after_break=follows))
    async with TwilioServer(config, Tones()) as server, aiohttp.ClientSession() as http:
        server.set_phone(CALLEE, PhoneScript(ring=0))
        form = {"FallbackUrl": customer.url(fallback)} if fallback else {}
        call = await Account(server, customer, http).dial(PhoneScript(ring=0), **form)
        assert await call.ended() == "completed"
    return call


def asked(customer: Customer) -> list[str]:
    return [path for path in customer.paths() if path in ("/action", "/next", "/fallback")]


@pytest.mark.parametrize(
    ("follows", "paths"),
    [("action", ["/action"]), ("next", ["/next"]), ("fallback", ["/fallback"]), ("hang-up", [])],
)
async def test_the_setting_decides(customer: Customer, follows: Follows, paths: list[str]):
    customer.media = breaks
    await run(customer, follows)
    assert asked(customer) == paths


async def test_by_default_the_action_and_without_one_the_next_verb(customer: Customer):
    assert StreamFaults().after_break == "action"
    customer.media = breaks
    await run(customer, "action", action="")
    assert asked(customer) == ["/next"]


async def test_the_fallback_is_told_why_and_without_one_the_call_ends(customer: Customer):
    customer.media = breaks
    await run(customer, "fallback")
    form = customer.at("/fallback")[0].form
    assert (form["ErrorCode"], form["ErrorUrl"]) == ("31903", customer.media_url)
    customer.requests.clear()
    call = await run(customer, "fallback", fallback="")
    assert (asked(customer), call.said) == ([], [TROUBLE])


async def test_a_fallback_that_fails_is_not_asked_again(customer: Customer):
    customer.media = breaks
    call = await run(customer, "fallback", fallback="/missing")
    assert (len(customer.at("/missing")), call.said) == (1, [TROUBLE])


@pytest.mark.parametrize("follows", ["next", "fallback", "hang-up"])
async def test_a_proper_close_is_not_concerned(customer: Customer, follows: Follows):
    customer.media = closes
    await run(customer, follows)
    assert asked(customer) == ["/action"]
