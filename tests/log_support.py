"""What tests of the log and of its readers share: a clock moved by hand, a codec, calls and their events."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator

import msgspec
from msgspec.structs import replace

from agenticd.core.events import (
    KINDS,
    AgentBrief,
    CallClosed,
    CallDialing,
    CallOptions,
    CallQueued,
    CallRecord,
    CallState,
    DigitReceived,
    Direction,
    Event,
    Payload,
    TurnMeasured,
    Usage,
)
from agenticd.core.ids import CallId, new_call_id
from agenticd.service.ports import Entry, EventLog, RequestKey

_PAYLOADS = {kind: payload for payload, kind in KINDS.items()}


class ManualClock:
    """Time stands until `advance`."""

    def __init__(self, wall: float = 1_700_000_000.0) -> None:
        self.now = 0.0
        self.start = wall
        self.timers: dict[_Timer, None] = {}
        self._random = itertools.count()

    def monotonic(self) -> float:
        return self.now

    def elapsed(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.start + self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> _Timer:
        timer = _Timer(self, when, callback)
        self.timers[timer] = None
        return timer

    def randomness(self, size: int) -> bytes:
        return next(self._random).to_bytes(size, "big")

    def advance(self, seconds: float) -> None:
        """Move on, and call those whose time has come, the earliest first."""
        self.now += seconds
        for timer in sorted(self.timers, key=lambda timer: timer.when):
            if timer.when <= self.now and timer in self.timers:
                timer.cancel()
                timer.callback()


class _Timer:
    def __init__(self, clock: ManualClock, when: float, callback: Callable[[], None]) -> None:
        self.clock, self.when, self.callback = clock, when, callback

    def cancel(self) -> None:
        self.clock.timers.pop(self, None)


class JsonCodec:
    """Events as JSON; the real codec is the contract's."""

    def encode(self, event: Event, revision: int) -> bytes:
        fields = (revision, event.call_id, event.call_sequence, event.time, event.kind, event.payload)
        return msgspec.json.encode(fields)

    def decode(self, data: bytes) -> tuple[Event, int]:
        revision, call_id, sequence, time, kind, raw = msgspec.json.decode(
            data, type=tuple[int, CallId, int, float, str, msgspec.Raw]
        )
        payload: Payload = msgspec.json.decode(raw, type=_PAYLOADS[kind])
        return Event(call_id, sequence, time, payload), revision


class Call:
    """One call that makes entries: each event with the next call_sequence and the row that goes with it."""

    _numbers: Iterator[int] = itertools.count(1)

    def __init__(
        self,
        create_time: float = 1_700_000_000.0,
        direction: Direction = Direction.OUTBOUND,
        instructions: str = "Be brief.",
    ) -> None:
        self.record = CallRecord(
            call_id=new_call_id(create_time, next(self._numbers).to_bytes(10, "big")),
            direction=direction,
            state=CallState.QUEUED,
            from_address="+15550001111",
            to_address="+15550002222",
            agent="default",
            brief=AgentBrief(instructions, "Hello", "marin", "gpt-realtime"),
            options=CallOptions(),
            node_id="node",
            create_time=create_time,
            metadata={"order": "ü 17"},
        )

    @property
    def call_id(self) -> CallId:
        return self.record.call_id

    def entry(self, payload: Payload, *, time: float | None = None, request: RequestKey | None = None) -> Entry:
        """The payload as the call's next event."""
        sequence = self.record.last_sequence + 1
        self.record = replace(
            self.record, last_sequence=sequence, closed=self.record.closed or isinstance(payload, CallClosed)
        )
        event = Event(self.call_id, sequence, self.record.create_time if time is None else time, payload)
        return Entry(self.record, event, request)

    def queued(self, *, request: RequestKey | None = None) -> Entry:
        return self.entry(CallQueued(self.record.direction, "+1", "+2", "default", 0.0), request=request)

    def dialing(self) -> Entry:
        return self.entry(CallDialing())

    def digit(self, digit: str = "5") -> Entry:
        return self.entry(DigitReceived(digit))

    def measured(self) -> Entry:
        """An event that changes the row, too."""
        self.record = replace(self.record, turns=self.record.turns + 1)
        return self.entry(TurnMeasured("item", 0.75, 0.5, 0.25))

    def closed(self, time: float | None = None) -> Entry:
        self.record = replace(self.record, state=CallState.ENDED)
        return self.entry(CallClosed(1.5, 2, Usage(input_tokens=7)), time=time)

    def amended(self, **changes: object) -> Entry:
        """The row alone, changed."""
        self.record = replace(self.record, **changes)
        return Entry(self.record)


def append(log: EventLog, entry: Entry) -> asyncio.Future[int | None]:
    """Append; the future is the answer."""
    answer: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
    log.append(entry, answer.set_result)
    return answer


async def append_all(log: EventLog, *entries: Entry) -> list[int]:
    """Append all, and wait until all are durable: their revisions."""
    answers = [append(log, entry) for entry in entries]
    revisions = []
    for answer in answers:
        revision = await answer
        assert revision is not None
        revisions.append(revision)
    return revisions
