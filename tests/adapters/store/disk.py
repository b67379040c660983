"""A disk in the test's hand, under the very SQLite that the daemon uses: a VFS over the system's own, by ctypes.

It counts what is written and what is synced, makes writes and syncs fail as told, and can show what a disk would hold
after the power failed: all that was synced, and of the rest only what the test lets through.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from dataclasses import dataclass, field
from pathlib import Path

FULL, IOERR_WRITE, IOERR_FSYNC, READONLY = 13, 10 | 3 << 8, 10 | 4 << 8, 8

_Write = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Truncate = CFUNCTYPE(c_int, c_void_p, c_int64)
_Sync = CFUNCTYPE(c_int, c_void_p, c_int)
_Open = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)


class _Methods(Structure):
    """sqlite3_io_methods, up to its version 3."""

    _fields_ = (
        ("iVersion", c_int),
        ("xClose", c_void_p),
        ("xRead", c_void_p),
        ("xWrite", c_void_p),
        ("xTruncate", c_void_p),
        ("xSync", c_void_p),
        *((name, c_void_p) for name in ("xFileSize", "xLock", "xUnlock", "xCheckReserved", "xFileControl")),
        *((name, c_void_p) for name in ("xSectorSize", "xDeviceCharacteristics", "xShmMap", "xShmLock")),
        *((name, c_void_p) for name in ("xShmBarrier", "xShmUnmap", "xFetch", "xUnfetch")),
    )


class _File(Structure):
    _fields_ = (("pMethods", POINTER(_Methods)),)


class _Vfs(Structure):
    """sqlite3_vfs; behind xOpen only what is copied as it is."""

    _fields_ = (
        ("iVersion", c_int),
        ("szOsFile", c_int),
        ("mxPathname", c_int),
        ("pNext", c_void_p),
        ("zName", c_char_p),
        ("pAppData", c_void_p),
        ("xOpen", c_void_p),
        ("rest", c_void_p * 15),
    )


def library() -> ctypes.CDLL | None:
    """The SQLite that the module sqlite3 runs on; None where it is not a library of its own."""
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    names = {line.split()[-1] for line in lines if "libsqlite3" in line}
    return ctypes.CDLL(names.pop()) if names else None


@dataclass
class Disk:
    """What happened to the files whose names begin with `path`, and what is to happen."""

    path: str
    fail: Callable[[str, str], int] = lambda deed, name: 0
    """Asked before each "write", "sync" and "truncate" of a file ("db", "wal"): 0, or SQLite's code of the error."""
    deeds: list[tuple[str, str, int, bytes]] = field(default_factory=list)
    """All that was done: deed, file, offset, bytes."""

    def short(self, name: str) -> str:
        """db, wal or journal."""
        return name[len(self.path) :].lstrip("-") or "db"

    def after_power_loss(self, upto: int, keep: Callable[[int], bool], folder: Path) -> Path:
        """Write the files as a disk may hold them when the power fails after the first `upto` deeds: of what was not
        synced by then, only the deeds that `keep` (asked with their number) lets through."""
        synced = {name: at for at, (deed, name, _, _) in enumerate(self.deeds[:upto]) if deed == "sync"}
        images: dict[str, bytearray] = {"db": bytearray(), "wal": bytearray()}
        for at, (deed, name, offset, data) in enumerate(self.deeds[:upto]):
            image = images.get(name)
            if image is None or not (at < synced.get(name, -1) or keep(at)):
                continue
            if deed == "write":
                image.extend(bytes(max(0, offset + len(data) - len(image))))
                image[offset : offset + len(data)] = data
            elif deed == "truncate":
                del image[offset:]
        target = folder / "agenticd.db"
        for name, image in images.items():
            (target if name == "db" else folder / "agenticd.db-wal").write_bytes(image)
        return target


@contextmanager
def in_hand(lib: ctypes.CDLL, path: Path) -> Iterator[Disk]:
    """While entered, SQLite opens files by way of the Disk; those that are opened meanwhile must be closed before."""
    disk = Disk(str(path))
    lib.sqlite3_vfs_find.restype = POINTER(_Vfs)
    real = lib.sqlite3_vfs_find(None)
    ours = _Vfs.from_buffer_copy(real.contents)
    real_open = _Open(real.contents.xOpen)
    kept: list[object] = []
    patched: dict[tuple[int, str], _Methods] = {}

    def methods_for(plain: _Methods, address: int, name: str) -> _Methods:
        """The file's own methods, with ours before three of them."""
        write, truncate, sync = _Write(plain.xWrite), _Truncate(plain.xTruncate), _Sync(plain.xSync)

        def do(deed: str, offset: int, data: bytes, really: Callable[[], int]) -> int:
            code = disk.fail(deed, name) or really()
            if code == 0:
                disk.deeds.append((deed, name, offset, data))
            return code

        hooks = (
            _Write(
                lambda file, buffer, size, offset: do(
                    "write", offset, ctypes.string_at(buffer, size), lambda: write(file, buffer, size, offset)
                )
            ),
            _Truncate(lambda file, size: do("truncate", size, b"", lambda: truncate(file, size))),
            _Sync(lambda file, flags: do("sync", 0, b"", lambda: sync(file, flags))),
        )
        kept.append(hooks)
        methods = _Methods.from_buffer_copy(plain)
        methods.xWrite, methods.xTruncate, methods.xSync = (ctypes.cast(hook, c_void_p) for hook in hooks)
        return methods

    def open_file(vfs: int, name: int | None, file: int, flags: int, out: int) -> int:
        code = real_open(vfs, name, file, flags, out)  # the very pointer: SQLite goes on using what it points to
        text = ctypes.string_at(name).decode() if name else ""
        if code == 0 and text.startswith(disk.path):
            handle = ctypes.cast(file, POINTER(_File)).contents
            address = ctypes.addressof(handle.pMethods.contents)
            key = (address, disk.short(text))
            if key not in patched:
                patched[key] = methods_for(handle.pMethods.contents, address, key[1])
            handle.pMethods = ctypes.pointer(patched[key])
        return code

    hook = _Open(open_file)
    ours.xOpen = ctypes.cast(hook, c_void_p)
    ours.zName = b"in-hand"
    try:
        if lib.sqlite3_vfs_register(ctypes.byref(ours), 1):
            raise OSError(errno.EINVAL, "SQLite takes no VFS")
        yield disk
    finally:
        lib.sqlite3_vfs_unregister(ctypes.byref(ours))
        lib.sqlite3_vfs_register(real, 1)
