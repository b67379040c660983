"""Following while it happens: words, waking, and the ends of streams."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter

import pytest

from agenticd.core.errors import (
    ConsumerStalled,
    Draining,
)
from agenticd.service import watch as watch_module
from agenticd.service.crowd import PATIENCE, SLICE
from agenticd.service.ports import Page, Select
from agenticd.service.watch import (
    Batch,
    Live,
    write_in_time,
)
from tests.log_support import Call, append, append_all
from tests.service.watch_node import (
    Node,
    asleep,
    events_up_to,
    opened,
    revisions,
    said,
    settle,
)


async def test_words_come_only_to_those_who_want_them_and_are_never_repeated(node: Node) -> None:
    one, two = Call(), Call()
    await append_all(node.log, one.queued(), two.queued())
    node.watch.show(said(one, "too early"))
    async with (
        node.follow(live=True) as everything,
        node.follow(calls=(two.call_id,), live=True) as about_two,
        node.follow() as no_words,
    ):
        for stream in (everything, about_two, no_words):
            await opened(stream)
        node.watch.show(said(one, "Hello"))
        node.watch.show(said(two, "Hi"))
        assert [await anext(everything) for _ in range(2)] == [
            Live(said(one, "Hello")),
            Live(said(two, "Hi")),
        ]
        assert await anext(about_two) == Live(said(two, "Hi"))
        await append_all(node.log, two.digit())
        for stream in (everything, about_two, no_words):
            assert revisions(await anext(stream)) == [3]


async def test_words_wake_a_sleeping_stream(node: Node) -> None:
    call = Call()
    await append_all(node.log, call.queued())
    async with node.follow(live=True) as stream:
        await opened(stream)
        for word in "abc":
            waiting = asyncio.ensure_future(anext(stream))
            await settle(lambda: asleep(node))
            node.watch.show(said(call, word))
            assert await waiting == Live(said(call, word))


async def test_words_that_come_while_a_frame_is_written_are_not_kept_back(node: Node) -> None:
    call = Call()
    async with node.follow(live=True) as stream:
        await opened(stream)
        await append_all(node.log, call.queued())
        assert revisions(await anext(stream)) == [1]
        node.watch.show(said(call, "now"))
        assert await anext(stream) == Live(said(call, "now"))


async def test_words_stand_between_the_events_where_they_were_spoken(node: Node) -> None:
    call = Call()
    async with node.follow(0, live=True) as stream:
        await opened(stream)
        await append_all(node.log, call.queued(), call.digit())
        node.watch.show(said(call, "one"))
        await append_all(node.log, call.digit())
        node.watch.show(said(call, "two"))
        node.watch.show(said(call, "three"))
        await append_all(node.log, call.closed())
        frames = [await anext(stream) for _ in range(6)]
    assert [f.words.text if isinstance(f, Live) else revisions(f) for f in frames] == [
        [1, 2],
        "one",
        [3],
        "two",
        "three",
        [4],
    ]


async def test_a_slow_reader_loses_the_oldest_words_and_no_event(node: Node) -> None:
    call = Call()
    await append_all(node.log, call.queued())
    async with node.follow(0, live=True) as stream:
        await opened(stream)
        for number in range(100):
            node.watch.show(said(call, str(number)))
            await append_all(node.log, call.digit())
        got: list[int] = []
        words: list[str] = []
        while not got or got[-1] < 101:
            frame = await anext(stream)
            got += revisions(frame)
            words += [frame.words.text] if isinstance(frame, Live) else []
        assert got == [*range(1, 102)]
        assert words == [str(number) for number in range(92, 100)], "the ring holds 8"


# --- waking ---


async def test_followers_are_woken_in_slices(node: Node) -> None:
    """So many in one iteration of the loop, and no more, stand in front of the audio."""
    turn = 0
    woken: dict[int, int] = {}

    def count() -> None:
        nonlocal turn
        turn += 1
        asyncio.get_running_loop().call_soon(count)

    async def reader() -> None:
        async with node.follow() as stream:
            await opened(stream)
            await anext(stream)
            woken[turn] = woken.get(turn, 0) + 1

    readers = [asyncio.ensure_future(reader()) for _ in range(30)]
    await settle(lambda: node.watch.count == 30 and asleep(node))
    count()
    await append_all(node.log, Call().queued())
    await asyncio.gather(*readers)
    assert sum(woken.values()) == 30
    assert max(woken.values()) == SLICE


async def test_one_of_many_who_reads_a_slow_disk_is_not_forgotten(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its batches take longer than a slice is waited for, and no bookmark comes to its rescue."""
    call, read = Call(), node.log.read

    async def slow(after: int, select: Select, limit: int) -> Page:
        await asyncio.sleep(PATIENCE * 1.5)
        return await read(after, select, limit)

    await append_all(node.log, call.queued(), *(call.digit() for _ in range(1999)))
    monkeypatch.setattr(node.log, "read", slow)

    async def wait_for_news() -> None:
        async with node.follow() as stream:
            async for _ in stream:
                pass

    idle = [asyncio.ensure_future(wait_for_news()) for _ in range(SLICE)]
    await settle(lambda: node.watch.count == SLICE and asleep(node))
    async with node.follow(0) as stream:
        await opened(stream)
        assert await events_up_to(stream, 2000) == [*range(1, 2001)]
    for task in idle:
        task.cancel()
    await asyncio.gather(*idle, return_exceptions=True)


