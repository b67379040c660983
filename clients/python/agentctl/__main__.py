"""agentctl as it is started: by its script, or by python -m agentctl. What is imported here, nobody can interrupt."""

from __future__ import annotations

import gc
import sys


def main() -> int:
    """Run sys.argv's command line. Returns the exit code; never raises.

    The garbage collector stands still while modules are loaded, as nothing of them is garbage; who stays longer than an
    answer takes starts it again (connect.py). At the end it need not look through them either.
    """
    gc.disable()
    try:
        from agentctl.cli import main as run

        return run()
    except KeyboardInterrupt:  # before there was a command
        from agentctl.exits import Exit

        return Exit.INTERRUPTED
    finally:
        import signal

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done; Ctrl-C would only break Python's end
        gc.freeze()


if __name__ == "__main__":
    sys.exit(main())
