"""The log on a disk that is full, broken or without power: what was claimed is there, and nothing else is."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, closing, suppress
from pathlib import Path

import pytest

from agenticd.adapters.store import Damaged, SqliteLog, queries
from agenticd.adapters.store.database import NewLog, open_database
from agenticd.core.errors import StoreDown
from agenticd.core.events import Direction
from agenticd.core.log import Select
from agenticd.service.ports import CallQuery, RequestKey
from agenticd.service.watch import Batch, FollowRequest, Watch
from tests.adapters.store import disk as disks
from tests.adapters.store.conftest import DAY, SqlitePlace
from tests.adapters.store.disk import Disk
from tests.log_support import Call, JsonCodec, append, append_all

NEW = NewLog("epoch", b"s" * 32, 0.0)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    lib = disks.library()
    if lib is None:
        pytest.skip("SQLite is built into this Python: there is no library to put a disk under")
    with disks.in_hand(lib, tmp_path / "state" / "agenticd.db") as disk:
        yield disk


@pytest.fixture
async def log(disk: Disk, tmp_path: Path) -> AsyncIterator[SqliteLog]:
    place = SqlitePlace(tmp_path)
    yield await place.open()
    disk.fail = lambda deed, name: 0
    await place.close()


# --- nothing can be written ---


class Trouble:
    """Waits for the log's word that it is in trouble, and that it is out of it."""

    def __init__(self, log: SqliteLog) -> None:
        self.log = log
        self.moved = asyncio.Event()
        log.on_trouble(self.moved.set)

    async def is_there(self) -> str:
        while not self.log.trouble:
            await self.moved.wait()
            self.moved.clear()
        return self.log.trouble

    async def is_over(self) -> None:
        while self.log.trouble:
            await self.moved.wait()
            self.moved.clear()


FAULTS: dict[str, tuple[str, int]] = {
    "database or disk is full (SQLITE_FULL)": ("write", disks.FULL),
    "disk I/O error (SQLITE_IOERR_WRITE)": ("write", disks.IOERR_WRITE),
    "disk I/O error (SQLITE_IOERR_FSYNC)": ("sync", disks.IOERR_FSYNC),
    "attempt to write a readonly database (SQLITE_READONLY)": ("write", disks.READONLY),
}


@pytest.mark.parametrize("words", FAULTS)
async def test_what_cannot_be_written_waits_in_its_order_and_is_written_later(
    disk: Disk, log: SqliteLog, words: str
) -> None:
    deed, code = FAULTS[words]
    live, trouble = Call(), Trouble(log)
    await append_all(log, live.queued(), live.dialing())
    disk.fail = lambda what, name: code if what == deed else 0
    held = [append(log, live.digit(str(number))) for number in range(700)]
    assert await trouble.is_there() == words
    assert log.full, "new calls are refused"
    held += [append(log, live.digit(str(number))) for number in range(700, 1000)]
    record, revision = await log.call(live.call_id)
    assert record is not None
    assert (record.last_sequence, revision, log.window.head) == (2, 2, 2), "reading goes on, and tells what is durable"
    assert not any(answer.done() for answer in held), "nothing is claimed"
    assert log.busy_for() == 0.0, "it is not stuck: systemd's watchdog must not end the live calls"
    disk.fail = lambda what, name: 0
    await trouble.is_over()
    assert [await answer for answer in held] == [*range(3, 1003)]
    page = await log.read(2, Select(), 2000)
    digits = [log._codec.decode(event.data)[0].payload.digit for event in page.events]  # type: ignore[union-attr]
    assert digits == [str(number) for number in range(1000)]
    assert not log.full


async def test_a_call_that_nobody_was_dialled_for_is_refused_and_leaves_no_trace(disk: Disk, log: SqliteLog) -> None:
    live, new, trouble = Call(), Call(), Trouble(log)
    inbound = Call(direction=Direction.INBOUND)
    await append_all(log, live.queued())
    disk.fail = lambda deed, name: disks.FULL if deed == "write" else 0
    request = RequestKey("me", "r-1", b"f")
    kept = append(log, live.digit())
    refused = [append(log, new.queued(request=request)), append(log, new.dialing())]
    rang = append(log, inbound.digit())  # a phone is on the line: this one is not refused
    assert [await answer for answer in refused] == [None, None]
    await trouble.is_there()
    late = append(log, new.digit())  # before its session heard
    disk.fail = lambda deed, name: 0
    assert (await kept, await rang, await late) == (2, 3, None)
    assert await append(log, new.closed()) is None
    assert await log.request("me", "r-1") is None
    assert await log.call(new.call_id) == (None, 3)


