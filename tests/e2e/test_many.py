"""Many calls at once: every byte, both ways, and every word.

Short here; `make proof` makes each call last 60 s (AGENTICD_PROOF_SECONDS).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from agentic.v1 import event_pb2
from agenticd.emulator.phone import Line as Says
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.realtime import DEMO_CALLER_LINES, DEMO_GREETING, Session
from agenticd.emulator.twilio import Call
from tests.e2e.conftest import History, Line, mistakes

CALLS = 20
SECONDS = float(os.environ.get("AGENTICD_PROOF_SECONDS", "12"))
FRAME = 160
TAIL = 1.0
"""s that the daemon may be behind the phone when it is told to hang up."""


def padded(audio: bytes) -> bytes:
    """An utterance as it goes to the phone: in whole frames."""
    return audio + b"\xff" * (-len(audio) % FRAME)


def check_bytes(call: Call, session: Session, hung_up: float) -> None:
    """What the phone sent is what the model got, and the other way round. `hung_up`: when that was ordered."""
    stream = call.stream
    assert stream is not None
    assert stream.media_dropped == 0
    sent = bytes(call.phone.sent[stream.skip :])
    got = session.audio_received
    assert got == sent[: len(got)]
    # From the order to hang up until the carrier lets go, the phone still sends and the model is gone.
    assert call.ended_at is not None
    missing = (len(sent) - len(got)) / 8000 - (call.ended_at - hung_up)
    assert missing <= TAIL, f"{missing:.2f} s of the phone's audio is missing"
    said = [part.audio for item in session.items if item.role == "assistant" for part in item.content]
    assert bytes(stream.received) == b"".join(padded(bytes(audio)) for audio in said)
    assert b"".join(bytes(audio) for audio in said) == session.audio_sent


def check_words(history: History, lines: tuple[str, ...]) -> None:
    words = history.words
    assert [text for speaker, text in words if speaker == "CALLER"] == list(lines)
    assert words[0] == ("AGENT", DEMO_GREETING)
    assert [speaker for speaker, _ in words] == ["AGENT", *["CALLER", "AGENT"] * len(lines)]
    assert not any(final.interrupted for final in history.all("transcript_final"))


@pytest.mark.timeout(180 + int(SECONDS) * 2)
async def test_twenty_calls_at_once_lose_no_byte_and_no_word(line: Callable[..., Any]) -> None:
    rounds = max(1, int((SECONDS - 10) // 12) + 1)
    lines = tuple(DEMO_CALLER_LINES[index % 2] for index in range(rounds))
    phone = PhoneScript(ring=0.1, lines=tuple(Says(say=text) for text in lines))
    desk: Line = await line(
        greeting=DEMO_GREETING,
        default_phone=phone,
    )

    hung_up: dict[int, float] = {}

    async def one(index: int) -> History:
        number = f"+1555100{index:04}"
        instructions = f"You are on call {index}."
        call_id = await desk.place(number, instructions=instructions)
        answered = asyncio.get_running_loop().time()

        async def on(event: event_pb2.Event) -> None:
            finals = [1 for _ in event.transcript_final.ListFields()]
            if finals and event.transcript_final.position == 1 + 2 * len(lines):
                # The last answer was played out. Stay on the line until the time is up.
                rest = SECONDS - (asyncio.get_running_loop().time() - answered)
                if rest > 0:
                    await asyncio.sleep(rest)
                hung_up[index] = time.time()
                await desk.client.hang_up(call_id)

        return await desk.follow(call_id, on)

    histories = await asyncio.gather(*(one(index) for index in range(CALLS)))
    sessions = {session.instructions: session for session in desk.sandbox.realtime.sessions}
    for index, history in enumerate(histories):
        check_words(history, lines)
        session = sessions[f"You are on call {index}."]
        assert mistakes(session) == []
        check_bytes(desk.phone_call(f"+1555100{index:04}"), session, hung_up[index])
    status = await desk.client.status()
    assert (status.live_calls, status.queued_calls) == (0, 0)
    assert desk.sandbox.twilio.debugger.codes() == []
