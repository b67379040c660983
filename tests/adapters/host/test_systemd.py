"""systemd hears how the service does, hands over its sockets, and gets no sign of life from a sick one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pytest
from structlog.testing import capture_logs

from agenticd.adapters.host.systemd import (
    Notifier,
    inherited_sockets,
    is_journal,
    run_extension,
    run_watchdog,
    watchdog_interval,
)


def manager(address: str) -> socket.socket:
    """The end that systemd would have."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(address)
    sock.settimeout(5)
    return sock


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_what_is_said(tmp_path: Path, abstract: bool):
    path = f"@agenticd-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    environ = {"NOTIFY_SOCKET": path, "HOME": "/"}
    with manager("\0" + path[1:] if abstract else path) as heard:
        notifier = Notifier(environ)
        assert notifier.active
        notifier.ready("12 calls")
        assert heard.recv(1000) == b"READY=1\nSTATUS=12 calls"
        notifier.status("two\nlines  are one\nSTOPPING=1")
        assert heard.recv(1000) == b"STATUS=two lines are one STOPPING=1"
        notifier.watchdog()
        assert heard.recv(1000) == b"WATCHDOG=1"
        notifier.extend_timeout(10.5)
        assert heard.recv(1000) == b"EXTEND_TIMEOUT_USEC=10500000"
        notifier.stopping()
        assert heard.recv(1000) == b"STOPPING=1"
        notifier.close()
        notifier.ready()
    assert environ == {"HOME": "/"}  # a child does not inherit it


def test_remarks_stand_in_front_of_the_status_until_they_are_taken_back(tmp_path: Path):
    path = str(tmp_path / "notify")
    with manager(path) as heard:
        notifier = Notifier({"NOTIFY_SOCKET": path})
        notifier.ready("1 calls")
        notifier.remark("reload", "refused")
        notifier.remark("stop", "stopping")
        notifier.remark("reload", "refused again")
        notifier.status("2 calls")
        notifier.ready()
        notifier.remark("reload", "")
        notifier.remark("stop", "")
        said = [heard.recv(1000).decode() for _ in range(8)]
        notifier.close()
    assert said == [
        "READY=1\nSTATUS=1 calls",
        "STATUS=refused; 1 calls",
        "STATUS=refused; stopping; 1 calls",
        "STATUS=refused again; stopping; 1 calls",
        "STATUS=refused again; stopping; 2 calls",
        "READY=1",
        "STATUS=stopping; 2 calls",
        "STATUS=2 calls",
    ]


def test_a_remark_is_one_line_that_systemd_takes_whatever_is_in_it(tmp_path: Path):
    path = str(tmp_path / "notify")
    with manager(path) as heard:
        notifier = Notifier({"NOTIFY_SOCKET": path})
        notifier.remark("reload", "a\nSTOPPING=1 \x1b[31m\udcff \u202e")
        assert heard.recv(1000).decode() == r"STATUS=a STOPPING=1 \x1b[31m\udcff \u202e"
        notifier.remark("reload", "\udcff" * 10_000)
        assert len(heard.recv(10_000)) < 4096  # more is thrown away
        notifier.close()


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_systemd_nothing_is_said(environ: dict[str, str]):
    notifier = Notifier(environ)
    assert not notifier.active
    notifier.ready()
    notifier.close()


def test_a_systemd_that_is_gone_or_does_not_read_harms_nobody(tmp_path: Path):
    path = str(tmp_path / "notify")
    notifier = Notifier({"NOTIFY_SOCKET": path})
    notifier.ready()
    with manager(path):
        for _ in range(10_000):
            notifier.watchdog()
    notifier.close()


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "20000000"}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "42"}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "43"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time(environ: dict[str, str], interval: float | None):
    assert watchdog_interval(environ, 42) == interval


class Enough(Exception):
    """Ends a loop that has no end."""


async def test_a_sick_service_gives_no_sign_of_life(tmp_path: Path):
    path = str(tmp_path / "notify")
    answers = [None, "the log writer stands still", "the log writer still stands", None]

    def ailment() -> str | None:
        if not answers:
            raise Enough
        return answers.pop(0)

    with manager(path) as heard, capture_logs() as logs:
        notifier = Notifier({"NOTIFY_SOCKET": path})
        with pytest.raises(Enough):
            await run_watchdog(notifier, 0.0, ailment)
        notifier.close()
        heard.setblocking(False)
        assert [heard.recv(100) for _ in range(4)] == [
            b"WATCHDOG=1",
            b"STATUS=no sign of life for the watchdog: the log writer stands still",
            b"WATCHDOG=1",
            b"STATUS=",
        ]
        with pytest.raises(BlockingIOError):
            heard.recv(100)
    assert [(line["log_level"], line.get("why")) for line in logs] == [
        ("error", "the log writer stands still"),
        ("warning", None),
    ]


