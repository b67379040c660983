"""The Python client of agenticd.

    async with agentic.connect() as client:
        placed = await client.place_call("+15550001111", greeting="Hello, this is a test.")
        async for event in client.follow(placed):
            print(event)

Messages are those of the contract, agentic.v1; errors are agentic.errors. Without asyncio: agentic.sync.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentic.client import Client, connect
    from agentic.cursor import Cursor
    from agentic.errors import AgenticError
    from agentic.events import EventStream
    from agentic.target import Target

__all__ = ["AgenticError", "Client", "Cursor", "EventStream", "Target", "connect"]

_HOMES = {
    "AgenticError": "errors",
    "Client": "client",
    "Cursor": "cursor",
    "EventStream": "events",
    "Target": "target",
    "connect": "client",
}


def __getattr__(name: str) -> object:
    # Imported when asked for: who wants only the messages, as the daemon does, does not wait for the client.
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    if name == "v1" or name in _HOMES.values():
        import_module(f"{__name__}.client")  # and with it all of these, and the messages
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
