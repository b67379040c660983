"""What waits for a phone that does not take it: in order, thrown away at once, and never counted as heard."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agenticd.core import inputs, realtime
from agenticd.core.events import AgentInterrupted, EndedBy, EndReason
from agenticd.core.playout import FRAME
from agenticd.service import outlet
from agenticd.service.outlet import Outlet
from agenticd.service.session import Session
from tests.service.test_session import live, settle
from tests.service.world import SID, HandMedia, Hands

PAYLOAD = base64.b64encode(b"\x55" * FRAME).decode()
SECOND = base64.b64encode(b"\x55" * 8000).decode()


@asynccontextmanager
async def talking(media: HandMedia) -> AsyncIterator[tuple[Hands, Session]]:
    """A call that was answered, and whose model speaks for a second into a socket that takes nothing."""
    hands = Hands()
    async with live(hands) as session:
        session.feed(inputs.DialGranted())
        hands.log.commit()
        await settle()
        session.feed(inputs.VoiceRequested(SID))
        session.feed(realtime.SessionCreated("sess", "m", 0))
        session.feed(realtime.SessionUpdated("sess", "m", "audio/pcmu", "audio/pcmu"))
        session.attach(media, "MZ", 1)
        media.writable = False
        media.orders.clear()
        session.feed(realtime.ResponseCreated("r1"))
        session.feed(realtime.ItemAdded("i1", None, "message", "assistant"))
        session.feed(realtime.AudioDelta("r1", "i1", 0, SECOND))
        yield hands, session


def heard(hands: Hands) -> float:
    """Seconds that the log says were heard before the interruption."""
    hands.log.commit()
    (interrupted,) = [e.payload for e in hands.log.events if isinstance(e.payload, AgentInterrupted)]
    return interrupted.heard


def shut(media: HandMedia) -> None:
    media.writable = False


def open_again(media: HandMedia) -> None:
    media.writable = True
    assert media.on_writable is not None
    media.on_writable()


def test_while_the_socket_takes_frames_nothing_waits() -> None:
    media, told = HandMedia(), list[int]()
    out = Outlet(media, told.append)
    out.play(PAYLOAD)
    out.mark("m")
    assert media.orders == [("play", PAYLOAD), ("mark", "m")]
    assert told == []


def test_what_waited_goes_out_in_its_order() -> None:
    media, told = HandMedia(), list[int]()
    out = Outlet(media, told.append)
    shut(media)
    out.play("a" * 216)
    out.mark("m")
    out.play(PAYLOAD)
    assert media.orders == []
    assert told == [162, 162 + FRAME]
    open_again(media)
    assert media.orders == [("play", "a" * 216), ("mark", "m"), ("play", PAYLOAD)]
    assert told[-1] == 0


def test_what_comes_while_the_ring_drains_stands_behind_it() -> None:
    media, told = HandMedia(), list[int]()
    out = Outlet(media, told.append)
    shut(media)
    out.play("a" * 216)
    out.play("b" * 216)
    original = media.play

    def play_and_fill(payload: str) -> None:
        original(payload)
        media.writable = False

    media.play = play_and_fill  # type: ignore[method-assign]
    open_again(media)
    out.play("c" * 216)
    assert media.orders == [("play", "a" * 216)]
    assert told[-2:] == [162, 324]
    open_again(media)
    open_again(media)
    assert [payload for _, payload in media.orders] == ["a" * 216, "b" * 216, "c" * 216]


def test_a_clear_overtakes_and_empties_what_waits() -> None:
    media, told = HandMedia(), list[int]()
    out = Outlet(media, told.append)
    shut(media)
    out.play(PAYLOAD)
    out.mark("m")
    out.clear()
    assert media.orders == [("clear", None)]
    assert told == [FRAME, 0]
    open_again(media)
    assert media.orders == [("clear", None)]


def test_the_end_of_the_stream_does_not_wait() -> None:
    media, told = HandMedia(), list[int]()
    out = Outlet(media, told.append)
    shut(media)
    out.play(PAYLOAD)
    out.close()
    assert media.orders == [("close", 1000)]
    assert media.on_writable is None


def test_a_phone_that_is_ten_minutes_behind_is_given_up() -> None:
    media, told = HandMedia(), list[int]()
    out = Outlet(media, told.append)
    shut(media)
    minute = base64.b64encode(bytes(60 * 8000)).decode()
    for _ in range(outlet.HELD_LIMIT // (60 * 8000)):
        out.play(minute)
    assert media.orders == []
    out.play(PAYLOAD)
    assert media.orders == [("close", 1000)]


async def test_what_waits_was_not_heard() -> None:
    media = HandMedia()
    async with talking(media) as (hands, session):
        hands.clock.now += 0.5  # the phone would have played half of it, had it come
        session.feed(realtime.SpeechStarted("c1", 100))
        assert heard(hands) == 0.0
        assert [name for name, _ in media.orders] == ["clear"]


async def test_after_a_stall_the_clock_begins_when_the_audio_went_out() -> None:
    media = HandMedia()
    async with talking(media) as (hands, session):
        hands.clock.now += 2.0
        open_again(media)
        hands.clock.now += 0.25
        session.feed(realtime.SpeechStarted("c1", 100))
        assert abs(heard(hands) - 0.25) < 0.001


async def test_a_hang_up_does_not_stand_behind_audio() -> None:
    media = HandMedia()
    async with talking(media) as (hands, session):
        session.feed(inputs.HangUpRequested(EndReason.COMPLETED, EndedBy.API))
        hands.log.commit()
        await settle()
        assert [name for name, _ in media.orders] == ["clear", "close"]


async def test_a_stream_that_takes_the_place_of_another_begins_with_an_empty_ring() -> None:
    media, newer = HandMedia(), HandMedia()
    async with talking(media) as (_, session):
        session.attach(newer, "MZ2", 2)
        assert [name for name, _ in media.orders] == ["close"]
        assert newer.orders == []
