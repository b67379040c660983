"""The composition root: builds everything in its order, runs it, and stops it in reverse.

Nothing below knows of the configuration's tree: each part gets its own small Config here.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import version as distribution_version
from pathlib import Path
from socket import socket

import structlog

from agenticd.adapters.host.clock import SystemClock
from agenticd.adapters.host.counts import CallCounts
from agenticd.adapters.host.failpoint import Config as FailpointConfig
from agenticd.adapters.host.failpoint import Trap
from agenticd.adapters.host.loop import LagProbe
from agenticd.adapters.host.metrics import Metrics, Sources
from agenticd.adapters.host.observer import Observer
from agenticd.adapters.host.story import Story
from agenticd.adapters.host.systemd import Notifier, run_extension, run_watchdog
from agenticd.adapters.http.admin import AdminServer, Probes
from agenticd.adapters.http.server import Config as HttpConfig
from agenticd.adapters.http.server import HttpServer
from agenticd.adapters.openai.link import Config as OpenAIConfig
from agenticd.adapters.openai.link import OpenAIModel
from agenticd.adapters.rpc.codec import ProtoEventCodec
from agenticd.adapters.rpc.server import Config as RpcConfig
from agenticd.adapters.rpc.server import RpcServer
from agenticd.adapters.rpc.shown import Tls
from agenticd.adapters.store.sqlite import Config as StoreConfig
from agenticd.adapters.store.sqlite import SqliteLog
from agenticd.adapters.twilio.rest import Config as TwilioConfig
from agenticd.adapters.twilio.rest import TwilioCarrier
from agenticd.config import Settings
from agenticd.core.errors import Draining
from agenticd.reload import Current, Means, inbound_of, keep_current, prepare
from agenticd.service.calls import Calls
from agenticd.service.calls import Config as CallsConfig
from agenticd.service.failpoint import Reach
from agenticd.service.session import World
from agenticd.service.urls import Urls
from agenticd.service.watch import Watch

_logger = structlog.get_logger(__name__)

VERSION = distribution_version("agenticd")
END_CALLS_WITHIN = 20.0
"""Seconds that calls have to end, with an apology, when the time to drain is over."""
HURRY_WITHIN = 10.0
"""Seconds that they have when somebody is in a hurry."""
STOP_RPC_WITHIN = 5.0
CERTIFICATE_EVERY = 600.0
STATUS_EVERY = 10.0
WRITER_LIMIT = 5.0
"""Nor does a log whose writer has stood still for so long."""
LAG_LIMIT = 1.0
"""A loop that is later than this many seconds gives systemd's watchdog no sign of life."""
SWITCH_INTERVAL = 0.0002
"""The log writer's thread hands the interpreter back to the loop within this many seconds."""


@dataclass(frozen=True, slots=True)
class Host:
    """What the machine gave us: systemd's notifier, a directory for what lives as long as we do, sockets from systemd
    by name, and how often it wants a sign of life."""

    notifier: Notifier
    runtime: Path
    sockets: Mapping[str, socket] = field(default_factory=dict)
    watchdog: float | None = None
    reload: Means | None = None
    """How the configuration is read again; None: it is not."""
    failpoint: FailpointConfig | None = None
    """Where a test wants this process killed."""


@dataclass(slots=True)
class Node:
    """A running daemon: its parts, as far as the outside and the tests ask for them."""

    calls: Calls
    watch: Watch
    log: SqliteLog
    model: OpenAIModel
    http: HttpServer
    admin: AdminServer
    rpc: RpcServer


async def serve(settings: Settings, host: Host) -> int:
    """Run the daemon until a signal or a broken store ends it. Returns the exit code.

    Raises what keeps it from starting: StoreUnusable, CannotListen, BadMaterial, InvalidArgument.
    """
    try:
        return await _serve(settings, host)
    except ExceptionGroup as group:
        # What kept it from starting comes out of the group that holds the calls.
        leaf: Exception = group
        while isinstance(leaf, ExceptionGroup) and len(leaf.exceptions) == 1:
            leaf = leaf.exceptions[0]
        raise leaf from None


