"""What systemd and a service say to each other: readiness, watchdog, inherited sockets, the journal.

The protocols of sd_notify(3), sd_listen_fds(3) and $JOURNAL_STREAM, without libsystemd. The environment is an
argument: config.py is the only one to read it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping, MutableMapping

import structlog
from structlog.typing import FilteringBoundLogger

from agenticd.core.errors import InvalidArgument

_FIRST_FD = 3
_LOOKS = 10
"""How often a sick service is looked at in the time between two signs of life."""
_EXTENSION = 30.0
"""Seconds for which a stop is extended; asked for anew three times in each."""
_REMARK_LENGTH = 600
"""Characters of a remark. systemd throws a datagram of more than 4096 bytes away."""

_log: FilteringBoundLogger = structlog.get_logger()


class Notifier:
    """Tells systemd how the service is doing. Without a systemd that asked for it, says nothing to nobody."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._status = ""
        self._remarks: dict[str, str] = {}
        # Taken out: a child must not speak for us.
        address = environ.pop("NOTIFY_SOCKET", "")
        self._socket: socket.socket | None = None
        if address[:1] in ("/", "@"):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
            self._address = "\0" + address[1:] if address.startswith("@") else address

    @property
    def active(self) -> bool:
        """Whether anybody listens."""
        return self._socket is not None

    def ready(self, status: str = "") -> None:
        """Start-up is over: what is ordered after this unit may start."""
        self._send("READY=1", self._said(status) if status else "")

    def status(self, text: str) -> None:
        """One line for `systemctl status`, behind the remarks."""
        self._send(self._said(text))

    def remark(self, topic: str, text: str) -> None:
        """What stands in front of the status from now on, until the topic has another text, or none."""
        self._remarks[topic] = text if len(text) <= _REMARK_LENGTH else f"{text[:_REMARK_LENGTH]}\u2026"
        self._send(self._said(self._status))

    def reloading(self) -> None:
        """The configuration is read again; `ready` says when that is over."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={microseconds}")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1")

    def extend_timeout(self, seconds: float) -> None:
        """Start or stop takes this much longer from now."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    def watchdog(self) -> None:
        """Alive."""
        self._send("WATCHDOG=1")

    def close(self) -> None:
        """Say no more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _said(self, status: str) -> str:
        self._status = status
        return f"STATUS={_line('; '.join(filter(None, (*self._remarks.values(), status))))}"

    def _send(self, *lines: str) -> None:
        if self._socket is None:
            return
        # A datagram that cannot be sent now is not worth waiting for: the next one says more.
        with contextlib.suppress(OSError):
            self._socket.sendto("\n".join(line for line in lines if line).encode(), self._address)


def watchdog_interval(environ: Mapping[str, str], pid: int) -> float | None:
    """How often systemd wants a sign of life: half of WatchdogSec, in seconds. None: it does not want any."""
    wanted = environ.get("WATCHDOG_USEC", "")
    if not wanted.isdigit() or int(wanted) == 0 or environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    return int(wanted) / 1_000_000 / 2


async def run_watchdog(notifier: Notifier, interval: float, ailment: Callable[[], str | None]) -> None:
    """Send signs of life from this loop while `ailment` says None, until cancelled.

    A thread that sends them would prove nothing. While something is wrong none is sent, and after WatchdogSec
    systemd starts the service anew; the reason is in the log by then. It is asked again soon: one bad moment, at
    the wrong moment, must not cost live calls.
    """
    sick = False
    while True:
        wrong = ailment()
        if wrong is None:
            notifier.watchdog()
        if wrong is not None and not sick:
            notifier.remark("watchdog", f"no sign of life for the watchdog: {wrong}")
            _log.error("no sign of life for the watchdog", why=wrong)
        elif wrong is None and sick:
            _log.warning("signs of life for the watchdog again")
            notifier.remark("watchdog", "")
        sick = wrong is not None
        await asyncio.sleep(interval / _LOOKS if sick else interval)


async def run_extension(notifier: Notifier) -> None:
    """Ask systemd for more time to stop, for as long as this loop runs and this is not cancelled.

    So calls may go on beyond TimeoutStopSec=, but a daemon that stands still while it stops is killed after it.
    """
    while True:
        notifier.extend_timeout(_EXTENSION)
        await asyncio.sleep(_EXTENSION / 3)


def inherited_sockets(environ: MutableMapping[str, str], pid: int) -> dict[str, socket.socket]:
    """The sockets that systemd opened for us, by FileDescriptorName=; without one, by the unit's name.

    To be called once, first of all: what says that there are sockets is taken out of the environment, and the
    descriptors are closed to children. Raises InvalidArgument for two of one name, and for what is no socket.
    """
    wanted, owner = environ.pop("LISTEN_FDS", ""), environ.pop("LISTEN_PID", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if owner != str(pid) or not wanted.isdigit():
        return {}
    found: dict[str, socket.socket] = {}
    for number in range(int(wanted)):
        descriptor = _FIRST_FD + number
        name = names[number] if number < len(names) and names[number] else "unknown"
        if name in found:
            raise InvalidArgument.at("LISTEN_FDNAMES", f'has "{name}" twice; each needs a FileDescriptorName=')
        found[name] = _adopted(descriptor, name)
    return found


def _adopted(descriptor: int, name: str) -> socket.socket:
    try:
        os.set_inheritable(descriptor, False)
        sock = socket.socket(fileno=descriptor)
    except OSError as error:
        raise InvalidArgument.at("LISTEN_FDS", f'"{name}" is no socket: {error.strerror}') from error
    sock.setblocking(False)
    return sock


def is_journal(environ: Mapping[str, str], descriptor: int) -> bool:
    """Whether this descriptor, as a rule 2, goes to the journal."""
    device, _, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))


def _line(text: str) -> str:
    line = " ".join(text.split())
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)
