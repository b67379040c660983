"""Which of the carrier's calls is taken for ours when nobody answered the order to dial."""

from __future__ import annotations

from collections.abc import Sequence

from agenticd.core import inputs
from agenticd.core.errors import CarrierUnanswered
from agenticd.core.events import CallRecord, CallState
from agenticd.core.ids import CallId
from agenticd.service.lookup import CANDIDATES
from agenticd.service.ports import CarrierCall
from agenticd.service.session import CLOCK_SKEW, CLOCK_WRONG, Session
from tests.service.test_session import live, record, settle
from tests.service.world import SID, HandCarrier, HandClock, HandLog, Hands

THEIRS = "CA" + "2" * 32


def seen_at(carrier_call_id: str, created: float = 0.0) -> CarrierCall:
    """So many seconds after it was dialled, by the carrier's clock."""
    return CarrierCall(carrier_call_id, "ringing", HandClock().wall() + created, "", "")


async def searched(hands: Hands) -> Session:
    """A call whose order to dial was not answered, after the first look."""
    hands.carrier.dial_answer = CarrierUnanswered("timeout")
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        hands.log.commit()
        await settle()
        hands.log.commit()
        hands.clock.advance(2.0)
        await settle()
        await settle()
        return session


def ours(record: CallRecord) -> str:
    return f"https://voice.example.com/twilio/status/{record.call_id}"


async def test_the_url_that_the_carrier_asked_tells_which_of_two_is_ours() -> None:
    hands = Hands()
    hands.carrier.found = [seen_at(THEIRS), seen_at(SID)]
    hands.carrier.asked = {SID: [ours(record())]}
    assert (await searched(hands)).call.carrier_call_id == SID


async def test_a_call_for_which_another_url_was_asked_is_not_ours_although_it_is_the_only_one() -> None:
    hands = Hands()
    hands.carrier.found = [seen_at(THEIRS)]
    hands.carrier.asked = {THEIRS: ["https://voice.example.com/twilio/status/01ARZ3NDEKTSV4RRFFQ69G5FAV"]}
    assert (await searched(hands)).call.state is CallState.UNCONFIRMED


async def test_a_call_that_the_carriers_clock_makes_older_is_ours_if_it_asked_our_url() -> None:
    hands = Hands()
    hands.carrier.found = [seen_at(THEIRS), seen_at(SID, created=-300.0)]
    hands.carrier.asked = {SID: [ours(record())]}
    assert (await searched(hands)).call.carrier_call_id == SID
    (asked_since,) = {since for name, since in hands.carrier.orders if name == "find"}
    assert asked_since == HandClock().wall() - CLOCK_SKEW - CLOCK_WRONG


async def test_an_older_call_that_says_nothing_is_not_ours_and_in_nobodys_way() -> None:
    hands = Hands()
    hands.carrier.found = [seen_at(THEIRS, created=-CLOCK_SKEW - 1)]
    assert (await searched(hands)).call.state is CallState.UNCONFIRMED
    hands = Hands()
    hands.carrier.found = [seen_at(SID), *(seen_at(f"CA{n}", created=-5.0 - n) for n in range(CANDIDATES))]
    assert (await searched(hands)).call.carrier_call_id == SID


async def test_of_two_that_say_nothing_none_is_taken() -> None:
    hands = Hands()
    hands.carrier.found = [seen_at(THEIRS), seen_at(SID)]
    assert (await searched(hands)).call.state is CallState.UNCONFIRMED


async def test_the_only_one_is_not_taken_while_another_call_of_ours_may_be_it() -> None:
    hands = Hands()
    hands.log.lost = frozenset({CallId("another")})
    hands.carrier.found = [seen_at(SID)]
    assert (await searched(hands)).call.state is CallState.UNCONFIRMED


async def test_what_another_call_of_ours_took_meanwhile_is_not_taken_too() -> None:
    """Both asked for the URLs of the same call of the carrier's, and the other one had its answer first."""
    hands = Hands()

    class Slower(HandCarrier):
        async def requested(self, carrier_call_id: str) -> Sequence[str]:
            hands.claimed.add(carrier_call_id)
            return await super().requested(carrier_call_id)

    hands.carrier = Slower(found=[seen_at(SID)])
    assert (await searched(hands)).call.state is CallState.UNCONFIRMED
    assert ("requested", SID) in hands.carrier.orders


async def test_another_that_is_found_while_this_one_is_looked_for_is_a_rival_or_an_owner() -> None:
    hands = Hands()
    hands.carrier.found = [seen_at(SID)]

    class Moving(HandLog):
        """Another call of ours, and closed again, gets its id between two questions."""

        async def unidentified(self, to_address: str, from_address: str, since: float) -> frozenset[CallId]:
            rivals = await super().unidentified(to_address, from_address, since)
            self.owned, self.lost = frozenset({SID}), frozenset()
            return rivals

        async def carrier_call_ids(self, since: float) -> frozenset[str]:
            owned = await super().carrier_call_ids(since)
            self.owned, self.lost = frozenset({SID}), frozenset()
            return owned

    hands.log = Moving()
    hands.log.lost = frozenset({CallId("another")})
    assert (await searched(hands)).call.state is CallState.UNCONFIRMED


async def test_a_closed_call_of_ours_is_no_candidate_either() -> None:
    hands = Hands()
    hands.log.owned = frozenset({THEIRS})
    hands.carrier.found = [seen_at(THEIRS), seen_at(SID)]
    assert (await searched(hands)).call.carrier_call_id == SID
    assert ("requested", THEIRS) not in hands.carrier.orders
