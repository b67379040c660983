"""What can go wrong, by type: a class for each of the contract's ErrorReasons, and for daemons that are
silent.

AgenticError
├── InvalidArgument            a field is missing or wrong: see `violations`
│   └── RequestIdReused        the same request_id with another request
├── CallNotFound               see `call_id`
├── CallNotLive                it has ended: see `state`
├── TooManyCalls               see `limit`; try again after `retry_after`
├── Unavailable                try again
│   ├── Draining               the daemon is stopping
│   ├── StoreDown              its log cannot be written or read
│   └── Unreachable            nobody answers at the address
├── CursorInvalid              list the calls, then follow from that answer's revision
│   ├── CursorCompacted        the cursor lies before `first_revision`
│   └── LogReplaced            the cursor belongs to another log
├── ConsumerStalled            the stream was not read for too long
├── CarrierRejected            Twilio refused: see `carrier_code`
├── Unauthenticated
├── DeadlineExceeded           no answer in time; whether it was done is not known
└── Internal                   a defect of the daemon: its log has the details under `incident`
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, cast

from grpc import RpcError, StatusCode

from agentic import _status
from agentic._faults import fault_of
from agentic._status import Details, Violation

__all__ = [
    "AgenticError",
    "CallNotFound",
    "CallNotLive",
    "CarrierRejected",
    "ConsumerStalled",
    "CursorCompacted",
    "CursorInvalid",
    "DeadlineExceeded",
    "Draining",
    "Internal",
    "InvalidArgument",
    "LogReplaced",
    "RequestIdReused",
    "StoreDown",
    "TooManyCalls",
    "Unauthenticated",
    "Unavailable",
    "Unreachable",
    "Violation",
    "from_rpc",
]


class AgenticError(Exception):
    """An RPC was refused, or failed. str() is English for a person; branch on the class or on `reason`.

    `code` is gRPC's name, for example "NOT_FOUND"; `reason` the name of an ErrorReason without its prefix,
    empty when it was not the daemon that answered; `metadata` what the daemon said beside the reason;
    `violations` the wrong fields; `retry_after` in seconds, None when the daemon did not say. `request_id`: that of
    a place_call, with which the order can be repeated without dialling twice; empty for other requests.
    """

    request_id: str = ""

    def __init__(self, message: str, code: str = "UNKNOWN", details: Details | None = None) -> None:
        super().__init__(message)
        found = Details() if details is None else details
        self.message = message
        self.code = code
        self.reason = found.reason
        self.metadata: Mapping[str, str] = found.metadata
        self.violations: tuple[Violation, ...] = found.violations
        self.retry_after = found.retry_after
        self._resource = found.resource

    def _number(self, key: str) -> int:
        text = self.metadata.get(key, "")
        return int(text) if text.isascii() and text.isdigit() else 0


class InvalidArgument(AgenticError):
    """A field is missing or wrong: `violations` has each."""


class RequestIdReused(InvalidArgument):
    """The request_id was used within 24 hours with another request. Use a new one."""


class CallNotFound(AgenticError):
    """No such call, or it was deleted by retention."""

    @property
    def call_id(self) -> str:
        """The id that is not known; empty when the daemon did not say."""
        return self._resource


class CallNotLive(AgenticError):
    """The call has ended."""

    @property
    def state(self) -> str:
        """Its state, for example "ENDED"; empty when the daemon did not say."""
        return self.metadata.get("state", "")


class TooManyCalls(AgenticError):
    """The daemon holds as many calls as it may. Try again after `retry_after`."""

    @property
    def limit(self) -> int:
        """How many those are; 0 when the daemon did not say."""
        return self._number("limit")


class Unavailable(AgenticError):
    """It may be tried again. Nothing was done, except perhaps where nobody answered: see Unreachable."""


class Draining(Unavailable):
    """The daemon is stopping and takes no new work."""


class StoreDown(Unavailable):
    """The daemon's log cannot be written or read."""


