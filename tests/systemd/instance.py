"""A systemd user instance of the tests' own: started, asked and ended; nest.sh keeps it apart from the machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NEST = Path(__file__).parent / "nest.sh"
_MANAGERS = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")
_TARGETS = ("basic", "sockets", "timers", "paths", "shutdown")
_NOT_ALLOWED = 77
_START_WITHIN = 20.0
_ANSWER_WITHIN = 30.0


class CannotRun(Exception):
    """This machine cannot run an instance. The text says why."""


class Instance:
    """A running manager with the units of `units`."""

    def __init__(self, base: Path, pid: int) -> None:
        self.base = base
        self.runtime = base / "run"
        self.units = base / "units"
        self._pid = pid

    def run(self, *command: str, check: bool = True) -> str:
        """What a command prints that runs inside. Raises AssertionError when it fails."""
        enter = ["nsenter", f"--target={self._pid}", "--mount", "--pid", "--cgroup"]
        environ = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(self.runtime)}
        done = subprocess.run(
            [*enter, *command], env=environ, capture_output=True, text=True, check=False, timeout=_ANSWER_WITHIN
        )
        assert done.returncode == 0 or not check, f"{command}: {done.stderr}{done.stdout}\n{self.log()}"
        return done.stdout

    def systemctl(self, *arguments: str, check: bool = True) -> str:
        """What `systemctl --user` with these arguments prints. Raises AssertionError when it fails."""
        return self.run("systemctl", "--user", "--no-pager", *arguments, check=check)

    def show(self, name: str, unit: str = "agenticd.service") -> str:
        """A property of the unit."""
        return self.systemctl("show", "--property", name, "--value", unit).strip()

    def wait_until(self, name: str, value: str, unit: str = "agenticd.service", within: float = 20.0) -> None:
        """Wait until a property of the unit has that value."""
        give_up = time.monotonic() + within
        while (found := self.show(name, unit)) != value:
            assert time.monotonic() < give_up, f"{unit}: {name} is {found}, not {value}\n{self.log()}"

    def log(self) -> str:
        """The end of what the units wrote to files in `base`."""
        return "\n".join(file.read_text(errors="replace")[-4000:] for file in self.base.glob("*.log"))


@contextmanager
def running() -> Iterator[Instance]:
    """An instance for as long as the context lasts. Raises CannotRun."""
    manager = _manager()
    # Not pytest's folder: its name is too long for the sockets in it.
    base = Path(tempfile.mkdtemp(prefix="agd-", dir="/tmp"))
    try:
        _furnish(base)
        command = ["unshare", "--mount", "--propagation=private", "sh", str(_NEST), "outer", str(base), manager]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(base / "notify"))
            nest = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            try:
                _wait_started(notify, nest)
                # It goes on saying what happens to its units, and would wait for somebody to hear it.
                notify.close()
                yield Instance(base, int((base / "pid").read_text()))
            finally:
                said, _ = nest.communicate(timeout=_START_WITHIN)
            assert nest.returncode == 0, f"the instance left something behind: {said.decode(errors='replace')}"
    finally:
        shutil.rmtree(base)


def _manager() -> str:
    if os.geteuid() != 0:
        raise CannotRun("only root can make the namespaces that a systemd instance needs")
    missing = [tool for tool in ("unshare", "nsenter", "systemctl") if shutil.which(tool) is None]
    manager = next((path for path in _MANAGERS if os.access(path, os.X_OK)), None)
    if missing or manager is None:
        raise CannotRun(f"not installed: {', '.join(missing or ['systemd'])}")
    trial = ["unshare", "--mount", "--propagation=private", "--cgroup", "--pid", "--fork", "true"]
    done = subprocess.run(trial, capture_output=True, text=True, check=False, timeout=_START_WITHIN)
    if done.returncode != 0:
        raise CannotRun(f"namespaces are not allowed here: {done.stderr.strip()}")
    return manager


def _furnish(base: Path) -> None:
    for name in ("run", "units"):
        (base / name).mkdir(mode=0o700)
    library = Path("/usr/lib/systemd/user")
    for target in _TARGETS:
        (base / "units" / f"{target}.target").symlink_to(library / f"{target}.target")
    (base / "units" / "default.target").write_text("[Unit]\nRequires=basic.target\nAfter=basic.target\n")


def _wait_started(notify: socket.socket, nest: subprocess.Popen[bytes]) -> None:
    notify.settimeout(0.1)
    give_up = time.monotonic() + _START_WITHIN
    while True:
        try:
            if b"READY=1" in notify.recv(4096).split(b"\n"):
                return
        except TimeoutError:
            if nest.poll() == _NOT_ALLOWED:
                raise CannotRun("a control group of its own is not allowed here") from None
            assert nest.poll() is None, f"the instance ended with {nest.returncode}"
            assert time.monotonic() < give_up, f"the instance did not start within {_START_WITHIN:.0f} s"
