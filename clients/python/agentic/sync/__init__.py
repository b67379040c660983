"""The same client without asyncio: for scripts, and for back ends that use threads.

    with agentic.sync.connect() as client:
        placed = client.place_call("+15550001111", greeting="Hello, this is a test.")
        for event in client.follow(placed):
            print(event)

Names and behaviour are those of agentic; cursors, errors and messages are the very same.
"""

from agentic.sync.client import Client, connect
from agentic.sync.events import EventStream

__all__ = ["Client", "EventStream", "connect"]
