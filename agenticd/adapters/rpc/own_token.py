"""The token that whoever comes by TCP must show: a file that only the daemon's user can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

_MODE = 0o600
_BYTES = 32
_LEAST = 32


def read_or_make(path: Path) -> str:
    """The token in the file, so that a restart of the daemon leaves its clients theirs; a new one if there is
    none or if others could have read it. Raises OSError."""
    return _read(path) or _make(path)


def _read(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    with open(descriptor, encoding="ascii", errors="replace") as file:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            return None
        token = file.read(1024).strip()
    return token if len(token) >= _LEAST and token.isascii() and token.isprintable() else None


def _make(path: Path) -> str:
    token = secrets.token_urlsafe(_BYTES)
    path.parent.mkdir(mode=0o750, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(token + "\n")
        fresh.replace(path)  # whole or not at all, for whoever reads meanwhile
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    return token
