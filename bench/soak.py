"""Churn: short calls through the real daemon, a few at once, for minutes; and what of it stays behind.

Each call is placed by gRPC, answered, talks for 2 s (the model echoes every frame) and is hung up by its
phone. The daemon's memory, descriptors and threads are sampled from outside. The bar: after 5 minutes of
churn its memory grows by less than 1 MB per 10 minutes; descriptors and live calls are back where they were.
Only the second, and lost audio, is judged by the exit code: memory is noisy, its slope is for people.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from statistics import median
from time import monotonic

import click
import grpc

from agentic.v1 import call_pb2, call_service_pb2, node_service_pb2
from agenticd.core.log import MAX_EVENTS
from bench import bridges, proc
from bench.audio import Delays, Faults, Line
from bench.bridges import Api, BridgeFailed
from bench.carrier import Carrier, CarrierCall, number_of
from bench.measure import all_arrived
from bench.model import EchoModel
from bench.phone import Pacer, Phone
from bench.proc import Cores, on_core

TALK_SECONDS = 2.0
_SHORT_TALK = 0.1
_LOOK_EVERY = 10.0
_MEGABYTE = 1e6
_WARM_UP = 300.0  # seconds of churn before memory is looked at; of a shorter soak a third
_SAMPLES = 240
_SAMPLE_EVERY = 1.0  # at the least
_CALL_WITHIN = 60.0
_BACK_WITHIN = 60.0
_QUIET = 22.0  # the daemon closes idle connections meanwhile, which it does 10 to 20 s after their last use


@dataclass(frozen=True, slots=True)
class Options:
    """How long, and how many calls at once."""

    minutes: float
    calls: int
    fill: bool = False
    """Fill the part of the log that is kept in memory, before."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The daemon at one moment. `at` in seconds since the churn began, memory in bytes."""

    at: float
    memory: int
    descriptors: int
    threads: int
    live_calls: int
    head_revision: int
    calls_done: int
    tasks: int = 0
    """Of its event loop; looked at only before and after the churn."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the soak showed. Slopes in MB per 10 minutes, None where there are too few samples."""

    begin: Sample
    end: Sample
    slope: float | None
    slope_from: float
    faults: int
    told: list[str]
    stayed: list[str]
    """What is open at the end and was not at the start."""
    samples: list[Sample]

    @property
    def came_back(self) -> bool:
        """Whether descriptors, tasks and calls did."""
        begin, end = self.begin, self.end
        return end.descriptors <= begin.descriptors and end.tasks <= begin.tasks and end.live_calls <= begin.live_calls


