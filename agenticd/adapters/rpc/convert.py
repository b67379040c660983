"""Requests of the contract into ours, and ours into answers.

Checks what the wire form can get wrong: ids, enum values, Durations, page tokens. What a
value means and how long it may be is checked by service/orders.py. Both refuse with InvalidArgument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from google.protobuf.duration_pb2 import Duration

from agentic.v1 import call_pb2, node_service_pb2
from agentic.v1 import call_service_pb2 as pb
from agenticd.adapters.rpc import pages
from agenticd.adapters.rpc.codec import call_end_message, utterance_message
from agenticd.adapters.rpc.scalars import CALL_STATES, DIRECTIONS, duration, seconds_of, text, timestamp
from agenticd.core.errors import InvalidArgument, Violation
from agenticd.core.events import CallRecord, CallState, TranscriptFinal
from agenticd.core.ids import CallId, parse_call_id
from agenticd.service.calls import NodeStatus, Placed
from agenticd.service.orders import Overrides, PlaceOrder
from agenticd.service.ports import CallQuery, PeerHealth
from agenticd.service.watch import FollowRequest

# The contract's limits.
MAX_CALL_IDS = 1000
PAGE_DEFAULT = 50
PAGE_MAX = 500

# So many wrong fields are named at most: a request may have a million, and the answer has room for few.
_MAX_VIOLATIONS = 100

# protobuf's own range for a Duration: 10,000 years.
_MAX_DURATION_SECONDS = 315_576_000_000
_MAX_NANOS = 999_999_999


Positions = Callable[[], Mapping[CallId, int]]
"""Who waits to be dialled, and in which place; asked only for a call that waits."""


def _nobody() -> Mapping[CallId, int]:
    return {}


class _Checks:
    """Collects what is wrong with a request while it is read, and refuses it at the end of the block."""

    def __init__(self) -> None:
        self._violations: list[Violation] = []

    def __enter__(self) -> _Checks:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._violations:
            raise InvalidArgument(*self._violations)

    def wrong(self, field: str, description: str) -> None:
        """One wrong field, and what would be right."""
        if len(self._violations) < _MAX_VIOLATIONS:
            self._violations.append(Violation(field, description))

    def call_id(self, field: str, value: str) -> CallId:
        """A call's id."""
        parsed = parse_call_id(value)
        if parsed is not None:
            return parsed
        advice = "is required" if not value else f"{value[:64]!r} is no call_id, which has 26 letters and digits"
        if value.startswith("CA"):
            advice += "; it looks like Twilio's id, carrier_call_id"
        self.wrong(field, advice)
        return CallId("")


def place_order(request: pb.PlaceCallRequest) -> PlaceOrder:
    """What PlaceCall is asked. Raises InvalidArgument."""
    with _Checks() as checks:
        return PlaceOrder(
            to_address=request.to_address,
            from_address=request.from_address,
            agent=request.agent,
            overrides=_overrides(request.overrides),
            variables=dict(request.variables),
            metadata=dict(request.metadata),
            ring_timeout=_seconds(checks, request.options, "ring_timeout"),
            max_duration=_seconds(checks, request.options, "max_duration"),
            queue_timeout=_seconds(checks, request.options, "queue_timeout"),
            request_id=request.request_id,
        )


def _overrides(overrides: pb.AgentOverrides) -> Overrides:
    """What the call does otherwise than its profile. Absent is None: an empty text is a value."""
    return Overrides(
        instructions=overrides.instructions if overrides.HasField("instructions") else None,
        greeting=overrides.greeting if overrides.HasField("greeting") else None,
        voice=overrides.voice if overrides.HasField("voice") else None,
        model=overrides.model if overrides.HasField("model") else None,
        language=overrides.language if overrides.HasField("language") else None,
    )


def _seconds(
    checks: _Checks, options: pb.CallOptions, name: Literal["ring_timeout", "max_duration", "queue_timeout"]
) -> float | None:
    """An option's seconds; None when it is absent. Whether they are sensible is the service's business."""
    if not options.HasField(name):
        return None
    value: Duration = getattr(options, name)
    well_formed = abs(value.seconds) <= _MAX_DURATION_SECONDS and abs(value.nanos) <= _MAX_NANOS
    if not well_formed or value.seconds * value.nanos < 0:
        checks.wrong(f"options.{name}", "is no valid google.protobuf.Duration: seconds or nanos are out of range")
        return None
    return seconds_of(value)


def hang_up(request: pb.HangUpRequest) -> tuple[CallId, str]:
    """Which call to end, and the reason for the record. Raises InvalidArgument."""
    with _Checks() as checks:
        return checks.call_id("call_id", request.call_id), request.reason


def call_id(request: pb.GetCallRequest | pb.GetTranscriptRequest) -> CallId:
    """Which call is meant. Raises InvalidArgument."""
    with _Checks() as checks:
        return checks.call_id("call_id", request.call_id)


