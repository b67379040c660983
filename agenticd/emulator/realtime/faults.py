"""How the emulated model misbehaves when it is told to: settings, one value for each kind of trouble.

Only what shall happen and when; response.py, session.py and server.py perform it. Responses are counted from 1 in each
session, whoever created them. All times are seconds of the wall clock, all `after_ms` milliseconds of an item's audio.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, TypeAlias, get_args

from agenticd.emulator.realtime.schema import JsonObject, JsonValue

Garbage: TypeAlias = Literal["binary", "broken", "shapeless", "misshapen", "unknown", "oversized"]
"""What is no event: a binary frame, JSON that breaks off, JSON that is no object, an event with members of the wrong
type, an event of a type that nobody knows, and such an event of `oversized_bytes`."""

_SORRY = "The server had an error while processing your request. Sorry about that!"
_QUOTA = "You exceeded your current quota, please check your plan and billing details."
_LIMIT = "Rate limit reached for this model on tokens per min (TPM). Please try again in 6s."

# As OpenAI's HTTP answers say it: type, code, message.
_REFUSALS: dict[int, tuple[str, str | None, str]] = {
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: (
        "request_forbidden",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    404: (
        "invalid_request_error",
        "model_not_found",
        "The model does not exist or you do not have access to it.",
    ),
    429: ("tokens", "rate_limit_exceeded", _LIMIT),
    500: ("server_error", None, _SORRY),
}
# As a response's status_details say it: by the name of the fault, type, code, message. A server_error has no code.
_FAILURES: dict[str, tuple[str, str | None, str]] = {
    "insufficient_quota": ("insufficient_quota", "insufficient_quota", _QUOTA),
    "rate_limit_exceeded": ("tokens", "rate_limit_exceeded", _LIMIT),
    "server_error": ("server_error", None, _SORRY),
}
_TOO_MANY = ("rate_limit_exceeded", "insufficient_quota")  # what 429 can mean
_FILTERED = "content_filter"


@dataclass(frozen=True, slots=True)
class Stall:
    """In every item nothing is sent for `seconds` once `after_ms` of its audio are sent. An item that is shorter than
    that does not stall."""

    after_ms: int
    seconds: float

    def __post_init__(self) -> None:
        _at_least(0, after_ms=self.after_ms)
        if not self.seconds > 0:
            raise ValueError("seconds must be above 0: a stall takes time")


@dataclass(frozen=True, slots=True)
class Refusal:
    """The handshake is answered with this HTTP status and OpenAI's JSON: the `first` times, or (None) always.

    `code` is the JSON's, where a status has several: 429 is `rate_limit_exceeded`, or `insufficient_quota`.
    """

    status: int
    first: int | None = None
    code: Literal["rate_limit_exceeded", "insufficient_quota"] | None = None

    def __post_init__(self) -> None:
        if self.code is not None and (self.status != 429 or self.code not in _TOO_MANY):
            raise ValueError(f"code must be one of {', '.join(_TOO_MANY)}, with status 429, or None, not {self.code!r}")
        if self.status not in _REFUSALS:
            raise ValueError(f"status must be one of {sorted(_REFUSALS)}, not {self.status}")
        _first(self.first)

    @property
    def http(self) -> HTTPStatus:
        """The status."""
        return HTTPStatus(self.status)

    @property
    def error(self) -> JsonObject:
        """The `error` of the answer's body."""
        kind, code, message = _REFUSALS[self.status] if self.code is None else _FAILURES[self.code]
        return {"message": message, "type": kind, "param": None, "code": code}


@dataclass(frozen=True, slots=True)
class Complaint:
    """An `error` event that nobody caused, after the end of that response; 0: after the first `session.updated`.

    The session goes on. `kind` is the error's type.
    """

    code: str
    after_response: int = 1
    kind: str = "invalid_request_error"
    message: str = "Something was not right."

    def __post_init__(self) -> None:
        _at_least(0, after_response=self.after_response)
        if not (self.code and self.kind):
            raise ValueError(f"code must be a word, and kind too, not {self.code!r} and {self.kind!r}")