class _Churn:
    """The calls, and the counting of them."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.done = 0
        self.talk_seconds = TALK_SECONDS
        self._delays = Delays()
        self._lines: dict[int, Line] = {}
        self._over: dict[int, asyncio.Event] = {}
        self._next = 0
        self.model = EchoModel(self._lines, self.faults)
        self.carrier = Carrier(self._lines, self.faults, self._talk, self._ended)
        self._pacer = Pacer(self._delays)

    async def call(self, api: Api) -> None:
        """One call from end to end. Raises AioRpcError when the daemon does not take it."""
        number, self._next = self._next, (self._next + 1) % 10_000_000
        over = self._over[number] = asyncio.Event()
        self._lines[number] = Line(number, self._delays, self.faults)
        try:
            request = call_service_pb2.PlaceCallRequest(to_address=number_of(number))
            placed = await api.calls.PlaceCall(request, timeout=10)
            try:
                async with asyncio.timeout(_CALL_WITHIN):
                    await over.wait()
            except TimeoutError:
                shown = await api.calls.GetCall(
                    call_service_pb2.GetCallRequest(call_id=placed.call.call_id), timeout=10
                )
                state = call_pb2.CallState.Name(shown.call.state)
                self.faults.add(f"call {number} was not over after {_CALL_WITHIN:.0f} s, but {state}")
        finally:
            del self._lines[number], self._over[number]
        self.done += 1
        self._delays.clear()

    def _ended(self, number: int) -> None:
        over = self._over.get(number)
        if over is not None:
            over.set()

    async def _talk(self, phone: Phone, call: CarrierCall) -> None:
        self._pacer.add(phone, random.random())
        await asyncio.sleep(self.talk_seconds)
        self._pacer.remove(phone)
        await all_arrived([phone.line])


async def soak(options: Options) -> Result:
    """Do it. Raises BridgeFailed."""
    cores = Cores.choose()
    churn = _Churn()
    with on_core(cores.generator), tempfile.TemporaryDirectory(prefix="agenticd-soak-") as name:
        async with (
            churn.model.serving(),
            churn.carrier.serving(),
            bridges.daemon(Path(name), churn.carrier.api_url, churn.model.realtime_url, cores.bridge) as daemon,
            daemon.api() as api,
            daemon.explaining(),
        ):
            watch = _Watch(daemon, api, churn)
            await _together(churn, api, options.calls)
            if options.fill:
                await _fill(churn, api, watch, options.calls)
            begin = await watch.settled(None)
            targets = proc.descriptor_targets(daemon.pid)
            _say(f"at the start: {_said(begin)}")
            await _keep_calling(churn, api, watch, options)
            end = await watch.settled(begin)
            stayed = _more(targets, proc.descriptor_targets(daemon.pid))
    return _result(watch.samples, begin, end, churn.faults, stayed)


class _Watch:
    """Looks at the daemon from outside, and remembers."""

    def __init__(self, daemon: bridges.RunningDaemon, api: Api, churn: _Churn) -> None:
        self.samples: list[Sample] = []
        self._daemon = daemon
        self._pid = daemon.pid
        self._api = api
        self._churn = churn
        self._began = monotonic()

    def begin(self) -> None:
        """The churn begins now."""
        self._began = monotonic()

    async def look(self) -> Sample:
        """The daemon as it is now. Raises BridgeFailed when it is no more."""
        try:
            status = await self._api.node.GetStatus(node_service_pb2.GetStatusRequest(), timeout=10)
            return Sample(
                at=monotonic() - self._began,
                memory=proc.rss_bytes(self._pid),
                descriptors=proc.descriptors(self._pid),
                threads=proc.threads(self._pid),
                live_calls=status.live_calls,
                head_revision=status.head_revision,
                calls_done=self._churn.done,
            )
        except (FileNotFoundError, grpc.aio.AioRpcError) as error:
            raise BridgeFailed("the daemon ended, or does not answer GetStatus") from error

    async def settled(self, before: Sample | None) -> Sample:
        """The daemon when nothing is going on any more, or when it has had its time for that."""
        until = monotonic() + _BACK_WITHIN
        seen = await self.look()
        while monotonic() < until and (seen.live_calls or self._churn.model.open):
            await asyncio.sleep(0.5)
            seen = await self.look()
        await asyncio.sleep(_QUIET)
        seen = await self.look()
        while before is not None and monotonic() < until and seen.descriptors > before.descriptors:
            await asyncio.sleep(0.5)
            seen = await self.look()
        return replace(seen, tasks=await self._daemon.tasks())


async def _together(churn: _Churn, api: Api, calls: int) -> None:
    """So many calls at once, each once."""
    async with asyncio.TaskGroup() as group:
        for _ in range(calls):
            group.create_task(churn.call(api))


async def _calls_until(churn: _Churn, api: Api, calls: int, until: float) -> None:
    """Calls after calls, so many at once."""

    async def one_after_another() -> None:
        await asyncio.sleep(random.random() * churn.talk_seconds)
        while monotonic() < until:
            await churn.call(api)

    async with asyncio.TaskGroup() as group:
        for _ in range(calls):
            group.create_task(one_after_another())


async def _fill(churn: _Churn, api: Api, watch: _Watch, calls: int) -> None:
    """Make calls that are soon hung up until as many events are in the log as it keeps in memory."""
    _say(f"filling the log with {MAX_EVENTS:,} events")
    churn.talk_seconds = _SHORT_TALK
    while (await watch.look()).head_revision < MAX_EVENTS:
        await _calls_until(churn, api, calls, monotonic() + _LOOK_EVERY)
    churn.talk_seconds = TALK_SECONDS


async def _keep_calling(churn: _Churn, api: Api, watch: _Watch, options: Options) -> None:
    """Calls after calls until the time is up, and a sample now and then."""
    watch.begin()
    seconds = options.minutes * 60
    until = monotonic() + seconds
    every = max(seconds / _SAMPLES, _SAMPLE_EVERY)
    async with asyncio.TaskGroup() as group:
        group.create_task(_calls_until(churn, api, options.calls, until))
        told = 0
        while monotonic() < until:
            await asyncio.sleep(every)
            sample = await watch.look()
            watch.samples.append(sample)
            if sample.at >= (told + 1) * 60:
                told = int(sample.at // 60)
                _say(f"{told:4d} min: {_said(sample)}")


def _result(samples: list[Sample], begin: Sample, end: Sample, faults: Faults, stayed: list[str]) -> Result:
    warm_up = min(_WARM_UP, samples[-1].at / 3) if samples else 0.0
    points = [(sample.at, float(sample.memory)) for sample in samples if sample.at >= warm_up]
    slope = robust_slope(points)
    return Result(
        begin=begin,
        end=end,
        slope=None if slope is None else slope * 600 / _MEGABYTE,
        slope_from=warm_up,
        faults=faults.count,
        told=faults.told,
        stayed=stayed,
        samples=samples,
    )


def robust_slope(points: Sequence[tuple[float, float]]) -> float | None:
    """Theil and Sen: the median slope between all pairs, which outliers do not move. None of too few."""
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x2 != x1]
    return median(slopes) if slopes else None


def _more(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """What is there now and was not. Numbers in brackets name the single socket, not its kind."""
    left = [each.partition("[")[0] for each in before]
    more = []
    for each in after:
        kind = each.partition("[")[0]
        if kind in left:
            left.remove(kind)
        else:
            more.append(each)
    return more


def show(result: Result, options: Options) -> None:
    """Print it."""
    begin, end = result.begin, result.end
    seconds = options.minutes * 60
    done = end.calls_done - begin.calls_done
    click.echo(f"{done} calls in {options.minutes:g} min, {options.calls} at once, {done / seconds:.1f} a second")
    click.echo(f"{'':16}{'start':>12}{'end':>12}")
    for name, first, last in (
        ("memory, MB", f"{begin.memory / _MEGABYTE:.1f}", f"{end.memory / _MEGABYTE:.1f}"),
        ("descriptors", str(begin.descriptors), str(end.descriptors)),
        ("threads", str(begin.threads), str(end.threads)),
        ("tasks", str(begin.tasks), str(end.tasks)),
        ("live calls", str(begin.live_calls), str(end.live_calls)),
        ("events", str(begin.head_revision), str(end.head_revision)),
    ):
        click.echo(f"{name:16}{first:>12}{last:>12}")
    if result.slope is not None:
        click.echo(
            f"memory grew by {result.slope:+.2f} MB per 10 min, from minute {result.slope_from / 60:.1f} on"
            " (median of all slopes; the bar is 1.00, from minute 5 on)"
        )
        if begin.head_revision < MAX_EVENTS:
            click.echo(
                f"  with it {end.head_revision - begin.head_revision:,} events, of which the daemon keeps up to"
                f" {MAX_EVENTS:,} in memory: see --fill"
            )
    for text in result.told:
        click.echo(f"fault: {text}")
    if not result.came_back:
        click.echo(
            f"descriptors, tasks or calls did not come back; more: {', '.join(result.stayed) or 'tasks or calls'}"
        )
    click.echo(f"{result.faults} faults" if result.faults else "Every byte arrived once, in order, unchanged.")


def write_json(path: Path, result: Result, options: Options) -> None:
    """Everything, for programs."""
    path.write_text(json.dumps({"options": asdict(options), "result": asdict(result)}, indent=1) + "\n")


def _said(sample: Sample) -> str:
    return (
        f"{sample.memory / _MEGABYTE:.1f} MB, {sample.descriptors} descriptors, {sample.threads} threads,"
        f" {sample.live_calls} live calls, {sample.calls_done} calls done, {sample.head_revision} events"
    )


def _say(text: str) -> None:
    click.echo(text, err=True)
