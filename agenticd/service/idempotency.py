"""The same request twice is one request: request ids, kept by the store for 24 h and here while they are under way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agenticd.core.errors import RequestIdReused
from agenticd.core.ids import CallId
from agenticd.service.ports import EventLog, RequestKey

T = TypeVar("T")


class Requests:
    """Who asks twice gets the first answer's call."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._under_way: dict[tuple[str, str], tuple[asyncio.Lock, list[None]]] = {}
        """Each id that is asked for now: its lock, and one None for whoever holds it or waits for it."""

    async def once(
        self,
        key: RequestKey,
        first: Callable[[], Awaitable[T]],
        again: Callable[[CallId, int], Awaitable[T]],
    ) -> T:
        """Do `first`, which stores the key with its effect, or `again` if the store knows the key.

        Raises RequestIdReused if it knows it for another request, and whatever they raise.
        """
        name = (key.identity, key.request_id)
        lock, users = self._under_way.setdefault(name, (asyncio.Lock(), []))
        users.append(None)
        try:
            async with lock:
                known = await self._log.request(*name)
                if known is None:
                    return await first()
        finally:
            users.pop()
            if not users:
                del self._under_way[name]
        if known.fingerprint != key.fingerprint:
            raise RequestIdReused.at("request_id", "was used within 24 hours for another request; use a new one")
        return await again(known.call_id, known.revision)
