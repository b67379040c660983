"""What the daemon says was heard is what the phone played, whenever the caller breaks in and however the model stalls.

The truth is the emulated phone's own record of what it had played when it was told to forget the rest. On a busy
machine two delays are none of the daemon's doing, and are measured. It decides between the model's `speech_started` and
the phone's `clear`, and the phone plays on meanwhile (about 1 ms else). And it knows only from marks how far the phone
is, which the emulator, in this process, echoes late when this process is late (about 1 ms else). Both can only make the
daemon say too little.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from agentic.v1 import event_pb2
from agenticd.emulator.phone import Line as Says
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.realtime import (
    DEMO_GREETING,
    Dialogue,
    Messages,
    Noted,
    RealtimeConfig,
    RealtimeFaults,
    Rule,
    Session,
    Stall,
)
from agenticd.emulator.twilio import Call
from agenticd.emulator.voice import Voice
from tests.e2e.conftest import History, Line, mistakes
from tests.e2e.lateness import ECHO, Lateness

Make = Callable[..., Any]

BAR = 40.0
"""ms between what the daemon says and what the phone played."""
STOP = "No, thank you."
REPLY = "You are welcome."
ASK = "What is your address?"
ANSWER = "We are at twelve Garden Street, next to the old theatre."
THREE = ("I will put you through to a colleague.", ANSWER, "Is there anything else I can do for you?")
BRAIN = Dialogue(rules=(Rule("no, thank", REPLY), Rule("address", ANSWER), Rule("menu", Messages(THREE))))

_NOTICED_MS = 140
"""From the start of the agent's voice until who waits for it begins his line: the emulated ear, and its frame."""
_VAD_MS = 100
"""From the start of the caller's voice until the model hears speech."""


def audio_of(text: str) -> bytes:
    return Voice().say(text, "agent")


def frames_of(text: str) -> bytes:
    """Its audio as the phone gets it."""
    audio = audio_of(text)
    return audio + b"\xff" * (-len(audio) % 160)


def over(ms: int, text: str = STOP) -> Says:
    """The model hears that the caller speaks when the agent has spoken for about `ms`, 240 at least."""
    lead = b"\xff" * 8 * (ms - _NOTICED_MS - _VAD_MS)
    return Says(audio=lead + Voice().say(text, "caller"), after="over", pause=0)


@dataclass
class Told:
    """One call and what everybody knows of it."""

    history: History
    call: Call
    session: Session
    lateness: Lateness

    @property
    def received(self) -> bytes:
        """All that came for the phone to play."""
        assert self.call.stream is not None
        return bytes(self.call.stream.received)

    def orders(self, kind: str) -> list[Noted]:
        """What the daemon ordered of the model."""
        return [note for note in self.session.asked if note.kind == f"conversation.item.{kind}"]

    def last(self, kind: str, before: float) -> float:
        """When the model told this last, before that moment."""
        return max(note.at for note in self.session.told if note.kind == kind and note.at <= before)

    def final(self, text: str) -> Any:
        """The agent's utterance on record that begins like this text."""
        finals = [final for final in self.history.all("transcript_final") if final.text and text.startswith(final.text)]
        (found,) = [final for final in finals if final.speaker == event_pb2.SPEAKER_AGENT]
        return found


async def talk(desk: Line, number: str, *, turns: int = 1, greeting: str = DEMO_GREETING) -> Told:
    """A call to that phone, until the agent has begun to answer so many turns."""
    call_id = await desk.place(number, greeting=greeting, instructions=number)
    answers = 0

    async def on(event: event_pb2.Event) -> None:
        nonlocal answers
        answers += event.WhichOneof("payload") == "turn_measured"
        if answers == turns and event.WhichOneof("payload") == "turn_measured":
            await desk.client.hang_up(call_id)

    with Lateness() as lateness:
        history = await desk.follow(call_id, on)
    (session,) = [session for session in desk.sandbox.realtime.sessions if session.instructions == number]
    assert mistakes(session) == []
    return Told(history, desk.phone_call(number), session, lateness)


def difference(told: Told, cut: int = 0, before: Sequence[str] = (), model_lag_ms: int = 0) -> float:
    """ms between `heard` of the nth barge-in and what the phone played of that utterance.

    `before`: what the phone had got to play before it, since the last `clear`. `model_lag_ms`: by so much the phone's
    copy may lag behind the model's. Checks all that hangs on the number.
    """
    phone, interrupted = told.call.phone, told.history.all("agent_interrupted")[cut]
    cleared = phone.playout.cleared[cut]
    begin = phone.playout.cleared[cut - 1].accepted if cut else 0
    begin += sum(len(frames_of(text)) for text in before)
    played = (cleared.accepted - cleared.dropped - begin) / 8
    heard = interrupted.heard.ToMilliseconds()
    at = cleared.at - phone.seconds(0)
    started = told.last("input_audio_buffer.speech_started", at)
    lag = 1000 * (at - started)
    late = ECHO * told.lateness.worst(told.last("response.created", started), at)
    off = heard - played if heard > played else max(0.0, played - heard - lag - late)
    print(
        f"heard {heard}, played {played:.1f}: {heard - played:+.1f} ms; {lag:.1f} ms to clear, {late:.1f} ms late here"
    )
    truncated = told.orders("truncate")[cut]
    assert truncated.item_id == interrupted.item_id
    assert truncated.audio_end_ms is not None
    assert 0 <= heard - truncated.audio_end_ms <= 1 + model_lag_ms  # the same number, in whole milliseconds
    check_words(told, interrupted.item_id)
    return off


