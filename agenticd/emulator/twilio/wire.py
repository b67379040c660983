"""The texts of a media stream, both ways: what Twilio writes, and what it takes, to the letter.

Written by hand, because a frame goes out 50 times a second for every call; read strictly, because a server
that is sloppy here is not heard at the real Twilio.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Mapping
from typing import TypeAlias

import msgspec

CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'


class _Payload(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    payload: bytes  # msgspec takes base64 for bytes


class _Name(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    name: str


class Media(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag_field="event", tag="media"):
    """Audio to be played: mu-law, any number of bytes."""

    stream_sid: str = msgspec.field(name="streamSid")
    media: _Payload


class Mark(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag_field="event", tag="mark"):
    """To be echoed when all media before it was played."""

    stream_sid: str = msgspec.field(name="streamSid")
    mark: _Name


class Clear(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag_field="event", tag="clear"):
    """All that was not played is to be forgotten."""

    stream_sid: str = msgspec.field(name="streamSid")


Command: TypeAlias = Media | Mark | Clear
_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)


class Malformed(Exception):
    """A message that is not taken; `code` is Twilio's: 31950 undecodable, 31951 invalid."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        super().__init__(text)


def decode(message: str | bytes, stream_sid: str) -> Command:
    """Read what a server sent on the stream `stream_sid`.

    Raises:
        Malformed: if Twilio would not take it.

    """
    if isinstance(message, bytes):
        raise Malformed(31950, "a binary frame: messages are JSON in text frames")
    try:
        command = _decoder.decode(message)
    except msgspec.ValidationError as error:
        raise Malformed(31951, f"no media, mark or clear: {error}") from error
    except msgspec.DecodeError as error:
        raise Malformed(31950, f"no JSON: {error}") from error
    if command.stream_sid != stream_sid:
        raise Malformed(31951, f"streamSid is {command.stream_sid!r}, this stream is {stream_sid}")
    return command


def start(
    stream_sid: str,
    account_sid: str,
    call_sid: str,
    parameters: Mapping[str, str],
    encoding: str = "audio/x-mulaw",
    sample_rate: int = 8000,
) -> str:
    """The `start` message, always the first with a sequence number."""
    return msgspec.json.encode(
        {
            "event": "start",
            "sequenceNumber": "1",
            "start": {
                "accountSid": account_sid,
                "streamSid": stream_sid,
                "callSid": call_sid,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": encoding, "sampleRate": sample_rate, "channels": 1},
                "customParameters": dict(parameters),
            },
            "streamSid": stream_sid,
        }
    ).decode()


def media(stream_sid: str, sequence: int, chunk: int, timestamp: int, frame: bytes) -> str:
    """A `media` message. `chunk` counts from 1, `timestamp` is in ms since the start of the stream."""
    payload = b2a_base64(frame, newline=False).decode()
    return (
        f'{{"event":"media","sequenceNumber":"{sequence}","media":{{"track":"inbound","chunk":"{chunk}",'
        f'"timestamp":"{timestamp}","payload":"{payload}"}},"streamSid":"{stream_sid}"}}'
    )


def dtmf(stream_sid: str, sequence: int, digit: str) -> str:
    """A `dtmf` message; its track is spelled unlike media's."""
    return (
        f'{{"event":"dtmf","streamSid":"{stream_sid}","sequenceNumber":"{sequence}",'
        f'"dtmf":{{"track":"inbound_track","digit":"{digit}"}}}}'
    )


def mark(stream_sid: str, sequence: int, name: str) -> str:
    """The echo of a mark."""
    body = msgspec.json.encode({"name": name}).decode()
    return f'{{"event":"mark","sequenceNumber":"{sequence}","streamSid":"{stream_sid}","mark":{body}}}'


def stop(stream_sid: str, sequence: int, account_sid: str, call_sid: str) -> str:
    """The `stop` message, the last one."""
    return (
        f'{{"event":"stop","sequenceNumber":"{sequence}","streamSid":"{stream_sid}",'
        f'"stop":{{"accountSid":"{account_sid}","callSid":"{call_sid}"}}}}'
    )
