"""Runs targets of the clients' Makefiles, two languages at a time.

python -m tools.clients build lint test               for all that $AGENTICD_CLIENTS names, or for all

What a target prints is shown when it has ended. A language whose toolchain is not on this machine is skipped, and
says so; with $CI in the environment that is an error.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tests.clients.languages import Language, chosen

AT_A_TIME = 2
"""Compilers and package managers are busy with one core each, or with waiting."""


def make(language: Language, targets: list[str]) -> bool:
    """Make the targets, up to the first that fails. Whether all went well."""
    name = f"clients/{language.folder}"
    if language.missing:
        word = "cannot be" if os.environ.get("CI") else "is not"
        print(f"{name}: {word} made here; missing: {', '.join(language.missing)}", flush=True)
        return not os.environ.get("CI")
    for target in targets:
        began = time.monotonic()
        made = subprocess.run(
            ["make", "--no-print-directory", "-C", str(language.path), target],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
        word = "FAILED, after" if made.returncode else "took"
        print(f"{made.stdout}{name}: make {target} {word} {time.monotonic() - began:.0f} s", flush=True)
        if made.returncode:
            return False
    return True


def main(targets: list[str]) -> int:
    """Make them for all clients. 1: one failed."""
    languages = {language.folder: language for language in chosen()}
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        made = dict(zip(languages, pool.map(lambda one: make(one, targets), languages.values()), strict=True))
    failed = [f"clients/{folder}" for folder, well in made.items() if not well]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
