"""Holds systemd/ to its promises: `systemd-analyze verify` has nothing to say, and the exposure is at most 1.5.

`make units`. Without systemd-analyze it says so and is content, but not in CI (CI=true).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

UNITS = Path(__file__).resolve().parent.parent / "systemd"
MOST = 1.5
"""Of 10, as `systemd-analyze security` counts; it calls all up to 2 safe."""


def version() -> int:
    """The version of systemd whose tools are here; 0 where there are none."""
    if shutil.which("systemd-analyze") is None:
        return 0
    said = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"systemd (\d+)", said)
    return int(found[1]) if found is not None else 0


def drop_ins(known: int) -> dict[str, str]:
    """What may stand in agenticd.service.d under systemd of that version: text by name, all credentials in use."""
    found = {"credentials.conf": (UNITS / "credentials.conf").read_text().replace("#LoadCredential", "LoadCredential")}
    if known >= 254:
        found["254.conf"] = (UNITS / "254.conf").read_text()
    return found


def complaints(units: Path, known: int) -> str:
    """All that `systemd-analyze verify` has to say about the units of that folder with the drop-ins."""
    with tempfile.TemporaryDirectory(prefix="agenticd-units-") as temporary:
        folder = Path(temporary)
        text = (units / "agenticd.service").read_text()
        # It wants to see the program, which is installed nowhere here.
        (folder / "agenticd.service").write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", text))
        shutil.copy(units / "agenticd.socket", folder)
        (folder / "agenticd.service.d").mkdir()
        for name, each in drop_ins(known).items():
            (folder / "agenticd.service.d" / name).write_text(each)
        command = ["systemd-analyze", "verify", "./agenticd.service", "./agenticd.socket"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    # It returns 0 for keys that it does not know: only silence is consent.
    said = done.stderr + done.stdout
    return said if said or done.returncode == 0 else f"systemd-analyze verify returned {done.returncode}"


def exposure(unit: Path) -> float:
    """How much of the system the service could reach if it were taken over: 0 to 10."""
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    if found is None:
        raise SystemExit(f"systemd-analyze security gave no figure for {unit}:\n{done.stdout}{done.stderr}")
    return float(found[1])


def main() -> int:
    """Check, and say what was found."""
    known = version()
    if not known:
        print("systemd-analyze is not installed: the units were not checked", file=sys.stderr)
        return 1 if os.environ.get("CI") == "true" else 0
    said = complaints(UNITS, known)
    found = exposure(UNITS / "agenticd.service")
    if said:
        print(said, file=sys.stderr)
    if found > MOST:
        print(f"systemd/agenticd.service: exposure {found}, at most {MOST} is allowed", file=sys.stderr)
    if said or found > MOST:
        return 1
    print(f"systemd/: verified by systemd {known}, exposure {found} of 10 (at most {MOST})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