@pytest.mark.parametrize("writes_fail", [False, True])
async def test_a_call_refused_because_a_sync_failed_is_not_found_by_the_next_start(
    disk: Disk, log: SqliteLog, tmp_path: Path, writes_fail: bool
) -> None:
    await append_all(log, Call().queued())
    told = Trouble(log)
    codes = {"sync": disks.IOERR_FSYNC}

    def fail(deed: str, name: str) -> int:
        code = codes.get(deed, 0)
        if code and writes_fail:
            codes.setdefault("write", disks.IOERR_WRITE)
        return code

    disk.fail = fail
    new = Call()
    answer = append(log, new.queued(request=RequestKey("me", "r-1", b"f")))
    await told.is_there()
    if writes_fail:
        late = append(log, Call().queued())
        assert not answer.done(), "nobody knows what the next start would find"
        codes["write"] = 0
        assert await late is None
    assert await answer is None
    killed = shutil.copytree(tmp_path / "state", tmp_path / "killed")  # what kill -9 leaves in this very moment
    database = open_database(killed / "agenticd.db", NEW)
    assert (database.head, queries.call(database.writer, new.call_id)) == (1, None)
    database.close()


async def test_it_notices_that_it_can_write_again_also_when_nothing_waits(disk: Disk, log: SqliteLog) -> None:
    trouble = Trouble(log)
    disk.fail = lambda deed, name: disks.FULL if deed == "write" else 0
    assert await append(log, Call().queued()) is None
    await trouble.is_there()
    disk.fail = lambda deed, name: 0
    await trouble.is_over()
    assert await append(log, Call().queued()) == 1


async def test_closing_in_trouble_answers_everybody_and_says_why(disk: Disk, log: SqliteLog) -> None:
    live, trouble = Call(), Trouble(log)
    await append_all(log, live.queued())
    disk.fail = lambda deed, name: disks.FULL if deed == "write" else 0
    answers = [append(log, live.digit()) for _ in range(3)]
    await trouble.is_there()
    await log.close()
    assert [await answer for answer in answers] == [None, None, None]
    assert "SQLITE_FULL" in log.failure


async def test_old_calls_that_cannot_be_deleted_now_do_no_harm(disk: Disk, tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path)
    log = await place.open(keep=DAY)
    old = Call()
    await append_all(log, old.queued(), old.closed())
    disk.fail = lambda deed, name: disks.FULL if deed == "write" else 0
    later = old.record.create_time + 9 * DAY
    with pytest.raises(StoreDown):
        await log.prune(later)
    disk.fail = lambda deed, name: 0
    assert await log.prune(later) == 3
    assert not log.failed.is_set()
    await place.close()


@pytest.mark.parametrize("seed", range(4))
async def test_on_a_disk_that_fails_now_and_then_nothing_is_lost_doubled_or_out_of_order(
    disk: Disk, tmp_path: Path, seed: int
) -> None:
    """Calls, followers and retention in a random order, on a disk that fails at random, for a while each time."""
    chance = random.Random(seed)
    place = SqlitePlace(tmp_path)
    log = await place.open(keep=DAY, window=chance.choice([4, 50]))
    watch = Watch(log, place.clock, "n", bookmark_seconds=0.0)
    seen: list[list[int]] = [[] for _ in range(12)]
    over = asyncio.Event()

    async def follow(got: list[int]) -> None:
        async with aclosing(watch.follow(FollowRequest(0))) as frames:
            async for frame in frames:
                if isinstance(frame, Batch):
                    got += [log._codec.decode(data)[1] for data in frame.events]
                    assert got[-1] <= log.window.head, "nothing is shown before it is durable"
                if over.is_set() and got[-1:] == [log.window.head]:
                    return

    readers = [asyncio.ensure_future(follow(got)) for got in seen]
    calls = [Call(create_time=place.clock.wall(), direction=Direction.INBOUND) for _ in range(5)]
    answers = [append(log, call.amended()) for call in calls]
    kinds = [("write", disks.FULL), ("write", disks.IOERR_WRITE), ("sync", disks.IOERR_FSYNC), ("", 0), ("", 0)]
    for number in range(300):
        if number % 15 == 0:
            deed, code = chance.choice(kinds)
            disk.fail = lambda what, name, deed=deed, code=code: code if what == deed else 0  # type: ignore[misc]
        answers.append(append(log, chance.choice(calls).digit()))
        if chance.random() < 0.03:
            with suppress(StoreDown):
                await log.prune(place.clock.wall())
        for _ in range(chance.randrange(20)):
            await asyncio.sleep(0)
    disk.fail = lambda what, name: 0
    told = await asyncio.gather(*answers)
    assert told == [0] * len(calls) + [*range(1, 301)], "each once, in the order of the appends"
    over.set()
    place.clock.advance(1.0)  # bookmarks, so that everybody looks once more
    await asyncio.gather(*readers)
    assert seen == [[*range(1, 301)]] * len(seen)
    await place.close()
    assert intact(place.path, calls)[0] == 300


