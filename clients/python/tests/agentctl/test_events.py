"""agentctl events: where it begins and ends, what it prints, and that it loses nothing."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from grpc import StatusCode

from agentctl.exits import Exit
from agentctl.places import CursorFile
from agentic import Cursor
from agentic.v1 import call_pb2, event_pb2
from agentic.v1 import call_service_pb2 as pb
from tests.agentctl.conftest import Run, Terminal, conversation, process
from tests.fake_daemon import CALL, EPOCH, OTHER, FakeDaemon, Fault


async def test_events_as_text_and_as_json(agentctl: Run, daemon: FakeDaemon) -> None:
    await daemon.append(call_queued={"to_address": "+15550001111"})
    await conversation(daemon)
    text = (await agentctl("events", "--call", CALL, "--after", "0", "-o", "plain")).out.splitlines()
    assert len(text) == 7
    assert text[0].split()[1:] == ["2", CALL, "call_queued", "to_address=+15550001111"]
    assert text[3].endswith("transcript_final   agent: Hello.")
    assert text[5].endswith("call_ended         COMPLETED by CALLER: the caller hung up")
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


async def test_a_place_of_another_log_is_told_by_where_it_is_from(
    agentctl: Run, daemon: FakeDaemon, tmp_path: Path
) -> None:
    file = tmp_path / "cursor"
    for stored in ("", "abc:5\n"):
        file.write_text(stored)
        done = await agentctl("events", "--after", "abc:5", "--cursor-file", str(file))
        assert done.code == Exit.CURSOR
        if stored:
            assert f"hint: the daemon has another log now: remove {file}, and begin with --after 0\n" in done.err
        else:
            assert f"error: --after: there is no log abc here; the daemon's is {EPOCH}\n" in done.err
            assert "remove" not in done.err


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


async def test_the_place_is_safe_on_the_disk_before_it_takes_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        done.append("fsync")
        fsync(descriptor)

    def replaced(path: Path, target: Path) -> Path:
        done.append("replace")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    CursorFile(tmp_path / "cursor").store(Cursor(EPOCH, 7))
    assert done == ["fsync", "replace"]
    assert CursorFile(tmp_path / "cursor").load() == Cursor(EPOCH, 7)


async def test_a_cursor_file_that_nobody_can_write_is_said_before_anything_is_shown(
    agentctl: Run, daemon: FakeDaemon, tmp_path: Path
) -> None:
    await daemon.append(warning={})
    done = await agentctl("events", "--after", "0", "--cursor-file", str(tmp_path / "none" / "cursor"))
    assert (done.code, done.out) == (Exit.FAILED, "")
    assert done.err == f"error: {tmp_path}/none/cursor: there is no directory {tmp_path}/none\n"


async def test_a_cursor_file_that_is_not_there_yet_begins_where_it_is_told(
    agentctl: Run, daemon: FakeDaemon, tmp_path: Path
) -> None:
    file = tmp_path / "cursor"
    for _ in range(3):
        await daemon.append(warning={})
    follow = ("events", "--until-end", "--cursor-file", str(file), "--after", "2")
    assert [line["revision"] for line in (await agentctl(*follow)).lines] == ["4", "6"]
    await daemon.append(warning={})
    assert [line["revision"] for line in (await agentctl(*follow)).lines] == ["8"], "now the file says where"
    assert (await agentctl(*follow)).out == ""


async def test_of_a_call_that_ended_long_ago_everything_is_shown(agentctl: Run, daemon: FakeDaemon) -> None:
    await conversation(daemon)
    lines = (await agentctl("events", "--call", CALL)).lines
    assert [line["call_sequence"] for line in lines] == [str(number) for number in range(1, 7)]


async def test_without_a_call_it_begins_now(agentctl: Run, daemon: FakeDaemon) -> None:
    await daemon.append(warning={})
    following = asyncio.create_task(agentctl("events"))
    await daemon.until(lambda: daemon.following == 1)
    await daemon.append(warning={})
    await daemon.end_streams(Fault(StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"))
    assert [line["revision"] for line in (await following).lines] == ["4"]


async def test_up_to_the_end_it_shows_what_there_is_and_stops(agentctl: Run, daemon: FakeDaemon) -> None:
    assert (await agentctl("events", "--until-end")).out == "", "an empty log has an end"
    await daemon.append(call_queued={})
    await daemon.append(OTHER, warning={})
    await daemon.append(call_dialing={})
    await daemon.append(OTHER, warning={})
    everything = await agentctl("events", "--until-end", "-o", "id")
    assert everything.out.split() == [f"{EPOCH}:{revision}" for revision in (2, 4, 6, 8)]
    filtered = await agentctl("events", "--until-end", "--type", "call_queued", "-o", "id")
    assert filtered.out.split() == [f"{EPOCH}:2"], "though the log's last event is of another kind"
    daemon.calls[CALL] = call_pb2.Call(call_id=CALL, last_sequence=2)
    one = await agentctl("events", "--until-end", "--call", CALL, "-o", "id")
    assert one.out.split() == [f"{EPOCH}:2", f"{EPOCH}:6"], "though the call goes on"


async def test_up_to_the_end_of_a_call_that_has_nothing_new_a_bookmark_ends_it(
    agentctl: Run, daemon: FakeDaemon
) -> None:
    await daemon.append(call_queued={})
    await daemon.append(OTHER, warning={})
    daemon.calls[CALL] = call_pb2.Call(call_id=CALL, last_sequence=1)
    daemon.extra = [pb.StreamEventsResponse(bookmark=pb.Bookmark(revision=4))]
    done = await agentctl("events", "--until-end", "--call", CALL, "--after", "2")
    assert (done.code, done.out) == (Exit.OK, "")


@pytest.mark.parametrize(("milliseconds", "first"), [(0, 2), (2, 2), (3, 4), (41, 42), (79, 80), (80, 80), (81, None)])
async def test_since_finds_its_place_by_time(
    agentctl: Run, daemon: FakeDaemon, milliseconds: int, first: int | None
) -> None:
    for _ in range(40):
        await daemon.append(warning={})  # at 1763834567 s and as many ms as the revision is
    moment = f"2025-11-22T18:02:47.{milliseconds:03}+00:00"
    done = await agentctl("events", "--since", moment, "--until-end", "-o", "id")
    assert done.out.split() == [f"{EPOCH}:{revision}" for revision in range(first or 82, 82, 2)]
    looks = sum(isinstance(request, pb.StreamEventsRequest) for request in daemon.requests)
    assert looks <= 8, "it does not read the whole log for it"


async def test_bookmarks_are_shown_if_asked_for(agentctl: Run, daemon: FakeDaemon) -> None:
    for options, shown in (((), []), (("--bookmarks",), [{"bookmark": {"revision": "40"}}])):
        daemon.extra = [pb.StreamEventsResponse(bookmark=pb.Bookmark(revision=40))]
        following = asyncio.create_task(agentctl("events", "--type", "call_ended", *options))
        await daemon.until(lambda: not daemon.extra)
        await daemon.end_streams(Fault(StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"))
        assert (await following).lines == shown


async def test_ctrl_c_says_with_what_to_go_on(daemon: FakeDaemon, tmp_path: Path) -> None:
    await daemon.append(warning={})
    for options in ((), ("--cursor-file", str(tmp_path / "cursor"))):
        async with process(daemon, "events", "--type", "warning", "--after", "0", *options) as running:
            assert running.stdout is not None
            await running.stdout.readline()
            running.send_signal(signal.SIGINT)
            _, err = await running.communicate()
        assert running.returncode == Exit.INTERRUPTED
        if options:
            assert err.decode() == f"# stopped at {EPOCH}:2; the same command goes on from there\n"
        else:
            assert err.decode() == f"# stopped; to go on: agentctl events --type warning --after {EPOCH}:2\n"


async def test_a_daemon_that_comes_back_is_told_of_and_nothing_is_missing(agentctl: Run, daemon: FakeDaemon) -> None:
    await daemon.append(call_queued={})
    following = asyncio.create_task(agentctl("events", "--call", CALL, "-o", "id"))
    await daemon.until(lambda: daemon.following == 1)
    await daemon.stop()
    await daemon.append(call_dialing={})
    await daemon.append(call_closed={})
    await daemon.start()
    done = await following
    assert done.out.split() == [f"{EPOCH}:{revision}" for revision in (2, 4, 6)]
    # After 0 where the daemon went away before its first batch was read.
    lost, back = done.err.splitlines()
    assert lost == "# no connection to agenticd; waiting for it"
    assert back in ("# reconnected, resuming after 2", "# reconnected, resuming after 0")


async def test_on_a_terminal_several_calls_stand_side_by_side(daemon: FakeDaemon) -> None:
    screen = Terminal()
    await daemon.append(call_queued={"from_address": "+1555", "to_address": "+1666", "agent": "sales"})
    await daemon.append(OTHER, call_ringing={"from_address": "+1777", "to_address": "+1555", "agent": "desk"})
    await daemon.append(usage_reported={})
    async with process(daemon, "events", "--until-end", stdout=screen.theirs) as running:
        screen.close()
        shown = await screen.read()
        assert await running.wait() == Exit.OK
    day, first, second, third, fourth = shown.splitlines()
    assert (day, first[10:]) == ("— 2025-11-22", "000001     queued  +1555 calls +1666, agent sales, call")
    assert second.strip() == CALL
    assert third[10:] == "000002    ringing  +1777 calls +1555, agent desk, call"
    assert fourth.strip() == OTHER
