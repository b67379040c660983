"""What a media socket does while the carrier's side takes less than it is sent: how little it holds, what overtakes.

Through a link whose bandwidth the test sets, with the session's outlet in front as in a call. Counted in bytes, not in
time, so that a busy machine changes nothing.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from agenticd.adapters.http.media import MediaSocket
from agenticd.core.inputs import MediaClosed
from agenticd.core.playout import FRAME
from agenticd.emulator.network import LinkConfig, Path, SlowLink
from agenticd.service.outlet import Outlet
from tests.adapters.http.support import CALL, Client, House, connected, eventually, frame, house, run, started

both_loops = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])

CLOSE, PING, PONG = 8, 9, 10
PIECE = 9 * FRAME
PAYLOAD = base64.b64encode(b"\x55" * PIECE).decode()
SECONDS_30 = 30 * 8000 // PIECE
MBIT = 1_000_000.0
OURS = 42 * 1024
"""The most that may stand before a `clear` on our side, at 1 Mbit/s 0.34 s: twice 16 KiB in the kernel, 8 KiB before
it, and the piece that passed the high water mark."""
LINKS = 8 * 1024
"""What the link of these tests keeps itself."""


@dataclass
class Far:
    """A carrier behind a slow link."""

    home: House
    link: SlowLink
    client: Client

    @property
    def socket(self) -> MediaSocket:
        return self.home.socket

    @property
    def unsent(self) -> int:
        """Bytes in our memory, below the session's ring."""
        transport = self.socket._transport
        assert transport is not None
        return transport.underlying_transport.get_write_buffer_size()

    async def say_much(self, outlet: Outlet) -> None:
        """30 s of answer, faster than the link is."""
        for index in range(SECONDS_30):
            outlet.play(PAYLOAD)
            outlet.mark(f"g0:item:{index}")
            await asyncio.sleep(0)

    async def until(self, event: str) -> None:
        """Read to the first message of that kind."""
        while (await self.client.message())["event"] != event:
            pass


@contextlib.asynccontextmanager
async def far(to_client: Path) -> AsyncIterator[Far]:
    async with house() as home, SlowLink(LinkConfig(to_client=Path()), home.server.port) as link:
        client = Client(*await asyncio.open_connection("127.0.0.1", link.port))
        home.clients.append(client)
        status, _, _ = await client.upgrade(f"/twilio/media/{CALL}")
        assert status == 101
        client.say(connected())
        client.say(started())
        await home.board.until(lambda: home.board.inputs)
        link.to_client.set_rate(to_client.bits_per_second)
        yield Far(home, link, client)


def on(loop: str, check: Callable[[Far], Awaitable[None]], rate: float = MBIT) -> None:
    async def main() -> None:
        async with far(Path(rate)) as end:
            await check(end)

    run(loop, main())


@both_loops
def test_a_carrier_that_takes_nothing_is_sent_little(loop: str):
    async def check(end: Far) -> None:
        sent = 0
        for _ in range(2000):
            if end.socket.writable:
                end.socket.play(PAYLOAD)
                sent += len(PAYLOAD)
            await asyncio.sleep(0)
        assert not end.socket.writable
        assert sent <= OURS + LINKS
        assert end.unsent <= 8 * 1024 + 2 * len(PAYLOAD)

    on(loop, check, rate=0)


@both_loops
def test_it_is_writable_again_only_when_most_of_what_waited_is_gone(loop: str):
    async def check(end: Far) -> None:
        told: list[tuple[bool, int]] = []
        end.socket.on_writable = lambda: told.append((end.socket.writable, end.unsent))
        for _ in range(5):
            before = len(told)
            while end.socket.writable:
                end.socket.play(PAYLOAD)
                await asyncio.sleep(0)
            assert end.unsent > 8 * 1024
            while len(told) == before:
                assert not end.socket.writable
                await end.client.message()
        assert all(writable and unsent <= 4 * 1024 for writable, unsent in told)

    on(loop, check)


