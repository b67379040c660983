"""What README and docs tell people to type works: every command and every line of Python is run, page by page, or the
table says why it is not."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import re
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

import agentic
from tests.docs.markdown import DOCUMENTS, ROOT, Block, blocks, commands
from tests.docs.world import EMULATE, SERVE, World, prepared

TO = "+15550002222"
NEWEST = "$(agentctl call ls --limit 1 -o id)"

# Commands that are not run here, as they stand on the pages, and why.
NOT_RUN = {
    "make demo    # a whole call on this machine, on built-in stand-ins for Twilio and OpenAI": (
        "CI's first step is this, in a fresh clone (.ci/run)"
    ),
    "make test    # everything that the project proves about itself": "it would run itself; CI's last step is this",
    EMULATE: "World starts it before the first command, on free ports",
    SERVE: "World starts it before the first command, with a free port that is handed over",
    "agenticd emulate --voice-url http://127.0.0.1:7860/voice --control-token an-emulator-of-mine": (
        "tests/foreign does, for each application"
    ),
    "curl -H 'Authorization: Bearer an-emulator-of-mine' --data '' http://127.0.0.1:4010/emulator/calls": (
        "its port is another one here; tests/foreign/programs.py does the same"
    ),
    "agenticd serve": "its configuration leads to the real Twilio; the same with the emulator's is run by World",
    "agenticd test scenarios/ --junit results.xml": "tests/e2e/test_scenarios.py does that",
    "agenticd test scenarios/": "tests/e2e/test_scenarios.py plays all of them",
    "agenticd test scenarios/busy.yaml --daemon unix:/run/agenticd/agenticd.sock": "the ports of World's emulator are "
    "taken; tests/e2e/test_scenarios.py does it",
    "cloudflared tunnel --url http://127.0.0.1:8080": "a tunnel needs the internet",
    "journalctl -u agenticd AGENTICD_CALL=01KAPBQ7DV0000000000000001": "no journal has this daemon; "
    "tests/adapters/host/test_logs.py has the field",
}

# What is put for what in a command, so that it means this machine.
INSTEAD = (
    ("sudo install -Dm640 -g agenticd -t /etc/agenticd ", "install -Dm640 -t etc "),
    ("sudo install -m640 -g agenticd ", "install -m640 "),
    ("/etc/agenticd/", "etc/"),
    ("DNS:voice-1.internal,IP:10.0.0.5", "IP:127.0.0.1"),
    ("sudo agenticd ", "agenticd "),
    ("/var/lib/agenticd/agenticd.db", "emulated.db"),
)
OPEN_DOOR = """\
grpc:
  listen: ["unix:{folder}/run/agenticd/agenticd.sock", "127.0.0.1:0"]
  tls: {{cert: etc/tls.crt, key: etc/tls.key}}
  tokens: etc/tokens
"""
CALL_ID = re.compile(r"\b01[0-9A-HJKMNP-TV-Z]{24}\b")


async def _followed(world: World, command: str) -> None:
    """A call is watched until it is answered; Ctrl-C leaves it alone, and says how to go on."""
    lines, error = await world.interrupted(command, "nswered")
    assert '"call_queued"' in lines[0] or '"callQueued"' in lines[0]
    assert "# the call goes on; to end it: agentctl call hangup" in error
    assert "# to follow it: agentctl events --call" in error


async def _drained(world: World, command: str) -> None:
    """No new calls from then on; a restart ends that, says the page."""
    await world.run(command)
    await world.run(f"agentctl call place {TO}; test $? = 5")
    assert await world.daemon.stop() == 0
    await world.restored()


async def _stopped(world: World, command: str) -> None:
    """Before it stops: a call that the backup does not have."""
    await world.run(f"LATER=$(agentctl call place {TO} -o id) && agentctl call hangup $LATER")
    await world.run("agentctl node status -o json > before.json")
    assert await world.daemon.stop() == 0


async def _started(world: World, command: str) -> None:
    """What the page says of a restore: the backup's calls are there, later ones are not, old cursors are void."""
    await world.restored()
    await world.run("agentctl call get $EARLIER")
    await world.run("agentctl call get $LATER; test $? = 3")
    await world.run("agentctl node status -o json > after.json")
    epochs = [
        re.findall(r'"epoch": *"(\w+)"', (world.folder / name).read_text()) for name in ("before.json", "after.json")
    ]
    assert len(epochs[0]) == len(epochs[1]) == 1
    assert epochs[0] != epochs[1]
    (world.folder / "old.cursor").write_text(f"{epochs[0][0]}:1\n")
    await world.run(
        "timeout 20 agentctl events --cursor-file old.cursor 2> why.txt; test $? = 8 && grep another why.txt"
    )
    await world.run("ls emulated.db.replaced-*")


