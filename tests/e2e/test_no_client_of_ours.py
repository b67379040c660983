"""A back end without any generated code: `buf curl`, by reflection, places, follows and hangs up a call."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from agenticd.emulator.phone import PhoneScript
from tests.e2e.conftest import TO, Line

BUF = Path(sys.executable).with_name("buf")


def messages(text: str) -> Iterator[Any]:
    """The JSON values that stand one after the other in the text."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        yield value
        at += len(text[at:]) - len(text[at:].lstrip())


async def curl(line: Line, method: str, **request: Any) -> list[Any]:
    process = await asyncio.create_subprocess_exec(
        str(BUF), "curl", "--protocol", "grpc", "--http2-prior-knowledge",
        "--unix-socket", line.sandbox.address.removeprefix("unix:"),
        "--data", json.dumps(request), f"http://localhost/agentic.v1.{method}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, error = await process.communicate()
    assert process.returncode == 0, error.decode()
    return list(messages(out.decode()))


async def test_buf_curl_places_follows_and_hangs_up_a_call(line: Callable[..., Any]) -> None:
    desk: Line = await line(default_phone=PhoneScript(ring=0.1))
    (placed,) = await curl(desk, "CallService/PlaceCall", to_address=TO)
    call_id = placed["call"]["callId"]
    following = asyncio.ensure_future(
        curl(desk, "CallService/StreamEvents", call_ids=[call_id], after_revision="0", types=["call_ended"])
    )
    await desk.follow(call_id, until="call_answered")
    (answer,) = await curl(desk, "CallService/HangUp", call_id=call_id, reason="seen enough")
    assert answer["call"]["state"] in ("CALL_STATE_ENDING", "CALL_STATE_ENDED")
    opened, batch = await following
    assert opened["opened"]["epoch"] == placed["epoch"]
    (ended,) = batch["batch"]["events"]
    assert ended["callEnded"]["end"] == {
        "reason": "END_REASON_COMPLETED", "endedBy": "ENDED_BY_API", "message": "seen enough",
    }  # fmt: skip
    (status,) = await curl(desk, "NodeService/GetStatus")
    assert status["carrier"]["state"] == "PEER_STATE_REACHABLE"
