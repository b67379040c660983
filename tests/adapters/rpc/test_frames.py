"""The bytes of a batch are what protobuf would write, and no frame is larger than a client takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentic.v1 import call_service_pb2 as pb
from agentic.v1 import event_pb2
from agenticd.adapters.rpc import frames
from agenticd.adapters.rpc.frames import MAX_FRAME, batch_frames


def event(revision: int, text: str) -> event_pb2.Event:
    return event_pb2.Event(revision=revision, warning=event_pb2.Warning(message=text))


@given(st.lists(st.builds(event, st.integers(1, 2**63 - 1), st.text(max_size=300)), min_size=1, max_size=20))
def test_joined_bytes_are_the_message(batch: list[event_pb2.Event]) -> None:
    (frame,) = batch_frames([one.SerializeToString() for one in batch])
    assert frame == pb.StreamEventsResponse(batch=pb.EventBatch(events=batch)).SerializeToString()


def test_no_events_make_no_frame() -> None:
    assert list(batch_frames([])) == []


def test_a_large_batch_is_cut_between_events_and_loses_none() -> None:
    batch = [event(number, "x" * 300_000) for number in range(1, 11)]
    batch.insert(5, event(99, "y" * (2 * MAX_FRAME)))
    cut = list(batch_frames([one.SerializeToString() for one in batch]))
    parsed = [pb.StreamEventsResponse.FromString(frame).batch.events for frame in cut]
    assert [one for events in parsed for one in events] == batch
    assert all(len(frame) < MAX_FRAME + 100 for frame, events in zip(cut, parsed, strict=True) if len(events) > 1)
    assert max(map(len, cut)) < frames.MAX_FRAME * 4, "a client's default limit"


@given(st.integers(0, 2**40))
def test_lengths_are_written_as_protobuf_writes_them(number: int) -> None:
    # Field 1 of Event is an int64: tag 0x08, then the varint.
    expected = event_pb2.Event(revision=number).SerializeToString()[1:] if number else b"\0"
    assert frames._varint(number) == expected