def check_words(told: Told, item_id: str) -> None:
    """What the caller is said to have heard is the beginning of what the agent said, in whole words."""
    (final,) = [final for final in told.history.all("transcript_final") if final.item_id == item_id]
    assert final.interrupted
    assert final.text.startswith(final.heard_text)
    assert not final.heard_text or final.text[len(final.heard_text) :][:1] in ("", " ")


FAST = RealtimeConfig(speed=1000)
"""An answer is made at once: when the caller breaks in, it is done and seconds of it wait in the phone's buffer."""


async def test_an_answer_that_waits_in_the_phones_buffer_is_cut_to_what_was_played(line: Make) -> None:
    length = len(audio_of(DEMO_GREETING)) // 8
    cases = {"+15550000001": 240, "+15550000002": 1500, "+15550000003": 3000, "+15550000004": length - 300}
    phones = {number: PhoneScript(ring=0.1, lines=(over(ms),)) for number, ms in cases.items()}
    # In one piece: of several, some may come after the first of these callers, however fast they are made.
    whole = replace(FAST, chunk_ms=length + 1)
    desk: Line = await line(brain=BRAIN, realtime=whole, phones=phones)
    for told in await asyncio.gather(*(talk(desk, number) for number in cases)):
        assert difference(told) <= BAR
        cleared = told.call.phone.playout.cleared[0]
        (interrupted,) = told.history.all("agent_interrupted")
        # It was whole, at the model and at the phone; what waited was thrown away, and then only the answer came.
        kinds = [note.kind for note in told.session.told]
        assert kinds.index("response.done") < kinds.index("input_audio_buffer.speech_started")
        assert cleared.accepted == len(frames_of(DEMO_GREETING))
        audio = interrupted.heard.ToMilliseconds() + interrupted.discarded.ToMilliseconds()
        assert audio == pytest.approx(length, abs=2)
        assert only_reply(told.received[cleared.accepted :])
        final = told.final(DEMO_GREETING)
        assert final.text == DEMO_GREETING
        assert len(final.heard_text) < len(DEMO_GREETING)


async def test_with_audio_that_is_converted_the_number_is_as_right(line: Make) -> None:
    phone = PhoneScript(ring=0.1, lines=(over(1500),))
    desk: Line = await line(brain=BRAIN, realtime=FAST, default_phone=phone, settings="    audio: pcm24\n")
    told = await talk(desk, "+15550000001")
    assert difference(told, model_lag_ms=2) <= BAR


async def test_speech_after_the_end_of_an_answer_cuts_nothing(line: Make) -> None:
    length = len(audio_of(DEMO_GREETING)) // 8
    phone = PhoneScript(ring=0.1, lines=(over(length + 400),))
    desk: Line = await line(brain=BRAIN, realtime=FAST, default_phone=phone)
    told = await talk(desk, "+15550000001")
    assert told.history.all("agent_interrupted") == []
    assert told.orders("truncate") == told.orders("delete") == []
    assert told.received.startswith(frames_of(DEMO_GREETING))
    assert only_reply(told.received[len(frames_of(DEMO_GREETING)) :])
    final = told.final(DEMO_GREETING)
    assert (final.heard_text, final.interrupted) == (DEMO_GREETING, False)


async def test_two_barge_ins_in_a_row(line: Make) -> None:
    phone = PhoneScript(ring=0.1, lines=(over(900, ASK), over(1200)))
    desk: Line = await line(brain=BRAIN, realtime=FAST, default_phone=phone)
    told = await talk(desk, "+15550000001", turns=2)
    assert len(told.history.all("agent_interrupted")) == 2
    assert difference(told, 0) <= BAR
    assert difference(told, 1) <= BAR
    first, second = told.call.phone.playout.cleared[:2]
    assert told.received[first.accepted : second.accepted] == frames_of(ANSWER)
    assert only_reply(told.received[second.accepted :])


