"""Where things are when nobody says: configuration, socket, event log. agentctl looks in the same order."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agenticd.config.problems import ConfigError

NAME = "agenticd"
VARIABLE = "AGENTICD_CONFIG"
LOCAL = "config.yaml"
SYSTEM = Path("/etc/agenticd/config.yaml")
_PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class Places:
    """The directories of the daemon. `state` is None for a user without a home; they need not exist yet."""

    runtime: Path
    state: Path | None

    @property
    def socket(self) -> Path:
        """Where the API listens by default."""
        return self.runtime / "agenticd.sock"

    @property
    def database(self) -> Path | None:
        """Where the event log is by default."""
        return self.state / "agenticd.db" if self.state is not None else None


def places(environ: Mapping[str, str] | None = None, uid: int | None = None) -> Places:
    """The directories by place: systemd's, else XDG's, else this user's home and temporary directory."""
    environ = os.environ if environ is None else environ
    uid = os.getuid() if uid is None else uid
    return Places(_runtime(environ, uid), _state(environ, uid))


def find_config(path: Path | None, environ: Mapping[str, str], cwd: Path) -> tuple[Path, str]:
    """The configuration's file and how to call it: --config, else $AGENTICD_CONFIG, else the usual places.

    Raises ConfigError where there is none.
    """
    if path is not None:
        if not os.path.exists(cwd / path):
            raise ConfigError.of(str(path), "there is no such file, which --config names")
        return cwd / path, str(path)
    if named := environ.get(VARIABLE):
        if not os.path.exists(cwd / named):
            raise ConfigError.of(named, f"there is no such file, which ${VARIABLE} names")
        return cwd / named, named
    for candidate, shown in ((cwd / LOCAL, LOCAL), (SYSTEM, str(SYSTEM))):
        if os.path.exists(candidate):
            return candidate, shown
    raise ConfigError.of(
        LOCAL,
        f"there is no configuration, neither here nor at {SYSTEM}; name one with --config or ${VARIABLE}, "
        "or begin with a copy of config.example.yaml",
    )


def make_private(directory: Path) -> None:
    """Make the directory, for its owner only; one that is there must not be somebody else's.

    Raises ConfigError.
    """
    try:
        directory.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        status = directory.stat(follow_symlinks=False)
        shared = directory.parent.stat().st_mode & 0o002
    except OSError as error:
        why = error.strerror or "the system refuses it"
        raise ConfigError.of(str(directory), f"this directory cannot be made: {why}") from error
    # In a temporary directory anybody may have been here first, to read along or to stand in for us.
    if shared and (not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077):
        raise ConfigError.of(
            str(directory),
            f"must be a directory of user {os.getuid()} with mode 0700; remove it, or set $XDG_RUNTIME_DIR",
        )


def _runtime(environ: Mapping[str, str], uid: int) -> Path:
    if (given := _directory(environ, "RUNTIME_DIRECTORY")) is not None:
        return given
    if (xdg := _directory(environ, "XDG_RUNTIME_DIR")) is not None:
        return xdg / NAME
    return (_directory(environ, "TMPDIR") or Path("/tmp")) / f"{NAME}-{uid}"


def _state(environ: Mapping[str, str], uid: int) -> Path | None:
    if (given := _directory(environ, "STATE_DIRECTORY")) is not None:
        return given
    if (xdg := _directory(environ, "XDG_STATE_HOME")) is not None:
        return xdg / NAME
    home = _directory(environ, "HOME")
    if home is None:
        try:
            home = Path(pwd.getpwuid(uid).pw_dir)
        except KeyError:
            return None
    return home / ".local/state" / NAME


def _directory(environ: Mapping[str, str], name: str) -> Path | None:
    # systemd: several directories are divided by colons. XDG: a relative path is to be ignored.
    first = environ.get(name, "").partition(":")[0]
    return Path(first) if first.startswith("/") else None
