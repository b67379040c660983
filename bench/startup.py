"""Start-up: what the daemon's own code adds to the imports that it cannot do without.

A real `agenticd serve` is started, and stopped when it says READY=1. Beside it, in turn: a Python that
imports the same modules of others (the standard library's too) and nothing of ours, and one that imports nothing.
The bar: at most 0.15 s and 15 MB between the first two. Which modules these are is found out in the same run. As where
it is installed, all of it is bytecode: a first round, which does not count, leaves it in a folder of its own.
agentctl's own start-up: commands.py.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import proc
from bench.report import machine

SECONDS_BAR = 0.15
MEGABYTES_BAR = 15.0
OURS = ("agenticd", "agentic", "agentctl", "bench")
UNWANTED = ("openai", "rich", "click", "numpy", "twilio.rest")
"""What must not be imported before READY."""
_READY_WITHIN = 60.0

_SERVE = [sys.executable, "-m", "agenticd", "serve", "--config"]
# The first datagram to systemd is READY=1; in this moment, and not a module later, the list is written down.
_SPY = """
import json, sys
listed = sys.argv.pop(1)
def hook(event, args):
    global listed
    if event == "socket.sendto" and listed:
        with open(listed, "w") as file:
            json.dump([name for name, module in sys.modules.items() if module is not None], file)
        listed = ""
sys.addaudithook(hook)
from agenticd.__main__ import main
main()
"""
_IMPORT = """
import json, os, sys
with open(sys.argv[1]) as file:
    names = json.load(file)
del json
if "structlog" in names and "rich" not in names:
    sys.modules["rich"] = None  # structlog would import it where it finds it
for name in names:
    try:
        __import__(name)
    except ImportError:  # some exist only once their parents have made them
        pass
import socket
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Start:
    """One start: seconds from its begin to READY, and megabytes resident then."""

    seconds: float
    megabytes: float


@dataclass(frozen=True, slots=True)
class Result:
    """All starts, by what was started, in turn; and what was imported."""

    python: list[Start]
    imports: list[Start]
    daemon: list[Start]
    modules: list[str]

    @property
    def added_seconds(self) -> float:
        """The median of the daemon's starts above that of the imports'."""
        return _median(self.daemon, "seconds") - _median(self.imports, "seconds")

    @property
    def added_megabytes(self) -> float:
        """As for the seconds."""
        return _median(self.daemon, "megabytes") - _median(self.imports, "megabytes")

    @property
    def unwanted(self) -> list[str]:
        """What was imported and must not be."""
        return sorted(set(UNWANTED) & set(self.modules))


class StartFailed(Exception):
    """What was started did not become ready. The text has what it said."""


def measure(rounds: int, say: Callable[[str], None]) -> Result:
    """Start each so many times, after a round that compiles and does not count. Raises StartFailed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        modules = modules_at_ready(folder)
        names = folder / "names.json"
        nothing = folder / "nothing.json"
        names.write_text(json.dumps([each for each in modules if each.partition(".")[0] not in (*OURS, "__main__")]))
        nothing.write_text("[]")
        result = Result([], [], [], modules)
        for number in range(rounds + 1):
            say(f"round {number} of {rounds}" if number else "a first round that does not count")
            starts = (
                (result.python, [sys.executable, "-c", _IMPORT, str(nothing)]),
                (result.imports, [sys.executable, "-c", _IMPORT, str(names)]),
                (result.daemon, [*_SERVE, str(_config(folder, f"{number}"))]),
            )
            for found, command in starts:
                start = _start(command, folder)
                if number:
                    found.append(start)
        return result


def modules_at_ready(folder: Path) -> list[str]:
    """The names of all modules that a real daemon has imported when it says READY=1. Raises StartFailed."""
    listed = folder / "modules.json"
    _start([sys.executable, "-c", _SPY, str(listed), *_SERVE[3:], str(_config(folder, "spy"))], folder)
    names: list[str] = json.loads(listed.read_text())
    return names


def _config(folder: Path, name: str) -> Path:
    """A configuration with a store of its own. Nobody is asked anything at start-up."""
    path = folder / f"{name}.yaml"
    path.write_text(
        f"""\
