"""agentctl as people use it, beside a real daemon: watched on a terminal, read in a pipe, over its restart."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import sys
import termios
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from agentctl.exits import Exit
from agenticd.emulator.phone import Line as Says
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.realtime import DEMO_CALLER_LINES, DEMO_DIALOGUE, DEMO_GREETING, Dialogue
from tests.e2e.conftest import TO, Line

Make = Callable[..., Any]
STOP = "Sorry, I have to stop you there."
MENU = "Please tell me about the menu."
TALK = PhoneScript(
    ring=0.1,
    lines=(
        Says(say=MENU),
        Says(say=STOP, after="over", pause=3.0),
        Says(press="42", pause=0.2),
    ),
    at_end="hang_up",
)
BUSY = "+15550009999"


@asynccontextmanager
async def agentctl(line: Line, *arguments: str, **options: Any) -> AsyncIterator[Process]:
    """It, as people start it."""
    environment = os.environ | {"AGENTCTL_ADDR": line.sandbox.address, "TERM": "xterm", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "agentctl", *arguments]
    started = await asyncio.create_subprocess_exec(
        *command, env=environment, **({"stdout": PIPE, "stderr": PIPE} | options)
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            with suppress(ProcessLookupError):  # started.kill() could take the exit code away from asyncio
                os.kill(started.pid, signal.SIGKILL)
            await started.wait()


async def run(line: Line, *arguments: str) -> tuple[int | None, str, str]:
    """Its exit code and what it says."""
    async with agentctl(line, *arguments) as running:
        out, err = await running.communicate()
        return running.returncode, out.decode(), err.decode()


async def watch(line: Line, *arguments: str, columns: int = 80) -> tuple[int | None, list[str]]:
    """Its exit code, and what a terminal so wide shows."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    async with agentctl(line, *arguments, stdout=theirs) as running:
        os.close(theirs)
        shown = await asyncio.to_thread(_read_all, ours)
        return await running.wait(), shown.decode().replace("\r\n", "\n").splitlines()


def _read_all(terminal: int) -> bytes:
    data = b""
    try:
        while piece := os.read(terminal, 4096):
            data += piece
    except OSError:  # how a terminal says that the other side is gone
        pass
    finally:
        os.close(terminal)
    return data


def rows(lines: list[str], column: int = 10) -> list[str]:
    """Rows without their time, and what goes on in the next line put together again."""
    found: list[str] = []
    for text in lines:
        if text.startswith(" " * 21):
            found[-1] += " " + text.strip()
        else:
            found.append(text[column:].strip())
    return found


async def test_a_call_is_a_pleasure_to_watch_and_can_be_looked_at_afterwards(line: Make) -> None:
    desk: Line = await line(greeting=DEMO_GREETING, brain=DEMO_DIALOGUE, default_phone=TALK)
    code, lines = await watch(desk, "call", "place", TO, "--follow")
    assert code == Exit.OK
    assert all(len(text) < 80 for text in lines)
    told = rows(lines)
    call_id = told[0].rpartition(" ")[2]
    assert told[0] == f"queued  +15550001111 calls {TO}, agent default, call {call_id}"
    assert told[1:3] == ["dialing", "ringing"]
    assert told[3].startswith("answered  after ")
    assert told[4:6] == [f"agent  {DEMO_GREETING}", f"caller  {MENU}"]
    assert told[6].startswith("agent  Let me tell you about our menu.")
    assert told[7].startswith("cut off  by the caller, ")
    assert told[8].startswith("heard  “")
    assert told[9] == f"caller  {STOP}"
    assert told[10].startswith("agent  Of course. (after ")
    assert told[11:13] == ["digit  4", "digit  2"]
    assert told[13] == "ended  COMPLETED by CALLER: the caller hung up"
    assert told[14].startswith("closed  ")
    assert "2 turns, half of the answers within " in told[14]
    assert len(told) == 15

    # What the phone played is the same everywhere.
    (utterance,) = [said for said in (await desk.client.transcript(call_id)).utterances if said.interrupted]
    assert utterance.heard_text.endswith(told[8].removeprefix("heard  “").removeprefix("… ").removesuffix("”"))
    await desk.sandbox.daemon.stop()
    await desk.sandbox.daemon.start()
    _, lines = await watch(desk, "call", "transcript", call_id)
    assert [text.split()[1] for text in lines if text[:8].strip()] == ["agent", "caller", "agent", "caller", "agent"]
    assert f"{utterance.heard_text} [cut]" in " ".join(" ".join(lines).split())
    code, lines = await watch(desk, "events", "--call", call_id, columns=120)
    assert code == Exit.OK
    again = rows(lines)
    assert [row.split()[0] for row in again] == [row.split()[0] for row in told if not row.startswith("heard")]
    code, out, _ = await run(desk, "call", "get", call_id)
    assert "end: COMPLETED by CALLER: the caller hung up\n" in out
    code, lines = await watch(desk, "call", "ls")
    assert lines[1].split()[:4] == [call_id, "ENDED", "to", TO]


