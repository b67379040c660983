"""`<Connect><Stream>`: the call is a server's, until one of the two ends it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, TypeAlias

from agenticd.emulator.twilio import urls
from agenticd.emulator.twilio.steps import SORRY, Fetch, HangUp, Next
from agenticd.emulator.twilio.stream import MediaStream, StreamRefused, stream_params
from agenticd.emulator.twilio.twiml import Connect, Document
from agenticd.emulator.twilio.verbs.line import Line

StreamEvent: TypeAlias = Literal["stream-started", "stream-stopped", "stream-error"]

_CLOSED, _BROKEN = 31921, 31903


async def perform(line: Line, connect: Connect, document: Document) -> Next:
    """Stream until the server ends it; None: the next verb follows."""
    stream = MediaStream(line.office.config, line.office.debugger, line.call, connect.stream)
    line.stream, line.listener = stream, _Wire(stream)
    line.call.streams.append(stream)
    try:
        await stream.open()
    except StreamRefused as refused:
        # A stream that never was: Twilio goes on with the next verb, and does not ask `action`.
        # Its pages do not say so plainly; what is known of the field agrees.
        line.stream = line.listener = None
        line.note(refused.code, str(refused))
        _tell(line, stream, "stream-error", str(refused))
        return None
    _tell(line, stream, "stream-started")
    closed = await stream.listen()
    _let_go(line)
    line.note(closed.code, closed.text)  # 31921 even if it was intended
    if closed.code == _CLOSED:
        _tell(line, stream, "stream-stopped")
    else:
        _tell(line, stream, "stream-error", closed.text)
    return _after(line, connect, document, closed.code)


def _after(line: Line, connect: Connect, document: Document, code: int) -> Next:
    """What follows. After an abrupt break Twilio's documents leave it open: a setting decides."""
    match line.office.config.now.streams.after_break if code == _BROKEN else "action":
        case "hang-up":
            return HangUp()
        case "fallback":
            options = line.call.options
            extra = {"ErrorCode": str(code), "ErrorUrl": connect.stream.url}
            if options.fallback_url:
                return Fetch("fallback", options.fallback_url, options.fallback_method, extra)
            return SORRY  # as after any failure without a fallback
        case "action" if connect.action is not None:
            return Fetch("action", urls.resolve(document.url, connect.action), connect.method)
        case _:
            return None


async def abandon(line: Line) -> None:
    """The call goes another way, or ends: the stream, if one is open, is stopped."""
    stream = _let_go(line)
    if stream is not None:
        await stream.stop()
        if stream.started:
            _tell(line, stream, "stream-stopped")


async def abort(line: Line) -> None:
    """Drop the stream's socket, if one is open, without a word."""
    stream = _let_go(line)
    if stream is not None:
        await stream.abort()


class _Wire:
    """What leaves the telephone goes over the stream, once that has begun."""

    def __init__(self, stream: MediaStream) -> None:
        self._stream = stream

    async def send_frame(self, frame: bytes) -> None:
        """20 ms of the caller."""
        if self._stream.live:
            await self._stream.send_frame(frame)

    async def send_digit(self, digit: str) -> None:
        """A key."""
        if self._stream.live:
            await self._stream.send_digit(digit)


def _let_go(line: Line) -> MediaStream | None:
    """No stream is open any more: what it left in the telephone's buffer is not played."""
    stream, line.stream = line.stream, None
    if stream is not None:
        line.listener = None
        if stream.started:
            line.call.phone.playout.reset(line.now())
    return stream


def _tell(line: Line, stream: MediaStream, event: StreamEvent, error: str = "") -> None:
    noun = stream.noun
    if noun.status_callback:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        params = stream_params(stream, event, error, at)
        line.report("stream", noun.status_callback_method, noun.status_callback, params)
