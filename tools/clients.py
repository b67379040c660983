"""Runs targets of the clients' Makefiles, one language after the other.

python -m tools.clients build lint test               for all that $AGENTICD_CLIENTS names, or for all

A language whose toolchain is not on this machine is skipped, and says so; with $CI in the environment that is an error.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tests.clients.languages import chosen


def main(targets: list[str]) -> int:
    """Make them. Returns how many clients failed, at most 1."""
    failed: list[str] = []
    for folder in dict.fromkeys(language.folder for language in chosen()):
        language = next(one for one in chosen() if one.folder == folder)
        if language.missing:
            print(f"clients/{folder}: {'cannot be' if os.environ.get('CI') else 'is not'} made here; "
                  f"missing: {', '.join(language.missing)}", flush=True)  # fmt: skip
            if os.environ.get("CI"):
                failed.append(folder)
            continue
        for target in targets:
            began = time.monotonic()
            if subprocess.run(["make", "--no-print-directory", "-C", str(language.path), target]).returncode:
                print(f"clients/{folder}: make {target} FAILED", flush=True)
                failed.append(folder)
                break
            print(f"clients/{folder}: make {target}: {time.monotonic() - began:.0f} s", flush=True)
    if failed:
        print(f"failed: {', '.join(f'clients/{folder}' for folder in failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
