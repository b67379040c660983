"""From a command to the daemon: connects, runs, makes failures of errors. What is slow is imported here."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agentctl.exits import Exit, Failure
from agentctl.options import Env

if TYPE_CHECKING:
    from agentic import Client


def deaf() -> None:
    """Ctrl-C was pressed: a second one would only break the tidying up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits: a module in C that it breaks into fails to load, with an error of its own."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run(env: Env, work: Callable[[Client], Awaitable[int]]) -> int:
    """Do the work with a client of the daemon that the options name. Raises Failure."""
    # gRPC would tell of every connection that goes away, in a log format of its own, on the user's terminal.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    with _undisturbed():
        import asyncio

        from agentic import target as targets
        from agentic.client import Client
        from agentic.errors import AgenticError

    if not gc.isenabled():  # see __main__.py
        gc.freeze()
        gc.enable()
    try:
        target = targets.find(env.address)
    except ValueError as error:
        source = "--addr" if env.address else targets.ADDRESS_VARIABLE
        raise Failure(Exit.USAGE, [f"{source}: {error}"], "agentctl --help") from error
    except OSError as error:
        raise Failure(Exit.DENIED, [f"{error.filename}: {error.strerror}"]) from error

    async def connected() -> int:
        async with Client(target, env.timeout) as client:
            if env.wait:
                await client.wait_ready(env.timeout)
            try:
                return await work(client)
            except asyncio.CancelledError:
                deaf()
                raise

    try:
        return asyncio.run(connected())
    except AgenticError as error:
        from agentctl.failures import failure

        raise failure(error, target) from error