async def _serve(settings: Settings, host: Host) -> int:
    sys.setswitchinterval(SWITCH_INTERVAL)
    prepare(settings)
    signals, current = Signals(), Current(settings, datetime.now())
    with signals.handled():
        async with running(settings, host) as node, asyncio.TaskGroup() as group:
            chores: list[asyncio.Task[object]] = []
            if host.reload is not None:
                keeping = keep_current(current, node.calls, node.rpc, host.reload, host.notifier, signals.reload)
                chores.append(group.create_task(keeping, name="reload"))
            failed, stop = (group.create_task(event.wait()) for event in (node.log.failed, signals.stop))
            chores += [failed, stop]
            await asyncio.wait((failed, stop), return_when=asyncio.FIRST_COMPLETED)
            broken = failed.done()
            for waiting in chores:
                waiting.cancel()
            if broken:
                _logger.error("the event log failed; the daemon ends", why=node.log.failure)
            host.notifier.stopping()
            extending = group.create_task(run_extension(host.notifier), name="extension")
            seconds = 0.0 if broken else current.settings.limits.drain_timeout
            await _drain(node, host.notifier, seconds, signals.hurry)
            extending.cancel()
        _logger.info("stopped")
    return 1 if broken else 0


@asynccontextmanager
async def running(settings: Settings, host: Host) -> AsyncIterator[Node]:
    """A daemon that takes calls for as long as the context lasts."""
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        probe = LagProbe()
        reach = Trap(host.failpoint) if host.failpoint is not None else None
        log = await SqliteLog.open(_store_config(settings), ProtoEventCodec(), clock, reach)
        stack.push_async_callback(_close_log, log)
        watch = Watch(log, clock, settings.node_id)
        carrier = TwilioCarrier(_twilio_config(settings), clock)
        stack.push_async_callback(carrier.close)
        model = OpenAIModel(_openai_config(settings), clock)
        calls = _calls(settings, log, clock, watch, carrier, model, reach)
        http = HttpServer(_http_config(settings), calls, clock, host.sockets.get("http"))
        rpc = RpcServer(_rpc_config(settings, host.runtime), calls, watch, log)
        node: Node
        counts = CallCounts()
        Observer(log, ProtoEventCodec(), (counts, Story()))
        metrics = Metrics(_sources(counts, clock, probe, log, watch, carrier, model, calls, http, rpc))
        admin = AdminServer(
            settings.admin.listen,
            Probes(lambda: _not_ready(node), metrics.render),
            host.sockets.get("admin"),
        )
        node = Node(calls, watch, log, model, http, admin, rpc)

        group = await stack.enter_async_context(asyncio.TaskGroup())
        started = asyncio.Event()
        group.create_task(calls.run(started.set), name="calls")
        stack.callback(calls.stop)
        await started.wait()
        # Before anything can be heard of them: a webhook of a call that is not known yet would hang it up.
        recovered = await calls.recover()
        for server in (http, admin):
            await server.start()
            stack.push_async_callback(server.stop)
        await rpc.start()
        stack.push_async_callback(rpc.stop, STOP_RPC_WITHIN)

        probe.start()
        stack.callback(probe.stop)
        chores = group.create_task(_chores(node, host, probe), name="chores")
        stack.callback(chores.cancel)
        await _tell_health(node)
        calls.dial_recovered()
        host.notifier.ready(_status(node))
        _logger.info(
            "agenticd is ready", version=VERSION, node=settings.node_id, http=http.port, admin=admin.port,
            grpc=rpc.addresses, recovered_calls=recovered, head=log.window.head,
        )  # fmt: skip
        # Its import takes longer than everything above; the first call waits for its turn anyway.
        await carrier.warm_up()
        # What is there now stays: a full collection need not look at it again in front of everyone's audio.
        gc.collect()
        gc.freeze()
        gc.enable()
        yield node


async def _close_log(log: SqliteLog) -> None:
    waiting = log.waiting
    await log.close()
    if log.failure and waiting:
        _logger.error("the last of what happened could not be written", entries=waiting, why=log.failure)