async def test_a_crowd_that_catches_up_takes_turns_and_shares_what_it_reads(node: Node) -> None:
    """Many whose frames were written at the same moment must not all go on in one iteration of the loop."""
    node.log.window._ring.extend([None] * 4000)
    call, crowd = Call(), 40
    await append_all(node.log, call.queued(), *(call.digit() for _ in range(2047)))
    got: dict[int, list[Batch]] = {}
    turns: list[int] = []
    turn, begin = 0, asyncio.Event()

    async def read(number: int) -> None:
        async with node.follow(0) as stream:
            await opened(stream)
            await begin.wait()
            async for frame in stream:
                if isinstance(frame, Batch):
                    turns.append(turn)
                    got.setdefault(number, []).append(frame)
                    if frame.upto == 2048:
                        return

    reading = asyncio.ensure_future(asyncio.gather(*(read(number) for number in range(crowd))))
    await settle(lambda: node.watch.count == crowd)
    begin.set()
    while not reading.done():
        turn += 1
        await asyncio.sleep(0)
    # The last few are no crowd any more: they go on alone.
    assert max(Counter(turns[crowd : -SLICE * 8]).values()) <= SLICE, "behind the first frames, which come as they open"
    assert all(revisions(*frames) == [*range(1, 2049)] for frames in got.values())
    for batches in zip(*got.values(), strict=True):
        assert len({id(batch) for batch in batches}) == 1, "one reading of the log serves all"


async def test_who_reads_the_same_place_but_wants_other_events_gets_his_own(node: Node) -> None:
    call = Call()
    await append_all(node.log, call.queued(), *(call.digit() for _ in range(9)), call.dialing())
    expected = {(): [*range(1, 12)], ("call_queued", "call_dialing"): [1, 11], ("digit_received",): [*range(2, 11)]}
    for _ in range(2):
        for kinds, wanted in expected.items():
            async with node.follow(0, kinds=kinds) as stream:
                await opened(stream)
                assert revisions(await anext(stream)) == wanted
    async with node.follow(0, kinds=("call_closed",)) as one, node.follow(0, kinds=("call_closed",)) as two:
        for stream in (one, two):
            await opened(stream)
        reading = asyncio.ensure_future(asyncio.gather(anext(one), anext(two)))
        await settle(lambda: asleep(node))
        await append_all(node.log, call.closed())
        assert [revisions(frame) for frame in await reading] == [[12], [12]]


async def test_no_wake_up_is_lost_however_appends_and_reads_interleave(node: Node) -> None:
    """Each event must arrive before the next is appended: one lost wake-up would hang."""
    call = Call()
    async with node.follow(0) as first, node.follow(0, live=True) as second:
        await opened(first)
        await opened(second)
        for number in range(1, 200):
            reading = [asyncio.ensure_future(anext(stream)) for stream in (first, second)]
            for _ in range(number % 5):
                await asyncio.sleep(0)
            append(node.log, call.digit())
            for _ in range(number % 3):
                await asyncio.sleep(0)
            assert [revisions(frame) for frame in await asyncio.gather(*reading)] == [[number]] * 2


