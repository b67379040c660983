"""A real daemon behind a network of 1 Mbit/s: interruptions overtake the answer, stalls lose nothing, ends are at once.

What is a matter of bandwidth is counted in bytes that the link carried, so that a busy machine changes nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from agentic.v1 import call_pb2
from agenticd.emulator.network import LinkConfig, Path, SlowLink
from agenticd.emulator.phone import Line as Says
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.phone.playout import Playout
from agenticd.emulator.realtime import DEMO_CALLER_LINES, RealtimeConfig, Session
from agenticd.emulator.twilio.stream import MediaStream
from tests.e2e.conftest import History, Line, mistakes
from tests.e2e.lateness import ECHO, Lateness

Make = Callable[..., Any]

MBIT = 1_000_000.0
LINK = LinkConfig(to_server=Path(MBIT), to_client=Path(MBIT))
FAST = RealtimeConfig(speed=100.0)
ANSWER = "We have a table at seven, one at eight, and one at nine, in the garden or by the window. "
THIRTY_SECONDS = ANSWER * 5
HISS = bytes(random.Random(1).choices([*range(0xF0, 0x100), *range(0x70, 0x80)], k=9973))
"""A line that is not quite silent, and nowhere the same: what is lost or out of order shows."""
BAR = int(0.4 * MBIT / 8)
"""Bytes that the link carries in 400 ms."""


@dataclass
class Clear:
    """The phone's side at a `clear`."""

    passed: int
    """Bytes that the link had carried to the phone."""
    played: float
    """Seconds of audio that had come out of the phone."""
    received: int
    """Bytes of audio that had come."""
    at: float
    """On the loop's clock."""


@dataclass
class Watch:
    """What is seen of the phone and of the model while it happens."""

    link: Callable[[], SlowLink]
    started: tuple[int, float] | None = None
    """At the model's first speech_started: the bytes that the link had carried to the phone, the seconds played."""
    clears: list[Clear] = field(default_factory=list)
    received: bytearray = field(default_factory=bytearray)
    playout: Playout | None = None
    stalls_at: int | None = None
    """The link stalls when more bytes of audio than that have come: in that moment, whatever the machine does then."""
    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, met: Callable[[], object]) -> None:
        while not met():
            self._changed.clear()
            await self._changed.wait()

    def changed(self) -> None:
        self._changed.set()

    def played(self, now: float) -> float:
        if self.playout is None:
            return 0.0
        self.playout.advance(now)
        return (self.playout.accepted - self.playout.buffered) / 8000


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """The one call of the test, watched. `link` is set by `slow`."""
    seen = Watch(lambda: pytest.fail("no link"))
    take, clear, emit = MediaStream._take, Playout.clear, Session.emit
    clock: list[Callable[[], float]] = []

    def watched_take(self: MediaStream, message: str | bytes) -> None:
        seen.playout = self._call.phone.playout
        clock[:] = [lambda: self._call.phone.seconds(asyncio.get_running_loop().time())]
        take(self, message)
        seen.received = self.received
        if seen.stalls_at is not None and len(seen.received) > seen.stalls_at:
            seen.stalls_at = None
            stall(seen.link())
            seen.stalled.set()
        seen.changed()

    def watched_clear(self: Playout, now: float) -> None:
        at = asyncio.get_running_loop().time()
        seen.clears.append(Clear(seen.link().to_client.passed, seen.played(now), len(seen.received), at))
        clear(self, now)

    def watched_emit(self: Session, kind: str, **fields: Any) -> None:
        if kind == "input_audio_buffer.speech_started" and seen.started is None:
            seen.started = seen.link().to_client.passed, seen.played(clock[0]())
        emit(self, kind, **fields)

    monkeypatch.setattr(MediaStream, "_take", watched_take)
    monkeypatch.setattr(Playout, "clear", watched_clear)
    monkeypatch.setattr(Session, "emit", watched_emit)
    return seen


async def slow(line: Make, watch: Watch, **arguments: Any) -> tuple[Line, SlowLink]:
    desk: Line = await line(link=LINK, realtime=FAST, **arguments)
    link = desk.sandbox.link
    assert link is not None
    watch.link = lambda: link
    return desk, link


def stall(link: SlowLink) -> None:
    link.to_client.stall()
    link.to_server.stall()


def resume(link: SlowLink) -> None:
    link.to_client.resume()
    link.to_server.resume()


async def stand_still(watch: Watch) -> None:
    """Wait for the stall, and let it last for longer than all that had come until then takes to be played."""
    await watch.stalled.wait()
    await asyncio.sleep(1.5)


def phone_time(desk: Line) -> float:
    """Now, on the call's time line."""
    return desk.phone_call().phone.seconds(asyncio.get_running_loop().time())


def said(session: Session) -> list[bytes]:
    """What the model has said to its end, an utterance each, in whole frames."""
    done = [item for item in session.items if item.role == "assistant" and item.status == "completed"]
    audio = [bytes(part.audio) for item in done for part in item.content]
    return [utterance + b"\xff" * (-len(utterance) % 160) for utterance in audio]


