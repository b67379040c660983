"""`python -m bench.disk FOLDER`: how long the disk itself takes for a page, again and again, beside what is measured on
it. A line of JSON at the begin, and one when standard input ends: each write's [monotonic time, seconds].
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from pathlib import Path

from bench.proc import before_all_others

EVERY = 0.02
"""Seconds between two writes: often enough to meet each stall that matters."""
PAGE = bytes(4096)


def main(folder: Path) -> None:
    """Write a page and wait until it is on the disk. In place, as SQLite writes its WAL: a file that grows takes
    longer, since its new size must be on the disk, too."""
    took: list[tuple[float, float]] = []
    descriptor = os.open(folder / "probe", os.O_WRONLY | os.O_CREAT, 0o600)
    os.pwrite(descriptor, PAGE, 0)
    os.fsync(descriptor)
    print(json.dumps({"ready": True}), flush=True)
    while not select.select([sys.stdin], [], [], EVERY)[0]:
        begin = time.monotonic()
        os.pwrite(descriptor, PAGE, 0)
        os.fdatasync(descriptor)
        took.append((begin, time.monotonic() - begin))
    os.close(descriptor)
    print(json.dumps(took), flush=True)


if __name__ == "__main__":
    if "--realtime" in sys.argv:
        before_all_others(3)  # it waits for the disk, and for nobody else
    main(Path(sys.argv[1]))
