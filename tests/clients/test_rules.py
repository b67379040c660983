"""The story on a daemon that says what is written down for it: the rules of docs/resuming.md, frame by frame."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc import StatusCode

from agentic.v1 import errors_pb2
from tests.clients.scripted import (
    ANOTHER,
    CALL,
    EPOCH,
    Act,
    Fault,
    ScriptedDaemon,
    batch,
    bookmark,
    frame_of_tomorrow,
    of_tomorrow,
    opened,
    playing,
)
from tests.clients.teller import Teller
from tests.clients.test_story import is_random_uuid

pytestmark = pytest.mark.asyncio(loop_scope="session")

Make = Callable[..., Any]
ENOUGH = Fault(StatusCode.PERMISSION_DENIED)
"""An end that no asking again mends."""
SOON = error_details_pb2.RetryInfo(retry_delay=Duration(nanos=50_000_000))
CODES = {
    "INVALID_ARGUMENT": StatusCode.INVALID_ARGUMENT,
    "REQUEST_ID_REUSED": StatusCode.INVALID_ARGUMENT,
    "CALL_NOT_FOUND": StatusCode.NOT_FOUND,
    "CALL_NOT_LIVE": StatusCode.FAILED_PRECONDITION,
    "TOO_MANY_CALLS": StatusCode.RESOURCE_EXHAUSTED,
    "DRAINING": StatusCode.UNAVAILABLE,
    "STORE_DOWN": StatusCode.UNAVAILABLE,
    "CURSOR_COMPACTED": StatusCode.OUT_OF_RANGE,
    "LOG_REPLACED": StatusCode.FAILED_PRECONDITION,
    "CONSUMER_STALLED": StatusCode.ABORTED,
    "CARRIER_REJECTED": StatusCode.FAILED_PRECONDITION,
    "UNAUTHENTICATED": StatusCode.UNAUTHENTICATED,
    "INTERNAL": StatusCode.INTERNAL,
}
"""The contract's reasons, and their codes."""
ATTEMPTS = 4
"""How often gRPC sends a request by itself that was UNAVAILABLE."""


@pytest.fixture
def daemon() -> ScriptedDaemon:
    return ScriptedDaemon()  # type: ignore[abstract]  # the other requests are not in the script


@pytest_asyncio.fixture(loop_scope="session")
async def address(daemon: ScriptedDaemon, tmp_path: Path) -> AsyncIterator[str]:
    async with playing(daemon, tmp_path) as address:
        yield address


async def test_a_stream_goes_on_after_every_end_that_asking_again_mends(
    daemon: ScriptedDaemon, address: str, teller: Make
) -> None:
    """After each end that asking again mends a stream asks for what comes behind what it has received, never again
    for "from now on"; what is sent twice is handed on once"""
    broken = [Fault(code) for code in (StatusCode.CANCELLED, StatusCode.INTERNAL, StatusCode.UNKNOWN)]
    daemon.acts.extend(
        [
            Act([opened(10)], Fault(StatusCode.UNAVAILABLE)),
            Act([opened(12), batch(11, 12), bookmark(15)], broken[0]),
            Act([opened(20), batch(11, 12, 13), batch(16)], broken[1]),
            Act([opened(20), batch(17), batch(17, 18)], Fault(StatusCode.ABORTED, "CONSUMER_STALLED")),
            Act([opened(20), batch(18, 19)], Fault(StatusCode.UNAVAILABLE, "DRAINING", details=[SOON])),
            Act([opened(20)], Fault(StatusCode.UNAVAILABLE, "STORE_DOWN")),
            Act([opened(20), batch(20)], None),
            Act([opened(20), batch(21)], broken[2]),
            Act([opened(21), bookmark(30)], ENOUGH),
        ]
    )
    one: Teller = await teller(address)
    stream = await one.follow("all", types=["digit_received"], live=True)
    assert (await stream.fails()).says == ("PERMISSION_DENIED", "")
    first, *later = daemon.streams
    assert (first.HasField("after_revision"), first.epoch) == (False, "")
    assert [(asked.epoch, asked.after_revision) for asked in later] == [
        (EPOCH, revision) for revision in (10, 15, 16, 18, 19, 19, 20, 21)
    ]
    assert all((list(asked.types), asked.include_live) == (["digit_received"], True) for asked in daemon.streams)
    assert [event.revision for event in stream.events] == [11, 12, 13, 16, 17, 18, 19, 20, 21]
    assert len(stream.resumed) == len(later)
    assert stream.cursor == f"{EPOCH}:30"


