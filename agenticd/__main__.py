"""`agenticd`: the program. `serve` starts without what only the other commands need, which are in commands.py."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command that the command line names. Ends the process."""
    if sys.argv[1:2] == ["serve"]:
        from agenticd import serve

        serve.main(sys.argv[2:])
    from agenticd import commands

    commands.main(prog_name="agenticd")


if __name__ == "__main__":
    main()