async def _drain(node: Node, notifier: Notifier, seconds: float, hurry: asyncio.Event) -> None:
    """Let live calls go on to their ends, for so long; then end them. Last, the streams that tell of it."""

    def say(how: str) -> None:
        notifier.remark("stop", how)
        notifier.status(_status(node))

    await node.rpc.drain()
    if node.calls.live and not hurry.is_set():
        latest = datetime.now() + timedelta(seconds=seconds)
        say(f"stopping: calls may go on until {latest:%H:%M:%S}, then they are ended")
        _logger.info("draining", calls=len(node.calls.live), seconds=seconds)
    await _until(node.calls.drained(), hurry, seconds)
    if node.calls.live and not hurry.is_set():
        _logger.info("the time to drain is over; ending what is left", calls=len(node.calls.live))
    say("stopping: what is left is ended")
    if not hurry.is_set():
        await _until(node.calls.end_all(at_once=False), hurry, END_CALLS_WITHIN)
    if hurry.is_set() and not await _until(node.calls.end_all(at_once=True), asyncio.Event(), HURRY_WITHIN):
        _logger.warning("calls were still live when the daemon stopped", calls=len(node.calls.live))
    node.watch.end_all(Draining("the daemon is stopping"))
    say("stopped")


async def _until(work: Coroutine[None, None, None], hurry: asyncio.Event, seconds: float) -> bool:
    """Wait for the work, at most so many seconds and until somebody is in a hurry. Whether it was done."""
    async with asyncio.TaskGroup() as group:
        working, hurried = group.create_task(work), group.create_task(hurry.wait())
        await asyncio.wait((working, hurried), return_when=asyncio.FIRST_COMPLETED, timeout=seconds)
        done = working.done()
        working.cancel()
        hurried.cancel()
    return done


async def _chores(node: Node, host: Host, probe: LagProbe) -> None:
    """Tell systemd how things are."""

    def ailment() -> str | None:
        lag = probe.lag()
        if lag > LAG_LIMIT:
            return f"the event loop is {lag:.1f} s late"
        busy = node.log.busy_for()
        return f"the log writer has not moved for {busy:.1f} s" if busy > WRITER_LIMIT else None

    async with asyncio.TaskGroup() as group:
        group.create_task(_tell_of_trouble(node, host), name="log trouble")
        group.create_task(_tell_of_certificate(node, host), name="certificate")
        if host.watchdog is not None:
            group.create_task(run_watchdog(host.notifier, host.watchdog, ailment))
        while host.notifier.active:
            host.notifier.status(_status(node))
            await asyncio.sleep(STATUS_EVERY)


async def _tell_of_certificate(node: Node, host: Host) -> None:
    """Say in time that the API's certificate ends: after that no start succeeds, not even the one after a crash."""
    warned = ""
    while True:
        if (warning := node.rpc.warning(time.time())) != warned:
            warned = warning
            host.notifier.remark("certificate", warning)
            if warning:
                _logger.warning(warning, setting="grpc.tls.cert")
        await asyncio.sleep(CERTIFICATE_EVERY)


async def _tell_of_trouble(node: Node, host: Host) -> None:
    """Take no new calls while the log cannot be written, and say so; live ones go on, and are recorded afterwards.

    The daemon does not end for it: a call does not outlive its daemon, and the next one could not even open the log.
    """
    moved = asyncio.Event()
    node.log.on_trouble(moved.set)
    if node.log.trouble:  # since the recovery
        moved.set()
    while True:
        await moved.wait()
        moved.clear()
        if node.log.trouble:
            _logger.error("the event log cannot be written; new calls are refused until it can", why=node.log.trouble)
        else:
            _logger.warning("the event log can be written again", waiting=node.log.waiting)
        await _tell_health(node)
        if host.notifier.active:
            host.notifier.status(_status(node))


async def _tell_health(node: Node) -> None:
    await node.rpc.set_serving(not node.log.trouble and not node.calls.draining)


def _not_ready(node: Node) -> str | None:
    if node.log.trouble:
        return f"the event log cannot be written: {node.log.trouble}"
    if node.rpc.serving:
        return None
    return "draining, no new calls are taken" if node.calls.draining else "starting"


def _status(node: Node) -> str:
    if node.log.trouble:
        return f"the event log cannot be written: {node.log.trouble}; {len(node.calls.live)} calls"
    closed = ", takes no new calls" if node.calls.draining else ""
    return f"{len(node.calls.live)} calls, {node.watch.count} streams, head {node.log.window.head}{closed}"


