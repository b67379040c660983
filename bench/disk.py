"""`python -m bench.disk FOLDER`: how long the disk itself takes, beside what is measured on it, until standard input
ends; then a line of JSON. A log can be no sooner than that, whoever wrote it.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from pathlib import Path

from bench.measure import percentile

EVERY = 0.02
"""Seconds between two writes: often enough to meet each stall that matters, and seldom enough to cause none."""
BYTES = 4096


def main(folder: Path) -> None:
    """Write a page and wait until it is on the disk, again and again."""
    took: list[float] = []
    descriptor = os.open(folder / "probe", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    page = bytes(BYTES)
    while not select.select([sys.stdin], [], [], EVERY)[0]:
        begin = time.monotonic()
        os.write(descriptor, page)
        os.fdatasync(descriptor)
        took.append(time.monotonic() - begin)
    os.close(descriptor)
    took.sort()
    print(json.dumps([percentile(took, percent) for percent in (50, 99, 100)]), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
