"""What joins two telephones: each hears what the other sends, keys too."""

from __future__ import annotations

import asyncio
from typing import Protocol

from agenticd.emulator.phone import Phone, dtmf
from agenticd.emulator.phone.playout import SILENCE


class Listener(Protocol):
    """Who gets what leaves a telephone."""

    async def send_frame(self, frame: bytes) -> None:
        """The next 20 ms of it."""

    async def send_digit(self, digit: str) -> None:
        """A key went down."""


class Crossing:
    """One way from a telephone to another's ear."""

    def __init__(self, to: Phone) -> None:
        self._to = to

    async def send_frame(self, frame: bytes) -> None:
        """Heard as soon as what was sent before it is. Silence is not sent: so a delay is made up for in pauses."""
        if frame.strip(SILENCE):
            self._play(frame)

    async def send_digit(self, digit: str) -> None:
        """Heard as its tone."""
        self._play(dtmf.sound(digit))

    def _play(self, audio: bytes) -> None:
        self._to.playout.media(audio, self._to.seconds(asyncio.get_running_loop().time()))


class Leg:
    """The dialled call's end of a `<Dial>`, as the one who dialled sees it."""

    def __init__(self, parent: Phone) -> None:
        self.parent = parent
        self.settled: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        """True when it was answered and is ready to be joined, False when it never will be."""
        self.joined = asyncio.Event()
        self.left = False
        """It hung up, or was sent elsewhere."""
        self.parted = asyncio.Event()
        """It left, or is to be let go of."""

    def settle(self, ready: bool) -> None:
        """Decide; the first time counts."""
        if not self.settled.done():
            self.settled.set_result(ready)

    def over(self) -> None:
        """It is gone."""
        self.left = True
        self.settle(False)
        self.parted.set()

    def let_go(self) -> None:
        """The one who dialled has enough."""
        self.parted.set()
