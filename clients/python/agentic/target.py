"""Where the daemon is: an address that was given, or the sockets where daemons listen. Nothing here
connects."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ADDRESS_VARIABLE = "AGENTCTL_ADDR"
TOKEN_VARIABLE = "AGENTCTL_TOKEN_FILE"
SOCKET = "agenticd.sock"
TOKEN = "token"
SYSTEM_RUNTIME = "/run/agenticd"


@dataclass(frozen=True, slots=True)
class Target:
    """An address in gRPC's form, and the token to show there: None on a Unix socket, which needs none."""

    address: str
    token: str | None = None

    @property
    def path(self) -> Path | None:
        """The Unix socket's, or None for TCP."""
        from pathlib import Path

        return Path(self.address.removeprefix("unix:")) if self.address.startswith("unix:") else None


def find(address: str | None = None, token: str | None = None, env: Mapping[str, str] = os.environ) -> Target:
    """The daemon at `address`, else at $AGENTCTL_ADDR, else where daemons listen.

    That is the first agenticd.sock that exists in $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/agenticd (without that
    variable: agenticd-<uid> in the temporary directory, if it is the user's own), and /run/agenticd.
    For a port on loopback the token is `token`, else what is in the file $AGENTCTL_TOKEN_FILE, else in the first file
    `token` that can be read in those directories.

    Raises ValueError for an address of another form or on another machine, and OSError if $AGENTCTL_TOKEN_FILE
    cannot be read.
    """
    given = address or env.get(ADDRESS_VARIABLE) or ""
    if not given:
        sockets = [os.path.join(directory, SOCKET) for directory in _runtime(env)]
        return Target(f"unix:{next((path for path in sockets if os.path.exists(path)), sockets[-1])}")
    if given.startswith(("unix:", "/")):
        path = given.removeprefix("unix:")
        if not path.startswith("/"):
            raise ValueError(f"the path of a Unix socket must be absolute: unix:/run/agenticd/{SOCKET}, not {given}")
        return Target("unix:/" + path.lstrip("/"))
    if not _is_loopback(given):
        raise ValueError(f"{given} is neither unix:/path nor a port on loopback such as 127.0.0.1:50051")
    return Target(given, token or _token(env))


def _runtime(env: Mapping[str, str]) -> Iterator[str]:
    """Where daemons keep their sockets and tokens, the nearest first."""
    if runtime := _directory(env, "RUNTIME_DIRECTORY"):
        yield runtime
    if user := _directory(env, "XDG_RUNTIME_DIR"):
        yield os.path.join(user, "agenticd")
    else:
        temporary = os.path.join(_directory(env, "TMPDIR") or "/tmp", f"agenticd-{os.getuid()}")
        # Anybody can make that directory first, to stand in for the daemon.
        if os.path.isdir(temporary) and not os.path.islink(temporary) and os.stat(temporary).st_uid == os.getuid():
            yield temporary
    yield SYSTEM_RUNTIME


def _directory(env: Mapping[str, str], name: str) -> str | None:
    """A variable's directory: the first of several (systemd), and none that is relative (XDG)."""
    first = env.get(name, "").partition(":")[0]
    return first if first.startswith("/") else None


def _is_loopback(address: str) -> bool:
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        return False
    import ipaddress

    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _token(env: Mapping[str, str]) -> str | None:
    if named := env.get(TOKEN_VARIABLE):
        return _read(named)
    for directory in _runtime(env):
        try:
            return _read(os.path.join(directory, TOKEN))
        except OSError:
            continue  # not there, or not for us: the daemon will ask for it
    return None


def _read(path: str) -> str:
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read().strip()
