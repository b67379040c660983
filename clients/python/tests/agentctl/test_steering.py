"""Nothing that callers, models, clients or daemons say reaches a terminal as more than text."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]
from grpc import StatusCode

from agentic.v1 import call_pb2, event_pb2
from tests.agentctl.conftest import Run, Terminal, process
from tests.fake_daemon import CALL, OTHER, FakeDaemon, Fault

STEERING = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\nerror: \u202e\u2028\x7f[bold]x[/y]"
"""What a caller, a model or a client may have said: controls of 7 and 8 bits, line ends, rich's markup."""


@pytest.mark.parametrize("form", ["table", "plain", "json", "jsonl", "id"])
@pytest.mark.parametrize(
    "command",
    [("call", "get", CALL), ("call", "ls"), ("call", "transcript", CALL), ("events", "--after", "0", "--call", CALL),
     ("events", "--after", "0", "--all", "--live", "--until-end"), ("call", "transcript", CALL, "--follow"),
     ("call", "place", "+1555", "--follow"), ("call", "get", OTHER)],
)  # fmt: skip
async def test_nothing_that_anybody_says_steers_the_terminal(
    agentctl: Run, daemon: FakeDaemon, form: str, command: tuple[str, ...]
) -> None:
    call = call_pb2.Call(
        call_id=CALL, from_address=STEERING, to_address=STEERING, agent=STEERING, node_id=STEERING,
        carrier_call_id=STEERING, metadata={STEERING: STEERING}, end=call_pb2.CallEnd(message=STEERING, carrier_code=1),
    )  # fmt: skip
    call.end_time.FromSeconds(1_763_834_567)
    daemon.calls[CALL] = call
    said = event_pb2.TranscriptFinal(item_id=STEERING, text=STEERING, heard_text=STEERING, interrupted=True)
    daemon.utterances = [said]
    if OTHER in command:  # what the daemon quotes in a refusal
        broken = details.BadRequest.FieldViolation(field=STEERING, description=STEERING)
        refusal = details.BadRequest(field_violations=[broken])
        daemon.faults = [Fault(StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT", refusal)]
    everything: list[dict[str, Any]] = [
        {"call_queued": {"from_address": STEERING, "to_address": STEERING, "agent": STEERING}},
        {"model_connected": {"model": STEERING, "session_id": STEERING}},
        {"model_lost": {"code": STEERING, "message": STEERING}},
        {"media_lost": {"stream_id": STEERING, "message": STEERING}},
        {"transcript_final": said},
        {"digit_received": {"digit": STEERING}},
        {"warning": {"code": STEERING, "message": STEERING}},
        {"call_ending": {"message": STEERING}},
        {"call_ended": {"end": call.end}},
        {"call_closed": {}},
    ]
    if "place" not in command:
        for payload in everything:
            await daemon.append(**payload)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(agentctl(*command, "-o", form))
        if "place" in command:
            await daemon.until(lambda: daemon.following > 0)
            for payload in everything:
                await daemon.append(**payload)
    done = running.result()
    for text in (done.out, done.err):
        assert all(char == "\n" or char.isprintable() for char in text), ascii(text)
        assert not any(line.startswith("error: [bold]") for line in text.splitlines())
    if form == "jsonl" and OTHER not in command:
        assert done.lines, "each line is an object"


async def test_live_words_do_not_steer_it_either(daemon: FakeDaemon) -> None:
    screen = Terminal()
    async with process(daemon, "call", "place", "+1555", "--follow", stdout=screen.theirs) as running:
        screen.close()
        await daemon.until(lambda: daemon.following > 0)
        await daemon.show(
            event_pb2.LiveWords(call_id=CALL, item_id="i", speaker=event_pb2.SPEAKER_CALLER, text=STEERING)
        )
        await daemon.append(call_closed={})
        shown = await screen.read()
        await running.wait()
    assert "owned" in shown
    assert all(line.isprintable() for line in shown.split("\n")), ascii(shown)
