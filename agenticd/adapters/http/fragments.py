"""Joins the frames of a WebSocket message, bounded. Pure; the frames themselves are picows'."""

from __future__ import annotations

from collections.abc import Callable


class Fragments:
    """One connection's message in the making. Only text is wanted; of the rest, `fault` is told why not."""

    def __init__(self, limit: int, fault: Callable[[str], None]) -> None:
        self.unfinished = False
        """Whether a message has begun that has not ended."""
        self._limit = limit
        self._fault = fault
        self._wanted = False
        self._data = bytearray()

    def first(self, payload: bytes, *, text: bool, fin: bool) -> bytes | None:
        """A message begins. The whole of it, if this was all and it is wanted."""
        if self.unfinished:
            self._fault("fragments")  # the one before is lost
        self.unfinished = not fin
        self._wanted = text
        self._data.clear()
        if not text:
            self._fault("binary")
        return self._add(payload, fin)

    def next(self, payload: bytes, *, fin: bool) -> bytes | None:
        """A message goes on. The whole of it, if this was the last of it and it is wanted."""
        if not self.unfinished:
            self._fault("fragments")
            return None
        self.unfinished = not fin
        return self._add(payload, fin)

    def _add(self, payload: bytes, fin: bool) -> bytes | None:
        if not self._wanted:
            return None
        if len(self._data) + len(payload) > self._limit:
            self._wanted = False
            self._data.clear()
            self._fault("oversized")
            return None
        self._data += payload
        if not fin:
            return None
        whole = bytes(self._data)
        self._data.clear()
        return whole
