"""Telephones: the carrier's end of the media sockets, and the one clock that makes them all speak.

Each phone sends a frame every 20 ms, at its own phase, and checks all that it gets. Marks are echoed at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from heapq import heappop, heappush
from time import monotonic
from typing import Protocol

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from bench import wire
from bench.audio import FRAME_SECONDS, Delays, Line

_TEXT = WSMsgType.TEXT
_CLOSE_WITHIN = 2.0


class Phone(WSListener):
    """One media socket, from `connect` to its end."""

    def __init__(self, line: Line, stream_sid: str) -> None:
        self.line = line
        self.stream_sid = stream_sid
        self.gone = asyncio.Event()
        """The socket is closed, whoever closed it."""
        self._sid = stream_sid.encode()
        self._transport: WSTransport | None = None
        self._sequence = 1
        self._frames = 0
        self._hanging_up = False

    async def connect(self, url: str, headers: Mapping[str, str]) -> None:
        """Open the socket. Raises what picows raises."""
        await ws_connect(lambda: self, url, extra_headers=headers, max_redirects=0)

    def send(self, message: bytes) -> None:
        """Send any message but audio."""
        if self._transport is not None:
            self._transport.send(_TEXT, message)

    def echo(self, mark: str) -> None:
        """All that came before the mark has been played."""
        self._sequence += 1
        self.send(wire.mark(self.stream_sid, self._sequence, mark))

    def speak(self) -> None:
        """Send 20 ms."""
        transport = self._transport
        if transport is None:
            return
        line = self.line
        payload = line.voice.next()
        self._frames += 1
        self._sequence += 1
        stamp = (self._frames - 1) * 20
        message = wire.MEDIA % (self._sequence, self._frames, stamp, payload.encode(), self._sid)
        line.to_model.sent(payload, monotonic())
        transport.send(_TEXT, message)

    async def hang_up(self, account_sid: str = "", call_sid: str = "") -> None:
        """End the stream as Twilio does, `stop` and then the close, and wait until it is gone."""
        self._hanging_up = True
        if self._transport is not None:
            if call_sid:
                self._sequence += 1
                self.send(wire.stop(self.stream_sid, self._sequence, account_sid, call_sid))
            self._transport.send_close()
        try:
            async with asyncio.timeout(_CLOSE_WITHIN):
                await self.gone.wait()
        except TimeoutError:
            if self._transport is not None:
                self._transport.disconnect(False)
            await self.gone.wait()

    # Called by picows.

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._transport = None
        self.gone.set()
        if not self._hanging_up:
            self.line.faults.add(f"call {self.line.number}: the bridge closed the media stream")

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        now = monotonic()
        if frame.msg_type is not _TEXT:
            if frame.msg_type is WSMsgType.CLOSE:
                transport.send_close()
                transport.disconnect()
            return
        self.hear(wire.decode(frame.get_payload_as_bytes()), now)

    def hear(self, message: wire.Message, now: float) -> None:
        """A message of the bridge's, that came just now."""
        if message.media is not None:
            self.line.to_caller.arrived(message.media.payload, now)
        elif message.delta:
            self.line.to_caller.arrived(message.delta, now)
        elif message.mark is not None:
            self.echo(message.mark.name)
        elif message.event == "clear":
            self.line.faults.add(f"call {self.line.number}: the bridge cleared audio although nobody spoke")


class Speaker(Protocol):
    """Who says something every 20 ms."""

    def speak(self) -> None:
        """Say it now."""


class Pacer:
    """The clock of all who speak. Sends what is due whenever the loop calls, and notes how late that is."""

    _SOON = 0.0005  # uvloop counts milliseconds: half of one is not worth another wait

    def __init__(self, delays: Delays) -> None:
        self._lateness = delays.lateness
        self._due: list[tuple[float, int, Speaker]] = []
        self._speaking: set[Speaker] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._added = 0

    def add(self, speaker: Speaker, phase: float) -> None:
        """Let it speak, every 20 ms at this phase (0 to 1) of them, from now on."""
        now = monotonic()
        frames = now / FRAME_SECONDS
        first = (int(frames - phase) + 1 + phase) * FRAME_SECONDS
        self._added += 1
        self._speaking.add(speaker)
        heappush(self._due, (first, self._added, speaker))
        self._arm(now)

    def remove(self, speaker: Speaker) -> None:
        """Let it be silent. Harmless when it is."""
        self._speaking.discard(speaker)

    def _arm(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._due:
            wait = max(self._due[0][0] - now, self._SOON)
            self._timer = asyncio.get_running_loop().call_later(wait, self._tick)

    def _tick(self) -> None:
        self._timer = None
        due = self._due
        now = monotonic()
        while due and due[0][0] <= now + self._SOON:
            at, order, speaker = heappop(due)
            if speaker in self._speaking:
                speaker.speak()
                self._lateness.append(max(0.0, now - at))
                heappush(due, (at + FRAME_SECONDS, order, speaker))
            now = monotonic()
        self._arm(now)
