"""What the two codecs share: how a refused message becomes Ignored or a RemoteError, and the proof of base64.

Not a codec: those are mediastream.py (Twilio) and realtime.py (OpenAI).
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from agenticd.core.errors import RemoteError

Data = bytes | bytearray | memoryview | str
"""One message as a socket gives it. A view is read within the call and never kept."""

DECODE_ERRORS = (msgspec.DecodeError, UnicodeError, RecursionError)
"""All that msgspec raises for a remote's text: not JSON or not our shape, not UTF-8, nested too deeply."""

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_KIND_LIMIT = 64
_LARGEST = 2**53


def is_base64(text: str) -> bool:
    """Whether the text is base64 with its padding, so that no decoder can fail on it. 0.2 us per frame."""
    raw = text.encode()
    padding = raw.translate(None, _ALPHABET)
    return len(raw) % 4 == 0 and padding in (b"", b"=", b"==") and raw.endswith(padding)


def count(number: float | None) -> int:
    """A remote's count or length of time as an int that every consumer can hold; absent or negative is 0."""
    return 0 if number is None else int(min(max(number, 0), _LARGEST))


class _Event(msgspec.Struct, frozen=True, gc=False):
    event: str


class _Type(msgspec.Struct, frozen=True, gc=False):
    type: str


_EVENT = msgspec.json.Decoder(_Event)
_TYPE = msgspec.json.Decoder(_Type)


def twilio_kind(data: Data, known: Collection[str], error: Exception) -> str:
    """As openai_kind, for a message whose kind stands in `event`."""
    try:
        kind = _EVENT.decode(data).event
    except DECODE_ERRORS as no_message:
        raise RemoteError("twilio", _what(no_message)) from None
    return _new_kind("twilio", kind, known, error)


def openai_kind(data: Data, known: Collection[str], error: Exception) -> str:
    """The kind of a message that the decoder refused because it is new to us.

    Raises RemoteError if it is no message at all, or one of a kind that we know and that is wrong.
    """
    try:
        kind = _TYPE.decode(data).type
    except DECODE_ERRORS as no_message:
        raise RemoteError("openai", _what(no_message)) from None
    return _new_kind("openai", kind, known, error)


def _new_kind(peer: str, kind: str, known: Collection[str], error: Exception) -> str:
    if kind in known:
        raise RemoteError(peer, f"{kind}: {_what(error)}") from None
    return kind[:_KIND_LIMIT]


def _what(error: Exception) -> str:
    match error:
        case msgspec.ValidationError():
            # msgspec names our fields and JSON's types there, never a value: no field is a set of constants.
            return str(error)
        case RecursionError():
            return "nested too deeply"
        case UnicodeError():
            return "not UTF-8"
        case _:
            return "not JSON"
