"""The use cases on a real store: what a client is answered, what the carrier's webhooks get, who may attach."""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from agenticd.adapters.rpc.codec import ProtoEventCodec
from agenticd.adapters.store.database import NewLog
from agenticd.adapters.store.restore import restore
from agenticd.adapters.store.sqlite import Config as StoreConfig
from agenticd.adapters.store.sqlite import SqliteLog
from agenticd.adapters.store.work import Append
from agenticd.adapters.store.writer import Prune, Stop
from agenticd.core import inputs
from agenticd.core.errors import (
    CarrierUnanswered,
    Draining,
    Exhausted,
    InvalidArgument,
    NotFound,
    RequestIdReused,
    StoreDown,
)
from agenticd.core.events import CallState, EndedBy, EndReason
from agenticd.core.ids import CallId
from agenticd.core.mediastream import StreamStarted
from agenticd.service.calls import Calls, Config
from agenticd.service.orders import AgentProfile, PlaceOrder
from agenticd.service.ports import CarrierCall, PeerHealth
from agenticd.service.session import World
from agenticd.service.urls import Urls
from tests.service.world import SID, HandCarrier, HandClock, HandMedia, HandModel

TO = "+15550002222"
OURS = "+15550001111"


class Peer:
    health = PeerHealth()


class Clock(HandClock):
    """Time in the test's hand, chance not: two calls must not be one."""

    _count = 0

    def randomness(self, size: int) -> bytes:
        Clock._count += 1
        return Clock._count.to_bytes(size, "big")


class Carrier(HandCarrier):
    """Tells when it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = asyncio.Semaphore(0)
        self.hung_up = asyncio.Event()

    async def looked(self, times: int) -> None:
        """Wait until it was asked so often, by id or by search."""
        for _ in range(times):
            await self._asked.acquire()

    async def look_up(self, carrier_call_id: str) -> CarrierCall | None:
        self._asked.release()
        return await super().look_up(carrier_call_id)

    async def hang_up(self, carrier_call_id: str, *, answered: bool, words: str = "") -> CarrierCall | None:
        self.hung_up.set()
        return await super().hang_up(carrier_call_id, answered=answered, words=words)

    async def find(self, to_address: str, from_address: str, since: float) -> Sequence[CarrierCall]:
        self._asked.release()
        return await super().find(to_address, from_address, since)


@dataclass
class Desk:
    """The calls with everything around them."""

    calls: Calls
    log: SqliteLog
    clock: Clock
    carrier: Carrier

    async def until(self, state: CallState, call_id: CallId) -> None:
        """Wait until the call's row says so."""
        while (await self.calls.get(call_id))[0].state is not state:
            moved = asyncio.Event()
            self.log.subscribe(moved.set)
            if (await self.calls.get(call_id))[0].state is not state:
                await moved.wait()

    async def dialed(self) -> CallId:
        """A call that the carrier knows."""
        placed = await self.calls.place(PlaceOrder(TO), "me")
        call_id = placed.record.call_id
        await self.until(CallState.DIALING, call_id)
        while not (await self.calls.get(call_id))[0].carrier_call_id:
            await self.calls.live[call_id].durable()  # the carrier's answer is an input like any other
        return call_id


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as made:
        yield made


