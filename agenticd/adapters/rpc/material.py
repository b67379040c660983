"""Files that the API's door is made of, read and judged: a bad one is said by its setting, with what would be right."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

_LIMIT = 1 << 20


class BadMaterial(Exception):
    """A file is of no use. `key`: the setting below `grpc` that names it; `why` is for the operator."""

    def __init__(self, key: str, path: Path, why: str) -> None:
        super().__init__(f"grpc.{key}: {path}: {why}")
        self.key = key
        self.path = path
        self.why = why

    @property
    def text(self) -> str:
        """The file and what is wrong with it, for where the setting is said already."""
        return f"{self.path}: {self.why}"


def read_file(key: str, path: Path, missing: str = "there is no such file") -> tuple[bytes, int]:
    """What the file holds, and its mode. Raises BadMaterial."""
    try:
        # Not blocking: what is no file, a named pipe perhaps, must not hold up the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise BadMaterial(key, path, "is no file")
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(_LIMIT + 1)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        raise BadMaterial(key, path, missing) from None
    except PermissionError:
        raise BadMaterial(
            key, path, f"user {_user()} may not read it; its group may be let in: chgrp agenticd, chmod 640"
        ) from None
    except OSError as error:
        raise BadMaterial(key, path, f"cannot be read: {error.strerror or 'the system refuses it'}") from error
    if len(data) > _LIMIT:
        raise BadMaterial(key, path, f"is larger than {_LIMIT // 1024} KiB; this cannot be the right file")
    return data, mode


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
