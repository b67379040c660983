"""The messages of Twilio Media Streams and of OpenAI Realtime, as far as an echo needs them.

Written down once more, and not imported from the daemon: a mistake there must not hide itself here.
"""

from __future__ import annotations

import json

import msgspec


class Media(msgspec.Struct, frozen=True, gc=False):
    """The audio of a media message: mu-law, base64."""

    payload: str


class Mark(msgspec.Struct, frozen=True, gc=False):
    """A mark's name."""

    name: str


class Message(msgspec.Struct, frozen=True, gc=False):
    """Any message of either protocol: an `event` of Twilio's, or a `type` of OpenAI's."""

    event: str = ""
    type: str = ""
    media: Media | None = None
    mark: Mark | None = None
    audio: str = ""
    delta: str = ""


def _dump(message: dict[str, object]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


decode = msgspec.json.Decoder(Message).decode

MEDIA = (
    b'{"event":"media","sequenceNumber":"%d","media":{"track":"inbound","chunk":"%d","timestamp":"%d",'
    b'"payload":"%b"},"streamSid":"%b"}'
)
CONNECTED = b'{"event":"connected","protocol":"Call","version":"1.0.0"}'


def start(stream_sid: str, account_sid: str, call_sid: str, parameters: dict[str, str]) -> bytes:
    """The first message of a stream."""
    audio = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    body = {
        "streamSid": stream_sid,
        "accountSid": account_sid,
        "callSid": call_sid,
        "tracks": ["inbound"],
        "mediaFormat": audio,
        "customParameters": parameters,
    }
    return _dump({"event": "start", "sequenceNumber": "1", "streamSid": stream_sid, "start": body})


def mark(stream_sid: str, sequence: int, name: str) -> bytes:
    """What was sent before the mark was played."""
    return _dump({"event": "mark", "sequenceNumber": str(sequence), "streamSid": stream_sid, "mark": {"name": name}})


def stop(stream_sid: str, sequence: int, account_sid: str, call_sid: str) -> bytes:
    """The last message of a stream."""
    body = {"accountSid": account_sid, "callSid": call_sid}
    return _dump({"event": "stop", "sequenceNumber": str(sequence), "streamSid": stream_sid, "stop": body})


DELTA = (
    b'{"type":"response.output_audio.delta","event_id":"event_%d","response_id":"resp_bench","item_id":"item_bench",'
    b'"output_index":0,"content_index":0,"delta":"%b"}'
)


def _session(kind: str) -> bytes:
    audio = {"format": {"type": "audio/pcmu"}}
    session = {
        "type": "realtime",
        "id": "sess_bench",
        "model": "bench",
        "audio": {"input": audio, "output": {**audio, "voice": "marin"}},
    }
    return _dump({"type": kind, "event_id": f"event_{kind}", "session": session})


SESSION_CREATED = _session("session.created")
SESSION_UPDATED = _session("session.updated")


def answer_begins() -> list[bytes]:
    """What comes before the first audio of an answer."""
    response = {"object": "realtime.response", "id": "resp_bench", "status": "in_progress", "output": []}
    item = {
        "id": "item_bench",
        "object": "realtime.item",
        "type": "message",
        "status": "in_progress",
        "role": "assistant",
        "content": [],
    }
    return [
        _dump({"type": "response.created", "event_id": "event_a", "response": response}),
        _dump(
            {
                "type": "response.output_item.added",
                "event_id": "event_b",
                "response_id": "resp_bench",
                "output_index": 0,
                "item": item,
            }
        ),
        _dump({"type": "conversation.item.added", "event_id": "event_c", "previous_item_id": None, "item": item}),
    ]