version: 1
public_url: http://127.0.0.1:1
http: {{listen: "127.0.0.1:0"}}
admin: {{listen: "127.0.0.1:0"}}
grpc: {{listen: ["unix:{folder / name}.sock"]}}
twilio: {{api_url: "http://127.0.0.1:1", account_sid: AC{"0" * 32}, auth_token: none, from_number: "+15550001111"}}
openai: {{url: "ws://127.0.0.1:1", api_key: none}}
agents: {{default: {{instructions: Be brief.}}}}
store: {{path: {folder / name}.db}}
"""
    )
    return path


def _start(command: Sequence[str], folder: Path) -> Start:
    """Start it, look at it when it is ready, end it."""
    with _started(command, folder) as (child, seconds):
        child.send_signal(signal.SIGSTOP)  # what it does after READY is not looked at
        return Start(seconds, proc.rss_bytes(child.pid) / 1e6)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A daemon that runs meanwhile; its address. Raises StartFailed."""
    with _started([*_SERVE, str(_config(folder, "served"))], folder):
        yield f"unix:{folder / 'served'}.sock"


@contextmanager
def _started(command: Sequence[str], folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """Start it, give it and the seconds that it took when it is ready, end it."""
    with _notify_socket(folder / "notify") as notify, (folder / "said").open("w+") as said:
        environ = environment(folder) | {"NOTIFY_SOCKET": str(folder / "notify")}
        begin = time.perf_counter()
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said, env=environ)
        try:
            if not _is_ready(notify, child):
                said.seek(0)
                raise StartFailed(f"not ready: {' '.join(command[1:3])}\n{said.read()[-2000:]}")
            yield child, time.perf_counter() - begin
        finally:
            child.kill()
            child.communicate()


def environment(folder: Path) -> dict[str, str]:
    """This one's, with bytecode in the folder."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


def _is_ready(notify: socket.socket, child: subprocess.Popen[bytes]) -> bool:
    end = time.monotonic() + _READY_WITHIN
    while time.monotonic() < end:
        try:
            return b"READY=1" in notify.recv(4096).split(b"\n")
        except TimeoutError:
            if child.poll() is not None:
                return False
    return False


@contextmanager
def _notify_socket(path: Path) -> Iterator[socket.socket]:
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        notify.settimeout(0.2)
        yield notify


def _median(starts: Sequence[Start], what: str) -> float:
    return statistics.median(float(getattr(start, what)) for start in starts)


def show(result: Result, console: Console) -> None:
    """Print the table, and what the bar says to it."""
    table = Table(title=f"Start-up, medians of {len(result.daemon)} starts each", title_justify="left")
    table.add_column("")
    for column in ("modules", "to READY, s", "fastest", "slowest", "resident, MB"):
        table.add_column(column, justify="right")
    foreign = sum(name.partition(".")[0] not in OURS for name in result.modules)
    rows = (
        ("Python alone", "", result.python),
        ("with the daemon's bare imports", str(foreign), result.imports),
        ("the daemon", str(len(result.modules)), result.daemon),
    )
    for name, modules, starts in rows:
        seconds = [start.seconds for start in starts]
        table.add_row(
            name,
            modules,
            *(f"{each:.3f}" for each in (statistics.median(seconds), min(seconds), max(seconds))),
            f"{_median(starts, 'megabytes'):.1f}",
        )
    console.print(table)
    added = f"{result.added_seconds:.3f} s and {result.added_megabytes:.1f} MB"
    console.print(f"The daemon's own code adds {added} (the bar: {SECONDS_BAR} s and {MEGABYTES_BAR:g} MB).")
    unwanted = ", ".join(result.unwanted) or "none"
    console.print(f"Imported before READY, of {', '.join(UNWANTED)}: {unwanted}.")


def write_json(path: Path, result: Result, commands: Mapping[str, list[float]]) -> None:
    """Write everything to a file; of agentctl's commands the seconds that each took."""
    added = {"added_seconds": result.added_seconds, "added_megabytes": result.added_megabytes}
    everything = {"machine": machine("start-up"), **added, **asdict(result), "commands": commands}
    path.write_text(json.dumps(everything, indent=1) + "\n")
