"""One run: a bridge is started, calls are made through it, and what it costs is read over a steady window."""

from __future__ import annotations

import asyncio
import gc
import tempfile
from array import array
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic, process_time

from picows import WSError

from agentic.v1 import call_service_pb2
from bench import bridges, proc
from bench.audio import Delays, Faults, Line
from bench.bridges import BridgeFailed
from bench.carrier import Carrier, CarrierCall, number_of
from bench.model import EchoModel
from bench.phone import Pacer, Phone
from bench.proc import Cores

_CONNECT_WITHIN = 30.0
_LOOKS, _LOOK_EVERY = 100, 0.02
_END_WITHIN = 20.0


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is done. Times in seconds."""

    calls: int = 20
    seconds: float = 15.0
    warm_up: float = 3.0


@dataclass(frozen=True, slots=True)
class Delay:
    """The times of the frames' ways, in milliseconds."""

    frames: int
    p50: float
    p99: float
    worst: float

    @staticmethod
    def of(delays: array[float]) -> Delay:
        """From seconds."""
        ordered = sorted(delays)
        return Delay(len(ordered), _percentile(ordered, 50), _percentile(ordered, 99), _percentile(ordered, 100))


@dataclass(frozen=True, slots=True)
class Run:
    """What one run showed. CPU in percent of one core, memory in bytes, delays in milliseconds."""

    bridge: str
    to_model: Delay
    to_caller: Delay
    both: Delay
    cpu_per_call: float
    cpu_us_per_frame: float
    memory: int
    memory_per_call: float
    """By how much it grew from the first call to the last, per call."""
    generator_cpu: float
    generator_late_p99: float
    others_cpu: float
    """What everybody else on this machine used meanwhile."""
    faults: int
    told: list[str] = field(default_factory=list)


class _Rig:
    """The load generator: lines, phones and model, before any bridge."""

    def __init__(self, options: Options, cores: Cores) -> None:
        self.options = options
        self.cores = cores
        self.faults = Faults()
        self.delays = Delays()
        self.lines = {number: Line(number, self.delays, self.faults) for number in range(options.calls)}
        self.model = EchoModel(self.lines, self.faults)
        self.pacer = Pacer(self.delays)
        self.over = asyncio.Event()
        """The calls shall end."""
        self._speaking: set[Phone] = set()

    def speak(self, phone: Phone) -> None:
        """Let it speak, with its phase among the others."""
        self._speaking.add(phone)
        self.pacer.add(phone, phone.line.number / self.options.calls)

    async def hear(self, lines: Collection[Line]) -> None:
        """Wait until the phones of these lines have heard the model. Raises BridgeFailed."""
        try:
            async with asyncio.timeout(_CONNECT_WITHIN):
                for line in lines:
                    await line.to_caller.first.wait()
        except TimeoutError:
            heard = sum(1 for line in self.lines.values() if line.to_caller.first.is_set())
            why = "; ".join(self.faults.told) or "no fault was seen"
            raise BridgeFailed(
                f"of {self.options.calls} calls {len(self._speaking)} had a media stream and {heard} heard"
                f" the model after {_CONNECT_WITHIN:.0f} s; {why}"
            ) from None

    async def all_silent(self) -> None:
        """Let nobody speak any more, and wait for what is under way."""
        for phone in self._speaking:
            self.pacer.remove(phone)
        await all_arrived(self.lines.values())

    async def window(self, name: str, pid: int, first_memory: int) -> Run:
        """Warm up, then measure. Raises BridgeFailed."""
        options, delays = self.options, self.delays
        # Our own collections would be seen as delays of the bridge; the first one is over before the window.
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            await asyncio.sleep(options.warm_up)
            delays.clear()
            cpu, own, busy, began = (
                proc.cpu_seconds(pid),
                process_time(),
                proc.machine_busy_seconds(),
                monotonic(),
            )
            await asyncio.sleep(options.seconds)
            cpu, own = proc.cpu_seconds(pid) - cpu, process_time() - own
            busy, took = proc.machine_busy_seconds() - busy, monotonic() - began
            memory = proc.rss_bytes(pid)
        except FileNotFoundError:
            raise BridgeFailed(f"the {name} ended by itself") from None
        finally:
            gc.enable()
            gc.unfreeze()
        both = delays.to_model + delays.to_caller
        return Run(
            bridge=name,
            to_model=Delay.of(delays.to_model),
            to_caller=Delay.of(delays.to_caller),
            both=Delay.of(both),
            cpu_per_call=100 * cpu / took / options.calls,
            cpu_us_per_frame=1e6 * cpu / len(both) if both else 0.0,
            memory=memory,
            memory_per_call=(memory - first_memory) / (options.calls - 1) if options.calls > 1 else 0.0,
            generator_cpu=100 * own / took,
            generator_late_p99=Delay.of(delays.lateness).p99,
            others_cpu=100 * max(0.0, busy - cpu - own) / took,
            faults=0,
        )


