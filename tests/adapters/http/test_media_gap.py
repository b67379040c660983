"""The longest time in which a stream brought nothing is counted once, when the stream is over."""

from __future__ import annotations

from functools import partial

from tests.adapters.http.support import House, in_house, media, stopped


def home_heard(home: House, count: int) -> bool:
    """Whether the call has heard so many things."""
    return len(home.board.inputs) == count


def test_the_longest_gap_counts_once_when_the_stream_ends():
    async def check(home: House) -> None:
        client = await home.media()
        for seconds in (0.02, 0.5, 0.02):
            heard = len(home.board.inputs)
            home.clock.advance(seconds)
            client.say(media())
            await home.board.until(partial(home_heard, home, heard + 1))
        assert home.server.media_gaps.count == 0
        client.say(stopped())
        await home.board.until(lambda: len(home.board.inputs) == 5)
        assert (home.server.media_gaps.count, round(home.server.media_gaps.sum, 6)) == (1, 0.5)

    in_house("asyncio", check)


def test_silence_at_the_end_is_a_gap_too():
    async def check(home: House) -> None:
        await home.media()
        home.clock.advance(2.0)
        home.clock.advance(2.0)
        await home.board.until(lambda: len(home.board.inputs) == 2)
        assert (home.server.media_gaps.count, round(home.server.media_gaps.sum, 6)) == (1, 3.0)

    in_house("asyncio", check)


def test_a_socket_without_a_stream_has_no_gap():
    async def check(home: House) -> None:
        client = await home.media(start=False)
        home.clock.advance(1.0)
        client.abort()
        await client.lost()
        assert home.server.media_gaps.count == 0

    in_house("asyncio", check)
