"""The scenarios that ship, played as a user plays them; and what one that fails, or cannot end, leaves behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
import wave
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agenticd.launch import Daemon, listening_socket

SHIPPED = Path(__file__).parent.parent.parent / "scenarios"
pytestmark = pytest.mark.timeout(240)


async def play(*arguments: object) -> tuple[int, str]:
    """Run `agenticd test`: its exit code, and all that it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agenticd", "test", *map(str, arguments),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(textwrap.dedent(text))
    return file


async def test_the_scenarios_that_ship_pass(tmp_path: Path) -> None:
    code, said = await play(SHIPPED, "--junit", tmp_path / "results.xml", "--out", tmp_path / "out")
    assert code == 0, said
    (suite,) = ET.parse(tmp_path / "results.xml").getroot()
    assert {case.get("classname") for case in suite} == {file.stem for file in SHIPPED.glob("*.yaml")}
    assert not (tmp_path / "out").exists(), "nothing is kept of what passed"


async def test_a_scenario_that_fails_says_why_and_keeps_time_line_sound_and_log(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "wrong.yaml",
        """\
        scenario: Nothing of it is true
        agent: {greeting: "Hello, how can I help you?"}
        caller: {does: [hang_up]}
        expect:
          end: {reason: SILENCE, by: DAEMON}
          words: [{agent: Good morning}]
          timings: {duration: {least: 30s}}
        """,
    )
    code, said = await play(file, "--out", tmp_path / "out")
    assert code == 1
    assert f"{file}:5: expect.end.reason: SILENCE was expected, and the call ended COMPLETED by CALLER" in said
    assert f"{file}:6: expect.words[0]: was not said: agent: “Good morning”; instead agent: “Hello, how can" in said
    assert f"{file}:7: expect.timings.duration: at least 30 s was expected; it took" in said
    assert "0 passed, 1 failed" in said
    kept = tmp_path / "out" / "wrong"
    lines = (kept / "timeline.txt").read_text()
    for what in ("daemon  call_queued", "Twilio  webhook", "model   m1", "Twilio  phone", "daemon  call_closed"):
        assert what in lines
    assert '"message"' in (kept / "daemon.log").read_text()
    with wave.open(str(kept / "call.wav")) as sound:
        assert (sound.getnchannels(), sound.getframerate()) == (2, 8000)
        assert sound.getnframes() > 8000, "the agent spoke for more than a second"


@pytest.mark.parametrize("call", ['direction: inbound, to: "+15550004444"', 'from: "+15550004444"'], ids=["in", "out"])
async def test_the_account_has_the_number_that_a_scenario_names(call: str, tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "number.yaml",
        f"""\
        scenario: Another number of ours
        call: {{{call}}}
        caller: {{does: [hang_up: true, after: 1s]}}
        expect: {{end: {{reason: COMPLETED, by: CALLER}}}}
        """.replace("does: [hang_up: true, after: 1s]", "does: [{hang_up: true, after: 1s}]"),
    )
    code, said = await play(file)
    assert code == 0, said


async def test_a_scenario_that_cannot_end_stops_by_itself(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "endless.yaml",
        """\
        scenario: Nobody hangs up
        within: 4s
        meanwhile: [{event: digit_received, hang_up: never}]
        expect: {end: {reason: COMPLETED}}
        """,
    )
    code, said = await play(file, "--out", tmp_path / "out")
    assert code == 1
    assert "not over within 4 s; the last event: " in said
    assert "line 3: the hang-up never had its turn" in said


async def test_ctrl_c_says_how_far_it_came_and_leaves_nothing(tmp_path: Path) -> None:
    short = write(tmp_path, "a.yaml", "scenario: A\ncaller: {outcome: busy}\nexpect: {end: {reason: BUSY}}\n")
    endless = write(tmp_path, "b.yaml", "scenario: Nobody hangs up\nexpect: {end: {reason: COMPLETED}}\n")
    temporary = tmp_path / "t"
    temporary.mkdir()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agenticd", "test", "--jobs", "1", str(short), str(endless),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, "TMPDIR": str(temporary)},
    )  # fmt: skip
    assert process.stdout is not None
    assert "✓ a" in (await process.stdout.readline()).decode()
    process.send_signal(signal.SIGINT)
    _, said = await process.communicate()
    assert (process.returncode, said) == (130, b"\nstopped: 1 of 2 scenarios were played to their ends\n")
    assert os.listdir(temporary) == []