# --- without power ---


def intact(path: Path, without_request: Sequence[Call] = ()) -> tuple[int, dict[str, int]]:
    """Open what is left as a daemon would: its head, and each call's last sequence. Anything torn is an error."""
    database = open_database(path, NEW)
    try:
        rows = database.writer.execute("SELECT revision, call_id, kind, data FROM events ORDER BY revision").fetchall()
        assert [revision for revision, *_ in rows] == [*range(1, database.head + 1)]
        assert database.writer.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        sequences: dict[str, int] = {}
        for _, call_id, _, data in rows:
            sequences[call_id] = sequences.get(call_id, 0) + 1
            assert JsonCodec().decode(data)[0].call_sequence == sequences[call_id]
        turns: dict[str, int] = Counter(call_id for _, call_id, kind, _ in rows if kind == "turn_measured")
        closed = {call_id for _, call_id, kind, _ in rows if kind == "call_closed"}
        calls = queries.calls(database.writer, CallQuery(1_000))
        assert {call.call_id: call.last_sequence for call in calls} == sequences
        assert {call.call_id: call.turns for call in calls if call.turns} == turns, "rows and events change together"
        assert {call.call_id for call in calls if call.closed} == closed
        requests = database.writer.execute("SELECT call_id FROM requests").fetchall()
        assert {call_id for (call_id,) in requests} == set(sequences) - {call.call_id for call in without_request}
        return database.head, sequences
    finally:
        database.close()


def survivors(chance: random.Random) -> dict[str, Callable[[int], bool]]:
    """What an unsynced write may do: all arrive, none, some in any order, or only the last ones."""
    seed = chance.random()
    return {
        "all": lambda at: True,
        "none": lambda at: False,
        "some": lambda at: random.Random(f"{seed} {at}").random() < 0.5,
        "every other": lambda at: at % 2 == 0,
    }


async def test_what_was_claimed_survives_a_power_failure_at_any_moment(disk: Disk, tmp_path: Path) -> None:
    """The disk keeps what was synced; what was written since the last sync it keeps, loses or reorders as it likes."""
    place = SqlitePlace(tmp_path)
    log = await place.open()
    log._database.writer.execute("PRAGMA wal_autocheckpoint = 20")  # so that checkpoints are in it, too
    begin = len(disk.deeds)
    claimed: list[tuple[int, int]] = []  # after so many deeds, this revision had been answered
    for number in range(3):
        call = Call()
        entries = [call.queued(request=RequestKey("me", str(number), b"f")), call.measured(), call.digit("5" * 3000)]
        for entry in [*entries, call.closed()]:
            revision = await append(log, entry)  # a transaction each
            assert revision is not None
            claimed.append((len(disk.deeds), revision))
    end = len(disk.deeds)
    assert any(deed == "write" and name == "db" for deed, name, _, _ in disk.deeds[begin:]), "a checkpoint"
    await log.close()
    chance = random.Random(7)
    for upto in range(begin, end + 1):
        promised = max((revision for at, revision in claimed if at <= upto), default=0)
        for name, keep in survivors(chance).items():
            folder = tmp_path / f"{upto}-{name}"
            folder.mkdir()
            head, _ = intact(disk.after_power_loss(upto, keep, folder))
            assert head >= promised, f"after {upto} deeds, {name} of the unsynced kept: {head} of {promised}"


