"""Endings that take long because nobody tells: the carrier is asked, and asked again, and the call ends truthfully.

The clock is in the test's hand; the same endings on a whole daemon, as far as they are quick, are in tests/e2e.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from agenticd.core import inputs, realtime
from agenticd.core.errors import CarrierUnanswered
from agenticd.core.events import CallEnd, CallState, Direction, EndedBy, EndReason
from agenticd.service.ports import CarrierCall
from agenticd.service.session import Session
from tests.service.test_session import record, settle
from tests.service.world import SID, HandCarrier, HandMedia, Hands


@dataclass
class AskedCarrier(HandCarrier):
    """A carrier that shows the call as it stands there; `deaf` is how many orders to end it does not answer."""

    status: str | None = "in-progress"
    deaf: int = 0
    asked_at: list[float] = field(default_factory=list)
    ordered_at: list[float] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    hands: Hands | None = None

    @property
    def now(self) -> float:
        assert self.hands is not None
        return self.hands.clock.now

    async def look_up(self, carrier_call_id: str) -> CarrierCall | None:
        assert carrier_call_id == SID
        self.asked_at.append(self.now)
        return None if self.status is None else CarrierCall(SID, self.status, 0.0, "", "")

    async def hang_up(self, carrier_call_id: str, *, answered: bool, words: str = "") -> CarrierCall | None:
        self.ordered_at.append(self.now)
        if len(self.ordered_at) <= self.deaf:
            raise CarrierUnanswered("did not answer")
        self.words.append(words)
        if self.status is None:
            return None
        return CarrierCall(SID, "in-progress" if words else "completed" if answered else "canceled", 0.0, "", "")


@dataclass
class Bench:
    """One call on a bench."""

    hands: Hands
    carrier: AskedCarrier
    session: Session

    async def feed(self, *happened: inputs.Input) -> None:
        for input in happened:
            self.session.feed(input)
            await self.rest()

    async def answer(self) -> None:
        """The phone is answered, and the model is there: whatever ends the call, it is not that."""
        await self.feed(inputs.VoiceRequested(SID), realtime.SessionCreated("s", "m", 0))
        await self.feed(realtime.SessionUpdated("s", "m", "audio/pcmu", "audio/pcmu"))

    async def rest(self) -> None:
        """Everything that is due now is done, and durable."""
        for _ in range(3):
            self.hands.log.commit()
            await settle()

    async def wait(self, seconds: int) -> None:
        """Let time pass, a second at a time."""
        for _ in range(seconds):
            self.hands.clock.advance(1.0)
            await self.rest()

    @property
    def end(self) -> tuple[EndReason, EndedBy] | None:
        end: CallEnd | None = self.session.record.end
        return None if end is None else (end.reason, end.ended_by)

    def check(self, reason: EndReason, by: EndedBy, *, ordered: bool) -> None:
        kinds = self.hands.log.kinds
        assert self.end == (reason, by)
        assert kinds[-1] == "call_closed"
        assert [kinds.count(kind) for kind in ("call_ending", "call_ended", "call_closed")] == [int(ordered), 1, 1]


@asynccontextmanager
async def bench(direction: Direction = Direction.OUTBOUND) -> AsyncIterator[Bench]:
    """An outbound call that the carrier knows, or an inbound one that rings."""
    carrier = AskedCarrier()
    hands = Hands(carrier=carrier)
    carrier.hands = hands
    fresh = replace(record(), brief=replace(record().brief, greeting="", apology="I am sorry."))
    if direction is Direction.INBOUND:
        fresh = replace(fresh, direction=direction, state=CallState.RINGING, carrier_call_id=SID)
    session = Session(fresh, hands.world)
    async with asyncio.TaskGroup() as group:
        group.create_task(session.run())
        await settle()
        made = Bench(hands, carrier, session)
        if direction is Direction.INBOUND:
            await made.feed(inputs.CallArrived())
        else:
            await made.feed(inputs.CallPlaced(), inputs.DialGranted())
            assert session.call.carrier_call_id == SID
        yield made
        session.abandon()


async def test_an_answered_call_without_media_is_asked_about_and_given_up_after_15_seconds() -> None:
    async with bench() as desk:
        await desk.answer()
        begun = desk.hands.clock.now
        await desk.wait(14)
        assert desk.end is None
        assert [round(at - begun) for at in desk.carrier.asked_at] == [3, 6, 9, 12]
        assert desk.carrier.ordered_at == []
        await desk.wait(15)
        # First with an apology of 11 letters, which may take 11.1 s; time goes by in whole seconds here.
        assert [round(at - begun) for at in desk.carrier.ordered_at] == [15, 27]
        desk.check(EndReason.MEDIA_LOST, EndedBy.DAEMON, ordered=True)


async def test_an_answered_call_without_media_that_has_ended_is_found_out() -> None:
    async with bench() as desk:
        await desk.answer()
        desk.carrier.status = "completed"
        await desk.wait(15)
        desk.check(EndReason.COMPLETED, EndedBy.CALLER, ordered=False)
        assert len(desk.carrier.asked_at) == 1
        assert desk.carrier.ordered_at == []


async def test_a_lost_media_stream_that_nothing_follows_ends_the_call() -> None:
    async with bench() as desk:
        await desk.answer()
        desk.session.attach(HandMedia(), "MZ1", 1)
        await desk.wait(60)
        assert desk.end is None, "with media nobody asks"
        assert desk.carrier.asked_at == []
        await desk.feed(inputs.MediaClosed("MZ1", stopped=False, message="the connection broke"))
        await desk.wait(14)
        assert desk.end is None
        await desk.wait(15)
        desk.check(EndReason.MEDIA_LOST, EndedBy.DAEMON, ordered=True)
        assert desk.hands.log.kinds.count("media_lost") == 1


async def test_a_lost_media_stream_that_another_follows_in_time_ends_nothing() -> None:
    async with bench() as desk:
        await desk.answer()
        desk.session.attach(HandMedia(), "MZ1", 1)
        await desk.feed(inputs.MediaClosed("MZ1", stopped=False, message="the connection broke"))
        await desk.wait(10)
        desk.session.attach(HandMedia(), "MZ2", 2)
        await desk.wait(60)
        assert desk.session.call.state is CallState.IN_PROGRESS
        assert desk.carrier.ordered_at == []


@pytest.mark.parametrize(
    ("status", "reason", "by"),
    [
        ("completed", EndReason.COMPLETED, EndedBy.CALLER),
        ("no-answer", EndReason.NO_ANSWER, EndedBy.CARRIER),
        ("canceled", EndReason.CANCELED, EndedBy.CARRIER),
        (None, EndReason.FAILED, EndedBy.CARRIER),
    ],
)
async def test_a_phone_that_calls_and_is_gone_before_its_media_is_found_out(
    status: str | None, reason: EndReason, by: EndedBy
) -> None:
    """No status callback comes for it, and no stream that could stop."""
    async with bench(Direction.INBOUND) as desk:
        desk.carrier.status = status
        await desk.wait(30)
        desk.check(reason, by, ordered=False)
        assert desk.session.record.answer_time is None
        assert len(desk.carrier.asked_at) == 1


@pytest.mark.parametrize(("status", "reason"), [("no-answer", EndReason.NO_ANSWER), ("busy", EndReason.BUSY)])
@pytest.mark.parametrize("rang", [False, True])
async def test_a_call_that_nobody_answers_and_nobody_tells_of_is_found_out(
    status: str, reason: EndReason, rang: bool
) -> None:
    """Every callback is lost, or all but the first: when the phone cannot ring any longer, the carrier is asked."""
    async with bench() as desk:
        if rang:
            await desk.feed(inputs.StatusReported(SID, "ringing", 1))
        desk.carrier.status = status
        await desk.wait(29)
        assert desk.end is None
        await desk.wait(45)
        desk.check(reason, EndedBy.CARRIER, ordered=False)


async def test_an_order_to_end_is_repeated_ever_more_seldom_until_the_carrier_answers() -> None:
    async with bench() as desk:
        await desk.feed(inputs.StatusReported(SID, "ringing", 1))
        desk.carrier.deaf = 7
        begun = desk.hands.clock.now
        await desk.feed(inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.API, ""))
        await desk.wait(97)
        assert desk.end is None
        assert desk.session.call.state is CallState.ENDING
        assert [round(at - begun) for at in desk.carrier.ordered_at] == [0, 3, 8, 18, 38, 68]
        await desk.wait(62)
        desk.check(EndReason.CANCELED, EndedBy.API, ordered=True)
        assert [round(at - begun) for at in desk.carrier.ordered_at[6:]] == [98, 128]


async def test_a_call_that_the_carrier_no_longer_knows_ended_as_it_was_ordered() -> None:
    async with bench() as desk:
        await desk.answer()
        desk.carrier.status = None
        await desk.feed(inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.API, ""))
        await desk.wait(11)
        desk.check(EndReason.COMPLETED, EndedBy.API, ordered=True)


async def test_the_callback_ends_a_call_whose_order_to_end_was_never_answered() -> None:
    async with bench() as desk:
        await desk.answer()
        desk.carrier.deaf = 100
        await desk.feed(inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.API, ""))
        await desk.feed(inputs.StatusReported(SID, "completed", 3))
        await desk.wait(60)
        desk.check(EndReason.COMPLETED, EndedBy.API, ordered=True)
        assert len(desk.carrier.ordered_at) == 1, "nothing is left to be repeated"


@pytest.mark.parametrize("direction", Direction)
async def test_an_apology_has_its_time_and_then_the_carrier_is_asked_whether_it_is_over(direction: Direction) -> None:
    """For an inbound call, and where callbacks are lost, nobody tells that the words were said."""
    async with bench(direction) as desk:
        if direction is Direction.OUTBOUND:
            await desk.answer()
        await desk.feed(inputs.ModelClosed(1011, "gone"))
        if direction is Direction.INBOUND:
            assert desk.carrier.words == [], "it will ask, as no stream came; if it does not, it is ordered"
            await desk.wait(3)
        assert desk.carrier.words == ["I am sorry."]
        await desk.wait(10 if direction is Direction.OUTBOUND else 7)
        assert desk.carrier.words == ["I am sorry."], "nobody cuts them off"
        desk.carrier.status = None
        await desk.wait(12)
        assert desk.carrier.words == ["I am sorry.", ""], "and they are not said twice"
        desk.check(EndReason.MODEL_LOST, EndedBy.DAEMON, ordered=True)
