"""What a session has to send: events in order, bounded, written by one task."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

# A client that lets more than this pile up does not read: it is cut off.
_MOST_EVENTS = 4096
_MOST_BYTES = 32 * 1024 * 1024
_ROOM = 64  # who can wait, waits while more events than this are unsent


@dataclass(frozen=True, slots=True)
class _Close:
    code: int | None
    """None: the connection is reset."""
    reason: str


class Outbox:
    """`put` never waits, so that events stay in the order of their causes; `room` is for who makes many."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket
        self._waiting: asyncio.Queue[str | bytes | _Close] = asyncio.Queue(_MOST_EVENTS)
        self._unsent = 0
        self._room = asyncio.Event()
        self._room.set()

    def put(self, message: str | bytes) -> None:
        """Sends a message after all before it."""
        self._unsent += len(message)
        self._put(message)

    def close(self, code: int | None, reason: str) -> None:
        """Closes the socket after what is unsent. Without a code the connection is reset, as by a crash."""
        self._put(_Close(code, reason))

    def _put(self, message: str | bytes | _Close) -> None:
        if self._waiting.full() or self._unsent > _MOST_BYTES:
            self._socket.transport.abort()
            return
        self._waiting.put_nowait(message)
        if self._waiting.qsize() > _ROOM:
            self._room.clear()

    async def room(self) -> None:
        """Waits while too much is unsent."""
        await self._room.wait()

    async def run(self) -> None:
        """Writes until the socket closes, or the task is cancelled."""
        while True:
            message = await self._waiting.get()
            try:
                match message:
                    case str() | bytes():
                        await self._socket.send(message)
                        self._unsent -= len(message)
                    case _Close(None, _):
                        self._reset()
                    case _Close(int() as code, reason):
                        await self._socket.close(code, reason)
            except ConnectionClosed:
                return
            if self._waiting.qsize() <= _ROOM:
                self._room.set()

    def _reset(self) -> None:
        """A TCP reset in place of an end: what the other side has not read is lost too."""
        raw = self._socket.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.transport.abort()
