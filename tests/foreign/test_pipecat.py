"""pipecat-ai on the emulator: its Twilio serializer, its WebSocket transport and its client of OpenAI Realtime, none of
which knows of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.foreign import story
from tests.foreign.programs import FOREIGN, Library, python, running

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(180)]


@pytest.fixture
def command() -> tuple[str, ...]:
    return python("pipecat"), str(FOREIGN / "pipecat/app.py")


async def test_a_caller_is_answered_interrupts_presses_a_key_and_hangs_up(command: tuple[str, ...], tmp_path: Path):
    await story.comes_in(command, tmp_path)


async def test_somebody_is_called_and_the_serializer_hangs_up(command: tuple[str, ...], tmp_path: Path):
    person = tmp_path / "called.txt"
    person.write_text(story.CALLED)
    async with running(*command, person=person) as (emulator, application), Library(emulator) as library:
        sid = await story.goes_out(emulator, application, library)
        await emulator.until(f"REST     POST Calls/{sid}.json  200")
        await story.is_over(emulator, application, library, sid)
