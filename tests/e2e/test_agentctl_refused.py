"""What agentctl says when the real daemon refuses: test_agentctl_refused.txt, to be read by people."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from agenticd.emulator.phone import PhoneScript
from tests.e2e.conftest import Line


class Refused(NamedTuple):
    """A command line, what is said of it, and the exit code."""

    line: str
    said: str
    code: int


def cases() -> list[Refused]:
    """Blocks of "$ agentctl …", what is said, and "exit: N", parted by empty lines."""
    text = Path(__file__).with_name("test_agentctl_refused.txt").read_text()
    found = []
    for block in text.split("\n\n"):
        if block.startswith("$ agentctl"):
            line, _, rest = block.strip().removeprefix("$ ").partition("\n")
            said, _, code = rest.rpartition("\nexit: ")
            found.append(Refused(line, said, int(code)))
    return found


async def run(line: Line, case: Refused) -> Refused:
    """What is really said."""

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *shlex.split(case.line),
        env=os.environ | {"AGENTCTL_ADDR": line.sandbox.address},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert out == b"", case.line
    assert process.returncode is not None
    said = err.decode().strip().replace((await line.client.status()).epoch, "EPOCH")
    said = re.sub("at most [1-9][0-9]*, the newest", "at most HEAD, the newest", said)
    return Refused(case.line, said, process.returncode)


async def test_every_refusal_says_what_would_be_right_in_the_words_that_were_typed(line: Callable[..., Any]) -> None:
    desk: Line = await line(default_phone=PhoneScript("busy", ring=0.1))
    await desk.client.place_call("+15550002222", request_id="monday")
    wanted = cases()
    assert len(wanted) >= 12
    told = [await run(desk, case) for case in wanted]
    assert "\n\n".join(map(str, told)) == "\n\n".join(map(str, wanted))
