"""The client asks for what its caller meant, tries again only what was surely not done, and finds its
daemon."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from grpc import StatusCode

from agentic import Client, Cursor, Target, connect, errors
from agentic.channel import OPTIONS
from agentic.target import find
from agentic.v1 import call_pb2, node_service_pb2
from agentic.v1 import call_service_pb2 as pb
from tests.fake_daemon import CALL, EPOCH, FakeDaemon, Fault


async def test_an_order_is_sent_as_it_was_meant(client: Client, daemon: FakeDaemon) -> None:
    placed = await client.place_call(
        "+15550001111", greeting="", variables={"name": "Ada"}, metadata={"order": "17"}, ring_timeout=20.5
    )
    assert (placed.call.call_id, placed.revision, placed.epoch) == (CALL, 2, EPOCH)
    (sent,) = daemon.requests
    assert sent.overrides.HasField("greeting"), "an empty greeting is an order to wait for the caller"
    assert not sent.overrides.HasField("instructions"), "what was not said keeps the profile's value"
    assert sent.options.ring_timeout == Duration(seconds=20, nanos=500_000_000)
    assert not sent.options.HasField("max_duration")
    assert (dict(sent.variables), dict(sent.metadata)) == ({"name": "Ada"}, {"order": "17"})
    assert uuid.UUID(sent.request_id).version == 4


async def test_what_was_not_done_is_tried_again_with_the_same_request_id(client: Client, daemon: FakeDaemon) -> None:
    daemon.faults = [Fault(StatusCode.UNAVAILABLE, "STORE_DOWN"), Fault(StatusCode.UNAVAILABLE)]
    await client.place_call("+15550001111")
    assert len(daemon.requests) == 3
    assert len({request.request_id for request in daemon.requests}) == 1


@pytest.mark.parametrize("code", [StatusCode.INTERNAL, StatusCode.ABORTED, StatusCode.DEADLINE_EXCEEDED])
async def test_what_may_have_been_done_is_not_tried_again(client: Client, daemon: FakeDaemon, code: StatusCode) -> None:
    daemon.faults = [Fault(code)] * 2
    with pytest.raises(errors.AgenticError):
        await client.place_call("+15550001111")
    assert len(daemon.requests) == 1


async def test_an_order_rides_over_a_restart_of_a_daemon_that_has_answered(client: Client, daemon: FakeDaemon) -> None:
    await client.status()
    await daemon.stop()
    placing = asyncio.create_task(client.place_call("+15550001111"))
    # Longer than gRPC tries by itself: it gives up an address where nobody listens in well under 2 s.
    with pytest.raises(errors.Unreachable):
        async with Client(client.target) as other:
            await other.status()
    assert not placing.done()
    await daemon.start()
    assert (await placing).call.call_id == CALL
    assert len(daemon.requests) == 2


async def test_a_daemon_that_stays_away_is_unreachable_within_the_deadline(client: Client, daemon: FakeDaemon) -> None:
    await client.status()
    await daemon.stop()
    client.timeout = 1.0
    with pytest.raises((errors.Unreachable, errors.DeadlineExceeded)) as caught:
        await client.place_call("+15550001111")
    assert uuid.UUID(caught.value.request_id).version == 4, "with it, the order is safe to repeat later"


async def test_an_error_of_an_order_has_its_request_id(client: Client, daemon: FakeDaemon) -> None:
    daemon.faults = [Fault(StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"), Fault(StatusCode.INTERNAL)]
    with pytest.raises(errors.InvalidArgument) as caught:
        await client.place_call("555", request_id="mine")
    assert caught.value.request_id == "mine"
    with pytest.raises(errors.AgenticError) as other:
        await client.status()
    assert other.value.request_id == ""


async def test_a_closed_client_says_so(daemon: FakeDaemon) -> None:
    client = Client(Target(daemon.address))
    await client.close()
    for use in (client.status, lambda: client.wait_ready(1)):
        with pytest.raises(RuntimeError, match="closed"):
            await use()
    with pytest.raises(RuntimeError, match="closed"):
        client.events()


async def test_closing_ends_a_request_with_an_error_and_not_by_cancelling_its_task(
    client: Client, daemon: FakeDaemon
) -> None:
    daemon.answers.clear()
    asking = asyncio.create_task(client.status())
    await daemon.until(lambda: len(daemon.requests) == 1)
    await client.close()
    with pytest.raises(errors.AgenticError, match="closed"):
        await asking
    daemon.answers.set()


@pytest.mark.parametrize("name", ["call_ids", "types"])
async def test_a_text_where_several_are_meant_is_refused(client: Client, name: str) -> None:
    with pytest.raises(TypeError, match=name):
        client.events(**{name: CALL})  # type: ignore[call-overload]  # a text is several texts, to the checker


async def test_other_requests(client: Client, daemon: FakeDaemon) -> None:
    await client.place_call("+15550001111")
    assert (await client.get_call(CALL)).call.to_address == "+15550001111"
    assert (await client.hang_up(CALL, "enough")).call.end.message == "enough"
    assert (await client.transcript(CALL)).revision == 9
    assert (await client.status()).version == "0.9.0"
    assert (await client.drain()).live_calls == 1


async def test_all_calls_come_page_by_page(client: Client, daemon: FakeDaemon) -> None:
    daemon.calls = {f"{n}": call_pb2.Call(call_id=f"{n}", state=call_pb2.CALL_STATE_ENDED) for n in range(1200)}
    found = [call.call_id async for call in client.all_calls(states=[call_pb2.CALL_STATE_ENDED])]
    assert found == list(daemon.calls)
    assert [request.page_token for request in daemon.requests] == ["", "500", "1000"]
    assert all(list(request.states) == [call_pb2.CALL_STATE_ENDED] for request in daemon.requests)


async def test_the_token_is_shown_on_loopback_with_every_request(tmp_path: Path) -> None:
    daemon = FakeDaemon(tmp_path)
    (port,) = await daemon.start("127.0.0.1:0")
    try:
        async with connect(f"127.0.0.1:{port}", "s3cret") as client:
            await client.status()
            async with client.events(after=0) as stream:
                await daemon.append(warning={})
                await anext(stream)
        assert [metadata.get("authorization") for metadata in daemon.metadata] == ["Bearer s3cret"] * 2
    finally:
        await daemon.stop()


async def test_a_stream_that_is_not_read_does_not_hold_up_other_requests(client: Client, daemon: FakeDaemon) -> None:
    async with client.events(after=0) as stream:
        await daemon.append(warning={"message": "first"})
        await anext(stream)
        for _ in range(30):
            await daemon.append(warning={"message": "x" * 100_000})
        assert (await client.status()).head_revision == 62
        assert [(await anext(stream)).revision for _ in range(30)] == list(range(4, 63, 2))


async def test_waiting_for_a_daemon_that_starts(tmp_path: Path) -> None:
    daemon = FakeDaemon(tmp_path)
    async with Client(Target(daemon.address)) as client:
        waiting = asyncio.create_task(client.wait_ready(30))
        await daemon.start()
        await waiting
        assert (await client.status()).version == "0.9.0"
    await daemon.stop()


# Where the daemon is.


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment whose places are all in tmp_path."""
    return {name: str(tmp_path / name.lower()) for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "HOME", "TMPDIR")}


