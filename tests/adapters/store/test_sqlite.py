"""What is SQLite's own: the file, its modes, its lock, its schema, and what happens when it fails."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from agenticd.adapters.store import (
    Config,
    Damaged,
    InUse,
    NotAccessible,
    NotOurs,
    SchemaTooNew,
    SqliteLog,
    StoreUnusable,
)
from agenticd.adapters.store import writer as writer_module
from agenticd.adapters.store.database import Compared, NewLog, connect, migrate, open_database
from agenticd.adapters.store.retention import PIECE, Limits, prune_piece
from agenticd.adapters.store.schema import MIGRATIONS
from agenticd.core.errors import StoreDown
from agenticd.core.events import DigitReceived, Event, Warning
from agenticd.core.log import Select
from agenticd.service.ports import RequestKey
from tests.adapters.store.conftest import DAY, SqlitePlace
from tests.log_support import Call, JsonCodec, ManualClock, append, append_all

NEW = NewLog("epoch", b"s" * 32, 0.0)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def refused(place: SqlitePlace) -> StoreUnusable:
    with pytest.raises(StoreUnusable) as caught:
        await place.open()
    assert str(caught.value).startswith(str(place.path))
    return caught.value


# --- the file ---


async def test_nobody_else_can_read_what_was_said(sqlite: SqlitePlace) -> None:
    before = os.umask(0)
    try:
        log = await sqlite.open()
        await append_all(log, Call().queued())
    finally:
        os.umask(before)
    files = sorted(sqlite.path.parent.iterdir())
    assert [file.name for file in files] == [
        "agenticd.db",
        "agenticd.db-shm",
        "agenticd.db-wal",
        "agenticd.db.lock",
    ]
    assert {file.name: mode(file) for file in files} == {file.name: 0o600 for file in files}
    assert mode(sqlite.path.parent) == 0o700


async def test_every_commit_is_on_the_disk_before_it_is_answered(sqlite: SqlitePlace) -> None:
    log = await sqlite.open()
    writer = log._database.writer
    assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert writer.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"


async def test_reading_cannot_write(sqlite: SqlitePlace) -> None:
    log = await sqlite.open()
    with pytest.raises(sqlite3.OperationalError):
        log._database.reader.execute("DELETE FROM events")


async def test_a_second_daemon_is_refused_and_told_who_is_there(sqlite: SqlitePlace, tmp_path: Path) -> None:
    first = await sqlite.open()
    error = await refused(sqlite)
    assert isinstance(error, InUse)
    assert f"process {os.getpid()}" in error.problem
    link = tmp_path / "link.db"
    link.symlink_to(sqlite.path)
    with pytest.raises(InUse):
        await SqliteLog.open(Config(link), JsonCodec(), ManualClock())
    await first.close()
    await sqlite.open()


async def test_a_file_that_is_no_database_is_refused_and_left_alone(sqlite: SqlitePlace) -> None:
    sqlite.path.parent.mkdir()
    sqlite.path.write_bytes(b"My notes. " * 1000)
    error = await refused(sqlite)
    assert isinstance(error, NotOurs)
    assert sqlite.path.read_bytes() == b"My notes. " * 1000


async def test_a_database_of_somebody_else_is_refused_and_left_alone(sqlite: SqlitePlace) -> None:
    sqlite.path.parent.mkdir()
    with closing(sqlite3.connect(sqlite.path)) as other:
        other.execute("CREATE TABLE meta (mine)")
        other.commit()
    before = sqlite.path.read_bytes()
    error = await refused(sqlite)
    assert isinstance(error, NotOurs)
    assert sqlite.path.read_bytes() == before


async def test_an_empty_file_becomes_a_log(sqlite: SqlitePlace) -> None:
    sqlite.path.parent.mkdir()
    sqlite.path.touch()
    log = await sqlite.open()
    assert log.first_revision == 1


@pytest.mark.parametrize("how", ["a file in the way", "a folder in its place", "a name too long"])
async def test_a_place_that_cannot_be_written_is_refused(sqlite: SqlitePlace, tmp_path: Path, how: str) -> None:
    match how:
        case "a file in the way":
            sqlite.path.parent.write_text("")
        case "a folder in its place":
            sqlite.path.mkdir(parents=True)
        case _:
            sqlite.path = tmp_path / ("x" * 300)
    assert isinstance(await refused(sqlite), NotAccessible)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_without_rights_is_refused(sqlite: SqlitePlace) -> None:
    sqlite.path.parent.mkdir(mode=0o500)
    error = await refused(sqlite)
    assert isinstance(error, NotAccessible)
    assert "must be able to write" in error.problem


async def test_a_file_that_is_cut_off_is_refused(sqlite: SqlitePlace) -> None:
    log = await sqlite.open()
    call = Call()
    await append_all(log, call.queued(), *(call.digit() for _ in range(500)))
    await log.close()
    os.truncate(sqlite.path, 8192)
    assert isinstance(await refused(sqlite), Damaged)


async def test_a_log_whose_beginning_is_missing_is_refused(sqlite: SqlitePlace) -> None:
    log = await sqlite.open()
    call = Call()
    await append_all(log, call.queued(), call.digit())
    await log.close()
    with closing(sqlite3.connect(sqlite.path)) as other:
        other.execute("DELETE FROM events WHERE revision = 1")
        other.commit()
    error = await refused(sqlite)
    assert isinstance(error, Damaged)
    assert "begin at 2" in error.problem


async def test_another_program_that_holds_the_file_delays_but_loses_nothing(sqlite: SqlitePlace) -> None:
    log = await sqlite.open(waiting=5)
    call = Call()
    await append_all(log, call.queued())
    with closing(sqlite3.connect(sqlite.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answers = [append(log, call.digit())]
        while log._writer.waiting:  # noqa: ASYNC110 - until the writer stands before the lock
            await asyncio.sleep(0)
        answers += [append(log, call.digit()) for _ in range(4)]
        assert not log.full
        answers += [append(log, call.digit()) for _ in range(20)]
        assert log.full
        other.execute("COMMIT")
    assert [await answer for answer in answers] == [*range(2, 27)]
    assert not log.full


async def test_a_writer_that_stands_still_shows_for_how_long(sqlite: SqlitePlace) -> None:
    log = await sqlite.open(keep=DAY)
    call = Call()
    await append_all(log, call.queued())
    while log._writer.busy_since is not None:  # noqa: ASYNC110 - it answers just before it rests
        await asyncio.sleep(0)
    sqlite.clock.now += 60  # nothing to do is not standing still
    assert log.busy_for() == 0.0
    with closing(sqlite3.connect(sqlite.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = append(log, call.digit())
        while log._writer.waiting or log._writer.busy_since is None:  # noqa: ASYNC110 - until it stands before the lock
            await asyncio.sleep(0)
        sqlite.clock.now += 7
        assert log.busy_for() == 7.0
        other.execute("COMMIT")
    await answer
    await append_all(log, call.digit(), call.digit())
    await log.close()
    assert log.busy_for() == 0.0


# --- the schema ---


async def test_a_newer_schema_is_refused_and_left_alone(sqlite: SqlitePlace) -> None:
    await (await sqlite.open()).close()
    with closing(sqlite3.connect(sqlite.path)) as other:
        other.execute("UPDATE meta SET schema_version = 999")
        other.commit()
    before = sqlite.path.read_bytes()
    error = await refused(sqlite)
    assert isinstance(error, SchemaTooNew)
    assert (error.found, error.known) == (999, len(MIGRATIONS))
    assert "restore a backup" in error.problem
    assert sqlite.path.read_bytes() == before


def tables(path: Path, migrations: Sequence[Sequence[str]]) -> set[str]:
    database = open_database(path, NEW, migrations)
    try:
        return {name for (name,) in database.writer.execute("SELECT name FROM sqlite_master")}
    finally:
        database.close()


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT schema_version FROM meta").fetchone()[0])


def test_an_older_file_is_brought_up_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    steps = (*MIGRATIONS, ("CREATE TABLE second (a)",), ("ALTER TABLE second RENAME TO third",))
    assert "third" not in tables(path, MIGRATIONS)
    assert version(path) == len(MIGRATIONS)
    assert "third" in tables(path, steps)
    assert version(path) == len(steps)
    assert "third" in tables(path, steps)


@pytest.mark.parametrize(
    ("now", "begin"),
    [(12.0, 9.0), (8.0, 8.0), (4.0, 9.0)],
    ids=["as it should be", "the event's clock was ahead", "this clock is behind: the file was made at 5"],
)
def test_a_file_that_knows_no_time_of_its_own_begins_with_that_of_its_newest_event(
    tmp_path: Path, now: float, begin: float
) -> None:
    path = tmp_path / "a.db"
    with closing(connect(path, "rwc")) as old:
        migrate(path, old, NewLog("epoch", b"s" * 32, 5.0), MIGRATIONS[:1])
        for revision, time in ((1, 7.0), (2, 9.0)):
            old.execute("INSERT INTO events VALUES (?, 'c', 'k', ?, '')", (revision, time))
    database = open_database(path, NewLog("epoch", b"s" * 32, now))
    assert database.compared == Compared(begin, begin, 2)
    database.close()


def test_a_step_that_fails_changes_nothing_and_can_be_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    tables(path, MIGRATIONS)
    broken = (*MIGRATIONS, ("CREATE TABLE second (a)", "CREATE TABLE meta (a)"))
    with pytest.raises(Damaged):
        tables(path, broken)
    assert version(path) == len(MIGRATIONS)
    assert "second" not in tables(path, MIGRATIONS)
    assert "second" in tables(path, (*MIGRATIONS, ("CREATE TABLE second (a)",)))


# --- retention ---


def test_events_cannot_be_kept_for_less_than_a_day(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1d"):
        Config(tmp_path / "a.db", keep_seconds=DAY - 1)


async def test_an_event_that_changes_only_the_sequence_writes_no_row(sqlite: SqlitePlace) -> None:
    log = await sqlite.open()
    call = Call()
    await append_all(log, call.queued())
    for entry, written in ((call.digit(), 1), (call.measured(), 3), (call.digit(), 3), (call.closed(), 5)):
        await append_all(log, entry)
        rows = log._database.reader.execute("SELECT last_revision FROM calls").fetchall()
        assert rows == [(written,)]


async def test_one_piece_of_forgetting_is_small(sqlite: SqlitePlace) -> None:
    log = await sqlite.open(keep=DAY)
    calls = [Call() for _ in range(PIECE)]
    entries = [entry for call in calls for entry in (call.queued(), call.closed())]
    request = RequestKey("me", "r", b"")
    await append_all(log, replace(entries[0], request=request), *entries[1:])
    await log.close()
    database = open_database(sqlite.path, NEW)
    late = Call().record.create_time + 9 * DAY
    pieces = [prune_piece(database.writer, first, late, Limits(DAY)) for first in (1, 1 + PIECE, 1 + 2 * PIECE)]
    left = {
        table: database.writer.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("events", "calls", "briefs", "requests")
    }
    database.close()
    assert pieces == [(1 + PIECE, True), (1 + 2 * PIECE, True), (1 + 2 * PIECE, False)]
    assert left == {"events": 0, "calls": 0, "briefs": 0, "requests": 0}


# --- when it fails ---


async def test_a_file_that_may_not_grow_is_written_again_when_it_may(sqlite: SqlitePlace) -> None:
    """A quota, as SQLite itself knows one. Other faults, below SQLite: test_faults.py."""
    log = await sqlite.open()
    writer = log._database.writer
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages + 10}")
    call = Call()
    answers = [append(log, call.queued())]
    await answers[0]
    troubled = asyncio.Event()
    log.on_trouble(troubled.set)
    while not troubled.is_set():
        answers.append(append(log, call.digit("5" * 500)))
        await asyncio.sleep(0)
    assert log.trouble == "database or disk is full (SQLITE_FULL)"
    assert log.full
    kept = sum(answer.done() for answer in answers)
    assert log.window.head == kept < len(answers)
    troubled.clear()
    writer.execute("PRAGMA max_page_count = 100000")
    await troubled.wait()
    assert [await answer for answer in answers] == [*range(1, len(answers) + 1)]
    assert (log.trouble, log.full) == ("", False)


async def test_a_file_that_cannot_be_read_is_store_down_and_not_an_sqlite_error(sqlite: SqlitePlace) -> None:
    log = await sqlite.open()
    log._database.reader.close()
    with pytest.raises(StoreDown):
        await log.call(Call().call_id)


class Narrow(JsonCodec):
    """Has no form for what `odd` says."""

    def __init__(self, odd: Callable[[Event], Exception | None]) -> None:
        self.odd = odd

    def encode(self, event: Event, revision: int) -> bytes:
        if (error := self.odd(event)) is not None:
            raise error
        return super().encode(event, revision)


@pytest.mark.parametrize("error", [ValueError("out of range"), OverflowError("infinity")])
async def test_an_event_that_has_no_form_is_a_warning_in_its_place_and_the_call_goes_on(
    tmp_path: Path, error: Exception
) -> None:
    codec = Narrow(lambda event: error if event.payload == DigitReceived("odd") else None)
    log = await SqliteLog.open(Config(tmp_path / "a.db"), codec, ManualClock())
    odd, other = Call(), Call()
    entries = [odd.queued(), other.queued(), odd.digit("odd"), other.digit(), odd.digit(), odd.closed(), other.closed()]
    assert await append_all(log, *entries) == [1, 2, 3, 4, 5, 6, 7]
    page = await log.read(0, Select(frozenset({odd.call_id})), 100)
    assert [logged.kind for logged in page.events] == ["call_queued", "warning", "digit_received", "call_closed"]
    events = [codec.decode(logged.data)[0] for logged in page.events]
    assert [event.call_sequence for event in events] == [1, 2, 3, 4]
    text = "an event of the kind digit_received was left out: it has no form in the contract"
    assert events[1].payload == Warning("EVENT_UNREPRESENTABLE", text)
    assert log.window.read(2, Select(), 1).events[0].kind == "warning", "nor do followers get what the file has not"
    assert await log.live() == []
    await log.close()


@pytest.mark.parametrize("kind", ["call_queued", "call_closed"])
async def test_a_call_without_its_first_or_last_event_is_refused_and_no_other(tmp_path: Path, kind: str) -> None:
    odd, other = Call(), Call()
    codec = Narrow(lambda event: ValueError() if (event.call_id, event.kind) == (odd.call_id, kind) else None)
    log = await SqliteLog.open(Config(tmp_path / "a.db"), codec, ManualClock())
    begun = odd.record
    entries = [odd.queued(), other.queued(), odd.closed(), other.closed()]
    answers = [append(log, entry) for entry in entries]
    if kind == "call_queued":
        assert [await answer for answer in answers] == [None, 1, None, 2]
        assert await append(log, odd.digit()) is None, "nor later: its events have no gap"
        assert await log.live() == []
    else:
        assert [await answer for answer in answers] == [1, 2, None, 3]
        assert await log.live() == [replace(begun, last_sequence=1)], "the next start looks at it"
    assert not log.failed.is_set()
    await log.close()


async def test_an_event_at_a_time_that_has_no_form_is_refused_since_no_warning_can_stand_there(tmp_path: Path) -> None:
    codec = Narrow(lambda event: OverflowError() if event.time == float("inf") else None)
    log = await SqliteLog.open(Config(tmp_path / "a.db"), codec, ManualClock())
    call = Call()
    entries = [call.queued(), call.entry(DigitReceived("5"), time=float("inf")), call.digit()]
    answers = [append(log, entry) for entry in entries]
    assert [await answer for answer in answers] == [1, None, None]
    assert not log.failed.is_set()
    await log.close()


async def test_refused_calls_are_not_remembered_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "REFUSED", 2)
    codec = Narrow(lambda event: ValueError() if event.kind == "call_queued" else None)
    log = await SqliteLog.open(Config(tmp_path / "a.db"), codec, ManualClock())
    calls = [Call() for _ in range(5)]
    for call in calls:
        assert await append(log, call.queued()) is None
    assert list(log._writer._refused) == [call.call_id for call in calls[3:]]
    await log.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_defect_in_the_writer_takes_the_log_down_and_nobody_waits_for_ever(
    tmp_path: Path,
) -> None:
    class Broken(JsonCodec):
        def encode(self, event: Event, revision: int) -> bytes:
            if revision == 2:
                raise AssertionError("a defect")
            return super().encode(event, revision)

    log = await SqliteLog.open(Config(tmp_path / "a.db"), Broken(), ManualClock())
    call = Call()
    answers = [append(log, call.queued())]
    await answers[0]
    answers += [append(log, call.digit()) for _ in range(5)]
    assert [await answer for answer in answers] == [1, None, None, None, None, None]
    await log.failed.wait()
    assert "defect" in log.failure
    await log.close()
