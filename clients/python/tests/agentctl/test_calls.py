"""agentctl call: what it asks of the daemon, and what it prints in each form."""

from __future__ import annotations

import json
from pathlib import Path

from grpc import StatusCode

from agentctl.exits import Exit
from agentic.v1 import call_pb2, event_pb2
from tests.agentctl.conftest import Run, Terminal, process
from tests.fake_daemon import CALL, OTHER, FakeDaemon, Fault


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


async def test_a_request_id_that_was_used_before_is_told_so(agentctl: Run) -> None:
    first, again = [await agentctl("call", "place", "+1555", "--request-id", "r\x1b1", "-o", "id") for _ in "12"]
    assert (first.out, first.err) == (again.out, "") == (f"{CALL}\n", "")
    assert again.err == "# request id r 1 was used before: this is that call; it is not dialled again\n"


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
    assert "end: CANCELED by API: hung up before it was answered (office closes)\n" in done.out
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
    assert len(plain[2].split()) == 9, "an empty cell is a dash, so that awk can count"
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
    assert " 1:02.3   agent  Hello [cut]\n" in (await agentctl("call", "transcript", CALL, "-o", "table")).out
    assert [said["text"] for said in (await agentctl("call", "transcript", CALL, "-o", "jsonl")).lines][
        0
    ] == "Hello my dear"
    assert len(json.loads((await agentctl("call", "transcript", CALL, "-o", "json")).out)["utterances"]) == 2


# Filters, and more than one call.


def _call(number: int, **fields: object) -> call_pb2.Call:
    call = call_pb2.Call(call_id=f"C{number}", to_address=f"+1555000{number}", **fields)  # type: ignore[arg-type]
    call.create_time.FromSeconds(1_700_000_000 - 3600 * number)
    return call


async def test_calls_are_filtered_by_what_the_daemon_does_not_look_at(agentctl: Run, daemon: FakeDaemon) -> None:
    ends = [call_pb2.END_REASON_BUSY, call_pb2.END_REASON_NO_ANSWER, call_pb2.END_REASON_COMPLETED]
    for number in range(6):
        end = call_pb2.CallEnd(reason=ends[number % 3])
        call = _call(number, end=end, agent="sales" if number < 3 else "support", metadata={"order": str(number)})
        daemon.calls[call.call_id] = call

    async def ids(*options: str) -> str:
        return (await agentctl("call", "ls", "-o", "id", *options)).out.replace("\n", " ").strip()

    assert await ids("--end", "busy", "--end", "no_answer") == "C0 C1 C3 C4"
    assert await ids("--agent", "support") == "C3 C4 C5"
    assert await ids("--number", "+15550002") == await ids("--number", "+1 (555) 00-02") == "C2"
    assert await ids("--meta", "order=4") == "C4"
    assert await ids("--since", "2023-11-14T21:00+00:00") == "C0 C1"
    assert await ids("--end", "busy", "-n", "1") == "C0"


async def test_who_is_behind_the_limit_is_counted_among_what_the_filter_wants(
    agentctl: Run, daemon: FakeDaemon
) -> None:
    daemon.calls = {f"C{number}": _call(number, agent="a" if number % 2 else "b") for number in range(700)}
    answer = json.loads((await agentctl("call", "ls", "-n", "300", "--agent", "a", "-o", "json")).out)
    assert [call["call_id"] for call in answer["calls"]] == [f"C{number}" for number in range(1, 600, 2)]
    assert answer["next_page_token"] != "", "there are more"


IDS = [CALL, OTHER, "01KAPBQ7DV0000000000000003"]


def _live(daemon: FakeDaemon, count: int) -> None:
    for number, call_id in enumerate(IDS[:count]):
        call = _call(number, state=call_pb2.CALL_STATE_IN_PROGRESS)
        call.call_id = call_id
        daemon.calls[call_id] = call


async def test_several_calls_are_hung_up_in_one_go(agentctl: Run, daemon: FakeDaemon) -> None:
    _live(daemon, 3)
    done = await agentctl("call", "hangup", IDS[0], IDS[2].lower(), IDS[0], "-o", "id")
    assert done.out == f"{IDS[0]}\n{IDS[2]}\n"
    assert daemon.calls[IDS[1]].state == call_pb2.CALL_STATE_IN_PROGRESS


