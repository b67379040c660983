"""Tells the story of tests/clients with this client: orders come in by lines of JSON, and what came of them goes out.

The protocol is tests/clients/README.md. Started from the folder above: python -m story.teller --address unix:/path;
`--sync` takes the client for threads.
"""

from __future__ import annotations

import argparse
import asyncio

from story import by_asyncio, by_thread


def parser() -> argparse.ArgumentParser:
    """The command line: what to connect to, as the client's own `connect` takes it."""
    made = argparse.ArgumentParser(prog="teller", description=__doc__)
    made.add_argument("--address", required=True)
    for name in ("--token", "--ca", "--cert", "--key"):
        made.add_argument(name)
    made.add_argument("--timeout", type=float)
    made.add_argument("--sync", action="store_true")
    return made


def main() -> None:
    """Obey until the input ends."""
    given = vars(parser().parse_args())
    sync = given.pop("sync")
    place = {name: value for name, value in given.items() if value is not None}
    if sync:
        by_thread.obey_all(place)
    else:
        asyncio.run(by_asyncio.obey_all(place))


if __name__ == "__main__":
    main()
