"""A bidirectional media stream: Twilio's end of the WebSocket between one call and one server.

It moves bytes between telephone and socket. When it is opened, and what follows it, is the interpreter's.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.protocol import State

from agenticd.emulator.phone import Phone
from agenticd.emulator.twilio import urls, wire
from agenticd.emulator.twilio.call import Call, new_sid
from agenticd.emulator.twilio.config import TwilioConfig
from agenticd.emulator.twilio.debugger import Debugger
from agenticd.emulator.twilio.twiml import Stream
from agenticd.emulator.twilio.webhook import signature

_UNSENT = 32 * 1024
"""Bytes that the server has not taken: beyond, caller audio is dropped (2.5 s of it wait then)."""
_WRITE_LIMIT = 4 * 1024 * 1024  # never reached by audio, so that no send waits
_MAX_MESSAGE = 16 * 1024 * 1024
_FRAME_MS = 20


class StreamRefused(Exception):
    """The stream did not come about; `code` is Twilio's."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Closed:
    """How a stream ended that the server ended; `code` is Twilio's."""

    code: int
    text: str


class _Connect(connect):
    """Twilio follows no redirect: any answer but 101 is a refusal."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


class MediaStream:
    """One stream, from the handshake to its end; its counters stay to be read afterwards."""

    def __init__(self, config: TwilioConfig, debugger: Debugger, call: Call, noun: Stream) -> None:
        self.sid = new_sid("MZ")
        self.name = noun.name or self.sid
        self.noun = noun
        self.started = False
        """Whether the server took the handshake, and `connected` and `start` were sent."""
        self.closed: Closed | None = None
        """How the server ended it; None if it did not."""
        self.skip = 0
        """Where it began: `phone.sent[skip:]` went over it, if nothing was dropped."""
        self.received = bytearray()
        """All audio that the server sent and that was taken, without the gaps."""
        self.media_sent = self.media_received = self.media_dropped = 0
        self.marks_received = self.marks_echoed = self.clears = self.digits_sent = self.rejected = 0
        self._config = config
        self._debugger = debugger
        self._call = call
        self._socket: ClientConnection | None = None
        self._sequence = 1  # of the last message sent; 1 is `start`
        self._frames = 0  # of the telephone since the start, dropped ones counted
        self._noted: set[int] = set()
        self._began = 0.0  # on the loop's clock
        self._dead = False  # what is sent vanishes, both ways
        self._marked = asyncio.Event()  # marks may be due at another time than before

    @property
    def live(self) -> bool:
        """Whether messages can be sent."""
        return self.started and self._socket is not None and self._socket.state is State.OPEN and not self._dead

    async def open(self) -> None:
        """Connect, and send `connected` and `start`.

        Raises:
            StreamRefused: if the URL is not one for a stream, or the server is not there or does not want it.

        """
        check_url(self.noun.url, self._config.allow_plain)
        if self.noun.track not in ("", "inbound_track"):
            raise StreamRefused(31941, f"track {self.noun.track!r}: <Connect> has inbound_track only")
        faults = self._config.now.streams
        await asyncio.sleep(faults.delay)
        if len(self._call.streams) <= faults.refused:
            raise StreamRefused(31901, f"{self.noun.url} did not answer in time")
        self._socket = opened = await self._handshake()
        try:
            await opened.send(wire.CONNECTED)
            sids = self.sid, self._call.account_sid, self._call.sid
            await opened.send(wire.start(*sids, self.noun.parameters, faults.encoding, faults.sample_rate))
        except ConnectionClosed:
            pass  # `listen` finds out how and why
        self.skip = len(self._call.phone.sent)
        self.started = True
        self._began = asyncio.get_running_loop().time()

    async def _handshake(self) -> ClientConnection:
        url = self.noun.url
        there: dict[str, Any] = {}
        try:
            if self._config.now.road is not None:
                parts = urlsplit(url)
                port = parts.port or (443 if parts.scheme == "wss" else 80)
                there["host"], there["port"] = await self._config.now.road(parts.hostname or "", port)
            return await _Connect(
                url,
                # Seen in lower case on the wire.
                additional_headers={"x-twilio-signature": signature(self._config.auth_token, url, {})},
                user_agent_header="TwilioTmeWs/1.0",
                compression=None,
                proxy=None,
                ping_interval=None,
                open_timeout=self._config.stream_timeout,
                close_timeout=self._config.close_timeout,
                max_size=_MAX_MESSAGE,
                write_limit=_WRITE_LIMIT,
                **there,
            )
        except (InvalidURI, InvalidHandshake, OSError, EOFError, ValueError) as error:
            raise _refusal(error, url) from error

    async def listen(self) -> Closed:
        """Take what the server sends until it ends the stream."""
        assert self._socket is not None, "open it first"
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._echo())
                tasks.create_task(self._after("break_after", "breaks", self._reset))
                tasks.create_task(self._after("vanish_after", "vanishes", self._vanish))
                while True:
                    self._take(await self._socket.recv())
                    self._marked.set()
        except* ConnectionClosed as group:
            closed = group.exceptions[0]
            assert isinstance(closed, ConnectionClosed)
            self.closed = _closed(closed)
        assert self.closed is not None, "nothing else ends it"
        return self.closed

    async def _echo(self) -> None:
        """Send each mark when what was before it has been played: not 20 ms later."""
        loop, phone = asyncio.get_running_loop(), self._call.phone
        while True:
            self._marked.clear()
            phone.playout.advance(phone.seconds(loop.time()))
            await self.echo_marks()
            due = phone.playout.next_echo()
            try:
                async with asyncio.timeout_at(None if due is None else phone.clock(due)):
                    await self._marked.wait()
            except TimeoutError:
                pass

    async def _after(self, time: str, count: str, strike: Callable[[], None]) -> None:
        """Strike so long after the start as the present faults say, and again when they are changed."""
        now = self._config.now
        while True:
            changed, seconds = now.changed, getattr(now.streams, time)
            try:
                async with asyncio.timeout_at(None if seconds is None else self._began + seconds):
                    await changed.wait()
            except TimeoutError:
                if now.strikes(time, self._call.sid, getattr(now.streams, count)):
                    strike()
                await changed.wait()

    def _reset(self) -> None:
        assert self._socket is not None
        raw = self._socket.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.transport.abort()

    def _vanish(self) -> None:
        assert self._socket is not None
        self._dead = True
        self._socket.transport.pause_reading()

    def _take(self, message: str | bytes) -> None:
        phone = self._call.phone
        now = phone.seconds(asyncio.get_running_loop().time())
        try:
            command = wire.decode(message, self.sid)
        except wire.Malformed as error:
            self.rejected += 1
            self._note_once(error.code, str(error))
            return
        match command:
            case wire.Media():
                self._play(phone, command.media.payload, now)
            case wire.Mark():
                self.marks_received += 1
                phone.playout.mark(command.mark.name, now)
            case wire.Clear():
                self.clears += 1
                phone.playout.clear(now)

    def _play(self, phone: Phone, audio: bytes, now: float) -> None:
        self.media_received += 1
        if phone.playout.media(audio, now):
            self.received += audio
        else:
            self._note_once(31931, "more than 10 minutes of audio wait to be played: the rest is discarded")

    async def send_frame(self, frame: bytes) -> None:
        """Send 20 ms of the caller; dropped if the server does not keep up."""
        timestamp = self._frames * _FRAME_MS
        self._frames += 1
        if self._socket is None or self._socket.transport.get_write_buffer_size() > _UNSENT:
            self.media_dropped += 1
            self._note_once(31930, "the server does not read: caller audio is dropped")
            return
        self.media_sent += 1
        self._sequence += 1
        await self._send(wire.media(self.sid, self._sequence, self.media_sent, timestamp, frame))

    async def send_digit(self, digit: str) -> None:
        """Send a key that the caller pressed."""
        self.digits_sent += 1
        self._sequence += 1
        await self._send(wire.dtmf(self.sid, self._sequence, digit))

    async def echo_marks(self) -> None:
        """Send the marks that are due."""
        for name in self._call.phone.playout.echoes():
            self.marks_echoed += 1
            self._sequence += 1
            await self._send(wire.mark(self.sid, self._sequence, name))

    async def stop(self) -> None:
        """End it from Twilio's side: `stop`, then the close."""
        if self._socket is None:
            return
        if self._dead:
            return
        if not self._config.now.streams.stop:
            await self.abort()
            return
        if self.started:
            self._sequence += 1
            await self._send(wire.stop(self.sid, self._sequence, self._call.account_sid, self._call.sid))
        await self._socket.close()

    async def abort(self) -> None:
        """Drop the socket without a word. Harmless when it is closed."""
        if self._socket is not None:
            self._socket.transport.abort()
            await self._socket.wait_closed()

    async def _send(self, message: str) -> None:
        # On a socket that is closing, send() would wait for the end; nobody will read this.
        if self._socket is None or self._dead or self._socket.state is not State.OPEN:
            return
        try:
            await self._socket.send(message)
        except ConnectionClosed:
            return  # `listen` finds out how and why

    def _note_once(self, code: int, text: str) -> None:
        """Twilio tells of these once per stream."""
        if code not in self._noted:
            self._noted.add(code)
            self._debugger.note(code, self._call.sid, text)


