"""The codec of the OpenAI Realtime API (GA): a server's JSON to messages. The door to both directions.

The messages stand in realtime_messages.py, what we send in realtime_orders.py; what they mean, in turn.py.
"""

from __future__ import annotations

import msgspec

from agenticd.core.errors import RemoteError
from agenticd.core.events import Usage
from agenticd.core.realtime_messages import (
    AudioDelta,
    AudioDone,
    FunctionCalled,
    Id,
    Ignored,
    InputCommitted,
    InputTranscriptDelta,
    InputTranscriptDone,
    InputTranscriptFailed,
    ItemAdded,
    ItemDeleted,
    ItemTruncated,
    ModelFault,
    OutputItemAdded,
    OutputItemDone,
    OutputTranscriptDelta,
    OutputTranscriptDone,
    ResponseCreated,
    ResponseDone,
    ServerEvent,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
)
from agenticd.core.realtime_orders import (
    SessionSettings,
    Tool,
    encode_append,
    encode_commit,
    encode_delete,
    encode_function_output,
    encode_message,
    encode_response_cancel,
    encode_response_create,
    encode_session_update,
    encode_truncate,
    encode_turn_detection,
)
from agenticd.core.wire import DECODE_ERRORS, Data, count, is_base64, openai_kind

__all__ = [
    "AudioDelta",
    "AudioDone",
    "FunctionCalled",
    "Ignored",
    "InputCommitted",
    "InputTranscriptDelta",
    "InputTranscriptDone",
    "InputTranscriptFailed",
    "ItemAdded",
    "ItemDeleted",
    "ItemTruncated",
    "ModelFault",
    "OutputItemAdded",
    "OutputItemDone",
    "OutputTranscriptDelta",
    "OutputTranscriptDone",
    "ResponseCreated",
    "ResponseDone",
    "ServerEvent",
    "SessionCreated",
    "SessionSettings",
    "SessionUpdated",
    "SpeechStarted",
    "SpeechStopped",
    "Tool",
    "decode",
    "encode_append",
    "encode_commit",
    "encode_delete",
    "encode_function_output",
    "encode_message",
    "encode_response_cancel",
    "encode_response_create",
    "encode_session_update",
    "encode_truncate",
    "encode_turn_detection",
]

# --- As it stands on the wire -------------------------------------------------------------------------------
# Only what we need; other fields are skipped. Optional is what OpenAI's own types call optional.


class _Shape(msgspec.Struct, frozen=True, gc=False, tag_field="type"):
    """A wire message that has to be brought into our form."""

    def event(self) -> ServerEvent:
        raise AssertionError(f"{type(self).__name__} has no form of ours")


class _Format(msgspec.Struct, frozen=True, gc=False):
    type: str | None = None


class _Half(msgspec.Struct, frozen=True, gc=False):
    format: _Format | None = None

    def name(self) -> str:
        return (self.format and self.format.type) or ""


class _Audio(msgspec.Struct, frozen=True, gc=False):
    input: _Half | None = None
    output: _Half | None = None


class _Session(msgspec.Struct, frozen=True, gc=False):
    id: str | None = None
    model: str | None = None
    expires_at: float | None = None
    audio: _Audio | None = None


class _SessionCreated(_Shape, frozen=True, gc=False, tag="session.created"):
    session: _Session

    def event(self) -> ServerEvent:
        session = self.session
        return SessionCreated(session.id or "", session.model or "", count(session.expires_at))


class _SessionUpdated(_Shape, frozen=True, gc=False, tag="session.updated"):
    session: _Session

    def event(self) -> ServerEvent:
        audio = self.session.audio or _Audio()
        heard, spoken = audio.input or _Half(), audio.output or _Half()
        return SessionUpdated(self.session.id or "", self.session.model or "", heard.name(), spoken.name())


class _SpeechStarted(_Shape, frozen=True, gc=False, tag="input_audio_buffer.speech_started"):
    item_id: Id
    audio_start_ms: float

    def event(self) -> ServerEvent:
        return SpeechStarted(self.item_id, count(self.audio_start_ms))


class _SpeechStopped(_Shape, frozen=True, gc=False, tag="input_audio_buffer.speech_stopped"):
    item_id: Id
    audio_end_ms: float

    def event(self) -> ServerEvent:
        return SpeechStopped(self.item_id, count(self.audio_end_ms))


class _Committed(_Shape, frozen=True, gc=False, tag="input_audio_buffer.committed"):
    item_id: Id
    previous_item_id: str | None = None

    def event(self) -> ServerEvent:
        return InputCommitted(self.item_id, self.previous_item_id)


class _Item(msgspec.Struct, frozen=True, gc=False):
    id: Id
    type: str
    role: str | None = None
    status: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None


class _ItemAdded(_Shape, frozen=True, gc=False, tag="conversation.item.added"):
    item: _Item
    previous_item_id: str | None = None

    def event(self) -> ServerEvent:
        return ItemAdded(self.item.id, self.previous_item_id, self.item.type, self.item.role or "")


class _InputDelta(_Shape, frozen=True, gc=False, tag="conversation.item.input_audio_transcription.delta"):
    item_id: Id
    delta: str | None = None

    def event(self) -> ServerEvent:
        return InputTranscriptDelta(self.item_id, self.delta or "")


