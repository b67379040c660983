"""A telephone that plays what it gets, in real time, and echoes each mark when all before it has been played."""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic

from bench import wire
from bench.exchange import Exchange
from bench.phone import Phone

_SOON = 0.0005  # uvloop counts milliseconds


class PlayingPhone(Phone):
    """The carrier's end of an Exchange. On `clear` it forgets what it has not played, and echoes all marks at once."""

    def __init__(self, call: Exchange, stream_sid: str) -> None:
        super().__init__(call, stream_sid)
        self._call = call
        self._marks: deque[tuple[float, str]] = deque()
        """When each is due, and its name."""
        self._timer: asyncio.TimerHandle | None = None

    def hear(self, message: wire.Message, now: float) -> None:
        """A message of the bridge's, that came just now."""
        payload = message.media.payload if message.media is not None else message.delta
        if message.event == "clear":
            self._call.cleared(now)
            while self._marks:
                self.echo(self._marks.popleft()[1])
        elif message.mark is not None:
            self._marks.append((self._call.playback.end, message.mark.name))
            if self._timer is None:
                self._echo_due()
        elif payload and not message.type.endswith("transcript.delta"):
            self._call.heard(payload, now)

    def _echo_due(self) -> None:
        """Echo what is due, and come again for the next."""
        self._timer = None
        now = monotonic()
        while self._marks and self._marks[0][0] <= now + _SOON:
            self.echo(self._marks.popleft()[1])
        if self._marks and not self.gone.is_set():
            self._timer = asyncio.get_running_loop().call_later(self._marks[0][0] - now, self._echo_due)