def check_url(url: str, allow_plain: bool) -> None:
    """Judge the URL of a `<Stream>`.

    Raises:
        StreamRefused: 31923 malformed, 31922 not wss, 31920 with a query string.

    """
    parts = urls.split(url)
    if parts is None:
        raise StreamRefused(31923, f"{url!r} is no absolute URL")
    plain = parts.scheme == "ws" and allow_plain and urls.is_loopback(parts.hostname or "")
    if parts.scheme != "wss" and not plain:
        raise StreamRefused(31922, f"the scheme of {url!r} is not wss")
    if "?" in url:
        raise StreamRefused(31920, "the URL of a <Stream> carries no query string: use <Parameter>")


def _refusal(error: Exception, url: str) -> StreamRefused:
    secure = urlsplit(url).scheme == "wss"
    match error:
        case ssl.SSLError():  # first: a certificate that is refused is a ValueError, too
            return StreamRefused(31910, f"no TLS with {url}")
        case ConnectionResetError() | EOFError() if secure:  # who does not speak TLS may just go away
            return StreamRefused(31910, f"no TLS with {url}")
        case InvalidURI() | ValueError():  # the latter: a host that no resolver can be asked for
            return StreamRefused(31923, f"{url!r} is no URL")
        case InvalidStatus():
            return StreamRefused(31920, f"{url} answered the handshake with {error.response.status_code}")
        case InvalidHandshake() | EOFError():
            return StreamRefused(31920, f"{url} did not answer the handshake properly")
        case TimeoutError():
            return StreamRefused(31901, f"{url} did not answer in time")
        case ConnectionRefusedError():
            return StreamRefused(31902, f"{url} refused the connection")
        case socket.gaierror():
            return StreamRefused(31904, f"{url} has no address")
        case _:
            return StreamRefused(31904, f"{url} cannot be reached")


def _closed(closed: ConnectionClosed) -> Closed:
    """Who ended it: the one whose close frame came first, if there was one at all."""
    if closed.rcvd is not None and (closed.sent is None or closed.rcvd_then_sent):
        return Closed(31921, f"the server closed the stream with {closed.rcvd.code}")
    if closed.sent is not None:
        return Closed(31924, f"the server broke the WebSocket protocol ({closed.sent.code})")
    return Closed(31903, "the connection broke")


def stream_params(stream: MediaStream, event: str, error: str, timestamp: str) -> Mapping[str, str]:
    """What a stream's status callback says of it."""
    params = {
        "StreamSid": stream.sid,
        "StreamName": stream.name,
        "StreamEvent": event,
        "Timestamp": timestamp,
    }
    if error:
        params["StreamError"] = error
    return params
