"""What a subscriber of StreamEvents sees, on a real log: frames, filters, bookmarks, words, ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from pathlib import Path

import pytest

from agenticd.adapters.store import Config, SqliteLog
from agenticd.core.errors import (
    Compacted,
    InvalidArgument,
    LogReplaced,
    NotFound,
    StoreDown,
)
from agenticd.core.events import DigitReceived
from agenticd.core.ids import CallId
from agenticd.service.watch import (
    CLOCK_SET,
    Batch,
    Bookmark,
    FollowRequest,
    Frame,
    Opened,
    Watch,
)
from tests.log_support import Call, ManualClock, append, append_all
from tests.service.watch_node import (
    CODEC,
    DAY,
    Node,
    asleep,
    events_up_to,
    opened,
    revisions,
    settle,
)


async def test_the_first_frame_names_the_log_and_its_head(node: Node) -> None:
    call = Call()
    await append_all(node.log, call.queued(), call.digit())
    async with node.follow() as stream:
        assert await anext(stream) == Opened(2, 1, node.log.epoch, "node-1")
        assert node.watch.count == 1


async def test_without_a_cursor_only_what_comes_from_now_on(node: Node) -> None:
    call = Call()
    await append_all(node.log, call.queued(), call.digit())
    async with node.follow() as stream:
        await opened(stream)
        await append_all(node.log, call.digit())
        assert revisions(await anext(stream)) == [3]


async def test_zero_is_from_the_oldest_and_a_cursor_is_exclusive(node: Node) -> None:
    call = Call()
    await append_all(node.log, call.queued(), *(call.digit() for _ in range(9)))
    for after, expected in ((0, [*range(1, 11)]), (7, [8, 9, 10])):
        async with node.follow(after, epoch=node.log.epoch) as stream:
            await opened(stream)
            assert await events_up_to(stream, 10) == expected


async def test_a_bad_cursor_is_refused_before_the_first_frame(node: Node) -> None:
    call = Call()
    await append_all(node.log, call.queued(), call.digit(), call.closed(), Call().queued())
    await node.log.prune(node.clock.wall() + 2 * DAY)
    assert node.log.first_revision == 4
    assert isinstance(await node.refused(5), InvalidArgument)
    assert isinstance(await node.refused(-1), InvalidArgument)
    compacted = await node.refused(2)
    assert isinstance(compacted, Compacted)
    assert compacted.first_revision == 4
    with pytest.raises(LogReplaced):
        await anext(node.watch.follow(FollowRequest(3, "another")))
    for after in (0, 3):  # after == first_revision - 1 is whole
        async with node.follow(after) as stream:
            await opened(stream)
            assert await events_up_to(stream, 4) == [4]


async def test_unknown_types_are_named_with_the_nearest_known_one(node: Node) -> None:
    error = await node.refused(kinds=("call_ended", "call_close", "weather"))
    assert isinstance(error, InvalidArgument)
    assert [violation.field for violation in error.violations] == ["types[1]", "types[2]"]
    assert "did you mean call_closed?" in error.violations[0].description
    assert "one of agent_interrupted, " in error.violations[1].description


async def test_an_unknown_call_is_not_found(node: Node) -> None:
    call, unknown = Call(), Call()
    await append_all(node.log, call.queued())
    with pytest.raises(NotFound) as caught:
        async with node.follow(0, calls=(call.call_id, unknown.call_id)) as stream:
            await anext(stream)
    assert caught.value.call_id == unknown.call_id


async def test_a_log_that_is_down_opens_nothing(node: Node) -> None:
    call = Call()
    await append_all(node.log, call.queued())
    await node.log.close()
    with pytest.raises(StoreDown):
        async with node.follow(0, calls=(call.call_id,)) as stream:
            await anext(stream)


# --- batches ---


async def test_what_is_ready_comes_in_one_batch_of_bounded_length(node: Node) -> None:
    node.log.window._ring.extend([None] * 2000)  # all in memory
    call = Call()
    await append_all(node.log, call.queued(), *(call.digit() for _ in range(1199)))
    async with node.follow(0) as stream:
        await opened(stream)
        frames = [await anext(stream) for _ in range(3)]
    assert [len(revisions(frame)) for frame in frames] == [512, 512, 176]
    assert revisions(*frames) == [*range(1, 1201)]


async def test_a_batch_is_bounded_in_bytes_but_has_at_least_one_event(node: Node) -> None:
    call = Call()
    sizes = [100, 200_000, 100_000, 100, 900_000, 100]
    await append_all(node.log, *(call.digit("5" * size) for size in sizes))
    async with node.follow(0) as stream:
        await opened(stream)
        frames = [await anext(stream) for _ in range(3)]
    assert [revisions(frame) for frame in frames] == [[1, 2, 3], [4, 5], [6]]


async def test_each_of_many_followers_gets_everything_once(node: Node) -> None:
    call = Call()

    async def reader() -> list[int]:
        async with node.follow(0) as stream:
            await opened(stream)
            return await events_up_to(stream, 300)

    readers = [asyncio.ensure_future(reader()) for _ in range(50)]
    for _ in range(300):
        append(node.log, call.digit())
        await asyncio.sleep(0)
    assert await asyncio.gather(*readers) == [[*range(1, 301)]] * 50


async def test_a_reader_behind_memory_reads_the_disk_and_comes_back_without_a_gap(node: Node) -> None:
    call = Call()
    await append_all(node.log, call.queued(), *(call.digit() for _ in range(999)))
    async with node.follow(0) as stream:
        await opened(stream)
        got = await events_up_to(stream, 500)  # from the disk
        for _ in range(30):  # memory moves on by more than it holds while it catches up
            await append_all(node.log, *(call.digit() for _ in range(50)))
            got += revisions(await anext(stream))
        assert got[-1] == 2500
        assert node.log.window.start > 2400
    assert got == [*range(1, 2501)]


async def test_retention_that_overtakes_a_reader_ends_its_stream(node: Node) -> None:
    old = Call()
    await append_all(node.log, old.queued(), *(old.digit() for _ in range(600)), old.closed())
    await append_all(node.log, Call().queued())
    async with node.follow(0) as stream:
        await opened(stream)
        assert len(revisions(await anext(stream))) == 512
        await node.log.prune(node.clock.wall() + 2 * DAY)
        with pytest.raises(Compacted) as caught:
            await anext(stream)
    assert (caught.value.after, caught.value.first_revision) == (512, 603)


async def test_retention_exactly_at_the_cursor_does_no_harm(node: Node) -> None:
    old = Call()
    await append_all(node.log, old.queued(), old.closed())
    async with node.follow(0) as stream:
        await opened(stream)
        await events_up_to(stream, 2)
        await node.log.prune(node.clock.wall() + 2 * DAY)
        assert (node.log.first_revision, node.log.window.start) == (3, 2)
        await append_all(node.log, Call().queued())
        assert await events_up_to(stream, 3) == [3]


# --- bookmarks ---


async def test_a_quiet_stream_gets_a_bookmark_every_ten_seconds(node: Node) -> None:
    call = Call()
    await append_all(node.log, call.queued())
    async with node.follow(0, kinds=("call_closed",)) as stream:
        await opened(stream)
        for revision in (1, 2, 3):
            waiting = asyncio.ensure_future(anext(stream))
            await settle(lambda: asleep(node))
            node.clock.advance(9.9)
            await settle(lambda: asleep(node))
            assert not waiting.done()
            node.clock.advance(0.1)
            assert await waiting == Bookmark(revision)
            await append_all(node.log, call.digit())


async def test_a_bookmark_never_overtakes_an_event(node: Node) -> None:
    call = Call()
    await append_all(node.log, call.queued())
    async with node.follow(0) as stream:
        await opened(stream)
        await append_all(node.log, *(call.digit() for _ in range(1300)))
        node.clock.advance(10)
        done = 0
        for _ in range(4):
            match await anext(stream):
                case Batch() as batch:
                    assert revisions(batch)[0] > done
                    done = batch.upto
                case Bookmark(revision):
                    assert revision == done
                case other:
                    raise AssertionError(other)


async def test_a_busy_stream_gets_its_bookmarks_too(node: Node) -> None:
    call = Call()
    async with node.follow(0) as stream:
        await opened(stream)
        for number in range(1, 6):
            await append_all(node.log, call.digit())
            node.clock.advance(10)
            assert revisions(await anext(stream)) == [number]
            assert await anext(stream) == Bookmark(number)


# --- filters and the end of a call ---


async def test_only_what_was_asked_for_comes(node: Node) -> None:
    one, two, other = Call(), Call(), Call()
    entries = [call.queued() for call in (one, two, other)]
    entries += [call.digit() for _ in range(5) for call in (one, two, other)]
    entries += [call.dialing() for call in (one, two, other)]
    await append_all(node.log, *entries)
    calls = (one.call_id, two.call_id)
    async with node.follow(0, calls=calls, kinds=("call_dialing", "call_queued")) as stream:
        await opened(stream)
        assert await events_up_to(stream, 20) == [1, 2, 19, 20]


@pytest.mark.parametrize("kinds", [(), ("call_queued",), ("call_closed",)])
async def test_a_stream_about_calls_ends_when_the_last_of_them_is_closed(node: Node, kinds: tuple[str, ...]) -> None:
    one, two = Call(), Call()
    await append_all(node.log, one.queued(), two.queued())
    async with node.follow(0, calls=(one.call_id, two.call_id), kinds=kinds) as stream:
        await opened(stream)
        reading = asyncio.ensure_future(collect(stream))
        await append_all(node.log, one.closed(), two.digit())
        await settle(lambda: asleep(node))
        assert not reading.done()
        await append_all(node.log, two.closed(), Call().queued())
        expected = {(): [1, 2, 3, 4, 5], ("call_queued",): [1, 2], ("call_closed",): [3, 5]}
        assert revisions(*await reading) == expected[kinds]
    assert node.watch.count == 0


async def collect(stream: AsyncGenerator[Frame, None]) -> list[Frame]:
    return [frame async for frame in stream]


@pytest.mark.parametrize("extra", [0, 100])  # in memory; behind it
async def test_a_stream_about_calls_that_are_closed_gives_the_rest_and_ends(node: Node, extra: int) -> None:
    one, two, other = Call(), Call(), Call()
    await append_all(node.log, one.queued(), two.queued(), one.closed(), two.digit(), two.closed())
    await append_all(node.log, *(other.digit() for _ in range(extra)))
    calls = (one.call_id, two.call_id)
    for after, expected in ((0, [1, 2, 3, 4, 5]), (3, [4, 5]), (4, [5]), (5, []), (None, [])):
        async with node.follow(after, calls=calls) as stream:
            await opened(stream)
            assert revisions(*await collect(stream)) == expected


async def test_a_stream_about_calls_goes_on_although_retention_took_one_of_them(node: Node) -> None:
    gone, going = Call(), Call()
    await append_all(node.log, gone.queued(), gone.closed(), going.queued())
    calls = (gone.call_id, going.call_id)
    async with node.follow(0, calls=calls) as stream:
        await opened(stream)
        assert await events_up_to(stream, 3) == [1, 2, 3]
    assert await node.log.prune(node.clock.wall() + 2 * DAY) == 3
    async with node.follow(3, calls=calls) as stream:
        await opened(stream)
        await append_all(node.log, going.closed())
        assert revisions(*await collect(stream)) == [4]
    for after, unknown in ((0, calls), (None, calls), (3, calls[:1])):
        with pytest.raises(NotFound):
            await collect(node.watch.follow(FollowRequest(after, "", unknown)))


async def test_an_id_that_is_younger_than_all_that_retention_took_was_never_a_calls(node: Node) -> None:
    start = node.clock.wall()
    gone, going = Call(start), Call(start)
    await append_all(node.log, gone.queued(), gone.closed())
    await append_all(node.log, going.entry(DigitReceived("5"), time=start + 2 * DAY))

    def request(created: float) -> FollowRequest:
        return FollowRequest(3, "", (going.call_id, Call(created).call_id))

    with pytest.raises(NotFound):  # nothing was taken yet
        await anext(node.watch.follow(request(start - DAY)))
    assert await node.log.prune(start + 4 * DAY) == 3
    horizon = await node.log.horizon()
    assert horizon == start + 2 * DAY
    with pytest.raises(NotFound):
        await anext(node.watch.follow(request(horizon + CLOCK_SET + 1)))
    async with aclosing(node.watch.follow(request(horizon + CLOCK_SET))) as stream:
        await opened(stream)
        await append_all(node.log, going.closed())
        assert revisions(*await collect(stream)) == [4]


class Meddling(SqliteLog):
    """A log on which something happens while a stream about calls is being opened."""

    meddle: Callable[[], Awaitable[object]]

    async def ends(self, call_ids: frozenset[CallId]) -> Mapping[CallId, int | None]:
        ends = await super().ends(call_ids)
        await self.meddle()
        return ends


@pytest.mark.parametrize("after", [None, 1])
async def test_a_call_that_closes_while_its_stream_opens_still_ends_it(tmp_path: Path, after: int | None) -> None:
    clock = ManualClock()
    log = await Meddling.open(Config(tmp_path / "a.db"), CODEC, clock)
    assert isinstance(log, Meddling)
    call = Call()
    await append_all(log, call.queued())
    log.meddle = lambda: append_all(log, call.closed())
    frames = await collect(Watch(log, clock, "n").follow(FollowRequest(after, "", (call.call_id,))))
    assert frames[0] == Opened(1, 1, log.epoch, "n")
    assert revisions(*frames) == [2]
    await log.close()


async def test_a_call_that_retention_takes_while_its_stream_opens_does_not_keep_it_open(tmp_path: Path) -> None:
    clock = ManualClock()
    log = await Meddling.open(Config(tmp_path / "a.db", keep_seconds=DAY), CODEC, clock)
    assert isinstance(log, Meddling)
    gone, going = Call(), Call()
    await append_all(log, gone.queued(), gone.closed(), going.queued())
    log.meddle = lambda: log.prune(clock.wall() + 2 * DAY)
    watch = Watch(log, clock, "n")
    async with aclosing(watch.follow(FollowRequest(3, "", (gone.call_id, going.call_id)))) as stream:
        assert await opened(stream) == Opened(3, 1, log.epoch, "n")
        assert log.first_revision == 3
        await append_all(log, going.closed())
        await settle(lambda: log.window.head == 4)
        assert revisions(await anext(stream)) == [4]
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    await log.close()


async def test_a_rare_kind_far_behind_is_found_and_the_loop_runs_on(node: Node) -> None:
    node.log.window._ring.extend([None] * 100_000)
    call, other = Call(), Call()
    await append_all(node.log, *(other.digit() for _ in range(12_000)), call.dialing())
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(turn)

    async with node.follow(0, kinds=("call_dialing",)) as stream:
        await opened(stream)
        turn()
        assert revisions(await anext(stream)) == [12_001]
        assert turns >= 3, "12,000 events were looked at without a pause"


# --- words ---
