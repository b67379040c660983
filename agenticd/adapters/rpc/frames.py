"""Frames of StreamEvents as bytes.

Events come encoded from the log and are only joined: an event is encoded once, not once per subscriber. This
is the one place that writes protobuf's wire form by hand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from functools import lru_cache

from agentic.v1 import call_service_pb2 as pb

# Wire type 2, length-delimited: (field number << 3) | 2. The tests hold both against protobuf.
_BATCH = bytes([pb.StreamEventsResponse.BATCH_FIELD_NUMBER << 3 | 2])
_EVENT = bytes([pb.EventBatch.EVENTS_FIELD_NUMBER << 3 | 2])

REMEMBERED = 8
"""So many batches, with their frames, are kept for the next who follows the same."""
MAX_FRAME = 1 << 20
"""Bytes of events in one frame, but for a single event that is larger. A client's default limit is 4 MiB."""


class Shared:
    """The frames of the last batches: those who follow the same events get the same bytes, joined once."""

    def __init__(self) -> None:
        self._recent: deque[tuple[Sequence[bytes], list[bytes]]] = deque(maxlen=REMEMBERED)

    def frames(self, events: Sequence[bytes]) -> list[bytes]:
        """As batch_frames. Batches are told apart by which object they are, and must not change."""
        for known, frames in self._recent:
            if known is events:
                return frames
        frames = list(batch_frames(events))
        self._recent.append((events, frames))
        return frames


def batch_frames(events: Sequence[bytes]) -> Iterator[bytes]:
    """StreamEventsResponse{batch: EventBatch{events}} for encoded events: one frame, or several where one
    would be too large. None for no events."""
    parts: list[bytes] = []
    size = 0
    for event in events:
        if parts and size + len(event) > MAX_FRAME:
            yield _frame(parts)
            parts, size = [], 0
        parts += (_event_head(len(event)), event)
        size += len(event)
    if parts:
        yield _frame(parts)


def _frame(parts: list[bytes]) -> bytes:
    body = b"".join(parts)
    return b"".join((_BATCH, _varint(len(body)), body))


@lru_cache(4096)  # a batch has hundreds of events, and they have few lengths
def _event_head(size: int) -> bytes:
    return _EVENT + _varint(size)


def _varint(number: int) -> bytes:
    """Protobuf's base-128 form, least significant group first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
