"""A world of a few lines for the use cases: a log that the test commits, a clock in hand, peers that do as told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agenticd.core.errors import CarrierRefused
from agenticd.core.events import AgentBrief, CallRecord, Event, LiveWords
from agenticd.core.ids import CallId
from agenticd.core.inputs import Input, ModelClosed
from agenticd.service.ports import CarrierCall, DialOrder, Entry, OnDurable
from agenticd.service.session import World
from agenticd.service.urls import Urls

SID = "CA" + "1" * 32


@dataclass
class Alarm:
    when: float
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class HandClock:
    now: float = 100.0
    stepped: float = 0.0
    """Seconds by which the clock on the wall was set."""
    slept: float = 0.0
    """Seconds that the machine slept."""
    alarms: list[Alarm] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def elapsed(self) -> float:
        return self.now + self.slept

    def wall(self) -> float:
        return 1_700_000_000.0 + self.elapsed() + self.stepped

    def call_at(self, when: float, callback: Callable[[], None]) -> Alarm:
        alarm = Alarm(when, callback)
        self.alarms.append(alarm)
        return alarm

    def randomness(self, size: int) -> bytes:
        return bytes(range(size))

    def advance(self, seconds: float) -> None:
        """Let time pass, and what is due happen in order."""
        until = self.now + seconds
        while due := [a for a in self.alarms if not a.cancelled and a.when <= until]:
            first = min(due, key=lambda alarm: alarm.when)
            self.alarms.remove(first)
            self.now = max(self.now, first.when)
            first.callback()
        self.now = until


class HandLog:
    """Keeps entries until the test commits them."""

    epoch = "e"
    secret = b"s" * 32
    first_revision = 1
    full = False
    trouble = ""

    def __init__(self) -> None:
        self.troubled: list[Callable[[], None]] = []
        self.waiting: list[tuple[Entry, OnDurable]] = []
        self.entries: list[Entry] = []
        self.events: list[Event] = []
        self.owned: frozenset[str] = frozenset()
        self.lost: frozenset[CallId] = frozenset()

    async def unidentified(self, to_address: str, from_address: str, since: float) -> frozenset[CallId]:
        return frozenset({entry.record.call_id for entry in self.entries}) | self.lost

    async def carrier_call_ids(self, since: float) -> frozenset[str]:
        return self.owned

    def append(self, entry: Entry, on_durable: OnDurable) -> None:
        self.waiting.append((entry, on_durable))

    def commit(self, count: int | None = None) -> None:
        """Make the next entries durable; all by default, and those that follow from them."""
        while self.waiting and count != 0:
            entry, on_durable = self.waiting.pop(0)
            count = None if count is None else count - 1
            self.entries.append(entry)
            if entry.event is not None:
                self.events.append(entry.event)
            on_durable(len(self.events) if entry.event is not None else 0)

    def fail(self) -> None:
        """The store broke: nothing that waits is kept."""
        while self.waiting:
            self.waiting.pop(0)[1](None)

    def on_trouble(self, tell: Callable[[], None]) -> None:
        self.troubled.append(tell)

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


@dataclass
class HandCarrier:
    """Answers as told; `orders` is what it was asked."""

    orders: list[tuple[str, object]] = field(default_factory=list)
    dial_answer: Exception | CarrierCall | None = None
    found: Sequence[CarrierCall] = ()
    known: CarrierCall | None = None
    """What it says of any call by its id."""
    asked: dict[str, list[str]] = field(default_factory=dict)
    """The URLs that it asked, by its call ids."""

    async def dial(self, order: DialOrder) -> CarrierCall:
        if not order.wanted():
            raise CarrierRefused(0, 0, "no longer wanted")
        self.orders.append(("dial", order))
        if isinstance(self.dial_answer, Exception):
            raise self.dial_answer
        return self.dial_answer or CarrierCall(SID, "queued", 0.0, order.to_address, order.from_address)

    async def hang_up(self, carrier_call_id: str, *, answered: bool, words: str = "") -> CarrierCall | None:
        self.orders.append(("hang_up", words or answered))
        return CarrierCall(carrier_call_id, "in-progress" if words else "completed", 0.0, "", "")

    async def look_up(self, carrier_call_id: str) -> CarrierCall | None:
        self.orders.append(("look_up", carrier_call_id))
        return self.known

    async def find(self, to_address: str, from_address: str, since: float) -> Sequence[CarrierCall]:
        self.orders.append(("find", since))
        return self.found

    async def requested(self, carrier_call_id: str) -> Sequence[str]:
        self.orders.append(("requested", carrier_call_id))
        return self.asked.get(carrier_call_id, [])


@dataclass
class HandModelLink:
    feed: Callable[[Input], None]
    sent: list[bytes] = field(default_factory=list)
    audio: list[str] = field(default_factory=list)
    closed: bool = False

    async def open(self) -> None:
        return None

    def append(self, payload: str) -> None:
        self.audio.append(payload)

    def send(self, message: bytes) -> None:
        self.sent.append(message)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.feed(ModelClosed(1000, ""))


@dataclass
class HandModel:
    sessions: list[HandModelLink] = field(default_factory=list)

    def session(self, call_id: CallId, brief: AgentBrief, feed: Callable[[Input], None]) -> HandModelLink:
        self.sessions.append(HandModelLink(feed))
        return self.sessions[-1]


@dataclass
class HandMedia:
    orders: list[tuple[str, object]] = field(default_factory=list)
    writable: bool = True
    on_writable: Callable[[], None] | None = None

    def play(self, payload: str) -> None:
        self.orders.append(("play", payload))

    def mark(self, name: str) -> None:
        self.orders.append(("mark", name))

    def clear(self) -> None:
        self.orders.append(("clear", None))

    def close(self, code: int = 1000) -> None:
        self.orders.append(("close", code))


@dataclass
class Hands:
    """The whole world, each part in hand."""

    log: HandLog = field(default_factory=HandLog)
    clock: HandClock = field(default_factory=HandClock)
    carrier: HandCarrier = field(default_factory=HandCarrier)
    model: HandModel = field(default_factory=HandModel)
    shown: list[LiveWords] = field(default_factory=list)
    claimed: set[str] = field(default_factory=set)

    @property
    def world(self) -> World:
        return World(
            log=self.log,  # type: ignore[arg-type]
            clock=self.clock,
            carrier=self.carrier,
            model=self.model,
            urls=Urls("https://voice.example.com"),
            show=self.shown.append,
            claimed=self.claimed.__contains__,
        )


def record_of(log: HandLog) -> CallRecord:
    return log.entries[-1].record
