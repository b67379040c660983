"""`python -m tests.explore`: random histories of callbacks, media and commands through the pure machines."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

from tests.explore.explore import (
    Found,
    explore,
    history_of,
    never,
    rate,
    reached,
    show_coverage,
    show_history,
    show_violation,
)
from tests.explore.run import Coverage

SHOWN = 5
"""Violations after which it is enough."""


def say(text: str) -> None:
    """To whoever runs it."""
    print(text, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """0: no rule was broken. 1: one was."""
    parser = argparse.ArgumentParser(prog="python -m tests.explore", description=__doc__)
    parser.add_argument("--histories", type=int, default=200_000, help="how many (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the first history; the next has the next")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one per core)")
    parser.add_argument("--steps", type=int, default=30, help="inputs in a history, about (default %(default)s)")
    parser.add_argument("--one", type=int, metavar="SEED", help="show the history of one seed, and what it breaks")
    parser.add_argument("--json", action="store_true", help="the figures as one line of JSON, on the last line")
    options = parser.parse_args(arguments)
    return show_one(options.one, options.steps) if options.one is not None else run(options)


def show_one(seed: int, steps: int) -> int:
    """One history, whole."""
    history, violation = history_of(seed, steps)
    show_history(history, say)
    say(f"\n{violation or 'no rule is broken'}")
    return 0 if violation is None else 1


def run(options: argparse.Namespace) -> int:
    """Many histories, until a few have broken a rule."""
    coverage, found, done, cpu = Coverage(), list[Found](), 0, 0.0
    began = shown = time.monotonic()
    try:
        for part in explore(options.seed, options.histories, options.jobs, options.steps):
            coverage.add(part.coverage)
            cpu += part.cpu
            found += part.found
            done = part.first - options.seed + part.coverage.histories + len(part.found)
            if time.monotonic() - shown > 10:
                shown = time.monotonic()
                speed = rate(coverage.steps, shown - began)
                say(f"{done:,} histories, {coverage.steps:,} steps, {speed:,.0f} steps a minute")
            if len(found) >= SHOWN:
                break
    except KeyboardInterrupt:
        say(f"stopped; go on with --seed {options.seed + done}")
    speed = rate(coverage.steps, time.monotonic() - began)
    show_coverage(coverage, say)
    for line in never(coverage):
        say(f"NEVER REACHED  {line}")
    for one in found[:SHOWN]:
        show_violation(one, options.steps, say)
    say(
        f"\n{done:,} histories, {coverage.steps:,} steps, {speed:,.0f} steps a minute"
        f" ({rate(coverage.steps, cpu):,.0f} on a core of its own), {len(found)} broke a rule"
    )
    if options.json:
        figures = {"histories": done, "steps": coverage.steps, "steps_per_minute": round(speed), "broken": len(found)}
        more = {"compared": coverage.compared, "sane": coverage.sane, "reached": reached(coverage)}
        say(json.dumps(figures | more))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
