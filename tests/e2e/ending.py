"""What must be true of every call that ended, and small hands for bringing ends about."""

from __future__ import annotations

from typing import Any

import aiohttp
from twilio.request_validator import RequestValidator

from agentic.v1 import call_pb2
from agenticd.emulator.twilio import Status
from tests.e2e.conftest import TO, History, Line

STEPS = ("call_queued", "call_dialing", "call_ringing", "call_answered", "call_ending", "call_ended", "call_closed")


def check(
    history: History, reason: str, by: str, *, ordered: bool, sip_code: int | None = None, carrier_code: int = 0
) -> Any:
    """Hold a whole history against how the call should have ended; the end. `ordered`: the daemon ordered it."""
    kinds = history.kinds
    steps = [STEPS.index(kind) for kind in kinds if kind in STEPS]
    assert steps == sorted(set(steps)), f"each step once, and never back: {kinds}"
    assert kinds[-1] == "call_closed"
    end = history.one("call_ended").end
    said = (call_pb2.EndReason.Name(end.reason), call_pb2.EndedBy.Name(end.ended_by))
    assert said == (f"END_REASON_{reason}", f"ENDED_BY_{by}")
    assert end.carrier_code == carrier_code
    if sip_code is not None:
        assert end.sip_code == sip_code
    assert ("call_ending" in kinds) == ordered
    if ordered:
        ending = history.one("call_ending")
        assert (ending.reason, ending.by) == (end.reason, end.ended_by)
    return end


async def arrived(desk: Line) -> str:
    """The id of the first call that came in."""
    async with desk.client.events(after=0, types=["call_ringing"]) as stream:
        async for event in stream:
            return event.call_id
    raise AssertionError("the stream ended")


def end_at_twilio(desk: Line, status: Status, number: str = TO) -> None:
    """The network ends the one call to that number."""
    life = desk.sandbox.twilio.life(desk.phone_call(number).sid)
    assert life is not None
    life.end(status)


async def leave(desk: Line, call_id: str, number: str = TO) -> None:
    """The person on the one call to that number hangs up when the daemon has said that the media came, however long
    that takes."""
    await desk.follow(call_id, until="media_connected")
    end_at_twilio(desk, "completed", number)


async def call_back(desk: Line, call_id: str, path: str = "status", **params: str) -> tuple[int, str]:
    """Ask the daemon as Twilio would, signed with the account's token, whatever the emulated Twilio thinks."""
    url = f"{desk.sandbox.public_url}/twilio/{path}/{call_id}"
    signature = RequestValidator(desk.sandbox.twilio.config.auth_token).compute_signature(url, params)
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, data=params, headers={"X-Twilio-Signature": signature}) as response,
    ):
        return response.status, await response.text()