# --- ends ---


async def test_ending_all_gives_what_is_durable_and_then_the_error(node: Node) -> None:
    call = Call()
    await append_all(node.log, call.queued())
    async with node.follow(0) as busy, node.follow() as idle:
        await opened(busy)
        await opened(idle)
        waiting = asyncio.ensure_future(anext(idle))
        await settle(lambda: len(node.watch._idle) == 1)
        node.watch.end_all(Draining())
        with pytest.raises(Draining):
            await waiting
        assert revisions(await anext(busy)) == [1]
        with pytest.raises(Draining):
            await anext(busy)
    assert isinstance(await node.refused(), Draining)
    assert node.watch.count == 0


async def test_a_stream_that_is_complete_when_all_are_ended_ends_without_the_error(node: Node) -> None:
    """Its follower must not look for more after a restart, which may never come."""
    call = Call()
    await append_all(node.log, call.queued())
    async with node.follow(0, calls=(call.call_id,)) as stream:
        await opened(stream)
        await append_all(node.log, call.closed())
        node.watch.end_all(Draining())
        assert [frame async for frame in stream] != []


async def test_ending_all_does_not_wait_for_a_reader_far_behind(node: Node) -> None:
    call = Call()
    await append_all(node.log, *(call.digit() for _ in range(1000)))
    async with node.follow(0) as stream:
        await opened(stream)
        await anext(stream)
        node.watch.end_all(Draining())
        with pytest.raises(Draining):
            await anext(stream)


async def test_a_follower_that_is_cancelled_leaves_nothing_behind(node: Node) -> None:
    call = Call()
    await append_all(node.log, *(call.digit() for _ in range(200)))

    async def reader(after: int | None) -> None:
        async with node.follow(after, live=True) as stream:
            async for _ in stream:
                pass

    async def cancelled_after(turns: int) -> None:
        readers = [asyncio.ensure_future(reader(after)) for after in (None, 0, 199)]
        for _ in range(turns):
            await asyncio.sleep(0)
        append(node.log, call.digit())
        for task in readers:
            task.cancel()
        ended = await asyncio.gather(*readers, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ended)

    watch = node.watch
    for turns in range(12):  # while it opens, reads the disk, or sleeps
        await cancelled_after(turns)
        assert (watch.count, len(watch._idle), len(watch._crowd), node.clock.timers) == (0, 0, 0, {})
    await asyncio.sleep(0)  # asyncio holds the last cancellation, and so its frames, for one turn more
    gc.collect()
    assert not [o for o in gc.get_objects() if isinstance(o, watch_module._Follower)]


async def test_one_cancelled_among_many_takes_nobodys_wake_up(node: Node) -> None:
    call = Call()

    async def reader() -> list[int]:
        async with node.follow(0) as stream:
            await opened(stream)
            return await events_up_to(stream, 2)

    readers = [asyncio.ensure_future(reader()) for _ in range(30)]
    await settle(lambda: node.watch.count == 30 and asleep(node))
    answer = append(node.log, call.queued())
    await answer
    for task in readers[::3]:
        task.cancel()
    await append_all(node.log, call.digit())
    ended = await asyncio.gather(*readers, return_exceptions=True)
    assert [end for end in ended if isinstance(end, list)] == [[1, 2]] * 20


async def test_the_lag_is_that_of_the_slowest(node: Node) -> None:
    call = Call()
    assert node.watch.lag == 0
    await append_all(node.log, call.queued(), call.digit())
    async with node.follow(0) as slow, node.follow() as fast:
        await opened(slow)
        await opened(fast)
        assert node.watch.lag == 2
        await anext(slow)
        assert node.watch.lag == 0


async def test_a_subscriber_that_takes_nothing_in_time_is_stalled() -> None:
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    with pytest.raises(ConsumerStalled):
        await write_in_time(never, 0.01)
    assert never.cancelled()
    await write_in_time(asyncio.sleep(0), 60)


async def test_a_write_that_fails_by_itself_is_not_called_stalled() -> None:
    async def fails() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await write_in_time(fails(), 60)
