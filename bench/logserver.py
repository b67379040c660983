"""`python -m bench.logserver FOLDER`: the daemon's log, watch and API in one process and on one loop, as in the daemon;
what happens is made up here, at a rate. Driven by eventlog.py over its standard input and output, a line of JSON each.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import structlog
import uvloop

from agenticd.adapters.host.clock import SystemClock
from agenticd.adapters.rpc.codec import ProtoEventCodec
from agenticd.adapters.rpc.server import Config as RpcConfig
from agenticd.adapters.rpc.server import RpcServer
from agenticd.adapters.store import Config, SqliteLog
from agenticd.app import SWITCH_INTERVAL
from agenticd.core.events import (
    AgentBrief,
    CallOptions,
    CallRecord,
    CallState,
    Direction,
    Event,
    Speaker,
    SpeechStarted,
    SpeechStopped,
    TranscriptFinal,
    TurnMeasured,
    Usage,
    UsageReported,
)
from agenticd.core.ids import RANDOM_BYTES, new_call_id
from agenticd.core.record import apply
from agenticd.service.ports import Entry
from agenticd.service.watch import Watch
from bench.measure import percentile
from bench.proc import before_all_others

CALLS = 50
TICK = 0.005
WORDS = "I would like to know whether the blue one is still there, and what it costs."
_TURN = (
    SpeechStarted("item_caller", 4.25),
    SpeechStopped("item_caller", 7.5),
    TranscriptFinal(Speaker.CALLER, "", "item_caller", 4, WORDS, WORDS, False, 4.25, 7.5),
    TurnMeasured("item_agent", 0.8, 0.5, 0.3),
    UsageReported("resp_agent", Usage(900, 160, 300, 600, 500, 40, 120)),
    TranscriptFinal(Speaker.AGENT, "", "item_agent", 5, WORDS, WORDS, False, 8.3, 12.0),
)
"""What is recorded of one turn of a call, in its order."""
_NO_CALLS = cast(Any, None)  # nobody asks for calls here: only StreamEvents is used


class Load:
    """Appends the turns of fifty live calls, evenly, and notes when each event is durable."""

    def __init__(self, log: SqliteLog, clock: SystemClock) -> None:
        self._log, self._clock = log, clock
        self._records = [self._record() for _ in range(CALLS)]
        self._next = 0
        self.durable: list[float] = []
        self.late: list[float] = []
        self.waiting = 0

    def _record(self) -> CallRecord:
        return CallRecord(
            call_id=new_call_id(self._clock.wall(), self._clock.randomness(RANDOM_BYTES)),
            direction=Direction.OUTBOUND,
            state=CallState.IN_PROGRESS,
            from_address="+15550001111",
            to_address="+15550002222",
            agent="default",
            brief=AgentBrief("Be brief. " * 20, "Hello.", "marin", "gpt-realtime-2.1"),
            options=CallOptions(),
            node_id="bench",
            create_time=self._clock.wall(),
        )

    async def run(self, rate: int, seconds: float) -> None:
        """So many events a second, on a grid of 5 ms; how late the loop is for each tick is its longest iteration."""
        loop = asyncio.get_running_loop()
        self.durable, self.late = [], []
        begin = time.monotonic()
        done, tick = 0, 0
        while (passed := time.monotonic() - begin) < seconds:
            due = int(rate * passed)
            while done < due:
                self._append()
                done += 1
            tick = int(passed / TICK) + 1
            when = begin + tick * TICK
            waiter = loop.create_future()
            loop.call_later(max(0.0, when - time.monotonic()), waiter.set_result, None)
            await waiter
            self.late.append(max(0.0, time.monotonic() - when))
        for _ in range(int(rate * seconds) - done):  # what a stall at the end has left over
            self._append()

    def _append(self) -> None:
        place, self._next = self._next, (self._next + 1) % CALLS
        before, wall = self._records[place], self._clock.wall()
        payload = _TURN[(before.last_sequence + place) % len(_TURN)]  # each call is at another point of its turn
        record = self._records[place] = apply(before, payload, wall)
        event = Event(record.call_id, record.last_sequence, wall, payload)
        self.waiting += 1
        self._log.append(Entry(record, event), self._noted(time.monotonic()))

    def _noted(self, begin: float) -> Callable[[int | None], None]:
        durable = self.durable  # that of the present run: what was appended before it is none of its events

        def on_durable(revision: int | None) -> None:
            self.waiting -= 1
            durable.append(time.monotonic() - begin)

        return on_durable


async def main(folder: Path) -> None:
    """Serve until standard input ends."""
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
    )
    sys.setswitchinterval(SWITCH_INTERVAL)
    clock = SystemClock()
    log = await SqliteLog.open(Config(folder / "agenticd.db"), ProtoEventCodec(), clock)
    watch = Watch(log, clock, "bench")
    rpc = RpcServer(RpcConfig((f"unix:{folder / 'api.sock'}",)), _NO_CALLS, watch, log)
    await rpc.start()
    load = Load(log, clock)
    gc.collect()
    gc.freeze()  # as the daemon does
    say({"ready": True})
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        await load.run(order["rate"], order["warm_up"])
        cpu, begin, transactions = time.process_time(), time.monotonic(), log.append_seconds.count
        await load.run(order["rate"], order["seconds"])
        took, cpu = time.monotonic() - begin, time.process_time() - cpu
        transactions = log.append_seconds.count - transactions
        while load.waiting:  # noqa: ASYNC110 - what is measured is over
            await asyncio.sleep(0.01)
        durable, late = sorted(load.durable), sorted(load.late)
        say(
            {
                "events": len(durable),
                "durable": [percentile(durable, percent) for percent in (50, 99, 100)],
                "late": [percentile(late, percent) for percent in (50, 99, 100)],
                "transactions": transactions / took,
                "cpu": 100 * cpu / took,
                "began": begin,
                "took": took,
                "head": log.window.head,
                "streams": watch.count,
            }
        )
    await rpc.stop(0)
    await log.close()


def say(answer: dict[str, Any]) -> None:
    """One line."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if "--realtime" in sys.argv:
        before_all_others(2)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(sys.argv[1])))
