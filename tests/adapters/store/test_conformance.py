"""What every store promises (ports.EventLog), whatever it stands on."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest
from msgspec import structs

from agenticd.core.errors import Compacted, StoreDown
from agenticd.core.events import CallEnd, CallRecord, CallState, Direction, EndedBy, EndReason, Speaker, TranscriptFinal
from agenticd.core.ids import CallId
from agenticd.core.log import Logged, Page, Select
from agenticd.service.ports import CallQuery, Entry, KnownRequest, RequestKey
from tests.adapters.store.conftest import DAY, Place, Store
from tests.log_support import Call, append, append_all

NOW = 1_700_000_000.0


async def read_all(store: Store, after: int, select: Select, limit: int = 100) -> list[Logged]:
    events: list[Logged] = []
    while after < store.window.head:
        page = await store.read(after, select, limit)
        assert page.upto > after
        events += page.events
        after = page.upto
    return events


# --- append ---


async def test_a_new_log_begins_at_one_and_keeps_its_name_and_secret(place: Place) -> None:
    store = await place.open()
    assert (store.window.head, store.window.start, store.first_revision) == (0, 0, 1)
    assert store.epoch
    assert len(store.secret) == 32
    assert await store.read(0, Select(), 10) == Page([], 0)
    await store.close()
    again = await place.open()
    assert (again.epoch, again.secret) == (store.epoch, store.secret)


async def test_events_get_rising_revisions_and_are_answered_in_order(store: Store) -> None:
    first, second = Call(), Call()
    heard: list[int | None] = []
    for entry in (first.queued(), second.queued(), first.dialing(), first.closed()):
        store.append(entry, heard.append)
        assert heard == [], "answered before append returned"
    await append_all(store, second.closed())
    assert heard == [1, 2, 3, 4]
    kinds = ["call_queued", "call_queued", "call_dialing", "call_closed", "call_closed"]
    events = store.window.read(0, Select(), 9).events
    assert [(event.revision, event.kind) for event in events] == [*enumerate(kinds, 1)]
    assert await read_all(store, 0, Select()) == events


async def test_an_answer_comes_when_the_event_is_durable_and_can_be_read(store: Store) -> None:
    call = Call()
    seen: list[tuple[int | None, int]] = []
    store.append(call.queued(), lambda revision: seen.append((revision, store.window.head)))
    [revision] = await append_all(store, call.dialing())
    assert seen == [(1, seen[0][1])]
    assert seen[0][1] >= 1
    assert [event.revision for event in (await store.read(revision - 1, Select(), 9)).events] == [revision]


async def test_without_an_event_only_the_row_changes(store: Store) -> None:
    call = Call()
    await append_all(store, call.queued())
    woken: list[int] = []
    store.subscribe(lambda: woken.append(store.window.head))
    assert await append(store, call.amended(attempt=3)) == 0
    assert store.window.head == 1
    assert woken == []
    record, _ = await store.call(call.call_id)
    assert record is not None
    assert record.attempt == 3


async def test_followers_are_woken_after_the_answers_and_see_the_head(store: Store) -> None:
    happened: list[str] = []
    store.subscribe(lambda: happened.append(f"woken at {store.window.head}"))
    call = Call()
    store.append(call.queued(), lambda revision: happened.append(f"durable {revision}"))
    await append_all(store, call.dialing())
    assert happened[0] == "durable 1"
    assert happened[-1] == "woken at 2"


async def test_one_that_raises_takes_nobodys_answer(store: Store) -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))

    def raises(revision: int | None) -> None:
        raise AssertionError(revision)

    call = Call()
    store.append(call.queued(), raises)
    answers = [append(store, call.digit()) for _ in range(3)]
    assert [await answer for answer in answers] == [2, 3, 4]
    assert [str(error) for error in reported] == ["1"]


async def test_what_was_appended_is_there_after_closing_at_once(place: Place) -> None:
    store = await place.open(window=100)
    call = Call()
    answers = [append(store, entry) for entry in [call.queued(), *(call.digit() for _ in range(2000))]]
    await store.close()
    assert [answer.result() for answer in answers] == [*range(1, 2002)]
    again = await place.open(window=100)
    assert again.window.head == 2001
    events = await read_all(again, 0, Select())
    assert [event.revision for event in events] == [*range(1, 2002)]
    assert (await again.call(call.call_id))[0] == call.record


async def test_a_closed_log_refuses_and_says_so(place: Place) -> None:
    store = await place.open()
    await store.close()
    await store.close()
    call = Call()
    answers = [append(store, call.queued()), append(store, call.digit())]
    assert [await answer for answer in answers] == [None, None]
    with pytest.raises(StoreDown):
        await store.call(call.call_id)
    with pytest.raises(StoreDown):
        await store.read(0, Select(), 1)
    with pytest.raises(StoreDown):
        await store.prune(0.0)


async def test_what_comes_while_the_log_closes_is_refused_whole(place: Place) -> None:
    store = await place.open()
    call = Call()
    before = [append(store, call.queued()), append(store, call.digit())]
    closing = asyncio.ensure_future(store.close())
    await asyncio.sleep(0)
    after = [append(store, call.digit()) for _ in range(3)]
    await closing
    assert [await answer for answer in (*before, *after)] == [1, 2, None, None, None]


async def test_questions_that_wait_while_the_log_closes_are_answered(place: Place) -> None:
    store = await place.open()
    call = Call()
    append(store, call.queued())
    questions = [asyncio.ensure_future(store.call(call.call_id)) for _ in range(20)]
    await asyncio.sleep(0)
    await store.close()
    for question in questions:
        record, revision = await question
        assert (record is not None) == (revision == 1)


# --- read ---


async def test_memory_and_disk_give_the_same_events_to_any_reader(place: Place) -> None:
    store = await place.open(window=120)
    chance = random.Random(3)
    calls = [Call() for _ in range(30)]
    entries = [call.queued() for call in calls]
    for _ in range(400):
        call = chance.choice(calls)
        entries.append(chance.choice([call.digit, call.dialing])())
    entries += [call.closed() for call in calls]
    await append_all(store, *entries)
    model = await read_all(store, 0, Select())
    assert [event.revision for event in model] == [*range(1, 461)]
    assert store.window.start == 340
    for _ in range(60):
        some = chance.sample(calls, chance.choice([0, 1, 2, 16, 17, 25]))
        kinds = chance.sample(["call_queued", "call_dialing", "call_closed"], chance.randint(0, 3))
        select = Select(frozenset(call.call_id for call in some), frozenset(kinds))
        after, limit = chance.randrange(461), chance.choice([1, 3, 256])
        expected = [event for event in model if event.revision > after and select.matches(event)]
        assert await read_all(store, after, select, limit) == expected
        begin = max(after, store.window.start)
        page = store.window.read(begin, select, 1000)
        assert page.events == [event for event in expected if event.revision > begin]


async def test_after_a_restart_the_window_holds_the_newest_and_the_disk_the_rest(place: Place) -> None:
    store = await place.open(window=20)
    call = Call()
    await append_all(store, call.queued(), *(call.digit() for _ in range(49)))
    await store.close()
    again = await place.open(window=20)
    assert (again.window.head, again.window.start) == (50, 40)
    assert again.window.read(40, Select(), 99).events == (await again.read(40, Select(), 99)).events
    assert await append_all(again, call.digit()) == [51]


async def test_no_answer_names_a_revision_that_the_window_does_not_show_yet(store: Store) -> None:
    call = Call()
    await append_all(store, call.queued())
    for _ in range(200):
        append(store, call.digit())
        record, revision = await store.call(call.call_id)
        assert record is not None
        assert record.last_sequence == revision
        assert revision <= store.window.head


async def test_a_reader_that_gives_up_leaves_the_others_their_answers(store: Store) -> None:
    call = Call()
    await append_all(store, call.queued())
    questions = [asyncio.ensure_future(store.call(call.call_id)) for _ in range(10)]
    await asyncio.sleep(0)
    questions[0].cancel()
    questions[4].cancel()
    answers = await asyncio.gather(*questions, return_exceptions=True)
    assert [isinstance(answer, asyncio.CancelledError) for answer in answers].count(True) == 2
    assert all(answer == (call.record, 1) for i, answer in enumerate(answers) if i not in (0, 4))


# --- calls ---


async def test_an_event_that_changes_only_the_sequence_is_seen_by_every_question(place: Place) -> None:
    store = await place.open()
    call, other = Call(NOW), Call(NOW + 1)
    await append_all(store, call.queued(), other.queued(), *(call.digit() for _ in range(5)), other.digit())
    assert (await store.call(call.call_id))[0] == call.record
    assert (await store.calls(CallQuery(10)))[0] == [other.record, call.record]
    assert await store.live() == [call.record, other.record]
    await append_all(store, call.measured(), call.digit(), other.digit(), other.closed())
    await store.close()
    again = await place.open()
    assert (await again.calls(CallQuery(10)))[0] == [other.record, call.record]
    assert await again.live() == [call.record]
    await append_all(again, call.digit())
    assert await again.live() == [call.record]


async def test_a_call_is_as_its_last_entry_left_it(place: Place) -> None:
    store = await place.open()
    call = Call(instructions="Sei kurz. " * 3000)
    await append_all(store, call.queued())
    assert await store.call(call.call_id) == (call.record, 1)
    await append_all(store, call.dialing(), call.amended(carrier_call_id="CA1"), call.digit())
    assert await store.call(call.call_id) == (call.record, 3)
    changed = structs.replace(call.record.brief, instructions="Be long.")
    await append_all(store, call.amended(brief=changed), call.closed())
    assert await store.call(call.call_id) == (call.record, 4)
    await store.close()
    again = await place.open()
    assert await again.call(call.call_id) == (call.record, 4)
    assert await again.call(Call().call_id) == (None, 4)


async def test_which_calls_exist_are_closed_and_are_live(store: Store) -> None:
    old, young, closed = Call(NOW), Call(NOW + 9), Call(NOW + 5)
    unknown = Call().call_id
    await append_all(store, young.queued(), closed.queued(), old.queued(), closed.closed(), old.digit())
    ids = frozenset({old.call_id, young.call_id, closed.call_id, unknown})
    assert await store.ends(ids) == {old.call_id: None, young.call_id: None, closed.call_id: 4}
    assert await store.ends(frozenset()) == {}
    assert await store.live() == [old.record, young.record]


async def test_the_carriers_ids_of_our_calls_are_known_also_of_closed_ones(store: Store) -> None:
    old, live, closed, none = Call(NOW - 100), Call(NOW), Call(NOW + 5), Call(NOW)
    await append_all(store, *(call.queued() for call in (old, live, closed, none)))
    changes = ((old, "CA1"), (live, "CA2"), (closed, "CA3"))
    await append_all(store, *(call.amended(carrier_call_id=sid) for call, sid in changes), closed.closed())
    assert await store.carrier_call_ids(NOW) == {"CA2", "CA3"}
    assert await store.carrier_call_ids(NOW - 100) == {"CA1", "CA2", "CA3"}
    assert await store.carrier_call_ids(NOW + 6) == frozenset()


async def test_calls_that_the_carrier_never_named_are_known_also_when_they_were_given_up(store: Store) -> None:
    calls = [Call(NOW) for _ in range(8)]
    live, given_up, named, refused, early, restored, restored_and_expired, waiting = calls
    await append_all(store, *(call.queued() for call in calls))
    dialled = {"dial_time": NOW + 10, "carrier_call_id": ""}
    await append_all(
        store,
        live.amended(**dialled),
        given_up.amended(**dialled, end=CallEnd(EndReason.DIAL_UNCONFIRMED, EndedBy.DAEMON)),
        named.amended(**dialled | {"carrier_call_id": "CA1"}),
        refused.amended(**dialled, end=CallEnd(EndReason.REJECTED, EndedBy.CARRIER)),
        early.amended(**dialled | {"dial_time": NOW + 9}),
        restored.amended(state=CallState.UNCONFIRMED),
        restored_and_expired.amended(state=CallState.ENDED, end=CallEnd(EndReason.EXPIRED, EndedBy.DAEMON)),
    )
    there, here = live.record.to_address, live.record.from_address
    assert await store.unidentified(there, here, NOW + 10) == {live.call_id, given_up.call_id, restored.call_id}
    assert await store.unidentified(here, there, NOW + 10) == frozenset()


async def test_a_change_of_the_row_alone_does_not_open_a_closed_call(place: Place) -> None:
    store = await place.open(keep=DAY)
    old, call = Call(NOW), Call(NOW)
    await append_all(store, old.queued(), old.closed())
    place.clock.advance(2 * DAY)
    await append_all(store, call.queued(), call.closed())
    await append_all(store, call.amended(attempt=2))
    assert await store.ends(frozenset({call.call_id})) == {call.call_id: 4}
    assert await store.live() == []
    assert await store.prune(NOW + 2 * DAY) == 3
    assert await store.ends(frozenset({old.call_id, call.call_id})) == {call.call_id: 4}


async def test_many_calls_can_be_asked_about_at_once(store: Store) -> None:
    call = Call()
    await append_all(store, call.queued(), call.closed())
    many = frozenset(CallId(f"{number:026}") for number in range(40_000)) | {call.call_id}
    assert await store.ends(many) == {call.call_id: 2}
    assert len((await store.read(0, Select(many), 9)).events) == 2


async def test_calls_are_listed_newest_first_and_page_by_page(store: Store) -> None:
    calls = [Call(NOW + number // 3, list(Direction)[number % 2]) for number in range(20)]
    await append_all(store, *(call.queued() for call in calls))
    ended = calls[::4]
    await append_all(store, *(call.closed() for call in ended))
    newest = sorted(
        (call.record for call in calls), key=lambda record: (record.create_time, record.call_id), reverse=True
    )
    assert (await store.calls(CallQuery(100))) == (newest, 25)
    listed: list[CallRecord] = []
    query = CallQuery(3)
    while page := (await store.calls(query))[0]:
        assert len(page) <= 3
        listed += page
        query = replace(query, after=(page[-1].create_time, page[-1].call_id))
    assert listed == newest
    by_state, _ = await store.calls(CallQuery(100, frozenset({CallState.ENDED, CallState.RINGING})))
    assert by_state == [record for record in newest if record.state is CallState.ENDED]
    assert len(by_state) == 5
    inbound, _ = await store.calls(CallQuery(100, direction=Direction.INBOUND))
    assert inbound == [record for record in newest if record.direction is Direction.INBOUND]


async def test_a_transcript_is_in_the_order_of_the_conversation(store: Store) -> None:
    call, other = Call(), Call()

    def says(position: int) -> TranscriptFinal:
        words = f"utterance {position}"
        return TranscriptFinal(Speaker.CALLER, "leg", f"item{position}", position, words, words, False, 0, 1)

    await append_all(store, call.queued(), other.queued(), other.entry(says(1)))
    assert await store.transcript(call.call_id) == ([], 3)
    await append_all(store, *(call.entry(says(position)) for position in (2, 1, 3)), call.closed())
    assert await store.transcript(call.call_id) == ([says(1), says(2), says(3)], 7)


# --- request ids ---


async def test_a_request_id_is_remembered_with_its_call(place: Place) -> None:
    store = await place.open()
    call = Call()
    key = RequestKey("uid:1000", "r-1", b"fingerprint")
    await append_all(store, Call().queued(), call.queued(request=key))
    assert await store.request("uid:1000", "r-1") == KnownRequest(b"fingerprint", call.call_id, 2)
    assert await store.request("uid:1001", "r-1") is None
    assert await store.request("uid:1000", "r-2") is None
    await store.close()
    again = await place.open()
    assert await again.request("uid:1000", "r-1") == KnownRequest(b"fingerprint", call.call_id, 2)


@pytest.mark.parametrize("together", [True, False])
async def test_a_request_id_that_is_taken_keeps_nothing_of_the_second_entry(store: Store, together: bool) -> None:
    first, second = Call(), Call()
    key = RequestKey("me", "r-1", b"a")
    answers = [append(store, first.queued(request=key))]
    if not together:
        await answers[0]
    answers.append(append(store, second.queued(request=replace(key, fingerprint=b"b"))))
    answers.append(append(store, first.dialing()))
    answers.append(append(store, second.dialing()))
    assert [await answer for answer in answers] == [1, None, 2, None], "no event without the one before it"
    assert await append(store, second.closed()) is None
    assert await store.call(second.call_id) == (None, 2)
    assert await store.request("me", "r-1") == KnownRequest(b"a", first.call_id, 1)


async def test_a_request_id_is_free_again_after_a_day(place: Place) -> None:
    store = await place.open()
    first, second = Call(), Call()
    key = RequestKey("me", "r-1", b"a")
    await append_all(store, first.queued(request=key))
    place.clock.advance(DAY - 1)
    assert await store.request("me", "r-1") is not None
    place.clock.advance(2)
    assert await store.request("me", "r-1") is None
    assert await append_all(store, second.queued(request=key)) == [2]
    assert await store.request("me", "r-1") == KnownRequest(b"a", second.call_id, 2)


# --- retention ---


def lived(call: Call) -> list[Entry]:
    """A whole call."""
    return [call.queued(), call.dialing(), call.closed()]


async def test_old_closed_calls_are_forgotten_whole_from_the_oldest_on(place: Place) -> None:
    store = await place.open(keep=3 * DAY)
    old, young = Call(NOW), Call(NOW + 2 * DAY)
    place.clock.advance(60)
    await append_all(store, *lived(old))
    place.clock.advance(2 * DAY)
    await append_all(store, *lived(young))
    assert await store.prune(NOW + 3 * DAY) == 1
    assert await store.horizon() is None
    assert await store.prune(NOW + 3 * DAY + 61) == 4
    assert store.first_revision == 4
    assert await store.call(old.call_id) == (None, 6)
    assert await store.ends(frozenset({old.call_id, young.call_id})) == {young.call_id: 6}
    assert await store.horizon() == NOW + 2 * DAY
    assert [event.revision for event in await read_all(store, 3, Select())] == [4, 5, 6]
    assert store.window.start == 3, "memory still shows what retention deleted"
    for after in (0, 2):
        with pytest.raises(Compacted) as caught:
            await store.read(after, Select(), 9)
        assert (caught.value.after, caught.value.first_revision) == (after, 4)


async def test_a_call_that_goes_on_or_closed_late_keeps_all_that_came_after_it(place: Place) -> None:
    store = await place.open(keep=DAY)
    long, short = Call(NOW), Call(NOW + 1)
    await append_all(store, long.queued(), *lived(short))
    place.clock.advance(50 * DAY)
    assert await store.prune(NOW + 50 * DAY) == 1
    await append_all(store, long.closed())
    assert await store.prune(NOW + 51 * DAY) == 1
    assert await store.prune(NOW + 51 * DAY + 1) == 6
    assert await store.calls(CallQuery(9)) == ([], 5)


async def test_a_log_that_forgot_everything_goes_on_counting(place: Place) -> None:
    store = await place.open(keep=DAY)
    await append_all(store, *lived(Call(NOW)))
    assert await store.prune(NOW + 2 * DAY) == 4
    assert (store.window.head, store.window.start, store.first_revision) == (3, 3, 4)
    assert await store.read(3, Select(), 9) == Page([], 3)
    await store.close()
    again = await place.open(keep=DAY)
    assert (again.window.head, again.first_revision) == (3, 4)
    assert await append_all(again, Call().queued()) == [4]


async def test_nothing_is_forgotten_where_everything_is_kept(place: Place) -> None:
    store = await place.open(keep=None)
    await append_all(store, *lived(Call(NOW)))
    assert await store.prune(NOW + 9999 * DAY) == 1


async def test_the_log_goes_on_while_much_is_forgotten(place: Place) -> None:
    store = await place.open(keep=DAY)
    for _ in range(10):
        calls = [Call(NOW) for _ in range(40)]
        key = RequestKey("me", calls[0].call_id, b"")
        entries = [entry for call in calls for entry in lived(call)]
        await append_all(store, structs.replace(entries[0], request=key), *entries[1:])
    going = Call(NOW + 9 * DAY)
    pruning = asyncio.ensure_future(store.prune(NOW + 9 * DAY))
    await append_all(store, going.queued())
    while not pruning.done():
        await append_all(store, going.digit())
    assert await pruning == 1201
    assert [event.revision for event in await read_all(store, 1200, Select())] == [*range(1201, store.window.head + 1)]


async def test_the_log_forgets_by_itself(place: Place) -> None:
    store = await place.open(keep=DAY)
    await append_all(store, *lived(Call()))
    place.clock.advance(3 * DAY)
    # The writer looks at the time when it has written something; that it wakes by itself would take minutes.
    going = Call()
    await append_all(store, going.queued(), going.digit())
    await append_all(store, going.digit())
    assert store.first_revision == 4
