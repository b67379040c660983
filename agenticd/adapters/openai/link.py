"""The socket to the OpenAI Realtime API: its frames go straight to the call's feed, the call's straight out.

It moves messages and says nothing itself; what is said when is decided in core/turn.py. From a frame's
arrival to its end nothing waits, queues or logs here. Why there is no connection is said in refusal.py.
"""

from __future__ import annotations

import asyncio
import enum
from collections import Counter, deque
from collections.abc import Callable

from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport

from agenticd.adapters.openai import refusal
from agenticd.adapters.openai.connect import (
    HIGH_WATER,
    LOW_WATER,
    MESSAGE_LIMIT,
    Config,
    connect,
    tls_context,
)
from agenticd.adapters.openai.unneeded import UNNEEDED
from agenticd.core.errors import RemoteError
from agenticd.core.events import AgentBrief
from agenticd.core.ids import CallId
from agenticd.core.inputs import Input, ModelClosed
from agenticd.core.realtime import Ignored, decode, encode_append
from agenticd.core.tally import Tally
from agenticd.service.ports import Clock, ModelLink, PeerHealth

__all__ = ["RING", "Config", "OpenAILink", "OpenAIModel", "State"]

RING = {"pcmu": 21_336, "pcm24": 128_000}
"""The caller's audio that waits while the socket takes none: 2 s, in base64 characters."""
_CONNECT_SECONDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_CLOSE_SECONDS = 2.0  # from our close frame to the peer's, and from either to the connection's end

_TEXT = WSMsgType.TEXT


class State(enum.Enum):
    """Where a link stands. It only moves down this list."""

    NEW = enum.auto()
    OPENING = enum.auto()
    OPEN = enum.auto()
    CLOSED = enum.auto()  # ModelClosed was fed; the connection may still be on its way down


class OpenAIModel:
    """Where sessions of the model come from: service/ports.py's Model and Peer."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self.config = config
        self.faults: Counter[str] = Counter()
        """What came that is no message of the protocol, or of a kind that is new to us, by reason. It is ignored, but
        for fragments out of order and messages without end, which end their session."""
        self.dropped = 0
        """Frames of callers' audio that were dropped because the socket took none for 2 s."""
        self.connects: Counter[str] = Counter()
        """How often a session was opened ("ok") or not ("refused")."""
        self.connect_seconds = Tally(_CONNECT_SECONDS)
        """How long it took to open those that were opened."""
        self.clock = clock
        self._health = PeerHealth()
        self._tls = tls_context(config.url)

    @property
    def health(self) -> PeerHealth:
        """How OpenAI answered last."""
        return self._health

    def session(self, call_id: CallId, brief: AgentBrief, feed: Callable[[Input], None]) -> ModelLink:
        """A session that is not open yet."""
        return OpenAILink(self, call_id, brief, feed)

    def report(self, ok: bool, message: str = "") -> None:
        """A link tells how it fared."""
        self._health = PeerHealth(ok, self.clock.wall(), message)

    async def connect(self, link: OpenAILink, model: str) -> None:
        """Open a WebSocket for the link. Raises as connect.connect does."""
        await connect(self.config, self._tls, model or self.config.model, link)


