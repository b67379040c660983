"""The trap kills its own process, at its point, the time that was asked for."""

from __future__ import annotations

import signal
import subprocess
import sys

SCRIPT = """
import signal
from agenticd.adapters.host.failpoint import Config, Trap
trap = Trap(Config("here", signal.SIGKILL, 2))
for point in ("here", "there", "there", "here", "here"):
    print(point, flush=True)
    trap(point)
"""


def test_it_springs_at_its_point_the_second_time() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.split() == ["here", "there", "there", "here"]
