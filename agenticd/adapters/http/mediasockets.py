"""All media sockets: how many may be unproven, what went wrong on them, and the end of them all."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

from agenticd.adapters.http.media import MediaSocket
from agenticd.adapters.http.switchboard import Switchboard
from agenticd.core.ids import CallId
from agenticd.core.tally import Tally
from agenticd.service.ports import Clock

_GOING_AWAY = 1001
_GRACE_SECONDS = 1.0
_GAP_SECONDS = (0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Seconds to a valid start, without a frame, for the peer to close; how many may lack a start."""

    start_seconds: float = 5.0
    silence_seconds: float = 3.0
    close_seconds: float = 2.0
    unproven_per_call: int = 2
    unproven: int = 64


class MediaSockets:
    """Admits media sockets and keeps them until they are gone."""

    def __init__(self, switchboard: Switchboard, clock: Clock, limits: MediaLimits) -> None:
        self.switchboard = switchboard
        self.clock = clock
        self.limits = limits
        self.faults: Counter[str] = Counter()
        """What peers got wrong, by reason."""
        self.gaps = Tally(_GAP_SECONDS)
        """The longest time without a frame, of each stream that has ended."""
        self._all: set[MediaSocket] = set()
        self._unproven: Counter[CallId] = Counter()
        self._admitted: set[MediaSocket] = set()  # those that _unproven counts
        self._closed = False
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._all)

    def admit(self, call_id: CallId) -> MediaSocket | None:
        """A socket for this call, or None when too many have not shown a valid start, or the server stops."""
        if (
            self._closed
            or len(self._admitted) >= self.limits.unproven
            or self._unproven[call_id] >= self.limits.unproven_per_call
        ):
            return None
        media = MediaSocket(call_id, self)
        self._all.add(media)
        self._admitted.add(media)
        self._unproven[call_id] += 1
        self._empty.clear()
        return media

    def proven(self, media: MediaSocket) -> None:
        """It has shown a valid start. Harmless when repeated."""
        if media in self._admitted:
            self._admitted.discard(media)
            self._unproven[media.call_id] -= 1
            if not self._unproven[media.call_id]:
                del self._unproven[media.call_id]

    def forget(self, media: MediaSocket) -> None:
        """It is gone."""
        self.proven(media)
        self._all.discard(media)
        if not self._all:
            self._empty.set()

    async def close(self) -> None:
        """End all of them, and admit no more. Those that do not go within a second are cut off."""
        self._closed = True
        for media in list(self._all):
            media.close(_GOING_AWAY)
        try:
            async with asyncio.timeout(_GRACE_SECONDS):
                await self._empty.wait()
        except TimeoutError:
            for media in list(self._all):
                media.abort("the daemon is stopping")
            await self._empty.wait()