class _InputDone(_Shape, frozen=True, gc=False, tag="conversation.item.input_audio_transcription.completed"):
    item_id: Id
    transcript: str | None = None

    def event(self) -> ServerEvent:
        return InputTranscriptDone(self.item_id, self.transcript or "")


class _Error(msgspec.Struct, frozen=True, gc=False):
    type: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None
    event_id: str | None = None


class _InputFailed(_Shape, frozen=True, gc=False, tag="conversation.item.input_audio_transcription.failed"):
    item_id: Id
    error: _Error | None = None

    def event(self) -> ServerEvent:
        error = self.error or _Error()
        return InputTranscriptFailed(self.item_id, error.code or error.type or "", error.message or "")


class _Details(msgspec.Struct, frozen=True, gc=False):
    text_tokens: float | None = None
    audio_tokens: float | None = None
    cached_tokens: float | None = None


class _Usage(msgspec.Struct, frozen=True, gc=False):
    input_tokens: float | None = None
    output_tokens: float | None = None
    input_token_details: _Details | None = None
    output_token_details: _Details | None = None

    def total(self) -> Usage:
        into = self.input_token_details or _Details()
        out = self.output_token_details or _Details()
        return Usage(
            input_tokens=count(self.input_tokens),
            output_tokens=count(self.output_tokens),
            input_text_tokens=count(into.text_tokens),
            input_audio_tokens=count(into.audio_tokens),
            cached_tokens=count(into.cached_tokens),
            output_text_tokens=count(out.text_tokens),
            output_audio_tokens=count(out.audio_tokens),
        )


class _StatusDetails(msgspec.Struct, frozen=True, gc=False):
    reason: str | None = None
    error: _Error | None = None


class _Response(msgspec.Struct, frozen=True, gc=False):
    id: Id
    status: str | None = None
    status_details: _StatusDetails | None = None
    usage: _Usage | None = None


class _ResponseCreated(_Shape, frozen=True, gc=False, tag="response.created"):
    response: _Response

    def event(self) -> ServerEvent:
        return ResponseCreated(self.response.id)


class _ResponseDone(_Shape, frozen=True, gc=False, tag="response.done"):
    response: _Response

    def event(self) -> ServerEvent:
        response = self.response
        details = response.status_details or _StatusDetails()
        error = details.error or _Error()
        return ResponseDone(
            response.id,
            response.status or "",
            details.reason or "",
            error.code or error.type or "",
            error.message or "",
            (response.usage or _Usage()).total(),
        )


class _OutputItemAdded(_Shape, frozen=True, gc=False, tag="response.output_item.added"):
    response_id: str
    item: _Item

    def event(self) -> ServerEvent:
        return OutputItemAdded(self.response_id, self.item.id, self.item.type, self.item.role or "")


class _OutputItemDone(_Shape, frozen=True, gc=False, tag="response.output_item.done"):
    response_id: str
    item: _Item

    def event(self) -> ServerEvent:
        item = self.item
        if item.type != "function_call":
            return OutputItemDone(self.response_id, item.id, item.status or "")
        complete = item.status == "completed"
        return FunctionCalled(
            self.response_id, item.id, item.call_id or "", item.name or "", item.arguments or "", complete
        )


class _ItemTruncated(_Shape, frozen=True, gc=False, tag="conversation.item.truncated"):
    item_id: Id
    audio_end_ms: float

    def event(self) -> ServerEvent:
        return ItemTruncated(self.item_id, count(self.audio_end_ms))


class _Fault(_Shape, frozen=True, gc=False, tag="error"):
    error: _Error

    def event(self) -> ServerEvent:
        error = self.error
        return ModelFault(
            error.type or "", error.code or "", error.message or "", error.param or "", error.event_id or ""
        )


_Same = AudioDelta | AudioDone | OutputTranscriptDelta | OutputTranscriptDone | ItemDeleted
_Reshaped = (
    _SessionCreated
    | _SessionUpdated
    | _SpeechStarted
    | _SpeechStopped
    | _Committed
    | _ItemAdded
    | _InputDelta
    | _InputDone
    | _InputFailed
    | _ResponseCreated
    | _ResponseDone
    | _OutputItemAdded
    | _OutputItemDone
    | _ItemTruncated
    | _Fault
)
_DECODER: msgspec.json.Decoder[_Same | _Reshaped] = msgspec.json.Decoder(_Same | _Reshaped)
_KNOWN = frozenset(str(kind.__struct_config__.tag) for kind in (*_Same.__args__, *_Reshaped.__args__))


def decode(data: Data) -> ServerEvent:
    """The message in one text. Raises RemoteError, and nothing else, for what is none."""
    try:
        found = _DECODER.decode(data)
    except DECODE_ERRORS as error:
        return Ignored(openai_kind(data, _KNOWN, error))
    if isinstance(found, AudioDelta):
        if not is_base64(found.delta):
            raise RemoteError("openai", "response.output_audio.delta: delta is not base64")
        return found
    if isinstance(found, _Shape):
        return found.event()
    return found