class open_desk:  # noqa: N801 - used as a function
    """Calls on the store in this folder; opened again it is the daemon after a restart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def __aenter__(self) -> Desk:
        clock, carrier = Clock(), Carrier()
        self._log = await SqliteLog.open(StoreConfig(self._folder / "log.db"), ProtoEventCodec(), clock)
        urls = Urls("https://voice.example.com")
        world = World(self._log, clock, carrier, HandModel(), urls, lambda _: None, lambda _: False)
        agents = {"default": AgentProfile(instructions="Be brief.")}
        self._calls = Calls(
            Config("n", "0", agents, OURS, max_calls=3, inbound={OURS: "default"}), world, Peer(), Peer()
        )
        started = asyncio.Event()
        self._run = asyncio.ensure_future(self._calls.run(started.set))
        await started.wait()
        return Desk(self._calls, self._log, clock, carrier)

    async def __aexit__(self, *_: object) -> None:
        self._calls.stop()
        await self._run
        await self._log.close()


def form(**fields: str) -> dict[str, str]:
    return {"CallSid": SID, **fields}


def verbs(document: str) -> list[str]:
    return [element.tag for element in ET.fromstring(document)]


def token_of(document: str) -> str:
    parameter = ET.fromstring(document).find("./Connect/Stream/Parameter[@name='token']")
    assert parameter is not None
    return parameter.attrib["value"]


def start(token: str, call_sid: str = SID, stream_sid: str = "MZ1") -> StreamStarted:
    return StreamStarted(stream_sid, call_sid, "AC", {"token": token})


async def test_place_call_answers_when_the_call_is_durably_queued(desk: Desk) -> None:
    placed = await desk.calls.place(PlaceOrder(TO, metadata={"order": "7"}), "me")
    record, revision = await desk.calls.get(placed.record.call_id)
    assert placed.revision == 1
    assert revision >= placed.revision
    assert placed.record.state is CallState.QUEUED
    assert record.metadata == {"order": "7"}


async def test_the_same_request_id_gives_the_same_call_and_dials_once(desk: Desk) -> None:
    order = PlaceOrder(TO, request_id="r-1")
    both = await asyncio.gather(*(desk.calls.place(order, "me") for _ in range(5)))
    assert len({placed.record.call_id for placed in both}) == 1
    assert [placed.replayed for placed in both].count(False) == 1
    assert len({placed.revision for placed in both}) == 1
    await desk.until(CallState.DIALING, both[0].record.call_id)
    assert [name for name, _ in desk.carrier.orders].count("dial") <= 1


async def test_request_ids_belong_to_whom_they_came_from(desk: Desk) -> None:
    order = PlaceOrder(TO, request_id="r-1")
    one, other = await desk.calls.place(order, "me"), await desk.calls.place(order, "you")
    assert one.record.call_id != other.record.call_id


async def test_the_same_request_id_with_another_request_is_refused(desk: Desk) -> None:
    await desk.calls.place(PlaceOrder(TO, request_id="r-1"), "me")
    with pytest.raises(RequestIdReused):
        await desk.calls.place(PlaceOrder("+15550003333", request_id="r-1"), "me")


async def test_a_request_that_was_refused_leaves_its_id_free(desk: Desk) -> None:
    with pytest.raises(InvalidArgument):
        await desk.calls.place(PlaceOrder("nobody", request_id="r-1"), "me")
    assert not (await desk.calls.place(PlaceOrder(TO, request_id="r-1"), "me")).replayed


async def test_a_full_house_takes_no_more(desk: Desk) -> None:
    for _ in range(3):
        await desk.calls.place(PlaceOrder(TO), "me")
    with pytest.raises(Exhausted):
        await desk.calls.place(PlaceOrder(TO), "me")


async def test_a_draining_daemon_takes_no_calls_and_dials_nobody(desk: Desk) -> None:
    await desk.calls.place(PlaceOrder(TO), "me")
    waiting = await desk.calls.place(PlaceOrder(TO), "me")
    desk.calls.drain()
    with pytest.raises(Draining):
        await desk.calls.place(PlaceOrder(TO), "me")
    desk.clock.advance(5.0)
    assert desk.calls.live[waiting.record.call_id].call.state is CallState.QUEUED


async def test_hang_up_is_durable_when_it_is_answered_and_repeats_without_harm(desk: Desk) -> None:
    call_id = await desk.dialed()
    record, _ = await desk.calls.hang_up(call_id, "changed my mind")
    assert record.ending is not None
    assert record.ending.message == "changed my mind"
    await desk.until(CallState.ENDED, call_id)
    again, _ = await desk.calls.hang_up(call_id, "once more")
    assert again.end is not None
    assert (again.end.reason, again.end.message) == (EndReason.CANCELED, "changed my mind")


async def test_an_unknown_call_is_not_found(desk: Desk) -> None:
    for ask in (desk.calls.get, desk.calls.transcript):
        with pytest.raises(NotFound):
            await ask(CallId("0" * 26))
    with pytest.raises(NotFound):
        await desk.calls.hang_up(CallId("0" * 26), "")


async def test_an_answered_call_gets_a_stream_with_a_way_back(desk: Desk) -> None:
    call_id = await desk.dialed()
    document = desk.calls.voice_requested(call_id, form(CallStatus="in-progress"))
    assert verbs(document) == ["Connect", "Redirect"]
    stream = ET.fromstring(document).find("./Connect/Stream")
    assert stream is not None
    assert stream.attrib["url"] == f"wss://voice.example.com/twilio/media/{call_id}"
    assert "?" not in stream.attrib["url"]


async def test_a_start_with_its_token_attaches_once(desk: Desk) -> None:
    call_id = await desk.dialed()
    token = token_of(desk.calls.voice_requested(call_id, form()))
    assert desk.calls.attach(call_id, start(token), HandMedia()) is not None
    assert desk.calls.attach(call_id, start(token, stream_sid="MZ2"), HandMedia()) is None


async def test_a_start_for_another_call_of_the_carriers_is_refused_and_costs_nothing(desk: Desk) -> None:
    call_id = await desk.dialed()
    token = token_of(desk.calls.voice_requested(call_id, form()))
    assert desk.calls.attach(call_id, start(token, "CA" + "9" * 32), HandMedia()) is None
    assert desk.calls.attach(call_id, start(token), HandMedia()) is not None


@pytest.mark.parametrize("token", ["", "x", "A" * 500])
async def test_a_start_without_a_good_token_is_refused(desk: Desk, token: str) -> None:
    call_id = await desk.dialed()
    desk.calls.voice_requested(call_id, form())
    assert desk.calls.attach(call_id, start(token), HandMedia()) is None
    assert desk.calls.attach(CallId("0" * 26), start(token), HandMedia()) is None


async def test_a_token_expires(desk: Desk) -> None:
    call_id = await desk.dialed()
    token = token_of(desk.calls.voice_requested(call_id, form()))
    desk.clock.now += 61
    assert desk.calls.attach(call_id, start(token), HandMedia()) is None


async def test_an_older_offer_is_void_once_there_is_a_newer_one(desk: Desk) -> None:
    call_id = await desk.dialed()
    old = token_of(desk.calls.voice_requested(call_id, form()))
    new = token_of(desk.calls.resume_requested(call_id, form()))
    assert desk.calls.attach(call_id, start(old), HandMedia()) is None
    assert desk.calls.attach(call_id, start(new), HandMedia()) is not None


async def test_a_stream_that_does_not_hold_ends_the_call_instead_of_looping(desk: Desk) -> None:
    call_id = await desk.dialed()
    desk.calls.voice_requested(call_id, form())
    answers = [verbs(desk.calls.resume_requested(call_id, form())) for _ in range(6)]
    assert answers == [["Connect", "Redirect"]] * 5 + [["Hangup"]]
    ending = desk.calls.live[call_id].record.ending
    assert ending is not None
    assert ending.reason is EndReason.MEDIA_LOST


async def test_webhooks_of_calls_that_are_not_ours_hang_up(desk: Desk) -> None:
    unknown = CallId("0" * 26)
    assert verbs(desk.calls.voice_requested(unknown, form())) == ["Hangup"]
    assert verbs(desk.calls.resume_requested(unknown, form())) == ["Hangup"]
    desk.calls.status_reported(unknown, form(CallStatus="completed"))
    call_id = await desk.dialed()
    assert verbs(desk.calls.voice_requested(call_id, {"CallSid": "CA" + "9" * 32})) == ["Hangup"]
    assert desk.calls.live[call_id].call.state is CallState.DIALING


async def test_a_queued_call_cannot_be_answered_into_a_stream(desk: Desk) -> None:
    await desk.calls.place(PlaceOrder(TO), "me")
    queued = await desk.calls.place(PlaceOrder(TO), "me")
    assert verbs(desk.calls.voice_requested(queued.record.call_id, form())) == ["Hangup"]


async def test_garbage_in_a_status_callback_changes_nothing(desk: Desk) -> None:
    call_id = await desk.dialed()
    for fields in ({}, {"CallStatus": "?"}, {"CallStatus": "ringing", "SequenceNumber": "x", "SipResponseCode": "٣"}):
        desk.calls.status_reported(call_id, form(**fields))
    assert desk.calls.live[call_id].call.state is CallState.RINGING


async def test_end_all_ends_every_call_as_drained(desk: Desk) -> None:
    call_id = await desk.dialed()
    queued = (await desk.calls.place(PlaceOrder(TO), "me")).record.call_id
    await desk.calls.end_all(at_once=True)
    assert list(desk.calls.live) == [queued], "who waits for their turn waits for the next start"
    record, _ = await desk.calls.get(call_id)
    assert record.closed
    assert record.end is not None
    assert record.end.reason is EndReason.DRAINED


async def test_after_a_restart_no_call_is_left_hanging_and_nobody_is_dialled_again(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as before:
        dialed = await before.dialed()
        queued = (await before.calls.place(PlaceOrder(TO), "me")).record.call_id
    async with open_desk(tmp_path) as after:
        after.carrier.known = CarrierCall(SID, "ringing", 0.0, TO, OURS)
        assert await after.calls.recover() == 2
        after.calls.dial_recovered()
        await after.until(CallState.ENDED, dialed)
        record, _ = await after.calls.get(dialed)
        assert record.end is not None
        assert record.end.reason is EndReason.NODE_LOST
        await after.until(CallState.DIALING, queued)
        assert [name for name, _ in after.carrier.orders].count("dial") <= 1


async def test_the_status_counts(desk: Desk) -> None:
    await desk.calls.place(PlaceOrder(TO), "me")
    await desk.calls.place(PlaceOrder(TO), "me")
    status = desk.calls.status()
    assert (status.live_calls, status.queued_calls) == (2, 1)
    assert status.head_revision >= 2


async def test_while_the_log_is_behind_new_calls_are_refused_first(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SqliteLog, "full", property(lambda _: True))
    with pytest.raises(StoreDown):
        await desk.calls.place(PlaceOrder(TO), "me")


async def test_while_the_log_cannot_be_written_calls_are_refused_and_wait_for_their_turn(desk: Desk) -> None:
    await desk.calls.place(PlaceOrder(TO), "me")
    waits = (await desk.calls.place(PlaceOrder(TO), "me")).record.call_id
    desk.log._trouble_moved("database or disk is full")
    with pytest.raises(StoreDown):
        await desk.calls.place(PlaceOrder(TO), "me")
    assert 'reason="busy"' in desk.calls.arrived({**arrival(), "CallSid": "CA" + "2" * 32})
    desk.clock.advance(2.0)
    assert desk.calls.live[waits].call.state is CallState.QUEUED, "its turn came, but it could not be recorded"
    desk.log._trouble_moved("")
    assert desk.calls.live[waits].call.state is CallState.DIALING


async def test_calls_that_are_only_looked_for_keep_no_phone_from_calling(desk: Desk) -> None:
    desk.carrier.dial_answer = CarrierUnanswered("timeout")
    for _ in range(3):
        call_id = (await desk.calls.place(PlaceOrder(TO), "me")).record.call_id
        desk.clock.advance(1.0)
        await desk.until(CallState.UNCONFIRMED, call_id)
    with pytest.raises(Exhausted):
        await desk.calls.place(PlaceOrder(TO), "me")
    assert verbs(desk.calls.arrived({**arrival(), "CallSid": "CA" + "2" * 32})) == ["Connect", "Redirect"]


async def test_who_hangs_up_while_the_log_cannot_be_written_is_told_that_it_is_being_done(desk: Desk) -> None:
    call_id = await desk.dialed()
    held: list[Append | Prune | Stop] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk.log._writer, "put", held.append)
        desk.log._trouble_moved("database or disk is full")
        with pytest.raises(StoreDown, match="is being hung up"):
            await desk.calls.hang_up(call_id, "")
        while desk.carrier.orders[-1][0] != "hang_up":  # noqa: ASYNC110 - it is on its way
            await asyncio.sleep(0)
    assert held
    for item in held:
        desk.log._writer.put(item)
    desk.log._trouble_moved("")
    await desk.until(CallState.ENDED, call_id)


@pytest.mark.parametrize("request_id", ["r-1", ""])
async def test_who_places_a_call_of_which_nobody_knows_whether_it_is_kept_is_told_so(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, request_id: str
) -> None:
    """A sync failed, and what it wrote could not be taken back. With its id it is the same call afterwards."""
    monkeypatch.setattr("agenticd.service.calls.DOUBT", 0.0)
    order = PlaceOrder(TO, request_id=request_id)
    held: list[Append | Prune | Stop] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk.log._writer, "put", held.append)
        first = asyncio.ensure_future(desk.calls.place(order, "me"))
        while not desk.calls.live:  # noqa: ASYNC110 - the very next moment is meant
            await asyncio.sleep(0)
        desk.log._trouble_moved("disk I/O error")
        words = "with the same request_id" if request_id else "list the calls"
        with pytest.raises(StoreDown, match=f"may be accepted yet: .*{words}"):
            await first
        with pytest.raises(StoreDown):
            await desk.calls.place(order, "me")
    (call_id,) = desk.calls.live
    for item in held:
        desk.log._writer.put(item)
    desk.log._trouble_moved("")
    if request_id:
        again = await desk.calls.place(order, "me")
        assert (again.replayed, again.record.call_id) == (True, call_id)


async def test_trouble_that_passes_in_time_is_nothing_to_who_places_a_call(desk: Desk) -> None:
    held: list[Append | Prune | Stop] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk.log._writer, "put", held.append)
        placing = asyncio.ensure_future(desk.calls.place(PlaceOrder(TO), "me"))
        while not desk.calls.live:  # noqa: ASYNC110 - the very next moment is meant
            await asyncio.sleep(0)
        desk.log._trouble_moved("disk I/O error")
        desk.log._trouble_moved("disk I/O error, again")
        desk.log._trouble_moved("")
    (patience,) = desk.calls._placing
    assert patience.when() is None
    for item in held:
        desk.log._writer.put(item)
    assert not (await placing).replayed
    assert not desk.calls._placing


async def test_a_client_that_goes_away_does_not_let_its_retry_dial_again(desk: Desk) -> None:
    """The deadline passes between the order and its durability; the retry comes at once."""
    order = PlaceOrder(TO, request_id="r-1")
    first = asyncio.ensure_future(desk.calls.place(order, "me"))
    while not desk.calls.live:  # noqa: ASYNC110 - the very next moment is meant
        await asyncio.sleep(0)
    first.cancel()
    second = await desk.calls.place(order, "me")
    assert second.replayed
    assert list(desk.calls.live) == [second.record.call_id]
    with pytest.raises(asyncio.CancelledError):
        await first


# --- Calls that phones make --------------------------------------------------------------------------------------


def arrival(**fields: str) -> dict[str, str]:
    return form(From=TO, To=OURS, CallStatus="ringing", Direction="inbound", **fields)


def only(desk: Desk) -> CallId:
    (call_id,) = desk.calls.live
    return call_id


async def test_a_call_to_one_of_our_numbers_gets_a_stream_and_is_answered_by_it(desk: Desk) -> None:
    document = desk.calls.arrived(arrival())
    call_id = only(desk)
    await desk.calls.live[call_id].durable()
    assert (await desk.calls.get(call_id))[0].state is CallState.RINGING
    assert desk.calls.attach(call_id, start(token_of(document)), HandMedia()) is not None
    await desk.until(CallState.IN_PROGRESS, call_id)
    record, _ = await desk.calls.get(call_id)
    assert (record.from_address, record.to_address, record.carrier_call_id) == (TO, OURS, SID)
    assert [name for name, _ in desk.carrier.orders if name == "dial"] == []


async def test_a_call_to_another_number_is_rejected(desk: Desk) -> None:
    assert verbs(desk.calls.arrived({**arrival(), "To": "+15550009999"})) == ["Reject"]
    assert not desk.calls.live


async def test_a_full_or_stopping_daemon_sounds_busy(desk: Desk) -> None:
    desk.calls.drain()
    document = desk.calls.arrived(arrival())
    assert 'reason="busy"' in document
    assert not desk.calls.live


async def test_a_webhook_that_the_carrier_repeats_is_one_call_and_the_newer_offer_holds(desk: Desk) -> None:
    first = token_of(desk.calls.arrived(arrival()))
    second = token_of(desk.calls.arrived(arrival()))
    call_id = only(desk)
    assert desk.calls.attach(call_id, start(first), HandMedia()) is None
    assert desk.calls.attach(call_id, start(second), HandMedia()) is not None


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("anonymous", ""),
        ("+266696687", ""),
        ("", ""),
        ("sip:ada@example.com", "sip:ada@example.com"),
        ("client:ada", "client:ada"),
        ("sip:a\r\nb", ""),
        ("+1 555 000 2222", TO),
    ],
)
async def test_who_calls_is_shown_as_far_as_it_is_known(desk: Desk, said: str, shown: str) -> None:
    desk.calls.arrived({**arrival(), "From": said})
    assert desk.calls.live[only(desk)].record.from_address == shown


async def test_an_outbound_call_whose_voice_request_failed_gets_its_stream_by_the_fallback(desk: Desk) -> None:
    call_id = await desk.dialed()
    assert verbs(desk.calls.resume_requested(call_id, form(ErrorCode="11200"))) == ["Connect", "Redirect"]


async def test_a_queued_call_whose_time_passed_while_the_daemon_was_down_is_never_dialled(tmp_path: Path) -> None:
    """Nobody is called at night because a daemon came back."""
    async with open_desk(tmp_path) as before:
        await before.dialed()
        queued = (await before.calls.place(PlaceOrder(TO), "me")).record.call_id
    async with open_desk(tmp_path) as after:
        after.clock.now += 8 * 3600
        await after.calls.recover()
        after.calls.dial_recovered()
        await after.until(CallState.ENDED, queued)
        record, _ = await after.calls.get(queued)
        assert record.end is not None
        assert record.end.reason is EndReason.EXPIRED
        assert [name for name, _ in after.carrier.orders if name == "dial"] == []


async def test_who_was_queued_is_not_dialled_by_a_daemon_that_was_told_to_drain_as_it_came_back(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as before:
        before.calls._dialer.hold(True)
        queued = (await before.calls.place(PlaceOrder(TO), "me")).record.call_id
    async with open_desk(tmp_path) as after:
        await after.calls.recover()
        after.calls.drain()
        after.calls.dial_recovered()
        assert after.calls.live[queued].call.state is CallState.QUEUED
        assert not after.calls.queue_positions()


async def test_after_a_restore_who_was_queued_is_looked_for_and_never_dialled(tmp_path: Path) -> None:
    """He may have been dialled after the backup was made."""
    async with open_desk(tmp_path) as before:
        before.calls._dialer.hold(True)
        queued = (await before.calls.place(PlaceOrder(TO), "me")).record.call_id
        async with before.log.backup() as copy:
            (tmp_path / "backup.db").write_bytes(await copy.read(copy.size))
    new = NewLog("another", b"n" * 32, 1_700_000_000.0)
    restore(tmp_path / "backup.db", tmp_path / "log.db", new, replace_log=True)
    async with open_desk(tmp_path) as after:
        await after.calls.recover()
        after.calls.dial_recovered()
        await after.until(CallState.UNCONFIRMED, queued)
        for _ in range(100):
            after.clock.advance(5.0)
            await asyncio.sleep(0)
            if queued in after.calls.live:
                await after.calls.live[queued].durable()
        await after.until(CallState.ENDED, queued)
        record, _ = await after.calls.get(queued)
        assert record.end is not None
        assert record.end.reason is EndReason.DIAL_UNCONFIRMED
        names = {name for name, _ in after.carrier.orders}
        assert names == {"find"}


async def test_after_a_restore_one_call_of_the_carriers_is_not_taken_for_two_of_ours(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as before:
        before.calls._dialer.hold(True)
        queued = [(await before.calls.place(PlaceOrder(TO), "me")).record.call_id for _ in range(2)]
        async with before.log.backup() as copy:
            (tmp_path / "backup.db").write_bytes(await copy.read(copy.size))
    new = NewLog("another", b"n" * 32, 1_700_000_000.0)
    restore(tmp_path / "backup.db", tmp_path / "log.db", new, replace_log=True)
    async with open_desk(tmp_path) as after:
        after.carrier.found = [CarrierCall(SID, "ringing", after.clock.wall(), OURS, TO)]
        await after.calls.recover()
        for seconds in (2.0, 3.0):  # each looks again when what came of its first look has had its effects
            after.clock.advance(seconds)
            await after.carrier.looked(2)
        assert [after.calls.live[call_id].call.carrier_call_id for call_id in queued] == ["", ""]


async def test_a_stream_cannot_attach_to_a_call_that_is_being_ended(desk: Desk) -> None:
    call_id = await desk.dialed()
    token = token_of(desk.calls.voice_requested(call_id, form()))
    session = desk.calls.live[call_id]
    session.feed(inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.API))
    assert desk.calls.attach(call_id, start(token), HandMedia()) is None
