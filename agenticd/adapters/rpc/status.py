"""The one table from what can go wrong to what a client is told: status code, ErrorInfo and more details.

Everything that is not in the table is INTERNAL with an incident id, and its text stays in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]  # has no stubs
from google.rpc import status_pb2

from agenticd.adapters.rpc.scalars import duration, text
from agenticd.core import errors
from agenticd.core.errors import AgenticError, Violation

DOMAIN = "agenticd"

# The details travel as a header, and gRPC takes at most 8 KiB of headers in all: a larger status reaches
# nobody. At worst the message is percent-encoded (3 bytes for 1) and, with the details, in base64 (4 for 3).
MAX_MESSAGE = 512
MAX_VIOLATIONS = 2048

_DRAINING_RETRY = 2.0
_STORE_RETRY = 1.0
_CARRIER_RETRY = 1.0


class Unauthenticated(AgenticError):
    """A token is required on this address and none, or a wrong one, was sent."""

    reason = "UNAUTHENTICATED"

    def __init__(self) -> None:
        super().__init__(
            'this address needs the metadata "authorization: Bearer <token>" with a token that is good here'
        )


@dataclass(frozen=True, slots=True)
class WireStatus:
    """A refusal as it goes out. `details` is an encoded google.rpc.Status; its code and message equal the
    other two, which clients' libraries insist on."""

    code: grpc.StatusCode
    message: str
    details: bytes

    @property
    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        """Where gRPC's libraries look for the details."""
        return (("grpc-status-details-bin", self.details),)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a client is told of one error. Without a message: the error's own text, which our core wrote."""

    code: grpc.StatusCode
    metadata: Mapping[str, str] | None = None
    details: tuple[Message, ...] = ()
    message: str | None = None


def _invalid(error: errors.InvalidArgument) -> _Answer:
    return _Answer(grpc.StatusCode.INVALID_ARGUMENT, details=(bad_request(error.violations),))


def _not_found(error: errors.NotFound) -> _Answer:
    resource = details.ResourceInfo(resource_type="agentic.v1.Call", resource_name=clip(error.call_id, 64))
    return _Answer(grpc.StatusCode.NOT_FOUND, details=(resource,))


def _not_live(error: errors.NotLive) -> _Answer:
    violation = details.PreconditionFailure.Violation(type="CALL_STATE", subject=error.call_id, description=str(error))
    failure = details.PreconditionFailure(violations=[violation])
    return _Answer(grpc.StatusCode.FAILED_PRECONDITION, {"state": error.state}, (failure,))


def _exhausted(error: errors.Exhausted) -> _Answer:
    violation = details.QuotaFailure.Violation(subject="calls", description=str(error))
    quota = details.QuotaFailure(violations=[violation])
    return _Answer(grpc.StatusCode.RESOURCE_EXHAUSTED, {"limit": str(error.limit)}, (quota, _retry(error.retry_after)))


def _draining(_: errors.Draining) -> _Answer:
    return _Answer(grpc.StatusCode.UNAVAILABLE, details=(_retry(_DRAINING_RETRY),))


def _store_down(_: errors.StoreDown) -> _Answer:
    return _Answer(grpc.StatusCode.UNAVAILABLE, details=(_retry(_STORE_RETRY),))


def _compacted(error: errors.Compacted) -> _Answer:
    return _Answer(grpc.StatusCode.OUT_OF_RANGE, {"first_revision": str(error.first_revision)})


def _log_replaced(error: errors.LogReplaced) -> _Answer:
    return _Answer(grpc.StatusCode.FAILED_PRECONDITION, {"epoch": error.epoch})


def _stalled(_: errors.ConsumerStalled) -> _Answer:
    return _Answer(grpc.StatusCode.ABORTED)


def _carrier_refused(error: errors.CarrierRefused) -> _Answer:
    return _Answer(grpc.StatusCode.FAILED_PRECONDITION, {"carrier_code": str(error.code)})


def _carrier_unanswered(_: errors.CarrierUnanswered) -> _Answer:
    return _Answer(grpc.StatusCode.UNAVAILABLE, details=(_retry(_CARRIER_RETRY),), message="the carrier did not answer")


def _carrier_failed(_: errors.CarrierError) -> _Answer:
    return _Answer(grpc.StatusCode.FAILED_PRECONDITION, message="the carrier did not do it")


def _unauthenticated(_: Unauthenticated) -> _Answer:
    return _Answer(grpc.StatusCode.UNAUTHENTICATED)


def _defect(_: AgenticError) -> _Answer:
    return _Answer(grpc.StatusCode.INTERNAL)


TABLE: Mapping[type[AgenticError], Callable[..., _Answer]] = {
    errors.InvalidArgument: _invalid,
    errors.RequestIdReused: _invalid,
    errors.NotFound: _not_found,
    errors.NotLive: _not_live,
    errors.Exhausted: _exhausted,
    errors.Draining: _draining,
    errors.StoreDown: _store_down,
    errors.Compacted: _compacted,
    errors.LogReplaced: _log_replaced,
    errors.ConsumerStalled: _stalled,
    errors.CarrierError: _carrier_failed,
    errors.CarrierRefused: _carrier_refused,
    errors.CarrierUnanswered: _carrier_unanswered,
    errors.RemoteError: _defect,  # what a peer sent is nothing that a client could act on
    Unauthenticated: _unauthenticated,
}
"""Each error under its very class: one that is not named here is a defect, not its parent's case."""


def status_of(error: AgenticError) -> WireStatus | None:
    """What a client is told of the error, or None if it is a defect: see `defect`."""
    row = TABLE.get(type(error), _defect)
    answer = row(error)
    if answer.code is grpc.StatusCode.INTERNAL:
        return None
    return _status(answer.code, error.reason, answer.message or str(error), answer.metadata or {}, answer.details)


def defect(incident: str) -> WireStatus:
    """What a client is told of a defect: nothing but the id under which the log has it."""
    message = f"a defect of the daemon; its log has it as incident {incident}"
    return _status(grpc.StatusCode.INTERNAL, errors.RemoteError.reason, message, {"incident": incident}, ())


def _status(
    code: grpc.StatusCode, reason: str, message: str, metadata: Mapping[str, str], more: Iterable[Message]
) -> WireStatus:
    info = details.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)
    number, _ = code.value
    status = status_pb2.Status(code=number, message=clip(message, MAX_MESSAGE))
    for detail in (info, *more):
        packed = Packed()
        packed.Pack(detail)
        status.details.append(packed)
    return WireStatus(code, status.message, status.SerializeToString())


def bad_request(violations: Iterable[Violation]) -> details.BadRequest:
    """The wrong fields, as many as there is room for."""
    request = details.BadRequest()
    room = MAX_VIOLATIONS
    for violation in violations:
        field = details.BadRequest.FieldViolation(
            field=clip(violation.field, 128), description=clip(violation.description, 384)
        )
        room -= field.ByteSize()
        if room < 0:
            break
        request.field_violations.append(field)
    return request


def clip(value: str, limit: int) -> str:
    """The text in at most so many bytes of UTF-8, with an ellipsis if it is cut."""
    data = text(value).encode()
    if len(data) <= limit:
        return text(value)
    return data[: limit - 3].decode(errors="ignore") + "…"


def _retry(seconds: float) -> details.RetryInfo:
    return details.RetryInfo(retry_delay=duration(seconds))
