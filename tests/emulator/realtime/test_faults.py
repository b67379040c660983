"""The model misbehaves as it is told to, no more than that, and in OpenAI's own words."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from dataclasses import replace
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus, WebSocketException

from agenticd.emulator.realtime import (
    DEMO_GREETING,
    Complaint,
    Dialogue,
    Failure,
    Loss,
    Messages,
    RealtimeConfig,
    RealtimeFaults,
    RealtimeServer,
    Refusal,
    Stall,
)
from agenticd.emulator.voice import Voice
from tests.emulator.realtime.client import (
    INSTANT,
    PCMU,
    SERVER_EVENTS,
    SLOW,
    Client,
    connected,
    serving,
    talking,
    validate,
)

KEY = {"Authorization": "Bearer sk-emulator"}
GREETING = {"instructions": f'Say: "{DEMO_GREETING}"'}
AUDIO = Voice().say(DEMO_GREETING, "agent")
DELTA = "response.output_audio.delta"


def broken(base: RealtimeConfig = INSTANT, **faults: Any) -> RealtimeConfig:
    return replace(base, faults=RealtimeFaults(**faults))


async def greeted(client: Client) -> dict[str, Any]:
    """Lets the model say the greeting; the response as it ended."""
    await client.send("response.create", response=GREETING)
    done: dict[str, Any] = (await client.until("response.done"))["response"]
    return done


async def closed(client: Client) -> ConnectionClosed:
    """Reads to the end of the connection."""
    try:
        while True:
            await client.next()
    except ConnectionClosed as end:
        return end


# Slow, silent, in another format.


async def test_a_handshake_and_an_answer_take_as_long_as_they_are_told_to() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with talking(broken(handshake_delay=0.2, answer_delay=0.3)) as (_, client):
        assert loop.time() - began >= 0.2
        asked = loop.time()
        assert (await greeted(client))["status"] == "completed"
        assert loop.time() - asked >= 0.3


async def test_a_handshake_that_is_never_answered_does_not_hold_up_the_end() -> None:
    server = RealtimeServer(broken(handshake_delay=math.inf))
    await server.start()
    opening = asyncio.create_task(connect(f"{server.url}?model=gpt-realtime", additional_headers=KEY).__aenter__())
    await asyncio.sleep(0)
    await server.stop()
    with pytest.raises((OSError, WebSocketException, EOFError)):
        await opening


async def test_a_model_that_answers_nothing_takes_all_else() -> None:
    async with talking(broken(silent="answers")) as (server, client):
        await client.phone()
        await client.send("response.create", response=GREETING)
        await client.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
        assert (await client.next())["type"] == "session.updated"
        (session,) = server.sessions
        assert (session.requests["response.create"], session.errors) == (1, [])
        server.config.now.faults = RealtimeFaults()
        assert (await greeted(client))["status"] == "completed"


@pytest.mark.parametrize("admits", [True, False])
async def test_it_speaks_another_format_and_says_so_or_not(admits: bool) -> None:
    async with talking(broken(speaks="audio/pcm", admits=admits)) as (_, client):
        await client.send("session.update", session={"type": "realtime", "audio": {"output": {"format": PCMU}}})
        updated = await client.until("session.updated")
        said = updated["session"]["audio"]["output"]["format"]["type"]
        assert said == ("audio/pcm" if admits else "audio/pcmu")
        await client.send("response.create", response=GREETING)
        audio = b""
        while (event := await client.next())["type"] != "response.done":
            if event["type"] == DELTA:
                audio += base64.b64decode(event["delta"])
        assert len(audio) == 6 * len(AUDIO)


# Stalls.


async def test_a_stall_stops_the_audio_after_exactly_so_much_and_for_so_long() -> None:
    config = broken(replace(INSTANT, chunk_ms=300), stalls=(Stall(700, 0.25), Stall(1000, 0.15)))
    loop = asyncio.get_running_loop()
    async with talking(config) as (_, client):
        await client.phone()
        begun = loop.time()
        await client.send("response.create", response=GREETING)
        sizes, times = [], []
        while (event := await client.next())["type"] != "response.done":
            if event["type"] == DELTA:
                sizes.append(len(base64.b64decode(event["delta"])) // 8)
                times.append(loop.time())
        assert sizes[:5] == [300, 300, 100, 300, 300]
        # From the beginning, for what lies between two deltas is how late the first of them is read.
        assert times[3] - begun >= 0.249
        assert times[4] - begun >= 0.399
        assert client.audio() == AUDIO


async def test_every_item_stalls_and_a_short_one_does_not() -> None:
    brain = Dialogue(opening=Messages(("Of course.", DEMO_GREETING, DEMO_GREETING)))
    short = len(Voice().say("Of course.", "agent")) // 8
    loop = asyncio.get_running_loop()
    async with talking(broken(stalls=(Stall(short + 1, 0.2),)), brain) as (_, client):
        await client.phone()
        begun = loop.time()
        await client.send("response.create")
        await client.until("response.output_item.done")
        done = (await client.until("response.done"))["response"]
        assert loop.time() - begun >= 0.39  # two of three stalled
        assert [item["content"][0]["transcript"] for item in done["output"]] == [
            "Of course.",
            DEMO_GREETING,
            DEMO_GREETING,
        ]


async def test_an_answer_that_stalls_can_be_cancelled_and_sends_nothing_more() -> None:
    async with talking(broken(stalls=(Stall(400, 1000),))) as (server, client):
        await client.phone()
        await client.send("response.create", response=GREETING)
        while len(client.audio()) < 3200:
            await client.next()
        await client.append(Voice().say("Sorry, I have to stop you there.", "caller"))
        done = (await client.until("response.done"))["response"]
        assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "turn_detected")
        assert len(client.audio()) == 3200
        assert server.sessions[0].errors == []


# Late audio.


async def test_an_interrupted_answer_sends_late_audio_before_it_is_done() -> None:
    async with talking(broken(SLOW, late_ms=500)) as (server, client):
        await client.phone()
        await client.send("response.create", response=GREETING)
        await client.until(DELTA)
        await client.append(Voice().say("Sorry, I have to stop you there.", "caller"))
        await client.until("input_audio_buffer.speech_started")
        before = len(client.audio())
        at = len(client.events)
        done = (await client.until("response.done"))["response"]
        assert done["status"] == "cancelled"
        assert len(client.audio()) - before == 500 * 8
        assert client.events[at]["type"] == DELTA
        assert AUDIO.startswith(client.audio())
        assert server.sessions[0].items[0].content[0].audio_ms == len(client.audio()) // 8


# Refusals at the handshake.


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "invalid_api_key"),
        (403, "unsupported_country_region_territory"),
        (404, "model_not_found"),
        (429, "rate_limit_exceeded"),
        (500, None),
    ],
)
async def test_a_handshake_is_refused_in_openais_words(status: int, code: str | None) -> None:
    async with serving(broken(refusal=Refusal(status))) as server:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{server.url}?model=gpt-realtime-2.1", additional_headers=KEY)
        response = refused.value.response
        assert (response.status_code, response.headers["Content-Type"]) == (status, "application/json")
        error = json.loads(response.body or b"")["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert (error["code"], error["param"]) == (code, None)
        assert error["message"]
        assert server.sessions == []


async def test_too_many_requests_can_mean_that_there_is_no_money() -> None:
    async with serving(broken(refusal=Refusal(429, code="insufficient_quota"))) as server:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{server.url}?model=gpt-realtime-2.1", additional_headers=KEY)
        error = json.loads(refused.value.response.body or b"")["error"]
        assert refused.value.response.status_code == 429
        assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_quota")
        assert "quota" in error["message"]


async def test_only_the_first_handshakes_are_refused() -> None:
    async with serving(broken(refusal=Refusal(429, first=2))) as server:
        for _ in range(2):
            with pytest.raises(InvalidStatus):
                await connect(f"{server.url}?model=gpt-realtime-2.1", additional_headers=KEY)
        async with connected(server) as client:
            assert (await greeted(client))["status"] == "completed"


# Errors that nobody caused.


async def test_an_error_in_mid_call_harms_nothing() -> None:
    complaints = (
        Complaint("strange_thing", 1),
        Complaint("later_thing", 2, kind="server_error"),
        Complaint("at_once", 0),
    )
    async with talking(broken(complaints=complaints)) as (server, client):
        await client.phone()
        assert (await client.error())["code"] == "at_once"
        await client.update(instructions="Once more.")  # not again
        for code, kind in (("strange_thing", "invalid_request_error"), ("later_thing", "server_error")):
            assert (await greeted(client))["status"] == "completed"
            error = await client.error()
            assert (error["code"], error["type"], error["event_id"], error["param"]) == (code, kind, None, None)
        assert (await greeted(client))["status"] == "completed"
        await client.update()
        assert len(client.of("error")) == 3
        assert server.sessions[0].errors == []  # what the client did wrong: nothing


# Responses that fail.


@pytest.mark.parametrize(
    ("code", "on_the_wire"),
    [
        ("rate_limit_exceeded", ("tokens", "rate_limit_exceeded")),
        ("insufficient_quota", ("insufficient_quota", "insufficient_quota")),
        ("server_error", ("server_error", None)),
    ],
)
async def test_responses_fail_with_their_code_and_nothing_said(code: str, on_the_wire: tuple[str, str | None]) -> None:
    async with talking(broken(failure=Failure(code, first=2))) as (server, client):
        for _ in range(2):
            done = await greeted(client)
            assert (done["status"], done["output"], done["status_details"]["type"]) == ("failed", [], "failed")
            error = done["status_details"]["error"]
            assert (error["type"], error["code"]) == on_the_wire
            assert error["message"]
        assert (await greeted(client))["status"] == "completed"
        assert len(server.sessions[0].items) == 1


async def test_all_responses_fail_where_no_number_is_given() -> None:
    async with talking(broken(failure=Failure("server_error"))) as (_, client):
        for _ in range(3):
            assert (await greeted(client))["status"] == "failed"


async def test_a_response_can_fail_in_the_middle_of_its_audio() -> None:
    async with talking(broken(failure=Failure("server_error", after_ms=650))) as (_, client):
        await client.phone()
        done = await greeted(client)
        assert (done["status"], done["output"][0]["status"]) == ("failed", "incomplete")
        assert client.audio() == AUDIO[: 650 * 8]
        assert client.types("response.")[-3:] == [
            "response.content_part.done",
            "response.output_item.done",
            "response.done",
        ]


@pytest.mark.parametrize("after_ms", [None, 650])
async def test_a_response_can_be_filtered(after_ms: int | None) -> None:
    async with talking(broken(failure=Failure("content_filter", first=1, after_ms=after_ms))) as (_, client):
        await client.phone()
        done = await greeted(client)
        assert (done["status"], done["status_details"]) == (
            "incomplete",
            {"type": "incomplete", "reason": "content_filter"},
        )
        assert client.audio() == AUDIO[: (after_ms or 0) * 8]
        assert [item["status"] for item in done["output"]] == ["incomplete"] * (after_ms is not None)
        assert (await greeted(client))["status"] == "completed"


@pytest.mark.parametrize(("kind", "most"), [("requests", 1), ("tokens", 130)])
async def test_a_response_above_a_limit_fails_and_a_change_of_the_limit_lets_it_pass(kind: str, most: int) -> None:
    async with talking(broken(INSTANT, **{f"{kind}_per_minute": most})) as (server, client):
        await client.update(instructions="Be brief.")
        assert (await greeted(client))["status"] == "completed"
        done = await greeted(client)
        assert (done["status"], done["output"], done["status_details"]["type"]) == ("failed", [], "failed")
        error = done["status_details"]["error"]
        assert (error["type"], error["code"]) == (kind, "rate_limit_exceeded")
        assert "Please try again in" in error["message"]
        told = next(limit for limit in client.of("rate_limits.updated")[-1]["rate_limits"] if limit["name"] == kind)
        assert (told["limit"], told["remaining"] < most) == (most, True)
        assert 0 < told["reset_seconds"] <= 60
        assert server.sessions[0].errors == []
        server.config.now.faults = RealtimeFaults()
        assert (await greeted(client))["status"] == "completed"


# The connection is lost.


@pytest.mark.parametrize("code", [1011, 1001, 1013, 4000])
async def test_the_server_closes_in_the_middle_of_an_answer(code: int) -> None:
    async with talking(broken(loss=Loss(2, after_ms=450, code=code))) as (server, client):
        await client.phone()
        assert (await greeted(client))["status"] == "completed"
        first = len(client.audio())
        await client.send("response.create", response=GREETING)
        end = await closed(client)
        assert end.rcvd is not None
        assert end.rcvd.code == code
        assert len(client.audio()) - first == 450 * 8
        assert len(client.of("response.done")) == 1
        await server.sessions[0].wait_closed()


async def test_the_server_closes_after_an_answer() -> None:
    async with talking(broken(loss=Loss(1))) as (_, client):
        await client.phone()
        await client.send("response.create", response=GREETING)
        end = await closed(client)
        assert end.rcvd is not None
        assert end.rcvd.code == 1011
        assert client.events[-1]["type"] == "response.done"
        assert client.audio() == AUDIO


async def test_the_server_closes_when_it_has_taken_the_settings() -> None:
    async with talking(broken(loss=Loss(0, code=1001))) as (_, client):
        await client.update()
        end = await closed(client)
        assert end.rcvd is not None
        assert end.rcvd.code == 1001


async def test_a_session_expires_in_the_middle_of_an_answer() -> None:
    async with talking(broken(loss=Loss(1, after_ms=200, code=1001, expired=True))) as (_, client):
        await client.send("response.create", response=GREETING)
        end = await closed(client)
        assert client.of("error")[0]["error"]["code"] == "session_expired"
        assert end.rcvd is not None
        assert end.rcvd.code == 1001
        assert "maximum duration of 60 minutes" in end.rcvd.reason


async def test_a_connection_is_reset_without_a_word() -> None:
    async with talking(broken(loss=Loss(1, after_ms=200, code=None))) as (server, client):
        await client.send("response.create", response=GREETING)
        end = await closed(client)
        assert isinstance(end, ConnectionClosedError)
        assert (end.rcvd, end.sent) == (None, None)
        assert isinstance(end.__cause__, ConnectionResetError)
        await server.sessions[0].wait_closed()
        assert server.sessions[0].close_code == 1006


# Garbage.


async def test_garbage_lies_between_good_events_and_these_are_whole() -> None:
    kinds = ("binary", "broken", "shapeless", "misshapen", "unknown", "oversized")
    config = broken(garbage=kinds, oversized_bytes=1_100_000)
    async with talking(config) as (server, client):
        await client.phone()
        await client.send("response.create", response=GREETING)
        bad: list[str] = []
        good: list[dict[str, Any]] = []
        while not good or good[-1]["type"] != "response.done":
            async with asyncio.timeout(20):
                message = await client.socket.recv()
            found = judged(message)
            if isinstance(found, str):
                bad.append(found)
                assert good[-1]["type"] == DELTA
            else:
                good.append(found)
        deltas = [base64.b64decode(event["delta"]) for event in good if event["type"] == DELTA]
        assert b"".join(deltas) == AUDIO
        assert bad == [kinds[number % len(kinds)] for number in range(len(deltas))]
        assert len(bad) > len(kinds)
        assert server.sessions[0].errors == []


def judged(message: str | bytes) -> str | dict[str, Any]:
    """A good event, or what kind of garbage it is."""
    if isinstance(message, bytes):
        return "binary"
    try:
        event = json.loads(message)
    except ValueError:
        return "broken"
    if not isinstance(event, dict):
        return "shapeless"
    if event["type"] not in SERVER_EVENTS:
        return "oversized" if len(message) > 1_000_000 else "unknown"
    try:
        validate(event, SERVER_EVENTS)
    except ValueError:
        return "misshapen"
    return event


# Silence.


@pytest.mark.parametrize(("silent", "told"), [("created", []), ("updated", ["session.created"])])
async def test_a_silent_server_takes_everything_and_says_nothing(silent: str, told: list[str]) -> None:
    async with serving(broken(silent=silent)) as server:
        url = f"{server.url}?model=gpt-realtime-2.1"
        async with connect(url, additional_headers=KEY) as socket:
            client = Client(socket)
            await client.send("session.update", session={"type": "realtime", "instructions": "Hello."})
            await client.send("response.create")
            await (await socket.ping())  # it reads what came before
            session = server.sessions[0]
            assert session.requests == {"session.update": 1, "response.create": 1}
        await session.wait_closed()
        assert [note.kind for note in session.told] == told


# What is remembered for tests.


async def test_a_session_remembers_what_it_was_asked_and_what_it_told_and_when() -> None:
    async with talking(SLOW) as (server, client):
        begun = asyncio.get_running_loop().time()
        await client.phone()
        await client.send("response.create", response=GREETING)
        item_id = (await client.until(DELTA))["item_id"]
        await client.append(Voice().say("Sorry, I have to stop you there.", "caller"))
        await client.until("response.done")
        await client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=120)
        await client.until("conversation.item.truncated")
        session = server.sessions[0]
        assert [note.kind for note in session.asked] == [
            "session.update",
            "response.create",
            "conversation.item.truncate",
        ]
        assert (session.asked[-1].item_id, session.asked[-1].audio_end_ms) == (item_id, 120)
        kinds = [note.kind for note in session.told]
        assert kinds == [event["type"] for event in client.events if not event["type"].endswith(".delta")]
        times = [note.at for note in session.told[1:]]
        assert times == sorted(times)
        assert begun <= times[0]
        assert times[-1] <= asyncio.get_running_loop().time()


# Settings.


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Stall(-1, 1), "after_ms"),
        (lambda: Stall(100, 0), "seconds"),
        (lambda: Refusal(418), "status"),
        (lambda: Refusal(401, 0), "first"),
        (lambda: Refusal(401, code="insufficient_quota"), "code"),
        (lambda: RealtimeFaults(requests_per_minute=0), "requests_per_minute"),
        (lambda: RealtimeFaults(tokens_per_minute=0), "tokens_per_minute"),
        (lambda: Complaint("", 1), "code"),
        (lambda: Complaint("x", -1), "after_response"),
        (lambda: Failure("bad_mood"), "code"),
        (lambda: Failure("server_error", 0), "first"),
        (lambda: Failure("server_error", after_ms=-1), "after_ms"),
        (lambda: Loss(-1), "response"),
        (lambda: Loss(0, after_ms=100), "after_ms"),
        (lambda: Loss(1, code=1006), "code"),
        (lambda: Loss(1, code=1011, expired=True), "code"),
        (lambda: RealtimeFaults(garbage=("paper",)), "garbage"),  # type: ignore[arg-type]
        (lambda: RealtimeFaults(silent="always"), "silent"),  # type: ignore[arg-type]
        (lambda: RealtimeFaults(oversized_bytes=0), "oversized_bytes"),
        (lambda: RealtimeFaults(late_ms=-1), "late_ms"),
        (lambda: RealtimeFaults(speaks="audio/mp3"), "speaks"),  # type: ignore[arg-type]
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(make: Any, word: str) -> None:
    with pytest.raises(ValueError, match=rf"^{word} must"):
        make()


def test_by_default_nothing_goes_wrong() -> None:
    faults = RealtimeConfig().faults
    assert faults == RealtimeFaults()
    assert faults.refuses(1) is None
    assert faults.in_audio(1) == []
    assert faults.after(0) == faults.after(1) == []
    assert (faults.fails(1), faults.rubbish(0), faults.silent, faults.late_ms) == (None, None, None, 0)
