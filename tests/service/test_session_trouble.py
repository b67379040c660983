"""A session while the log cannot be written or stands still, or the clocks do: nobody is dialled late."""

from __future__ import annotations

import asyncio

import pytest

from agenticd.core import inputs
from agenticd.core.errors import StoreDown
from agenticd.core.events import CallState, EndedBy, EndReason
from agenticd.core.mediastream import DigitPressed, MediaReceived
from agenticd.service.session import SLOWEST_ORDER, Session
from tests.service.test_session import live, settle
from tests.service.world import SID, HandMedia, Hands


def troubled(hands: Hands, why: str) -> None:
    """The log says so to whoever wants to know, as service/calls.py does."""
    hands.log.trouble = why
    for tell in hands.log.troubled:
        tell()


async def test_a_live_call_goes_on_and_is_recorded_later_in_its_order() -> None:
    hands = Hands()
    async with live(hands) as session:
        hands.log.troubled.append(session.log_troubled)
        await answered(hands, session)
        told = len(hands.log.events)
        troubled(hands, "full")
        session.feed(MediaReceived("MZ1", "AAAA"))
        session.feed(DigitPressed("MZ1", "7"))
        session.feed(inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.API))
        await settle()
        assert [name for name, _ in hands.carrier.orders] == ["dial", "hang_up"], "the line goes down all the same"
        assert len(hands.log.events) == told
        troubled(hands, "")
        hands.log.commit()
        assert hands.log.kinds[told : told + 2] == ["digit_received", "call_ending"]
        sequences = [event.call_sequence for event in hands.log.events]
        assert sequences == [*range(1, len(sequences) + 1)]


async def test_who_waits_for_the_record_is_told_at_once_and_may_ask_again() -> None:
    hands = Hands()
    async with live(hands) as session:
        hands.log.troubled.append(session.log_troubled)
        await answered(hands, session)
        session.feed(DigitPressed("MZ1", "7"))
        waiting = asyncio.ensure_future(session.durable())
        await settle()
        troubled(hands, "full")
        with pytest.raises(StoreDown):
            await waiting
        with pytest.raises(StoreDown):
            await session.durable()
        troubled(hands, "")
        hands.log.commit()
        await session.durable()


async def test_nobody_is_dialled_late_because_a_disk_was_full() -> None:
    hands = Hands()
    async with live(hands) as session:
        hands.log.troubled.append(session.log_troubled)
        hands.log.commit()
        session.feed(inputs.DialGranted())
        troubled(hands, "full")
        await settle()
        troubled(hands, "")
        hands.log.commit()
        await settle()
        assert hands.carrier.orders == []
        end = session.record.end
        assert end is not None
        assert (end.reason, end.ended_by) == (EndReason.EXPIRED, EndedBy.DAEMON)
        assert hands.log.kinds[-1] == "call_closed"


@pytest.mark.parametrize("stall", [20.0, 150.0])
async def test_nobody_is_dialled_late_because_a_disk_stood_still(stall: float) -> None:
    """No error tells of it: the carrier's time to answer passes, and it was never asked."""
    hands = Hands()
    async with live(hands) as session:
        hands.log.commit()
        session.feed(inputs.DialGranted())
        hands.clock.advance(stall)
        await settle()
        hands.log.commit()
        await settle()
        assert hands.carrier.orders == []
        assert hands.log.kinds == ["call_queued", "call_dialing", "call_ending", "call_ended", "call_closed"]
        end = session.record.end
        assert end is not None
        assert (end.reason, end.ended_by) == (EndReason.EXPIRED, EndedBy.DAEMON)


async def test_nobody_is_dialled_late_because_the_machine_slept() -> None:
    """What the carrier created later than SLOWEST_ORDER is another call's, when one is looked for."""
    hands = Hands()
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        hands.clock.slept = SLOWEST_ORDER + 1
        hands.log.commit()
        await settle()
        assert hands.carrier.orders == []
        end = session.record.end
        assert end is not None
        assert (end.reason, end.message) == (EndReason.EXPIRED, "it was not dialled in time")


async def test_a_clock_on_the_wall_that_is_set_keeps_nobody_from_being_dialled() -> None:
    hands = Hands()
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        hands.clock.stepped = 86_400.0
        hands.log.commit()
        await settle()
        assert [name for name, _ in hands.carrier.orders] == ["dial"]


async def test_a_call_that_ended_while_it_was_to_be_dialled_is_not_dialled() -> None:
    hands = Hands()
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        session.feed(inputs.StatusReported(SID, "failed", 1))
        hands.log.commit()
        await settle()
        assert hands.carrier.orders == []


async def test_a_wall_clock_that_steps_back_moves_no_deadline() -> None:
    hands = Hands()
    async with live(hands) as session:
        hands.log.commit()
        patience = session.record.options.queue_timeout
        hands.clock.stepped = -86_400.0
        hands.clock.advance(patience - 1)
        assert session.call.state is CallState.QUEUED
        hands.clock.advance(2)
        hands.log.commit()
        times = {event.kind: event.time for event in hands.log.events}
        assert times["call_ended"] < times["call_queued"], "times are those of the clock on the wall"
        assert session.record.end is not None
        assert session.record.end.reason is EndReason.EXPIRED


async def answered(hands: Hands, session: Session) -> None:
    """Bring it to where people talk."""
    session.feed(inputs.DialGranted())
    hands.log.commit()
    await settle()
    session.feed(inputs.VoiceRequested(SID))
    session.attach(HandMedia(), "MZ1", session.call.attempt)
    session.feed(inputs.StatusReported(SID, "in-progress", 2))
    hands.log.commit()
    await settle()
    assert session.call.state is CallState.IN_PROGRESS
