"""Where the API listens: Unix sockets and TCP ports. Says plainly why an address cannot be had.

gRPC itself would take a Unix socket away from a living daemon without a word.
"""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

# struct sockaddr_un's limit on Linux, less the final NUL.
_MAX_PATH = 107
_DIRECTORY_MODE = 0o750
_ELSEWHERE = "end it, or choose another address in grpc.listen"


class CannotListen(Exception):
    """An address cannot be listened on. `why` is for the operator."""

    def __init__(self, address: str, why: str) -> None:
        super().__init__(f"cannot listen on {address}: {why}")
        self.address = address
        self.why = why


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A socket in the file system."""

    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A port. Port 0: any that is free. On 0.0.0.0 or [::] gRPC listens on all addresses, IPv4 and IPv6."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, *, tls: bool = False) -> UnixAddress | TcpAddress:
    """The address that the text names. Raises CannotListen for all but unix:/path and a port, without `tls` one on
    loopback."""
    if text.startswith("unix:"):
        return _parse_path(text)
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise CannotListen(text, "write unix:/path or 127.0.0.1:port")
    if host == "localhost":
        host = "127.0.0.1"
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise CannotListen(text, "write unix:/path or 127.0.0.1:port") from None
    if not loopback and not tls:
        raise CannotListen(text, "without TLS, TCP is for loopback only; write unix:/path or 127.0.0.1:port")
    return TcpAddress(host, int(port))


def _parse_path(text: str) -> UnixAddress:
    path = text.removeprefix("unix:")
    if not path.startswith("/"):
        raise CannotListen(text, "the path must be absolute, for example unix:/run/agenticd/agenticd.sock")
    path = "/" + path.lstrip("/")
    if len(os.fsencode(path)) > _MAX_PATH:
        raise CannotListen(text, f"the path of a Unix socket has at most {_MAX_PATH} bytes")
    return UnixAddress(Path(path))


def claim(address: UnixAddress) -> int:
    """Make sure that nobody lives there, clear away what a dead daemon left, and keep others away.

    Returns the descriptor of a lock, to be closed when the server has stopped. Raises CannotListen.
    """
    try:
        address.path.parent.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
        # Beside the socket, because a file can be locked and a socket cannot. Never removed: the lock of a
        # removed file keeps nobody away.
        lock = os.open(f"{address.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise CannotListen(str(address), f"{error.filename}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _clear(address)
    except CannotListen:
        os.close(lock)
        raise
    except BlockingIOError:
        os.close(lock)
        raise CannotListen(str(address), f"another daemon listens there: {_ELSEWHERE}") from None
    except OSError as error:
        os.close(lock)
        raise CannotListen(str(address), error.strerror or "the system refuses it") from error
    return lock


def _clear(address: UnixAddress) -> None:
    """Remove a socket at which nobody answers. Raises CannotListen, OSError."""
    try:
        mode = address.path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise CannotListen(str(address), "there is something at that path which is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(address.path))
        except ConnectionRefusedError:
            address.path.unlink()
            return
        except BlockingIOError:
            pass  # it lives and is busy: its backlog is full
    raise CannotListen(str(address), f"another program listens there: {_ELSEWHERE}")


def check_free(address: TcpAddress) -> None:
    """Raises CannotListen if the port cannot be had, with the system's reason: gRPC gives none."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address.host, address.port))
    except OSError as error:
        why = error.strerror or "the system refuses it"
        if error.errno == errno.EADDRINUSE:
            why += f"; another program listens there: {_ELSEWHERE}"
        raise CannotListen(str(address), why) from error