async def test_no_answer_comes_before_the_sync(disk: Disk, log: SqliteLog) -> None:
    call = Call()
    for entry in (call.queued(), call.dialing(), call.amended(agent="x"), call.digit(), call.closed()):
        begin = len(disk.deeds)
        at_answer: list[str] = []
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def answered(
            _: int | None, begin: int = begin, seen: list[str] = at_answer, answer: asyncio.Future[None] = answer
        ) -> None:
            seen += [deed for deed, *_ in disk.deeds[begin:]]
            answer.set_result(None)

        log.append(entry, answered)
        await answer
        assert at_answer[-1:] == ["sync"]
        assert "write" in at_answer


# --- damage ---


async def filled(place: SqlitePlace, events: int) -> None:
    log = await place.open()
    call = Call()
    await append_all(log, call.queued(), *(call.digit("7" * 300) for _ in range(events - 1)))


@pytest.mark.parametrize("harm", ["garbage", "cut"])
async def test_a_tail_of_the_wal_that_is_broken_costs_only_itself(
    sqlite: SqlitePlace, tmp_path: Path, harm: str
) -> None:
    await filled(sqlite, 3)
    log = sqlite.opened[0]
    call = Call()
    for entry in (call.queued(), call.digit(), call.digit()):  # a transaction each
        await append(log, entry)
    copies = tmp_path / "copy"
    copies.mkdir()
    wal = sqlite.path.with_name("agenticd.db-wal").read_bytes()
    (copies / "agenticd.db").write_bytes(sqlite.path.read_bytes())
    (copies / "agenticd.db-wal").write_bytes(wal[:-100] + (b"\xaa" * 100 if harm == "garbage" else b""))
    database = open_database(copies / "agenticd.db", NEW)
    assert database.head == 5
    assert database.writer.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


