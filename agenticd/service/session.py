"""One live call: feeds what happens to the machines and performs what they order.

`feed` is the one door. It is synchronous: machines, then effects, then the next input that those caused; so the history
of a call is a sequence, and feeding the same inputs at the same times again gives the same events. Nothing on the way
of an audio frame awaits, queues or logs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from agenticd.core import effects, inputs
from agenticd.core.call import CallMachine
from agenticd.core.errors import CarrierRefused, CarrierUnanswered, StoreDown
from agenticd.core.events import (
    CallEnded,
    CallEnding,
    CallRecord,
    CallState,
    EndedBy,
    EndReason,
    Event,
    LiveWords,
)
from agenticd.core.mediastream import MarkEchoed, MediaReceived
from agenticd.core.realtime import AudioDelta
from agenticd.core.record import amend, apply
from agenticd.core.turn import Turn
from agenticd.service.failpoint import Reach
from agenticd.service.lookup import choose
from agenticd.service.outlet import Outlet
from agenticd.service.ports import (
    LONGEST_QUEUE,
    Carrier,
    CarrierCall,
    Clock,
    DialOrder,
    Entry,
    EventLog,
    MediaLink,
    Model,
    ModelLink,
    RequestKey,
    Timer,
)
from agenticd.service.urls import Urls

_logger = structlog.get_logger(__name__)

# What only the talk is concerned with: no look at the call's table and at the timers for each frame. (What such a frame
# makes one machine tell the other is an input of its own, and that is looked at.)
_FRAMES = frozenset({MediaReceived, MarkEchoed, inputs.MediaHeld, AudioDelta})
# Who is asked one thing at a time. A create whose answer is late does not keep anybody from hanging up.
_PEERS: Mapping[type, str] = {effects.OpenModel: "model", effects.Dial: "dial"}
_POINTS: Mapping[type, str] = {
    effects.OpenModel: "open_model",
    effects.Dial: "dial",
    effects.HangUpLeg: "hang_up",
    effects.LookUpCall: "look_up",
}
CLOCK_SKEW = 2.0
"""Seconds by which the carrier's clock may be behind ours when a call is looked for by its time."""
CLOCK_WRONG = 600.0
"""Seconds by which our clock may be ahead and a call still be found: by our id in a URL, however old it seems."""
SLOWEST_ORDER = 60.0
"""Seconds after which an order to dial is carried out no more: what is created later is another one's."""
UNDIALLED = inputs.HangUpRequested(
    EndReason.EXPIRED, EndedBy.DAEMON, "it was not dialled, because the event log could not be written in time"
)
UNSENT = inputs.HangUpRequested(EndReason.EXPIRED, EndedBy.DAEMON, "it was not dialled in time")


class Show(Protocol):
    """Where words go while they are spoken."""

    def __call__(self, words: LiveWords, /) -> None: ...


@dataclass(frozen=True, slots=True)
class World:
    """What a session reaches the world through."""

    log: EventLog
    clock: Clock
    carrier: Carrier
    model: Model
    urls: Urls
    show: Show
    claimed: Callable[[str], bool]
    """Whether a carrier's call id belongs to one of our live calls already."""
    reach: Reach | None = None
    """Told of each point of the dialling and of the log that is passed; None: nobody wants to know."""


