"""Who may be a call's stream: a socket proves itself by one good `start`, in time, and by no second one."""

from __future__ import annotations

import json

import pytest

from agenticd.core.errors import StoreDown
from agenticd.core.inputs import Input, MediaClosed
from tests.adapters.http.support import (
    CALL,
    OTHER_CALL,
    STREAM,
    Client,
    House,
    connected,
    eventually,
    in_house,
    media,
    started,
    stopped,
)

both_loops = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
OTHER_STREAM = "MZ99999999999999999999999999999999"


@both_loops
def test_a_socket_without_a_start_is_closed_after_five_seconds(loop: str):
    async def check(home: House) -> None:
        client = await home.media(start=False)
        client.say(connected())
        client.say(media("AAAA"))
        await eventually(lambda: home.server.media_faults == {"before_start": 1})
        home.clock.advance(4.9)
        assert home.server.media_sockets == 1
        home.clock.advance(0.2)
        assert await client.closed_with() == 1008
        assert home.server.media_faults["no_start"] == 1
        home.clock.advance(2.1)
        await client.lost()
        assert home.board.inputs == []

    in_house(loop, check)


BAD_START: dict[str, dict[str, object]] = {
    "a format that is not mu-law": {"mediaFormat": {"encoding": "audio/l16", "sampleRate": 8000, "channels": 1}},
    "another sample rate": {"mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 16000, "channels": 1}},
    "two channels": {"mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 2}},
    "no format": {"mediaFormat": None},
    "no callSid": {"callSid": None},
    "an empty callSid": {"callSid": ""},
    "no streamSid": {"streamSid": None},
    "an empty streamSid": {"streamSid": ""},
    "parameters that are no texts": {"customParameters": {"token": 7}},
    "a token that is not good": {"customParameters": {"token": "forged"}},
    "no token": {"customParameters": {}},
}


@both_loops
@pytest.mark.parametrize("wrong", BAD_START)
def test_an_invalid_start_closes_its_socket_at_once_with_1008(loop: str, wrong: str):
    async def check(home: House) -> None:
        client = await home.media(start=False)
        client.say(bad_start(wrong))
        client.say(started())  # there is no second try
        assert await client.closed_with() == 1008
        assert home.clock.now == 1000.0, "nobody waited"
        assert home.server.media_faults == {"start_refused": 1}
        assert home.board.inputs == []
        client.abort()

    in_house(loop, check)


@both_loops
@pytest.mark.parametrize("second", ["the same", "of another stream", *BAD_START])
def test_a_second_start_costs_a_live_call_its_socket_and_the_call_hears_of_it_once(loop: str, second: str):
    async def check(home: House) -> None:
        def hang_up(message: Input) -> None:
            if isinstance(message, MediaClosed):
                home.board.links[0].close()  # as a call does that is over; it must not turn 1008 into 1000

        home.board.on_input = hang_up
        client = await home.media()
        stream = OTHER_STREAM if second == "of another stream" else STREAM
        client.say(bad_start(second) if second in BAD_START else started(stream=stream))
        client.say(media("BBBB"))
        client.say(stopped())
        assert await client.closed_with() == 1008
        client.abort()
        await eventually(lambda: home.server.media_sockets == 0)
        assert home.board.kinds() == ["MediaStarted", "MediaClosed"]
        assert len(home.board.starts) == 1
        assert sum(home.server.media_faults.values()) == 1

    in_house(loop, check)


def bad_start(wrong: str) -> str:
    message = json.loads(started())
    assert isinstance(message, dict)
    for name, value in BAD_START[wrong].items():
        at = message if name == "streamSid" else message["start"]
        if value is None:
            del at[name]
        else:
            at[name] = value
    return json.dumps(message)


@both_loops
@pytest.mark.parametrize("error", [None, StoreDown()])
def test_a_start_that_is_refused_closes_with_1008_and_feeds_nothing(loop: str, error: Exception | None):
    async def check(home: House) -> None:
        home.board.error = error
        client = await home.media(start=False)
        client.say(started(token="forged"))
        client.say(media("AAAA"))
        client.say(started(token="good"))
        client.say(stopped())
        assert await client.closed_with() == 1008
        assert len(home.board.starts) == 1
        home.socket.play("AAAA")
        client.abort()
        await eventually(lambda: home.server.media_sockets == 0)
        assert home.board.inputs == []
        assert home.server.media_faults == {"start_refused": 1}

    in_house(loop, check)


@both_loops
def test_only_two_unproven_sockets_for_a_call(loop: str):
    async def check(home: House) -> None:
        first, second = [await home.media(start=False) for _ in range(2)]
        assert await _refused(home, CALL)
        other = await home.media(start=False, call_id=OTHER_CALL)
        first.say(started())  # a proven one does not count
        await home.board.until(lambda: home.board.inputs)
        third = await home.media(start=False)
        assert await _refused(home, CALL)
        second.abort()  # nor does one that is gone
        await eventually(lambda: home.server.media_sockets == 3)
        fourth = await home.media(start=False)
        for client in (first, other, third, fourth):
            client.abort()

    in_house(loop, check)


@both_loops
def test_only_64_unproven_sockets_in_all(loop: str):
    async def check(home: House) -> None:
        ids = [f"01HZZZZZZZZZZZZZZZZZZZZZ{number:02}" for number in range(65)]
        clients = [await home.media(start=False, call_id=call_id) for call_id in ids[:64]]
        assert await _refused(home, ids[64])
        assert home.server.refused == {"too_many_sockets": 1}
        for client in clients:
            client.abort()
        await eventually(lambda: home.server.media_sockets == 0)
        (await home.media(start=False, call_id=ids[64])).abort()

    in_house(loop, check)


async def _refused(home: House, call_id: str) -> bool:
    client: Client = await home.connect()
    status, headers, _ = await client.upgrade(f"/twilio/media/{call_id}")
    await client.close()
    return status == 503 and "retry-after" in headers
