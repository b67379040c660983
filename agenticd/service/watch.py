"""Following the log: each stream has a cursor and reads; nothing is queued for anyone.

adapters/rpc asks for streams and writes their frames; how a cursor is judged stands in core/cursor.py.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Awaitable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from agenticd.core import cursor
from agenticd.core.errors import AgenticError, ConsumerStalled, InvalidArgument, NotFound, Violation
from agenticd.core.events import KINDS, CallClosed, LiveWords
from agenticd.core.ids import CallId, created_of
from agenticd.service.crowd import SLICE, Crowd
from agenticd.service.ports import Clock, EventLog, Page, Select, Timer

BOOKMARK_SECONDS = 10.0
BATCH_EVENTS = 512
BATCH_BYTES = 256 << 10
SHARED = 64  # batches that are remembered for those who read the same
LIVE_WORDS = 1_024
STALL_SECONDS = 30.0
CLOCK_SET = 86_400.0
"""Seconds by which a clock may have been put back between a call and the oldest event that is kept, a later one."""
CALL_CLOSED = KINDS[CallClosed]
_KIND_NAMES = frozenset(KINDS.values())


@dataclass(frozen=True, slots=True)
class FollowRequest:
    """What a subscriber asks for. `after`: None is from now, 0 from the oldest event; `epoch` may be empty.

    `call_ids` and `kinds` as the request lists them, so that an error can name the place; empty: all.
    """

    after: int | None = None
    epoch: str = ""
    call_ids: Collection[CallId] = ()
    kinds: Collection[str] = ()
    include_live: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """The first frame. `revision` is the head as the stream opened: one without `after` begins behind it."""

    revision: int
    first_revision: int
    epoch: str
    node_id: str


@dataclass(frozen=True, slots=True)
class Batch:
    """The next matching events, encoded; at least one. All that match up to `upto` have been given."""

    events: Sequence[bytes]
    upto: int


@dataclass(frozen=True, slots=True)
class Bookmark:
    """All matching events up to `revision` have been given."""

    revision: int


@dataclass(frozen=True, slots=True)
class Live:
    """Words as they are spoken, after all events that were durable when they came."""

    words: LiveWords


Frame = Opened | Batch | Bookmark | Live
_Place = tuple[int, int, frozenset[str]]  # after, the last revision that is looked at, kinds


class Watch:
    """All streams of this node. For the event loop's thread."""

    def __init__(
        self,
        log: EventLog,
        clock: Clock,
        node_id: str,
        *,
        bookmark_seconds: float = BOOKMARK_SECONDS,
        live_words: int = LIVE_WORDS,
    ) -> None:
        self._log = log
        self._clock = clock
        self._node_id = node_id
        self._bookmark_seconds = bookmark_seconds
        self._words = _WordRing(live_words)
        self._followers: set[_Follower] = set()
        self._idle: dict[_Follower, None] = {}  # those who have read everything and wait
        self._batches: OrderedDict[_Place, Batch | int] = OrderedDict()  # what those who read alike get; int: nothing
        self._crowd = Crowd()
        self._end: AgenticError | None = None
        self._end_at = 0
        log.subscribe(self._head_moved)

    @property
    def count(self) -> int:
        """How many streams are open."""
        return len(self._followers)

    @property
    def lag(self) -> int:
        """How many revisions the slowest stream is behind the head."""
        head = self._log.window.head
        return max((head - follower.after for follower in self._followers), default=0)

    def show(self, words: LiveWords) -> None:
        """Words for all who watch live. The oldest are forgotten when a stream does not read."""
        self._words.add(self._log.window.head, words)
        self._wake([f for f in self._idle if f.wants(words)])

    def end_all(self, error: AgenticError) -> None:
        """End all streams, and all later ones, with the error, as soon as each has what is durable now.

        Those who are so far behind that they read from the disk end at once.
        """
        self._end, self._end_at = error, self._log.window.head
        self._head_moved()

    async def follow(self, request: FollowRequest) -> AsyncGenerator[Frame, None]:
        """The stream. Close it (`contextlib.aclosing`) when not read to its end.

        It ends by itself when all calls that it is about are closed. Raises, before Opened, InvalidArgument,
        LogReplaced, Compacted, NotFound; later Compacted, and what end_all was given; StoreDown at any time.
        """
        if self._end is not None:
            raise self._end.with_traceback(None)
        opened, follower = await self._admit(request)
        self._followers.add(follower)
        try:
            yield opened
            while not follower.finished:
                for frame in await self._advance(follower):
                    yield frame
                if self._end is not None and follower.after >= self._end_at and not follower.finished:
                    raise self._end.with_traceback(None)
                if self._is_idle(follower):
                    await self._sleep(follower)
                elif len(self._followers) > SLICE and not follower.finished:
                    await self._turn(follower)
        finally:
            follower.close()
            self._followers.discard(follower)
            self._crowd.back(follower)

    # --- opening ---

    async def _admit(self, request: FollowRequest) -> tuple[Opened, _Follower]:
        _check_kinds(request.kinds)
        # The cursor first, then who is closed: a call that closes in between is then found in the log.
        log = self._log
        head, first_revision = log.window.head, log.first_revision
        after = cursor.check(
            request.after, request.epoch, log_epoch=log.epoch, first_revision=first_revision, head=head
        )
        ends = await self._ends(request) if request.call_ids else {}
        follower = _Follower(after, frozenset(ends), frozenset(request.kinds))
        follower.open_calls -= {call_id for call_id, end in ends.items() if end is not None and end <= after}
        if request.include_live:
            follower.live_at = self._words.end
        self._arm(follower)
        return Opened(head, first_revision, log.epoch, self._node_id), follower

    async def _ends(self, request: FollowRequest) -> Mapping[CallId, int | None]:
        """The calls that the stream is about, each with the revision of its end. Raises NotFound, StoreDown."""
        # One question: between two of them retention may take a call, whose end nobody would then see.
        ends = await self._log.ends(frozenset(request.call_ids))
        unknown = [call_id for call_id in request.call_ids if call_id not in ends]
        if unknown:
            # Of a call that retention took, all lies before every cursor that is served. Whoever goes on with others,
            # and follows it still, has had its end. But it was there before the oldest event that is kept: an id that
            # is younger was never a call's.
            horizon = await self._log.horizon() if request.after and ends else None
            for call_id in unknown:
                if horizon is None or created_of(call_id) > horizon + CLOCK_SET:
                    raise NotFound(call_id)
        return ends

    def _arm(self, follower: _Follower) -> None:
        follower.bookmark_due = False
        when = self._clock.monotonic() + self._bookmark_seconds
        follower.timer = self._clock.call_at(when, follower.remind)

    # --- reading ---

    async def _advance(self, follower: _Follower) -> list[Frame]:
        """The next frames: words whose time has come, one batch, a bookmark. It awaits only the disk."""
        frames: list[Frame] = []
        bound = self._log.window.head
        if follower.live_at is not None:
            frames += map(Live, self._words.take(follower))
            # Words come behind the events that were durable before them, and before those that came later.
            bound = self._words.bound(follower, bound)
        if follower.after < bound:
            frames += await self._next_batch(follower, bound)
        if follower.bookmark_due:
            frames.append(Bookmark(follower.after))
            self._arm(follower)
        if not frames and not self._is_idle(follower):
            await asyncio.sleep(0)  # a long stretch without a match is read in pieces
        return frames

    async def _next_batch(self, follower: _Follower, bound: int) -> list[Frame]:
        """Its next batch, if what it read has events for it. Those who are at one place and want the same share it."""
        if follower.call_ids:
            return [*self._batch(follower, await self._read(follower), bound)]
        if not follower.kinds:
            bound = _stop(follower.after, bound)
        place = (follower.after, bound, follower.kinds)
        known = self._batches.get(place)
        if known is None:
            given = self._batch(follower, await self._read(follower), bound)
            self._batches[place] = given[0] if given else follower.after
            if len(self._batches) > SHARED:
                self._batches.popitem(last=False)
            return [*given]
        if isinstance(known, int):
            follower.after = known
            return []
        follower.after = known.upto
        return [known]

    async def _read(self, follower: _Follower) -> Page:
        if follower.after >= self._log.window.start:
            return self._log.window.read(follower.after, follower.select, BATCH_EVENTS)
        if self._end is not None:
            raise self._end.with_traceback(None)
        return await self._log.read(follower.after, follower.select, BATCH_EVENTS)

    def _batch(self, follower: _Follower, page: Page, bound: int) -> list[Batch]:
        upto = min(page.upto, bound)
        given: list[bytes] = []
        size = 0
        for event in page.events:
            if event.revision > upto:
                break
            if follower.wants_kind(event.kind):
                given.append(event.data)
                size += len(event.data)
            if event.kind == CALL_CLOSED:
                follower.open_calls.discard(event.call_id)
            if size >= BATCH_BYTES:
                upto = event.revision
        follower.after = upto
        return [Batch(given, upto)] if given else []

    # --- waiting and waking ---

    def _is_idle(self, follower: _Follower) -> bool:
        return not (
            follower.after < self._log.window.head
            or follower.bookmark_due
            or follower.finished
            or (follower.live_at is not None and follower.live_at < self._words.end)
        )

    async def _sleep(self, follower: _Follower) -> None:
        """Wait to be woken. Nothing can have come since _is_idle was asked: there was no await in between."""
        self._idle[follower] = None
        self._crowd.back(follower)
        try:
            await follower.woken()
        finally:
            self._idle.pop(follower, None)

    async def _turn(self, follower: _Follower) -> None:
        """Let others go first: many whose frames have been written at once must not all go on at once."""
        waiter = follower.woken()
        self._crowd.due(follower)
        await waiter

    def _head_moved(self) -> None:
        self._wake(list(self._idle))

    def _wake(self, followers: Sequence[_Follower]) -> None:
        for follower in followers:
            del self._idle[follower]
            self._crowd.due(follower)