@dataclass(frozen=True, slots=True)
class Failure:
    """A session's `first` responses, or (None) all of them, end `failed` for this reason; for `content_filter`, they
    end `incomplete`.

    They say nothing; with `after_ms`, they say that much first.
    """

    code: str
    first: int | None = None
    after_ms: int | None = None

    def __post_init__(self) -> None:
        if self.code != _FILTERED and self.code not in _FAILURES:
            raise ValueError(f"code must be one of {', '.join(sorted([*_FAILURES, _FILTERED]))}, not {self.code!r}")
        _first(self.first)
        _at_least(0, after_ms=self.after_ms)

    def details(self) -> JsonObject:
        """The response's `status_details`; their `type` is its status."""
        if self.code == _FILTERED:
            return {"type": "incomplete", "reason": _FILTERED}
        kind, code, message = _FAILURES[self.code]
        error: JsonValue = {"type": kind, "code": code, "message": message}
        return {"type": "failed", "error": error}


@dataclass(frozen=True, slots=True)
class Loss:
    """The server ends the session, in that response: after `after_ms`, or (None) after its end.

    `response` 0: at the first `session.updated`. `code` is the close code; None: the TCP connection is reset without a
    word. `expired`: as at the end of its hour, with an error `session_expired` before the close.
    """

    response: int = 1
    after_ms: int | None = None
    code: int | None = 1011
    expired: bool = False

    def __post_init__(self) -> None:
        _at_least(0, response=self.response, after_ms=self.after_ms)
        if self.response == 0 and self.after_ms is not None:
            raise ValueError("after_ms must be None where response is 0: there is no audio yet")
        known = self.code is None or self.code in (*range(1000, 1004), *range(1007, 1015), *range(3000, 5000))
        if not known:
            raise ValueError(f"code must be a close code that may be sent, or None, not {self.code}")
        if self.expired and self.code != 1001:
            raise ValueError("code must be 1001 where expired is set: so OpenAI ends a session of that age")


