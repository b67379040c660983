"""What an OpenAI Realtime server says, in our form. realtime.py makes these from its JSON.

Text that the server left out is "". Times are milliseconds.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from agenticd.core.events import Usage

Id = Annotated[str, msgspec.Meta(max_length=256)]
"""A name that the server gives and events repeat; OpenAI's have about 25 characters."""


class SessionCreated(msgspec.Struct, frozen=True, gc=False):
    """The session is there, not yet configured. `expires_at`: seconds since 1970, 0 unknown."""

    session_id: str
    model: str
    expires_at: int


class SessionUpdated(msgspec.Struct, frozen=True, gc=False):
    """The session is configured. Formats as the server took them: "audio/pcmu", "audio/pcm" …"""

    session_id: str
    model: str
    input_format: str
    output_format: str


class SpeechStarted(msgspec.Struct, frozen=True, gc=False):
    """The caller speaks; `audio_start_ms` of all the audio appended, prefix padding included."""

    item_id: str
    audio_start_ms: int


class SpeechStopped(msgspec.Struct, frozen=True, gc=False):
    """The caller stopped; `audio_end_ms` of all the audio appended."""

    item_id: str
    audio_end_ms: int


class InputCommitted(msgspec.Struct, frozen=True, gc=False):
    """The caller's utterance is an item of the conversation, after the previous one (None: the first)."""

    item_id: str
    previous_item_id: str | None


class ItemAdded(msgspec.Struct, frozen=True, gc=False):
    """An item is in the conversation. `kind`: message, function_call …; `role` is "" for what has none."""

    item_id: str
    previous_item_id: str | None
    kind: str
    role: str


class InputTranscriptDelta(msgspec.Struct, frozen=True, gc=False):
    """Words of the caller."""

    item_id: str
    delta: str


class InputTranscriptDone(msgspec.Struct, frozen=True, gc=False):
    """The whole utterance of the caller."""

    item_id: str
    transcript: str


class InputTranscriptFailed(msgspec.Struct, frozen=True, gc=False):
    """The caller's utterance could not be written down."""

    item_id: str
    code: str
    message: str


class ResponseCreated(msgspec.Struct, frozen=True, gc=False):
    """The model begins an answer."""

    response_id: str


class OutputItemAdded(msgspec.Struct, frozen=True, gc=False):
    """An item of an answer begins."""

    response_id: str
    item_id: str
    kind: str
    role: str


class AudioDelta(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="response.output_audio.delta"):
    """The agent's voice, base64 (proven), in the session's output format. Its own wire shape: one pass."""

    response_id: str
    item_id: Id
    content_index: int
    delta: str


class AudioDone(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="response.output_audio.done"):
    """The item's audio is complete, or was cut."""

    response_id: str
    item_id: Id


class OutputTranscriptDelta(
    msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="response.output_audio_transcript.delta"
):
    """Words of the agent."""

    item_id: Id
    delta: str


class OutputTranscriptDone(
    msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="response.output_audio_transcript.done"
):
    """All that the agent said in the item, heard or not."""

    item_id: Id
    transcript: str


class FunctionCalled(msgspec.Struct, frozen=True, gc=False):
    """The model calls a tool. Not `complete`: the arguments were cut by an interruption; do not run it."""

    response_id: str
    item_id: str
    call_id: str
    name: str
    arguments: str
    complete: bool


class OutputItemDone(msgspec.Struct, frozen=True, gc=False):
    """An item of an answer is complete, or was cut (`status` incomplete). Tool calls: FunctionCalled."""

    response_id: str
    item_id: str
    status: str


class ResponseDone(msgspec.Struct, frozen=True, gc=False):
    """The last message of an answer. `status`: completed, cancelled, incomplete or failed, for `reason`."""

    response_id: str
    status: str
    reason: str
    error_code: str
    error_message: str
    usage: Usage


class ItemTruncated(msgspec.Struct, frozen=True, gc=False):
    """The item now ends there, as we ordered."""

    item_id: str
    audio_end_ms: int


class ItemDeleted(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="conversation.item.deleted"):
    """The item is gone, as we ordered."""

    item_id: Id


class ModelFault(msgspec.Struct, frozen=True, gc=False):
    """The wire's "error": as a rule one order of ours (`event_id`) failed and the session goes on."""

    kind: str
    code: str
    message: str
    param: str
    event_id: str


class Ignored(msgspec.Struct, frozen=True, gc=False):
    """Something that means nothing to us. `kind` is its type on the wire, at most 64 characters."""

    kind: str


ServerEvent = (
    SessionCreated
    | SessionUpdated
    | SpeechStarted
    | SpeechStopped
    | InputCommitted
    | ItemAdded
    | InputTranscriptDelta
    | InputTranscriptDone
    | InputTranscriptFailed
    | ResponseCreated
    | OutputItemAdded
    | AudioDelta
    | AudioDone
    | OutputTranscriptDelta
    | OutputTranscriptDone
    | FunctionCalled
    | OutputItemDone
    | ResponseDone
    | ItemTruncated
    | ItemDeleted
    | ModelFault
    | Ignored
)
