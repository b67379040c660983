"""Requests become orders or say what is wrong with them; pages neither lose nor repeat a call."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from agentic.v1 import call_pb2, node_service_pb2
from agentic.v1 import call_service_pb2 as pb
from agenticd.adapters.rpc import convert, pages
from agenticd.core.errors import InvalidArgument
from agenticd.core.events import CallEnd, CallState, Direction, EndedBy, EndReason
from agenticd.service.orders import Overrides
from agenticd.service.ports import PeerHealth
from tests.adapters.rpc.support import NOW, MemoryCalls, call_id, record


def wrong(call, *arguments: object) -> dict[str, str]:
    """The fields that the refusal names."""
    with pytest.raises(InvalidArgument) as caught:
        call(*arguments)
    return {violation.field: violation.description for violation in caught.value.violations}


def test_an_order_has_all_that_was_asked() -> None:
    order = convert.place_order(
        pb.PlaceCallRequest(
            to_address="+15550002222",
            from_address="+15550001111",
            agent="sales",
            overrides=pb.AgentOverrides(greeting="", voice="marin"),
            variables={"name": "Ada"},
            metadata={"order": "17"},
            options=pb.CallOptions(ring_timeout=Duration(seconds=20, nanos=500_000_000)),
            request_id="r1",
        )
    )
    assert order.overrides == Overrides(greeting="", voice="marin"), "an empty greeting is not an absent one"
    assert (order.ring_timeout, order.max_duration, order.queue_timeout) == (20.5, None, None)
    assert (order.variables, order.metadata, order.request_id) == ({"name": "Ada"}, {"order": "17"}, "r1")
    assert (order.to_address, order.from_address, order.agent) == ("+15550002222", "+15550001111", "sales")


def test_all_bad_durations_are_named_at_once() -> None:
    request = pb.PlaceCallRequest(
        options=pb.CallOptions(
            ring_timeout=Duration(seconds=1, nanos=-1),
            max_duration=Duration(nanos=1_000_000_000),
            queue_timeout=Duration(seconds=2**62),
        )
    )
    found = wrong(convert.place_order, request)
    assert set(found) == {"options.ring_timeout", "options.max_duration", "options.queue_timeout"}


@pytest.mark.parametrize("text", ["", "x", "CA" + "0" * 32, "8" + "0" * 25, "0" * 25 + "U"])
def test_what_is_no_call_id_is_refused_by_every_request(text: str) -> None:
    assert "call_id" in wrong(convert.call_id, pb.GetCallRequest(call_id=text))
    assert "call_id" in wrong(convert.call_id, pb.GetTranscriptRequest(call_id=text))
    assert "call_id" in wrong(convert.hang_up, pb.HangUpRequest(call_id=text))
    assert "call_ids[1]" in wrong(convert.follow_request, pb.StreamEventsRequest(call_ids=[call_id(1), text]))


def test_who_gives_twilios_id_is_told_so() -> None:
    found = wrong(convert.call_id, pb.GetCallRequest(call_id="CA" + "0" * 32))
    assert "carrier_call_id" in found["call_id"]


def test_what_was_given_is_named_in_bounds_and_cannot_steer_a_terminal() -> None:
    said = wrong(convert.call_id, pb.GetCallRequest(call_id="\x1b[2J\u202e" + "x" * 1000))["call_id"]
    assert said.startswith("'\\x1b[2J\\u202exxx")
    assert said.isprintable()
    assert len(said) < 150


def test_a_call_id_may_be_typed_in_small_letters() -> None:
    assert convert.call_id(pb.GetCallRequest(call_id=call_id(1).lower())) == call_id(1)


def test_absent_and_zero_cursors_differ() -> None:
    assert convert.follow_request(pb.StreamEventsRequest()).after is None
    assert convert.follow_request(pb.StreamEventsRequest(after_revision=0)).after == 0


def test_a_stream_about_too_many_calls_is_refused() -> None:
    request = pb.StreamEventsRequest(call_ids=[call_id(n) for n in range(convert.MAX_CALL_IDS + 1)])
    assert set(wrong(convert.follow_request, request)) == {"call_ids"}


@pytest.mark.parametrize(("asked", "given"), [(0, 50), (1, 1), (500, 500), (501, 500)])
def test_page_sizes(asked: int, given: int) -> None:
    assert convert.page_size(pb.ListCallsRequest(page_size=asked)) == given


def test_wrong_filters_are_all_named() -> None:
    request = pb.ListCallsRequest(page_size=-1, page_token="spam")
    request.states.extend([call_pb2.CALL_STATE_QUEUED, 0, 99])  # type: ignore[list-item]
    request.direction = 7  # type: ignore[assignment]
    assert set(wrong(convert.call_query, request)) == {
        "page_size",
        "states[1]",
        "states[2]",
        "direction",
        "page_token",
    }


async def test_pages_have_every_call_once_and_the_last_has_no_token() -> None:
    calls = MemoryCalls()
    calls.records = {made.call_id: made for made in (record(n, create_time=NOW + n // 3) for n in range(10))}
    seen: list[str] = []
    request = pb.ListCallsRequest(page_size=3)
    pages_read = 0
    while True:
        query = convert.call_query(request)
        found, revision = await calls.list(query)
        page = convert.page_message(found, query, convert.page_size(request), revision, "e1")
        seen += [call.call_id for call in page.calls]
        pages_read += 1
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert seen == sorted(calls.records, key=lambda name: (calls.records[name].create_time, name), reverse=True)
    assert pages_read == 4


async def test_a_full_last_page_has_no_token() -> None:
    calls = MemoryCalls()
    calls.records = {made.call_id: made for made in map(record, range(3))}
    query = convert.call_query(pb.ListCallsRequest(page_size=3))
    found, revision = await calls.list(query)
    assert convert.page_message(found, query, 3, revision, "e1").next_page_token == ""


def test_a_token_holds_only_with_its_filter() -> None:
    live = frozenset({CallState.RINGING, CallState.QUEUED})
    token = pages.write_token((NOW, call_id(1)), live, Direction.INBOUND)
    assert pages.read_token(token, live, Direction.INBOUND) == (NOW, call_id(1))
    assert pages.read_token(token, live, None) is None
    assert pages.read_token(token, frozenset(), Direction.INBOUND) is None
    request = pb.ListCallsRequest(page_token=token, direction=call_pb2.DIRECTION_INBOUND)
    assert set(wrong(convert.call_query, request)) == {"page_token"}


@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda data: data.hex()))
def test_no_text_breaks_the_reading_of_tokens(text: str) -> None:
    assert pages.read_token(text, frozenset(), None) is None


@given(st.floats(1e9, 4e9), st.integers(0, 1000))
def test_tokens_lose_nothing_of_the_place(create_time: float, number: int) -> None:
    place = (create_time, call_id(number))
    assert pages.read_token(pages.write_token(place, frozenset(), None), frozenset(), None) == place


def test_a_live_call_has_no_end_and_an_ended_one_has_all_of_it() -> None:
    live = convert.call_message(record(1, CallState.RINGING))
    assert live.state == call_pb2.CALL_STATE_RINGING
    assert not any(live.HasField(name) for name in ("answer_time", "end_time", "end"))
    ended = convert.call_message(
        record(
            1,
            CallState.ENDED,
            answer_time=NOW + 5,
            end_time=NOW + 9.5,
            end=CallEnd(EndReason.COMPLETED, EndedBy.CALLER, sip_code=200),
            carrier_call_id="CA1",
            metadata={"k": "v"},
            last_sequence=12,
        )
    )
    assert (ended.end.reason, ended.end.ended_by) == (call_pb2.END_REASON_COMPLETED, call_pb2.ENDED_BY_CALLER)
    assert ended.end_time.ToNanoseconds() - ended.answer_time.ToNanoseconds() == pytest.approx(4.5e9, abs=1000)
    assert (dict(ended.metadata), ended.carrier_call_id, ended.last_sequence) == ({"k": "v"}, "CA1", 12)


def test_a_peer_that_was_never_used_has_no_time() -> None:
    never = convert._peer_message(PeerHealth())
    assert (never.state, never.HasField("last_use_time")) == (node_service_pb2.PEER_STATE_UNSPECIFIED, False)
    failing = convert._peer_message(PeerHealth(False, NOW, "timed out"))
    assert (failing.state, failing.message) == (node_service_pb2.PEER_STATE_FAILING, "timed out")
    assert failing.last_use_time.seconds == int(NOW)