def call_query(request: pb.ListCallsRequest) -> CallQuery:
    """Which calls to list: one more than the page takes, to see if more follow. Raises InvalidArgument."""
    with _Checks() as checks:
        if request.page_size < 0:
            checks.wrong("page_size", f"must be 1 to {PAGE_MAX}, or 0 for {PAGE_DEFAULT}")
        states = _states(checks, request.states)
        direction = DIRECTIONS.from_wire(request.direction)
        if direction is None and request.direction != call_pb2.DIRECTION_UNSPECIFIED:
            checks.wrong("direction", f"{request.direction} is no value of Direction")
        after = None
        if request.page_token:
            after = pages.read_token(request.page_token, states, direction)
            if after is None:
                checks.wrong("page_token", "is no next_page_token of a page with this filter; begin without one")
        return CallQuery(page_size(request) + 1, states, direction, after)


def page_size(request: pb.ListCallsRequest) -> int:
    """How many calls the page takes."""
    return min(request.page_size or PAGE_DEFAULT, PAGE_MAX)


def _states(checks: _Checks, numbers: Sequence[int]) -> frozenset[CallState]:
    states = set()
    for index, number in enumerate(numbers):
        state = CALL_STATES.from_wire(number)
        if state is None:
            checks.wrong(f"states[{index}]", f"{number} is no state that a call can be in")
        else:
            states.add(state)
    return frozenset(states)


def follow_request(request: pb.StreamEventsRequest) -> FollowRequest:
    """What a subscriber wants. Raises InvalidArgument."""
    with _Checks() as checks:
        call_ids = request.call_ids[:MAX_CALL_IDS]
        if len(request.call_ids) > MAX_CALL_IDS:
            checks.wrong("call_ids", f"has more than {MAX_CALL_IDS} ids; follow all calls instead")
        return FollowRequest(
            after=request.after_revision if request.HasField("after_revision") else None,
            epoch=request.epoch,
            call_ids=[checks.call_id(f"call_ids[{index}]", value) for index, value in enumerate(call_ids)],
            kinds=list(request.types),
            include_live=request.include_live,
        )


def call_message(record: CallRecord, positions: Positions = _nobody) -> call_pb2.Call:
    """A call as clients see it."""
    waits = record.state is CallState.QUEUED
    return call_pb2.Call(
        call_id=record.call_id,
        direction=DIRECTIONS.to_wire(record.direction),
        state=CALL_STATES.to_wire(record.state),
        from_address=text(record.from_address),
        to_address=text(record.to_address),
        agent=text(record.agent),
        metadata={text(key): text(value) for key, value in record.metadata.items()},
        create_time=timestamp(record.create_time),
        answer_time=None if record.answer_time is None else timestamp(record.answer_time),
        end_time=None if record.end_time is None else timestamp(record.end_time),
        end=None if record.end is None else call_end_message(record.end),
        carrier_call_id=text(record.carrier_call_id),
        node_id=record.node_id,
        last_sequence=record.last_sequence,
        queue_position=positions().get(record.call_id, 0) if waits else 0,
    )


def placed_message(placed: Placed, epoch: str, positions: Positions = _nobody) -> pb.PlaceCallResponse:
    """What PlaceCall answers."""
    return pb.PlaceCallResponse(
        call=call_message(placed.record, positions), revision=placed.revision, epoch=epoch, replayed=placed.replayed
    )


def page_message(
    records: Sequence[CallRecord],
    query: CallQuery,
    size: int,
    revision: int,
    epoch: str,
    positions: Positions = _nobody,
) -> pb.ListCallsResponse:
    """A page of calls out of one more than it takes, and the token for the next one if there is one."""
    token = ""
    if len(records) > size:
        last = records[size - 1]
        token = pages.write_token((last.create_time, last.call_id), query.states, query.direction)
    calls = [call_message(record, positions) for record in records[:size]]
    return pb.ListCallsResponse(calls=calls, next_page_token=token, revision=revision, epoch=epoch)


def transcript_message(utterances: Sequence[TranscriptFinal], revision: int, epoch: str) -> pb.GetTranscriptResponse:
    """What was said, in the order that the service gives."""
    return pb.GetTranscriptResponse(utterances=map(utterance_message, utterances), revision=revision, epoch=epoch)


_PEER_STATES: Mapping[bool | None, node_service_pb2.PeerState.ValueType] = {
    None: node_service_pb2.PEER_STATE_UNSPECIFIED,
    True: node_service_pb2.PEER_STATE_REACHABLE,
    False: node_service_pb2.PEER_STATE_FAILING,
}


def status_message(status: NodeStatus, streams: int) -> node_service_pb2.GetStatusResponse:
    """What GetStatus answers."""
    return node_service_pb2.GetStatusResponse(
        version=status.version,
        features=status.features,
        node_id=status.node_id,
        uptime=duration(status.uptime),
        live_calls=status.live_calls,
        queued_calls=status.queued_calls,
        streams=streams,
        head_revision=status.head_revision,
        first_revision=status.first_revision,
        epoch=status.epoch,
        carrier=_peer_message(status.carrier),
        model=_peer_message(status.model),
        draining=status.draining,
    )


def _peer_message(peer: PeerHealth) -> node_service_pb2.PeerStatus:
    return node_service_pb2.PeerStatus(
        state=_PEER_STATES[peer.ok],
        last_use_time=None if peer.ok is None else timestamp(peer.at),
        message=text(peer.message),
    )