async def _opened(world: World, command: str) -> None:
    """The door as the page has it in config.yaml, on a port of loopback."""
    config = world.folder / "emulated.yaml"
    text = re.sub(r"^grpc:.*?(?=^\w)", "", config.read_text(), flags=re.MULTILINE | re.DOTALL)
    config.write_text(text + OPEN_DOOR.format(folder=world.folder))
    assert await world.daemon.stop() == 0
    await world.restored()


async def _from_another_machine(world: World, command: str) -> None:
    await world.run(command.replace("voice-1.internal:50051", f"tls:{world.api_port}"))


async def _shut_out(world: World, command: str) -> None:
    """Whoever has had the token is refused from then on."""
    (look,) = [each for each in BY_HAND if each.startswith("AGENTCTL_ADDR=voice-1")]
    look = look.replace("voice-1.internal:50051", f"tls:{world.api_port}")
    world.daemon.tell(signal.SIGHUP)
    await world.run(f"until {look} 2> why.txt; test $? = 6; do :; done; grep 'is not good at' why.txt")


async def _refused(world: World, command: str) -> None:
    """Whoever is not Twilio gets 403."""
    url = re.search(r"^public_url: (.*)$", (world.folder / "emulated.yaml").read_text(), re.MULTILINE)
    assert url is not None
    assert (await world.run(command.replace("https://voice.example.com", url[1]))).strip() == "403"


async def _probed(world: World, command: str) -> None:
    await world.run(command.replace("http://127.0.0.1:9090", world.admin))


async def _emulated(world: World, command: str) -> None:
    """The page's files are there; it starts, says what it uses, and ends at a Ctrl-C."""
    page = (ROOT / "docs" / "emulator.md").read_text(encoding="utf-8")
    for block in blocks(page):
        if found := re.match(r"# (\w+\.txt)\n", block.text):
            (world.folder / found[1]).write_text(block.text, encoding="utf-8")
    ports = "--twilio-port 0 --openai-port 0"
    lines, error = await world.interrupted(f"{command} {ports}", "makes a phone call your number")
    assert error == ""
    for word in command.split():
        if word.endswith(".txt") or word.startswith("http:"):
            assert any(word in line for line in lines), word
    assert not any("never:" in line for line in lines)


