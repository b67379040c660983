"""The one door: order, durability before deeds, time, and the same inputs giving the same events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agenticd.core import inputs, realtime
from agenticd.core.call import DIAL_ANSWER
from agenticd.core.errors import CarrierRefused, CarrierUnanswered, StoreDown
from agenticd.core.events import AgentBrief, CallOptions, CallRecord, CallState, Direction, EndedBy, EndReason, Usage
from agenticd.core.ids import new_call_id
from agenticd.core.mediastream import DigitPressed, MarkEchoed, MediaReceived
from agenticd.service.ports import CarrierCall, DialOrder
from agenticd.service.session import Session
from tests.service.world import SID, HandCarrier, HandClock, HandMedia, Hands

BRIEF = AgentBrief("Be brief.", "Hello.", "marin", "gpt-realtime-2.1")


def record() -> CallRecord:
    return CallRecord(
        call_id=new_call_id(1.0, bytes(10)),
        direction=Direction.OUTBOUND,
        state=CallState.QUEUED,
        from_address="+15550001111",
        to_address="+15550002222",
        agent="default",
        brief=BRIEF,
        options=CallOptions(),
        node_id="n",
        create_time=HandClock().wall(),
    )


@asynccontextmanager
async def live(hands: Hands) -> AsyncIterator[Session]:
    """A session that runs, placed and not yet durable."""
    session = Session(record(), hands.world)
    async with asyncio.TaskGroup() as group:
        group.create_task(session.run())
        await settle()
        session.feed(inputs.CallPlaced())
        yield session
        session.abandon()


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_nobody_is_dialled_before_call_dialing_is_durable() -> None:
    hands = Hands()
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        await settle()
        assert hands.carrier.orders == []
        hands.log.commit(1)
        await settle()
        assert hands.carrier.orders == []
        hands.log.commit()
        await settle()
        assert [name for name, _ in hands.carrier.orders] == ["dial"]
        assert hands.log.kinds == ["call_queued", "call_dialing"]


async def test_the_dial_order_carries_our_id_in_every_url() -> None:
    hands = Hands()
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        hands.log.commit()
        await settle()
        order = hands.carrier.orders[0][1]
        call_id = session.record.call_id
        for url in (order.voice_url, order.status_url, order.fallback_url):  # type: ignore[attr-defined]
            assert url.startswith("https://voice.example.com/twilio/")
            assert url.endswith(call_id)


async def test_hang_up_goes_out_when_the_order_is_durable() -> None:
    hands = Hands()
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        hands.log.commit()
        await settle()
        session.feed(inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.API))
        await settle()
        assert [name for name, _ in hands.carrier.orders] == ["dial"]
        hands.log.commit()
        await settle()
        assert [name for name, _ in hands.carrier.orders] == ["dial", "hang_up"]


async def test_a_store_that_breaks_stops_every_deed_and_tells_who_waits() -> None:
    hands = Hands()
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        waiting = asyncio.ensure_future(session.durable())
        await settle()
        hands.log.fail()
        with pytest.raises(StoreDown):
            await waiting
        await settle()
        assert hands.carrier.orders == []
        with pytest.raises(StoreDown):
            await session.durable()


async def test_an_unanswered_dial_is_looked_for_by_number_and_time_and_never_repeated() -> None:
    hands = Hands()
    hands.carrier.dial_answer = CarrierUnanswered("timeout")
    hands.carrier.found = [CarrierCall(SID, "ringing", hands.clock.wall(), "", "")]
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        hands.log.commit()
        await settle()
        hands.log.commit()
        hands.clock.advance(2.0)
        await settle()
        assert [name for name, _ in hands.carrier.orders] == ["dial", "find", "requested"]
        assert session.call.state is CallState.RINGING


async def test_a_call_whose_order_never_left_ends_at_once_and_is_not_looked_for() -> None:
    hands = Hands()
    hands.carrier.dial_answer = CarrierUnanswered("Twilio cannot be reached", sent=False)
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        hands.log.commit()
        await settle()
        hands.log.commit()
        end = session.record.end
        assert end is not None
        assert (end.reason, end.message) == (EndReason.FAILED, "Twilio cannot be reached; nobody was dialled")
        assert hands.log.kinds == ["call_queued", "call_dialing", "call_ended", "call_closed"]


async def test_a_call_of_ours_is_no_candidate_for_another() -> None:
    hands = Hands()
    hands.carrier.dial_answer = CarrierUnanswered("timeout")
    hands.carrier.found = [CarrierCall(SID, "ringing", hands.clock.wall(), "", "")]
    hands.claimed.add(SID)
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        hands.log.commit()
        await settle()
        hands.log.commit()
        hands.clock.advance(2.0)
        await settle()
        assert session.call.state is CallState.UNCONFIRMED


def story(session: Session, media: HandMedia, hands: Hands) -> None:
    """A call with a greeting, an interruption and an end."""
    clock = hands.clock
    session.feed(inputs.CallPlaced())
    session.feed(inputs.DialGranted())
    session.feed(inputs.DialAnswered(SID, "queued"))
    session.feed(inputs.StatusReported(SID, "ringing", 1))
    session.feed(inputs.VoiceRequested(SID))
    session.attach(media, "MZ", 1)
    session.feed(realtime.SessionCreated("s", "m", 0))
    session.feed(realtime.SessionUpdated("s", "m", "audio/pcmu", "audio/pcmu"))
    session.feed(MediaReceived("MZ", "////"))
    session.feed(realtime.ResponseCreated("r"))
    session.feed(realtime.ItemAdded("a", None, "message", "assistant"))
    session.feed(realtime.AudioDelta("r", "a", 0, "/" * 64 * 50 * 4))
    session.feed(realtime.OutputTranscriptDelta("a", "Hello there, how are you today?"))
    clock.now += 0.4
    session.feed(realtime.SpeechStarted("c", 300))
    session.feed(MarkEchoed("MZ", "g0:a:180"))
    session.feed(realtime.OutputItemDone("r", "a", "incomplete"))
    session.feed(realtime.ResponseDone("r", "cancelled", "turn_detected", "", "", Usage(output_tokens=5)))
    clock.now += 1.0
    session.feed(inputs.StatusReported(SID, "completed", 3))
    clock.advance(6.0)


async def test_the_same_inputs_at_the_same_times_give_the_same_events() -> None:
    histories = []
    for _ in range(2):
        hands, media = Hands(), HandMedia()
        session = Session(record(), hands.world)
        story(session, media, hands)
        hands.log.commit()
        histories.append((hands.log.events, media.orders))
    assert histories[0] == histories[1]
    events, orders = histories[0]
    assert [event.call_sequence for event in events] == list(range(1, len(events) + 1))
    kinds = [event.kind for event in events]
    assert kinds[-1] == "call_closed"
    assert kinds.count("call_ended") == 1
    assert "agent_interrupted" in kinds
    assert ("clear", None) in orders


async def test_the_row_says_what_the_events_say() -> None:
    hands = Hands()
    session = Session(record(), hands.world)
    story(session, HandMedia(), hands)
    hands.log.commit()
    for entry in hands.log.entries:
        if entry.event is not None:
            assert entry.record.last_sequence == entry.event.call_sequence
    last = hands.log.entries[-1].record
    assert (last.state, last.closed) == (CallState.ENDED, True)


async def test_an_input_that_an_effect_causes_comes_after_the_present_one() -> None:
    """Closing the model's link feeds ModelClosed from inside feed: the door stays one, the order of effects whole."""
    hands = Hands()
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        hands.log.commit()
        await settle()
        session.feed(inputs.StatusReported(SID, "ringing", 1))
        hands.log.commit()
        await settle()
        (link,) = hands.model.sessions
        session.feed(inputs.StatusReported(SID, "busy", 2))
        hands.log.commit()
        assert link.closed
        # ModelClosed came after CallClosed was on its way, and found a call that wants nothing of it.
        assert hands.log.kinds == ["call_queued", "call_dialing", "call_ringing", "call_ended", "call_closed"]