async def test_the_agents_of_a_configuration_are_tried_without_its_secrets(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        "config.yaml",
        """\
        version: 1
        public_url: https://voice.example.com
        twilio: {account_sid: "${NOT_SET}", auth_token: "${NOT_SET}", from_number: "${NOT_SET}"}
        agents:
          reception:
            instructions: You take messages. Keep ${braces} as they are written: $${braces}.
            greeting: Hello, how can I help you?
        """.replace("Keep ${braces} as they are written: ", ""),
    )
    scenario = """\
        scenario: The reception answers
        call: {direction: inbound, agent: AGENT}
        caller: {does: [hang_up]}
        expect: {end: {reason: COMPLETED, by: CALLER}, words: [{agent: "Hello, how can I help you?", heard: all}]}
        """
    good = write(tmp_path, "good.yaml", scenario.replace("AGENT", "reception"))
    other = write(tmp_path, "other.yaml", scenario.replace("AGENT", "nobody"))
    code, said = await play(good, other, "--config", config)
    assert code == 0, said
    assert "1 passed, 0 failed, 1 skipped" in said
    assert "skipped: the configuration has no agent nobody; it has reception" in said


async def test_a_daemon_that_runs_already_is_tried_out_in_both_directions(
    tmp_path: Path, unused_tcp_port_factory: Callable[[], int]
) -> None:
    twilio, openai = unused_tcp_port_factory(), unused_tcp_port_factory()
    with listening_socket() as http:
        url = f"http://127.0.0.1:{http.getsockname()[1]}"
        config = write(
            tmp_path,
            "config.yaml",
            f"""\
            version: 1
            public_url: {url}
            admin: {{listen: "127.0.0.1:0"}}
            grpc: {{listen: ["unix:{tmp_path}/a.sock"]}}
            twilio:
              api_url: http://127.0.0.1:{twilio}
              account_sid: AC0123456789abcdef0123456789abcdef
              auth_token: {"f" * 32}
              from_number: "+15550001111"
            openai: {{url: "ws://127.0.0.1:{openai}/v1/realtime", api_key: sk-emulator}}
            store: {{path: {tmp_path}/a.db}}
            agents: {{default: {{instructions: Be brief., greeting: "Hello, how can I help you?"}}}}
            inbound: {{"+15550001111": {{agent: default}}}}
            """,
        )
        async with Daemon(config, http, tmp_path / "daemon.log"):
            common: dict[str, Any] = {"words": 'words: [{agent: "GREETING", heard: all}]'}
            for name, head, greeting in (
                ("in", "call: {direction: inbound}", "Hello, how can I help you?"),
                ("out", "agent: {greeting: You are welcome.}", "You are welcome."),
                ("beyond", "agent: {protect_greeting: true}", "x"),
            ):
                words = common["words"].replace("GREETING", greeting)
                write(
                    tmp_path,
                    f"{name}.yaml",
                    f"scenario: A call\n{head}\ncaller: {{does: [hang_up]}}\n"
                    f"expect: {{end: {{reason: COMPLETED, by: CALLER}}, {words}}}\n",
                )
            files = [tmp_path / f"{name}.yaml" for name in ("in", "out", "beyond")]
            where = ("--daemon", f"unix:{tmp_path}/a.sock", "--twilio-port", twilio, "--openai-port", openai)
            code, said = await play(*files, *where, "--voice-url", f"{url}/twilio/voice")
    assert code == 0, said
    assert "2 passed, 0 failed, 1 skipped" in said
    assert "its agent has protect_greeting, which only a daemon of its own can take: leave out --daemon" in said