def socket_in(directory: Path) -> str:
    directory.mkdir(parents=True)
    (directory / "agenticd.sock").touch()
    return f"unix:{directory}/agenticd.sock"


def test_the_nearest_socket_that_exists_is_taken(env: dict[str, str], tmp_path: Path) -> None:
    assert find(env=env).address == "unix:/run/agenticd/agenticd.sock"
    user = socket_in(tmp_path / "xdg_runtime_dir" / "agenticd")
    assert find(env=env).address == user
    env["RUNTIME_DIRECTORY"] = f"{tmp_path}/service:{tmp_path}/other"
    assert find(env=env).address == user
    assert find(env=env | {"AGENTCTL_ADDR": "unix:/a.sock"}).address == "unix:/a.sock"
    service = socket_in(tmp_path / "service")
    assert find(env=env).address == service
    assert find("unix:///b.sock", env=env | {"AGENTCTL_ADDR": "unix:/a.sock"}).address == "unix:/b.sock"
    assert find("/b.sock", env=env).path == Path("/b.sock")


def test_a_temporary_socket_is_taken_only_from_a_directory_of_ones_own(env: dict[str, str], tmp_path: Path) -> None:
    del env["XDG_RUNTIME_DIR"]
    directory = tmp_path / "tmpdir" / f"agenticd-{os.getuid()}"
    own = socket_in(directory)
    assert find(env=env).address == own
    directory.rename(tmp_path / "elsewhere")
    directory.symlink_to(tmp_path / "elsewhere")
    assert find(env=env).address == "unix:/run/agenticd/agenticd.sock"


def test_the_token_is_looked_for_where_daemons_keep_theirs(env: dict[str, str], tmp_path: Path) -> None:
    address = "127.0.0.1:50051"
    assert find(address, env=env).token is None
    runtime = Path(env["XDG_RUNTIME_DIR"]) / "agenticd"
    runtime.mkdir(parents=True, exist_ok=True)
    (runtime / "token").write_text("from-runtime\n")
    assert find(address, env=env).token == "from-runtime"
    (tmp_path / "named").write_text("from-file\n")
    env["AGENTCTL_TOKEN_FILE"] = str(tmp_path / "named")
    assert find(address, env=env).token == "from-file"
    assert find(address, "given", env=env).token == "given"
    assert find("unix:/a.sock", env=env).token is None, "a Unix socket needs none"
    (tmp_path / "named").unlink()
    with pytest.raises(FileNotFoundError):
        find(address, env=env)


@pytest.mark.parametrize("text", ["", "12", "a b:1", "e:", "e:-1", "e:01", "e:1:2"])
def test_what_is_no_cursor(text: str) -> None:
    with pytest.raises(ValueError, match="epoch:revision"):
        Cursor.parse(text)


def test_a_cursor_is_text_and_back() -> None:
    assert Cursor.parse(" 5f0c:1042\n") == Cursor("5f0c", 1042)
    assert str(Cursor("5f0c", 1042)) == "5f0c:1042"


def test_retries_are_for_services_that_exist_and_for_unavailable_alone() -> None:
    config = json.loads(str(dict(OPTIONS)["grpc.service_config"]))["methodConfig"]
    streams, requests = config
    assert streams == {"name": [{"service": "agentic.v1.CallService", "method": "StreamEvents"}]}
    assert requests["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    services = (
        pb.DESCRIPTOR.services_by_name["CallService"],
        node_service_pb2.DESCRIPTOR.services_by_name["NodeService"],
    )
    assert [name["service"] for name in requests["name"]] == [service.full_name for service in services]
