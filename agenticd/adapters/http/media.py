"""A media socket: the carrier's frames go straight to the call's feed, its orders straight to the carrier.

Between a frame's arrival and its end nothing waits, queues or logs. How the connection comes: handover.py.
How many there may be: mediasockets.py.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

import structlog
from picows import WSFrame, WSListener, WSMsgType, WSTransport
from structlog.typing import FilteringBoundLogger

from agenticd.adapters.http.fragments import Fragments
from agenticd.adapters.http.switchboard import Feed
from agenticd.core.errors import AgenticError, RemoteError
from agenticd.core.ids import CallId
from agenticd.core.inputs import MediaClosed
from agenticd.core.mediastream import (
    Connected,
    DigitPressed,
    Ignored,
    MarkEchoed,
    MediaReceived,
    StartMalformed,
    StreamStarted,
    StreamStopped,
    decode,
    encode_clear,
    encode_mark,
    encode_media,
)
from agenticd.service.ports import Timer

if TYPE_CHECKING:
    from agenticd.adapters.http.mediasockets import MediaSockets

MESSAGE_LIMIT = 64 * 1024
"""Bytes of one message, its fragments joined. Twilio's media messages have some 350."""
FAULT_LIMIT = 100
"""What a peer may get wrong on one socket before the log says so, once. It ends nothing: what counts for the stream is
what it gets right, and one that gets nothing right is silent."""
UNSENT_LIMIT = 64 * 1024
"""Bytes that may wait in memory for a peer that does not read. Audio waits in the call's own ring while the socket is
not writable, so beyond the high water mark there is one piece of it, and a thousand `clear`s would fit."""

_TEXT = WSMsgType.TEXT
_NORMAL, _POLICY, _NO_CODE = 1000, 1008, 1005

_log: FilteringBoundLogger = structlog.get_logger()


class State(enum.Enum):
    """Where a media socket stands. It only moves down this list."""

    OPENING = enum.auto()  # admitted, and not connected yet
    UNPROVEN = enum.auto()  # no valid start yet
    LIVE = enum.auto()  # a call's stream
    CLOSING = enum.auto()  # told to go, and not gone yet
    GONE = enum.auto()


_LIVE = State.LIVE


