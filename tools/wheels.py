"""Build both wheels into dist/, and prove that they work where there is no source tree.

First the client's wheel with its own dependencies only, then the daemon's with what is locked: `make wheels`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
UV = Path(sys.executable).parent / "uv"
# For each distribution: the folder that it is built from, and the packages in it.
PROJECTS = {"agenticd_client": ("clients/python", ("agentic", "agentctl")), "agenticd": (".", ("agenticd",))}


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a command to its end and return what it printed; a failure ends this program with what it said."""
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"wheels: {' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def build(name: str) -> Path:
    """Build one wheel, without network, and hold its files against the source's."""
    folder, packages = PROJECTS[name]
    run(UV, "build", "--quiet", "--offline", "--wheel", "--out-dir", DIST, ROOT / folder)
    (wheel,) = DIST.glob(f"{name}-[0-9]*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = {n for n in archive.namelist() if ".dist-info/" not in n and not n.endswith("/")}
    if inside != (source := set(files_of(ROOT / folder, packages))):
        sys.exit(f"wheels: {wheel.name} and its source differ: {sorted(inside ^ source)}")
    print(f"{wheel.name}: {len(inside)} files, {wheel.stat().st_size // 1024} KiB")
    return wheel


def files_of(folder: Path, packages: Iterable[str]) -> Iterable[str]:
    """The files that git knows or would know in the packages, as a wheel names them."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", *packages, cwd=folder)
    return (line for line in listed.splitlines() if (folder / line).exists())


def main() -> None:
    """Build, install, run."""
    for old in DIST.glob("*.whl"):
        old.unlink()
    client, daemon = (build(name) for name in PROJECTS)
    with tempfile.TemporaryDirectory() as name:
        tmp = Path(name)
        venv = tmp / "venv"
        python, pip = venv / "bin" / "python", (UV, "pip")
        run(UV, "venv", "--quiet", "--python", sys.executable, venv)

        run(*pip, "install", "-q", "--python", python, "--no-build", "-c", "requirements/runtime.txt", client)
        run(venv / "bin" / "agentctl", "--help", cwd=tmp)
        print("agentctl --help works with the client's own dependencies")

        locked = ("--require-hashes", "--no-build", "requirements/runtime.txt")
        run(*pip, "sync", "-q", "--python", python, *locked)
        run(*pip, "install", "-q", "--python", python, "--offline", "--no-deps", client, daemon)
        run(*pip, "check", "--python", python)
        run(venv / "bin" / "agentctl", "--help", cwd=tmp)
        print(run(venv / "bin" / "agenticd", "version", cwd=tmp).strip())


if __name__ == "__main__":
    main()