class Echoing(HandMedia):
    """A link that, in the middle of an order, brings the next input."""

    session: Session

    def clear(self) -> None:
        super().clear()
        self.session.feed(DigitPressed("MZ", "5"))


async def test_an_input_in_the_middle_of_an_effect_waits_until_its_turn() -> None:
    hands, media = Hands(), Echoing()
    session = media.session = Session(record(), hands.world)
    session.feed(inputs.CallPlaced())
    session.feed(inputs.DialGranted())
    session.feed(inputs.DialAnswered(SID, "queued"))
    session.attach(media, "MZ", 1)
    session.feed(realtime.SessionCreated("s", "m", 0))
    session.feed(realtime.SessionUpdated("s", "m", "audio/pcmu", "audio/pcmu"))
    session.feed(realtime.ItemAdded("a", None, "message", "assistant"))
    session.feed(realtime.AudioDelta("r", "a", 0, "/" * 64 * 50))
    session.feed(realtime.SpeechStarted("c", 100))
    hands.log.commit()
    assert hands.log.kinds[-3:] == ["agent_interrupted", "speech_started", "digit_received"]


async def test_of_two_calls_that_could_be_ours_none_is_taken() -> None:
    hands = Hands()
    hands.carrier.dial_answer = CarrierUnanswered("timeout")
    hands.carrier.found = [CarrierCall(sid, "ringing", hands.clock.wall(), "", "") for sid in (SID, "CA" + "2" * 32)]
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        hands.log.commit()
        await settle()
        hands.log.commit()
        hands.clock.advance(2.0)
        await settle()
        assert session.call.state is CallState.UNCONFIRMED


