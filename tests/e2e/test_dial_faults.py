"""Each order of an order's steps and failures: exactly one dial and the true end, or an honest DIAL_UNCONFIRMED."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agentic.v1 import call_pb2, event_pb2
from agenticd.emulator.twilio import Call, TwilioConfig
from agenticd.sandbox import FROM
from tests.chaos.run import PROGRAM
from tests.e2e.conftest import TO, History, Line
from tests.e2e.dial_faults import ROWS, Row

Make = Callable[..., Any]
PATIENCE = 120.0
"""Seconds that a client asks for."""
TRUE = {"completed": {"COMPLETED", "NODE_LOST", "CANCELED"}, "busy": {"BUSY"}, "canceled": {"CANCELED", "NODE_LOST"},
        "no-answer": {"NO_ANSWER", "DIAL_UNCONFIRMED"}}  # fmt: skip
"""What may be on record of a call that the carrier saw end so."""


async def again(desk: Line) -> None:
    """The daemon is killed by its trap; it is started again without, as systemd does it."""
    daemon = desk.sandbox.daemon
    await daemon.wait()
    daemon.environ.clear()
    await daemon.start()


async def place(desk: Line, row: Row, request_id: str) -> Any:
    """Place a call, by a client that asks until there is an answer; that."""
    return await desk.client.place_call(TO, request_id=request_id, ring_timeout=row.ring_timeout, max_duration=30.0)


async def insist(desk: Line, row: Row, request_id: str) -> str:
    """The same; the call's id."""
    placed = await place(desk, row, request_id)
    call_id: str = placed.call.call_id
    return call_id


def dialled(desk: Line) -> list[Call]:
    """What the carrier has on its books."""
    return [call for call in desk.sandbox.twilio.calls.values() if call.to == TO]


def reason(history: History) -> str:
    """Why it ended."""
    return call_pb2.EndReason.Name(history.one("call_ended").end.reason).removeprefix("END_REASON_")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", ROWS)
async def test_an_order_to_dial(line: Make, name: str) -> None:
    row = ROWS[name]
    twilio = TwilioConfig(numbers=(FROM,), callbacks=row.callbacks, rest=row.rest)
    if name == "two_silent":
        twilio = TwilioConfig(numbers=(FROM,), callbacks=row.callbacks)
    trap = {"AGENTICD_FAILPOINT": f"{row.killed_at}:kill"} if row.killed_at else None
    desk: Line = await line(default_phone=row.phone, twilio=twilio, program=PROGRAM, environ=trap)
    desk.client.timeout = PATIENCE
    await desk.client.status()  # from then on it knows that the daemon is there, and waits for it
    async with asyncio.TaskGroup() as group:
        if row.killed_at:
            group.create_task(again(desk))
        if name == "two_silent":
            histories = await two_silent(desk, row)
        else:
            calls = [await insist(desk, row, f"{name}-{number}") for number in range(row.calls)]
            followed = [group.create_task(through(desk, call_id, row)) for call_id in calls]
            histories = [await task for task in followed]
    check(desk, row, histories)
    for number, history in enumerate(histories):
        once_more = await place(desk, row, f"{name}-{number}")
        assert once_more.replayed
        assert once_more.call.call_id == history.events[0].call_id
        assert once_more.call.state == call_pb2.CALL_STATE_ENDED
    check(desk, row, histories)


async def two_silent(desk: Line, row: Row) -> list[History]:
    """The first order is done and the second is not; both are reset, and nobody hears of either."""
    from agenticd.emulator.twilio import RestFaults
    from agenticd.emulator.twilio.faults import Mishap

    now = desk.sandbox.twilio.config.now
    now.change(row.callbacks, RestFaults(create=Mishap("reset", done=True)), now.streams)
    first = await insist(desk, row, "two_silent-0")
    await desk.follow(first, until="warning")
    now.change(row.callbacks, RestFaults(create=Mishap("reset")), now.streams)
    second = await insist(desk, row, "two_silent-1")
    histories = [await desk.follow(first), await desk.follow(second)]
    # The first may be found while it is the only one that it can be; the second may never be taken for it.
    assert reason(histories[1]) == "DIAL_UNCONFIRMED"
    return histories


async def through(desk: Line, call_id: str, row: Row) -> History:
    """The call to its end, hung up where the row says so, also by a client that must insist."""
    ordered = False

    async def on(event: event_pb2.Event) -> None:
        nonlocal ordered
        if event.WhichOneof("payload") == row.hung_up and not ordered:
            ordered = True
            await desk.client.hang_up(call_id)

    return await desk.follow(call_id, on)


def check(desk: Line, row: Row, histories: list[History]) -> None:
    """One dial and the true end, or none and honesty."""
    made = dialled(desk)
    if row.dials >= 0:
        assert len(made) == row.dials
    assert len(made) <= row.calls
    by_sid = {call.sid: call for call in made}
    owned: list[str] = []
    for history in histories:
        assert reason(history) in row.ends
        assert history.kinds.count("call_dialing") <= 1
        assert history.kinds[-1] == "call_closed"
        assert history.one("call_ended").end.carrier_code == row.carrier_code
        warnings = [warning.code for warning in history.all("warning")]
        assert warnings.count("DIAL_UNANSWERED") <= 2
        if row.warned:
            assert "DIAL_UNANSWERED" in warnings
        sids = {ringing.carrier_call_id for ringing in history.all("call_ringing") + history.all("call_answered")}
        assert len(sids) <= 1
        assert sids <= by_sid.keys()
        owned += sids
        for sid in sids:
            assert reason(history) in TRUE[by_sid[sid].status]
    assert len(owned) == len(set(owned)), "no call of the carrier's is two of ours"
