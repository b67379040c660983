"""The same request twice is one request: request ids, kept by the store for 24 h and claimed here while under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

from agenticd.core.errors import RequestIdReused
from agenticd.service.ports import EventLog, KnownRequest, RequestKey


@dataclass(slots=True)
class Claim:
    """A request id that is nobody else's for now. `known`: what the store remembers of it.

    `until`: keep the claim until this is done, however the one who claimed it leaves: a client that goes away must
    not let the next one in before the request is durable.
    """

    known: KnownRequest | None
    until: asyncio.Future[int] | None = None


class Requests:
    """One at a time for each id."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._under_way: dict[tuple[str, str], tuple[asyncio.Lock, list[None]]] = {}
        """Each id that is asked for now: its lock, and one None for whoever holds it or waits for it."""

    @asynccontextmanager
    async def claim(self, key: RequestKey) -> AsyncIterator[Claim]:
        """Wait for whoever has the id, then have it. Raises RequestIdReused, if it stood for another request."""
        name = (key.identity, key.request_id)
        lock, users = self._under_way.setdefault(name, (asyncio.Lock(), []))
        users.append(None)
        with ExitStack() as held:
            held.callback(self._leave, name)
            await lock.acquire()
            held.callback(lock.release)
            claim = Claim(await self._log.request(*name))
            if claim.known is not None and claim.known.fingerprint != key.fingerprint:
                raise RequestIdReused.at("request_id", "was used within 24 hours for another request; use a new one")
            try:
                yield claim
            finally:
                if claim.until is not None and not claim.until.done():
                    rest = held.pop_all()
                    claim.until.add_done_callback(lambda _: rest.close())

    def _leave(self, name: tuple[str, str]) -> None:
        users = self._under_way[name][1]
        users.pop()
        if not users:
            del self._under_way[name]
