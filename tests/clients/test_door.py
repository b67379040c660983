"""The story at the door: who comes by TCP shows who they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.stage import Stage, fresh_number
from tests.clients.teller import Teller

pytestmark = pytest.mark.asyncio(loop_scope="session")

Make = Callable[..., Any]
UNAUTHENTICATED = ("UNAUTHENTICATED", "UNAUTHENTICATED")


async def test_a_port_on_loopback_wants_the_daemons_token(stage: Make, teller: Make, tmp_path: Any) -> None:
    """On a port of loopback the daemon's token opens; a wrong one and none are refused, requests and streams alike"""
    desk: Stage = await stage(listen=["127.0.0.1:0"], environ={"RUNTIME_DIRECTORY": str(tmp_path)})
    token = (tmp_path / "token").read_text().strip()
    one: Teller = await teller(desk.door, token=token)
    placed = await one.do("place", to=fresh_number())
    stream = await one.follow_call("call", placed)
    await stream.complete()
    assert stream.events == await desk.log(placed["call_id"])
    for options in ({"token": "x" * len(token)}, {}):
        other: Teller = await teller(desk.door, **options)
        assert (await other.refused("status")).says == UNAUTHENTICATED
        assert (await (await other.follow("all", after=0)).fails()).says == UNAUTHENTICATED
