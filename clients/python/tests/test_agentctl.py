"""agentctl: what it asks of the daemon, what it prints in each form, what it says of failures, and its exit
codes."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]
from grpc import StatusCode

from agentctl.cli import main
from agentctl.exits import Exit
from agentic.v1 import call_pb2, event_pb2
from agentic.v1 import call_service_pb2 as pb
from tests.fake_daemon import CALL, EPOCH, OTHER, FakeDaemon, Fault


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """Its output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Coroutine[Any, Any, Done]]


@pytest.fixture
async def agentctl(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in a thread, its client in this loop: gRPC wants one loop in a process."""
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(
        "agentctl.connect.asyncio.run", lambda work: asyncio.run_coroutine_threadsafe(work, loop).result()
    )
    monkeypatch.setenv("AGENTCTL_ADDR", daemon.address)
    monkeypatch.setenv("TZ", "UTC")

    async def run(*arguments: str) -> Done:
        code = await asyncio.to_thread(main, list(arguments))
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run


@asynccontextmanager
async def process(daemon: FakeDaemon, *arguments: str, **options: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """agentctl as people start it."""
    env = os.environ | {"AGENTCTL_ADDR": daemon.address, "TERM": "xterm", "NO_COLOR": "1"}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    command = [sys.executable, "-m", "agentctl", *arguments]
    started = await asyncio.create_subprocess_exec(*command, env=env, **options)
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


async def conversation(daemon: FakeDaemon, *live: event_pb2.LiveWords, answered: bool = True) -> None:
    """A whole call, from ringing to its close; the words come when it is answered."""
    await daemon.append(call_ringing={"to_address": "+15550001111"})
    if answered:
        await daemon.append(call_answered={})
        if live:
            await daemon.show(*live)
        await daemon.append(
            transcript_final={"speaker": 2, "item_id": "a", "position": 1, "text": "Hello.", "heard_text": "Hello."}
        )
        await daemon.append(
            transcript_final={"speaker": 1, "item_id": "b", "position": 2, "text": "Hi!", "heard_text": "Hi!"}
        )
    reason = call_pb2.END_REASON_COMPLETED if answered else call_pb2.END_REASON_BUSY
    by = call_pb2.ENDED_BY_CALLER if answered else call_pb2.ENDED_BY_CARRIER
    await daemon.append(call_ended={"end": {"reason": reason, "ended_by": by}})
    await daemon.append(call_closed={"duration": {"seconds": 32}, "turns": 1})


# Calls.


async def test_place_asks_for_what_was_said(agentctl: Run, daemon: FakeDaemon) -> None:
    done = await agentctl(
        *("call", "place", "+15550001111", "--agent", "sales", "--from", "+15550002222"),
        *("--var", "name=Ada", "--var", "eq=a=b", "--meta", "order=17", "--greeting", ""),
        *("--ring-timeout", "1.5m", "--request-id", "r1", "-o", "id"),
    )
    assert (done.code, done.out, done.err) == (Exit.OK, f"{CALL}\n", "")
    (sent,) = daemon.requests
    assert (sent.to_address, sent.from_address, sent.agent) == ("+15550001111", "+15550002222", "sales")
    assert dict(sent.variables) == {"name": "Ada", "eq": "a=b"}
    assert (dict(sent.metadata), sent.request_id) == ({"order": "17"}, "r1")
    assert sent.options.ring_timeout.seconds == 90
    assert sent.overrides.HasField("greeting")
    assert not sent.overrides.HasField("instructions")


async def test_instructions_may_come_from_a_file(agentctl: Run, daemon: FakeDaemon, tmp_path: Path) -> None:
    (tmp_path / "who.txt").write_text("You are Aurora.\nBe brief.\n")
    await agentctl("call", "place", "+1555", "--instructions-file", str(tmp_path / "who.txt"))
    assert daemon.requests[0].overrides.instructions == "You are Aurora.\nBe brief.\n"
    both = await agentctl("call", "place", "+1555", "--instructions", "x", "--instructions-file", __file__)
    assert both.code == Exit.USAGE


async def test_one_call_in_every_form(agentctl: Run, daemon: FakeDaemon) -> None:
    await agentctl("call", "place", "+15550001111", "--meta", "order=17")
    plain = await agentctl("call", "get", CALL)
    assert f"call_id: {CALL}\nstate: QUEUED\ndirection: OUTBOUND\n" in plain.out
    assert "metadata.order: 17\n" in plain.out
    answer = json.loads((await agentctl("call", "get", CALL, "-o", "json")).out)
    assert (answer["call"]["state"], answer["revision"]) == ("CALL_STATE_QUEUED", "9")
    assert list(answer["call"])[:3] == ["call_id", "direction", "state"], "in the contract's order"
    assert answer["call"]["carrier_call_id"] == "", "fields are there when they are empty"
    (line,) = (await agentctl("-o", "jsonl", "call", "get", CALL)).lines
    assert line["call_id"] == CALL
    table = await agentctl("call", "get", CALL, "-o", "table")
    assert "QUEUED" in table.out


async def test_hangup_shows_how_it_ended(agentctl: Run, daemon: FakeDaemon) -> None:
    await agentctl("call", "place", "+15550001111")
    done = await agentctl("call", "hangup", CALL, "--reason", "office closes")
    assert "end: CANCELED by API (office closes)\n" in done.out
    assert daemon.requests[1].reason == "office closes"


async def test_lists_in_every_form(agentctl: Run, daemon: FakeDaemon) -> None:
    for number in range(3):
        daemon.calls[f"C{number}"] = call_pb2.Call(
            call_id=f"C{number}",
            state=call_pb2.CALL_STATE_ENDED,
            to_address=f"+1555000{number}",
            end=call_pb2.CallEnd(reason=call_pb2.END_REASON_BUSY),
        )
    plain = (await agentctl("call", "ls")).out.splitlines()
    assert plain[0].split() == ["CALL", "STATE", "DIRECTION", "FROM", "TO", "AGENT", "CREATED", "TALKED", "END"]
    assert plain[2].split()[0] == "C1"
    assert plain[2].endswith("BUSY")
    assert (await agentctl("call", "ls", "-o", "id")).out == "C0\nC1\nC2\n"
    assert [call["call_id"] for call in (await agentctl("call", "ls", "-o", "jsonl")).lines] == ["C0", "C1", "C2"]
    answer = json.loads((await agentctl("call", "ls", "-o", "json", "--limit", "2")).out)
    assert len(answer["calls"]) == 2
    assert answer["next_page_token"] == "2"
    assert "BUSY" in (await agentctl("call", "ls", "-o", "table")).out
    assert (await agentctl("call", "ls", "--state", "live", "-o", "id")).out == ""
    wanted = {call_pb2.CallState.Name(state) for state in daemon.requests[-1].states}
    assert wanted == {name for name in call_pb2.CallState.keys() if not name.endswith(("ED", "X"))} | {  # noqa: SIM118
        "CALL_STATE_QUEUED",
        "CALL_STATE_UNCONFIRMED",
    }


async def test_a_limit_beyond_a_page_is_read_page_by_page(agentctl: Run, daemon: FakeDaemon) -> None:
    daemon.calls = {f"C{number}": call_pb2.Call(call_id=f"C{number}") for number in range(700)}
    answer = json.loads((await agentctl("call", "ls", "-n", "600", "-o", "json")).out)
    assert [call["call_id"] for call in answer["calls"]] == [f"C{number}" for number in range(600)]
    assert [request.page_size for request in daemon.requests] == [500, 100]
    assert answer["revision"] == "9", "the first page's, so that whoever follows from it misses nothing"


async def test_a_transcript_in_every_form(agentctl: Run, daemon: FakeDaemon) -> None:
    cut = event_pb2.TranscriptFinal(
        speaker=event_pb2.SPEAKER_AGENT, item_id="a", text="Hello my dear", heard_text="Hello"
    )
    cut.interrupted = True
    cut.audio_start.FromMilliseconds(62_340)
    daemon.utterances = [
        cut,
        event_pb2.TranscriptFinal(speaker=event_pb2.SPEAKER_CALLER, item_id="b", text="Stop\x1b[2J!"),
    ]
    assert (await agentctl("call", "transcript", CALL)).out == "agent: Hello [cut]\ncaller: Stop [2J!\n"
    assert " 1:02.3   agent: Hello [cut]\n" in (await agentctl("call", "transcript", CALL, "-o", "table")).out
    assert [said["text"] for said in (await agentctl("call", "transcript", CALL, "-o", "jsonl")).lines][
        0
    ] == "Hello my dear"
    assert len(json.loads((await agentctl("call", "transcript", CALL, "-o", "json")).out)["utterances"]) == 2


# Following a call.


async def test_follow_in_a_pipe_prints_every_event_of_the_call(agentctl: Run, daemon: FakeDaemon) -> None:
    following = asyncio.create_task(agentctl("call", "place", "+15550001111", "--follow"))
    await daemon.until(lambda: daemon.following == 1)
    await daemon.append(OTHER, warning={})
    await conversation(daemon)
    done = await following
    assert done.code == Exit.OK
    assert [event["call_sequence"] for event in done.lines] == [str(number) for number in range(1, 8)]
    assert "call_queued" in done.lines[0]
    assert "call_closed" in done.lines[-1]


async def test_follow_as_text_ends_with_why_the_call_ended(agentctl: Run, daemon: FakeDaemon) -> None:
    following = asyncio.create_task(agentctl("call", "place", "+15550001111", "--follow", "-o", "plain"))
    await daemon.until(lambda: daemon.following == 1)
    await conversation(daemon)
    done = await following
    assert done.code == Exit.OK
    assert done.out.splitlines() == [
        f"· call {CALL} to +15550001111 is queued",
        "· ringing",
        "· answered",
        " agent: Hello.",
        "caller: Hi!",
        "· the line is down",
        "— COMPLETED by CALLER, after 32 s and 1 turn",
    ]


async def test_the_exit_code_tells_that_nobody_answered(agentctl: Run, daemon: FakeDaemon) -> None:
    following = asyncio.create_task(agentctl("call", "place", "+1555", "--follow", "-o", "id"))
    await daemon.until(lambda: daemon.following == 1)
    await conversation(daemon, answered=False)
    done = await following
    assert (done.code, done.out) == (Exit.NOT_ANSWERED, f"{CALL}\n")


async def test_follow_says_that_it_was_away_and_misses_nothing(agentctl: Run, daemon: FakeDaemon) -> None:
    following = asyncio.create_task(agentctl("call", "place", "+15550001111", "--follow"))
    await daemon.until(lambda: daemon.following == 1)
    await daemon.stop()
    await conversation(daemon)
    await daemon.start()
    done = await following
    assert [event["call_sequence"] for event in done.lines] == [str(number) for number in range(1, 8)]
    assert "# reconnected, resuming after " in done.err


async def test_on_a_terminal_words_come_as_they_are_spoken(daemon: FakeDaemon) -> None:
    ours, theirs = pty.openpty()
    async with process(daemon, "call", "place", "+15550001111", "--follow", stdout=theirs) as running:
        os.close(theirs)
        await daemon.until(lambda: daemon.following == 1)
        said = event_pb2.LiveWords(call_id=CALL, item_id="a", speaker=event_pb2.SPEAKER_AGENT, text="Hel")
        more = event_pb2.LiveWords(call_id=CALL, item_id="a", speaker=event_pb2.SPEAKER_AGENT, text="lo", offset=3)
        await conversation(daemon, said, more)
        shown = await asyncio.to_thread(_read_all, ours)
        assert await running.wait() == Exit.OK
    assert daemon.requests[1].include_live
    assert "· answered\r\n agent: Hello.\r\ncaller: Hi!\r\n" in shown
    assert shown.endswith("— COMPLETED by CALLER, after 32 s and 1 turn\r\n")


def _read_all(descriptor: int) -> str:
    data = b""
    while True:
        try:
            piece = os.read(descriptor, 4096)
        except OSError:  # how a terminal says that the other side is gone
            piece = b""
        if not piece:
            os.close(descriptor)
            return data.decode()
        data += piece


async def test_ctrl_c_ends_at_once_and_says_where_it_was(daemon: FakeDaemon) -> None:
    async with process(daemon, "call", "place", "+15550001111", "--follow") as running:
        assert running.stdout is not None
        await running.stdout.readline()
        running.send_signal(signal.SIGINT)
        _, err = await running.communicate()
    assert running.returncode == Exit.INTERRUPTED
    assert f"agentctl call hangup {CALL}" in err.decode()
    assert f"agentctl events --call {CALL} --after {EPOCH}:2" in err.decode()
    assert "Traceback" not in err.decode()


async def test_a_reader_that_has_enough_is_no_failure(daemon: FakeDaemon) -> None:
    await daemon.append(warning={})
    async with process(daemon, "events", "--after", "0") as running:
        assert running.stdout is not None
        await running.stdout.readline()
        running._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]  # as head -1 does
        await daemon.append(warning={})
        assert running.stderr is not None
        err = await running.stderr.read()
        assert await running.wait() == Exit.PIPE_CLOSED
    assert err == b""


# Events.


async def test_events_as_text_and_as_json(agentctl: Run, daemon: FakeDaemon) -> None:
    await daemon.append(call_queued={"to_address": "+15550001111"})
    await conversation(daemon)
    text = (await agentctl("events", "--call", CALL, "--after", "0", "-o", "plain")).out.splitlines()
    assert len(text) == 7
    assert text[0].split()[1:] == ["2", CALL, "call_queued", "to_address=+15550001111"]
    assert text[3].endswith("transcript_final   agent: Hello.")
    assert text[5].endswith("call_ended         COMPLETED by CALLER")
    lines = (await agentctl("events", "--call", CALL, "--after", f"{EPOCH}:8")).lines
    assert [line["revision"] for line in lines] == ["10", "12", "14"]
    ids = (await agentctl("events", "--call", CALL, "--after", "0", "--type", "call_ended", "-o", "id")).out
    assert ids == f"{EPOCH}:12\n"
    assert list(daemon.requests[-1].types) == ["call_ended"]


async def test_live_words_are_lines_of_their_own(agentctl: Run, daemon: FakeDaemon) -> None:
    await daemon.append(warning={})
    following = asyncio.create_task(agentctl("events", "--call", CALL, "--after", "0", "--live"))
    await daemon.until(lambda: daemon.following == 1)
    await daemon.show(event_pb2.LiveWords(call_id=CALL, item_id="a", speaker=event_pb2.SPEAKER_AGENT, text="Hel"))
    await daemon.append(call_closed={})
    lines = (await following).lines
    assert [line.get("live", {}).get("text") for line in lines] == [None, "Hel", None]


async def test_a_cursor_file_goes_on_where_it_stopped(agentctl: Run, daemon: FakeDaemon, tmp_path: Path) -> None:
    file = tmp_path / "cursor"
    follow = ("events", "--call", CALL, "--cursor-file", str(file), "-o", "jsonl")
    file.write_text(f"{EPOCH}:0\n")
    await daemon.append(call_queued={})
    following = asyncio.create_task(agentctl(*follow))
    await daemon.append(call_closed={})
    assert [line["revision"] for line in (await following).lines] == ["2", "4"]
    assert file.read_text() == f"{EPOCH}:4\n"
    daemon.extra = [pb.StreamEventsResponse(bookmark=pb.Bookmark(revision=40))]
    following = asyncio.create_task(agentctl("events", "--call", OTHER, "--cursor-file", str(file)))
    await daemon.until(lambda: not daemon.extra)
    await daemon.append(OTHER, call_closed={})
    done = await following
    assert [line["revision"] for line in done.lines] == ["6"], "only what is new"
    assert sorted(name for name in os.listdir(tmp_path) if not name.startswith("agenticd")) == ["cursor"]


async def test_a_bookmark_is_stored_too(agentctl: Run, daemon: FakeDaemon, tmp_path: Path) -> None:
    file = tmp_path / "cursor"
    daemon.extra = [pb.StreamEventsResponse(bookmark=pb.Bookmark(revision=40))]
    await daemon.append(OTHER, warning={})
    daemon.faults = []
    following = asyncio.create_task(agentctl("events", "--type", "call_ended", "--cursor-file", str(file)))
    await daemon.until(lambda: daemon.following == 1 and not daemon.extra)
    await daemon.end_streams(Fault(StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"))
    await following
    assert file.read_text() == f"{EPOCH}:40\n"


async def test_a_spoiled_cursor_file_is_an_error_and_stays(agentctl: Run, tmp_path: Path) -> None:
    file = tmp_path / "cursor"
    file.write_text("spam")
    done = await agentctl("events", "--cursor-file", str(file))
    assert done.code == Exit.FAILED
    assert "epoch:revision" in done.err
    assert file.read_text() == "spam"


# The daemon itself.


async def test_status_and_versions(agentctl: Run, daemon: FakeDaemon) -> None:
    plain = await agentctl("node", "status")
    assert "uptime: 2 min 5 s\n" in plain.out
    assert "twilio: failing, last used 2025-11-22 " in plain.out
    assert ": HTTP 503\n" in plain.out
    assert "openai: not used yet\n" in plain.out
    assert json.loads((await agentctl("node", "status", "-o", "json")).out)["version"] == "0.9.0"
    assert (await agentctl("node", "status", "-o", "id")).out == "node-1\n"
    assert (await agentctl("version", "--server")).out == "server: 0.9.0\n"
    assert json.loads((await agentctl("version", "-o", "json")).out)["server"] == "0.9.0"
    assert "server" not in (await agentctl("version", "--client")).out


# Failures.

FAULTS: list[tuple[Fault, Exit, str, str]] = [
    (Fault(StatusCode.NOT_FOUND, "CALL_NOT_FOUND"), Exit.NOT_FOUND, "CALL_NOT_FOUND", "agentctl call ls"),
    (Fault(StatusCode.FAILED_PRECONDITION, "CALL_NOT_LIVE"), Exit.PRECONDITION, "CALL_NOT_LIVE", ""),
    (Fault(StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"), Exit.DENIED, "UNAUTH", "AGENTCTL_TOKEN_FILE"),
    (Fault(StatusCode.OUT_OF_RANGE, "CURSOR_COMPACTED", first_revision="40"), Exit.CURSOR, "", "--after 0"),
    (Fault(StatusCode.FAILED_PRECONDITION, "LOG_REPLACED"), Exit.CURSOR, "", "cursor file"),
    (Fault(StatusCode.INTERNAL, "INTERNAL", incident="abc"), Exit.FAILED, "", "abc"),
    (Fault(StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS"), Exit.FAILED, "", "try again in 5 s"),
    (Fault(StatusCode.DATA_LOSS), Exit.FAILED, "DATA_LOSS", ""),
]


@pytest.mark.parametrize(
    ("fault", "code", "message", "hint"), FAULTS, ids=lambda v: v.text if isinstance(v, Fault) else ""
)
async def test_failures_say_what_to_do(
    agentctl: Run, daemon: FakeDaemon, fault: Fault, code: Exit, message: str, hint: str
) -> None:
    daemon.faults = [fault, fault]
    done = await agentctl("call", "get", CALL)
    assert (done.code, done.out) == (code, "")
    first, *rest = done.err.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert hint in "".join(rest)
    assert all(line.startswith("hint: ") for line in rest)
    as_json = await agentctl("call", "get", CALL, "-o", "json")
    error = json.loads(as_json.err)["error"]
    assert (as_json.code, error["code"], error["reason"]) == (code, fault.code.name, fault.reason)
    assert error["metadata"] == fault.metadata


async def test_each_wrong_field_is_an_error_of_its_own(agentctl: Run, daemon: FakeDaemon) -> None:
    fields = [
        {"field": "to_address", "description": "must begin with +"},
        {"field": "agent", "description": "is unknown"},
    ]
    wrong = details.BadRequest(field_violations=fields)
    daemon.faults = [Fault(StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT", wrong)]
    done = await agentctl("call", "place", "1555")
    assert done.code == Exit.USAGE
    assert done.err.splitlines()[:2] == ["error: to_address must begin with +", "error: agent is unknown"]


async def test_who_cannot_know_whether_it_was_placed_may_repeat_it(agentctl: Run, daemon: FakeDaemon) -> None:
    daemon.answers.clear()
    done = await agentctl("--timeout", "100ms", "call", "place", "+15550001111")
    assert done.code == Exit.TIMEOUT
    assert f"--request-id {daemon.requests[0].request_id}" in done.err


async def test_why_nobody_answers(agentctl: Run, daemon: FakeDaemon, tmp_path: Path) -> None:
    none = await agentctl("--addr", f"unix:{tmp_path}/none.sock", "node", "status")
    assert none.code == Exit.UNREACHABLE
    assert f"error: agenticd does not answer on unix:{tmp_path}/none.sock (no such socket)\n" in none.err
    (tmp_path / "dead.sock").touch()
    dead = await agentctl("node", "status", "--addr", f"{tmp_path}/dead.sock")
    assert dead.code == Exit.UNREACHABLE
    assert "(nobody listens)" in dead.err
    assert "systemctl status agenticd" in dead.err


async def test_who_may_not_open_the_socket_is_told_the_group(
    agentctl: Run, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    await daemon.stop()
    monkeypatch.setattr(socket.socket, "connect", denied)  # root, who may run the tests, may open every socket
    done = await agentctl("node", "status")
    assert done.code == Exit.DENIED
    assert "(permission denied)" in done.err
    assert "usermod -aG agenticd" in done.err


async def test_waiting_for_the_daemon(agentctl: Run, daemon: FakeDaemon) -> None:
    await daemon.stop()
    waiting = asyncio.create_task(agentctl("--wait", "--timeout", "30s", "node", "status", "-o", "id"))
    await asyncio.sleep(0)
    await daemon.start()
    assert (await waiting).out == "node-1\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plac"], "No such command"),
        (["call", "plac"], "Did you mean 'place'"),
        (["call", "place"], "Missing argument 'TO'"),
        (["call", "place", "+1", "--var", "x"], "'x' is not key=value"),
        (["call", "place", "+1", "--ring-timeout", "soon"], "30s, 1.5m or 2h"),
        (["events", "--after", "x"], "epoch:revision"),
        (["events", "--after", "1", "--cursor-file", "x"], "either --after or --cursor-file"),
        (["-o", "xml", "node", "status"], "xml"),
        (["--addr", "10.0.0.1:1", "node", "status"], "loopback"),
    ],
)
def test_usage_errors(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == Exit.USAGE
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert printed.err.startswith("error: ")


def test_help_imports_nothing_slow() -> None:
    program = "import sys; from agentctl.cli import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Place phone calls" in done.stdout
    assert not {"grpc", "google.protobuf", "rich"} & set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("path", [["call", "place"], ["call", "get"], ["call", "ls"], ["call", "hangup"],
                                  ["call", "transcript"], ["events"], ["node", "status"], ["version"]])  # fmt: skip
def test_every_command_shows_examples(path: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*path, "--help"]) == Exit.OK
    shown = capsys.readouterr().out
    assert shown.count("\n    agentctl ") == 2


async def test_a_narrow_terminal_gets_fewer_columns_and_none_is_cut(daemon: FakeDaemon) -> None:
    daemon.calls[CALL] = call_pb2.Call(call_id=CALL, state=call_pb2.CALL_STATE_IN_PROGRESS, to_address="+15550001111")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    async with process(daemon, "call", "ls", stdout=theirs) as running:
        os.close(theirs)
        shown = (await asyncio.to_thread(_read_all, ours)).splitlines()
        assert await running.wait() == Exit.OK
    assert shown[0].split() == ["CALL", "STATE", "TO", "CREATED", "END"]
    assert shown[1].split()[:3] == [CALL, "IN_PROGRESS", "+15550001111"]


STEERING = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\nerror: \u202e\u2028\x7f[bold]x[/y]"
"""What a caller, a model or a client may have said: controls of 7 and 8 bits, line ends, rich's markup."""


@pytest.mark.parametrize("form", ["table", "plain", "json", "jsonl", "id"])
@pytest.mark.parametrize(
    "command",
    [("call", "get", CALL), ("call", "ls"), ("call", "transcript", CALL), ("events", "--after", "0", "--call", CALL),
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
    said = event_pb2.TranscriptFinal(item_id="i", text=STEERING, heard_text=STEERING, interrupted=True)
    daemon.utterances = [said]
    if OTHER in command:  # what the daemon quotes in a refusal
        broken = details.BadRequest.FieldViolation(field=STEERING, description=STEERING)
        refusal = details.BadRequest(field_violations=[broken])
        daemon.faults = [Fault(StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT", refusal)]
    async with asyncio.TaskGroup() as group:
        running = group.create_task(agentctl(*command, "-o", form))
        if "--follow" in command:
            await daemon.until(lambda: daemon.following)
        await daemon.append(transcript_final=said)
        await daemon.append(digit_received={"digit": STEERING})
        await daemon.append(warning={"code": STEERING, "message": STEERING})
        await daemon.append(call_ended={"end": call.end})
        await daemon.append(call_closed={})
    done = running.result()
    for text in (done.out, done.err):
        assert all(char == "\n" or char.isprintable() for char in text), ascii(text)
        assert not any(line.startswith("error: [bold]") for line in text.splitlines())
    if form == "jsonl" and OTHER not in command:
        assert done.lines, "each line is an object"