async def test_one_bad_moment_does_not_cost_a_whole_interval(monkeypatch: pytest.MonkeyPatch):
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", nap)
    answers = [None, "the event loop is 1.1 s late", None]

    def ailment() -> str | None:
        if not answers:
            raise Enough
        return answers.pop(0)

    with capture_logs(), pytest.raises(Enough):
        await run_watchdog(Notifier({}), 10.0, ailment)
    # Asked again after a whole interval, the answer would come when WatchdogSec is over.
    assert naps == [10.0, 1.0, 10.0]


async def test_a_stop_that_takes_long_asks_for_more_time_before_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = str(tmp_path / "notify")
    waited = 0.0

    async def nap(seconds: float) -> None:
        nonlocal waited
        waited += seconds
        if waited > 60:
            raise Enough

    monkeypatch.setattr(asyncio, "sleep", nap)
    with manager(path) as heard:
        notifier = Notifier({"NOTIFY_SOCKET": path})
        with pytest.raises(Enough):
            await run_extension(notifier)
        notifier.close()
        heard.setblocking(False)
        extensions = []
        with contextlib.suppress(BlockingIOError):
            while True:
                name, _, value = heard.recv(100).decode().partition("=")
                assert name == "EXTEND_TIMEOUT_USEC"
                extensions.append(int(value) / 1e6)
    assert len(extensions) >= 2
    # Two of them in a row may be lost, and it still lives.
    assert waited / len(extensions) * 3 <= extensions[0]


def test_a_reload_says_when_it_began(tmp_path: Path):
    path = str(tmp_path / "notify")
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    with manager(path) as heard:
        notifier = Notifier({"NOTIFY_SOCKET": path})
        notifier.reloading()
        said = heard.recv(1000).decode().splitlines()
        notifier.close()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert said[0] == "RELOADING=1"
    name, _, value = said[1].partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(value) <= after


async def test_the_watchdog_ends_when_it_is_cancelled():
    task = asyncio.ensure_future(run_watchdog(Notifier({}), 60.0, lambda: None))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


CHILD = textwrap.dedent(
    """
    import os, socket, sys
    from agenticd.adapters.host.systemd import inherited_sockets
    environ = dict(os.environ, LISTEN_PID=str(os.getpid()))
    found = inherited_sockets(environ, os.getpid())
    print(sorted(found), sorted(name for name in environ if name.startswith("LISTEN")))
    for name in sorted(found):
        sock = found[name]
        inheritable = os.get_inheritable(sock.fileno())
        print(name, sock.family.name, sock.getsockname()[1], sock.getblocking(), inheritable)
    """
)


def adopt(given: Sequence[socket.socket | IO[str]], names: str) -> str:
    """What a child finds that was started with these descriptors from descriptor 3 on, as systemd does."""
    code = textwrap.dedent(
        f"""
        import os, sys
        given = {[each.fileno() for each in given]}
        moved = [os.dup2(fd, 100 + index) for index, fd in enumerate(given)]
        for index, fd in enumerate(moved):
            os.dup2(fd, 3 + index, inheritable=True)
            os.close(fd)
        os.execv(sys.executable, [sys.executable, "-c", {CHILD!r}])
        """
    )
    environ = dict(os.environ, LISTEN_FDS=str(len(given)), LISTEN_FDNAMES=names)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environ,
        pass_fds=[each.fileno() for each in given],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    return done.stdout or done.stderr


def test_inherited_sockets_are_found_by_name_and_kept_from_children():
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        lines = adopt([one, two], "http:admin").splitlines()
        assert lines == [
            "['admin', 'http'] []",
            f"admin AF_INET {two.getsockname()[1]} False False",
            f"http AF_INET {one.getsockname()[1]} False False",
        ]


def test_two_sockets_of_one_name_are_an_error_that_says_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        assert 'has "http" twice; each needs a FileDescriptorName=' in adopt([one, two], "http:http")


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "41"},
        {"LISTEN_FDS": "x", "LISTEN_PID": "42"},
        {"LISTEN_FDS": "0", "LISTEN_PID": "42"},
    ],
)
def test_what_was_meant_for_another_process_is_not_taken(environ: dict[str, str]):
    assert inherited_sockets(environ, 42) == {}
    assert environ == {}


def test_what_is_no_socket_is_named(tmp_path: Path):
    with (tmp_path / "file").open("w") as file:
        assert 'LISTEN_FDS: "http" is no socket' in adopt([file], "http")


def test_the_journal_is_known_by_device_and_inode(tmp_path: Path):
    with (tmp_path / "journal").open("w") as journal, (tmp_path / "other").open("w") as other:
        status = os.fstat(journal.fileno())
        environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert is_journal(environ, journal.fileno())
        assert not is_journal(environ, other.fileno())
        assert not is_journal({}, journal.fileno())
        gone = os.dup(other.fileno())
        os.close(gone)
        assert not is_journal(environ, gone)
