"""A copy of a log that goes on, and putting it in place: whole, private, with a new name, and nobody dialled for it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from agenticd.adapters.store import Damaged, InUse, NotOurs, SchemaTooNew, SqliteLog
from agenticd.adapters.store.database import NewLog
from agenticd.adapters.store.errors import Occupied, StoreUnusable, Unreadable
from agenticd.adapters.store.restore import restore
from agenticd.core.errors import LogReplaced, StoreDown
from agenticd.core.events import CallState
from agenticd.core.log import Select
from agenticd.service.ports import RequestKey
from agenticd.service.watch import FollowRequest, Watch
from tests.adapters.store.conftest import SqlitePlace
from tests.log_support import Call, append, append_all

NEW = NewLog("another", b"n" * 32, 1_700_000_000.0)


async def backed_up(log: SqliteLog, target: Path) -> tuple[int, int]:
    """Write a backup; its first and its last revision."""
    async with log.backup() as copy:
        data = b""
        while piece := await copy.read(10_000):
            data += piece
        assert len(data) == copy.size
        await asyncio.to_thread(target.write_bytes, data)
        return copy.first_revision, copy.revision


async def test_a_copy_is_whole_while_the_log_goes_on(sqlite: SqlitePlace, tmp_path: Path) -> None:
    log = await sqlite.open()
    call = Call()
    await append_all(log, call.queued(request=RequestKey("me", "r", b"f")), *(call.measured() for _ in range(2000)))
    going = [append(log, call.measured()) for _ in range(500)]
    first, revision = await backed_up(log, tmp_path / "copy.db")
    assert [await answer for answer in going] == [*range(2002, 2502)]
    assert first == 1
    assert 2001 <= revision <= 2501
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("SELECT count(*), max(revision) FROM events").fetchone() == (revision, revision)
        turns, last = copy.execute("SELECT record -> '$.call.turns', last_revision FROM calls").fetchone()
        assert (int(turns), last) == (revision - 1, revision), "calls and events are of one moment"
        assert copy.execute("SELECT count(*) FROM requests").fetchone() == (1,)
        assert copy.execute("SELECT secret, epoch FROM meta").fetchone() == (bytes(32), log.epoch)
    assert log.secret not in (tmp_path / "copy.db").read_bytes()


async def test_nothing_is_left_beside_the_log(sqlite: SqlitePlace, tmp_path: Path) -> None:
    log = await sqlite.open()
    await append_all(log, Call().queued())
    (sqlite.path.parent / "agenticd.db.backup-killed").write_bytes(b"half")
    async with log.backup() as copy:
        assert stat.S_IMODE(os.fstat(copy.descriptor).st_mode) == 0o600
        assert [path.name for path in sqlite.path.parent.glob("*.backup-*")] == ["agenticd.db.backup-killed"]
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(copy.descriptor)
    await log.close()
    await sqlite.open()
    assert not list(sqlite.path.parent.glob("*.backup-*")), "what a daemon did not finish goes at the next start"


async def test_who_goes_away_leaves_nothing_open(sqlite: SqlitePlace) -> None:
    log = await sqlite.open()
    await append_all(log, Call().queued())
    async with log.backup():  # whatever is opened once is open now
        pass

    def is_open() -> int:
        return len(os.listdir("/dev/fd")) + len(list(sqlite.path.parent.glob("*.backup-*")))

    before = is_open()

    async def ask() -> None:
        async with log.backup():
            raise AssertionError("it was left before")

    asking = asyncio.ensure_future(ask())
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    async with asyncio.timeout(20):
        while is_open() != before:  # noqa: ASYNC110 - the copy is made all the same, in its thread, and thrown away
            await asyncio.sleep(0)


async def test_a_copy_that_cannot_be_made_is_store_down(sqlite: SqlitePlace) -> None:
    log = await sqlite.open()
    await append_all(log, Call().queued())
    data = sqlite.path.read_bytes()
    sqlite.path.rename(sqlite.path.with_name("away"))
    with pytest.raises(StoreDown, match="no copy of the event log can be made"):
        async with log.backup():
            pass
    assert data
    assert not list(sqlite.path.parent.glob("*.backup-*"))
    await log.close()
    with pytest.raises(StoreDown):
        async with log.backup():
            pass


# --- putting it in place ---


async def a_backup(sqlite: SqlitePlace, tmp_path: Path) -> tuple[Path, list[Call]]:
    """Of a log with a closed, a talking, a dialled and a queued call; the log is closed."""
    log = await sqlite.open()
    closed, talking, dialled, queued = calls = [Call() for _ in range(4)]
    await append_all(log, closed.queued(), closed.closed())
    await append_all(log, talking.queued(), talking.amended(state=CallState.IN_PROGRESS, carrier_call_id="CA1"))
    await append_all(log, dialled.queued(), dialled.dialing(), dialled.amended(state=CallState.DIALING))
    await append_all(log, queued.queued(request=RequestKey("me", "r", b"f")))
    await append_all(log, queued.digit(), talking.digit())  # of which their rows know nothing
    target = tmp_path / "backup.db"
    await backed_up(log, target)
    await append_all(log, queued.digit())  # what came later is not in it
    await log.close()
    return target, calls


async def test_what_is_restored_is_a_log_of_its_own(sqlite: SqlitePlace, tmp_path: Path) -> None:
    backup, (closed, talking, dialled, queued) = await a_backup(sqlite, tmp_path)
    old = sqlite.opened[0]
    done = restore(backup, sqlite.path, NEW, replace_log=True)
    assert (done.epoch, done.first_revision, done.revision, done.live, done.queued) == ("another", 1, 8, 3, 1)
    assert stat.S_IMODE(sqlite.path.stat().st_mode) == 0o600
    log = await sqlite.open()
    assert (log.epoch, log.secret, log.window.head) == ("another", b"n" * 32, 8)
    live = await log.live()
    assert [record.last_sequence for record in live] == [2, 2, 2]
    states = {record.call_id: record.state for record in live}
    assert states == {
        talking.call_id: CallState.IN_PROGRESS,
        dialled.call_id: CallState.DIALING,
        queued.call_id: CallState.UNCONFIRMED,  # it may have been dialled since: looked for, never dialled
    }
    assert (await log.call(closed.call_id))[0] is not None
    known = await log.request("me", "r")
    assert known is not None
    assert known.call_id == queued.call_id
    watch = Watch(log, sqlite.clock, "n")
    with pytest.raises(LogReplaced):
        await anext(watch.follow(FollowRequest(8, old.epoch)))
    assert done.aside is not None
    sqlite.path = done.aside
    kept = await sqlite.open()
    assert (kept.epoch, kept.window.head) == (old.epoch, 9), "the old log is whole, and can go back"


async def test_a_log_that_is_there_is_not_touched_without_force(sqlite: SqlitePlace, tmp_path: Path) -> None:
    backup, _ = await a_backup(sqlite, tmp_path)
    with pytest.raises(Occupied, match="--force"):
        restore(backup, sqlite.path, NEW, replace_log=False)
    log = await sqlite.open()
    assert log.window.head == 9
    with pytest.raises(InUse, match=f"process {os.getpid()}"):
        restore(backup, sqlite.path, NEW, replace_log=True)
    assert (await append(log, Call().queued())) == 10


async def test_into_an_empty_place_it_needs_no_force(sqlite: SqlitePlace, tmp_path: Path) -> None:
    backup, _ = await a_backup(sqlite, tmp_path)
    sqlite.path = tmp_path / "elsewhere" / "agenticd.db"
    done = restore(backup, sqlite.path, NEW, replace_log=False)
    assert done.aside is None
    assert (await sqlite.open()).window.head == 8
    names = {path.name for path in sqlite.path.parent.iterdir()}
    assert not [name for name in names if "restoring" in name]


@pytest.mark.parametrize("harm", ["cut", "a page", "no database", "another's", "newer", "a hole", "empty", "nothing"])
async def test_a_bad_backup_changes_nothing(sqlite: SqlitePlace, tmp_path: Path, harm: str) -> None:
    backup, _ = await a_backup(sqlite, tmp_path)
    data = backup.read_bytes()
    expected: type[StoreUnusable] = Damaged
    match harm:
        case "cut":
            backup.write_bytes(data[: len(data) // 2])
        case "a page":
            backup.write_bytes(data[: 3 * 4096] + b"\xa5" * 4096 + data[4 * 4096 :])
        case "no database":
            backup.write_bytes(b"My notes. " * 1000)
            expected = NotOurs
        case "another's" | "newer" | "a hole":
            with closing(sqlite3.connect(backup)) as other:
                orders = {
                    "another's": "PRAGMA application_id = 7",
                    "newer": "UPDATE meta SET schema_version = 99",
                    "a hole": "DELETE FROM events WHERE revision = 3",
                }
                other.execute(orders[harm])
                other.commit()
            expected = {"another's": NotOurs, "newer": SchemaTooNew}.get(harm, Damaged)
        case "empty":
            backup.write_bytes(b"")
        case _:
            backup.unlink()
            expected = Unreadable
    with pytest.raises(expected) as caught:
        restore(backup, sqlite.path, NEW, replace_log=True)
    assert str(caught.value).startswith(str(backup))
    if expected is NotOurs:
        assert str(caught.value).endswith("name the file that `agentctl node backup` made")
    for advice in ("choose another path", "move the file away", ": restore a backup"):
        assert advice not in str(caught.value), "that is for a log of the daemon's"
    log = await sqlite.open()
    assert log.window.head == 9
    page = await log.read(0, Select(), 100)
    assert len(page.events) == 9
    assert sorted(path.name for path in sqlite.path.parent.glob("*.restoring*")) == []
