"""Twilio Media Streams, bidirectional: JSON text frames to messages, and our three orders to JSON.

A codec only. What a message means is said in turn.py and call.py; who may open a stream, in token.py.
"""

from __future__ import annotations

import msgspec

from agenticd.core.errors import RemoteError
from agenticd.core.wire import DECODE_ERRORS, Data, is_base64, twilio_kind

# --- From Twilio --------------------------------------------------------------------------------------------


class Connected(msgspec.Struct, frozen=True, gc=False):
    """The first frame of a socket. It names no stream."""


class StreamStarted(msgspec.Struct, frozen=True, gc=False):
    """The stream begins: mu-law, 8 kHz, one channel. `parameters` are the TwiML's <Parameter>s."""

    stream_sid: str
    call_sid: str
    account_sid: str
    parameters: dict[str, str]


class StartMalformed(msgspec.Struct, frozen=True, gc=False):
    """A `start` that begins no stream that we could carry. `why` never has anything of what was sent."""

    why: str


class MediaReceived(msgspec.Struct, frozen=True, gc=False):
    """What the caller said: mu-law, base64 (proven), as a rule 20 ms."""

    stream_sid: str
    payload: str


class MarkEchoed(msgspec.Struct, frozen=True, gc=False):
    """All that was sent before our mark was played, or was cleared."""

    stream_sid: str
    name: str


class DigitPressed(msgspec.Struct, frozen=True, gc=False):
    """The caller pressed a key: one of 0-9 * # A-D."""

    stream_sid: str
    digit: str


class StreamStopped(msgspec.Struct, frozen=True, gc=False):
    """The stream or the call is over. `call_sid` is "" where Twilio did not say."""

    stream_sid: str
    call_sid: str


class Ignored(msgspec.Struct, frozen=True, gc=False):
    """Something that means nothing to us. `kind` is its name on the wire, at most 64 characters."""

    kind: str


Message = (
    Connected | StreamStarted | StartMalformed | MediaReceived | MarkEchoed | DigitPressed | StreamStopped | Ignored
)


# The frames as they stand on the wire. Counters (sequenceNumber, chunk, timestamp: strings) are not needed:
# the socket keeps the order, and Twilio sends no frame twice. Unknown fields are skipped.


class _ConnectedFrame(msgspec.Struct, frozen=True, gc=False, tag_field="event", tag="connected"):
    pass


class _Format(msgspec.Struct, frozen=True, gc=False):
    encoding: str
    sampleRate: float  # noqa: N815 - the wire's name
    channels: float


class _Start(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    account_sid: str
    call_sid: str
    media_format: _Format
    custom_parameters: dict[str, str] | None = None


class _StartFrame(msgspec.Struct, frozen=True, gc=False, tag_field="event", tag="start", rename="camel"):
    stream_sid: str
    start: _Start


class _Media(msgspec.Struct, frozen=True, gc=False):
    payload: str
    track: str = "inbound"


class _MediaFrame(msgspec.Struct, frozen=True, gc=False, tag_field="event", tag="media", rename="camel"):
    stream_sid: str
    media: _Media


class _Dtmf(msgspec.Struct, frozen=True, gc=False):
    digit: str


class _DtmfFrame(msgspec.Struct, frozen=True, gc=False, tag_field="event", tag="dtmf", rename="camel"):
    stream_sid: str
    dtmf: _Dtmf


class _Mark(msgspec.Struct, frozen=True, gc=False):
    name: str


class _MarkFrame(msgspec.Struct, frozen=True, gc=False, tag_field="event", tag="mark", rename="camel"):
    stream_sid: str
    mark: _Mark


class _Stop(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    call_sid: str = ""


class _StopFrame(msgspec.Struct, frozen=True, gc=False, tag_field="event", tag="stop", rename="camel"):
    stream_sid: str
    stop: _Stop = _Stop()


_Frame = _ConnectedFrame | _StartFrame | _MediaFrame | _DtmfFrame | _MarkFrame | _StopFrame
_DECODER: msgspec.json.Decoder[_Frame] = msgspec.json.Decoder(_Frame)
_KNOWN = frozenset(("connected", "media", "dtmf", "mark", "stop"))  # and start, which is a case of its own
_DIGITS = frozenset("0123456789*#ABCD")


def decode(data: Data) -> Message:
    """The message in one frame. Raises RemoteError, and nothing else, for what is none."""
    try:
        frame = _DECODER.decode(data)
    except DECODE_ERRORS as error:
        kind = twilio_kind(data, _KNOWN, error)
        return StartMalformed("a field is missing, or of another type") if kind == "start" else Ignored(kind)
    match frame:
        case _MediaFrame():
            return _media(frame)
        case _MarkFrame():
            return MarkEchoed(frame.stream_sid, frame.mark.name)
        case _DtmfFrame():
            if frame.dtmf.digit not in _DIGITS:
                raise RemoteError("twilio", "dtmf: digit is not one of 0-9 * # A-D")
            return DigitPressed(frame.stream_sid, frame.dtmf.digit)
        case _ConnectedFrame():
            return Connected()
        case _StartFrame():
            return _started(frame)
        case _StopFrame():
            return StreamStopped(frame.stream_sid, frame.stop.call_sid)


def _media(frame: _MediaFrame) -> Message:
    media = frame.media
    if media.track != "inbound":
        # Our own voice would reach the model as the caller's. A bidirectional stream has only the one track.
        return Ignored("media of another track")
    if not is_base64(media.payload):
        raise RemoteError("twilio", "media: payload is not base64")
    return MediaReceived(frame.stream_sid, media.payload)


def _started(frame: _StartFrame) -> StreamStarted | StartMalformed:
    start = frame.start
    audio = start.media_format
    if (audio.encoding, audio.sampleRate, audio.channels) != ("audio/x-mulaw", 8000, 1):
        return StartMalformed("its mediaFormat is not audio/x-mulaw, 8000 Hz, 1 channel")
    if not frame.stream_sid or not start.call_sid:
        return StartMalformed("its streamSid or callSid is empty")
    return StreamStarted(frame.stream_sid, start.call_sid, start.account_sid, start.custom_parameters or {})


# --- To Twilio ----------------------------------------------------------------------------------------------
# Nothing but these three, and no field more: Twilio drops anything else with a warning (31951).


class _Payload(msgspec.Struct, frozen=True, gc=False):
    payload: str


class _MediaOrder(msgspec.Struct, frozen=True, gc=False, tag_field="event", tag="media", rename="camel"):
    stream_sid: str
    media: _Payload


class _MarkOrder(msgspec.Struct, frozen=True, gc=False, tag_field="event", tag="mark", rename="camel"):
    stream_sid: str
    mark: _Mark


class _ClearOrder(msgspec.Struct, frozen=True, gc=False, tag_field="event", tag="clear", rename="camel"):
    stream_sid: str


_encode = msgspec.json.Encoder().encode


def encode_media(stream_sid: str, payload: str) -> bytes:
    """Play this: mu-law, base64, no header."""
    return _encode(_MediaOrder(stream_sid, _Payload(payload)))


def encode_mark(stream_sid: str, name: str) -> bytes:
    """Say when all that was sent before has been played."""
    return _encode(_MarkOrder(stream_sid, _Mark(name)))


def encode_clear(stream_sid: str) -> bytes:
    """Throw away what has not been played; all marks come back at once."""
    return _encode(_ClearOrder(stream_sid))
