"""Completion: what a shell is offered, with the ids of calls, and that nobody waits for a daemon that is silent."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from click.shell_completion import BashComplete, ShellComplete, ZshComplete

from agentctl.cli import cli, main
from agentctl.completion import VARIABLE
from agentctl.exits import Exit
from agentctl.options import Env
from agentic.v1 import call_pb2
from tests.agentctl.conftest import Run, process
from tests.fake_daemon import CALL, OTHER, FakeDaemon

Ids = Callable[..., Coroutine[Any, Any, list[str]]]


async def offered(daemon: FakeDaemon, *words: str) -> list[str]:
    """What bash is offered for the last of the words."""
    variables = {VARIABLE: "bash_complete", "COMP_WORDS": " ".join(("agentctl", *words)), "COMP_CWORD": str(len(words))}
    async with process(daemon, variables=variables) as running:
        out, err = await running.communicate()
    assert err == b""
    return [line.removeprefix("plain,") for line in out.decode().splitlines() if line]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("ca",), ["call"]),
        (("call", "tr"), ["transcript"]),
        (("call", "ls", "--state", "q"), ["queued"]),
        (("events", "--type", "speech_"), ["speech_started", "speech_stopped"]),
        (("-o", "js"), ["json", "jsonl"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("call", "place", "--inst"), ["--instructions", "--instructions-file"]),
    ],
)
async def test_words_are_completed_without_a_daemon(
    daemon: FakeDaemon, words: tuple[str, ...], expected: list[str]
) -> None:
    assert await offered(daemon, *words) == expected
    assert daemon.requests == []


@pytest.fixture
async def ids(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, agentctl: Run) -> Ids:
    """What a shell is offered for the last of the words; here, where a slow machine is no silent daemon."""
    monkeypatch.setattr("agentctl.completion.DEADLINE", 30.0)

    async def offer(shell: type[ShellComplete], *words: str) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", shlex.join(("agentctl", *words[:-1])) + f" {words[-1]}")
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        answer = await asyncio.to_thread(shell(cli, {"obj": Env()}, "agentctl", VARIABLE).complete)
        return [line.removeprefix("plain,") for line in answer.splitlines()]

    return offer


async def test_ids_of_calls_are_completed(daemon: FakeDaemon, ids: Ids) -> None:
    for call_id, state in ((CALL, call_pb2.CALL_STATE_ENDED), (OTHER, call_pb2.CALL_STATE_RINGING)):
        daemon.calls[call_id] = call_pb2.Call(call_id=call_id, state=state, to_address="+1555")
    assert await ids(BashComplete, "call", "get", "01") == [CALL, OTHER]
    assert await ids(BashComplete, "call", "transcript", CALL[:-1].lower()) == [CALL, OTHER]
    assert await ids(BashComplete, "events", "--call", OTHER) == [OTHER]
    assert await ids(BashComplete, "call", "hangup", "") == [OTHER], "what has ended cannot be ended"
    assert await ids(BashComplete, "call", "hangup", OTHER, "") == [], "once is enough"
    assert await ids(BashComplete, "--addr", "unix:/nowhere/else.sock", "call", "get", "") == []


async def test_a_shell_that_can_show_more_is_told_more(daemon: FakeDaemon, ids: Ids) -> None:
    daemon.calls[OTHER] = call_pb2.Call(call_id=OTHER, state=call_pb2.CALL_STATE_RINGING, to_address="+1555")
    kind, call_id, said = await ids(ZshComplete, "call", "get", "")
    assert (kind, call_id) == ("plain", OTHER)
    assert said.startswith("RINGING to +1555 ")


async def test_a_daemon_that_is_silent_is_not_waited_for(daemon: FakeDaemon) -> None:
    daemon.calls[CALL] = call_pb2.Call(call_id=CALL)
    daemon.answers.clear()
    # It ends by itself while the daemon still does not answer; how long that took is the machine's affair.
    assert await offered(daemon, "call", "get", "") == []
    assert len(daemon.requests) == 1
    await daemon.stop()
    assert await offered(daemon, "call", "get", "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_names_the_command_and_its_variable(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == Exit.OK
    script = capsys.readouterr().out
    assert f"{VARIABLE}={shell}_complete" in script
    assert "_agentctl_completion" in script