async def test_a_stream_of_calls_is_complete_when_the_daemon_says_so(
    daemon: ScriptedDaemon, address: str, teller: Make
) -> None:
    """A stream of certain calls is asked for again with the same calls, and complete when the daemon ends it with OK"""
    daemon.acts.extend(
        [Act([opened(9), batch(3)], Fault(StatusCode.UNAVAILABLE)), Act([opened(9), batch(4)])]  # fmt: skip
    )
    one: Teller = await teller(address)
    stream = await one.follow("call", call_ids=[CALL], cursor=f"{EPOCH}:2")
    await stream.complete()
    assert [(asked.epoch, asked.after_revision, list(asked.call_ids)) for asked in daemon.streams] == [
        (EPOCH, 2, [CALL]),
        (EPOCH, 3, [CALL]),
    ]
    assert stream.cursor == f"{EPOCH}:4"


async def test_nothing_of_another_log_is_handed_on(daemon: ScriptedDaemon, address: str, teller: Make) -> None:
    """A daemon that opens with another epoch is another log, whatever it sends: nothing of that is handed on"""
    daemon.acts.extend(
        [
            Act([opened(9), batch(3)], Fault(StatusCode.UNAVAILABLE)),
            Act([opened(9, ANOTHER), batch(4)], ENOUGH),
            Act([opened(9, ANOTHER), batch(4)], ENOUGH),
        ]
    )
    one: Teller = await teller(address)
    for name, handed_on in (("open", [3]), ("stored", [])):
        stream = await one.follow(name, cursor=f"{EPOCH}:2")
        error = await stream.fails()
        assert error.reason == "LOG_REPLACED"
        assert error.metadata["epoch"] == ANOTHER
        assert [event.revision for event in stream.events] == handed_on
        assert stream.cursor == f"{EPOCH}:{[2, *handed_on][-1]}"


async def test_what_a_newer_daemon_sends_is_no_error(daemon: ScriptedDaemon, address: str, teller: Make) -> None:
    """An event of a kind that is not known is an event like any other; a frame that is not known is skipped"""
    daemon.acts.append(Act([opened(9), frame_of_tomorrow(), of_tomorrow(10), batch(11)], ENOUGH))
    one: Teller = await teller(address)
    stream = await one.follow("all", after=0)
    await stream.fails()
    assert [(event.revision, event.kind) for event in stream.events] == [(10, ""), (11, "digit_received")]


async def test_a_daemon_that_breaks_the_contract_is_an_error(
    daemon: ScriptedDaemon, address: str, teller: Make
) -> None:
    """A stream that does not begin with "opened" ends with an error"""
    daemon.acts.append(Act([batch(1)], ENOUGH))
    one: Teller = await teller(address)
    stream = await one.follow("all", after=0)
    error = await stream.fails()
    assert error.code != "PERMISSION_DENIED", "not the daemon's end, but the client's own"
    assert stream.events == []


async def test_every_reason_has_a_type_of_its_own(daemon: ScriptedDaemon, address: str, teller: Make) -> None:
    """Each reason of the contract has a type of its own, and its metadata, fields and time to wait reach the program;
    one that is not known keeps its code"""
    reasons = [name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys()][1:]  # noqa: SIM118
    assert reasons == list(CODES)
    details = [
        error_details_pb2.BadRequest(field_violations=[{"field": "to_address", "description": "begins with +"}]),
        error_details_pb2.RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000)),
    ]
    one: Teller = await teller(address)
    await one.do("status")
    types = {}
    for reason, code in CODES.items():
        daemon.faults.extend([Fault(code, reason, {"incident": "17"}, details, "for a person")])
        if code is StatusCode.UNAVAILABLE:
            daemon.faults.extend(daemon.faults[0] for _ in range(ATTEMPTS))
        error = await one.refused("status")
        daemon.faults.clear()
        assert error.says == (code.name, reason)
        assert (error.metadata, error.message) == ({"incident": "17"}, "for a person")
        assert error.violations == [{"field": "to_address", "description": "begins with +"}]
        assert error.retry_after == 2.5
        types[error.type] = reason
    assert list(types.values()) == reasons, "each its own"
    daemon.faults.append(Fault(StatusCode.FAILED_PRECONDITION, "IT_SNOWS"))
    error = await one.refused("status")
    assert error.says == ("FAILED_PRECONDITION", "IT_SNOWS")
    assert error.type not in types


async def test_an_order_that_is_sent_again_is_the_same_order(
    daemon: ScriptedDaemon, address: str, teller: Make
) -> None:
    """An order that found nobody is sent again by the client itself, with the same request_id"""
    daemon.faults.extend([Fault(StatusCode.UNAVAILABLE)] * 2)
    one: Teller = await teller(address)
    placed = await one.do("place", to="+15550002222", metadata={"order": "17"})
    assert len(daemon.placed) == 3
    assert daemon.placed[0] == daemon.placed[1] == daemon.placed[2]
    assert is_random_uuid(placed["request_id"])
    assert placed["request_id"] == daemon.placed[0].request_id
