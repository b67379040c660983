"""The Python client of agenticd.

    async with agentic.connect() as client:
        placed = await client.place_call("+15550001111", greeting="Hello, this is a test.")
        async for event in client.follow(placed):
            print(event)

Messages are those of the contract, agentic.v1; errors are agentic.errors. Without asyncio: agentic.sync.
"""

from agentic.client import Client, connect
from agentic.cursor import Cursor
from agentic.errors import AgenticError
from agentic.events import EventStream
from agentic.target import Target

__all__ = ["AgenticError", "Client", "Cursor", "EventStream", "Target", "connect"]
