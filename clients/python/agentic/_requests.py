"""What callers say, as the contract's messages. Shared by both clients."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping

from google.protobuf.duration_pb2 import Duration

from agentic._follower import backoff
from agentic.cursor import Cursor
from agentic.errors import AgenticError, Unreachable
from agentic.v1 import call_service_pb2 as pb
from agentic.v1 import node_service_pb2


def place_call(
    to_address: str,
    *,
    from_address: str,
    agent: str,
    instructions: str | None,
    greeting: str | None,
    voice: str | None,
    model: str | None,
    language: str | None,
    variables: Mapping[str, str] | None,
    metadata: Mapping[str, str] | None,
    ring_timeout: float | None,
    max_duration: float | None,
    queue_timeout: float | None,
    request_id: str | None,
) -> pb.PlaceCallRequest:
    """The order. It always has a request_id: without one a retry could dial twice."""
    overrides = pb.AgentOverrides(
        instructions=instructions, greeting=greeting, voice=voice, model=model, language=language
    )
    options = pb.CallOptions(
        ring_timeout=_duration(ring_timeout),
        max_duration=_duration(max_duration),
        queue_timeout=_duration(queue_timeout),
    )
    return pb.PlaceCallRequest(
        to_address=to_address,
        from_address=from_address,
        agent=agent,
        overrides=overrides,
        variables=variables,
        metadata=metadata,
        options=options,
        request_id=request_id or str(uuid.uuid4()),
    )


def whole(opened: node_service_pb2.BackupOpened | None, written: int) -> node_service_pb2.BackupOpened:
    """What the backup is a copy of, if it came whole. Raises AgenticError."""
    if opened is None or written != opened.size:
        size = "unknown" if opened is None else f"{opened.size}"
        raise AgenticError(f"the backup ended after {written} of {size} bytes", "DATA_LOSS")
    return opened


def stream_events(
    call_ids: Iterable[str], types: Iterable[str], after: Cursor | int | None, live: bool
) -> pb.StreamEventsRequest:
    """The wish to follow. Raises TypeError for a text where several are meant."""
    for name, value in (("call_ids", call_ids), ("types", types)):
        if isinstance(value, str):
            raise TypeError(f"{name} is a list of texts, not the text {value!r}")
    return pb.StreamEventsRequest(
        after_revision=after.revision if isinstance(after, Cursor) else after,
        epoch=after.epoch if isinstance(after, Cursor) else "",
        call_ids=call_ids,
        types=types,
        include_live=live,
    )


def _duration(seconds: float | None) -> Duration | None:
    if seconds is None:
        return None
    duration = Duration()
    duration.FromMicroseconds(round(seconds * 1_000_000))
    return duration


def scattered(seconds: float) -> float:
    """So long, or up to a fifth longer: not all who lost the same daemon shall come back in the same moment."""
    import random  # most programs never wait

    return seconds * random.uniform(1.0, 1.2)


class Patience:
    """How often a request is sent that nobody answers: until its deadline, if a daemon is proven to be there.

    It is then most likely being restarted, and every RPC is safe to repeat, PlaceCall by its request_id. gRPC tries a
    few times by itself, for less than a second; that is all that an address gets where nobody has answered yet.
    """

    def __init__(self, timeout: float, now: float) -> None:
        """`timeout` in seconds; `now` in seconds of any clock that does not jump."""
        self._deadline = now + timeout
        self._failures = 0

    def left(self, now: float) -> float:
        """Seconds to the deadline."""
        return max(0.0, self._deadline - now)

    def wait(self, error: AgenticError, proven: bool, now: float) -> float | None:
        """Seconds to wait before it is sent again; None: the error stands."""
        if not (proven and isinstance(error, Unreachable)):
            return None
        delay = scattered(backoff(self._failures, error.retry_after))
        self._failures += 1
        return delay if now + delay < self._deadline else None
