"""agentctl's start-up: from the begin of a command to its end, the daemon's answer included.

Beside it, in turn: a Python that does nothing, and one that only imports gRPC and the contract's messages, without
which nobody can ask. The bar: a command that asks the daemon takes at most 0.15 s more than a Python that does nothing.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import startup
from bench.startup import SECONDS_BAR, StartFailed

_CONTRACT = """
import sys, types
package = types.ModuleType("agentic")  # the contract's home, without the client in it
package.__path__ = sys.argv[1:]
sys.modules["agentic"] = package
from grpc import aio
from agentic.v1 import call_pb2, call_service_pb2, call_service_pb2_grpc, event_pb2
"""
PYTHON, CONTRACT = "Python alone", "gRPC and the messages, imported"
ASKS = "agentctl call ls"

Seconds = Mapping[str, list[float]]
"""Of every command line, in the order of the table."""


def measure(rounds: int, say: Callable[[str], None]) -> Seconds:
    """Run each so many times, after a round that compiles and does not count. Raises StartFailed."""
    agentctl = [sys.executable, "-m", "agentctl"]
    commands: Mapping[str, Sequence[str]] = {
        PYTHON: [sys.executable, "-c", "pass"],
        CONTRACT: [sys.executable, "-c", _CONTRACT, *_package()],
        "agentctl version --client": [*agentctl, "version", "--client"],
        ASKS: [*agentctl, "call", "ls"],
        "agentctl call ls -o json": [*agentctl, "call", "ls", "-o", "json"],
        "agentctl node status": [*agentctl, "node", "status"],
    }
    found: Seconds = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder, startup.served(Path(folder)) as address:
        environment = startup.environment(Path(folder)) | {"AGENTCTL_ADDR": address}
        for number in range(rounds + 1):
            say(f"round {number} of {rounds}" if number else "a first round that does not count")
            for name, command in commands.items():
                seconds = _run(command, environment)
                if number:
                    found[name].append(seconds)
    return found


def _package() -> Sequence[str]:
    spec = find_spec("agentic")
    assert spec is not None
    return list(spec.submodule_search_locations or ())


def _run(command: Sequence[str], environment: Mapping[str, str]) -> float:
    begin = time.perf_counter()
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    if done.returncode != 0:
        raise StartFailed(f"exit code {done.returncode}: {' '.join(command[1:3])}\n{done.stderr[-2000:]}")
    return seconds


def above(seconds: Seconds, name: str, base: str = PYTHON) -> float:
    """The median of a command above that of another, in seconds."""
    return statistics.median(seconds[name]) - statistics.median(seconds[base])


def show(seconds: Seconds, console: Console) -> None:
    """Print the table, and what the bar says to it."""
    table = Table(title=f"Commands, medians of {len(seconds[PYTHON])} runs each, ms", title_justify="left")
    table.add_column("")
    for column in ("to its end", "fastest", "slowest", "above Python", "× Python"):
        table.add_column(column, justify="right")
    alone = statistics.median(seconds[PYTHON])
    for name, each in seconds.items():
        median = statistics.median(each)
        cells = [f"{1e3 * one:.0f}" for one in (median, min(each), max(each), median - alone)]
        table.add_row(name, *cells, f"{median / alone:.1f}")
    console.print(table)
    added, needed = 1e3 * above(seconds, ASKS), 1e3 * above(seconds, CONTRACT)
    console.print(
        f"{ASKS} takes {added:.0f} ms above Python, the imports that it cannot do without {needed:.0f} ms "
        f"(the bar: {1e3 * SECONDS_BAR:.0f} ms)."
    )
