"""Subscribers that come, go, filter, dawdle and resume while a log grows, forgets and moves out of memory.

Each records what it got; afterwards every history is held against what was made durable, by the functions of
tests/watch_properties.py. The seed decides what the test does; how the log's threads fall in between it does not.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agenticd.adapters.store import Config, SqliteLog
from agenticd.core.errors import Compacted, NotFound
from agenticd.core.events import LiveWords, Speaker
from agenticd.core.ids import CallId
from agenticd.service.ports import Entry
from agenticd.service.watch import Batch, Bookmark, FollowRequest, Frame, Live, Opened, Watch
from tests.log_support import Call, JsonCodec, ManualClock, append
from tests.watch_properties import Marked, Seen, Stream, judge

DAY = 86_400.0
EVENTS = 400
CODEC = JsonCodec()


class World:
    """One log with a small memory, its watch, and all that became durable."""

    def __init__(self, log: SqliteLog, clock: ManualClock, chance: random.Random) -> None:
        self.log = log
        self.clock = clock
        self.chance = chance
        self.watch = Watch(log, clock, "node", bookmark_seconds=1.0, live_words=4)
        self.model: list[Seen] = []
        self.calls: list[Call] = []
        self.finished = asyncio.Event()

    async def turns(self, most: int) -> None:
        """Let the others run for a while."""
        for _ in range(self.chance.randrange(most)):
            await asyncio.sleep(0)

    async def write(self) -> None:
        """Calls begin, go on and close; time passes; old calls are forgotten."""
        live: list[Call] = []
        for number in range(EVENTS):
            if not live or (len(live) < 6 and self.chance.random() < 0.2):
                live.append(Call(create_time=self.clock.wall()))
                self.append(live[-1], live[-1].queued())
                self.calls.append(live[-1])
            call = self.chance.choice(live)
            if self.chance.random() < 0.15:
                live.remove(call)
                self.append(call, call.closed(time=self.clock.wall()))
            else:
                self.append(call, self.chance.choice([call.digit, call.dialing])())
            if self.chance.random() < 0.2:
                words = LiveWords(call.call_id, "i", Speaker.AGENT, 0, "w", call.record.last_sequence)
                self.watch.show(words)
            if self.chance.random() < 0.1:
                self.clock.advance(self.chance.choice([0.5, 1.0, DAY / 4]))
            if number % 50 == 49:
                await self.log.prune(self.clock.wall())
            await self.turns(6)
        done = [self.append(call, call.closed(time=self.clock.wall())) for call in live]
        await asyncio.gather(*done)
        self.finished.set()

    def append(self, call: Call, entry: Entry) -> asyncio.Future[int | None]:
        event = entry.event
        assert event is not None
        answer = append(self.log, entry)

        def durable(answer: asyncio.Future[int | None]) -> None:
            revision = answer.result()
            assert revision is not None
            self.model.append(Seen(revision, event.call_id, event.call_sequence, event.kind))

        answer.add_done_callback(durable)
        return answer


@dataclass
class Subscriber:
    """One that keeps its cursor, and comes back until it has everything."""

    world: World
    chance: random.Random
    call_ids: frozenset[CallId]
    kinds: frozenset[str]
    live: bool
    history: list[Stream] = field(default_factory=list)

    async def run(self, after: int) -> None:
        cursor = after
        while not self.has_everything(cursor):
            cursor = cursor or self.world.log.first_revision - 1  # zero is: from the oldest that is kept
            compacted = None
            stream = Stream(cursor, frozenset(self.call_ids), self.kinds)
            try:
                await self.follow(stream, self.chance.choice([1, 3, 20, 10_000]))
            except Compacted as error:
                stream.end = "Compacted"
                compacted = error
            except NotFound:  # retention took a call that it is about
                assert not stream.frames
                return
            if stream.frames or stream.end != "cut":
                self.history.append(stream)
            # Whoever came too late begins again with what is left.
            cursor = stream.cursor if compacted is None else compacted.first_revision - 1
            if stream.end == "ok":
                return
            await self.world.turns(40)

    def has_everything(self, cursor: int) -> bool:
        return self.world.finished.is_set() and cursor >= self.world.log.window.head

    async def follow(self, stream: Stream, patience: int) -> None:
        request = FollowRequest(
            stream.after,
            self.world.log.epoch,
            tuple(self.call_ids),
            tuple(self.kinds),
            self.live,
        )
        async with aclosing(self.world.watch.follow(request)) as frames:
            async for frame in frames:
                self.record(stream, frame)
                await self.world.turns(self.chance.choice([1, 2, 30]))
                if len(stream.frames) >= patience or self.has_everything(stream.cursor):
                    return
        stream.end = "ok"

    def record(self, stream: Stream, frame: Frame) -> None:
        match frame:
            case Opened():
                assert frame.epoch == self.world.log.epoch
            case Batch():
                assert frame.events
                for data in frame.events:
                    event, revision = CODEC.decode(data)
                    stream.frames.append(Seen(revision, event.call_id, event.call_sequence, event.kind))
                assert stream.cursor <= frame.upto
            case Bookmark():
                stream.frames.append(Marked(frame.revision))
            case Live():
                assert self.live
                assert not self.call_ids or frame.words.call_id in self.call_ids


async def remind(world: World) -> None:
    """After the last event, time goes on until every stream has had its bookmark."""
    await world.finished.wait()
    while True:
        world.clock.advance(1.0)
        await world.turns(20)
        await asyncio.sleep(0)


@pytest.mark.parametrize(("seed", "crowd"), [*((seed, 12) for seed in range(12)), (12, 100), (13, 100)])
async def test_whatever_happens_every_history_is_right(tmp_path: Path, seed: int, crowd: int) -> None:
    chance = random.Random(seed)
    clock = ManualClock()
    config = Config(tmp_path / "a.db", keep_seconds=DAY, window_events=chance.choice([4, 30, 1000]))
    log = await SqliteLog.open(config, CODEC, clock)
    world = World(log, clock, chance)
    subscribers: list[Subscriber] = []
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(world.write())
        reminding = group.create_task(remind(world))
        reading: list[asyncio.Task[None]] = []
        while not writing.done() and len(subscribers) < crowd:
            await world.turns(1800 // crowd)
            recent = [call.call_id for call in world.calls[-4:] if (await log.ends(frozenset({call.call_id})))]
            subscriber = Subscriber(
                world,
                random.Random(chance.random()),
                frozenset(chance.sample(recent, min(len(recent), chance.choice([0, 0, 1, 2])))),
                frozenset(chance.choice([(), (), ("call_closed",), ("digit_received", "call_queued")])),
                chance.random() < 0.3,
            )
            subscribers.append(subscriber)
            after = chance.choice([log.first_revision - 1, log.window.head])
            reading.append(group.create_task(subscriber.run(after)))
        await asyncio.gather(writing, *reading)
        reminding.cancel()
    await log.close()
    model = world.model
    assert [event.revision for event in model] == [*range(1, len(model) + 1)]
    assert sum(len(stream.events) for s in subscribers for stream in s.history) > 0
    assert world.watch.count == 0
    for subscriber in subscribers:
        assert judge(subscriber.history, model) == {}
