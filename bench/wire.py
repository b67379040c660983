"""The messages of Twilio Media Streams and of OpenAI Realtime, as far as an echo needs them.

Written down once more, and not imported from the daemon: a mistake there must not hide itself here.
"""

from __future__ import annotations

import json
import re

import msgspec


class Media(msgspec.Struct, frozen=True, gc=False):
    """The audio of a media message: mu-law, base64."""

    payload: str


class Mark(msgspec.Struct, frozen=True, gc=False):
    """A mark's name."""

    name: str


class Session(msgspec.Struct, frozen=True, gc=False):
    """What a session.update asks for, as far as it matters here."""

    instructions: str = ""


class Message(msgspec.Struct, frozen=True, gc=False):
    """Any message of either protocol: an `event` of Twilio's, or a `type` of OpenAI's."""

    event: str = ""
    type: str = ""
    media: Media | None = None
    mark: Mark | None = None
    audio: str = ""
    delta: str = ""
    session: Session | None = None
    item_id: str = ""
    audio_end_ms: int = -1


def _dump(message: dict[str, object]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


decode = msgspec.json.Decoder(Message).decode

_LINE = re.compile(r"line (\d+)")


def instructions(line: int) -> str:
    """What an agent is told, so that the model knows whose call it is."""
    return f"You are on line {line}. Echo."


def line_in(message: Message) -> int | None:
    """The line that a session.update tells of; None: it tells of none."""
    found = _LINE.search(message.session.instructions) if message.session is not None else None
    return None if found is None else int(found[1])


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
DELTA_OF = (
    b'{"type":"response.output_audio.delta","event_id":"event_%d","response_id":"%b","item_id":"%b",'
    b'"output_index":0,"content_index":0,"delta":"%b"}'
)


FORMATS: dict[str, dict[str, object]] = {
    "pcmu": {"type": "audio/pcmu"},
    "pcm24": {"type": "audio/pcm", "rate": 24000},
}


def _session(kind: str, audio_format: str) -> bytes:
    audio = {"format": FORMATS[audio_format]}
    session = {
        "type": "realtime",
        "id": "sess_bench",
        "model": "bench",
        "audio": {"input": audio, "output": {**audio, "voice": "marin"}},
    }
    return _dump({"type": kind, "event_id": f"event_{kind}", "session": session})


SESSION_CREATED = _session("session.created", "pcm24")  # what OpenAI speaks until it is told
SESSION_UPDATED = {each: _session("session.updated", each) for each in FORMATS}


def answer_begins(
    response_id: str = "resp_bench", item_id: str = "item_bench", previous: str | None = None
) -> list[bytes]:
    """What comes before the first audio of an answer."""
    response = {"object": "realtime.response", "id": response_id, "status": "in_progress", "output": []}
    item = _item(item_id, "assistant", "in_progress")
    return [
        _event("response.created", response=response),
        _event("response.output_item.added", response_id=response_id, output_index=0, item=item),
        _event("conversation.item.added", previous_item_id=previous, item=item),
    ]


def answer_words(response_id: str, item_id: str, words: str) -> bytes:
    """Some of what an answer says."""
    place = {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}
    return _event("response.output_audio_transcript.delta", **place, delta=words)


def answer_ends(response_id: str, item_id: str, words: str, *, cancelled: bool) -> list[bytes]:
    """What comes after its last audio. An answer is cancelled because the caller speaks."""
    place = {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}
    item = _item(item_id, "assistant", "incomplete" if cancelled else "completed")
    details = {"type": "cancelled", "reason": "turn_detected"} if cancelled else None
    response = {
        "object": "realtime.response",
        "id": response_id,
        "status": "cancelled" if cancelled else "completed",
        "status_details": details,
        "output": [item],
        "usage": {"total_tokens": 30, "input_tokens": 10, "output_tokens": 20},
    }
    return [
        _event("response.output_audio.done", **place),
        _event("response.output_audio_transcript.done", **place, transcript=words),
        _event("response.output_item.done", response_id=response_id, output_index=0, item=item),
        _event("response.done", response=response),
    ]


def speech_started(item_id: str, audio_start_ms: int) -> bytes:
    """The caller speaks."""
    return _event("input_audio_buffer.speech_started", audio_start_ms=audio_start_ms, item_id=item_id)


def speech_ends(item_id: str, previous: str, audio_end_ms: int, words: str) -> list[bytes]:
    """The caller has spoken, and said this."""
    return [
        _event("input_audio_buffer.speech_stopped", audio_end_ms=audio_end_ms, item_id=item_id),
        _event("input_audio_buffer.committed", previous_item_id=previous, item_id=item_id),
        _event("conversation.item.added", previous_item_id=previous, item=_item(item_id, "user", "completed")),
        _event(
            "conversation.item.input_audio_transcription.completed",
            item_id=item_id,
            content_index=0,
            transcript=words,
        ),
    ]


def _event(kind: str, **fields: object) -> bytes:
    return _dump({"type": kind, "event_id": "event_bench", **fields})


def _item(item_id: str, role: str, status: str) -> dict[str, object]:
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": status,
        "role": role,
        "content": [],
    }
