"""What the README shows works: its programs are the examples, which tests/e2e runs, and its other lines run here."""

from __future__ import annotations

import ast
import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

import agentic
from agentic import Client, errors
from agentic.v1 import event_pb2
from tests.fake_daemon import CALL, EPOCH, FakeDaemon, Fault

FOLDER = Path(__file__).parents[1]
README = (FOLDER / "README.md").read_text(encoding="utf-8")
PROGRAMS = {name: (FOLDER / "examples" / name).read_text() for name in ("ten_lines.py", "ten_lines_sync.py")}
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
LINES = [block for block in BLOCKS if block not in PROGRAMS.values()]


class Enough(Exception):
    """Ends a stream that has no end."""


def test_the_programs_are_the_examples() -> None:
    assert [block for block in BLOCKS if block in PROGRAMS.values()] == list(PROGRAMS.values())


async def run(lines: str, **names: Any) -> dict[str, Any]:
    """The lines as the body of a coroutine. Returns the names that they left behind."""
    space: dict[str, Any] = {"agentic": agentic, "Path": Path, **names}
    flag = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    made = eval(compile(lines, "README.md", "exec", flags=flag), space)
    if made is not None:
        await made
    return space


async def test_an_order_and_what_came_of_it(
    client: Client, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.utterances = [event_pb2.TranscriptFinal(speaker=2, text="Hello Ada, your", heard_text="Hello Ada,")]  # type: ignore[arg-type]
    running = asyncio.create_task(run(LINES[0], client=client))
    await daemon.until(lambda: daemon.following == 1)
    await daemon.append(digit_received={"digit": "4"})
    await daemon.append(call_ended={"end": {"reason": 1}})
    await daemon.append(call_closed={})
    await running
    assert capsys.readouterr().out.split("\n")[:3] == ["4", "1", "2 Hello Ada,"]
    assert daemon.requests[0].variables == {"name": "Ada"}


async def test_a_stored_cursor(
    client: Client, daemon: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    billed: list[int] = []

    def bill(event: event_pb2.Event) -> None:
        if len(billed) % 3 == 2:
            billed.append(0)
            raise Enough
        billed.append(event.revision)

    for _ in range(5):
        await daemon.append(call_ended={})
    for _ in range(2):
        with pytest.raises(Enough):
            await run(LINES[1], client=client, bill=bill)
    assert billed == [2, 4, 0, 6, 8, 0], "the second program goes on where the first one crashed"
    assert (tmp_path / "cursor").read_text() == f"{EPOCH}:8"


async def test_an_order_whose_outcome_is_not_known(client: Client, daemon: FakeDaemon) -> None:
    daemon.faults = [Fault(StatusCode.DEADLINE_EXCEEDED)]
    space = await run(LINES[2], client=client)
    assert space["placed"].call.call_id == CALL
    first, second = daemon.requests
    assert first.request_id == second.request_id


def test_every_error_of_the_readme_exists_and_none_is_missing() -> None:
    table = README[README.index("| class | carries") :]
    named = set(re.findall(r"`([A-Z][A-Za-z]+)`", table[: table.index("```python")]))
    kinds = {name for name in errors.__all__ if name not in ("AgenticError", "Violation", "from_rpc")}
    assert named == kinds - {"ConsumerStalled"}, "which no stream raises"
