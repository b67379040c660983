"""Errors are typed by the contract's reasons, and carry what the daemon said beside its message."""

from __future__ import annotations

import subprocess
import sys

import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]
from google.rpc import status_pb2
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from agentic import Client, Target, _status, errors
from agentic.v1.errors_pb2 import ErrorReason
from tests.fake_daemon import CALL, FakeDaemon, Fault

REASONS = [name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()][1:]  # noqa: SIM118


async def fails(client: Client, daemon: FakeDaemon, *faults: Fault) -> errors.AgenticError:
    daemon.faults = list(faults)
    with pytest.raises(errors.AgenticError) as caught:
        await client.get_call(CALL)
    return caught.value


def test_every_reason_of_the_contract_has_its_own_class() -> None:
    assert list(errors.BY_REASON) == REASONS
    assert len(set(errors.BY_REASON.values())) == len(REASONS)


@pytest.mark.parametrize("reason", REASONS)
async def test_the_reason_makes_the_class(client: Client, daemon: FakeDaemon, reason: str) -> None:
    error = await fails(client, daemon, Fault(StatusCode.FAILED_PRECONDITION, reason, spam="eggs"))
    assert type(error) is errors.BY_REASON[reason]
    assert (error.reason, error.code, error.metadata) == (reason, "FAILED_PRECONDITION", {"spam": "eggs"})
    assert str(error) == f"the daemon says {reason}"


async def test_a_reason_of_a_newer_daemon_is_typed_by_its_code(client: Client, daemon: FakeDaemon) -> None:
    error = await fails(client, daemon, Fault(StatusCode.INVALID_ARGUMENT, "SPAM"))
    assert type(error) is errors.InvalidArgument
    assert error.reason == "SPAM"
    other = await fails(client, daemon, Fault(StatusCode.DATA_LOSS, "SPAM"))
    assert type(other) is errors.AgenticError


async def test_wrong_fields_and_waiting_times_are_there(client: Client, daemon: FakeDaemon) -> None:
    wrong = details.BadRequest(field_violations=[{"field": "to_address", "description": "must begin with +"}])
    retry = details.RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000))
    error = await fails(client, daemon, Fault(StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT", wrong, retry))
    assert error.violations == (errors.Violation("to_address", "must begin with +"),)
    assert error.retry_after == 2.5


async def test_what_a_reason_says_more_has_a_name(client: Client, daemon: FakeDaemon) -> None:
    out_of_range, internal = StatusCode.OUT_OF_RANGE, StatusCode.INTERNAL
    compacted = await fails(client, daemon, Fault(out_of_range, "CURSOR_COMPACTED", first_revision="40"))
    assert isinstance(compacted, errors.CursorCompacted)
    assert compacted.first_revision == 40
    replaced = await fails(client, daemon, Fault(out_of_range, "LOG_REPLACED", epoch="e"))
    assert isinstance(replaced, errors.LogReplaced)
    assert replaced.epoch == "e"
    rejected = await fails(client, daemon, Fault(out_of_range, "CARRIER_REJECTED", carrier_code="21211"))
    assert isinstance(rejected, errors.CarrierRejected)
    assert rejected.carrier_code == 21211
    not_live = await fails(client, daemon, Fault(out_of_range, "CALL_NOT_LIVE", state="ENDED"))
    assert isinstance(not_live, errors.CallNotLive)
    assert not_live.state == "ENDED"
    too_many = await fails(client, daemon, Fault(out_of_range, "TOO_MANY_CALLS", limit="500"))
    assert isinstance(too_many, errors.TooManyCalls)
    assert too_many.limit == 500
    resource = details.ResourceInfo(resource_type="agentic.v1.Call", resource_name="01X")
    not_found = await fails(client, daemon, Fault(StatusCode.NOT_FOUND, "CALL_NOT_FOUND", resource))
    assert isinstance(not_found, errors.CallNotFound)
    assert not_found.call_id == "01X"
    strange = await fails(client, daemon, Fault(out_of_range, "CURSOR_COMPACTED", first_revision="many"))
    assert isinstance(strange, errors.CursorCompacted)
    assert strange.first_revision == 0
    defect = await fails(client, daemon, Fault(internal, "INTERNAL", incident="abc"))
    assert isinstance(defect, errors.Internal)
    assert defect.incident == "abc"


async def test_a_daemon_that_is_not_there_is_unreachable(tmp_path) -> None:
    async with Client(Target(f"unix:{tmp_path}/none.sock")) as client:
        with pytest.raises(errors.Unreachable):
            await client.status()
        with pytest.raises(errors.Unreachable):
            await client.wait_ready(0.01)


async def test_a_daemon_that_is_silent_exceeds_the_deadline(daemon: FakeDaemon) -> None:
    daemon.answers.clear()
    async with Client(Target(daemon.address), timeout=0.05) as client:
        with pytest.raises(errors.DeadlineExceeded):
            await client.status()


def test_what_others_send_as_details_is_not_taken_for_ours() -> None:
    foreign = details.ErrorInfo(reason="DRAINING", domain="example.com")
    packed = Packed()
    packed.Pack(foreign)
    assert _status.read(status_pb2.Status(details=[packed]).SerializeToString()) == _status.Details()


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reading_of_details(data: bytes) -> None:
    assert isinstance(_status.read(data), _status.Details)


def test_the_client_imports_protobuf_and_grpcio_alone() -> None:
    program = "import sys; import agentic, agentic.sync; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "grpc" in loaded
    assert loaded.isdisjoint({"google.rpc", "grpc_status", "click", "rich", "agenticd", "agentctl"})
