"""A daemon against `agenticd emulate`, as a new user has it: three programs, and nothing shared but what is printed."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from agenticd.launch import Daemon, listening_socket
from tests.emulator.emulate import Emulate

GREETING = "Hello, this is Aurora, the voice of Trattoria Aurora. How can I help you?"
HOURS = "Tomorrow we are open from five in the afternoon until eleven at night."


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where daemon and agentctl find each other by default; nothing of the environment may lead elsewhere."""
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("AGENTCTL_ADDR", "RUNTIME_DIRECTORY", "STATE_DIRECTORY", "TWILIO_ACCOUNT_SID", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def prepare(config: Path, emulator: Emulate) -> None:
    """Put down what is printed, unless the emulator has written a file itself."""
    if not config.exists():
        config.write_text(emulator.block("config.yaml"))
        (config.parent / ".env").write_text(emulator.block(".env"))
    with config.open("a") as file:
        file.write('admin: {listen: "127.0.0.1:0"}\n')  # its usual port may be somebody else's on this machine


@asynccontextmanager
async def daemon(config: Path, *emulate: str) -> AsyncIterator[Emulate]:
    """An emulator, and a daemon that knows of it only what stands in its config."""
    with listening_socket() as http:
        voice_url = f"http://127.0.0.1:{http.getsockname()[1]}/twilio/voice"
        async with Emulate("--voice-url", voice_url, *emulate) as emulator:
            prepare(config, emulator)
            async with Daemon(config, http, config.parent / "daemon.log"):
                yield emulator


async def agentctl(*arguments: str) -> tuple[int, str, str]:
    """Exit code, output, errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agentctl", *arguments,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def good(*arguments: str) -> str:
    """The output of an agentctl that must succeed."""
    code, output, errors = await agentctl(*arguments)
    assert code == 0, errors
    return output


async def test_with_the_written_config_a_call_is_placed_watched_hung_up_and_its_transcript_read(tmp_path: Path):
    config, record = tmp_path / "config.yaml", tmp_path / "wavs"
    async with daemon(config, "--write-config", str(config), "--record", str(record)) as emulator:
        assert "emulated.db" in os.listdir(tmp_path), "its log stands beside it"
        call_id = (await good("call", "place", "+15550002222", "-o", "id")).strip()
        watched = asyncio.create_task(agentctl("events", "--call", call_id, "--after", "0", "-o", "jsonl"))
        await emulator.until(f"model    says: {HOURS}")
        assert json.loads(await good("call", "hangup", call_id, "-o", "json"))["call"]["call_id"] == call_id
        code, events, errors = await watched
        assert code == 0, errors
        kinds = [json.loads(line) for line in events.splitlines()]
        assert "call_queued" in kinds[0]
        assert "call_closed" in kinds[-1]
        said = await good("call", "transcript", call_id, "-o", "plain")
        assert said.splitlines()[:2] == [f"agent: {GREETING}", "caller: Hi, what time do you open tomorrow?"]
        await emulator.until("over, all requests are answered")
        await emulator.until("recorded")
    (sound,) = record.iterdir()
    with wave.open(str(sound)) as wav:
        assert (wav.getnchannels(), wav.getframerate()) == (2, 8000)
        assert wav.getnframes() > 8000 * 5
    shown = emulator.output
    for line in (
        "REST     POST Calls.json  201",
        "call     ringing",
        'TwiML    <Connect action="/twilio/resume/',
        f"model    says: {GREETING}",
        "phone    says: Hi, what time do you open tomorrow?",
        "model    hears: Hi, what time do you open tomorrow?",
    ):
        assert line in shown
    assert " error: " not in shown
    assert "31921" not in shown


async def test_with_the_printed_config_a_phone_calls_in_says_what_a_script_wants_and_hangs_up(tmp_path: Path):
    async with daemon(tmp_path / "config.yaml", "--person", "listens") as emulator:
        calls = f"{emulator.api_url}/emulator/calls"
        async with aiohttp.ClientSession(headers=emulator.control) as http:
            async with http.post(calls, data={"From": "+15557654321"}) as answer:
                assert answer.status == 201
                sid = (await answer.json())["sid"]
            await emulator.until(f"model    says: {GREETING}")
            # Made up here: the recogniser learns it from the request.
            async with http.post(f"{calls}/{sid}", data={"Say": "Where do violet penguins park?"}) as answer:
                assert answer.status == 200
            await emulator.until("model    says: We are at twelve Garden Street")
            async with http.post(f"{calls}/{sid}", data={"Press": "4#"}) as answer:
                assert answer.status == 200
            await emulator.until("phone    presses #")
            async with http.post(f"{calls}/{sid}", data={"HangUp": "true"}) as answer:
                assert answer.status == 200
            await emulator.until("over, all requests are answered")
        (shown,) = [json.loads(line) for line in (await good("call", "ls", "-o", "jsonl")).splitlines()]
        assert (shown["from_address"], shown["to_address"]) == ("+15557654321", "+15550001111")
        _, events, _ = await agentctl("events", "--call", shown["call_id"], "--after", "0", "-o", "jsonl")
        digits = [
            json.loads(line)["digit_received"]["digit"] for line in events.splitlines() if "digit_received" in line
        ]
        assert digits == ["4", "#"]
        assert '"ended_by": "ENDED_BY_CALLER"' in events or '"ended_by":"ENDED_BY_CALLER"' in events
        assert "caller: Where do violet penguins park?" in await good("call", "transcript", shown["call_id"])


@pytest.mark.parametrize(("person", "reason"), [("busy", "BUSY"), ("failed", "FAILED"), ("a file", "COMPLETED")])
async def test_the_person_decides_how_a_call_ends(tmp_path: Path, person: str, reason: str):
    if person == "a file":
        person = str(tmp_path / "person.txt")
        Path(person).write_text("# somebody in a hurry\nwait 0.3\nhangup\n")  # noqa: ASYNC240
    async with daemon(tmp_path / "config.yaml", "--person", person):
        code, output, errors = await agentctl("call", "place", "+15550002222", "--follow", "-o", "jsonl")
        assert f"END_REASON_{reason}" in output, errors
        assert (code == 0) == (reason == "COMPLETED")
