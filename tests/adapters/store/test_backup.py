"""A copy of a log that goes on, and putting it in place: whole, private, with a new name, and nobody dialled for it."""

from __future__ import annotations

import asyncio
import errno
import itertools
import math
import os
import shutil
import sqlite3
import stat
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import NoReturn

import pytest

from agenticd.adapters.store import Damaged, InUse, NotOurs, SchemaTooNew, SqliteLog, Unfinished
from agenticd.adapters.store import backup as backup_module
from agenticd.adapters.store.backup import SPARE
from agenticd.adapters.store.database import PARTS, NewLog, open_database
from agenticd.adapters.store.errors import NoRoom, Occupied, StoreUnusable, Unreadable
from agenticd.adapters.store.restore import restore
from agenticd.adapters.store.retention import used_bytes
from agenticd.core.errors import LogReplaced, StoreDown
from agenticd.core.events import CallState
from agenticd.core.log import Select
from agenticd.service.ports import RequestKey
from agenticd.service.watch import FollowRequest, Watch
from tests.adapters.store.conftest import SqlitePlace
from tests.adapters.store.restorer import NEW, Stepping
from tests.log_support import Call, append, append_all


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


async def test_a_copy_for_which_there_is_no_room_is_refused_before_it_takes_the_logs(
    sqlite: SqlitePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await sqlite.open()
    await append_all(log, Call().queued())
    used = used_bytes(log._database.reader)
    free = used + SPARE
    monkeypatch.setattr(backup_module, "_free", lambda folder: free)
    async with log.backup() as copy:
        assert copy.size <= used
    free -= 1
    words = f"{math.ceil((free + 1) / 1e6)} MB of room, and {math.floor(free / 1e6)} MB are free"
    with pytest.raises(StoreDown, match=words):
        async with log.backup():
            pass
    assert not list(sqlite.path.parent.glob("*.backup-*"))


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


async def a_crashed_log(sqlite: SqlitePlace, tmp_path: Path) -> tuple[Path, Path, tuple[str, int]]:
    """A backup; a log with newer events that only its WAL has; that log's epoch and newest revision."""
    backup, _ = await a_backup(sqlite, tmp_path)
    log = await sqlite.open()
    await append_all(log, Call().queued())
    return backup, crashed(sqlite, tmp_path / "crashed"), (log.epoch, 10)


def interrupted() -> NoReturn:
    raise KeyboardInterrupt


def broken() -> NoReturn:
    raise OSError(errno.EIO, "Input/output error")


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


def crashed(sqlite: SqlitePlace, folder: Path) -> Path:
    """The open log's files as they would be found if the daemon were killed now, its newest events in the WAL."""
    shutil.copytree(sqlite.path.parent, folder)
    path = folder / sqlite.path.name
    assert Path(f"{path}-wal").stat().st_size
    return path


def what_is_found(path: Path) -> tuple[str, int]:
    """By the next start: the epoch's name and the newest revision. A log that is not whole is none."""
    database = open_database(path, NewLog("begun", b"b" * 32, 5.0))
    with closing(database):
        assert database.writer.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.writer.execute("SELECT count(*) FROM events").fetchone() == (database.head,)
        return database.epoch, database.head


def check_what_is_left(backup: Path, path: Path, old: tuple[str, int]) -> str:
    """The old log, the new one with the old one beside it, or a refusal to start with a way out. Says which."""
    aside = [file for file in path.parent.glob("*.replaced-*") if file.suffix.removeprefix(".replaced-").isdigit()]
    try:
        found = what_is_found(path)
    except Unfinished:
        assert not path.exists()
        (kept,) = aside
        copied = path.with_name("elsewhere")
        copied.mkdir()
        for part in PARTS[:2]:
            if Path(f"{kept}{part}").exists():
                shutil.copy(f"{kept}{part}", copied / f"old{part}")
        assert what_is_found(copied / "old") == old
        restore(backup, path, NEW, replace_log=False)
        assert what_is_found(path) == (NEW.epoch, 8)
        return "unfinished"
    assert not list(path.parent.glob("*.restoring*"))
    if found == old:
        assert not aside
        return "old"
    assert found == (NEW.epoch, 8)
    (kept,) = aside
    assert what_is_found(kept) == old
    return "new"


async def test_a_restore_that_is_killed_at_any_step_loses_nothing(sqlite: SqlitePlace, tmp_path: Path) -> None:
    backup, path, old = await a_crashed_log(sqlite, tmp_path)
    folder = tmp_path / "killed"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.adapters.store.restorer", str(backup), str(path), str(folder)
    )
    assert await child.wait() == 0
    copies = sorted(folder.iterdir(), key=lambda copy: int(copy.name))
    found = [check_what_is_left(backup, copy / path.name, old) for copy in copies]
    assert [name for name, _ in itertools.groupby(found)] == ["old", "unfinished", "new"]


@pytest.mark.parametrize("behind", [False, True], ids=["before", "behind"])
async def test_a_restore_that_fails_at_any_step_leaves_the_old_log_or_the_new_one(
    sqlite: SqlitePlace, tmp_path: Path, behind: bool
) -> None:
    """Ctrl-C, whenever it comes: what was moved aside is moved back."""
    backup, path, old = await a_crashed_log(sqlite, tmp_path)
    found = []
    for number in itertools.count():
        copy = tmp_path / "failed" / str(number)
        shutil.copytree(path.parent, copy)
        with Stepping(number, interrupted, behind=behind) as steps, suppress(KeyboardInterrupt):
            restore(backup, copy / path.name, NEW, replace_log=True)
        found.append(check_what_is_left(backup, copy / path.name, old))
        if not steps.stopped:
            break
    assert [name for name, _ in itertools.groupby(found)] == ["old", "new"]


async def test_a_restore_on_a_disk_that_dies_leaves_no_empty_log(sqlite: SqlitePlace, tmp_path: Path) -> None:
    """From some step on nothing works any more, the moving back neither."""
    backup, path, old = await a_crashed_log(sqlite, tmp_path)
    found = []
    for number in itertools.count():
        copy = tmp_path / "died" / str(number)
        shutil.copytree(path.parent, copy)
        with Stepping(number, broken, always=True) as steps, suppress(NoRoom):
            restore(backup, copy / path.name, NEW, replace_log=True)
        found.append(check_what_is_left(backup, copy / path.name, old))
        if not steps.stopped:
            break
    assert [name for name, _ in itertools.groupby(found)] == ["old", "unfinished", "new"]


async def test_a_restore_that_was_broken_off_is_no_empty_log(sqlite: SqlitePlace, tmp_path: Path) -> None:
    backup, _ = await a_backup(sqlite, tmp_path)
    left = sqlite.path.with_name("agenticd.db.restoring")
    sqlite.path.rename(left)
    bad = tmp_path / "bad"
    bad.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(Unfinished, match="run `agenticd restore` again") as caught:
            await sqlite.open()
        assert str(caught.value).startswith(f"{sqlite.path}: a restore was broken off (agenticd.db.restoring is there")
        assert not sqlite.path.exists()
        with pytest.raises(Damaged):  # nor after another restore that came to nothing
            restore(bad, sqlite.path, NEW, replace_log=False)
    await asyncio.to_thread(Path(f"{sqlite.path}-wal").write_bytes, b"another log's")
    restore(backup, sqlite.path, NEW, replace_log=False)
    assert (await sqlite.open()).window.head == 8


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
