"""Whoever counts or tells hears of each event once, in order, and only of what became durable after the start."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agenticd.adapters.host.observer import SLICE, Observer
from agenticd.adapters.store.sqlite import Config, SqliteLog
from agenticd.core.events import Event
from agenticd.core.log import Logged
from tests.log_support import Call, JsonCodec, ManualClock, append_all


class Ear:
    """Hears only of what it wants; wants digits, for example."""

    def __init__(self, kind: str = "digit_received") -> None:
        self.asked: list[int] = []
        self.events: list[Event] = []
        self.enough = asyncio.Event()
        self._kind = kind

    def wants(self, logged: Logged) -> bool:
        self.asked.append(logged.revision)
        return logged.kind == self._kind

    def heard(self, event: Event) -> None:
        self.events.append(event)
        self.enough.set()


async def test_each_event_is_heard_once_and_in_order(tmp_path: Path) -> None:
    log = await SqliteLog.open(Config(tmp_path / "a.db"), JsonCodec(), ManualClock())
    call = Call()
    await append_all(log, call.queued(), call.digit("1"))
    digits, ends = Ear(), Ear("call_closed")
    Observer(log, JsonCodec(), (digits, ends))
    keys = [str(number % 10) for number in range(3 * SLICE)]
    revisions = await append_all(log, *(call.digit(key) for key in keys), call.closed())
    await ends.enough.wait()
    assert digits.asked == ends.asked == revisions, "not what was there before"
    assert [event.payload.digit for event in digits.events] == keys  # type: ignore[union-attr]
    assert len(ends.events) == 1
    await log.close()


async def test_those_who_wait_for_what_is_durable_come_before_those_who_count(tmp_path: Path) -> None:
    log = await SqliteLog.open(Config(tmp_path / "a.db"), JsonCodec(), ManualClock())
    ear, order = Ear(), list[str]()
    Observer(log, JsonCodec(), (ear,))
    log.subscribe(lambda: order.append("subscriber"))
    call = Call()
    log.append(call.digit(), lambda _revision: order.append(f"durable, {len(ear.asked)} counted"))
    await ear.enough.wait()
    assert order == ["durable, 0 counted", "subscriber"]
    await log.close()