@pytest.mark.parametrize("nth", [0, 1])
async def test_of_several_utterances_that_wait_one_is_cut_and_the_later_ones_are_deleted(line: Make, nth: int) -> None:
    ahead = sum(len(frames_of(text)) for text in THREE[:nth]) // 8
    lines = (Says(say="Please tell me about the menu.", after="time", pause=0.2), over(ahead + 1000))
    desk: Line = await line(brain=BRAIN, realtime=FAST, default_phone=PhoneScript(ring=0.1, lines=lines))
    told = await talk(desk, "+15550000001", turns=2, greeting="")
    assert difference(told, before=THREE[:nth]) <= BAR
    finals = [told.final(text) for text in THREE]
    assert [final.interrupted for final in finals] == [False] * nth + [True] * (3 - nth)
    assert [final.text for final in finals] == list(THREE)
    assert [final.heard_text for final in finals[:nth]] == list(THREE[:nth])
    assert finals[nth].heard_text
    assert [final.heard_text for final in finals[nth + 1 :]] == [""] * (2 - nth)
    assert [final.position for final in finals] == [2, 3, 4]
    # The model forgets what nobody heard, and keeps the rest.
    deleted = [final.item_id for final in finals[nth + 1 :]]
    assert [order.item_id for order in told.orders("delete")] == deleted
    kept = {item.id for item in told.session.items}
    assert [final.item_id in kept for final in finals] == [True] * (nth + 1) + [False] * (2 - nth)
    assert only_reply(told.received[told.call.phone.playout.cleared[0].accepted :])


@pytest.mark.parametrize(
    ("speed", "stalls", "at", "whole"),
    [
        # As fast as it is spoken: the phone's buffer runs dry between any two deltas.
        (1.0, (), 1500, False),
        # 0.5 s, of which the phone has nothing to play for 0.2 s.
        (2.0, (Stall(600, 0.5),), 1800, False),
        # Most of 1.5 s without a sound; it is over, and the phone has not confirmed anything since.
        (8.0, (Stall(600, 1.5),), 1600, False),
        # As long, then seconds in the buffer.
        (8.0, (Stall(600, 1.5),), 2600, True),
        # Again and again, and the buffer never far ahead.
        (1.25, (Stall(300, 0.5), Stall(700, 1.5)), 3400, False),
    ],
    ids=["no-buffer", "half-a-second", "just-after", "one-and-a-half", "both"],
)
@pytest.mark.fault("model.late_ms")
async def test_the_models_stalls_count_for_nothing(
    line: Make, speed: float, stalls: tuple[Stall, ...], at: int, whole: bool
) -> None:
    # 37 ms are no whole frames: their rest waits for the next delta. Late audio comes after the interruption.
    faults = RealtimeFaults(stalls=stalls, late_ms=400)
    realtime = RealtimeConfig(speed=speed, chunk_ms=(100, 37), faults=faults)
    phone = PhoneScript(ring=0.1, lines=(over(at),))
    desk: Line = await line(brain=BRAIN, realtime=realtime, default_phone=phone)
    told = await talk(desk, "+15550000001")
    assert difference(told) <= BAR
    cleared = told.call.phone.playout.cleared[0]
    assert (cleared.accepted == len(frames_of(DEMO_GREETING))) is whole
    greeting = told.session.items[0]
    assert greeting.id == told.history.one("agent_interrupted").item_id
    made = len(told.session.audio_sent) - len(told.received[cleared.accepted :])
    assert whole or made >= cleared.accepted + 380 * 8  # the late audio was made, and went nowhere
    assert told.received[: cleared.accepted] == frames_of(DEMO_GREETING)[: cleared.accepted]
    assert only_reply(told.received[cleared.accepted :])


@pytest.mark.parametrize("sent", [100, 600], ids=["at-the-very-start", "in-the-middle"])
@pytest.mark.fault("model.stalls", "model.late_ms")
async def test_speech_while_the_model_stalls_and_all_is_played_cuts_what_comes_late(line: Make, sent: int) -> None:
    faults = RealtimeFaults(stalls=(Stall(sent, 60),), late_ms=500)
    realtime = RealtimeConfig(speed=8.0, chunk_ms=(100, 37), faults=faults)
    # 1.5 s after the phone was answered, the greeting's beginning is long played.
    phone = PhoneScript(ring=0.1, lines=(Says(say=STOP, after="time", pause=1.5),))
    desk: Line = await line(brain=BRAIN, realtime=realtime, default_phone=phone)
    told = await talk(desk, "+15550000001")
    interrupted = told.history.one("agent_interrupted")
    assert interrupted.heard.ToMilliseconds() == sent
    assert interrupted.discarded.ToMilliseconds() == 0
    # Nothing waits at the phone, so nothing is cleared there; what the hang-up clears is the reply.
    for cleared in told.call.phone.playout.cleared:
        assert cleared.accepted > sent * 8
    (truncated,) = told.orders("truncate")
    assert (truncated.item_id, truncated.audio_end_ms) == (interrupted.item_id, sent)
    assert told.orders("delete") == []
    check_words(told, interrupted.item_id)
    # 500 ms of the greeting came late, and the phone got none of it: it got the beginning, then the reply's.
    assert len(told.session.audio_sent) >= 8 * (sent + 500)
    assert told.received[: sent * 8] == audio_of(DEMO_GREETING)[: sent * 8]
    assert only_reply(told.received[sent * 8 :])


def only_reply(audio: bytes) -> bool:
    """Whether this is the beginning of the answer to the caller who broke in, or all of it."""
    return bool(audio) and frames_of(REPLY).startswith(audio)