async def test_an_interruption_overtakes_thirty_seconds_of_answer(line: Make, watch: Watch) -> None:
    phone = PhoneScript(ring=0.1, lines=(Says(say=DEMO_CALLER_LINES[0], after="over", pause=1.0),))
    desk, _ = await slow(line, watch, greeting=THIRTY_SECONDS, default_phone=phone)
    with Lateness() as lateness:
        call_id = await desk.place()
        history = await desk.follow(call_id, until="agent_interrupted")
        session = desk.model_session()
        await watch.until(lambda: watch.clears)
    assert watch.started is not None
    assert len(session.audio_sent) >= 30 * 8000  # the model had said it all
    (cleared,) = watch.clears
    assert cleared.passed - watch.started[0] <= BAR
    assert cleared.received < 20 * 8000  # most of it never left the daemon
    heard_right(history, session, watch, lateness)

    # All that comes after the clear is the next answer.
    def all_came() -> bool:
        spoken = said(session)
        return len(spoken) > 1 and len(watch.received) >= cleared.received + len(spoken[1])

    await watch.until(all_came)
    assert watch.received[cleared.received :] == said(session)[1]
    await desk.client.hang_up(call_id)
    await desk.follow(call_id)
    assert mistakes(session) == []


async def test_a_stall_loses_nothing_either_way(line: Make, watch: Watch) -> None:
    phone = PhoneScript(ring=0.1, noise=HISS)
    desk, link = await slow(line, watch, greeting=ANSWER * 2, default_phone=phone)
    watch.stalls_at = 4000
    call_id = await desk.place()
    await stand_still(watch)
    came = len(watch.received)
    assert watch.played(phone_time(desk)) * 8000 == came  # the phone has nothing left to play
    resume(link)
    session = desk.model_session()
    await watch.until(lambda: said(session) and len(watch.received) >= len(said(session)[0]))
    assert came < len(watch.received)
    assert [bytes(watch.received)] == said(session)
    assert len(session.audio_received) > 8000
    await desk.client.hang_up(call_id)
    history = await desk.follow(call_id)
    assert "media_lost" not in history.kinds
    call = desk.phone_call()
    assert call.stream is not None
    assert call.stream.media_dropped == 0
    sent = call.phone.sent[call.stream.skip :]
    assert session.audio_received == sent[: len(session.audio_received)]


async def test_what_a_stall_kept_from_the_phone_was_not_heard(line: Make, watch: Watch) -> None:
    phone = PhoneScript(ring=0.1, lines=(Says(say=DEMO_CALLER_LINES[0], after="over", pause=1.0),))
    desk, link = await slow(line, watch, greeting=THIRTY_SECONDS, default_phone=phone)
    watch.stalls_at = 4000
    with Lateness() as lateness:
        call_id = await desk.place()
        await stand_still(watch)
        resume(link)
        history = await desk.follow(call_id, until="agent_interrupted")
        await watch.until(lambda: watch.clears)
    heard_right(history, desk.model_session(), watch, lateness)
    await desk.client.hang_up(call_id)
    await desk.follow(call_id)


async def test_a_hang_up_on_a_stalled_link_ends_the_call_at_once(line: Make, watch: Watch) -> None:
    desk, link = await slow(line, watch, greeting=THIRTY_SECONDS, default_phone=PhoneScript(ring=0.1))
    watch.stalls_at = 4000
    call_id = await desk.place()
    await watch.stalled.wait()
    await desk.client.hang_up(call_id)
    history = await desk.follow(call_id, until="call_ended")  # and the link is stalled all the time
    end = history.one("call_ended").end
    assert (end.reason, end.ended_by) == (call_pb2.END_REASON_COMPLETED, call_pb2.ENDED_BY_API)
    assert desk.phone_call().status == "completed"
    resume(link)
    await desk.follow(call_id)
    assert len(watch.received) < 10 * 8000  # what had left the daemon, and not the rest of the answer


def heard_right(history: History, session: Session, watch: Watch, lateness: Lateness) -> None:
    """What the log says was heard is what the phone had played when the caller interrupted, to 40 ms.

    And not more than until it was told to stop. The model was told the same. The daemon says too little if the marks
    come late that tell it how far the phone is: the phone is of this process, and the link, which reads and writes.
    """
    assert watch.started is not None
    interrupted = history.one("agent_interrupted")
    heard = interrupted.heard.ToMilliseconds() / 1000
    played, cleared = watch.started[1], watch.clears[0].played
    began = min(note.at for note in session.told if note.kind == "response.created")
    late = (ECHO + 2) * lateness.worst(began, watch.clears[0].at) / 1000
    assert played - 0.04 - late <= heard <= cleared + 0.04
    item = next(item for item in session.items if item.id == interrupted.item_id)
    assert len(item.content[0].audio) / 8000 == heard