class Session:
    """One live call."""

    def __init__(
        self,
        record: CallRecord,
        world: World,
        request: RequestKey | None = None,
        answered_at: float | None = None,
    ) -> None:
        self.record = record
        """The call as its newest event leaves it, durable or not yet."""
        self.call = CallMachine(record, answered_at)
        self.turn = Turn(record.brief, record.call_id)
        self.accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """The revision of the first entry, when it is durable; StoreDown if it never will be."""
        # It need not be asked for: a call that was recovered was accepted long ago.
        self.accepted.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._world = world
        # The clock on the wall may be set at any time, and is asked only about what was before a restart.
        self._created = world.clock.elapsed() - max(0.0, world.clock.wall() - record.create_time)
        self._dial_ordered = 0.0
        self._unsent = False
        """It is to be dialled, and the carrier has not been asked to."""
        self._request = request
        self._media: Outlet | None = None
        self._model: ModelLink | None = None
        self._inbox: deque[inputs.Input] = deque()
        self._feeding = False
        self._timer: Timer | None = None
        self._timer_at: float | None = None
        self._appended = 0
        self._durable = 0
        self._durable_sequence = record.last_sequence
        self._store_down = False
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._outside: deque[tuple[int, effects.Effect]] = deque()
        self._busy: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._over = asyncio.Event()
        self._failed = False
        self._abandoned = False

    @property
    def age(self) -> float:
        """Seconds since the call was created, those that the machine slept included."""
        return self._world.clock.elapsed() - self._created

    # The door.

    def feed(self, input: inputs.Input) -> None:
        """Something happened. Returns when everything that follows from it at once is done."""
        if self._abandoned:
            return
        self._inbox.append(input)
        if self._feeding:
            return
        self._feeding = True
        plain = True
        try:
            while self._inbox:
                input = self._inbox.popleft()
                plain = plain and type(input) in _FRAMES
                self._step(input)
        except Exception:  # the session's top: a defect ends this call and no other
            self._fail()
        finally:
            self._feeding = False
        if not plain or self._failed:
            self._arm()
            self._launch()
            if self.call.closed and self._durable == self._appended:
                self._over.set()

    def attach(self, link: MediaLink, stream_id: str, attempt: int) -> None:
        """A media stream proved that it is this call's. It takes the place of an older one."""
        old, self._media = self._media, Outlet(link, self._hold)
        if old is not None:
            old.close()
        self.feed(inputs.MediaStarted(stream_id, attempt))

    def _hold(self, size: int) -> None:
        self.feed(inputs.MediaHeld(size))

    async def durable(self) -> None:
        """Wait until all that has happened so far is durable. Raises StoreDown when that may take long."""
        if self._store_down or (self._durable < self._appended and self._world.log.trouble):
            raise StoreDown
        if self._durable < self._appended:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((self._appended, future))
            await future

    def log_troubled(self) -> None:
        """The log cannot be written now, or can be again. The call goes on: what happens is recorded later, in order.

        Only one thing must not be done before it is recorded, and that is to dial: who was to be dialled is not.
        """
        if not self._world.log.trouble:
            return
        self._tell_waiters(StoreDown())
        if self._dial_waits():
            self.feed(UNDIALLED)
        self._launch()

    def abandon(self) -> None:
        """Let go of the call as it is: its links are closed, nothing is recorded, `run` returns."""
        self._abandoned = True
        self._outside.clear()
        for task in self._tasks:
            task.cancel()
        for link in (self._media, self._model):
            if link is not None:
                link.close()
        self._over.set()

    async def run(self) -> None:
        """Do the outside effects, until the call is closed and that is durable."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._launch()
            await self._over.wait()
            self._group = None
        if self._timer is not None:
            self._timer.cancel()

    # One input.

    def _step(self, input: inputs.Input) -> None:
        now = self._world.clock.monotonic()
        kind = type(input)
        if kind not in _FRAMES:
            for effect in self.call.handle(input, now):
                self._perform(effect)
        if kind in Turn.HANDLED:
            for effect in self.turn.handle(input, now):
                self._perform(effect)

    def _perform(self, effect: effects.Effect) -> None:
        match effect:
            case effects.SendAudio(payload):
                if self._model is not None:
                    self._model.append(payload)
            case effects.Play(payload):
                if self._media is not None:
                    self._media.play(payload)
            case effects.Mark(name):
                if self._media is not None:
                    self._media.mark(name)
            case effects.Clear():
                if self._media is not None:
                    self._media.clear()
            case effects.SendToModel(message):
                if self._model is not None:
                    self._model.send(message)
            case effects.Show(item_id, speaker, offset, text):
                call_id = self.record.call_id
                self._world.show(LiveWords(call_id, item_id, speaker, offset, text, self._durable_sequence))
            case effects.Append(payload):
                wall = self._world.clock.wall()
                self.record = apply(self.record, payload, wall)
                event = Event(self.record.call_id, self.record.last_sequence, wall, payload)
                self._put(event)
                if isinstance(payload, CallEnding | CallEnded) and self._unsent:
                    # If it has begun it asks, before it goes out, whether it may.
                    self._unsent = False
                    self._withdraw(effects.Dial())
                    self._inbox.append(inputs.DialRefused(0, ""))
            case effects.Amend():
                self.record = amend(self.record, effect)
                self._put(None)
            case effects.Tell(input):
                self._inbox.append(input)
            case effects.CloseMedia():
                if self._media is not None:
                    self._media.close()
            case effects.CloseModel():
                if self._model is not None:
                    self._model.close()
            case effects.Dial():
                self._dial_ordered, self._unsent = self._world.clock.elapsed(), True
                self._outside.append((self._appended, effect))
            case effects.HangUpLeg() | effects.LookUpCall() | effects.OpenModel():
                if all(waiting != effect for _, waiting in self._outside):
                    self._outside.append((self._appended, effect))

    def _dial_waits(self) -> bool:
        """Whether the order to dial was given and has not begun."""
        return any(isinstance(effect, effects.Dial) for _, effect in self._outside)

    def _withdraw(self, effect: effects.Effect) -> None:
        """Take back an outside effect, if it has not begun."""
        self._outside = deque(waiting for waiting in self._outside if waiting[1] != effect)

    def _fail(self) -> None:
        _logger.exception("a defect while a call was handled", call_id=self.record.call_id)
        self._inbox.clear()
        if not self._failed:
            self._failed = True
            self._feeding = False
            self.feed(inputs.HangUpRequested(EndReason.FAILED, EndedBy.DAEMON, "a defect of the daemon"))

    # Time.

    def _arm(self) -> None:
        """One timer, for the earliest deadline; re-armed only when that moves forward."""
        dues = [due for due in (self.call.deadline(), self.turn.deadline()) if due is not None]
        if not dues or (self._timer_at is not None and self._timer_at <= min(dues)):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = min(dues)
        self._timer = self._world.clock.call_at(self._timer_at, self._ring)

    def _ring(self) -> None:
        self._timer = self._timer_at = None
        due = self.call.deadline()
        if self._unsent and due is not None and self._world.clock.monotonic() >= due:
            # The carrier, which is late with its answer, was never asked: a disk that stands still says nothing.
            self.feed(UNDIALLED if self._dial_waits() else UNSENT)
        self.feed(inputs.DeadlinePassed())

    # The log.

    def _put(self, event: Event | None) -> None:
        request, self._request = self._request, None
        self._appended += 1
        sequence = self.record.last_sequence
        reach = self._world.reach
        what = "amend" if event is None else event.kind
        if reach is not None:
            reach(f"before_{what}")

        def on_durable(revision: int | None) -> None:
            if reach is not None and revision is not None:
                reach(f"after_{what}")
            self._on_durable(revision, sequence)

        self._world.log.append(Entry(self.record, event, request), on_durable)

    def _on_durable(self, revision: int | None, sequence: int) -> None:
        if revision is None:
            self._lose_store()
            return
        self._durable += 1
        self._durable_sequence = sequence
        if not self.accepted.done():
            self.accepted.set_result(revision)
        for wanted, future in self._waiters:
            if wanted <= self._durable and not future.done():
                future.set_result(None)
        self._waiters = [waiter for waiter in self._waiters if waiter[0] > self._durable]
        self._launch()
        if self.call.closed and self._durable == self._appended:
            self._over.set()

    def _lose_store(self) -> None:
        """Nothing more can be recorded, so nothing more may be done: the next start looks at what was."""
        self._store_down = True
        if not self.accepted.done():
            self.accepted.set_exception(StoreDown())
        self.abandon()
        self._tell_waiters(StoreDown())

    def _tell_waiters(self, error: StoreDown) -> None:
        for _, future in self._waiters:
            if not future.done():
                future.set_exception(error)
        self._waiters.clear()

    # Outside effects: one at a time per peer, begun when what was recorded before them is durable. Where that may take
    # long, only dialling waits: a phone that nobody hangs up is worse than a hang-up that is recorded late.

    def _launch(self) -> None:
        if self._group is None:
            return
        waiting: deque[tuple[int, effects.Effect]] = deque()
        while self._outside:
            threshold, effect = self._outside.popleft()
            peer = _PEERS.get(type(effect), "carrier")
            hasty = bool(self._world.log.trouble) and not isinstance(effect, effects.Dial)
            if (threshold > self._durable and not hasty) or peer in self._busy:
                waiting.append((threshold, effect))
                continue
            self._busy.add(peer)
            task = self._group.create_task(self._outside_task(effect, peer), name=f"{peer} {self.record.call_id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._outside = waiting

    async def _outside_task(self, effect: effects.Effect, peer: str) -> None:
        reach = self._world.reach
        if reach is not None:
            reach(f"before_{_POINTS[type(effect)]}")
        # An adapter's defect is this call's misfortune and no other's: it is answered as what it is, an unknown end.
        (result,) = await asyncio.gather(self._do(effect), return_exceptions=True)
        if reach is not None:
            reach(f"after_{_POINTS[type(effect)]}")
        self._busy.discard(peer)
        if isinstance(result, BaseException):
            _logger.error("a defect of an adapter", call_id=self.record.call_id, exc_info=result)
            result = _unknown_end(effect)
        if isinstance(result, inputs.CallSeen) and self._taken(result.carrier_call_id):
            result = inputs.CallNotSeen(sure=False)
        if result is not None:
            self.feed(result)
        self._launch()

    async def _do(self, effect: effects.Effect) -> inputs.Input | None:
        match effect:
            case effects.Dial():
                return await self._dial()
            case effects.HangUpLeg(answered, words):
                return await self._hang_up(answered, words)
            case effects.LookUpCall():
                return await self._look_up()
            case effects.OpenModel():
                if self.call.closed or self._abandoned:
                    return None
                self._model = self._world.model.session(self.record.call_id, self.record.brief, self.feed)
                await self._model.open()
                return None
            case _:
                raise AssertionError(f"{type(effect).__name__} is not done outside")

    async def _dial(self) -> inputs.Input:
        record, urls = self.record, self._world.urls
        order = DialOrder(
            call_id=record.call_id,
            to_address=record.to_address,
            from_address=record.from_address,
            ring_timeout=record.options.ring_timeout,
            voice_url=urls.voice(record.call_id),
            status_url=urls.status(record.call_id),
            fallback_url=urls.resume(record.call_id),
            wanted=self._still_to_dial,
        )
        try:
            seen = await self._world.carrier.dial(order)
            held = self.call.carrier_call_id
            if seen.carrier_call_id != held and (held or self.call.state is CallState.ENDED):
                # It was given up, or another was taken for it: a phone is about to ring for a call that nobody holds.
                with suppress(CarrierRefused, CarrierUnanswered):  # which says nothing of the create
                    await self._world.carrier.hang_up(seen.carrier_call_id, answered=False)
        except CarrierRefused as refusal:
            if not refusal.status:
                self.feed(UNSENT)
            return inputs.DialRefused(refusal.code, refusal.message)
        except CarrierUnanswered as silence:
            if not silence.sent:
                return inputs.DialRefused(0, f"{silence.what}; nobody was dialled", EndReason.FAILED)
            return inputs.DialUnanswered(silence.what)
        finally:
            self._unsent = False
        return inputs.DialAnswered(seen.carrier_call_id, seen.status)

    def _still_to_dial(self) -> bool:
        """Whether the order to dial may go out now: nothing ended the call, and it was not given long ago."""
        age = self._world.clock.elapsed() - self._dial_ordered
        wanted = self.call.state is CallState.DIALING and age <= SLOWEST_ORDER
        self._unsent = self._unsent and not wanted
        return wanted

    async def _hang_up(self, answered: bool, words: str) -> inputs.Input:
        try:
            seen = await self._world.carrier.hang_up(self.call.carrier_call_id, answered=answered, words=words)
        except (CarrierRefused, CarrierUnanswered) as trouble:
            return inputs.LegHangUpFailed(str(trouble))
        return inputs.LegHungUp(None if seen is None else seen.status)

    async def _look_up(self) -> inputs.Input:
        try:
            if self.call.carrier_call_id:
                seen = await self._world.carrier.look_up(self.call.carrier_call_id)
                return _seen(seen) if seen is not None else inputs.CallNotSeen(sure=True)
            ours = await self._search()
        except (CarrierRefused, CarrierUnanswered, StoreDown) as trouble:
            return inputs.LookUpFailed(str(trouble))
        return _seen(ours) if ours is not None else inputs.CallNotSeen(sure=False)

    def _taken(self, carrier_call_id: str) -> bool:
        """Whether another call of ours learned, while this one was looked for, that what was found is its own."""
        return not self.call.carrier_call_id and self._world.claimed(carrier_call_id)

    async def _search(self) -> CarrierCall | None:
        """The carrier's call that is this one, among those that are nobody else's."""
        world, record = self._world, self.record
        since = (record.dial_time or record.create_time) - CLOCK_SKEW
        earliest = since - CLOCK_WRONG
        found = await world.carrier.find(record.to_address, record.from_address, earliest)
        if not found:
            return None
        # The rivals first: one that finds its call between the two questions is then still a rival, or an owner.
        rivals = await world.log.unidentified(record.to_address, record.from_address, since - SLOWEST_ORDER)
        owned = await world.log.carrier_call_ids(earliest - LONGEST_QUEUE)
        free = [seen for seen in found if seen.carrier_call_id not in owned and not world.claimed(seen.carrier_call_id)]
        rival = bool(rivals - {record.call_id})
        return await choose(free, record.call_id, world.carrier.requested, since=since, rival=rival)


def _unknown_end(effect: effects.Effect) -> inputs.Input | None:
    """What is true when nobody knows what became of an outside effect."""
    what = "a defect of the daemon"
    match effect:
        case effects.Dial():
            return inputs.DialUnanswered(what)
        case effects.HangUpLeg():
            return inputs.LegHangUpFailed(what)
        case effects.LookUpCall():
            return inputs.LookUpFailed(what)
        case _:
            return inputs.ModelClosed(0, what)


def _seen(call: CarrierCall) -> inputs.CallSeen:
    return inputs.CallSeen(call.carrier_call_id, call.status)
