"""@openai/agents on the emulator: its RealtimeSession on the Twilio transport of @openai/agents-extensions, neither of
which knows of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.foreign import story
from tests.foreign.programs import FOREIGN, Library, node, running

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(180)]


@pytest.fixture
def command() -> tuple[str, ...]:
    return node("openai_agents"), str(FOREIGN / "openai_agents/app.mjs")


async def test_a_caller_is_answered_interrupts_presses_a_key_and_hangs_up(command: tuple[str, ...], tmp_path: Path):
    await story.comes_in(command, tmp_path)


async def test_somebody_is_called_and_the_helper_library_hangs_up(command: tuple[str, ...], tmp_path: Path):
    person = tmp_path / "called.txt"
    person.write_text(story.CALLED)
    async with running(*command, person=person) as (emulator, application), Library(emulator) as library:
        sid = await story.goes_out(emulator, application, library)
        assert (await library(f"client.calls('{sid}').update(status='completed')"))["status"] == "completed"
        await story.is_over(emulator, application, library, sid)
