"""What /proc says of a process and of the machine, and which processor a process runs on. Linux only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_STOLEN = 7
_NOT_USED = (3, 4, _STOLEN)  # idle and iowait, among the numbers of the line "cpu" in /proc/stat
_GUEST = 8  # from here on: counted in user and nice already


@dataclass(frozen=True, slots=True)
class Cores:
    """Which processor the bridge and the load generator run on; None: wherever the system puts them."""

    bridge: int | None
    generator: int | None

    @staticmethod
    def choose() -> Cores:
        """One for each, where this process may use two."""
        allowed = sorted(os.sched_getaffinity(0))
        return Cores(allowed[0], allowed[1]) if len(allowed) > 1 else Cores(None, None)

    def __str__(self) -> str:
        """For people."""
        if self.bridge is None:
            return "Bridge and load generator share one processor, so delays mean little"
        return f"Bridge on processor {self.bridge}, load generator on {self.generator}"


def before_all_others(rank: int = 1) -> None:
    """Run this process, and those that it starts, before all ordinary ones, and before those of a lower rank. Raises
    PermissionError."""
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(rank))


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Run this thread, and every process that it starts meanwhile, on one processor only."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(pid: int) -> float:
    """Processor time of all its threads, user and system, those that have ended too. 10 ms fine.

    Raises FileNotFoundError, as all of these do, when there is no such process.
    """
    # The command's name, in brackets, may hold anything; what follows it does not.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss_bytes(pid: int) -> int:
    """Memory that is resident."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def descriptors(pid: int) -> int:
    """Open file descriptors."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def descriptor_targets(pid: int) -> list[str]:
    """What each open descriptor is, sorted: to see which one stayed."""
    targets = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            targets.append(os.readlink(f"/proc/{pid}/fd/{name}"))
        except FileNotFoundError:
            continue  # closed meanwhile
    return sorted(targets)


def threads(pid: int) -> int:
    """Its threads."""
    return len(os.listdir(f"/proc/{pid}/task"))


def machine_busy_seconds() -> float:
    """Processor time that was used by anybody on this machine."""
    return sum(each for at, each in enumerate(_machine()[:_GUEST]) if at not in _NOT_USED) / _TICKS


def machine_stolen_seconds() -> float:
    """Processor time that somebody here wanted, and that the host of a virtual machine gave to others."""
    return _machine()[_STOLEN] / _TICKS


def _machine() -> list[int]:
    return [int(each) for each in Path("/proc/stat").read_text().partition("\n")[0].split()[1:]]
