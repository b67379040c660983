"""What a response costs, counted as OpenAI counts: audio by its length, text by an estimate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agenticd.emulator.realtime.items import Item
from agenticd.emulator.realtime.schema import JsonObject

CALLER_MS_PER_TOKEN = 100
AGENT_MS_PER_TOKEN = 50
_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of a piece of conversation, by kind."""

    text: int = 0
    audio: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.text + other.text, self.audio + other.audio)

    @property
    def total(self) -> int:
        """Of both kinds."""
        return self.text + self.audio


def text_tokens(text: str) -> int:
    """An estimate: four characters are a token."""
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def tokens_of(items: Iterable[Item]) -> Tokens:
    """What these items take as input: audio counts as audio, everything else as text."""
    text = audio = 0
    for item in items:
        text += text_tokens(item.name + item.arguments + item.output)
        for part in item.content:
            if part.audio_format is None:
                text += text_tokens(part.text or "")
            else:
                length = CALLER_MS_PER_TOKEN if item.role == "user" else AGENT_MS_PER_TOKEN
                audio += -(-part.audio_ms // length)
    return Tokens(text, audio)


def usage_of(given: Tokens, cached: Tokens, made: Tokens) -> JsonObject:
    """A response's `usage`. What is cached is a part of what was given."""
    cached = Tokens(min(cached.text, given.text), min(cached.audio, given.audio))
    return {
        "total_tokens": given.total + made.total,
        "input_tokens": given.total,
        "output_tokens": made.total,
        "input_token_details": {
            "text_tokens": given.text,
            "audio_tokens": given.audio,
            "image_tokens": 0,
            "cached_tokens": cached.total,
            "cached_tokens_details": {
                "text_tokens": cached.text,
                "audio_tokens": cached.audio,
                "image_tokens": 0,
            },
        },
        "output_token_details": {"text_tokens": made.text, "audio_tokens": made.audio},
    }


def transcription_usage(model: str, audio_ms: int, transcript: str) -> JsonObject:
    """The `usage` of a transcription, which is billed apart: whisper by time, the others by tokens."""
    if model == "whisper-1":
        return {"type": "duration", "seconds": audio_ms / 1000}
    given, made = -(-audio_ms // CALLER_MS_PER_TOKEN), text_tokens(transcript)
    return {
        "type": "tokens",
        "total_tokens": given + made,
        "input_tokens": given,
        "input_token_details": {"text_tokens": 0, "audio_tokens": given},
        "output_tokens": made,
    }
