"""Where the daemon is: an address that was given, or the sockets where daemons listen. Nothing here
connects."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from agentic.tls import Tls

ADDRESS_VARIABLE = "AGENTCTL_ADDR"
TOKEN_VARIABLE = "AGENTCTL_TOKEN_FILE"
SOCKET = "agenticd.sock"
TOKEN = "token"
SYSTEM_RUNTIME = "/run/agenticd"


_TLS = "tls:"
_FORMS = "unix:/path, 127.0.0.1:port on this machine, or host:port on another one"
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?")


@dataclass(frozen=True, slots=True)
class Target:
    """An address in gRPC's form, the token to show there (None: none is needed, or there is none), and what TLS needs;
    None: without TLS. `token_file`: where the token is from; empty: it was given. `places`: where a socket was looked
    for; none, if the address was given."""

    address: str
    token: str | None = field(default=None, repr=False)
    tls: Tls | None = None
    token_file: str = ""
    places: tuple[str, ...] = ()

    @property
    def path(self) -> Path | None:
        """The Unix socket's, or None for TCP."""
        from pathlib import Path

        return Path(self.address.removeprefix("unix:")) if self.address.startswith("unix:") else None

    @property
    def shown(self) -> str:
        """The address as people write it."""
        host, _, _ = self.address.rpartition(":")
        return f"{_TLS}{self.address}" if self.tls is not None and _is_loopback(host.strip("[]")) else self.address


def find(
    address: str | None = None,
    token: str | None = None,
    env: Mapping[str, str] = os.environ,
    *,
    ca: str | os.PathLike[str] | None = None,
    cert: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | None = None,
) -> Target:
    """The daemon at `address`, else at $AGENTCTL_ADDR, else where daemons listen.

    That is the first agenticd.sock that exists in $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/agenticd (without that
    variable: agenticd-<uid> in the temporary directory, if it is the user's own), and /run/agenticd.
    A port on loopback, 127.0.0.1:50051, is spoken to without TLS. The token there is `token`, else what is in the file
    $AGENTCTL_TOKEN_FILE, else in the first file `token` that can be read in those directories.
    host:port on another machine is spoken to with TLS, always; tls:127.0.0.1:50051 is TLS on loopback. The token there
    is `token`, else what is in the file $AGENTCTL_TOKEN_FILE. Files of PEM, for TLS only: `ca`, else $AGENTCTL_CA_FILE,
    has the authorities that may have signed the daemon's certificate (else those of the system); `cert` and `key`, else
    $AGENTCTL_CERT_FILE and $AGENTCTL_KEY_FILE, are what the client shows.

    Raises ValueError for an address of another form, agentic.tls.BadFile (a ValueError) for a file that is of no use,
    and OSError for one that cannot be read.
    """
    given = address or env.get(ADDRESS_VARIABLE) or ""
    files = tuple(None if name is None else os.fspath(name) for name in (ca, cert, key))
    if not given:
        places = tuple(os.path.join(directory, SOCKET) for directory in _runtime(env))
        given = f"unix:{next((path for path in places if os.path.exists(path)), places[-1])}"
    else:
        places = ()
    found = _parsed(given)
    if not isinstance(found, str):
        from agentic import tls

        host, port = found
        shown, file = (token, "") if token else _named_token(env)
        return Target(f"{host}:{port}", shown, tls.read(env, *files), file)
    if any(files):
        raise ValueError(f"certificates are for TLS, and {found} is without; on loopback, write {_TLS}127.0.0.1:port")
    if found.startswith("unix:"):
        return Target(found, places=places)
    shown, file = (token, "") if token else _token(env)
    return Target(found, shown, token_file=file)


def _parsed(given: str) -> str | tuple[str, str]:
    """The address; for TLS its host and port. Raises ValueError."""
    if given.startswith(("unix:", "/")):
        path = given.removeprefix("unix:")
        if not path.startswith("/"):
            raise ValueError(f"the path of a Unix socket must be absolute: unix:/run/agenticd/{SOCKET}, not {given}")
        return "unix:/" + path.lstrip("/")
    host, port = _host_and_port(given)
    loopback = _is_loopback(host.strip("[]"))
    return f"{host}:{port}" if loopback and not given.startswith(_TLS) else (host, port)


def _host_and_port(given: str) -> tuple[str, str]:
    text = given.removeprefix(_TLS)
    if "/" in text:
        raise ValueError(f"{given} is a URL or a path; an address is {_FORMS}")
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{given} does not end with a port; an address is {_FORMS}")
    if not _is_address(host) and (_HOST.fullmatch(host) is None or host.replace(".", "").isdigit()):
        raise ValueError(f"{given} has no host that can be; an address is {_FORMS}")
    return host, port


def _is_address(host: str) -> bool:
    """Whether it is an IP address; one of IPv6 in brackets."""
    import ipaddress

    bare = host.removeprefix("[").removesuffix("]")
    try:
        return (ipaddress.ip_address(bare).version == 6) == (bare != host)
    except ValueError:
        return False


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


def _is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _named_token(env: Mapping[str, str]) -> tuple[str | None, str]:
    """The token, and its file."""
    named = env.get(TOKEN_VARIABLE)
    if not named:
        return None, ""
    token = _read(named)
    if not token:
        from agentic.tls import BadFile

        raise BadFile(named, "it is empty; a token is expected in it")
    return token, named


def _token(env: Mapping[str, str]) -> tuple[str | None, str]:
    """For loopback: also that of this machine, which is shown to no other."""
    if env.get(TOKEN_VARIABLE):
        return _named_token(env)
    for directory in _runtime(env):
        path = os.path.join(directory, TOKEN)
        try:
            token = _read(path)
        except OSError:
            continue  # not there, or not for us: the daemon will ask for it
        if token:
            return token, path
    return None, ""


def _read(path: str) -> str:
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read().strip()