@both_loops
def test_a_clear_overtakes_thirty_seconds_of_answer(loop: str):
    async def check(end: Far) -> None:
        held: list[int] = []
        outlet = Outlet(end.socket, held.append)
        await end.say_much(outlet)
        await end.client.message()
        assert held[-1] > 20 * 8000  # the ring has most of it
        passed = end.link.to_client.passed
        outlet.clear()
        await end.until("clear")
        assert end.link.to_client.passed - passed <= OURS + LINKS
        assert held[-1] == 0
        outlet.play(PAYLOAD)  # of the next answer: all that comes now
        outlet.mark("g1:item:180")
        assert (await end.client.message())["media"] == {"payload": PAYLOAD}
        assert (await end.client.message())["mark"] == {"name": "g1:item:180"}

    on(loop, check)


@both_loops
def test_all_comes_in_order_through_stalls(loop: str):
    async def check(end: Far) -> None:
        outlet = Outlet(end.socket, lambda size: None)
        await end.say_much(outlet)
        for index in range(SECONDS_30):
            if index % 40 == 20:
                end.link.to_client.stall()
                await asyncio.sleep(0.05)
                end.link.to_client.set_rate(40 * MBIT)
            assert (await end.client.message())["event"] == "media"
            assert (await end.client.message())["mark"] == {"name": f"g0:item:{index}"}

    on(loop, check, rate=40 * MBIT)


@both_loops
def test_a_long_answer_on_a_stalled_link_is_no_fault(loop: str):
    async def check(end: Far) -> None:
        outlet = Outlet(end.socket, lambda size: None)
        await end.say_much(outlet)
        for _ in range(200):  # the caller interrupts, again and again
            outlet.clear()
            outlet.play(PAYLOAD)
        await asyncio.sleep(0)
        assert end.home.board.kinds() == ["MediaStarted"]
        assert end.home.server.media_faults == {}

    on(loop, check, rate=0)


@both_loops
def test_orders_without_end_to_a_carrier_that_reads_nothing_end_the_stream(loop: str):
    async def check(end: Far) -> None:
        orders = 0
        while end.home.board.kinds() == ["MediaStarted"]:
            end.socket.clear()
            orders += 1
            if orders % 100 == 0:
                await asyncio.sleep(0)
        assert orders * 60 < 256 * 1024
        assert end.home.server.media_faults == {"stalled": 1}
        closed = end.home.board.inputs[-1]
        assert isinstance(closed, MediaClosed)
        assert not closed.stopped

    on(loop, check, rate=0)


@both_loops
def test_the_last_ping_is_answered_before_what_waits(loop: str):
    async def check(end: Far) -> None:
        outlet = Outlet(end.socket, lambda size: None)
        await end.say_much(outlet)
        assert not end.socket.writable
        for number in range(100):
            end.client.writer.write(frame(b"%d" % number, opcode=PING))
        await eventually(lambda: end.socket._ping == b"99")
        end.link.to_client.resume()
        before = 0
        while (got := await end.client.frame())[0] != PONG:
            before += len(got[1])
        assert got[1] == b"99"
        assert before <= OURS + LINKS

    on(loop, check, rate=0)


@both_loops
def test_a_close_does_not_wait_for_the_answer_to_its_end(loop: str):
    async def check(end: Far) -> None:
        outlet = Outlet(end.socket, lambda size: None)
        await end.say_much(outlet)
        await end.client.message()
        passed = end.link.to_client.passed
        outlet.close()
        assert await end.client.closed_with() == 1000
        assert end.link.to_client.passed - passed <= OURS + LINKS

    on(loop, check)


@both_loops
def test_a_carrier_that_leaves_a_stalled_stream_is_heard_at_once(loop: str):
    async def check(end: Far) -> None:
        outlet = Outlet(end.socket, lambda size: None)
        await end.say_much(outlet)
        end.client.writer.write(frame((1000).to_bytes(2, "big"), opcode=CLOSE))
        await end.home.board.until(lambda: "MediaClosed" in end.home.board.kinds())

    on(loop, check, rate=0)