async def test_several_calls_that_were_hung_up_are_a_list(agentctl: Run, daemon: FakeDaemon) -> None:
    _live(daemon, 3)
    for form, title in (("plain", "DIRECTION"), ("table", "WITH")):
        header, *rows = (await agentctl("call", "hangup", *IDS, "-o", form)).out.splitlines()
        assert title in header.split()
        assert [row.split()[0] for row in rows] == IDS
        assert all(row.endswith("CANCELED") for row in rows)


async def test_who_names_a_call_that_is_not_there_has_ended_none(agentctl: Run, daemon: FakeDaemon) -> None:
    _live(daemon, 1)
    unknown = await agentctl("call", "hangup", CALL, OTHER)
    assert (unknown.code, unknown.out) == (Exit.NOT_FOUND, "")
    wrong = await agentctl("call", "hangup", CALL, "foo")
    assert (wrong.code, wrong.out) == (Exit.USAGE, "")
    assert daemon.calls[CALL].state == call_pb2.CALL_STATE_IN_PROGRESS


async def test_those_that_were_ended_are_shown_though_the_next_one_failed(agentctl: Run, daemon: FakeDaemon) -> None:
    _live(daemon, 3)
    daemon.fail_hang_up = {IDS[1]: Fault(StatusCode.INTERNAL, "INTERNAL")}
    done = await agentctl("call", "hangup", "--all", "--yes", "-o", "plain")
    assert done.code == Exit.FAILED
    assert [row.split()[0] for row in done.out.splitlines()] == ["CALL", IDS[0]]


async def test_hanging_up_all_wants_to_be_sure(agentctl: Run, daemon: FakeDaemon) -> None:
    _live(daemon, 2)
    unsure = await agentctl("call", "hangup", "--all")
    assert (unsure.code, unsure.out) == (Exit.USAGE, "")
    assert "--yes" in unsure.err
    assert all(call.state == call_pb2.CALL_STATE_IN_PROGRESS for call in daemon.calls.values())
    assert (await agentctl("call", "hangup", "--all", "--yes", "-o", "id")).out == f"{IDS[0]}\n{IDS[1]}\n"
    assert all(call.state == call_pb2.CALL_STATE_ENDED for call in daemon.calls.values())
    none = await agentctl("call", "hangup", "--all")
    assert (none.code, none.err) == (Exit.OK, "# no call is live\n")


async def test_the_question_names_the_first_calls(daemon: FakeDaemon) -> None:
    _live(daemon, 3)
    daemon.calls["4"] = call_pb2.Call(call_id="4", state=call_pb2.CALL_STATE_RINGING, to_address="+15559")
    screen = Terminal()
    async with process(daemon, "call", "hangup", "--all", stdin=screen.theirs, stderr=screen.theirs) as running:
        screen.close()
        await screen.until("End 4 calls (to +15550000, to +15550001, to +15550002, …)? [y/N]")
        screen.type("n\r")
        assert await running.wait() == Exit.FAILED


async def test_a_narrow_terminal_gets_fewer_columns_and_none_is_cut(daemon: FakeDaemon) -> None:
    daemon.calls[CALL] = call_pb2.Call(
        call_id=CALL, state=call_pb2.CALL_STATE_IN_PROGRESS, to_address="+15550001111", agent="a" * 20
    )
    for columns, titles in (
        (80, ["CALL", "STATE", "WITH", "CREATED", "END"]),
        (60, ["CALL", "STATE", "WITH"]),
    ):
        screen = Terminal(columns)
        async with process(daemon, "call", "ls", stdout=screen.theirs) as running:
            screen.close()
            header, row = (await screen.read()).splitlines()
            assert await running.wait() == Exit.OK
        assert header.split() == titles
        assert row.split()[:4] == [CALL, "IN_PROGRESS", "to", "+15550001111"]
        assert max(len(header), len(row)) <= columns
