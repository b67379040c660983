"""What a client can get wrong, field by field: the table of test_bad_input.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from grpc import StatusCode

from agentic.v1 import call_service_pb2 as pb

TO = "+15550002222"
NOBODY = "01HZZZZZZZZZZZZZZZZZZZZZZZ"
_ADDRESS = "E.164"
_DURATION = "no valid google.protobuf.Duration"


@dataclass(frozen=True)
class Row:
    """A wrong request, the field that the answer names, and words that say what would be right."""

    rpc: str
    request: Message
    field: str
    words: str
    code: StatusCode = StatusCode.INVALID_ARGUMENT
    reason: str = "INVALID_ARGUMENT"

    @property
    def name(self) -> str:
        return f"{self.rpc} {self.field}: {str(self.request)[:60]!r}"


def place(field: str, words: str, **changes: Any) -> Row:
    """A PlaceCall that is right but for these fields."""
    return Row("PlaceCall", pb.PlaceCallRequest(**{"to_address": TO, **changes}), field, words)


def _addresses() -> Iterator[Row]:
    yield place("to_address", "is required", to_address="")
    for text in ("15550002222", "00491234567", "tel:+15550002222", "client:ada", "+", "ada@example.com"):
        yield place("to_address", _ADDRESS, to_address=text)
    for text in (
        "+1", "+1555000222233334444", "+15550002222x5", "+15550002222;ext=5", "+15550002222,,1", "+1555FLOWERS",
        "++15550002222", "+15550002222\n", "+15550002222\x00", "+1\u0665\u0665\u0665\u0660\u0660\u0660\u0662\u0662",
        "+15550002222/+15550003333", "+15550002222<Dial>", "+" + "1" * 5000,
    ):  # fmt: skip
        yield place("to_address", "no letters, no extension", to_address=text)
    for text in ("sip:", "sip:ada", "sip:@example.com", "sip:a b@c", "sip:a@b\r\nX: 1", "SIP:" + "a" * 300 + "@b.c"):
        yield place("to_address", "sip:user@host", to_address=text)
    for text in ("15550001111", "sip:ada@example.com", "client:ada", "+1555000\r\nX-Evil: 1", "\x1b[31m"):
        yield place("from_address", _ADDRESS, from_address=text)


def _texts() -> Iterator[Row]:
    for text in ("nobody", "DEFAULT", "default ", "\x1b[31m", "d" * 10_000):
        yield place("agent", "which has default", agent=text)
    yield place("overrides.instructions", "32 KiB", overrides={"instructions": "x" * (32 * 1024 + 1)})
    yield place("overrides.instructions", "32 KiB", overrides={"instructions": "é" * (16 * 1024 + 1)})
    yield place(
        "overrides.instructions", "32 KiB", overrides={"instructions": "{{a}}" * 9}, variables={"a": "x" * 4096}
    )
    yield place("overrides.greeting", "2 KiB", overrides={"greeting": "x" * 2049})
    yield place("variables", "no value for b", overrides={"greeting": "{{a}} {{b}}"}, variables={"a": ""})
    yield place("variables", "no value for name", overrides={"instructions": "{{ name }}"})
    for name in ("a b", "a-b", "ä", "a" * 65, "\n", "{{x}}", ""):
        yield place("variables", "letters, digits and _", variables={name: "x"})
    yield place("variables[a]", "4 KiB", variables={"a": "x" * 4097})
    yield place("variables", "64 names", variables={f"v{number}": "" for number in range(65)})
    for text in ("ma rin", "marin\n", "ä", "a" * 65, "marin&x=1", '"}'):
        yield place("overrides.voice", "must be a name", overrides={"voice": text})
        yield place("overrides.model", "must be a name", overrides={"model": text})
    for text in ("English", "e", "en_US", "EN", "en\n", "en-"):
        yield place("overrides.language", "ISO 639", overrides={"language": text})
    yield place("metadata", "16 keys", metadata={f"k{number}": "" for number in range(17)})
    yield place("metadata", "64 characters", metadata={"": "x"})
    yield place("metadata", "64 characters", metadata={"k" * 65: "x"})
    yield place("metadata[k]", "256 characters", metadata={"k": "x" * 257})
    yield place("request_id", "64 characters", request_id="r" * 65)


def _options() -> Iterator[Row]:
    for name, least, most in (("ring_timeout", 5, 600), ("max_duration", 1, 14_400), ("queue_timeout", 1, 3600)):
        right = f"{least} s to {most} s"
        for wrong in ({"seconds": 0}, {"seconds": -1}, {"seconds": most, "nanos": 1}, {"nanos": 999_999_999}):
            yield place(f"options.{name}", right, options={name: wrong})
        yield place(f"options.{name}", right, options={name: {"seconds": 315_576_000_000}})
        for wrong in ({"seconds": 2**62}, {"seconds": 10, "nanos": -1}, {"seconds": 10, "nanos": 2**31 - 1}):
            yield place(f"options.{name}", _DURATION, options={name: wrong})


def _one_call() -> Iterator[Row]:
    for rpc, kind in (
        ("HangUp", pb.HangUpRequest), ("GetCall", pb.GetCallRequest), ("GetTranscript", pb.GetTranscriptRequest),
    ):  # fmt: skip
        yield Row(rpc, kind(), "call_id", "is required")
        for text in (
            "x",
            NOBODY[:-1],
            NOBODY + "Z",
            "8" + NOBODY[1:],
            "I" * 26,
            NOBODY[:-1] + "\n",
            "../" * 9,
            "\u0660" * 26,
        ):
            yield Row(rpc, kind(call_id=text), "call_id", "26 letters and digits")
        yield Row(rpc, kind(call_id="CA" + "1" * 32), "call_id", "carrier_call_id")
        yield Row(rpc, kind(call_id=NOBODY), "", "", StatusCode.NOT_FOUND, "CALL_NOT_FOUND")
    yield Row("HangUp", pb.HangUpRequest(call_id=NOBODY, reason="x" * 257), "reason", "256 characters")


def _lists() -> Iterator[Row]:
    for size in (-1, -(2**31)):
        yield Row("ListCalls", pb.ListCallsRequest(page_size=size), "page_size", "1 to 500")
    for text in ("x", "=", "A" * 58, "\x00", "\u2028", "x" * 100_000):
        yield Row("ListCalls", pb.ListCallsRequest(page_token=text), "page_token", "begin without one")
    for number in (0, 99, -1):
        request = pb.ListCallsRequest()
        request.states.extend([1, number])  # type: ignore[list-item]
        yield Row("ListCalls", request, "states[1]", "no state that a call can be in")
    for number in (99, -1):
        request = pb.ListCallsRequest()
        request.direction = number  # type: ignore[assignment]
        yield Row("ListCalls", request, "direction", "no value of Direction")


def _streams() -> Iterator[Row]:
    for text in ("x", "", "CA" + "1" * 32):
        yield Row("StreamEvents", pb.StreamEventsRequest(call_ids=[NOBODY, text]), "call_ids[1]", "")
    yield Row("StreamEvents", pb.StreamEventsRequest(call_ids=[NOBODY] * 1001), "call_ids", "follow all calls instead")
    request = pb.StreamEventsRequest(call_ids=[NOBODY])
    yield Row("StreamEvents", request, "", "", StatusCode.NOT_FOUND, "CALL_NOT_FOUND")
    for revision in (-1, -(2**63)):
        yield Row("StreamEvents", pb.StreamEventsRequest(after_revision=revision), "after_revision", "0 or more")
    for revision in (1, 2**63 - 1):
        yield Row("StreamEvents", pb.StreamEventsRequest(after_revision=revision), "after_revision", "at most 0")
    for text in ("x", "\x1b[31m", "x" * 100_000):
        request = pb.StreamEventsRequest(after_revision=0, epoch=text)
        yield Row("StreamEvents", request, "", "", StatusCode.FAILED_PRECONDITION, "LOG_REPLACED")
    for text in ("call_end", "CALL_ENDED", "", "payload", "call_ended "):
        yield Row("StreamEvents", pb.StreamEventsRequest(types=["call_ended", text]), "types[1]", "call_ended")


ROWS = (*_addresses(), *_texts(), *_options(), *_one_call(), *_lists(), *_streams())

ALWAYS_RIGHT = {"StreamEventsRequest.include_live": "a bool"}


def fields_of(kind: Descriptor, prefix: str = "") -> Iterator[str]:
    """The paths of all fields of a request, down to what is checked as one."""
    for field in kind.fields:
        inner = field.message_type
        if inner is not None and inner.file.name.startswith("agentic/") and not inner.GetOptions().map_entry:
            yield from fields_of(inner, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}"
