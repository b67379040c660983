"""The client for threads over grpcio-testing's channel double: what it sends, and what it makes of each answer.

The double has no asyncio, so the other client meets only real servers.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import grpc
import grpc_testing
import pytest
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]
from grpc import StatusCode

import agentic.sync
from agentic import Cursor, Target, errors
from agentic.v1 import call_service_pb2 as pb
from agentic.v1 import event_pb2, node_service_pb2
from tests.fake_daemon import CALL, EPOCH, Fault

CALLS = pb.DESCRIPTOR.services_by_name["CallService"]
NODE = node_service_pb2.DESCRIPTOR.services_by_name["NodeService"]
OK = StatusCode.OK

T = TypeVar("T")


class Channel:
    """The double, which does not know wait_for_ready: whether it was asked for is noted instead."""

    def __init__(self) -> None:
        self.double = grpc_testing.channel((CALLS, NODE), grpc_testing.strict_real_time())
        self.waits: list[bool] = []

    def unary_unary(self, *arguments: Any, **more: Any) -> Any:
        return self.double.unary_unary(*arguments, **more)

    def unary_stream(self, *arguments: Any, **more: Any) -> Any:
        start = self.double.unary_stream(*arguments, **more)

        def call(request: Any, metadata: Any, wait_for_ready: bool) -> Any:
            self.waits.append(wait_for_ready)
            return start(request, metadata=metadata)

        return call

    def close(self) -> None:
        self.double.close()

    def unary(self, service: Any, name: str) -> tuple[Any, Any, Any]:
        """The next RPC of that kind that the client makes: (metadata, request, the RPC)."""
        return self.double.take_unary_unary(service.methods_by_name[name])

    def stream(self) -> tuple[Any, Any, Any]:
        return self.double.take_unary_stream(CALLS.methods_by_name["StreamEvents"])


@pytest.fixture
def channel() -> Channel:
    return Channel()


@pytest.fixture
def client(channel: Channel) -> Iterator[agentic.sync.Client]:
    target = Target("127.0.0.1:1", "s3cret")
    with agentic.sync.Client(target, channel=channel) as made:  # type: ignore[arg-type]
        yield made


@pytest.fixture
def start() -> Iterator[Callable[..., Future[Any]]]:
    """Run it in a thread, as the double wants."""
    with ThreadPoolExecutor(2) as pool:
        yield pool.submit


def answer(rpc: Any, message: Any) -> None:
    rpc.send_initial_metadata(())
    rpc.terminate(message, (), OK, "")


def refuse(rpc: Any, fault: Fault) -> None:
    rpc.send_initial_metadata(())
    rpc.terminate(None, fault.trailing(), fault.code, fault.text)


def cut(rpc: Any, fault: Fault) -> None:
    rpc.terminate(fault.trailing(), fault.code, fault.text)


def send(rpc: Any, *revisions: int, opened: int | None = None) -> None:
    if opened is not None:
        rpc.send_response(pb.StreamEventsResponse(opened=pb.StreamOpened(revision=opened, epoch=EPOCH)))
    if revisions:
        found = [event_pb2.Event(revision=revision, call_id=CALL) for revision in revisions]
        rpc.send_response(pb.StreamEventsResponse(batch=pb.EventBatch(events=found)))


def test_an_order_and_its_answer(client, channel: Channel, start) -> None:
    placing = start(client.place_call, "+15550001111", greeting="Hello.")
    metadata, request, rpc = channel.unary(CALLS, "PlaceCall")
    assert ("authorization", "Bearer s3cret") in tuple(metadata)
    assert (request.to_address, request.overrides.greeting) == ("+15550001111", "Hello.")
    assert request.request_id
    answer(rpc, pb.PlaceCallResponse(revision=7, epoch=EPOCH))
    assert placing.result().revision == 7


@pytest.mark.parametrize(
    ("work", "service", "name", "response"),
    [
        (lambda client: client.hang_up(CALL, "x"), CALLS, "HangUp", pb.HangUpResponse(revision=3)),
        (lambda client: client.get_call(CALL), CALLS, "GetCall", pb.GetCallResponse(revision=3)),
        (lambda client: client.list_calls(page_size=2), CALLS, "ListCalls", pb.ListCallsResponse(revision=3)),
        (lambda client: client.transcript(CALL), CALLS, "GetTranscript", pb.GetTranscriptResponse(revision=3)),
        (lambda client: client.status(), NODE, "GetStatus", node_service_pb2.GetStatusResponse(version="9")),
        (lambda client: client.drain(), NODE, "Drain", node_service_pb2.DrainResponse(live_calls=3)),
    ],
    ids=["HangUp", "GetCall", "ListCalls", "GetTranscript", "GetStatus", "Drain"],
)
def test_each_method_is_its_rpc(client, channel: Channel, start, work, service, name: str, response) -> None:
    asking = start(work, client)
    _, _, rpc = channel.unary(service, name)
    answer(rpc, response)
    assert asking.result() == response


def test_a_refusal_is_typed_and_has_the_fields(client, channel: Channel, start) -> None:
    wrong = details.BadRequest(field_violations=[{"field": "to_address", "description": "must begin with +"}])
    placing = start(client.place_call, "555", request_id="mine")
    _, _, rpc = channel.unary(CALLS, "PlaceCall")
    refuse(rpc, Fault(StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT", wrong))
    error = placing.exception()
    assert isinstance(error, errors.InvalidArgument)
    assert error.violations == (errors.Violation("to_address", "must begin with +"),)
    assert error.request_id == "mine"
    assert isinstance(error.__cause__, grpc.RpcError)


def test_a_daemon_that_has_answered_and_is_away_is_asked_again_with_the_same_order(
    client, channel: Channel, start
) -> None:
    asking = start(client.status)
    answer(channel.unary(NODE, "GetStatus")[2], node_service_pb2.GetStatusResponse())
    asking.result()
    placing = start(client.place_call, "+15550001111")
    sent = []
    for _ in range(2):
        _, request, rpc = channel.unary(CALLS, "PlaceCall")
        sent.append(request)
        refuse(rpc, Fault(StatusCode.UNAVAILABLE))
    _, request, rpc = channel.unary(CALLS, "PlaceCall")
    answer(rpc, pb.PlaceCallResponse(revision=7))
    assert placing.result().revision == 7
    assert sent == [request, request]


def test_an_address_where_nobody_has_answered_yet_is_not_waited_for(client, channel: Channel, start) -> None:
    placing = start(client.place_call, "+15550001111")
    refuse(channel.unary(CALLS, "PlaceCall")[2], Fault(StatusCode.UNAVAILABLE))
    assert isinstance(placing.exception(), errors.Unreachable)


def test_a_daemon_that_answers_no_is_not_asked_again(client, channel: Channel, start) -> None:
    placing = start(client.place_call, "+15550001111")
    refuse(channel.unary(CALLS, "PlaceCall")[2], Fault(StatusCode.UNAVAILABLE, "DRAINING"))
    assert isinstance(placing.exception(), errors.Draining)


def test_a_cut_stream_goes_on_behind_what_arrived(client, channel: Channel, start) -> None:
    got: queue.Queue[int] = queue.Queue()
    stream = client.events(after=Cursor(EPOCH, 4), call_ids=[CALL])

    def read() -> None:
        for event in stream:
            got.put(event.revision)

    reading = start(read)
    metadata, request, rpc = channel.stream()
    assert ("authorization", "Bearer s3cret") in tuple(metadata)
    assert (request.after_revision, request.epoch) == (4, EPOCH)
    send(rpc, 5, 9, opened=9)
    assert [got.get(), got.get()] == [5, 9]  # the double forgets at a cut what was not read
    cut(rpc, Fault(StatusCode.UNAVAILABLE))
    _, request, rpc = channel.stream()
    assert (request.after_revision, request.epoch) == (9, EPOCH)
    send(rpc, 9, 11, opened=11)  # a daemon that repeats itself
    cut(rpc, Fault(OK))
    reading.result()
    assert (got.get(), got.empty()) == (11, True)
    assert stream.cursor == Cursor(EPOCH, 11)
    assert channel.waits == [False, True], "a daemon that was there is waited for"


def test_another_log_ends_the_stream_with_log_replaced(client, channel: Channel, start) -> None:
    reading = start(lambda: next(client.events(after=Cursor("another", 4))))
    _, _, rpc = channel.stream()
    send(rpc, 5, opened=9)
    error = reading.exception()
    assert isinstance(error, errors.LogReplaced)
    assert error.epoch == EPOCH
    rpc.cancelled()  # else it says that it goes on