class OpenAILink(WSListener):
    """One session of the model: service/ports.py's ModelLink.

    Everything that comes is fed to the call until exactly one ModelClosed. `append`, `send` and `close`
    never block and never raise. `close` feeds the ModelClosed before it returns; the connection then has 2 s
    to end in good order, and is ended if it does not. Only a link whose `open` is cancelled says nothing:
    nobody is there any more.
    """

    def __init__(self, model: OpenAIModel, call_id: CallId, brief: AgentBrief, feed: Callable[[Input], None]) -> None:
        self.call_id = call_id
        self.state = State.NEW
        self.dropped = 0
        """Frames of the caller's audio that were dropped because the socket took none for 2 s."""
        self._model = model
        self._brief = brief
        self._feed: Callable[[Input], None] | None = feed  # None after ModelClosed
        self._opening: asyncio.Timeout | None = None
        self._began = 0.0  # the opening
        self._transport: WSTransport | None = None  # until the connection is lost
        self._parts: bytearray | None = None  # of a message in fragments; None between messages
        self._skip_parts = False  # that message is binary, and not wanted
        self._writable = True
        self._ring: deque[str] = deque()  # not empty only while not writable
        self._ring_size = 0
        self._abort: asyncio.TimerHandle | None = None

    # ModelLink: what the call orders.

    async def open(self) -> None:
        """Connect. A refusal is a ModelClosed, fed before this returns."""
        if self.state is not State.NEW:
            return
        self.state = State.OPENING
        self._began = self._model.clock.monotonic()
        timeout = self._model.config.connect_timeout
        try:
            async with asyncio.timeout(timeout) as self._opening:
                await self._model.connect(self, self._brief.model)
        except asyncio.CancelledError:
            self._feed = self._opening = None
            self.close()
            raise
        except (OSError, EOFError, ValueError, WSError) as error:  # OSError: time-outs and TLS too
            self._opening = None  # over: who hears of it may close
            self._refuse(*refusal.explain(error, timeout))
        finally:
            self._opening = None
        if self.state is State.OPENING:
            # picows returns without a word when the peer hangs up in place of an answer.
            self._refuse(0, "OpenAI closed the connection in place of an answer")

    def append(self, payload: str) -> None:
        """Send the caller's audio, base64. While the socket takes none, the last 2 s are kept."""
        if self._writable:
            self.send(encode_append(payload))
        elif self.state is State.OPEN:
            self._keep(payload)

    def send(self, message: bytes) -> None:
        """Send any other message. It does not wait behind audio that waits."""
        if self.state is State.OPEN and self._transport is not None:
            self._transport.send(_TEXT, message)

    def close(self) -> None:
        """End the session, also while it is being opened."""
        opening = self._opening
        self._end(1000, "closed by the daemon")
        if self._transport is not None:
            self._go(self._transport, 1000)
        elif opening is not None and not opening.expired():
            opening.reschedule(0)  # open() wakes with a TimeoutError

    # What the peer does: called by picows.

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The upgrade is accepted."""
        _retrieve(transport)
        if self.state is not State.OPENING:
            transport.disconnect(False)
            return
        transport.underlying_transport.set_write_buffer_limits(high=HIGH_WATER, low=LOW_WATER)
        self._transport = transport
        self.state = State.OPEN
        self._model.report(ok=True)
        self._model.connects["ok"] += 1
        self._model.connect_seconds.add(self._model.clock.monotonic() - self._began)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame, for as long as this call lasts. Pings are answered by picows."""
        if frame.msg_type is _TEXT and frame.fin and self._parts is None:
            self._receive(frame.get_payload_as_bytes())
            return
        match frame.msg_type:
            case WSMsgType.CLOSE:
                self._receive_close(transport, frame.get_payload_as_bytes())
            case WSMsgType.TEXT | WSMsgType.BINARY | WSMsgType.CONTINUATION:
                self._receive_part(transport, frame)
            case _:
                pass

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The connection is lost, whoever ended it."""
        if self._abort is not None:
            self._abort.cancel()
            self._abort = None
        self._transport = None
        self._end(*refusal.explain_loss(transport.close_handshake))

    def pause_writing(self) -> None:
        """The transport holds enough."""
        self._writable = False

    def resume_writing(self) -> None:
        """The transport has sent most of it: what waits goes out, as far as it goes."""
        self._writable = True
        while self._ring and self._writable:
            payload = self._ring.popleft()
            self._ring_size -= len(payload)
            self.send(encode_append(payload))

    # Messages.

    def _receive(self, data: bytes) -> None:
        feed = self._feed
        if feed is None:
            return
        try:
            message = decode(data)
        except RemoteError:
            self._model.faults["undecodable"] += 1
            return
        if type(message) is Ignored and message.kind not in UNNEEDED:
            self._model.faults["unknown_event"] += 1
        feed(message)

    def _receive_part(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame that is not one whole text: a fragment, or binary, which nobody speaks here."""
        if (frame.msg_type is WSMsgType.CONTINUATION) == (self._parts is None):
            self._model.faults["fragments"] += 1
            self._break_off(transport, 1002, "OpenAI sent fragments out of order")
            return
        if self._parts is None:
            self._parts, self._skip_parts = bytearray(), frame.msg_type is WSMsgType.BINARY
            if self._skip_parts:
                self._model.faults["binary"] += 1
        parts = self._parts
        if not self._skip_parts:
            parts += frame.get_payload_as_bytes()
        if len(parts) > MESSAGE_LIMIT:
            self._model.faults["oversized"] += 1
            self._break_off(transport, 1009, "OpenAI sent a message of more than 16 MiB")
        elif frame.fin:
            self._parts = None
            if not self._skip_parts:
                self._receive(bytes(parts))

    def _receive_close(self, transport: WSTransport, payload: bytes) -> None:
        code = int.from_bytes(payload[:2], "big") if payload else 1005
        self._end(code, refusal.explain_close(code, payload[2:].decode("utf-8", "replace")))
        self._go(transport, 1000)
        transport.disconnect()  # when our close frame is out

    # The end.

    def _refuse(self, code: int, message: str) -> None:
        if self.state is State.OPENING:
            self._model.report(ok=False, message=message)
            self._model.connects["refused"] += 1
        self._end(code, message)

    def _end(self, code: int, message: str) -> None:
        feed, self._feed = self._feed, None
        if self.state is State.OPEN and code not in (1000, 1001):  # 1001: the session reached its age
            self._model.report(ok=False, message=message)
        self.state = State.CLOSED
        self._ring.clear()
        self._ring_size = 0
        self._parts = None
        if feed is not None:
            feed(ModelClosed(code, message))

    def _break_off(self, transport: WSTransport, code: int, message: str) -> None:
        self._end(code, message)
        self._go(transport, code)

    def _go(self, transport: WSTransport, code: int) -> None:
        """Say goodbye once. The peer then ends the connection, or it is ended."""
        if self._abort is None:
            transport.send_close(WSCloseCode(code))
            loop = asyncio.get_running_loop()
            self._abort = loop.call_later(_CLOSE_SECONDS, transport.disconnect, False)

    def _keep(self, payload: str) -> None:
        self._ring.append(payload)
        self._ring_size += len(payload)
        while self._ring_size > RING.get(self._brief.audio, RING["pcmu"]):
            self._ring_size -= len(self._ring.popleft())
            self.dropped += 1
            self._model.dropped += 1


def _retrieve(transport: WSTransport) -> None:
    """Hear what picows will say about the connection's end; asyncio logs an error that nobody heard.

    It can be had only by waiting, and a link has no task of its own: so the wait is begun and left to itself.
    """
    waiting = transport.wait_disconnected()
    end: asyncio.Future[None] = waiting.send(None)
    end.add_done_callback(lambda future: None if future.cancelled() else future.exception())
    waiting.close()