async def test_no_page_that_is_broken_is_taken_for_a_log(sqlite: SqlitePlace) -> None:
    """Whatever page is garbage: the log says so when it opens, is asked or is written; it never makes things up."""
    await filled(sqlite, 200)
    await sqlite.opened[0].close()
    whole = sqlite.path.read_bytes()
    size = 4096
    told = 0
    for page in range(1, len(whole) // size):
        sqlite.path.write_bytes(whole[: page * size] + b"\xa5" * size + whole[(page + 1) * size :])
        try:
            log = await sqlite.open(window=4)
        except Damaged:
            told += 1
            continue
        try:
            got = await log.read(0, Select(), 1000)
            assert [event.revision for event in got.events] == [*range(1, len(got.events) + 1)]
            assert got.upto == len(got.events) == 200
        except StoreDown:
            told += 1
        answer = await append(log, Call().queued())
        assert answer == 201 or (answer is None and "SQLITE_CORRUPT" in log.failure)
        await log.close()
    assert told > 3


@pytest.mark.parametrize("left", [0.2, 0.5, 0.9])
async def test_a_file_that_is_cut_short_is_refused(sqlite: SqlitePlace, left: float) -> None:
    await filled(sqlite, 500)
    await sqlite.opened[0].close()
    data = sqlite.path.read_bytes()
    sqlite.path.write_bytes(data[: int(len(data) * left)])
    with pytest.raises(Damaged):
        await sqlite.open()
    assert sqlite.path.read_bytes()[:16] == data[:16]


# --- clocks ---

KEY = RequestKey("me", "r-1", b"f")
YEARS = 3 * 365 * DAY


async def pass_time(place: SqlitePlace, log: SqliteLog, seconds: float) -> None:
    """Let so much time go by, and the writer look at its clocks if it wants to."""
    place.clock.now += seconds
    for _ in range(2):  # it looks when it has written
        await append_all(log, Call().amended())


async def whole_call(place: SqlitePlace, log: SqliteLog, key: RequestKey = KEY) -> Call:
    call = Call(create_time=place.clock.wall())
    await append_all(log, call.queued(request=key), call.closed(time=place.clock.wall()))
    return call


async def is_kept(log: SqliteLog, call: Call, key: RequestKey = KEY) -> bool:
    """Whether the call and its request id are there, both or neither."""
    known = await log.request(key.identity, key.request_id)
    there = (await log.call(call.call_id))[0] is not None
    assert (known is not None) == there
    if known is not None:
        assert known.call_id == call.call_id
        assert await append(log, Call().queued(request=key)) is None, "the writer, too, knows it"
    return there


@pytest.mark.parametrize("step", [-YEARS, -2 * DAY, YEARS])
@pytest.mark.parametrize("at", [1.0, 5000.0])
async def test_a_wall_clock_that_is_set_and_set_right_forgets_nothing_early(
    sqlite: SqlitePlace, step: float, at: float
) -> None:
    log = await sqlite.open(keep=DAY)
    await pass_time(sqlite, log, at)
    calls = [await whole_call(sqlite, log)]
    keys = [KEY, RequestKey("me", "r-2", b"f"), RequestKey("me", "r-3", b"f")]
    for change, key in zip((step, -step), keys[1:], strict=True):
        sqlite.clock.start += change
        calls.append(await whole_call(sqlite, log, key))
        await pass_time(sqlite, log, 600.0)
    await log.close()
    log = await sqlite.open(keep=DAY)
    await pass_time(sqlite, log, DAY - 1300.0)
    assert [await is_kept(log, call, key) for call, key in zip(calls, keys, strict=True)] == [True] * 3
    assert log.first_revision == 1
    await pass_time(sqlite, log, 2000.0)
    assert [await is_kept(log, call, key) for call, key in zip(calls, keys, strict=True)] == [False] * 3


@pytest.mark.parametrize("step", [-YEARS, YEARS])
async def test_a_machine_that_starts_without_knowing_the_time_forgets_nothing(sqlite: SqlitePlace, step: float) -> None:
    log = await sqlite.open(keep=DAY)
    call = await whole_call(sqlite, log)
    await log.close()
    sqlite.clock.now += 60.0
    sqlite.clock.start += step
    log = await sqlite.open(keep=DAY)
    assert await is_kept(log, call)
    await pass_time(sqlite, log, 200.0)
    sqlite.clock.start -= step  # by NTP
    for _ in range(5):
        await pass_time(sqlite, log, 200.0)
        assert await is_kept(log, call)
    await pass_time(sqlite, log, DAY)
    assert not await is_kept(log, call)


async def test_a_log_that_was_begun_in_1970_is_kept_through_the_next_start(sqlite: SqlitePlace) -> None:
    now = sqlite.clock.start
    sqlite.clock.start = 1000.0
    log = await sqlite.open(keep=DAY)
    first = await whole_call(sqlite, log)
    sqlite.clock.start = now
    second = await whole_call(sqlite, log, RequestKey("me", "r-2", b"f"))
    await log.close()
    log = await sqlite.open(keep=DAY)
    for _ in range(4):
        await pass_time(sqlite, log, 301.0)
        assert await is_kept(log, first)
    assert log._reckoning.now() == pytest.approx(sqlite.clock.wall())
    await pass_time(sqlite, log, DAY)
    assert not await is_kept(log, first)
    assert await log.call(second.call_id) == (None, log.window.head)


async def test_the_time_for_which_the_daemon_was_away_counts_once_the_clock_is_believed(sqlite: SqlitePlace) -> None:
    log = await sqlite.open(keep=DAY)
    old = await whole_call(sqlite, log)
    await pass_time(sqlite, log, 301.0)
    await log.close()
    sqlite.clock.now += 2 * DAY
    log = await sqlite.open(keep=DAY)
    assert await is_kept(log, old), "who knows what the clock shows"
    young_key = RequestKey("me", "r-2", b"f")
    young = await whole_call(sqlite, log, young_key)
    await pass_time(sqlite, log, 301.0)
    assert not await is_kept(log, old)
    assert await is_kept(log, young, young_key)
    await log.close()
    log = await sqlite.open(keep=DAY)
    await pass_time(sqlite, log, DAY - 310.0)
    assert await is_kept(log, young, young_key)
    await pass_time(sqlite, log, 310.0)
    assert not await is_kept(log, young, young_key)


# --- how much is kept ---


async def test_a_log_that_is_too_large_forgets_the_oldest_calls_but_none_of_today(sqlite: SqlitePlace) -> None:
    log = await sqlite.open(keep=None, size=400_000)
    start = sqlite.clock.wall()
    for number in range(20):
        call = Call(create_time=start)
        if number == 15:
            sqlite.clock.now += 2 * DAY
        await append_all(log, call.queued(), *(call.digit("5" * 1000) for _ in range(40)), call.closed())
    first = await log.prune(start + 2 * DAY)
    assert 1 < first < log.window.head
    assert first <= 15 * 42 + 1, "today's calls stay, and their request ids with them"
    with closing(sqlite3.connect(sqlite.path)) as other:
        pages, free = (other.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
        assert (pages - free) * 4096 < 700_000
    assert await log.prune(start + 2 * DAY) == first, "and no more than is needed"