class MediaSocket(WSListener):
    """One connection, and the MediaLink of the stream on it.

    What comes is fed to the call, from attach to exactly one MediaClosed. The methods of MediaLink do nothing
    once the stream is over, and never raise.
    """

    def __init__(self, call_id: CallId, sockets: MediaSockets) -> None:
        self.call_id = call_id
        self.state = State.OPENING
        self.writable = True
        """Whether what is sent goes out at once. While it is not, what is sent waits in memory."""
        self.on_writable: Callable[[], None] | None = None
        """Called each time it becomes writable again."""
        self._sockets = sockets
        self._now = sockets.clock.monotonic
        self._transport: WSTransport | None = None
        self._stream_sid = ""
        self._feed: Feed | None = None  # from attach's answer to MediaClosed
        self._heard_at = 0.0  # when the stream last said something
        self._gap = 0.0  # the longest time in which it said nothing
        self._faults = 0
        self._ping: bytes | None = None  # to be answered when there is room
        self._fragments = Fragments(MESSAGE_LIMIT, self._fault)
        self._timer: Timer | None = None  # what is due, depends on the state

    # Called by picows.

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport
        self.state = State.UNPROVEN
        self._call_in(self._sockets.limits.start_seconds)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame, which is there only for as long as this call."""
        if frame.msg_type is _TEXT and frame.fin and not self._fragments.unfinished:
            if frame.payload_size > MESSAGE_LIMIT:
                self._fault("oversized")
            else:
                self._receive(frame.get_payload_as_bytes())
        else:
            self._receive_other(transport, frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The connection is lost, whoever ended it."""
        self.gone()

    def pause_writing(self) -> None:
        """The transport holds too much."""
        self.writable = False

    def resume_writing(self) -> None:
        """The transport has sent most of it."""
        self.writable = True
        ping, self._ping = self._ping, None
        if ping is not None and self._transport is not None:
            self._transport.send_pong(ping)  # before what waits fills the room again
        if self.on_writable is not None and self.state is _LIVE:
            self.on_writable()

    # MediaLink.

    def play(self, payload: str) -> None:
        """Send mu-law, base64."""
        self._send(encode_media(self._stream_sid, payload))

    def mark(self, name: str) -> None:
        """Ask for an echo when all that was sent before has been played."""
        self._send(encode_mark(self._stream_sid, name))

    def clear(self) -> None:
        """Throw away what has not been played."""
        self._send(encode_clear(self._stream_sid))

    def close(self, code: int = _NORMAL) -> None:
        """End the stream. MediaClosed comes when the carrier has closed too, or has not in time."""
        if self._transport is None or self.state in (State.CLOSING, State.GONE):
            return
        self.state = State.CLOSING
        self._transport.send_close(code)  # type: ignore[arg-type] # any int will do
        self._call_in(self._sockets.limits.close_seconds)

    # For the keeper of the sockets.

    def abort(self, message: str) -> None:
        """End the connection at once, without a word to the peer."""
        if self.state is State.GONE:
            return
        self.state = State.CLOSING
        if self._transport is not None:
            self._transport.disconnect(False)
        self._tell_closed(stopped=False, message=message)

    def gone(self) -> None:
        """There is no connection any more, or never was one. Harmless when repeated."""
        if self.state is State.GONE:
            return
        self.state = State.GONE
        if self._timer is not None:
            self._timer.cancel()
        self._transport = self._timer = self.on_writable = None
        self._sockets.forget(self)
        self._tell_closed(stopped=False, message="the connection was lost")

    # Messages.

    def _receive(self, data: bytes) -> None:
        if self.state is not _LIVE and self._is_deaf():
            return
        try:
            message = decode(data)
        except RemoteError:
            self._fault("undecodable")
            return
        match message:
            case MediaReceived() | MarkEchoed() | DigitPressed():
                feed = self._feed
                if feed is None or message.stream_sid != self._stream_sid:
                    self._fault_of_stray()
                elif self.state is _LIVE:
                    now = self._now()
                    if now - self._heard_at > self._gap:
                        self._gap = now - self._heard_at
                    self._heard_at = now
                    feed(message)
            case StreamStarted():
                self._start(message)
            case StreamStopped():
                if self._feed is None or message.stream_sid != self._stream_sid:
                    self._fault_of_stray()
                else:
                    self._tell_closed(stopped=True, message="")
                    self.close()
            case StartMalformed():
                self._refuse_start("start_refused", message.why)
            case Connected():
                self._heard_at = self._now()
            case Ignored():
                self._sockets.faults["unknown_event"] += 1  # Twilio's news, perhaps: no fault of this socket
                self._heard_at = self._now()
            case _:
                assert_never(message)

    def _is_deaf(self) -> bool:
        # A stream that the call closed may still say `stop`; nothing else matters after a close.
        return self.state is not State.UNPROVEN and self._feed is None

    def _fault_of_stray(self) -> None:
        self._fault("before_start" if self._feed is None else "other_stream")

    def _start(self, message: StreamStarted) -> None:
        if self.state is not State.UNPROVEN:
            self._refuse_start("started_twice", "a second one on its socket")
            return
        self.state = _LIVE  # attach may play at once
        self._stream_sid = message.stream_sid
        try:
            feed = self._sockets.switchboard.attach(self.call_id, message, self)
        except AgenticError:
            feed = None
        if feed is None:
            self._refuse_start("start_refused", "no token of this call's newest offer, or another callSid")
            return
        self._feed = feed
        self._sockets.proven(self)
        self._heard_at = self._now()
        if self.state is _LIVE:  # else attach has closed the link, and its time to close runs
            self._call_in(self._sockets.limits.silence_seconds)

    def _refuse_start(self, fault: str, why: str) -> None:
        """End a socket at once for its `start`, whatever it was so far."""
        _log.warning("media stream refused", call_id=self.call_id, why=why)
        self._sockets.faults[fault] += 1
        self.close(_POLICY)  # first: told of the loss, the call closes too, and would say that all was well
        self._tell_closed(stopped=False, message=f"the carrier sent a start that is refused: {why}")

    def _tell_closed(self, *, stopped: bool, message: str) -> None:
        feed, self._feed = self._feed, None
        if feed is not None:
            self._sockets.gaps.add(max(self._gap, self._now() - self._heard_at))
            feed(MediaClosed(self._stream_sid, stopped, message))

    def _send(self, message: bytes) -> None:
        transport = self._transport
        if transport is None or self.state is not _LIVE:
            return
        transport.send(_TEXT, message)
        if not self.writable and transport.underlying_transport.get_write_buffer_size() > UNSENT_LIMIT:
            # No word of it to the call from here, which may be inside of its feed: the loss comes by itself.
            self._sockets.faults["stalled"] += 1
            self.state = State.CLOSING
            transport.disconnect(False)

    # Frames that are not simply a message.

    def _receive_other(self, transport: WSTransport, frame: WSFrame) -> None:
        kind, payload, fin = frame.msg_type, frame.get_payload_as_bytes(), bool(frame.fin)
        match kind:
            case WSMsgType.TEXT | WSMsgType.BINARY:
                self._receive_joined(self._fragments.first(payload, text=kind is _TEXT, fin=fin))
            case WSMsgType.CONTINUATION:
                self._receive_joined(self._fragments.next(payload, fin=fin))
            case WSMsgType.PING:
                if self.writable:
                    transport.send_pong(payload)
                else:  # RFC 6455, 5.5.3: the last one is enough. One that pings and does not read fills no memory.
                    self._ping = payload
            case WSMsgType.PONG:
                pass
            case WSMsgType.CLOSE:
                self._receive_close(transport, payload)
            case _:
                assert_never(kind)

    def _receive_joined(self, data: bytes | None) -> None:
        if data is not None:
            self._receive(data)

    def _receive_close(self, transport: WSTransport, payload: bytes) -> None:
        code = int.from_bytes(payload[:2], "big") if payload else _NO_CODE
        self.state = State.CLOSING
        transport.send_close()  # ignored if it was sent already
        transport.disconnect()
        self._call_in(self._sockets.limits.close_seconds)  # it may not read the rest
        self._tell_closed(stopped=False, message=f"the carrier closed the socket ({code})")

    # Faults and time.

    def broken(self) -> None:
        """The peer broke the WebSocket protocol, and picows is closing the connection."""
        self._sockets.faults["websocket"] += 1

    def _fault(self, why: str) -> None:
        self._sockets.faults[why] += 1
        self._faults += 1
        if self._faults == FAULT_LIMIT:
            _log.warning("a media socket sends much that is wrong", call_id=self.call_id, last=why)

    def _call_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._sockets.clock.call_at(self._now() + seconds, self._due)

    def _due(self) -> None:
        self._timer = None
        match self.state:
            case State.UNPROVEN:
                self._sockets.faults["no_start"] += 1
                self.close(_POLICY)
            case State.LIVE:
                self._look_for_silence()
            case State.CLOSING:
                self.abort("the carrier did not close the socket")
            case State.OPENING | State.GONE:
                pass
            case _:
                assert_never(self.state)

    def _look_for_silence(self) -> None:
        limit = self._sockets.limits.silence_seconds
        left = self._heard_at + limit - self._now()
        if left > 0:
            self._call_in(left)
        else:
            self._sockets.faults["silent"] += 1
            self.abort(f"no frame for {limit:g} s")