async def test_in_a_pipe_it_is_json_lines_and_the_exit_code_tells_the_outcome(line: Make) -> None:
    phones = {BUSY: PhoneScript("busy", ring=0.1)}
    hangs_up = PhoneScript(ring=0.1, lines=(Says(hang_up=True, after="time", pause=0.3),))
    desk: Line = await line(default_phone=hangs_up, phones=phones)
    code, out, err = await run(desk, "call", "place", TO, "--follow")
    events = [json.loads(text) for text in out.splitlines()]
    assert (code, err) == (Exit.OK, "")
    assert [event["call_sequence"] for event in events] == [str(number) for number in range(1, len(events) + 1)]
    assert ("call_queued" in events[0], "call_closed" in events[-1]) == (True, True)
    code, out, _ = await run(desk, "call", "place", BUSY, "--follow", "-o", "plain")
    assert code == Exit.NOT_ANSWERED
    assert rows(out.splitlines())[-2:] == [
        "ended  BUSY by CARRIER: the line was busy (SIP 486)", "closed  never answered",
    ]  # fmt: skip


async def test_nothing_is_lost_or_repeated_over_a_daemon_that_is_killed(line: Make, tmp_path: Path) -> None:
    desk: Line = await line(default_phone=PhoneScript("busy", ring=0.1))
    cursor = tmp_path / "cursor"
    follow = ("events", "--after", "0", "--cursor-file", str(cursor), "-o", "jsonl")
    got: list[Any] = []

    async def read(running: Process, until: str) -> None:
        assert running.stdout is not None
        while not (got and got[-1]["call_id"] == until and "call_closed" in got[-1]):
            got.append(json.loads(await running.stdout.readline()))

    async with agentctl(desk, *follow) as running:
        await read(running, await desk.place())
        desk.sandbox.daemon.kill()
        await desk.sandbox.daemon.start()
        await read(running, await desk.place())
        running.send_signal(signal.SIGINT)
        _, err = await running.communicate()
    assert running.returncode == Exit.INTERRUPTED
    said = err.decode().splitlines()
    assert said[0] == "# no connection to agenticd; waiting for it"
    assert said[1].startswith("# reconnected, resuming after ")
    assert said[-1] == f"# stopped at {cursor.read_text().strip()}; the same command goes on from there"
    # While nobody reads, another call; then the same command again.
    third = await desk.place()
    await desk.follow(third)
    _, out, _ = await run(desk, *follow, "--until-end")
    got += map(json.loads, out.splitlines())
    _, whole, _ = await run(desk, "events", "--until-end")
    assert got == [json.loads(text) for text in whole.splitlines()]
    assert sum("call_closed" in event for event in got) == 3


async def test_a_daemon_is_drained_until_it_is_empty(line: Make) -> None:
    desk: Line = await line(greeting=DEMO_GREETING, default_phone=PhoneScript(ring=0.1))
    call_id = await desk.place()
    await desk.follow(call_id, until="call_answered")
    async with agentctl(desk, "node", "drain", "--until-empty") as running:
        assert running.stdout is not None
        assert await running.stdout.readline() == b"state: draining\n"
        assert await running.stdout.readline() == b"live_calls: 1\n"
        code, out, err = await run(desk, "call", "place", TO)
        assert (code, out) == (Exit.UNREACHABLE, "")
        assert err.splitlines()[-1].startswith("hint: ")
        assert "state: draining\n" in (await run(desk, "node", "status"))[1]
        code, out, _ = await run(desk, "call", "hangup", "--all", "--yes", "-o", "id")
        assert (code, out) == (Exit.OK, f"{call_id}\n")
        _, err_bytes = await running.communicate()
    assert running.returncode == Exit.OK
    assert err_bytes.decode().endswith(f"{call_id} ended; 0 left\n")
    assert (await run(desk, "call", "ls", "--state", "live", "-o", "id"))[1] == ""


async def test_since_begins_where_the_clock_was(line: Make) -> None:
    desk: Line = await line(default_phone=PhoneScript("busy", ring=0.1))
    calls = [await desk.place() for _ in range(4)]
    for call_id in calls:
        await desk.follow(call_id)
    _, whole, _ = await run(desk, "events", "--until-end")
    events = [json.loads(text) for text in whole.splitlines()]
    middle = events[len(events) // 2]
    code, out, _ = await run(desk, "events", "--since", middle["time"], "--until-end")
    first = json.loads(out.splitlines()[0])
    assert code == Exit.OK
    assert first["time"] >= middle["time"] or first["revision"] == middle["revision"]
    assert [json.loads(text) for text in out.splitlines()] == events[-len(out.splitlines()) :]
    assert len(out.splitlines()) in (len(events) // 2, len(events) // 2 + 1)


async def test_what_a_model_says_does_not_steer_the_terminal(line: Make) -> None:
    steering = "\x1b]0;owned\x07\x1b[2J\u202e[bold]\r\n"
    phone = PhoneScript(ring=0.1, lines=(Says(say=DEMO_CALLER_LINES[0], after="time"), Says(hang_up=True)))
    desk: Line = await line(brain=Dialogue(fallback=f"At {steering} five."), default_phone=phone)
    _, lines = await watch(desk, "call", "place", TO, "--follow")
    (call,) = (await desk.client.list_calls()).calls
    for command in (("events", "--call", call.call_id), ("call", "transcript", call.call_id)):
        lines += (await watch(desk, *command))[1]
    told = [text for text in lines if "five." in text]
    assert len(told) == 3, "words, events and transcript"
    assert all(text.isprintable() for text in lines), ascii(lines)
