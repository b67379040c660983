"""The calls of this daemon: what clients ask of them, and what the carrier's webhooks say of them.

Every call that is not closed has a Session; everything else is read from the log's rows. Nothing is answered before it
is durable.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from agenticd.core import inputs, token, twiml
from agenticd.core.errors import Draining, Exhausted, InvalidArgument, NotFound, StoreDown
from agenticd.core.events import CallOptions, CallRecord, CallState, Direction, EndedBy, EndReason, TranscriptFinal
from agenticd.core.ids import RANDOM_BYTES, CallId, new_call_id
from agenticd.core.mediastream import StreamStarted
from agenticd.service.dialer import Dialer
from agenticd.service.idempotency import Requests
from agenticd.service.orders import (
    REASON_LIMIT,
    AgentProfile,
    PlaceOrder,
    Plan,
    brief_of,
    caller_address,
    fingerprint,
    parse_number,
    resolve,
)
from agenticd.service.ports import CallQuery, MediaLink, Peer, PeerHealth, RequestKey
from agenticd.service.session import Session, World
from agenticd.service.strays import Strays

_logger = structlog.get_logger(__name__)

STREAM_TOKEN_LIFE = 60
RESUMES, RESUMES_WITHIN = 5, 30.0
"""So many requests to resume are answered with a stream; one more within that time ends the call."""

DOUBT = 3.0
"""Seconds that who places a call waits when nobody knows whether the log took it."""


@dataclass(frozen=True, slots=True)
class Config:
    """What the calls need of the configuration."""

    node_id: str
    version: str
    agents: Mapping[str, AgentProfile]
    from_number: str
    calls_per_second: float = 1.0
    max_calls: int = 500
    inbound: Mapping[str, str] = field(default_factory=dict)
    """Which agent answers which of our numbers (E.164); calls to others are rejected."""
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of a PlaceOrder: the call, the revision of its call_queued, and whether it was there before."""

    record: CallRecord
    revision: int
    replayed: bool


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What the daemon is and does. `uptime` in seconds."""

    version: str
    features: tuple[str, ...]
    node_id: str
    uptime: float
    live_calls: int
    queued_calls: int
    head_revision: int
    first_revision: int
    epoch: str
    carrier: PeerHealth
    model: PeerHealth
    draining: bool = False


class Calls:
    """The use cases."""

    def __init__(self, config: Config, world: World, carrier: Peer, model: Peer) -> None:
        self._config = config
        self._world = world
        self._carrier, self._model = carrier, model
        self._dialer = Dialer(world.clock, config.calls_per_second)
        self._requests = Requests(world.log)
        self._strays = Strays(world.log, world.carrier)
        self._sessions: dict[CallId, Session] = {}
        self._consumed: dict[CallId, int] = {}
        self._resumes: dict[CallId, deque[float]] = {}
        self._placing: set[asyncio.Timeout] = set()
        """The patience of each client that waits for its call to be accepted; endless while the log can be written."""
        self._dropped = 0
        self._started = world.clock.monotonic()
        self._draining = False
        self._group: asyncio.TaskGroup | None = None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        world.log.on_trouble(self._log_troubled)

    # Its own life.

    async def run(self, started: Callable[[], None]) -> None:
        """Hold the sessions until `stop`; `started` is called when calls can be taken."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            started()
            await self._stopping.wait()
        self._group = None

    async def recover(self) -> int:
        """Take up every call that the store shows as not closed. Returns how many there were."""
        records = await self._world.log.live()
        clock = self._world.clock
        for record in records:
            answered_at = None
            if record.answer_time is not None:
                answered_at = clock.monotonic() - max(0.0, clock.wall() - record.answer_time)
            session = Session(record, self._world, answered_at=answered_at)
            self._hold(session)
            session.feed(inputs.CallRecovered(age=max(0.0, clock.wall() - record.create_time)))
        return len(records)

    def dial_recovered(self) -> None:
        """Let calls that were queued before a restart, and are still in time, wait for their turn again.

        Not if the daemon was told to drain meanwhile: then they stay in the queue for the next start.
        """
        if self._draining:
            return
        for session in list(self._sessions.values()):
            if session.call.state is CallState.QUEUED:
                self._dialer.enqueue(session)

    def _log_troubled(self) -> None:
        self._dialer.hold(bool(self._world.log.trouble))
        for patience in self._placing:
            self._limit(patience)
        for session in list(self._sessions.values()):
            session.log_troubled()

    def _limit(self, patience: asyncio.Timeout) -> None:
        if patience.expired():
            return
        if not self._world.log.trouble:
            patience.reschedule(None)
        elif patience.when() is None:
            patience.reschedule(asyncio.get_running_loop().time() + DOUBT)

    def reconfigure(self, agents: Mapping[str, AgentProfile], inbound: Mapping[str, str], max_calls: int) -> None:
        """From now on these hold; calls that there are keep what they began with."""
        self._config = replace(self._config, agents=agents, inbound=inbound, max_calls=max_calls)

    def drain(self) -> None:
        """Take no new calls and dial nobody any more."""
        self._draining = True
        self._dialer.close()

    @property
    def draining(self) -> bool:
        """No new calls are taken."""
        return self._draining

    async def drained(self) -> None:
        """Wait until the last call has ended, but for those that were never dialled."""
        while any(True for _ in self._begun()):
            self._ended.clear()
            await self._ended.wait()

    async def end_all(self, *, at_once: bool) -> None:
        """Order the end of every call, with an apology unless it must be at once, and wait for it.

        Calls that were never dialled stay in the queue: they go on when the daemon does, if they are still in time.
        """
        self.drain()
        order = inputs.HangUpRequested(EndReason.DRAINED, EndedBy.DAEMON, "the daemon was stopped", at_once)
        for session in list(self._begun()):
            session.feed(order)
        await self.drained()

    def _begun(self) -> Iterator[Session]:
        return (session for session in self._sessions.values() if session.call.state is not CallState.QUEUED)

    def stop(self) -> None:
        """Let `run` return. What is live stays as the log has it; the next start looks at it."""
        for session in list(self._sessions.values()):
            session.abandon()
        self._strays.close()
        self._stopping.set()

    def _hold(self, session: Session) -> None:
        if self._group is None:
            raise AssertionError("calls are taken only while run() runs")
        self._sessions[session.record.call_id] = session
        self._group.create_task(self._run(session), name=f"call {session.record.call_id}")

    async def _run(self, session: Session) -> None:
        try:
            await session.run()
        finally:
            call_id = session.record.call_id
            self._dropped += session.turn.dropped
            del self._sessions[call_id]
            self._consumed.pop(call_id, None)
            self._resumes.pop(call_id, None)
            self._ended.set()

    def claimed(self, carrier_call_id: str) -> bool:
        """Whether a carrier's call is one of our live calls."""
        return any(session.call.carrier_call_id == carrier_call_id for session in self._sessions.values())

    @property
    def live(self) -> Mapping[CallId, Session]:
        """The sessions, by call."""
        return self._sessions

    @property
    def dropped(self) -> int:
        """Frames of callers that no model was ready for."""
        return self._dropped + sum(session.turn.dropped for session in self._sessions.values())

    # What clients ask.

    async def place(self, order: PlaceOrder, identity: str) -> Placed:
        """Accept a call. Raises InvalidArgument, RequestIdReused, Exhausted, Draining, StoreDown."""
        patience = asyncio.timeout(None)
        try:
            async with patience:
                self._placing.add(patience)
                self._limit(patience)
                return await self._place(order, identity)
        except TimeoutError:
            how = "ask again with the same request_id" if order.request_id else "list the calls before you ask again"
            raise StoreDown(f"the event log cannot be written now; the call may be accepted yet: {how}") from None
        finally:
            self._placing.discard(patience)

    async def _place(self, order: PlaceOrder, identity: str) -> Placed:
        if not order.request_id:
            return await self._placed(self._accept(order, None))
        key = RequestKey(identity, order.request_id, fingerprint(order))
        async with self._requests.claim(key) as claim:
            if claim.known is not None:
                record, _ = await self.get(claim.known.call_id)
                return Placed(record, claim.known.revision, replayed=True)
            session = self._accept(order, key)
            claim.until = session.accepted
            return await self._placed(session)

    def _accept(self, order: PlaceOrder, key: RequestKey | None) -> Session:
        """Make the call. From here on it lives, whatever becomes of who asked for it."""
        if self._draining:
            raise Draining
        if self._world.log.full:
            raise StoreDown
        if len(self._sessions) >= self._config.max_calls:
            raise Exhausted(self._config.max_calls, retry_after=5.0)
        plan = resolve(order, self._config.agents, self._config.from_number)
        session = self._begin(Direction.OUTBOUND, plan, key)
        session.feed(inputs.CallPlaced())
        return session

    def _begin(self, direction: Direction, plan: Plan, key: RequestKey | None = None, sid: str = "") -> Session:
        clock = self._world.clock
        wall = clock.wall()
        record = CallRecord(
            call_id=new_call_id(wall, clock.randomness(RANDOM_BYTES)),
            direction=direction,
            state=CallState.QUEUED if direction is Direction.OUTBOUND else CallState.RINGING,
            from_address=plan.from_address,
            to_address=plan.to_address,
            agent=plan.agent,
            brief=plan.brief,
            options=plan.options,
            node_id=self._config.node_id,
            create_time=wall,
            metadata=plan.metadata,
            carrier_call_id=sid,
        )
        session = Session(record, self._world, key)
        self._hold(session)
        return session

    async def _placed(self, session: Session) -> Placed:
        queued = session.record
        # Its turn may come before call_queued is durable; the dialling itself waits for that.
        self._dialer.enqueue(session)
        revision = await asyncio.shield(session.accepted)
        if self._world.reach is not None:
            self._world.reach("before_answer")
        return Placed(queued, revision, replayed=False)

    async def hang_up(self, call_id: CallId, message: str) -> tuple[CallRecord, int]:
        """Order the call's end; on a call that has ended, show it. Raises NotFound, InvalidArgument, StoreDown."""
        if len(message) > REASON_LIMIT:
            raise InvalidArgument.at("reason", f"is longer than {REASON_LIMIT} characters")
        session = self._sessions.get(call_id)
        if session is not None:
            session.feed(inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.API, message))
            try:
                await session.durable()
            except StoreDown:
                raise StoreDown("the call is being hung up; the event log cannot be written now") from None
        return await self.get(call_id)

    async def get(self, call_id: CallId) -> tuple[CallRecord, int]:
        """The call, and the revision as of which it is. Raises NotFound, StoreDown."""
        record, revision = await self._world.log.call(call_id)
        if record is None:
            raise NotFound(call_id)
        return record, revision

    def queue_positions(self) -> Mapping[CallId, int]:
        """The calls that wait to be dialled, and in which place; 1 is next."""
        return self._dialer.positions()

    async def list(self, query: CallQuery) -> tuple[Sequence[CallRecord], int]:
        """A page of calls, newest first. Raises StoreDown."""
        return await self._world.log.calls(query)

    async def transcript(self, call_id: CallId) -> tuple[Sequence[TranscriptFinal], int]:
        """The call's utterances in the order of the conversation. Raises NotFound, StoreDown."""
        await self.get(call_id)
        return await self._world.log.transcript(call_id)

    def status(self) -> NodeStatus:
        """What the daemon is and does, without asking anybody."""
        log = self._world.log
        return NodeStatus(
            version=self._config.version,
            features=self._config.features,
            node_id=self._config.node_id,
            uptime=self._world.clock.monotonic() - self._started,
            live_calls=len(self._sessions),
            queued_calls=len(self._dialer),
            head_revision=log.window.head,
            first_revision=log.first_revision,
            epoch=log.epoch,
            carrier=self._carrier.health,
            model=self._model.health,
            draining=self._draining,
        )

    # What the carrier's webhooks say. Their signatures are checked before; none of these waits or raises.

    def voice_requested(self, call_id: CallId, form: Mapping[str, str]) -> str:
        """TwiML for an outbound call that was answered."""
        session = self._of(call_id, form)
        if session is None:
            # For example one that was given up as never seen: whoever answered it must not hear silence.
            _logger.warning("an answered call that is not live is hung up", call_id=call_id)
            return twiml.hang_up()
        session.feed(inputs.VoiceRequested(form.get("CallSid", "")))
        return self._stream(session)

    def resume_requested(self, call_id: CallId, form: Mapping[str, str]) -> str:
        """TwiML for a call whose media stream ended, or whose voice request failed: another stream, while it lives."""
        session = self._of(call_id, form)
        if session is None:
            return twiml.hang_up()
        recent = self._resumes.setdefault(call_id, deque(maxlen=RESUMES))
        now = self._world.clock.monotonic()
        if len(recent) == RESUMES and now - recent[0] < RESUMES_WITHIN:
            session.feed(inputs.HangUpRequested(EndReason.MEDIA_LOST, EndedBy.DAEMON, "the media stream does not hold"))
            return twiml.hang_up()
        recent.append(now)
        if session.record.direction is Direction.INBOUND and session.call.state is CallState.RINGING:
            session.feed(inputs.CallArrived())
        else:
            session.feed(inputs.VoiceRequested(form.get("CallSid", "")))
        return self._stream(session)

    def _stream(self, session: Session) -> str:
        if not session.call.wants_stream:
            words = session.call.last_words
            return twiml.say_and_hang_up(words) if words else twiml.hang_up()
        call_id, urls = session.record.call_id, self._world.urls
        expires = int(self._world.clock.wall()) + STREAM_TOKEN_LIFE
        parameters = {"token": token.mint(self._world.log.secret, call_id, session.call.attempt, expires)}
        return twiml.connect_stream(
            stream_url=urls.media(call_id),
            action_url=urls.resume(call_id),
            stream_status_url=urls.stream_status(call_id),
            parameters=parameters,
        )

    def arrived(self, form: Mapping[str, str]) -> str:
        """TwiML for a call that a phone made to one of our numbers."""
        sid = form.get("CallSid", "")
        session = next((known for known in self._sessions.values() if sid and known.call.carrier_call_id == sid), None)
        if session is None:
            to_address = parse_number(form.get("To", "")) or ""
            name = self._config.inbound.get(to_address, "")
            profile = self._config.agents.get(name)
            if profile is None or not sid:
                _logger.warning("a call to a number that no agent answers is rejected", number_pii=form.get("To", ""))
                return twiml.reject(busy=False)
            if self._draining or self._world.log.full or self._heard() >= self._config.max_calls:
                return twiml.reject(busy=True)
            from_address = caller_address(form.get("From", ""))
            options = CallOptions(max_duration=profile.max_duration)
            plan = Plan(from_address, to_address, name, brief_of(profile), options)
            session = self._begin(Direction.INBOUND, plan, sid=sid)
        session.feed(inputs.CallArrived())
        return self._stream(session)

    def _heard(self) -> int:
        """How many calls there are, but for those that are only looked for: they keep no phone from calling us."""
        return sum(1 for session in self._sessions.values() if session.call.state is not CallState.UNCONFIRMED)

    def status_reported(self, call_id: CallId, form: Mapping[str, str]) -> None:
        """A status callback of the call."""
        if call_id not in self._sessions and self._group is not None:
            self._strays.told(self._group, call_id, form.get("CallSid", ""), form.get("CallStatus", ""))
        session = self._of(call_id, form)
        if session is not None:
            session.feed(
                inputs.StatusReported(
                    carrier_call_id=form.get("CallSid", ""),
                    status=form.get("CallStatus", ""),
                    sequence=_number(form.get("SequenceNumber")),
                    sip_code=_number(form.get("SipResponseCode")),
                    carrier_code=_number(form.get("ErrorCode")),
                    message=form.get("ErrorMessage", "")[:REASON_LIMIT],
                )
            )

    def stream_reported(self, call_id: CallId, form: Mapping[str, str]) -> None:
        """A status callback of the call's media stream: worth a line in the log when it is an error."""
        if form.get("StreamEvent") == "stream-error":
            _logger.warning("Twilio reports an error of the media stream", call_id=call_id)

    def attach(self, call_id: CallId, start: StreamStarted, link: MediaLink) -> Callable[[inputs.Input], None] | None:
        """A media stream began: the session's door if its token is good, else None."""
        session = self._sessions.get(call_id)
        if (
            session is None
            or not session.call.wants_stream
            or start.call_sid != (session.call.carrier_call_id or start.call_sid)
        ):
            return None
        now = int(self._world.clock.wall())
        attempt = token.check(self._world.log.secret, start.parameters.get("token", ""), call_id, now)
        if attempt is None or attempt != session.call.attempt or attempt <= self._consumed.get(call_id, 0):
            return None
        self._consumed[call_id] = attempt
        session.attach(link, start.stream_sid, attempt)
        return session.feed

    def _of(self, call_id: CallId, form: Mapping[str, str]) -> Session | None:
        """The live call that a webhook speaks of; None when there is none, or the carrier's id is another call's."""
        session = self._sessions.get(call_id)
        if session is None:
            # Many a call's last ones: the request of <Connect action>, callbacks that come late or twice.
            _logger.debug("a webhook names a call that is not live", call_id=call_id)
            return None
        known, said = session.call.carrier_call_id, form.get("CallSid", "")
        if not said or said != (known or said):
            _logger.warning("a webhook names another call of the carrier's", call_id=call_id)
            return None
        return session


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else 0
