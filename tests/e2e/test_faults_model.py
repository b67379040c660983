"""A model that is slow, silent, or speaks another format than it was told to; what else it does is in
test_model_faults.py and test_heard.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agenticd.emulator.faultbook import faults_from
from agenticd.emulator.phone import Line as Says
from agenticd.emulator.phone import PhoneScript
from tests.e2e.conftest import Line
from tests.e2e.ending import check
from tests.e2e.test_faults_media import ANSWER, ASKS, GREETING, STAYS, WORDS, talk

Make = Callable[..., Any]
APOLOGY = "Sorry, goodbye."
SETTINGS = f"    apology: {APOLOGY}\n"


async def make(line: Make, phone: PhoneScript = STAYS, **model: Any) -> Line:
    desk: Line = await line(
        greeting=GREETING, default_phone=phone, settings=SETTINGS, faults=faults_from({"model": model})
    )
    return desk


@pytest.mark.fault("model.handshake_delay", "model.answer_delay")
async def test_a_slow_model_is_waited_for(line: Make) -> None:
    desk = await make(line, ASKS, handshake_delay="800ms", answer_delay="800ms")
    history = await talk(desk)
    check(history, "COMPLETED", "API", ordered=True)
    assert history.words == WORDS


@pytest.mark.fault("model.handshake_delay")
async def test_a_model_that_never_answers_the_handshake_is_the_end(line: Make) -> None:
    desk = await make(line, handshake_delay="never")
    history = await desk.follow(await desk.place())
    check(history, "MODEL_LOST", "DAEMON", ordered=True)
    assert await desk.phone_call().ended() in ("completed", "canceled")


@pytest.mark.fault("model.silent")
async def test_a_model_that_never_says_a_word_does_not_hold_the_call_for_ever(line: Make) -> None:
    desk = await make(line, PhoneScript(ring=0.1, lines=(Says(say="Hello?", after="time"),)), silent="answers")
    history = await desk.follow(await desk.place(max_duration=3))
    check(history, "MAX_DURATION", "DAEMON", ordered=True)
    assert "transcript_final" not in history.kinds or history.words[0][0] == "CALLER"
    assert await desk.phone_call().ended() == "completed"


@pytest.mark.fault("model.speaks")
async def test_a_model_that_says_that_it_speaks_another_format_is_not_put_through(line: Make) -> None:
    desk = await make(line, speaks="audio/pcm")
    history = await desk.follow(await desk.place())
    check(history, "MODEL_LOST", "DAEMON", ordered=True)
    assert history.one("model_lost").code == "FORMAT"
    assert await desk.phone_call().ended() in ("completed", "canceled")
    call = desk.phone_call()
    assert not any(stream.received for stream in call.streams)


@pytest.mark.fault("model.speaks", "model.admits")
async def test_a_model_that_speaks_another_format_in_secret_sounds_wrong_and_the_call_ends_as_ever(line: Make) -> None:
    """Nobody can tell noise from speech; all else is in order: what is hung up is down."""
    desk = await make(line, speaks="audio/pcm", admits=False)
    call_id = await desk.place()
    await desk.follow(call_id, until="media_connected")
    await desk.client.hang_up(call_id)
    check(await desk.follow(call_id), "COMPLETED", "API", ordered=True)
    assert await desk.phone_call().ended() == "completed"


@pytest.mark.fault("model.answer_delay", "model.late_ms")
async def test_faults_that_are_set_in_a_call_and_taken_back_are_of_that_time(line: Make) -> None:
    desk = await make(line, ASKS)
    call_id = await desk.place()
    await desk.follow(call_id, until="media_connected")
    desk.go_wrong(model={"answer_delay": "1s", "late_ms": 200})
    history = await desk.follow(call_id, until="transcript_final")
    desk.go_wrong()

    async def on(event: Any) -> None:
        if event.transcript_final.heard_text == ANSWER:
            await desk.client.hang_up(call_id)

    history = await desk.follow(call_id, on)
    check(history, "COMPLETED", "API", ordered=True)
    assert history.words == WORDS


@pytest.mark.fault("model.unwritten")
async def test_what_could_not_be_written_down_is_answered_all_the_same(line: Make) -> None:
    desk = await make(line, ASKS, unwritten=1)
    history = await talk(desk)
    check(history, "COMPLETED", "API", ordered=True)
    assert history.words == [("AGENT", GREETING), ("AGENT", ANSWER)]
    assert [warning.code for warning in history.all("warning")] == ["TRANSCRIPTION_FAILED"]
