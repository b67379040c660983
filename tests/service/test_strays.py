"""What the carrier makes for a call that was given up: it is hung up, and nothing else is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from agenticd.core.errors import CarrierUnanswered, StoreDown
from agenticd.core.events import CallEnd, CallRecord, CallState, EndedBy, EndReason
from agenticd.core.ids import CallId
from agenticd.service.orders import PlaceOrder
from agenticd.service.ports import CarrierCall
from agenticd.service.strays import AT_ONCE, Strays
from tests.service.test_calls import TO, form, open_desk
from tests.service.test_session import record, settle
from tests.service.world import SID, HandCarrier

CALL = record().call_id


class Rows:
    """The log's rows: one call, as it ended."""

    def __init__(self, reason: EndReason | None) -> None:
        end = None if reason is None else CallEnd(reason, EndedBy.DAEMON)
        self.record: CallRecord | None = replace(record(), state=CallState.ENDED, end=end, closed=True)

    async def call(self, call_id: CallId) -> tuple[CallRecord | None, int]:
        return self.record, 1


class Broken(Rows):
    async def call(self, call_id: CallId) -> tuple[CallRecord | None, int]:
        raise StoreDown


class Deaf(HandCarrier):
    async def hang_up(self, carrier_call_id: str, *, answered: bool, words: str = "") -> CarrierCall | None:
        await super().hang_up(carrier_call_id, answered=answered)
        raise CarrierUnanswered("timeout")


async def told(rows: Rows, carrier: HandCarrier, *statuses: str) -> list[tuple[str, object]]:
    strays = Strays(rows, carrier)  # type: ignore[arg-type]
    for status in statuses:
        async with asyncio.TaskGroup() as group:
            strays.told(group, CALL, SID, status)
    return carrier.orders


@pytest.mark.parametrize(
    ("status", "answered"), [("queued", False), ("initiated", False), ("ringing", False), ("in-progress", True)]
)
async def test_a_call_that_was_given_up_is_hung_up_when_it_shows_itself(status: str, answered: bool) -> None:
    assert await told(Rows(EndReason.DIAL_UNCONFIRMED), HandCarrier(), status) == [("hang_up", answered)]


@pytest.mark.parametrize("reason", [EndReason.COMPLETED, EndReason.REJECTED, None])
async def test_a_late_word_of_any_other_call_changes_nothing(reason: EndReason | None) -> None:
    assert await told(Rows(reason), HandCarrier(), "ringing", "in-progress") == []


async def test_a_call_that_is_not_ours_and_one_that_is_over_are_let_be() -> None:
    rows = Rows(EndReason.DIAL_UNCONFIRMED)
    assert await told(rows, HandCarrier(), "completed", "busy", "", "?") == []
    rows.record = None
    assert await told(rows, HandCarrier(), "ringing") == []


async def test_what_fails_is_tried_again_when_the_carrier_tells_more_of_the_call() -> None:
    carrier = Deaf()
    assert await told(Rows(EndReason.DIAL_UNCONFIRMED), carrier, "initiated", "ringing") == [("hang_up", False)] * 2
    assert await told(Broken(None), HandCarrier(), "ringing") == []


async def test_a_defect_ends_no_other_call() -> None:
    class Defect(HandCarrier):
        async def hang_up(self, carrier_call_id: str, *, answered: bool, words: str = "") -> CarrierCall | None:
            raise IndexError

    with capture_logs() as logs:
        await told(Rows(EndReason.DIAL_UNCONFIRMED), Defect(), "ringing")
    assert [entry["log_level"] for entry in logs] == ["warning", "error"]


async def test_there_is_a_limit_and_one_order_for_each_call_at_a_time() -> None:
    class Held(HandCarrier):
        async def hang_up(self, carrier_call_id: str, *, answered: bool, words: str = "") -> CarrierCall | None:
            await super().hang_up(carrier_call_id, answered=answered)
            await asyncio.Event().wait()
            raise AssertionError

    carrier = Held()
    strays = Strays(Rows(EndReason.DIAL_UNCONFIRMED), carrier)  # type: ignore[arg-type]
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        for number in [*range(AT_ONCE + 3), 0]:
            strays.told(group, CALL, f"CA{number}", "ringing")
        await settle()
        strays.close()
    assert len(carrier.orders) == AT_ONCE


async def test_the_callback_of_a_call_that_was_given_up_reaches_it(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        desk.carrier.dial_answer = CarrierUnanswered("timeout")
        call_id = (await desk.calls.place(PlaceOrder(TO), "me")).record.call_id
        await desk.until(CallState.UNCONFIRMED, call_id)
        while call_id in desk.calls.live:
            desk.clock.advance(5.0)
            await asyncio.sleep(0)
            if call_id in desk.calls.live:
                await desk.calls.live[call_id].durable()
        desk.calls.status_reported(call_id, form(CallStatus="ringing"))
        await desk.carrier.hung_up.wait()
        assert desk.carrier.orders[-1] == ("hang_up", False)
