"""What can go wrong, as typed errors. The gRPC codes for them stand in one table, adapters/rpc/status.py.

    AgenticError
    ├── InvalidArgument        a request is wrong; names each field and what would be right
    │   └── RequestIdReused    the same request id with another request
    ├── NotFound               no such call
    ├── NotLive                the call has ended
    ├── Exhausted              a limit is reached; try later
    ├── Draining               the daemon takes no new work
    ├── StoreDown              the log cannot be written or read
    ├── Compacted              the cursor lies before what is kept
    ├── LogReplaced            the cursor belongs to another log
    ├── ConsumerStalled        a subscriber does not read
    ├── CarrierError           Twilio did not do what it was asked
    │   ├── CarrierRefused     ... it said no, and why
    │   └── CarrierUnanswered  ... nobody knows whether it did it
    └── RemoteError            a peer sent what its protocol does not allow; raised only by the codecs

A defect of ours is an AssertionError, never one of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class AgenticError(Exception):
    """The base. `reason` is the name of a value of ErrorReason in errors.proto, without its prefix."""

    reason: ClassVar[str]


@dataclass(frozen=True, slots=True)
class Violation:
    """One wrong field of a request: its path as in the proto, and what would be right."""

    field: str
    description: str


class InvalidArgument(AgenticError):
    """A request is wrong in one or more fields."""

    reason = "INVALID_ARGUMENT"

    def __init__(self, *violations: Violation) -> None:
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in violations))
        self.violations = violations

    @classmethod
    def at(cls, field: str, description: str) -> InvalidArgument:
        """The error for a single field."""
        return cls(Violation(field, description))


class RequestIdReused(InvalidArgument):
    """The request id was used within 24 h with another request."""

    reason = "REQUEST_ID_REUSED"


class NotFound(AgenticError):
    """No such call."""

    reason = "CALL_NOT_FOUND"

    def __init__(self, call_id: str) -> None:
        super().__init__(f"no call {call_id}")
        self.call_id = call_id


class NotLive(AgenticError):
    """The call has ended."""

    reason = "CALL_NOT_LIVE"

    def __init__(self, call_id: str, state: str) -> None:
        super().__init__(f"call {call_id} is {state}")
        self.call_id = call_id
        self.state = state


class Exhausted(AgenticError):
    """A limit is reached. `retry_after` in seconds."""

    reason = "TOO_MANY_CALLS"

    def __init__(self, limit: int, retry_after: float) -> None:
        super().__init__(f"{limit} calls are live, which is the limit")
        self.limit = limit
        self.retry_after = retry_after


class Draining(AgenticError):
    """The daemon takes no new work: it was told to drain, or to stop."""

    reason = "DRAINING"

    def __init__(self, message: str = "the daemon is draining: it takes no new calls") -> None:
        super().__init__(message)


class StoreDown(AgenticError):
    """The log cannot be written or read. Nothing was done, unless the text says so."""

    reason = "STORE_DOWN"

    def __init__(self, message: str = "the event log is not available") -> None:
        super().__init__(message)


class Compacted(AgenticError):
    """The cursor lies before the oldest revision that is kept."""

    reason = "CURSOR_COMPACTED"

    def __init__(self, after: int, first_revision: int) -> None:
        super().__init__(f"revision {after} is gone; the oldest that is kept is {first_revision}")
        self.after = after
        self.first_revision = first_revision


class LogReplaced(AgenticError):
    """The cursor's epoch is not this log's."""

    reason = "LOG_REPLACED"

    def __init__(self, epoch: str) -> None:
        super().__init__(f"the cursor belongs to another log; this one is {epoch}")
        self.epoch = epoch


class ConsumerStalled(AgenticError):
    """A subscriber did not read for too long."""

    reason = "CONSUMER_STALLED"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"nothing was read for {seconds:.0f} s")


class CarrierError(AgenticError):
    """Twilio did not do what it was asked."""

    reason = "CARRIER_REJECTED"


class CarrierRefused(CarrierError):
    """Twilio answered no. `code` is its error code (21211 …), `status` the HTTP status, `message` its own words.

    Both are 0 for an order to dial that was no longer wanted when it was to go out: nobody was asked."""

    def __init__(self, code: int, status: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.status = status
        self.message = message


class CarrierUnanswered(CarrierError):
    """No usable answer came (time-out, reset, 5xx): Twilio may or may not have done it. `what` says which.

    Unless the request never was `sent`: then there was no connection, and nothing was done."""

    def __init__(self, what: str, *, sent: bool = True) -> None:
        super().__init__(what)
        self.what = what
        self.sent = sent


class RemoteError(AgenticError):
    """A peer sent what its protocol does not allow. `peer` is "twilio" or "openai"; the text never has the payload."""

    reason = "INTERNAL"

    def __init__(self, peer: str, message: str) -> None:
        super().__init__(f"{peer}: {message}")
        self.peer = peer
