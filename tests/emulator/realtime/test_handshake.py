"""Who is let in, how the others are told, and how a session begins and ends."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus

from agenticd.emulator.realtime import RealtimeConfig, RealtimeServer
from tests.emulator.realtime.client import INSTANT, SLOW, Client, connected, serving, talking

KEY = [("Authorization", "Bearer sk-emulator")]


async def rejected(url: str, headers: list[tuple[str, str]]) -> tuple[str, int, str]:
    """The error's code, then the close code and reason, of a socket that opens only to be closed."""
    async with connect(url, additional_headers=headers) as socket:
        client = Client(socket)
        event = await client.next()
        assert event["type"] == "error"
        with pytest.raises(ConnectionClosedError) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    return event["error"]["code"], closed.value.rcvd.code, closed.value.rcvd.reason


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer", "Basic sk-emulator", "sk-emulator"])
async def test_a_wrong_key_gets_401_and_no_socket(header: str | None) -> None:
    headers = [] if header is None else [("Authorization", header)]
    async with serving() as server:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{server.url}?model=gpt-realtime-2.1", additional_headers=headers)
        response = refused.value.response
        assert response.status_code == 401
        assert response.headers["Content-Type"] == "application/json"
        assert json.loads(response.body or b"")["error"]["type"] == "invalid_request_error"
        assert server.sessions == []


async def test_another_path_gets_404() -> None:
    async with serving() as server:
        with pytest.raises(InvalidStatus) as refused:
            await connect(server.url.replace("/realtime", "/other"), additional_headers=KEY)
        assert refused.value.response.status_code == 404


async def test_the_beta_interface_is_switched_off() -> None:
    async with serving() as server:
        headers = [*KEY, ("OpenAI-Beta", "realtime=v1")]
        code, close, reason = await rejected(f"{server.url}?model=gpt-realtime-2.1", headers)
        assert (code, close) == ("beta_api_shape_disabled", 4000)
        assert reason == "invalid_request_error.beta_api_shape_disabled"
        assert server.sessions == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "missing_model"),
        ("?model=", "missing_model"),
        ("?model=gpt-4o-realtime-preview", "model_not_found"),
    ],
)
async def test_a_model_that_is_not_served_is_named(query: str, code: str) -> None:
    async with serving() as server:
        assert (await rejected(server.url + query, KEY))[:2] == (code, 4000)


async def test_a_session_begins_with_the_originals_defaults() -> None:
    begun = time.time()
    async with talking() as (server, client):
        session = client.events[0]["session"]
    assert session["type"] == "realtime"
    assert session["model"] == "gpt-realtime-2.1"
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert session["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert session["audio"]["input"]["transcription"] is None
    assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"
    assert begun + 3590 < session["expires_at"] < time.time() + 3610
    assert session["id"] == server.sessions[0].id


async def test_an_expired_session_is_told_so_and_closed() -> None:
    async with talking(replace(INSTANT, session_seconds=0.05)) as (server, client):
        assert (await client.error())["code"] == "session_expired"
        with pytest.raises(ConnectionClosedOK) as closed:
            await client.next()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        assert "maximum duration of 60 minutes" in closed.value.rcvd.reason
        await server.sessions[0].wait_closed()


async def test_a_server_that_fails_closes_with_its_code() -> None:
    async with talking() as (server, client):
        await server.sessions[0].close(1011, "internal error")
        assert server.sessions[0].closed
        with pytest.raises(ConnectionClosedError) as closed:
            await client.next()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1011


async def test_a_client_that_vanishes_mid_answer_leaves_nothing_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(SLOW) as server:
        idle = asyncio.all_tasks()
        async with connected(server) as client:
            await client.send("response.create", response={"instructions": 'Say: "Of course."'})
            await client.until("response.output_audio.delta")
            client.socket.transport.abort()
            await server.sessions[0].wait_closed()
        assert server.sessions[0].closed
        await settle(idle)
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


async def test_after_stop_no_task_is_left() -> None:
    before = asyncio.all_tasks()
    server = RealtimeServer(SLOW)
    await server.start()
    async with connected(server) as first, connected(server) as second:
        for client in (first, second):
            await client.phone()
            await client.send("response.create", response={"instructions": 'Say: "Please wait."'})
            await client.until("response.output_audio.delta")
        await server.stop()
        assert all(session.closed for session in server.sessions)
    await settle(before)
    await server.stop()  # harmless


async def settle(tasks: set[asyncio.Task[object]]) -> None:
    """Waits until no other task than these is left."""
    async with asyncio.timeout(20):
        while left := asyncio.all_tasks() - tasks - {asyncio.current_task()}:
            await asyncio.wait(left)


async def test_many_sessions_do_not_touch_each_other() -> None:
    async with serving() as server:

        async def one(number: int) -> None:
            async with connected(server) as client:
                await client.update(instructions=f"You are number {number}.", output_modalities=["text"])
                order = f'Say exactly this: "I am number {number}."'
                await client.send("response.create", response={"instructions": order})
                done = await client.until("response.done")
                assert done["response"]["output"][0]["content"][0]["text"] == f"I am number {number}."

        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(one(number))
        assert sorted(s.instructions for s in server.sessions) == sorted(f"You are number {n}." for n in range(20))


async def test_only_the_last_finished_sessions_are_kept() -> None:
    async with serving(replace(INSTANT, keep_sessions=2)) as server:
        for _ in range(5):
            async with connected(server):
                session = server.sessions[-1]
            await session.wait_closed()
        async with connected(server):
            assert len(server.sessions) == 3


async def test_who_waits_for_a_session_gets_it() -> None:
    async with serving() as server:
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(server.wait_for_session(0))
            async with connected(server):
                session = await waiting
        assert session is server.sessions[0]


def test_the_url_of_a_server_that_does_not_listen_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="not started"):
        _ = RealtimeServer().url


@pytest.mark.parametrize(
    "wrong", [{"chunk_ms": 0}, {"chunk_ms": ()}, {"speed": 0}, {"session_seconds": 0}, {"response_delay": -1}]
)
def test_a_config_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        RealtimeConfig(**wrong)  # type: ignore[arg-type]