class Unreachable(Unavailable):
    """Nobody answers at the address.

    A connection that broke behind a request looks the same: whether it was done is then not known. Every request of
    the clients is safe to repeat; a place_call with this error's `request_id`.

    `why`, where somebody listens, but no connection came about: "untrusted" (the daemon's certificate), "expired",
    "wrong_name", "no_tls" (the other side has none), "closed" (without a word: this side has no TLS, or no certificate
    that the daemon believes), "no_grpc" (it is another server); else empty.
    """

    why: str = ""


class CursorInvalid(AgenticError):
    """The cursor cannot be followed from: list the calls, then follow from that answer's revision."""


class CursorCompacted(CursorInvalid):
    """The cursor lies before what the log still keeps."""

    @property
    def first_revision(self) -> int:
        """The oldest revision that is kept; 0 when the daemon did not say."""
        return self._number("first_revision")


class LogReplaced(CursorInvalid):
    """The cursor belongs to another log: the daemon's store was replaced or restored."""

    @property
    def epoch(self) -> str:
        """The present log's epoch."""
        return self.metadata.get("epoch", "")


class ConsumerStalled(AgenticError):
    """The stream was not read for too long. An EventStream does not raise it: it follows again from the last revision
    that was read, and loses nothing."""


class CarrierRejected(AgenticError):
    """Twilio refused."""

    @property
    def carrier_code(self) -> int:
        """Twilio's error code, for example 21211; 0 when it gave none."""
        return self._number("carrier_code")


class Unauthenticated(AgenticError):
    """The address needs a token, or a certificate, and none or a wrong one was sent."""


class DeadlineExceeded(AgenticError):
    """No answer came in time; whether it was done is not known. Every request is safe to repeat; a place_call with
    this error's `request_id`."""


class Internal(AgenticError):
    """A defect of the daemon."""

    @property
    def incident(self) -> str:
        """The id under which the daemon's log has the details."""
        return self.metadata.get("incident", "")


BY_REASON: Mapping[str, type[AgenticError]] = {
    "INVALID_ARGUMENT": InvalidArgument,
    "REQUEST_ID_REUSED": RequestIdReused,
    "CALL_NOT_FOUND": CallNotFound,
    "CALL_NOT_LIVE": CallNotLive,
    "TOO_MANY_CALLS": TooManyCalls,
    "DRAINING": Draining,
    "STORE_DOWN": StoreDown,
    "CURSOR_COMPACTED": CursorCompacted,
    "LOG_REPLACED": LogReplaced,
    "CONSUMER_STALLED": ConsumerStalled,
    "CARRIER_REJECTED": CarrierRejected,
    "UNAUTHENTICATED": Unauthenticated,
    "INTERNAL": Internal,
}
# For what has no reason, or one that this version does not know: gRPC's own failures, a newer daemon.
_BY_CODE: Mapping[StatusCode, type[AgenticError]] = {
    StatusCode.INVALID_ARGUMENT: InvalidArgument,
    StatusCode.UNAVAILABLE: Unavailable,
    StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    StatusCode.UNAUTHENTICATED: Unauthenticated,
}


class _Failure(Protocol):
    """What gRPC's two kinds of errors have in common."""

    def code(self) -> StatusCode: ...

    def details(self) -> str | None: ...

    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None: ...


def from_rpc(error: RpcError) -> AgenticError:
    """The typed error for gRPC's, of a thread or of asyncio."""
    failure = cast(_Failure, error)
    details = Details()
    for key, value in failure.trailing_metadata() or ():
        if key == _status.KEY and isinstance(value, bytes):
            details = _status.read(value)
    code = failure.code()
    kind = BY_REASON.get(details.reason) or _BY_CODE.get(code, AgenticError)
    if kind is Unavailable and not details.reason:
        why, words = fault_of(failure.details() or "")
        unreachable = Unreachable(words or code.name, code.name, details)
        unreachable.why = why
        return unreachable
    return kind(failure.details() or code.name, code.name, details)
