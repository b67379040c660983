"""The story: what a program must be able to rely on, whichever client it uses. Each test is a chapter.

What a chapter shows is its docstring; `python -m tools.client_table` makes a table of these. That a slow reader loses
nothing is not told here, as a teller always reads: each client's own tests show it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.stage import GREETING, LEAVES, QUICK_BOOKMARKS, STAYS, TALKS, Stage, fresh_number
from tests.clients.teller import Teller

pytestmark = pytest.mark.asyncio(loop_scope="session")  # that of the stage which they share

Make = Callable[..., Any]
SLOW = 0.01
"""Calls per second: the first is dialled at once, the second waits."""


def is_random_uuid(text: str) -> bool:
    """Whether it is one, as it is usually written."""
    try:
        return str(uuid.UUID(text)) == text.lower() and uuid.UUID(text).version == 4
    except ValueError:
        return False


# --- calls, and the events of calls ----------------------------------------------------------------


async def test_a_call_is_followed_from_its_first_event_to_its_last(desk: Stage, teller: Make) -> None:
    """A call that was placed is followed from its first event to its last, and the stream then ends by itself"""
    one: Teller = await teller(desk.address)
    placed = await one.do("place", to=LEAVES, greeting=GREETING, metadata={"order": "17"})
    assert (placed["state"], placed["replayed"], placed["epoch"]) == ("QUEUED", False, await desk.epoch())
    stream = await one.follow_call("call", placed)
    await stream.complete()
    assert [event.call_sequence for event in stream.events] == list(range(1, len(stream.events) + 1))
    assert (stream.kinds[0], stream.kinds[-1]) == ("call_queued", "call_closed")
    assert stream.events == await desk.log(placed["call_id"])
    assert stream.events[0].revision == placed["revision"]
    assert stream.cursor == f"{placed['epoch']}:{stream.events[-1].revision}"
    assert dict((await desk.client.get_call(placed["call_id"])).call.metadata) == {"order": "17"}


async def test_what_is_said_is_told_at_once_and_afterwards(desk: Stage, teller: Make) -> None:
    """Words come while they are spoken, the transcript has all that was said, and `types` leaves out other events"""
    one: Teller = await teller(desk.address)
    live = await one.follow("live", after=0, live=True)
    earlier = await one.do("place", to=fresh_number())
    await live.has("call_queued", earlier["call_id"])  # it is open: words are told once, and never again
    placed = await one.do("place", to=LEAVES, greeting=GREETING)
    call_id, wanted = placed["call_id"], ["transcript_final", "call_closed"]
    some = await one.follow("some", types=wanted, call_ids=[call_id], cursor=f"{placed['epoch']}:{placed['revision']}")
    await live.has("call_closed", call_id)
    await some.complete()
    log = await desk.log(call_id)
    assert [event for event in live.events if event.call_id == call_id] == log
    assert some.events == [event for event in log if event.kind in wanted]
    finals = [event.text for event in log if event.kind == "transcript_final"]
    assert GREETING in finals, "the agent said what the order overrides its profile with"
    spoken = {"AGENT": "", "CALLER": ""}
    for words in live.words:
        if words["call_id"] != call_id:
            continue
        spoken[words["speaker"]] += words["text"] if words["offset"] else f"\n{words['text']}"
    assert GREETING in [text.strip() for text in spoken["AGENT"].splitlines()]
    of_the_call = [line for line in live.lines if (line.get("live") or line.get("event", {})).get("call_id") == call_id]
    first_words = next(number for number, line in enumerate(of_the_call) if "live" in line)
    first_final = next(number for number, line in enumerate(of_the_call) if line.get("event", {}).get("text"))
    assert first_words < first_final
    utterances = (await one.do("transcript", call_id=call_id))["utterances"]
    assert [utterance["speaker"] for utterance in utterances] == ["AGENT", "CALLER", "AGENT"]
    assert sorted(utterance["text"] for utterance in utterances) == sorted(finals)


async def test_the_same_request_id_dials_once(desk: Stage, teller: Make) -> None:
    """The same request_id is the same call and dials once, with another request it is refused; who gives none sends a
    random one"""
    one: Teller = await teller(desk.address)
    number, other, mine = fresh_number(), fresh_number(), str(uuid.uuid4())
    first = await one.do("place", to=number, request_id=mine)
    again = await one.do("place", to=number, request_id=mine)
    assert again == {**first, "replayed": True, "state": again["state"]}
    assert first["request_id"] == mine
    reused = await one.refused("place", to=other, request_id=mine)
    assert reused.says == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")
    assert reused.request_id == mine
    given = [await one.do("place", to=other) for _ in range(2)]
    assert all(is_random_uuid(placed["request_id"]) for placed in given)
    assert len({placed["call_id"] for placed in (first, *given)}) == 3
    for name, placed in enumerate((first, *given)):
        await (await one.follow_call(f"call {name}", placed)).complete()
    assert (desk.dialled(number), desk.dialled(other)) == (1, 2)


async def test_calls_are_shown_and_listed(desk: Stage, teller: Make) -> None:
    """A call is shown as it is, and all pages of the list are read, newest first; every answer is a cursor"""
    one: Teller = await teller(desk.address)
    placed = [await one.do("place", to=fresh_number()) for _ in range(3)]
    for name, call in enumerate(placed):
        await (await one.follow_call(f"call {name}", call)).complete()
    head = (await desk.log())[-1].revision
    listed = await one.do("list", page_size=2)
    assert listed["calls"][:3] == [call["call_id"] for call in reversed(placed)]
    assert listed["calls"] == [call.call_id async for call in desk.client.all_calls()]
    assert (listed["epoch"], listed["revision"]) == (await desk.epoch(), head)
    shown = await one.do("get", call_id=placed[0]["call_id"])
    assert (shown["state"], shown["end_reason"], shown["ended_by"]) == ("ENDED", "BUSY", "CARRIER")
    assert (shown["epoch"], shown["revision"]) == (listed["epoch"], head)
    assert placed[0]["epoch"] == listed["epoch"]
    status = await one.do("status")
    assert status == {
        "version": (await desk.client.status()).version, "epoch": listed["epoch"], "head_revision": head
    }  # fmt: skip


async def test_a_call_is_hung_up(stage: Make, teller: Make) -> None:
    """A live call is hung up, and twice does no harm; a call that waits for its turn is then never dialled"""
    desk: Stage = await stage(calls_per_second=SLOW)
    one: Teller = await teller(desk.address)
    number = fresh_number()
    live, queued = await one.do("place", to=STAYS), await one.do("place", to=number)
    talking, waiting = await one.follow_call("live", live), await one.follow_call("queued", queued)
    await talking.has("media_connected")
    for placed in (queued, live):
        for _ in range(2):
            told = await one.do("hang_up", call_id=placed["call_id"], reason="nobody needs it")
            assert told["call_id"] == placed["call_id"]
            assert told["state"] in ("ENDING", "ENDED")
    await talking.complete()
    await waiting.complete()
    assert (await one.do("hang_up", call_id=live["call_id"]))["state"] == "ENDED"
    ends = [await one.do("get", call_id=placed["call_id"]) for placed in (live, queued)]
    assert [(end["end_reason"], end["ended_by"]) for end in ends] == [("COMPLETED", "API"), ("CANCELED", "API")]
    assert "call_dialing" not in waiting.kinds
    assert (desk.dialled(STAYS), desk.dialled(number)) == (1, 0)


# --- nothing lost, nothing twice -------------------------------------------------------------------


async def test_a_daemon_that_is_killed_costs_no_event(stage: Make, teller: Make) -> None:
    """The daemon is killed in mid-stream and started again, twice: followers of everything and of one call get the
    whole log, nothing lost, nothing twice, and are told that they are back"""
    desk: Stage = await stage(greeting=GREETING)
    one: Teller = await teller(desk.address)
    everything = await one.follow("everything", after=0)
    calls = []
    for kill in (1, 2):
        placed = await one.do("place", to=TALKS)
        calls.append(await one.follow_call(f"killed {kill}", placed))
        await calls[-1].has("transcript_final")
        await everything.has("transcript_final", placed["call_id"])
        await desk.kill_and_restart()
    for stream in calls:
        await stream.complete()
    log = await desk.log()
    await everything.reaches(log[-1].revision)
    assert everything.events == log, "everything, once, in order"
    for stream in calls:
        assert stream.events == [event for event in log if event.call_id == stream.events[0].call_id]
        assert stream.resumed, "it was told"
    epoch = await desk.epoch()
    assert [cursor.split(":")[0] for cursor in everything.resumed] == [epoch, epoch]
    await one.do("leave", name="everything")
    assert everything.cursor == f"{epoch}:{log[-1].revision}"


async def test_a_daemon_that_is_stopped_and_started_costs_no_event(stage: Make, teller: Make) -> None:
    """The daemon is stopped in good order and started again: streams go on, and so does a call that waited"""
    desk: Stage = await stage(calls_per_second=SLOW)
    one: Teller = await teller(desk.address)
    everything = await one.follow("everything", after=0)
    numbers = [fresh_number(), fresh_number()]
    dialled, waiting = [await one.do("place", to=number) for number in numbers]
    await (await one.follow_call("dialled", dialled)).complete()
    stream = await one.follow_call("waiting", waiting)
    await stream.has("call_queued")
    await everything.has("call_closed", dialled["call_id"])
    await desk.drain()
    await desk.sandbox.daemon.start()
    await stream.complete()
    log = await desk.log()
    await everything.reaches(log[-1].revision)
    assert everything.events == log
    assert stream.events == [event for event in log if event.call_id == waiting["call_id"]]
    assert (len(everything.resumed), len(stream.resumed)) == (1, 1)
    assert [desk.dialled(number) for number in numbers] == [1, 1]


async def test_a_stored_cursor_is_where_the_next_program_begins(desk: Stage, teller: Make) -> None:
    """A program stores its cursor and ends, and the next one goes on behind it"""
    before = (await desk.call())[-1].revision
    call, epoch = await desk.call(), await desk.epoch()
    first: Teller = await teller(desk.address)
    stream = await first.follow("first", cursor=f"{epoch}:{before}", most=2)
    await stream.complete()
    assert stream.events == call[:2]
    assert stream.cursor == f"{epoch}:{call[1].revision}", "behind what the program got, not what the client got"
    assert await first.end() == 0
    later = await desk.call()
    second: Teller = await teller(desk.address)
    rest = await second.follow("second", cursor=stream.cursor)
    await rest.reaches(later[-1].revision)
    assert rest.events == [*call[2:], *later]
    await second.do("leave", name="second")
    assert (rest.error, rest.cursor) == (None, f"{epoch}:{later[-1].revision}")


async def test_a_bookmark_moves_the_cursor_of_a_quiet_stream(stage: Make, teller: Make) -> None:
    """A stream whose filter lets nothing through is moved on by bookmarks, and goes on from where they brought it"""
    desk: Stage = await stage(program=QUICK_BOOKMARKS)
    one: Teller = await teller(desk.address)
    epoch = await desk.epoch()
    quiet = await one.follow("quiet", after=0, types=["digit_received"])
    last = (await desk.call())[-1].revision
    await quiet.until(lambda stream: f"{epoch}:{last}" in stream.bookmarks, "a bookmark behind the call")
    await one.do("leave", name="quiet")
    assert (quiet.events, quiet.cursor) == ([], f"{epoch}:{last}")
    later = await desk.call()
    rest = await one.follow("rest", cursor=quiet.cursor)
    await rest.has("call_closed")
    assert rest.events == later


async def test_a_restored_log_is_another_log(stage: Make, teller: Make) -> None:
    """A backup is restored while the daemon is down: open streams and stored cursors end with LOG_REPLACED; the list
    says where to go on"""
    desk: Stage = await stage()
    one: Teller = await teller(desk.address)
    head = (await desk.call())[-1].revision
    backup, stored = await desk.backup(), f"{await desk.epoch()}:{head}"
    stream = await one.follow("open", after=0)
    await stream.reaches(head)
    await desk.sandbox.daemon.stop()
    await desk.restore(backup)
    await desk.sandbox.daemon.start()
    await desk.call()  # the new log has more than the cursor knows
    epoch = await desk.epoch()
    for ended in (stream, await one.follow("stored", cursor=stored)):
        error = await ended.fails()
        assert error.says == ("FAILED_PRECONDITION", "LOG_REPLACED")
        assert error.metadata["epoch"] == epoch
        assert ended.cursor == stored
    listed = await one.do("list")
    assert len(listed["calls"]) == 2
    anew = await one.follow("anew", cursor=f"{listed['epoch']}:{listed['revision']}")
    placed = await one.do("place", to=fresh_number())
    await anew.has("call_closed")
    assert anew.events == await desk.log(placed["call_id"])


async def test_a_cursor_that_is_too_old_is_told_what_is_left(stage: Make, teller: Make) -> None:
    """A cursor from before what the log keeps ends with CURSOR_COMPACTED and the first revision that is left; one just
    before that goes on"""
    desk: Stage = await stage()
    head, epoch = (await desk.call())[-1].revision, await desk.epoch()
    await desk.call()
    await desk.sandbox.daemon.stop()
    desk.forget_everything()
    await desk.sandbox.daemon.start()
    first = (await desk.client.status()).first_revision
    assert first > head + 1
    one: Teller = await teller(desk.address)
    for name, where in (("stored", {"cursor": f"{epoch}:{head}"}), ("just too old", {"after": first - 2})):
        late = await one.follow(name, **where)
        error = await late.fails()
        assert error.says == ("OUT_OF_RANGE", "CURSOR_COMPACTED")
        assert error.metadata["first_revision"] == str(first)
    just = await one.follow("just in time", after=first - 1)
    placed = await one.do("place", to=fresh_number())
    await just.has("call_closed")
    assert just.events == await desk.log(placed["call_id"])
