"""Following a call: the conversation on a terminal, JSON lines in a pipe, and an exit code that tells the outcome."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import PIPE

import pytest
from grpc import StatusCode

from agentctl.exits import Exit
from agentic.v1 import call_pb2, event_pb2
from tests.agentctl.conftest import Run, Terminal, conversation, process
from tests.fake_daemon import CALL, EPOCH, OTHER, FakeDaemon, Fault


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
    day, *rows = done.out.splitlines()
    assert day == "— 2025-11-22", "the rows have times only, so another day than today's is said"
    assert [row[10:] for row in rows] == [
        f"   queued  withheld calls +15550001111, agent , call {CALL}",
        "  ringing",
        " answered  after 0.0 s",
        "    agent  Hello.",
        "   caller  Hi!",
        "    ended  COMPLETED by CALLER: the caller hung up",
        "   closed  32 s, 1 turn",
    ]


async def test_the_exit_code_tells_that_nobody_answered(agentctl: Run, daemon: FakeDaemon) -> None:
    following = asyncio.create_task(agentctl("call", "place", "+1555", "--follow", "-o", "id"))
    await daemon.until(lambda: daemon.following == 1)
    await conversation(daemon, answered=False)
    done = await following
    assert (done.code, done.out) == (Exit.NOT_ANSWERED, f"{CALL}\n")


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("BUSY", Exit.NOT_ANSWERED),
        ("NO_ANSWER", Exit.NOT_ANSWERED),
        ("CANCELED", Exit.NOT_ANSWERED),
        ("EXPIRED", Exit.NOT_ANSWERED),
        ("REJECTED", Exit.FAILED),
        ("FAILED", Exit.FAILED),
        ("MODEL_LOST", Exit.FAILED),
        ("DRAINED", Exit.FAILED),
        ("DIAL_UNCONFIRMED", Exit.FAILED),
    ],
)
async def test_what_broke_before_anybody_could_answer_is_not_called_unanswered(
    agentctl: Run, daemon: FakeDaemon, reason: str, code: Exit
) -> None:
    await daemon.append(call_queued={})
    await daemon.append(call_ended={"end": {"reason": f"END_REASON_{reason}"}})
    await daemon.append(call_closed={})
    assert (await agentctl("call", "transcript", CALL, "--follow")).code == code


async def test_follow_says_that_it_was_away_and_misses_nothing(agentctl: Run, daemon: FakeDaemon) -> None:
    following = asyncio.create_task(agentctl("call", "place", "+15550001111", "--follow"))
    await daemon.until(lambda: daemon.following == 1)
    await daemon.stop()
    await conversation(daemon)
    await daemon.start()
    done = await following
    assert [event["call_sequence"] for event in done.lines] == [str(number) for number in range(1, 8)]
    first, second = done.err.splitlines()
    assert first == "# no connection to agenticd; waiting for it"
    assert second.startswith("# reconnected, resuming after ")


async def test_a_stream_that_the_daemon_itself_ended_is_told_so(agentctl: Run, daemon: FakeDaemon) -> None:
    following = asyncio.create_task(agentctl("call", "place", "+15550001111", "--follow", "-o", "plain"))
    await daemon.until(lambda: daemon.following == 1)
    await daemon.end_streams(Fault(StatusCode.ABORTED, "CONSUMER_STALLED"))
    await daemon.until(lambda: daemon.following == 2)
    await conversation(daemon)
    said = (await following).err.splitlines()[0]
    assert said == "# agenticd ended the stream (the daemon says CONSUMER_STALLED); asking again"


def words(item: str, text: str, offset: int = 0) -> event_pb2.LiveWords:
    return event_pb2.LiveWords(call_id=CALL, item_id=item, speaker=event_pb2.SPEAKER_AGENT, text=text, offset=offset)


async def test_on_a_terminal_words_come_as_they_are_spoken(daemon: FakeDaemon) -> None:
    screen = Terminal()
    async with process(daemon, "call", "place", "+15550001111", "--follow", stdout=screen.theirs) as running:
        screen.close()
        await daemon.until(lambda: daemon.following == 1)
        await conversation(daemon, words("a", "Hel"), words("a", "lo", 3))
        shown = await screen.read()
        assert await running.wait() == Exit.OK
    assert daemon.requests[1].include_live
    rows = [line[10:] for line in shown.splitlines() if not line.startswith("—")]
    assert rows[-4:] == [
        "    agent  Hello.",
        "   caller  Hi!",
        "    ended  COMPLETED by CALLER: the caller hung up",
        "   closed  32 s, 1 turn",
    ]


async def test_on_a_terminal_lines_break_between_words(daemon: FakeDaemon) -> None:
    screen = Terminal(columns=60)
    text = "We are open from five in the afternoon until eleven at night, every day but Monday."
    async with process(daemon, "call", "place", "+1555", "--follow", stdout=screen.theirs) as running:
        screen.close()
        await daemon.until(lambda: daemon.following == 1)
        await daemon.append(call_answered={})
        await daemon.append(
            transcript_final={"speaker": 2, "item_id": "a", "position": 1, "text": text, "heard_text": text}
        )
        await daemon.append(call_closed={})
        lines = (await screen.read()).splitlines()
        await running.wait()
    start = next(index for index, line in enumerate(lines) if "agent  We" in line)
    assert all(len(line) < 60 for line in lines)
    assert [line[:21].strip() for line in lines[start + 1 : start + 3]] == ["", ""], "under a hanging indent"
    assert " ".join(line[21:] for line in lines[start : start + 3]) == text


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


async def test_who_leaves_while_the_daemon_is_away_is_not_told_that_the_call_goes_on(daemon: FakeDaemon) -> None:
    async with process(daemon, "call", "place", "+15550001111", "--follow") as running:
        assert running.stdout is not None
        assert running.stderr is not None
        await running.stdout.readline()
        await daemon.stop()
        assert await running.stderr.readline() == b"# no connection to agenticd; waiting for it\n"
        running.send_signal(signal.SIGINT)
        _, err = await running.communicate()
    assert running.returncode == Exit.INTERRUPTED
    first, second = err.decode().splitlines()
    assert first == "# agenticd does not answer; whether the call goes on is not known"
    assert second == f"# to follow it: agentctl events --call {CALL} --after {EPOCH}:2"


async def test_what_is_said_behind_ctrl_c_begins_on_a_line_of_its_own(daemon: FakeDaemon) -> None:
    screen = Terminal()
    async with process(daemon, "call", "place", "+15550001111", "--follow", stderr=screen.theirs) as running:
        screen.close()
        assert running.stdout is not None
        await running.stdout.readline()
        running.send_signal(signal.SIGINT)
        assert (await screen.read()).startswith("\n# the call goes on")
        await running.wait()


async def test_ctrl_c_wakes_a_loop_that_waits(daemon: FakeDaemon) -> None:
    # Delivered to another thread, a signal interrupts nothing in the main one: as when it comes just before the wait.
    program = """if True:
        import selectors, signal, sys, threading
        waits = threading.Event()
        class Selector(selectors.DefaultSelector):
            def select(self, timeout=None):
                if timeout is None or timeout > 1:
                    waits.set()
                found = super().select(timeout)
                waits.clear()
                return found
        selectors.DefaultSelector = Selector
        def press():
            sys.stdin.readline()
            waits.wait()
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        threading.Thread(target=press, daemon=True).start()
        from agentctl.__main__ import main
        sys.exit(main())
    """
    async with process(daemon, "call", "place", "+1555", "--follow", program=program, stdin=PIPE) as running:
        assert running.stdout is not None
        await running.stdout.readline()
        _, err = await running.communicate(b"now\n")
        assert running.returncode == Exit.INTERRUPTED
    assert f"agentctl call hangup {CALL}" in err.decode()


@pytest.mark.parametrize(
    ("answer", "code"), [("y", Exit.OK), ("n", Exit.FAILED), ("", Exit.FAILED), ("^C", Exit.INTERRUPTED)]
)
async def test_a_person_is_asked_before_all_calls_are_ended(daemon: FakeDaemon, answer: str, code: Exit) -> None:
    daemon.calls[CALL] = call_pb2.Call(call_id=CALL, state=call_pb2.CALL_STATE_RINGING)
    screen = Terminal()
    async with process(daemon, "call", "hangup", "--all", stdin=screen.theirs, stderr=screen.theirs) as running:
        screen.close()
        await screen.until("End 1 call (to withheld)? [y/N]")
        if answer == "^C":
            running.send_signal(signal.SIGINT)
        else:
            screen.type(f"{answer}\r")
        assert await running.wait() == code
    shown = await screen.read()
    assert "Traceback" not in shown
    if answer == "^C":
        assert shown.endswith("\n"), "the shell's prompt stands on a line of its own"
    assert (daemon.calls[CALL].state == call_pb2.CALL_STATE_ENDED) is (code is Exit.OK)


async def test_who_presses_ctrl_c_again_breaks_nothing(daemon: FakeDaemon) -> None:
    async with process(daemon, "call", "place", "+15550001111", "--follow") as running:
        assert running.stdout is not None
        assert running.stderr is not None
        await running.stdout.readline()
        pidfd = os.pidfd_open(running.pid)  # the process itself: once it is gone, no other one can be meant
        running.send_signal(signal.SIGINT)
        said = await running.stderr.readline()
        # Again and again, to its very end. Not by send_signal, see process().
        reading = asyncio.ensure_future(running.stderr.read())
        with contextlib.suppress(ProcessLookupError):
            while True:
                signal.pidfd_send_signal(pidfd, signal.SIGINT)
                await asyncio.sleep(0)
        os.close(pidfd)
        said += await reading
        assert await running.wait() == Exit.INTERRUPTED
    first, second = said.decode().splitlines()
    assert first.startswith("# the call goes on")
    assert second.startswith("# to follow it")


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
