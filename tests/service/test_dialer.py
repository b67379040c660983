"""The queue before the carrier: in order, at the carrier's pace, without those who no longer want."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from agenticd.core import inputs
from agenticd.core.events import CallState, EndedBy, EndReason
from agenticd.core.ids import CallId
from agenticd.service.dialer import Dialer
from agenticd.service.session import Session
from tests.service.test_session import record
from tests.service.world import Hands


def queued(hands: Hands, count: int) -> list[Session]:
    placed = replace(record(), create_time=hands.clock.wall())
    sessions = [Session(replace(placed, call_id=CallId(f"{i:026}")), hands.world) for i in range(count)]
    for session in sessions:
        session.feed(inputs.CallPlaced())
    return sessions


def dialed(sessions: list[Session]) -> list[bool]:
    return [session.call.state is CallState.DIALING for session in sessions]


async def test_calls_are_dialled_in_order_at_the_carriers_pace() -> None:
    hands = Hands()
    dialer, sessions = Dialer(hands.clock, 2.0), queued(hands, 3)
    for session in sessions:
        dialer.enqueue(session)
    assert dialed(sessions) == [True, False, False]
    assert len(dialer) == 2
    hands.clock.advance(0.49)
    assert dialed(sessions) == [True, False, False]
    hands.clock.advance(0.02)
    assert dialed(sessions) == [True, True, False]
    hands.clock.advance(0.5)
    assert dialed(sessions) == [True, True, True]
    assert len(dialer) == 0


async def test_a_call_that_was_hung_up_costs_no_turn() -> None:
    hands = Hands()
    dialer, sessions = Dialer(hands.clock, 1.0), queued(hands, 3)
    for session in sessions:
        dialer.enqueue(session)
    sessions[1].feed(inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.API))
    hands.clock.advance(1.0)
    assert dialed(sessions) == [True, False, True]


async def test_calls_whose_time_passed_while_the_machine_slept_are_not_dialled_and_cost_no_turn() -> None:
    """The monotonic clock stands still meanwhile."""
    hands = Hands()
    dialer, sessions = Dialer(hands.clock, 1.0), queued(hands, 3)
    for session in sessions:
        dialer.enqueue(session)
    hands.clock.slept = 8 * 3600.0
    (young,) = queued(hands, 1)
    dialer.enqueue(young)
    hands.clock.advance(1.0)
    assert dialed([*sessions, young]) == [True, False, False, True]
    assert [session.record.end and session.record.end.reason for session in sessions[1:]] == [EndReason.EXPIRED] * 2


@pytest.mark.parametrize("hours", [8, -8])
async def test_a_clock_on_the_wall_that_is_set_makes_nobody_late(hours: int) -> None:
    hands = Hands()
    dialer, sessions = Dialer(hands.clock, 1.0), queued(hands, 2)
    for session in sessions:
        dialer.enqueue(session)
    hands.clock.stepped = hours * 3600.0
    hands.clock.advance(1.0)
    assert dialed(sessions) == [True, True]


async def test_a_call_that_waited_through_a_restart_is_as_old_as_its_record_and_what_passed_since() -> None:
    hands = Hands()
    created = hands.clock.wall() - 59.0
    session = Session(replace(record(), create_time=created), hands.world)
    hands.clock.stepped = 8 * 3600.0
    assert session.age == 59.0
    hands.clock.slept = 2.0
    assert session.age == 61.0


async def test_after_a_pause_the_next_call_goes_at_once_and_only_one() -> None:
    hands = Hands()
    dialer, sessions = Dialer(hands.clock, 1.0), queued(hands, 3)
    dialer.enqueue(sessions[0])
    hands.clock.advance(30.0)
    dialer.enqueue(sessions[1])
    dialer.enqueue(sessions[2])
    assert dialed(sessions[1:]) == [True, False]


async def test_a_closed_dialer_dials_nobody() -> None:
    hands = Hands()
    dialer, sessions = Dialer(hands.clock, 1.0), queued(hands, 2)
    for session in sessions:
        dialer.enqueue(session)
    dialer.close()
    hands.clock.advance(10.0)
    assert dialed(sessions) == [True, False]


async def test_who_waits_is_shown_with_their_place_and_moves_up() -> None:
    hands = Hands()
    dialer, sessions = Dialer(hands.clock, 1.0), queued(hands, 4)
    for session in sessions:
        dialer.enqueue(session)
    ids = [session.record.call_id for session in sessions]
    assert dialer.positions() == {ids[1]: 1, ids[2]: 2, ids[3]: 3}
    sessions[1].feed(inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.API, ""))
    assert dialer.positions() == {ids[2]: 1, ids[3]: 2}
    hands.clock.advance(1.0)
    assert dialer.positions() == {ids[3]: 1}
