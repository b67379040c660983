"""One run: a bridge is started, calls are made through it, and what it costs is read over a steady window."""

from __future__ import annotations

import asyncio
import gc
import tempfile
from array import array
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic, process_time

from picows import WSError

from agentic.v1 import call_service_pb2
from bench import bridges, proc, wire
from bench.audio import Delays, Faults, Line
from bench.bridges import BridgeFailed
from bench.carrier import Carrier, CarrierCall, number_of
from bench.model import EchoModel
from bench.phone import Pacer, Phone
from bench.proc import Cores
from bench.tones import ToneLine

_CONNECT_WITHIN = 30.0
_LOOKS, _LOOK_EVERY = 100, 0.02
END_WITHIN = 20.0


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
        return Delay(len(ordered), percentile(ordered, 50), percentile(ordered, 99), percentile(ordered, 100))


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


@dataclass(frozen=True, slots=True)
class Cost:
    """What a window cost: seconds of it, of the bridge's processor time, of the load generator's, of all others'."""

    took: float
    cpu: float
    own: float
    others: float
    memory: int
    """The bridge's, at the end, in bytes."""


class Rig:
    """The load generator: lines and phones, before any bridge. The model is its subclass's."""

    def __init__(
        self, options: Options, cores: Cores, lines: Mapping[int, Line], faults: Faults, delays: Delays
    ) -> None:
        self.options = options
        self.cores = cores
        self.faults = faults
        self.delays = delays
        self.lines = lines
        self.pacer = Pacer(delays)
        self.over = asyncio.Event()
        """The calls shall end."""
        self._speaking: set[Phone] = set()

    async def talk(self, phone: Phone, call: CarrierCall) -> None:
        """What a phone does in a call of the carrier's: it speaks until all is over."""
        self.speak(phone)
        await _first(self.over, phone.gone, call.ended)
        self.pacer.remove(phone)

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

    async def cost(
        self, name: str, pid: int, begin: Callable[[], None], sampled: Callable[[], bool] = lambda: True
    ) -> Cost:
        """Warm up, call `begin`, and look at a window, which goes on for a while if nothing was `sampled` in it. Raises
        BridgeFailed."""
        # Our own collections would be seen as delays of the bridge; the first one is over before the window.
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            await asyncio.sleep(self.options.warm_up)
            begin()
            cpu, own, busy, began = (
                proc.cpu_seconds(pid),
                process_time(),
                proc.machine_busy_seconds(),
                monotonic(),
            )
            await asyncio.sleep(self.options.seconds)
            for _ in range(int(END_WITHIN / _LOOK_EVERY)):
                if sampled():
                    break
                await asyncio.sleep(_LOOK_EVERY)
            cpu, own = proc.cpu_seconds(pid) - cpu, process_time() - own
            busy, took = proc.machine_busy_seconds() - busy, monotonic() - began
            return Cost(took, cpu, own, max(0.0, busy - cpu - own), proc.rss_bytes(pid))
        except FileNotFoundError:
            raise BridgeFailed(f"the {name} ended by itself") from None
        finally:
            gc.enable()
            gc.unfreeze()


class EchoRig(Rig):
    """With a model that echoes, and that speaks and hears `audio`."""

    def __init__(self, options: Options, cores: Cores, audio: str = "pcmu") -> None:
        faults, delays = Faults(), Delays()
        kind = ToneLine if audio == "pcm24" else Line
        lines = {number: kind(number, delays, faults) for number in range(options.calls)}
        super().__init__(options, cores, lines, faults, delays)
        self.model = EchoModel(lines, faults, audio)

    async def window(self, name: str, pid: int, first_memory: int) -> Run:
        """Warm up, then measure. Raises BridgeFailed."""
        options, delays = self.options, self.delays
        cost = await self.cost(name, pid, delays.clear)
        both = delays.to_model + delays.to_caller
        return Run(
            bridge=name,
            to_model=Delay.of(delays.to_model),
            to_caller=Delay.of(delays.to_caller),
            both=Delay.of(both),
            cpu_per_call=100 * cost.cpu / cost.took / options.calls,
            cpu_us_per_frame=1e6 * cost.cpu / len(both) if both else 0.0,
            memory=cost.memory,
            memory_per_call=(cost.memory - first_memory) / (options.calls - 1) if options.calls > 1 else 0.0,
            generator_cpu=100 * cost.own / cost.took,
            generator_late_p99=Delay.of(delays.lateness).p99,
            others_cpu=100 * cost.others / cost.took,
            faults=0,
        )


async def through_relay(options: Options, cores: Cores) -> Run:
    """Measure the relay. Raises BridgeFailed."""
    rig = EchoRig(options, cores)
    async with rig.model.serving(), bridges.relay(rig.model.relay_url, cores.bridge) as relay:
        phones = [Phone(line, f"MZ{line.number:032x}") for line in rig.lines.values()]
        await connect(rig, relay.url, phones[:1])
        memory = proc.rss_bytes(relay.pid)
        await connect(rig, relay.url, phones[1:])
        run = await rig.window("relay", relay.pid, memory)
        await rig.all_silent()
        await hang_up(phones)
    return _judged(run, rig)


async def through_daemon(options: Options, cores: Cores, audio: str = "pcmu", name: str = "daemon") -> Run:
    """Measure the daemon, its agent speaking `audio`; `name` is the run's. Raises BridgeFailed."""
    rig = EchoRig(options, cores, audio)
    carrier = Carrier(rig.lines, rig.faults, rig.talk)
    with tempfile.TemporaryDirectory(prefix="agenticd-bench-") as folder:
        async with (
            rig.model.serving(),
            carrier.serving(),
            bridges.daemon(Path(folder), carrier.api_url, rig.model.realtime_url, cores.bridge, audio) as daemon,
            daemon.explaining(),
        ):
            lines = list(rig.lines.values())
            await place(rig, daemon, lines[:1])
            memory = proc.rss_bytes(daemon.pid)
            await place(rig, daemon, lines[1:])
            run = await rig.window(name, daemon.pid, memory)
            await rig.all_silent()
            rig.over.set()
            await carrier.all_ended(END_WITHIN)
    return _judged(run, rig)


async def connect(rig: Rig, url: str, phones: Collection[Phone]) -> None:
    """Connect the phones to the relay, and wait until they have heard the model."""
    try:
        for phone in phones:
            await phone.connect(url, {})
            rig.speak(phone)
    except (WSError, OSError) as error:
        raise BridgeFailed(f"the relay takes no connection: {error}") from error
    await rig.hear([phone.line for phone in phones])


async def hang_up(phones: Collection[Phone]) -> None:
    """All of them at once."""
    async with asyncio.TaskGroup() as group:
        for phone in phones:
            group.create_task(phone.hang_up())


async def place(rig: Rig, daemon: bridges.RunningDaemon, lines: Collection[Line]) -> None:
    """Have the daemon call these lines, and wait until they have heard the model."""
    async with daemon.api() as api:
        for line in lines:
            request = call_service_pb2.PlaceCallRequest(to_address=number_of(line.number))
            request.overrides.instructions = wire.instructions(line.number)
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


def _judged(run: Run, rig: EchoRig) -> Run:
    """The run with what went wrong, counted when all calls had ended."""
    for line in rig.lines.values():
        line.close()
    return replace(run, faults=rig.faults.count, told=rig.faults.told)


def percentile(ordered: list[float], percent: float) -> float:
    """Milliseconds: the smallest value that so many percent of all do not exceed. 0 of nothing."""
    if not ordered:
        return 0.0
    rank = max(1, -(-len(ordered) * percent // 100))
    return 1000 * ordered[int(rank) - 1]
