"""`python -m tests.chaos`: kill the daemon and its subscribers again and again; nothing is lost, nothing done twice."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import Chaos, summary


def say(text: str) -> None:
    """To whoever runs it."""
    print(text, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """0: all validators are content. 1: one is not."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="how many (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="what it draws can be had again (default %(default)s)")
    parser.add_argument("--folder", type=Path, help="where everything is written; one that has a run goes on with it")
    options = parser.parse_args(arguments)
    folder = (options.folder or Path(tempfile.mkdtemp(prefix="chaos-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    say(f"seed {options.seed}, {options.kills} kills, in {folder}; to go on after a stop: --folder {folder}")
    outcome = asyncio.run(Chaos(folder, options.seed, options.kills, say).run())
    for line in summary(outcome):
        say(line)
    (folder / "summary.txt").write_text("\n".join(summary(outcome)) + "\n")
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
