"""agentctl as it is started: by its script, or by python -m agentctl."""

from __future__ import annotations

import gc
import sys


def main() -> int:
    """Run sys.argv's command line. Returns the exit code; never raises.

    The garbage collector stands still while modules are loaded, as nothing of them is garbage; who stays longer than an
    answer takes starts it again (connect.py). At the end it need not look through them either.
    """
    gc.disable()
    from agentctl.cli import main as run

    try:
        return run()
    finally:
        gc.freeze()


if __name__ == "__main__":
    sys.exit(main())
