"""The clients that the story is told with, and what each needs on the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHOSEN = "AGENTICD_CLIENTS"
"""In the environment: the names of those that are wanted, with spaces between them. Without it all are."""


@dataclass(frozen=True, slots=True)
class Language:
    """One column of the story. `tools` are programs without which its client cannot be built; `words` are given to its
    teller."""

    name: str
    folder: str
    title: str
    tools: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Where its client is."""
        return ROOT / "clients" / self.folder

    @property
    def missing(self) -> tuple[str, ...]:
        """Its tools that this machine has not."""
        return tuple(tool for tool in self.tools if shutil.which(tool) is None)

    def command(self) -> list[str]:
        """What starts its teller, in its folder. Raises NotBuilt."""
        environ = {"PY": sys.executable, **os.environ}
        for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
            environ.pop(name, None)  # of the make that runs the tests
        told = subprocess.run(
            ["make", "-s", "--no-print-directory", "-C", str(self.path), "teller"],
            capture_output=True, text=True, env=environ,
        )  # fmt: skip
        words = told.stdout.split("\n")[:-1]
        if told.returncode or not words:
            raise NotBuilt(f"make -C clients/{self.folder} teller:\n{told.stdout}{told.stderr}")
        if shutil.which(words[0], path=f"{self.path}:{os.environ['PATH']}") is None:
            raise NotBuilt(f"there is no {words[0]}: make -C clients/{self.folder} build")
        return [*words, *self.words]


class NotBuilt(Exception):
    """The client has no teller yet. The text says what was tried."""


LANGUAGES: tuple[Language, ...] = (
    Language("python", "python", "Python"),
    Language("python-sync", "python", "Python, threads", words=("--sync",)),
    Language("go", "go", "Go", tools=("go",)),
    Language("typescript", "typescript", "TypeScript", tools=("node", "npm")),
    Language("java", "java", "Java", tools=("java", "javac", "mvn")),
    Language("rust", "rust", "Rust", tools=("cargo",)),
)


def chosen() -> tuple[Language, ...]:
    """Those that are wanted. Raises ValueError for a name that is none; a folder's name stands for all that it has."""
    wanted = os.environ.get(CHOSEN, "").split()
    known = {language.name for language in LANGUAGES} | {language.folder for language in LANGUAGES}
    if unknown := set(wanted) - known:
        raise ValueError(f"${CHOSEN}: {', '.join(sorted(unknown))} is none of {', '.join(sorted(known))}")
    return tuple(one for one in LANGUAGES if not wanted or one.name in wanted or one.folder in wanted)
