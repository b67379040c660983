"""What a response costs, counted as OpenAI counts: audio by its length, text by an estimate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from agenticd.emulator.realtime.items import Item
from agenticd.emulator.realtime.schema import ClientError, JsonObject, JsonValue

CALLER_MS_PER_TOKEN = 100
AGENT_MS_PER_TOKEN = 50
CHARACTERS_PER_TOKEN = 4


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
    return -(-len(text) // CHARACTERS_PER_TOKEN)


class Budget:
    """The tokens that a response may still make, with all its items; None: as many as it likes."""

    def __init__(self, most: int | None) -> None:
        self._left = most

    def text(self, text: str) -> str:
        """As much of a text as they suffice for. They are spent."""
        if self._left is None:
            return text
        cut = text[: self._left * CHARACTERS_PER_TOKEN]
        self._left -= text_tokens(cut)
        return cut

    def speech(self, text: str, audio_ms: int) -> tuple[str, int]:
        """As much of a text that is spoken as they suffice for, and of its audio, which share them. They are spent."""
        if self._left is None:
            return text, audio_ms
        words, sound = text_tokens(text), -(-audio_ms // AGENT_MS_PER_TOKEN)
        if words + sound <= self._left:
            self._left -= words + sound
            return text, audio_ms
        heard = -(-self._left * sound // (words + sound))
        written, self._left = self._left - heard, 0
        return text[: written * CHARACTERS_PER_TOKEN], min(audio_ms, heard * AGENT_MS_PER_TOKEN)


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


def input_limit(model: str) -> int:
    """How many tokens of a conversation the model reads: its window less its longest answer."""
    return 96_000 if model.startswith("gpt-realtime-2") and not model.startswith("gpt-realtime-20") else 28_224


def retained(items: Sequence[Item], model: str, truncation: JsonValue) -> tuple[Item, ...]:
    """The items that a response reads: where they are too many, the latest. ClientError if none may be left out."""
    limit, ratio = input_limit(model), 1.0
    if isinstance(truncation, dict):
        ratio = cast("float", truncation["retention_ratio"])
        limits = cast("JsonObject", truncation.get("token_limits", {}))
        limit = min(limit, cast("int", limits.get("post_instructions", limit)))
    sizes = [tokens_of([item]).total for item in items]
    total = sum(sizes)
    if total <= limit:
        return tuple(items)
    if truncation == "disabled":
        message = f"The conversation has {total} tokens; the model reads {limit}, and truncation is disabled."
        raise ClientError("context_length_exceeded", message)
    first = 0
    while total > limit * ratio and first < len(items) - 1:  # what was said last is always read
        total -= sizes[first]
        first += 1
    return tuple(items[first:])


class RateLimits:
    """What is left of one session's minute; it fills up again as time passes."""

    def __init__(self) -> None:
        self._used = {"requests": 0.0, "tokens": 0.0}
        self._at = 0.0

    def take(self, tokens: int, now: float, most: Mapping[str, int]) -> tuple[list[JsonValue], JsonObject | None]:
        """Counts a response that reads so much, unless it is more than is left of `most`, requests and tokens a minute.

        The `rate_limits` as they are then, and the error of a response that may not be.
        """
        passed, self._at = now - self._at, now
        costs = {"requests": 1, "tokens": tokens}
        for name, limit in most.items():
            self._used[name] = max(0.0, self._used[name] - passed * limit / 60)
        error = next(
            (
                _exceeded(name, most[name], self._used[name], cost)
                for name, cost in costs.items()
                if self._used[name] + cost > most[name]
            ),
            None,
        )
        if error is None:
            for name, cost in costs.items():
                self._used[name] += cost
        return [_limit(name, limit, min(self._used[name], limit)) for name, limit in most.items()], error


def _limit(name: str, limit: int, used: float) -> JsonObject:
    return {
        "name": name,
        "limit": limit,
        "remaining": int(limit - used),
        "reset_seconds": round(used / limit * 60, 3),
    }


def _exceeded(name: str, limit: int, used: float, cost: int) -> JsonObject:
    """In the words of OpenAI's HTTP errors."""
    counts = f"on {name} per min ({name[0].upper()}PM): Limit {limit}, Used {int(used)}, Requested {cost}."
    if cost > limit:
        message = f"Request too large for this model {counts}"
    else:
        wait = (used + cost - limit) / limit * 60
        message = f"Rate limit reached for this model {counts} Please try again in {wait:.3f}s."
    return {"type": name, "code": "rate_limit_exceeded", "message": message}