# Commands that need more than a shell: what does it for them.
BY_HAND: dict[str, Callable[[World, str], Awaitable[None]]] = {
    "agenticd emulate --answers answers.txt": _emulated,
    "agenticd emulate --answers answers.txt --recognise callers.txt": _emulated,
    "agenticd emulate --chat http://127.0.0.1:8000/v1 --chat-model small": _emulated,
    f"agentctl call place {TO} --follow": _followed,
    "agentctl node drain --until-empty": _drained,
    "sudo systemctl stop agenticd.socket agenticd.service": _stopped,
    "sudo systemctl start agenticd": _started,
    "sudo systemctl restart agenticd": _opened,
    "AGENTCTL_ADDR=voice-1.internal:50051 AGENTCTL_CA_FILE=authority.crt AGENTCTL_TOKEN_FILE=billing.token "
    "agentctl node status": _from_another_machine,
    "sudo systemctl reload agenticd": _shut_out,
    "curl --silent --output /dev/null --write-out '%{http_code}\\n' --data '' "
    "https://voice.example.com/twilio/voice": _refused,
    "curl --fail http://127.0.0.1:9090/healthz": _probed,
    "curl --fail http://127.0.0.1:9090/readyz": _probed,
    "curl --silent http://127.0.0.1:9090/metrics": _probed,
}


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that commands take for a checkout; a short one, for the path of a Unix socket has few characters."""
    with tempfile.TemporaryDirectory(prefix="docs-") as name:
        for variable, value in prepared(Path(name)).items():
            monkeypatch.setenv(variable, value)
        for variable in ("RUNTIME_DIRECTORY", "STATE_DIRECTORY", "AGENTCTL_ADDR", "AGENTICD_CONFIG"):
            monkeypatch.delenv(variable, raising=False)
        yield Path(name)


async def run_shell(world: World, block: Block) -> None:
    for command in commands(block):
        if command in NOT_RUN:
            continue
        if command in BY_HAND:
            await BY_HAND[command](world, command)
            continue
        for told, meant in INSTEAD:
            command = command.replace(told, meant)
        await world.run(CALL_ID.sub(lambda _: NEWEST, command))


async def run_python(world: World, block: Block, names: dict[str, object]) -> None:
    """A program of its own, or lines that go on where the ones before them ended."""
    if "asyncio.run(" not in block.text:
        code = compile("\n" * (block.line - 1) + block.text, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        with contextlib.chdir(world.folder):  # what it writes is not left in the checkout
            made = eval(code, names)
            if inspect.isawaitable(made):
                await made
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", block.text, TO, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    said = ""
    while line := (await process.stdout.readline()).decode():
        said += line
        if "call_answered" in line:
            await world.run("agentctl call hangup --all --yes")
    _, error = await process.communicate()
    assert process.returncode == 0, error.decode()
    numbers = [int(line.split()[0]) for line in said.splitlines()]
    assert numbers == list(range(1, len(numbers) + 1)), said
    assert said.splitlines()[-1].split()[1] == "call_closed"


WRITTEN = {path: blocks(path.read_text(encoding="utf-8")) for path in DOCUMENTS}
PAGES = [page for page, found in WRITTEN.items() if {"sh", "console", "python"} & {block.language for block in found}]


@pytest.mark.timeout(180)  # a page has some dozens of commands, and a program starts for each
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_what_a_page_says_can_be_done(page: Path, folder: Path) -> None:
    names: dict[str, object] = {}
    async with World(folder) as world:
        if page.name != "README.md":  # which makes its own
            (folder / "config.yaml").write_text((folder / "emulated.yaml").read_text())
            await world.run(f"EARLIER=$(agentctl call place {TO} -o id); agentctl call hangup $EARLIER")
        for block in WRITTEN[page]:
            match block.language:
                case "sh" | "console":
                    await run_shell(world, block)
                case "python":
                    await run_python(world, block, names)
        if isinstance(client := names.get("client"), agentic.Client):
            await client.close()
        log = (folder / "daemon.log").read_text()
        assert "Traceback" not in log, log


def test_each_exception_is_for_a_command_that_is_there() -> None:
    """A command that a page no longer has must not stay excused."""
    there = {
        command
        for path in DOCUMENTS
        for block in blocks(path.read_text(encoding="utf-8"))
        if block.language in ("sh", "console")
        for command in commands(block)
    }
    assert NOT_RUN.keys() | BY_HAND.keys() <= there
    assert NOT_RUN.keys().isdisjoint(BY_HAND.keys())
    for told, _ in INSTEAD:
        assert any(told in command for command in there), told


def test_what_the_readme_shows_is_said_by_the_emulator() -> None:
    """The session in README is a real one; its sentences are still those of the stand-ins."""
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "agenticd").rglob("*.py"))
    source = re.sub(r'"\s*\n?\s*"', "", source)
    shown = [re.sub(r"\n {21}", " ", block.text) for block in blocks((ROOT / "README.md").read_text(encoding="utf-8"))]
    row = re.compile(r"^\d\d:\d\d:\d\d +(?:agent|caller)  (.*?)(?: \(after .*\)|\^C)?$", re.MULTILINE)
    sentences = row.findall("\n".join(shown))
    assert len(sentences) >= 7 + 3, "of both sessions"
    for sentence in sentences:
        assert sentence in source, sentence
