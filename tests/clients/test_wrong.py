"""The story, where something is wrong: with the order, with the address, or with the daemon, which is not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.stage import Stage, fresh_number
from tests.clients.teller import Teller
from tests.clients.test_story import is_random_uuid

pytestmark = pytest.mark.asyncio(loop_scope="session")

Make = Callable[..., Any]
NO_CALL = "01KAPBQ7DV0000000000000001"
INVALID = ("INVALID_ARGUMENT", "INVALID_ARGUMENT")
NOT_FOUND = ("NOT_FOUND", "CALL_NOT_FOUND")


async def test_a_wrong_order_is_refused_with_the_field_and_what_would_be_right(desk: Stage, teller: Make) -> None:
    """A wrong field is named, with what would be right; an unknown call and an unknown kind of event are refused, each
    with a type of its own"""
    one: Teller = await teller(desk.address)
    types = set()
    for wrong, field in (({"to": "0555 2222"}, "to_address"), ({"to": fresh_number(), "agent": "nobody"}, "agent")):
        error = await one.refused("place", **wrong)
        assert (error.says, error.fields) == (INVALID, [field])
        assert error.violations[0]["description"]
        assert error.message
        assert is_random_uuid(error.request_id)
        types.add(error.type)
    assert len(types) == 1
    for order in ("get", "hang_up", "transcript"):
        error = await one.refused(order, call_id=NO_CALL)
        assert error.says == NOT_FOUND
        types.add(error.type)
    error = await (await one.follow("nobody", call_ids=[NO_CALL], after=0)).fails()
    assert error.says == NOT_FOUND
    types.add(error.type)
    assert len(types) == 2, "a program tells them apart"
    error = await (await one.follow("nothing", types=["call_flown"])).fails()
    assert error.says == INVALID
    assert error.fields[0].startswith("types")


async def test_a_cursor_in_the_future_is_refused(desk: Stage, teller: Make) -> None:
    """A cursor from the future is refused, not waited for"""
    one: Teller = await teller(desk.address)
    head = (await one.do("status"))["head_revision"]
    for name, where in (
        ("cursor", {"cursor": f"{await desk.epoch()}:{head + 1000}"}),
        ("bare", {"after": head + 1000}),
    ):
        error = await (await one.follow(name, **where)).fails()
        assert error.says == INVALID
        assert error.fields == ["after_revision"]


async def test_where_no_daemon_ever_was_is_an_error_at_once(teller: Make, tmp_path: Path) -> None:
    """Where no daemon has ever answered, requests and streams fail at once, and an order that failed has its
    request_id"""
    one: Teller = await teller(f"unix:{tmp_path / 'nobody.sock'}")
    error = await one.refused("status")
    assert error.says == ("UNAVAILABLE", "")
    error = await one.refused("place", to=fresh_number())
    assert error.says == ("UNAVAILABLE", "")
    assert is_random_uuid(error.request_id)
    error = await (await one.follow("nobody", after=0)).fails()
    assert error.says == ("UNAVAILABLE", "")


async def test_a_daemon_that_is_away_is_waited_for(stage: Make, teller: Make) -> None:
    """A daemon that has answered is waited for while it restarts, as long as the timeout allows; an order that failed
    is sent again with its request_id and dials once"""
    desk: Stage = await stage()
    patient: Teller = await teller(desk.address, timeout=120)
    hasty: Teller = await teller(desk.address, timeout=6)
    for one in (patient, hasty):
        await one.do("status")
    await desk.sandbox.daemon.stop()
    number, again = fresh_number(), fresh_number()
    failed = await hasty.refused("place", to=again)
    assert failed.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
    assert failed.reason == ""
    assert is_random_uuid(failed.request_id)
    waiting = [await patient.send("status"), await patient.send("place", to=number)]
    await desk.sandbox.daemon.start()
    status, placed = [await patient.answer(order) for order in waiting]
    assert status["epoch"] == placed["epoch"]
    repeated = await patient.do("place", to=again, request_id=failed.request_id)
    assert not repeated["replayed"]
    for name, call in (("placed", placed), ("repeated", repeated)):
        await (await patient.follow_call(name, call)).complete()
    assert (desk.dialled(number), desk.dialled(again)) == (1, 1)


@pytest.mark.parametrize("address", ["agenticd.sock", "unix:agenticd.sock", "127.0.0.1:0", "127.0.0.1:port"])
async def test_an_address_that_is_none_is_refused_by_the_client(teller: Make, address: str) -> None:
    """An address that is none is refused by the client itself, which says what it should look like"""
    one: Teller = await teller(address)
    error = await one.refused("status")
    assert error.says == ("INVALID_ARGUMENT", "")
    assert error.message
