"""The way to the phone: straight through while its socket takes frames, a ring while it does not.

What waits here waits where it can still be thrown away: a `clear`, or the end of the stream, empties the ring and does
not stand behind it. The talk is told how much waits, because nobody has heard that yet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from agenticd.core.playout import BYTES_PER_SECOND, decoded_size
from agenticd.service.ports import MediaLink

HELD_LIMIT = 600 * BYTES_PER_SECOND
"""Bytes of audio that may wait: Twilio itself would keep 10 minutes. A phone that far behind is given up."""


class Outlet:
    """A MediaLink's audio, in order."""

    def __init__(self, link: MediaLink, tell: Callable[[int], None]) -> None:
        self._link = link
        self._tell = tell
        """Called with the bytes of audio that wait, each time that they have changed."""
        self._ring: deque[tuple[int, str]] = deque()
        """Bytes and payload of audio; 0 and the name of a mark."""
        self._held = 0
        link.on_writable = self._drain

    def play(self, payload: str) -> None:
        """Audio: mu-law, base64."""
        if self._link.writable and not self._ring:
            self._link.play(payload)
        else:
            self._hold(decoded_size(payload), payload)

    def mark(self, name: str) -> None:
        """A mark behind all audio before it."""
        if self._link.writable and not self._ring:
            self._link.mark(name)
        else:
            self._hold(0, name)

    def clear(self) -> None:
        """Throw away what waits here and what the phone has not played."""
        self._empty()
        self._link.clear()

    def close(self) -> None:
        """End the stream, and what waits for it."""
        self._link.on_writable = None
        self._empty()
        self._link.close()

    def _hold(self, size: int, text: str) -> None:
        self._ring.append((size, text))
        if not size:
            return
        self._held += size
        if self._held > HELD_LIMIT:
            self.close()
        else:
            self._tell(self._held)

    def _drain(self) -> None:
        """The socket takes frames again: what waits goes out, as far as it goes."""
        before = self._held
        while self._ring and self._link.writable:
            size, text = self._ring.popleft()
            self._held -= size
            if size:
                self._link.play(text)
            else:
                self._link.mark(text)
        if self._held != before:
            self._tell(self._held)

    def _empty(self) -> None:
        self._ring.clear()
        if self._held:
            self._held = 0
            self._tell(0)
