"""Completion in the shells themselves: what they make of a line when Tab is pressed, asking a daemon for ids."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

from agentic.v1 import call_pb2
from tests.agentctl.conftest import Terminal
from tests.fake_daemon import CALL, OTHER, FakeDaemon

PROMPT = "what now? "
START = {
    "bash": (["bash", "--noprofile", "--rcfile", "{home}/start", "-i"], "{home}/start", f"PS1='{PROMPT}'\n"),
    "zsh": (
        ["zsh", "-i"],
        "{home}/.zshrc",
        f"PS1='{PROMPT}'; unsetopt zle_bracketed_paste; autoload -U compinit; compinit -u -D\n",
    ),
}
"""How each is started, the file that it begins with, and what must stand there before our line."""
OURS = {
    "bash": "source <(agentctl completion bash)",
    "zsh": "source <(agentctl completion zsh)",
    "fish": "agentctl completion fish | source",
}
# agentctl, but that it says with what it was called instead of doing it, and has time on a slow machine.
STAND_IN = """\
#!{python}
import os, sys
from agentctl import completion
from agentctl.__main__ import main
completion.DEADLINE = 30.0
if completion.VARIABLE in os.environ or sys.argv[1:2] == ["completion"]:
    sys.exit(main())
print("called:", *sys.argv[1:])
"""


@pytest.fixture
def home(daemon: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the shells are at home and find agentctl; its daemon has two calls, of which one is live."""
    for call_id, state in ((CALL, call_pb2.CALL_STATE_ENDED), (OTHER, call_pb2.CALL_STATE_RINGING)):
        daemon.calls[call_id] = call_pb2.Call(call_id=call_id, state=state, to_address="+1555")
    for shell, (_, file, before) in START.items():
        Path(file.format(home=tmp_path)).write_text(f"{before}{OURS[shell]}\n")
    command = tmp_path / "bin" / "agentctl"
    command.parent.mkdir()
    command.write_text(STAND_IN.format(python=sys.executable))
    command.chmod(0o755)
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "ZDOTDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("AGENTCTL_ADDR", daemon.address)
    monkeypatch.setenv("TERM", "dumb")
    return tmp_path


def needs(shell: str) -> None:
    """CI has all shells: see .ci/run."""
    if shutil.which(shell) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{shell} is not installed")
        pytest.skip(f"{shell} is not installed")


@pytest.mark.parametrize("shell", list(START))
@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("agentctl call tr\t", "call transcript"),
        ("agentctl call ls --state unc\t", "call ls --state unconfirmed"),
        ("agentctl call hangup 0\t", f"call hangup {OTHER}"),
        (f"agentctl events --call {CALL[:-1].lower()}2\t", f"events --call {OTHER}"),
        ("agentctl --output jsonl node dr\t", "--output jsonl node drain"),
    ],
)
async def test_tab_completes_the_line(home: Path, shell: str, keys: str, line: str) -> None:
    needs(shell)
    command = START[shell][0]
    screen = Terminal(columns=200)
    started = await asyncio.create_subprocess_exec(
        *(word.format(home=home) for word in command),
        stdin=screen.theirs, stdout=screen.theirs, stderr=screen.theirs, start_new_session=True,
    )  # fmt: skip
    screen.close()
    await screen.until(PROMPT)
    screen.type(f"{keys}\r")
    await screen.until("called: ")
    assert (await screen.until("\n")).split() == line.split()
    screen.type("exit\r")
    await screen.read()
    assert await started.wait() == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("call tr", ["transcript\tShow what was said in the call CALL_ID so far."]),
        ("call l", ["ls\tList calls, newest first."]),
        ("call ls --state unc", ["unconfirmed"]),
        ("call hangup ", [f"{OTHER}\tRINGING to +1555 1970-01-01"]),
        ("node dr", ["drain\tTake the daemon out of service: no new calls from now on."]),
    ],
)
async def test_fish_offers_words_and_says_what_they_are(home: Path, words: str, expected: list[str]) -> None:
    needs("fish")
    script = f"{OURS['fish']}; complete --do-complete 'agentctl {words}'"
    started = await asyncio.create_subprocess_exec(
        "fish", "--no-config", "--command", script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await started.communicate()
    assert (out.decode().splitlines(), err.decode()) == (expected, "")