class Signals:
    """What the daemon is told from outside: SIGTERM drains, a second one or SIGINT hurries, SIGHUP reloads."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.hurry = asyncio.Event()
        self.reload = asyncio.Event()

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Hear them for as long as the context lasts."""
        loop = asyncio.get_running_loop()
        handlers = {
            signal.SIGTERM: lambda: self._stop(signal.SIGTERM, now=self.stop.is_set()),
            signal.SIGINT: lambda: self._stop(signal.SIGINT, now=True),
            signal.SIGHUP: self.reload.set,
        }
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                with contextlib.suppress(ValueError):
                    loop.remove_signal_handler(number)

    def _stop(self, number: signal.Signals, *, now: bool) -> None:
        if now and not self.hurry.is_set():
            _logger.info("stopping; what is left is ended at once", signal=number.name)
        elif not self.stop.is_set():
            _logger.info("stopping", signal=number.name)
        self.stop.set()
        if now:
            self.hurry.set()


# Each part's own Config, out of the tree.


def _calls(
    settings: Settings,
    log: SqliteLog,
    clock: SystemClock,
    watch: Watch,
    carrier: TwilioCarrier,
    model: OpenAIModel,
    reach: Reach | None,
) -> Calls:
    calls: Calls
    world = World(
        log=log,
        clock=clock,
        carrier=carrier,
        model=model,
        urls=Urls(settings.public_url),
        show=watch.show,
        claimed=lambda carrier_call_id: calls.claimed(carrier_call_id),
        reach=reach,
    )
    config = CallsConfig(
        node_id=settings.node_id,
        version=VERSION,
        agents=settings.agents,
        from_number=settings.twilio.from_number,
        calls_per_second=settings.twilio.calls_per_second,
        max_calls=settings.limits.max_calls,
        inbound=inbound_of(settings),
    )
    calls = Calls(config, world, carrier, model)
    return calls


def _sources(
    counts: CallCounts,
    clock: SystemClock,
    probe: LagProbe,
    log: SqliteLog,
    watch: Watch,
    carrier: TwilioCarrier,
    model: OpenAIModel,
    calls: Calls,
    http: HttpServer,
    rpc: RpcServer,
) -> Sources:
    def unplayed() -> float:
        now = clock.monotonic()
        return max((session.turn.unplayed(now) for session in calls.live.values()), default=0.0)

    return Sources(
        version=VERSION,
        counts=counts,
        ready=lambda: rpc.serving,
        calls=lambda: Counter(session.call.state.value for session in calls.live.values()),
        webhooks_refused=lambda: http.refused,
        media_faults=lambda: http.media_faults,
        media_dropped=lambda: {"model_slow": model.dropped, "model_not_ready": calls.dropped},
        media_sockets=lambda: http.media_sockets,
        media_gaps=http.media_gaps,
        unplayed=unplayed,
        model_faults=lambda: model.faults,
        model_connects=lambda: model.connects,
        model_connect_seconds=model.connect_seconds,
        twilio_requests=lambda: carrier.codes,
        twilio_request_seconds=carrier.seconds,
        peers=lambda: {"twilio": carrier.health, "openai": model.health},
        log_head=lambda: log.window.head,
        log_waiting=lambda: log.waiting,
        log_append_seconds=log.append_seconds,
        streams=lambda: watch.count,
        stream_lag=lambda: watch.lag,
        rpcs_handled=lambda: rpc.meter.handled,
        rpcs_running=lambda: rpc.meter.running,
        rpc_seconds=lambda: rpc.meter.seconds,
        loop_lag=probe.worst,
        tasks=lambda: len(asyncio.all_tasks()),
    )


def _store_config(settings: Settings) -> StoreConfig:
    store = settings.store
    return StoreConfig(path=store.path, keep_seconds=store.keep, keep_bytes=store.keep_size)


def _http_config(settings: Settings) -> HttpConfig:
    return HttpConfig(settings.http.listen, settings.public_url, settings.twilio.auth_token.reveal())


def _rpc_config(settings: Settings, runtime: Path) -> RpcConfig:
    tls = settings.grpc.tls
    return RpcConfig(
        listen=settings.grpc.listen,
        token_path=runtime / "token",
        tls=Tls(tls.cert, tls.key, tls.client_ca) if tls is not None else None,
        tokens=settings.grpc.tokens,
    )


def _twilio_config(settings: Settings) -> TwilioConfig:
    twilio = settings.twilio
    return TwilioConfig(api_url=twilio.api_url, account_sid=twilio.account_sid, auth_token=twilio.auth_token.reveal())


def _openai_config(settings: Settings) -> OpenAIConfig:
    openai = settings.openai
    return OpenAIConfig(
        url=openai.url, api_key=openai.api_key.reveal(), model=openai.model, user_agent=f"agenticd/{VERSION}"
    )