class _Follower:
    """One stream's place, and what it wants."""

    __slots__ = (
        "after",
        "bookmark_due",
        "call_ids",
        "kinds",
        "live_at",
        "open_calls",
        "select",
        "timer",
        "waiter",
    )

    def __init__(self, after: int, call_ids: frozenset[CallId], kinds: frozenset[str]) -> None:
        self.after = after
        self.call_ids = call_ids
        self.kinds = kinds
        # A stream about calls must see their ends, whether or not it gives them.
        self.select = Select(call_ids, kinds | {CALL_CLOSED} if call_ids and kinds else kinds)
        self.open_calls = set(call_ids)  # the calls that it is about and whose end it has not passed
        self.live_at: int | None = None  # its place among the words; None: it does not want them
        self.bookmark_due = False
        self.timer: Timer | None = None
        self.waiter: asyncio.Future[None] | None = None

    @property
    def finished(self) -> bool:
        """Nothing can come any more."""
        return bool(self.call_ids) and not self.open_calls

    def wants_kind(self, kind: str) -> bool:
        """Whether events of the kind are given, not only read."""
        return not self.kinds or kind in self.kinds

    def wants(self, words: LiveWords) -> bool:
        """Whether it is given these words."""
        return self.live_at is not None and (not self.call_ids or words.call_id in self.call_ids)

    def woken(self) -> asyncio.Future[None]:
        """Done when `wake` is called."""
        self.waiter = asyncio.get_running_loop().create_future()
        return self.waiter

    def wake(self) -> None:
        """End its wait, if it waits."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def remind(self) -> None:
        """It is time for a bookmark."""
        self.bookmark_due = True
        self.wake()

    def close(self) -> None:
        """Leave nothing behind."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None  # it holds this follower