async def test_the_model_is_not_opened_for_a_call_that_is_over() -> None:
    hands = Hands()
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        hands.log.commit()
        await settle()
        session.feed(inputs.StatusReported(SID, "ringing", 1))
        session.feed(inputs.StatusReported(SID, "busy", 2))
        hands.log.commit()
        await settle()
        assert hands.model.sessions == []


async def test_a_call_that_is_hung_up_before_call_dialing_is_durable_is_not_dialled() -> None:
    hands = Hands()
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        session.feed(inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.API))
        hands.log.commit()
        await settle()
        assert hands.carrier.orders == []
        assert session.record.end is not None
        assert session.record.end.reason is EndReason.CANCELED


async def test_a_call_that_is_hung_up_while_the_order_to_dial_is_repeated_is_canceled_and_not_dialled() -> None:
    """The carrier was too busy to process the order, and then it is not wanted any more."""
    busy = asyncio.Event()

    class Busy(HandCarrier):
        async def dial(self, order: DialOrder) -> CarrierCall:
            await busy.wait()
            if order.wanted():
                return await super().dial(order)
            raise CarrierRefused(20429, 429, "Too Many Requests")

    hands = Hands(carrier=Busy())
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        hands.log.commit()
        await settle()
        session.feed(inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.API))
        hands.log.commit()
        busy.set()
        await settle()
        assert hands.carrier.orders == []
        assert session.record.end is not None
        assert (session.record.end.reason, session.record.end.ended_by) == (EndReason.CANCELED, EndedBy.API)


class Broken(HandCarrier):
    """An adapter with a defect."""

    async def dial(self, order: DialOrder) -> CarrierCall:
        raise RuntimeError("a defect")


async def test_a_defect_of_an_adapter_is_one_calls_misfortune_and_never_a_second_dial() -> None:
    hands = Hands(carrier=Broken())
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        hands.log.commit()
        await settle()
        assert session.call.state is CallState.UNCONFIRMED


@pytest.mark.parametrize("hung_up", [True, False])
async def test_a_call_whose_order_is_late_before_it_leaves_ends_and_is_not_looked_for(hung_up: bool) -> None:
    """For example because the library that sends it takes long to load."""
    loaded = asyncio.Event()

    class Loading(HandCarrier):
        async def dial(self, order: DialOrder) -> CarrierCall:
            await loaded.wait()
            return await super().dial(order)

    hands = Hands(carrier=Loading())
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        hands.log.commit()
        await settle()
        if hung_up:
            session.feed(inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.API, "enough"))
        else:
            hands.clock.advance(DIAL_ANSWER)
        hands.log.commit()
        end = session.record.end
        assert end is not None
        late = (EndReason.EXPIRED, "it was not dialled in time")
        assert (end.reason, end.message) == ((EndReason.CANCELED, "enough") if hung_up else late)
        loaded.set()
        await settle()
        assert hands.carrier.orders == []
        assert hands.log.kinds == ["call_queued", "call_dialing", "call_ending", "call_ended", "call_closed"]


async def test_letting_go_of_a_call_does_not_wait_for_the_carrier() -> None:
    class Slow(HandCarrier):
        async def dial(self, order: DialOrder) -> CarrierCall:
            await asyncio.Event().wait()
            raise AssertionError

    async with asyncio.timeout(5):
        hands = Hands(carrier=Slow())
        async with live(hands) as session:
            session.feed(inputs.DialGranted())
            hands.log.commit()
            await settle()


async def test_an_answer_to_the_dial_that_comes_when_the_call_was_given_up_is_hung_up() -> None:
    answer = asyncio.Event()

    class Slow(HandCarrier):
        async def dial(self, order: DialOrder) -> CarrierCall:
            seen = await super().dial(order)
            await answer.wait()
            return seen

    hands = Hands(carrier=Slow())
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        while session.record.end is None:
            hands.log.commit()
            await settle()
            hands.clock.advance(10.0)
            await settle()
        assert session.record.end.reason is EndReason.DIAL_UNCONFIRMED
        hands.log.commit()
        told = list(hands.log.events)
        assert told[-1].kind == "call_closed"
        answer.set()
        await settle()
        hands.log.commit()
        assert [name for name, _ in hands.carrier.orders if name != "find"] == ["dial", "hang_up"]
        assert hands.log.events == told