async def through_relay(options: Options, cores: Cores) -> Run:
    """Measure the relay. Raises BridgeFailed."""
    rig = _Rig(options, cores)
    async with rig.model.serving(), bridges.relay(rig.model.relay_url, cores.bridge) as relay:
        phones = [Phone(line, f"MZ{line.number:032x}") for line in rig.lines.values()]
        await _connect(rig, relay.url, phones[:1])
        memory = proc.rss_bytes(relay.pid)
        await _connect(rig, relay.url, phones[1:])
        run = await rig.window("relay", relay.pid, memory)
        await rig.all_silent()
        async with asyncio.TaskGroup() as group:
            for phone in phones:
                group.create_task(phone.hang_up())
    return _judged(run, rig)


async def through_daemon(options: Options, cores: Cores) -> Run:
    """Measure the daemon. Raises BridgeFailed."""
    rig = _Rig(options, cores)

    async def talk(phone: Phone, call: CarrierCall) -> None:
        rig.speak(phone)
        await _first(rig.over, phone.gone, call.ended)
        rig.pacer.remove(phone)

    carrier = Carrier(rig.lines, rig.faults, talk)
    with tempfile.TemporaryDirectory(prefix="agenticd-bench-") as name:
        folder = Path(name)
        async with (
            rig.model.serving(),
            carrier.serving(),
            bridges.daemon(folder, carrier.api_url, rig.model.realtime_url, cores.bridge) as daemon,
            daemon.explaining(),
        ):
            lines = list(rig.lines.values())
            await _place(rig, daemon, lines[:1])
            memory = proc.rss_bytes(daemon.pid)
            await _place(rig, daemon, lines[1:])
            run = await rig.window("daemon", daemon.pid, memory)
            await rig.all_silent()
            rig.over.set()
            await carrier.all_ended(_END_WITHIN)
    return _judged(run, rig)


async def _connect(rig: _Rig, url: str, phones: Collection[Phone]) -> None:
    """Connect the phones to the relay, and wait until they have heard the model."""
    try:
        for phone in phones:
            await phone.connect(url, {})
            rig.speak(phone)
    except (WSError, OSError) as error:
        raise BridgeFailed(f"the relay takes no connection: {error}") from error
    await rig.hear([phone.line for phone in phones])


async def _place(rig: _Rig, daemon: bridges.RunningDaemon, lines: Collection[Line]) -> None:
    """Have the daemon call these lines, and wait until they have heard the model."""
    async with daemon.api() as api:
        for line in lines:
            request = call_service_pb2.PlaceCallRequest(to_address=number_of(line.number))
            await api.calls.PlaceCall(request, timeout=10)
    await rig.hear(lines)


async def all_arrived(lines: Collection[Line]) -> None:
    """Wait, a while, for what is under way."""
    for _ in range(_LOOKS):
        if not any(line.under_way for line in lines):
            return
        await asyncio.sleep(_LOOK_EVERY)


async def _first(*events: asyncio.Event) -> None:
    """Wait for one of the events."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()


def _judged(run: Run, rig: _Rig) -> Run:
    """The run with what went wrong, counted when all calls had ended."""
    for line in rig.lines.values():
        line.close()
    return replace(run, faults=rig.faults.count, told=rig.faults.told)


def _percentile(ordered: list[float], percent: float) -> float:
    """Milliseconds: the smallest value that so many percent of all do not exceed. 0 of nothing."""
    if not ordered:
        return 0.0
    rank = max(1, -(-len(ordered) * percent // 100))
    return 1000 * ordered[int(rank) - 1]
