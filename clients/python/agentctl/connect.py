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
        from agentic.tls import BadFile

    if not gc.isenabled():  # see __main__.py
        gc.freeze()
        gc.enable()
    try:
        target = targets.find(env.address)
    except BadFile as error:
        from agentctl.failures import of_file

        raise of_file(error.path, str(error)) from error
    except ValueError as error:
        source = "--addr" if env.address else targets.ADDRESS_VARIABLE
        raise Failure(Exit.USAGE, [f"{source}: {error}"], "agentctl --help") from error
    except OSError as error:
        from agentctl.failures import of_file

        code = Exit.DENIED if isinstance(error, PermissionError) else Exit.USAGE
        raise of_file(error.filename, f"{error.filename}: {(error.strerror or '').lower()}", code) from error

    async def connected() -> int:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def pressed() -> None:
            loop.remove_signal_handler(signal.SIGINT)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would only break the tidying up
            task.cancel()

        # asyncio.run's own handler does not wake a loop that was about to wait when Ctrl-C was pressed.
        loop.add_signal_handler(signal.SIGINT, pressed)
        async with Client(target, env.timeout) as client:
            if env.wait:
                await client.wait_ready(env.timeout)
            return await work(client)

    try:
        return asyncio.run(connected())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    except AgenticError as error:
        from agentctl.failures import failure

        raise failure(error, target) from error