async def test_an_answer_to_the_dial_with_another_id_than_was_found_meanwhile_is_hung_up() -> None:
    answer = asyncio.Event()
    theirs = "CA" + "2" * 32
    hung_up: list[str] = []

    class Slow(HandCarrier):
        async def dial(self, order: DialOrder) -> CarrierCall:
            seen = await super().dial(order)
            await answer.wait()
            return seen

        async def hang_up(self, carrier_call_id: str, *, answered: bool, words: str = "") -> CarrierCall | None:
            hung_up.append(carrier_call_id)
            raise CarrierRefused(400, 20001, "not now")

    found = CarrierCall(theirs, "ringing", HandClock().wall(), "", "")
    hands = Hands(carrier=Slow(found=[found], known=found))
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        while not session.call.carrier_call_id:
            hands.log.commit()
            await settle()
            hands.clock.advance(10.0)
            await settle()
        session.feed(inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.API))
        hands.log.commit()
        await settle()
        assert session.call.state is CallState.ENDING
        answer.set()
        await settle()
        assert hung_up == [theirs, SID]
        assert (session.call.carrier_call_id, session.call.state) == (theirs, CallState.ENDING)


async def test_the_same_question_is_not_asked_twice_while_it_waits() -> None:
    class Slow(HandCarrier):
        async def hang_up(self, carrier_call_id: str, *, answered: bool, words: str = "") -> CarrierCall | None:
            self.orders.append(("hang_up", answered))
            await asyncio.Event().wait()
            raise AssertionError

    hands = Hands(carrier=Slow())
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        hands.log.commit()
        await settle()
        session.feed(inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.API))
        hands.log.commit()
        await settle()
        hands.clock.advance(90.0)
        assert len(session._outside) == 1


async def test_one_timer_rings_for_the_earliest_deadline() -> None:
    hands = Hands()
    session = Session(record(), hands.world)
    session.feed(inputs.CallPlaced())
    assert [a.when for a in hands.clock.alarms if not a.cancelled] == [160.0]
    hands.clock.advance(60.0)
    hands.log.commit()
    assert session.record.end is not None
    assert session.record.end.reason is EndReason.EXPIRED


async def test_a_defect_ends_its_call_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    hands = Hands()
    session = Session(record(), hands.world)
    session.feed(inputs.CallPlaced())

    def broken(*_: object) -> list[object]:
        raise ZeroDivisionError

    monkeypatch.setattr(session.turn, "handle", broken)
    session.feed(inputs.ModelClosed(1006, ""))
    monkeypatch.undo()
    assert session.record.end is not None
    assert session.record.end.ended_by is EndedBy.DAEMON


async def test_a_newer_stream_takes_the_older_ones_place() -> None:
    hands, first, second = Hands(), HandMedia(), HandMedia()
    session = Session(record(), hands.world)
    session.feed(inputs.CallPlaced())
    session.feed(inputs.DialGranted())
    session.feed(inputs.DialAnswered(SID, "queued"))
    session.attach(first, "MZ1", 1)
    session.attach(second, "MZ2", 2)
    assert ("close", 1000) in first.orders
    session.feed(inputs.MediaClosed("MZ1", stopped=False))
    session.feed(realtime.SessionCreated("s", "m", 0))
    session.feed(realtime.SessionUpdated("s", "m", "audio/pcmu", "audio/pcmu"))
    session.feed(realtime.ResponseCreated("r"))
    session.feed(realtime.ItemAdded("a", None, "message", "assistant"))
    session.feed(realtime.AudioDelta("r", "a", 0, "/" * 64 * 20))
    assert [name for name, _ in second.orders if name == "play"]
    session.feed(realtime.SpeechStarted("c", 100))
    assert ("clear", None) in second.orders


async def test_an_abandoned_call_is_left_as_it_is() -> None:
    """What the daemon lets go of when it stops is for the next start to look at: nothing is recorded or ordered."""
    hands = Hands()
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        hands.log.commit()
        await settle()
        session.feed(inputs.VoiceRequested(SID))
        session.attach(HandMedia(), "MZ", 1)
        hands.log.commit()
        await settle()
        before, orders = list(hands.log.entries), list(hands.carrier.orders)
        session.abandon()
        await settle()
        hands.log.commit()
        assert hands.model.sessions[0].closed
        assert (hands.log.entries, hands.carrier.orders) == (before, orders)
