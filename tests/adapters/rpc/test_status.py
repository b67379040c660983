"""The table of errors: complete, within the contract, and small enough to arrive."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from google.rpc import status_pb2  # type: ignore[import-untyped]

import agenticd.adapters.rpc.interceptors  # noqa: F401 - whatever error the adapter defines is known now
from agentic.v1 import errors_pb2
from agenticd.adapters.rpc import status
from agenticd.core import errors
from agenticd.core.errors import AgenticError, Violation

REASONS = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys()}  # noqa: SIM118


def kinds(kind: type[AgenticError] = AgenticError) -> Iterator[type[AgenticError]]:
    for child in kind.__subclasses__():
        if child.__module__.startswith("agenticd."):
            yield child
            yield from kinds(child)


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.__name__)
def test_every_error_is_in_the_table_and_its_reason_in_the_contract(kind: type[AgenticError]) -> None:
    assert kind in status.TABLE
    assert kind.reason in REASONS - {"UNSPECIFIED"}


def test_every_reason_of_the_contract_can_be_sent() -> None:
    assert {kind.reason for kind in kinds()} == REASONS - {"UNSPECIFIED"}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.LogReplaced("e"), grpc.StatusCode.FAILED_PRECONDITION),
        (errors.ConsumerStalled(30), grpc.StatusCode.ABORTED),
        (errors.Compacted(1, 5), grpc.StatusCode.OUT_OF_RANGE),
        (errors.CarrierRefused(21211, 400, "no"), grpc.StatusCode.FAILED_PRECONDITION),
        (errors.CarrierUnanswered("timed out"), grpc.StatusCode.UNAVAILABLE),
    ],
)
def test_codes(error: AgenticError, code: grpc.StatusCode) -> None:
    answer = status.status_of(error)
    assert answer is not None
    assert answer.code is code


def test_what_a_peer_sent_is_not_shown() -> None:
    assert status.status_of(errors.RemoteError("twilio", "secret detail")) is None
    unanswered = status.status_of(errors.CarrierUnanswered("secret detail of a library"))
    assert unanswered is not None
    assert b"secret" not in unanswered.details
    assert "secret" not in unanswered.message


def test_an_error_that_is_not_in_the_table_is_a_defect() -> None:
    class Unlisted(errors.NotFound):
        pass

    assert status.status_of(Unlisted("x")) is None
    assert "NotFound" not in status.defect("abc").message


@pytest.mark.parametrize("text", ["x", "€", "\U0001f600", "\ud800"])
def test_the_largest_refusal_still_fits_into_headers(text: str) -> None:
    many = [Violation(f"metadata[{text * 300}]", text * 5000) for _ in range(1000)]
    answer = status.status_of(errors.InvalidArgument(*many))
    assert answer is not None
    header = 3 * len(answer.message.encode()) + len(answer.details) * 4 / 3
    assert header < 7000
    parsed = status_pb2.Status.FromString(answer.details)
    assert parsed.message == answer.message
    assert parsed.details[1].type_url.endswith("BadRequest")


def test_clipping_keeps_whole_characters() -> None:
    assert status.clip("short", 512) == "short"
    clipped = status.clip("€" * 500, 512)
    assert clipped == "€" * 169 + "…"
    assert len(clipped.encode()) <= 512
