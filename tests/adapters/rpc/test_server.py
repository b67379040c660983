"""The API over a real socket: what answers say, how errors look on the wire, who may come in and who not."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from agentic.v1 import call_service_pb2 as pb
from agentic.v1 import node_service_pb2
from agentic.v1.call_service_pb2_grpc import CallServiceStub
from agentic.v1.node_service_pb2_grpc import NodeServiceStub
from agenticd.adapters.rpc.listen import CannotListen, parse_address
from agenticd.adapters.rpc.server import Config, RpcServer
from agenticd.core import errors
from agenticd.core.errors import AgenticError
from agenticd.core.events import Speaker, TranscriptFinal
from tests.adapters.rpc.support import (
    EPOCH,
    NODE,
    LedWatch,
    MemoryCalls,
    MemoryLog,
    call_id,
    channel,
    record,
    served,
    wire,
)


@pytest.fixture
def calls() -> MemoryCalls:
    return MemoryCalls()


@pytest.fixture
def watch() -> LedWatch:
    return LedWatch()


@pytest.fixture
async def stub(tmp_path: Path, calls: MemoryCalls, watch: LedWatch) -> AsyncIterator[CallServiceStub]:
    """A client of a running server."""
    async with served(tmp_path, calls, watch), channel(tmp_path) as plain:
        yield CallServiceStub(plain)


async def refused(call) -> aio.AioRpcError:
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    return caught.value


REFLECTION: Any = reflection_pb2_grpc.ServerReflectionStub


# What answers say.


async def test_a_call_that_waits_shows_its_place_in_the_queue(stub) -> None:
    first, second = [await stub.PlaceCall(pb.PlaceCallRequest(to_address="+15550002222")) for _ in range(2)]
    assert (first.call.queue_position, second.call.queue_position) == (1, 2)
    await stub.HangUp(pb.HangUpRequest(call_id=first.call.call_id))
    listed = await stub.ListCalls(pb.ListCallsRequest())
    places = {call.call_id: call.queue_position for call in listed.calls}
    assert places == {first.call.call_id: 0, second.call.call_id: 1}
    shown = await stub.GetCall(pb.GetCallRequest(call_id=second.call.call_id))
    assert shown.call.queue_position == 1


async def test_a_call_is_placed_shown_listed_and_hung_up(stub, calls: MemoryCalls) -> None:
    placed = await stub.PlaceCall(pb.PlaceCallRequest(to_address="+15550002222", request_id="r"))
    assert (placed.revision, placed.epoch, placed.replayed) == (1, EPOCH, False)
    again = await stub.PlaceCall(pb.PlaceCallRequest(to_address="+15550002222", request_id="r"))
    assert (again.call.call_id, again.replayed) == (placed.call.call_id, True)
    shown = await stub.GetCall(pb.GetCallRequest(call_id=placed.call.call_id))
    assert (shown.call, shown.revision) == (placed.call, 7)
    listed = await stub.ListCalls(pb.ListCallsRequest())
    assert (list(listed.calls), listed.revision, listed.next_page_token) == ([placed.call], 7, "")
    ended = await stub.HangUp(pb.HangUpRequest(call_id=placed.call.call_id, reason="enough"))
    assert ended.call.end.message == "enough"
    assert ended.revision == 8
    assert {identity for _, identity in calls.orders} == {"socket"}


async def test_every_answer_names_the_log_that_its_revision_belongs_to(stub) -> None:
    placed = await stub.PlaceCall(pb.PlaceCallRequest(to_address="+15550002222"))
    called = placed.call.call_id
    answers = [
        placed,
        await stub.GetCall(pb.GetCallRequest(call_id=called)),
        await stub.ListCalls(pb.ListCallsRequest()),
        await stub.GetTranscript(pb.GetTranscriptRequest(call_id=called)),
        await stub.HangUp(pb.HangUpRequest(call_id=called)),
    ]
    assert [answer.epoch for answer in answers] == [EPOCH] * 5


async def test_a_transcript_is_shown_in_the_order_of_the_conversation(stub, calls: MemoryCalls) -> None:
    calls.records[call_id(1)] = record(1)
    calls.utterances = [
        TranscriptFinal(Speaker.AGENT, "l", "a", 1, "Hello", "Hello", False, 0.5, 1.0),
        TranscriptFinal(Speaker.CALLER, "l", "b", 2, "Hi", "Hi", False, 1.5, 2.0),
    ]
    answer = await stub.GetTranscript(pb.GetTranscriptRequest(call_id=call_id(1)))
    assert [said.text for said in answer.utterances] == ["Hello", "Hi"]
    assert answer.revision == 7


async def test_status_shows_the_daemon(tmp_path: Path, calls: MemoryCalls, watch: LedWatch) -> None:
    async with served(tmp_path, calls, watch), channel(tmp_path) as plain:
        answer = await NodeServiceStub(plain).GetStatus(node_service_pb2.GetStatusRequest())
    assert (answer.version, answer.node_id, answer.epoch, answer.streams) == ("0.1.0", NODE, EPOCH, 0)
    assert (answer.uptime.seconds, answer.uptime.nanos) == (12, 500_000_000)
    assert answer.carrier.state == node_service_pb2.PEER_STATE_REACHABLE
    assert not answer.model.HasField("last_use_time")


# Errors on the wire.

CASES: list[tuple[AgenticError, grpc.StatusCode, dict[str, str], set[str]]] = [
    (errors.InvalidArgument.at("agent", "is unknown"), grpc.StatusCode.INVALID_ARGUMENT, {}, {"BadRequest"}),
    (errors.RequestIdReused.at("request_id", "x"), grpc.StatusCode.INVALID_ARGUMENT, {}, {"BadRequest"}),
    (errors.NotFound(call_id(5)), grpc.StatusCode.NOT_FOUND, {}, {"ResourceInfo"}),
    (
        errors.NotLive(call_id(5), "ENDED"),
        grpc.StatusCode.FAILED_PRECONDITION,
        {"state": "ENDED"},
        {"PreconditionFailure"},
    ),
    (
        errors.Exhausted(500, 5.0),
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        {"limit": "500"},
        {"QuotaFailure", "RetryInfo"},
    ),
    (errors.Draining(), grpc.StatusCode.UNAVAILABLE, {}, {"RetryInfo"}),
    (errors.StoreDown(), grpc.StatusCode.UNAVAILABLE, {}, {"RetryInfo"}),
    (errors.Compacted(3, 40), grpc.StatusCode.OUT_OF_RANGE, {"first_revision": "40"}, set()),
    (errors.LogReplaced(EPOCH), grpc.StatusCode.FAILED_PRECONDITION, {"epoch": EPOCH}, set()),
    (errors.ConsumerStalled(30), grpc.StatusCode.ABORTED, {}, set()),
    (
        errors.CarrierRefused(21211, 400, "Invalid To"),
        grpc.StatusCode.FAILED_PRECONDITION,
        {"carrier_code": "21211"},
        set(),
    ),
    (errors.CarrierUnanswered("timed out"), grpc.StatusCode.UNAVAILABLE, {}, {"RetryInfo"}),
]


@pytest.mark.parametrize(("error", "code", "metadata", "details"), CASES, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("kind", ["unary", "stream"])
async def test_every_error_arrives_whole(
    stub, calls: MemoryCalls, watch: LedWatch, kind: str, error, code, metadata, details
) -> None:
    calls.fault = watch.error = error
    if kind == "unary":
        caught = await refused(stub.GetCall(pb.GetCallRequest(call_id=call_id(1))))
    else:
        caught = await refused(stub.StreamEvents(pb.StreamEventsRequest()).read())
    status, info, others = wire(caught)
    assert caught.code() is code
    assert (info.reason, dict(info.metadata)) == (error.reason, metadata)
    assert set(others) == details
    assert status.message == caught.details() != ""


async def test_wrong_fields_are_named(stub, calls: MemoryCalls) -> None:
    calls.fault = errors.InvalidArgument(
        errors.Violation("to_address", "must begin with +"), errors.Violation("agent", "is unknown")
    )
    _, _, others = wire(await refused(stub.PlaceCall(pb.PlaceCallRequest())))
    request = others["BadRequest"]
    assert isinstance(request, error_details_pb2.BadRequest)
    assert [(field.field, field.description) for field in request.field_violations] == [
        ("to_address", "must begin with +"),
        ("agent", "is unknown"),
    ]


async def test_a_thousand_wrong_fields_still_arrive(stub, calls: MemoryCalls) -> None:
    calls.fault = errors.InvalidArgument(*(errors.Violation(f"ä[{n}]", "ö" * 900) for n in range(1000)))
    caught = await refused(stub.PlaceCall(pb.PlaceCallRequest()))
    assert caught.code() is grpc.StatusCode.INVALID_ARGUMENT
    wire(caught)


@pytest.mark.parametrize("fault", [ValueError("secret detail"), errors.RemoteError("openai", "secret detail")])
@pytest.mark.parametrize("kind", ["unary", "stream"])
async def test_no_text_of_an_exception_leaves_the_daemon(
    stub, calls: MemoryCalls, watch: LedWatch, kind: str, fault: Exception
) -> None:
    calls.fault = watch.error = fault
    with structlog.testing.capture_logs() as logs:
        if kind == "unary":
            caught = await refused(stub.GetCall(pb.GetCallRequest(call_id=call_id(1))))
        else:
            caught = await refused(stub.StreamEvents(pb.StreamEventsRequest()).read())
    _, info, others = wire(caught)
    assert caught.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in repr((caught.details(), caught.trailing_metadata(), info, others))
    (line,) = logs
    assert line["incident"] == info.metadata["incident"], "the operator finds the text by the client's incident id"
    assert line["exc_info"]
    assert line.get("call_id") == (call_id(1) if kind == "unary" else None)


async def test_bytes_that_are_no_request_are_an_invalid_argument(
    tmp_path: Path, calls: MemoryCalls, watch: LedWatch
) -> None:
    async with served(tmp_path, calls, watch), channel(tmp_path) as plain:
        place: Any = plain.unary_unary("/agentic.v1.CallService/PlaceCall")
        _, info, _ = wire(await refused(place(b"\xff\xff\xff")))
        follow: Any = plain.unary_stream("/agentic.v1.CallService/StreamEvents")
        _, stream_info, _ = wire(await refused(follow(b"\xff\xff\xff").read()))
    assert (info.reason, stream_info.reason) == ("INVALID_ARGUMENT", "INVALID_ARGUMENT")


async def test_an_rpc_without_a_deadline_does_not_last_for_ever(
    tmp_path: Path, calls: MemoryCalls, watch: LedWatch
) -> None:
    calls.blocked.clear()
    async with served(tmp_path, calls, watch, unary_timeout=0.05), channel(tmp_path) as plain:
        caught = await refused(CallServiceStub(plain).GetCall(pb.GetCallRequest(call_id=call_id(1))))
    assert caught.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_an_unknown_method_is_unimplemented(tmp_path: Path, calls: MemoryCalls, watch: LedWatch) -> None:
    async with served(tmp_path, calls, watch), channel(tmp_path) as plain:
        spam: Any = plain.unary_unary("/agentic.v1.CallService/Spam")
        caught = await refused(spam(b""))
    assert caught.code() is grpc.StatusCode.UNIMPLEMENTED


# Health and reflection.


async def test_health_is_serving_only_when_told(tmp_path: Path, calls: MemoryCalls, watch: LedWatch) -> None:
    names = ("", "agentic.v1.CallService", "agentic.v1.NodeService")
    async with served(tmp_path, calls, watch) as server, channel(tmp_path) as plain:
        health: Any = health_pb2_grpc.HealthStub(plain)  # what its stubs know of it is incomplete

        async def all_are(status: int) -> bool:
            answers = [await health.Check(health_pb2.HealthCheckRequest(service=name)) for name in names]
            return all(answer.status == status for answer in answers)

        assert await all_are(health_pb2.HealthCheckResponse.NOT_SERVING)
        await server.set_serving(True)
        assert await all_are(health_pb2.HealthCheckResponse.SERVING)
        watching = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.SERVING
        stopping = asyncio.create_task(server.stop(5))
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watching.cancel()
        await stopping


async def test_a_health_list_is_unimplemented_and_no_defect(
    tmp_path: Path, calls: MemoryCalls, watch: LedWatch
) -> None:
    async with served(tmp_path, calls, watch), channel(tmp_path) as plain:
        listing: Any = plain.unary_unary("/grpc.health.v1.Health/List")
        assert (await refused(listing(b""))).code() is grpc.StatusCode.UNIMPLEMENTED


async def test_reflection_lists_the_services(tmp_path: Path, calls: MemoryCalls, watch: LedWatch) -> None:
    async with served(tmp_path, calls, watch), channel(tmp_path) as plain:
        reflection = REFLECTION(plain)
        asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
        answers = [answer async for answer in reflection.ServerReflectionInfo(iter(asked))]
    listed = {service.name for service in answers[0].list_services_response.service}
    assert {"agentic.v1.CallService", "agentic.v1.NodeService", "grpc.health.v1.Health"} <= listed


async def test_a_drained_daemon_is_not_serving(tmp_path: Path, calls: MemoryCalls, watch: LedWatch) -> None:
    async with served(tmp_path, calls, watch) as server, channel(tmp_path) as plain:
        await server.set_serving(True)
        asked = health_pb2.HealthCheckRequest(service="agentic.v1.CallService")
        health: Any = health_pb2_grpc.HealthStub(plain)
        check = health.Check
        assert (await check(asked)).status == health_pb2.HealthCheckResponse.SERVING
        for _ in range(2):
            await NodeServiceStub(plain).Drain(node_service_pb2.DrainRequest())
        assert (await check(asked)).status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert calls.drains == 2


async def test_a_backup_comes_whole_and_is_let_go_of(tmp_path: Path, calls: MemoryCalls, watch: LedWatch) -> None:
    log = MemoryLog()
    log.data = bytes(range(256)) * 5000
    async with served(tmp_path, calls, watch, log=log), channel(tmp_path) as plain:
        frames = [frame async for frame in NodeServiceStub(plain).Backup(node_service_pb2.BackupRequest())]
        opened = frames[0].opened
        assert (opened.epoch, opened.revision, opened.first_revision, opened.size) == (EPOCH, 9, 2, len(log.data))
        assert b"".join(frame.data for frame in frames[1:]) == log.data
        assert max(len(frame.data) for frame in frames) <= 1 << 20
        log.fault = errors.StoreDown("no copy of the event log can be made: no space left on device")
        with pytest.raises(aio.AioRpcError) as refused:
            [frame async for frame in NodeServiceStub(plain).Backup(node_service_pb2.BackupRequest())]
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert wire(refused.value)[1].reason == "STORE_DOWN"
    assert log.open == 0


async def _rest(stream: Any) -> AsyncIterator[object]:
    while True:
        yield await stream.read()


async def test_a_backup_that_nobody_reads_ends(tmp_path: Path, calls: MemoryCalls, watch: LedWatch) -> None:
    log = MemoryLog()
    log.data = bytes(64 << 20)
    async with (
        served(tmp_path, calls, watch, log=log, stall_timeout=0.2),
        channel(tmp_path, **{"http2.bdp_probe": 0}) as plain,
    ):
        stream: Any = NodeServiceStub(plain).Backup(node_service_pb2.BackupRequest())
        assert (await stream.read()).HasField("opened")
        assert log.open == 1
        while log.open:  # noqa: ASYNC110 - until the server has had enough
            await asyncio.sleep(0.01)
        with pytest.raises(aio.AioRpcError) as ended:
            [frame async for frame in _rest(stream)]
        assert wire(ended.value)[1].reason == "CONSUMER_STALLED"


# Where it listens, and who may come.


async def test_the_group_may_use_the_socket_and_others_not(tmp_path: Path, calls: MemoryCalls, watch: LedWatch) -> None:
    before = os.umask(0o022)
    try:
        async with served(tmp_path / "run", calls, watch):
            mode = stat.S_IMODE((tmp_path / "run" / "api.sock").stat().st_mode)
            directory = stat.S_IMODE((tmp_path / "run").stat().st_mode)
            assert os.umask(0o022) == 0o022, "the daemon's umask is as it was"
    finally:
        os.umask(before)
    assert (oct(mode), oct(directory)) == ("0o660", "0o750")
    assert not (tmp_path / "run" / "api.sock").exists()


async def test_a_second_daemon_does_not_take_the_socket_away(
    tmp_path: Path, calls: MemoryCalls, watch: LedWatch
) -> None:
    async with served(tmp_path, calls, watch), channel(tmp_path) as plain:
        second = RpcServer(Config(listen=(f"unix:{tmp_path}/api.sock",)), calls, watch, MemoryLog())
        with pytest.raises(CannotListen, match="another daemon listens there"):
            await second.start()
        await CallServiceStub(plain).ListCalls(pb.ListCallsRequest())
    async with served(tmp_path, calls, watch), channel(tmp_path) as plain:  # free when the first has stopped
        await CallServiceStub(plain).ListCalls(pb.ListCallsRequest())


async def test_a_living_socket_without_a_lock_is_not_taken_either(
    tmp_path: Path, calls: MemoryCalls, watch: LedWatch
) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "api.sock"))
        other.listen()
        with pytest.raises(CannotListen, match="another program listens there"):
            async with served(tmp_path, calls, watch):
                pass


def _serve_until_killed(path: str, ready: multiprocessing.synchronize.Event) -> None:
    async def serve() -> None:
        async with served(Path(path), MemoryCalls(), LedWatch()):
            ready.set()
            await asyncio.Event().wait()

    asyncio.run(serve())


async def test_a_killed_daemons_socket_is_taken_over(tmp_path: Path, calls: MemoryCalls, watch: LedWatch) -> None:
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    victim = spawn.Process(target=_serve_until_killed, args=(str(tmp_path), ready))
    victim.start()
    try:
        assert await asyncio.to_thread(ready.wait, 30)
    finally:
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
    assert (tmp_path / "api.sock").is_socket(), "a killed daemon leaves its socket behind"
    async with served(tmp_path, calls, watch), channel(tmp_path) as plain:
        await CallServiceStub(plain).ListCalls(pb.ListCallsRequest())


async def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path, calls: MemoryCalls, watch: LedWatch) -> None:
    (tmp_path / "api.sock").write_text("mine")
    with pytest.raises(CannotListen, match="no socket"):
        async with served(tmp_path, calls, watch):
            pass
    assert (tmp_path / "api.sock").read_text() == "mine"


async def test_tcp_needs_the_token_of_the_file(tmp_path: Path, calls: MemoryCalls, watch: LedWatch) -> None:
    async with served(tmp_path, calls, watch, "127.0.0.1:0") as server:
        assert server.addresses[0] == f"unix:{tmp_path}/api.sock"
        assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
        token = (tmp_path / "token").read_text().strip()
        async with aio.insecure_channel(server.addresses[1]) as plain:
            stub = CallServiceStub(plain)
            request = pb.PlaceCallRequest(to_address="+15550002222")
            for metadata in ((), (("authorization", f"Bearer {token}x"),), (("authorization", token),)):
                caught = await refused(stub.PlaceCall(request, metadata=metadata))
                assert caught.code() is grpc.StatusCode.UNAUTHENTICATED
                assert wire(caught)[1].reason == "UNAUTHENTICATED"
            caught = await refused(stub.StreamEvents(pb.StreamEventsRequest()).read())
            assert caught.code() is grpc.StatusCode.UNAUTHENTICATED
            reflection = REFLECTION(plain)
            asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
            caught = await refused(reflection.ServerReflectionInfo(iter(asked)).read())
            assert caught.code() is grpc.StatusCode.UNAUTHENTICATED
            assert calls.orders == []
            assert watch.requests == []
            await stub.PlaceCall(request, metadata=(("authorization", f"Bearer {token}"),))
            assert [identity for _, identity in calls.orders] == ["token"]


async def test_the_token_stays_over_a_restart_unless_others_could_read_it(
    tmp_path: Path, calls: MemoryCalls, watch: LedWatch
) -> None:
    async def token() -> str:
        async with served(tmp_path, calls, watch, "127.0.0.1:0"):
            return (tmp_path / "token").read_text()

    first = await token()
    assert await token() == first
    (tmp_path / "token").chmod(0o644)
    second = await token()
    assert second != first
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


async def test_a_port_in_use_is_said_and_nothing_is_left_behind(
    tmp_path: Path, calls: MemoryCalls, watch: LedWatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(CannotListen, match="in use") as caught:
            async with served(tmp_path, calls, watch, address):
                pass
    assert caught.value.address == address
    assert str(caught.value).endswith("end it, or choose another address in grpc.listen")
    assert not (tmp_path / "api.sock").exists()
    async with served(tmp_path, calls, watch):
        pass


async def test_a_daemons_port_is_not_shared_with_a_second_one(
    tmp_path: Path, calls: MemoryCalls, watch: LedWatch
) -> None:
    async with served(tmp_path, calls, watch, "127.0.0.1:0") as server:
        with pytest.raises(CannotListen, match="in use"):
            async with served(tmp_path / "other", calls, watch, server.addresses[1]):
                pass


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0:50051", "192.168.1.1:50051", "[::]:50051", "example.com:50051", ":50051", "50051", "127.0.0.1",
     "127.0.0.1:x", "127.0.0.1:65536", "unix:relative.sock", "unix:/" + "x" * 107],
)  # fmt: skip
def test_addresses_that_are_refused(address: str) -> None:
    with pytest.raises(CannotListen) as caught:
        parse_address(address)
    assert caught.value.address == address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:/run/a.sock", "unix:/run/a.sock"),
        ("unix:///run/a.sock", "unix:/run/a.sock"),
        ("localhost:1", "127.0.0.1:1"),
        ("[::1]:0", "[::1]:0"),
    ],
)
def test_addresses_that_are_taken(text: str, address: str) -> None:
    assert str(parse_address(text)) == address