class _WordRing:
    """The last words of all calls, each with the head of the log at that moment; one for all streams."""

    def __init__(self, size: int) -> None:
        self._words: deque[tuple[int, LiveWords]] = deque(maxlen=size)
        self.end = 0
        """How many words there ever were: the place behind the last ones."""

    def add(self, head: int, words: LiveWords) -> None:
        """The newest words."""
        self._words.append((head, words))
        self.end += 1

    def take(self, follower: _Follower) -> Iterator[LiveWords]:
        """The words that come next for it, up to those that must wait for an event. Moves its place."""
        for place, head, words in self._pending(follower):
            if follower.wants(words):
                if head > follower.after:
                    break
                yield words
            follower.live_at = place + 1

    def bound(self, follower: _Follower, head: int) -> int:
        """The revision up to which its events come before its next words; `head` when no words wait."""
        return next((at for _, at, words in self._pending(follower) if follower.wants(words)), head)

    def _pending(self, follower: _Follower) -> Iterator[tuple[int, int, LiveWords]]:
        begin = self.end - len(self._words)
        for place in range(max(follower.live_at or 0, begin), self.end):
            yield place, *self._words[place - begin]


def _stop(after: int, bound: int) -> int:
    """Where a batch from there ends at the latest. Those who are far behind stop at the same places, whichever they
    came from, so that they soon share their batches."""
    return bound if bound - after <= BATCH_EVENTS else (after // BATCH_EVENTS + 1) * BATCH_EVENTS


def _check_kinds(kinds: Collection[str]) -> None:
    wrong = []
    for index, kind in enumerate(kinds):
        if kind not in _KIND_NAMES:
            near = get_close_matches(kind, _KIND_NAMES, 1)
            hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(sorted(_KIND_NAMES))}"
            wrong.append(Violation(f"types[{index}]", f"{kind[:64]!r} is no type of event: {hint}"))
    if wrong:
        raise InvalidArgument(*wrong)


async def write_in_time(write: Awaitable[None], seconds: float = STALL_SECONDS) -> None:
    """Await the writing of one frame. Raises ConsumerStalled when the subscriber does not take it in time."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            await write
    except TimeoutError:
        if limit.expired():
            raise ConsumerStalled(seconds) from None
        raise