@dataclass(frozen=True, slots=True, kw_only=True)
class RealtimeFaults:
    """All that goes wrong; by default nothing does. It holds for every session of the server, each counted anew.

    A change holds at once, also for sessions that are open, in which responses are not counted anew; what is to happen
    in a response's audio is decided when the item begins.
    """

    stalls: tuple[Stall, ...] = ()
    refusal: Refusal | None = None
    complaints: tuple[Complaint, ...] = ()
    failure: Failure | None = None
    loss: Loss | None = None

    garbage: tuple[Garbage, ...] = ()
    """After each delta of audio comes one of these, in turn."""
    oversized_bytes: int = 2 * 1024 * 1024
    """By default more than the 1 MiB that WebSocket clients take unless told otherwise."""

    silent: Literal["created", "updated", "answers"] | None = None
    """The session opens, and there is never a `session.created`, or never a `session.updated`: requests are taken and
    counted, nothing is answered. `answers`: only responses never begin."""

    handshake_delay: float = 0.0
    """How long a client waits for the answer to its handshake."""

    answer_delay: float = 0.0
    """By how much longer than `response_delay` a response thinks before its first audio."""

    speaks: Literal["audio/pcm", "audio/pcmu"] | None = None
    """The format of the audio that it sends, whatever the session asked for."""

    admits: bool = True
    """Whether `session.updated` says so, if it speaks another format than it was asked for."""

    requests_per_minute: int = 5000
    """So many responses a minute may a session begin. One more ends `failed`, with `rate_limit_exceeded`;
    `rate_limits.updated` says what is left, and when it is whole again."""

    tokens_per_minute: int = 400_000
    """So many tokens a minute may a session's responses read. One that reads more ends in the same way."""

    late_ms: int = 0
    """Audio that an answer still sends after the `speech_started` that interrupted it."""

    unwritten: int | None = 0
    """So many of the caller's first turns, or (None) all of them, fail to be transcribed. They are understood."""

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.garbage if kind not in get_args(Garbage)]
        if unknown:
            raise ValueError(f"garbage must be some of {', '.join(get_args(Garbage))}, not {unknown[0]!r}")
        if self.silent not in ("created", "updated", "answers", None):
            raise ValueError(f"silent must be 'created', 'updated', 'answers' or None, not {self.silent!r}")
        if self.speaks not in ("audio/pcm", "audio/pcmu", None):
            raise ValueError(f"speaks must be 'audio/pcm', 'audio/pcmu' or None, not {self.speaks!r}")
        if min(self.handshake_delay, self.answer_delay) < 0:
            raise ValueError("handshake_delay and answer_delay are seconds, 0 or more")
        _at_least(1, oversized_bytes=self.oversized_bytes)
        _at_least(1, requests_per_minute=self.requests_per_minute, tokens_per_minute=self.tokens_per_minute)
        _at_least(0, late_ms=self.late_ms, unwritten=self.unwritten)

    @property
    def limits(self) -> dict[str, int]:
        """What a session may use in a minute, by the names of `rate_limits.updated`."""
        return {"requests": self.requests_per_minute, "tokens": self.tokens_per_minute}

    def leaves_unwritten(self, turn: int) -> bool:
        """Whether the transcription of the nth turn fails, from 1."""
        return _within(turn, self.unwritten)

    def refuses(self, handshake: int) -> Refusal | None:
        """The refusal of the nth handshake, from 1."""
        refusal = self.refusal
        return refusal if refusal is not None and _within(handshake, refusal.first) else None

    def fails(self, response: int) -> Failure | None:
        """The failure of the nth response."""
        failure = self.failure
        return failure if failure is not None and _within(response, failure.first) else None

    def in_audio(self, response: int) -> list[tuple[int, Stall | Failure | Loss]]:
        """What happens inside the audio of each item of the nth response, in order of its milliseconds."""
        found: list[tuple[int, Stall | Failure | Loss]] = [(stall.after_ms, stall) for stall in self.stalls]
        failure, loss = self.fails(response), self.loss
        if failure is not None and failure.after_ms is not None:
            found.append((failure.after_ms, failure))
        if loss is not None and loss.response == response and loss.after_ms is not None:
            found.append((loss.after_ms, loss))
        return sorted(found, key=lambda fault: fault[0])

    def after(self, response: int) -> list[Complaint | Loss]:
        """What happens after the end of the nth response; after 0: when the session's settings are taken first."""
        found: list[Complaint | Loss] = [said for said in self.complaints if said.after_response == response]
        if self.loss is not None and self.loss.response == response and self.loss.after_ms is None:
            found.append(self.loss)
        return found

    def rubbish(self, nth: int) -> str | bytes | None:
        """The frame after the nth delta, from 0."""
        if not self.garbage:
            return None
        match self.garbage[nth % len(self.garbage)]:
            case "binary":
                return bytes(range(256))
            case "broken":
                return '{"type": "response.output_audio.delta", "delta": "'
            case "shapeless":
                return '["response.output_audio.delta"]'
            case "misshapen":
                return '{"type": "response.output_audio.delta", "item_id": 5, "delta": {}}'
            case "unknown":
                return '{"type": "response.mood.delta", "event_id": "event_0", "delta": "cheerful"}'
            case "oversized":
                return '{"type": "response.mood.done", "mood": "' + "x" * self.oversized_bytes + '"}'


class Present:
    """What goes wrong at present: read at each occasion, changed as a whole."""

    def __init__(self, faults: RealtimeFaults) -> None:
        self.faults = faults


def _within(nth: int, first: int | None) -> bool:
    return first is None or nth <= first


def _first(first: int | None) -> None:
    if first is not None and first < 1:
        raise ValueError("first must be at least 1, or None for all")


def _at_least(least: int, **values: int | None) -> None:
    for name, value in values.items():
        if value is not None and value < least:
            raise ValueError(f"{name} must be at least {least}, not {value}")
