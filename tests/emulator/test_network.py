"""What a slow link does to those who talk through it: how much passes and when, what waits where, how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import math
import random
import socket
import termios
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenticd.emulator.network import CREDIT_SECONDS, RETRANSMIT_SECONDS, LinkConfig, Pacer, Path, SlowLink

MBIT = 1_000_000.0


# --- The pacer: exact, without a clock of its own


def test_a_piece_takes_as_long_as_its_bits():
    pacer = Pacer(MBIT)
    pacer.change(MBIT, 10.0)  # no credit from before
    pacer.begin(1250, 10.0)
    assert pacer.due() == pytest.approx(10.01)
    pacer.begin(2500, 10.01)
    assert pacer.due() == pytest.approx(10.03)


@pytest.mark.parametrize("rate", [64e3, MBIT, 10e6])
def test_a_pacer_that_is_called_late_loses_nothing(rate: float):
    """So all of a bandwidth is used by who always has something to send: at a machine's pace, but for a long stall."""
    pacer = Pacer(rate)
    pacer.change(rate, 0.0)
    late = 0.0
    for index in range(1, 101):
        pacer.begin(1250, late)
        late = pacer.due() + CREDIT_SECONDS * 0.9
        assert pacer.due() == pytest.approx(index * 10_000 / rate)


def test_a_pause_earns_no_more_than_the_credit():
    pacer = Pacer(MBIT)
    pacer.begin(125_000, 100.0)
    assert pacer.due() == pytest.approx(101.0 - CREDIT_SECONDS)


def test_a_change_counts_from_its_moment_for_the_piece_under_way():
    pacer = Pacer(MBIT)
    pacer.change(MBIT, 0.0)
    pacer.begin(125_000, 0.0)
    pacer.change(0, 0.25)
    assert pacer.due() == math.inf
    pacer.change(2 * MBIT, 5.0)
    assert pacer.due() == pytest.approx(5.375)
    pacer.change(None, 5.1)
    assert pacer.due() == pytest.approx(5.1)


def test_a_piece_that_is_given_up_costs_what_had_passed():
    pacer = Pacer(MBIT)
    pacer.change(0, 0.0)
    pacer.begin(125_000, 0.0)
    pacer.give_up(1.0)
    pacer.change(MBIT, 2.0)
    pacer.begin(1250, 2.0)
    assert pacer.due() == pytest.approx(2.01)


@given(
    st.lists(
        st.tuples(st.integers(1, 5000), st.floats(0, 0.2), st.sampled_from([None, 0.0, 64e3, 1e6])),
        min_size=1,
        max_size=30,
    )
)
def test_never_more_passes_than_the_bandwidth_allows(steps: list[tuple[int, float, float | None]]):
    """Pieces of any size, pauses and changes of any kind: bits passed <= rate * time + credit."""
    pacer, now, allowed, passed, unlimited = Pacer(64e3), 0.0, 64e3 * CREDIT_SECONDS, 0.0, False
    for size, pause, rate in steps:
        unlimited = unlimited or pacer.rate is None
        pacer.begin(size, now)
        if pacer.due() == math.inf:
            pacer.change(64e3, now)
        end = max(now, pacer.due()) + pause
        allowed += (end - now) * (pacer.rate or 0)
        passed += size * 8
        now = end
        assert unlimited or passed <= allowed + 1e-3
        pacer.change(rate, now)
        unlimited = unlimited or rate is None


# --- The proxy: real sockets


@dataclass
class Peer:
    """One end of a connection through the link."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read_for(self, seconds: float) -> tuple[int, float]:
        """Read for some seconds: the bytes, and how long it really took."""
        loop = asyncio.get_running_loop()
        start, size = loop.time(), 0
        while loop.time() < start + seconds:
            size += len(await self.reader.read(65536))
        return size, loop.time() - start


@dataclass
class Net:
    """A link with a server behind it."""

    link: SlowLink
    arrived: asyncio.Queue[Peer] = field(default_factory=lambda: asyncio.Queue(8))
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def pair(self) -> tuple[Peer, Peer]:
        """A connection: its client and its server."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.link.port)
        self.writers.append(writer)
        server = await self.arrived.get()
        server.writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        server.writer.transport.set_write_buffer_limits(high=0)
        return Peer(reader, writer), server


@contextlib.asynccontextmanager
async def net(config: LinkConfig) -> AsyncIterator[Net]:
    async with contextlib.AsyncExitStack() as stack:
        found: list[Net] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found[0].writers.append(writer)
            await found[0].arrived.put(Peer(reader, writer))

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        stack.callback(server.close)
        link = await stack.enter_async_context(SlowLink(config, server.sockets[0].getsockname()[1]))
        found.append(Net(link))
        try:
            yield found[0]
        finally:
            for writer in found[0].writers:
                writer.transport.abort()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()


@contextlib.asynccontextmanager
async def pouring(peer: Peer) -> AsyncIterator[None]:
    """Somebody who writes as much as goes."""

    async def pour() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                peer.writer.write(bytes(4096))
                await peer.writer.drain()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(pour())
        try:
            yield
        finally:
            task.cancel()


@pytest.mark.parametrize("rate", [64e3, 1e6, 10e6])
async def test_a_bandwidth_is_kept(rate: float):
    async with net(LinkConfig(to_client=Path(rate))) as world:
        client, server = await world.pair()
        async with pouring(server):
            size, took = await client.read_for(0.6)
        bits = size * 8
        assert bits <= rate * (took + CREDIT_SECONDS) + 8 * 1460
        assert world.link.to_client.passed >= size
        assert world.link.to_server.passed == 0


async def test_a_bandwidth_is_used():
    """However late this process is, what a link may let through in its time goes through: it has no other limit."""
    async with net(LinkConfig(to_client=Path(1e6))) as world:
        client, server = await world.pair()
        async with pouring(server):
            began = time.monotonic()
            await client.reader.readexactly(50_000)  # 0.4 s at that rate
        assert time.monotonic() - began < 10 * 0.4


async def test_the_two_ways_have_each_their_own_bandwidth():
    async with net(LinkConfig(to_client=Path(64e3))) as world:
        client, server = await world.pair()
        client.writer.write(bytes(500_000))
        async with pouring(server):
            await server.reader.readexactly(500_000)
        assert world.link.to_server.passed == 500_000
        assert world.link.to_client.passed < 250_000


async def test_connections_share_the_bandwidth_and_none_starves():
    async with net(LinkConfig(to_client=Path(2e6))) as world:
        pairs = [await world.pair() for _ in range(4)]
        async with contextlib.AsyncExitStack() as stack:
            for _, server in pairs:
                await stack.enter_async_context(pouring(server))
            done = await asyncio.gather(*(client.read_for(0.5) for client, _ in pairs))
        sizes = [size for size, _ in done]
        took = max(took for _, took in done)
        assert sum(sizes) * 8 <= 2e6 * (took + CREDIT_SECONDS) + 4 * 8 * 1460
        assert min(sizes) > sum(sizes) / 8


async def test_what_waits_waits_at_the_sender():
    async with net(LinkConfig(to_client=Path(0))) as world:
        _, server = await world.pair()
        sock = socket.socket(fileno=socket.dup(server.writer.get_extra_info("socket").fileno()))
        server.writer.transport.pause_reading()  # type: ignore[attr-defined]
        taken = 0
        with sock:
            for _ in range(50):
                with contextlib.suppress(BlockingIOError):
                    while True:
                        taken += sock.send(bytes(1024))
                await asyncio.sleep(0.002)
            # All but what the sender's own kernel keeps (SO_SNDBUF doubled at most) has been taken by the link.
            assert 1000 < taken - _unacknowledged(sock) <= 2 * 4096
        assert world.link.to_client.passed == 0


def _unacknowledged(sock: socket.socket) -> int:
    return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)), "little")


async def test_a_stall_lets_nothing_through_and_loses_nothing():
    blob = random.Random(1).randbytes(60_000)
    async with net(LinkConfig(to_client=Path(MBIT))) as world:
        client, server = await world.pair()
        server.writer.write(blob)
        got = await client.reader.readexactly(10_000)
        world.link.to_client.stall()
        assert world.link.to_client.bits_per_second == 0
        at = world.link.to_client.passed
        got += await client.reader.readexactly(at - len(got))  # what had passed before
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.reader.read(1)
        assert world.link.to_client.passed == at
        world.link.to_client.resume()
        got += await client.reader.readexactly(len(blob) - len(got))
        assert got == blob


async def test_the_bandwidth_can_be_changed_while_bytes_wait():
    async with net(LinkConfig(to_client=Path(8_000))) as world:
        client, server = await world.pair()
        server.writer.write(bytes(100_000))
        await client.reader.readexactly(20)
        world.link.to_client.set_rate(None)
        await client.reader.readexactly(100_000 - 20)  # 100 s at the rate that it had


async def test_latency_delays_and_does_not_narrow():
    async with net(LinkConfig(to_client=Path(4e6, latency=0.2))) as world:
        client, server = await world.pair()
        loop = asyncio.get_running_loop()
        start = loop.time()
        blob = random.Random(2).randbytes(200_000)  # 0.4 s; with one piece per round trip it would be more than 8 s
        server.writer.write(blob)
        first = await client.reader.readexactly(1)
        assert loop.time() - start >= 0.2
        assert first + await client.reader.readexactly(len(blob) - 1) == blob
        assert 0.2 + 0.4 - CREDIT_SECONDS <= loop.time() - start < 4


async def test_an_end_comes_behind_the_bytes_and_leaves_the_other_way_open():
    async with net(LinkConfig(to_server=Path(MBIT), to_client=Path(MBIT))) as world:
        client, server = await world.pair()
        client.writer.write(bytes(10_000))
        client.writer.write_eof()
        assert await server.reader.read() == bytes(10_000)
        server.writer.write(b"answer")
        server.writer.write_eof()
        assert await client.reader.read() == b"answer"


async def test_an_end_does_not_pass_a_stalled_link():
    async with net(LinkConfig()) as world:
        client, server = await world.pair()
        world.link.to_server.stall()
        client.writer.write_eof()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await server.reader.read()
        world.link.to_server.resume()
        assert await server.reader.read() == b""


async def test_a_reset_is_passed_on_and_frees_the_link_for_others():
    async with net(LinkConfig(to_client=Path(MBIT))) as world:
        client, server = await world.pair()
        other, other_server = await world.pair()
        world.link.to_client.stall()
        server.writer.write(bytes(100_000))  # its piece holds the way
        client.writer.transport.abort()
        assert await server.reader.read() == b""  # asyncio's reader does not tell a reset from an end
        world.link.to_client.resume()
        other_server.writer.write(b"still here")
        assert await other.reader.readexactly(10) == b"still here"
        while world.link.connections > 1:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0)


async def test_a_server_that_is_not_there_is_a_reset():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with SlowLink(LinkConfig(), port) as link:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()


async def test_leaving_ends_all_connections_also_those_that_are_stalled():
    async with net(LinkConfig(to_client=Path(0))) as world:
        client, server = await world.pair()
        server.writer.write(bytes(100_000))
        await world.link.__aexit__(None, None, None)
        with pytest.raises(ConnectionResetError):
            await client.reader.readexactly(1)
        assert world.link.connections == 0
        with pytest.raises(RuntimeError):
            _ = world.link.port
        await world.link.__aenter__()  # and it can be started again


@pytest.mark.parametrize("rate", [-1, math.inf, math.nan])
def test_a_bandwidth_that_is_none_is_refused(rate: float):
    with pytest.raises(ValueError, match="bits_per_second is 0 or more"):
        Path(rate)
    with pytest.raises(ValueError, match="bits_per_second is 0 or more"):
        SlowLink(LinkConfig(), 1).to_client.set_rate(rate)


@pytest.mark.parametrize("latency", [-0.1, math.inf, math.nan])
def test_a_latency_that_is_none_is_refused(latency: float):
    with pytest.raises(ValueError, match="latency is seconds"):
        Path(latency=latency)


@pytest.mark.parametrize("window", [0, 2919, 2**20 + 1])
def test_a_window_that_no_sender_can_use_is_refused(window: int):
    with pytest.raises(ValueError, match="window is bytes, 2920 to 1 MiB"):
        LinkConfig(window=window)


# --- Jitter and loss: what is under way, without a clock


def test_jitter_is_between_nothing_and_what_is_set():
    chance = random.Random(1)
    delays = [Path(latency=0.05, jitter=0.03).delay(160, chance) for _ in range(1000)]
    assert 0.05 <= min(delays) < 0.055
    assert 0.075 < max(delays) <= 0.08


def test_a_lost_segment_comes_when_tcp_has_waited_for_it_and_twice_as_long_each_time():
    chance = random.Random(1)
    path = Path(latency=0.05, loss=0.2)
    delays = [round(path.delay(1000, chance), 6) for _ in range(5000)]
    first = RETRANSMIT_SECONDS + 2 * 0.05
    assert sorted(set(delays))[:3] == pytest.approx([0.05, 0.05 + first, 0.05 + 3 * first])
    assert sum(delay > 0.05 for delay in delays) / len(delays) == pytest.approx(0.2, abs=0.02)


def test_of_many_segments_the_last_one_counts():
    chance = random.Random(1)
    path = Path(loss=0.1)
    late = sum(path.delay(14_600, chance) > 0 for _ in range(2000))
    assert late / 2000 == pytest.approx(1 - 0.9**10, abs=0.04)


def test_without_loss_a_connection_opens_at_once_and_with_it_after_a_second():
    chance = random.Random(1)
    assert Path(latency=1, jitter=1).opening(chance) == 0
    assert {Path(loss=0.4).opening(chance) for _ in range(200)} >= {0.0, 1.0, 3.0}


@pytest.mark.parametrize(
    "wrong", [{"loss": 1.0}, {"loss": -0.1}, {"jitter": -1.0}, {"jitter": math.inf}, {"latency": math.nan}]
)
def test_a_path_that_makes_no_sense_is_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError, match="or more"):
        Path(**wrong)


async def test_what_jitters_or_is_lost_comes_in_order_and_whole():
    sent = random.Random(2).randbytes(60_000)
    async with net(LinkConfig(to_server=Path(jitter=0.05, loss=0.05))) as world:
        client, server = await world.pair()
        for at in range(0, len(sent), 3000):
            client.writer.write(sent[at : at + 3000])
            await client.writer.drain()
        assert await server.reader.readexactly(len(sent)) == sent


# --- Trouble


async def test_connections_are_reset_when_their_time_has_come_also_those_that_are_open():
    async with net(LinkConfig()) as world:
        client, server = await world.pair()
        world.link.trouble(reset_after=0.0)
        for peer in (client, server):
            with pytest.raises(ConnectionResetError):
                await peer.reader.read(1)
        world.link.trouble()
        client, server = await world.pair()
        client.writer.write(b"x")
        assert await server.reader.readexactly(1) == b"x"


async def test_dead_connections_take_what_is_sent_and_tell_nobody_even_when_the_trouble_is_over():
    async with net(LinkConfig()) as world:
        client, server = await world.pair()
        client.writer.write(b"alive")
        assert await server.reader.readexactly(5) == b"alive"
        world.link.trouble(vanishing=True)
        world.link.trouble()
        other, its_server = await world.pair()
        client.writer.write(b"dead")
        server.writer.write(b"dead")
        client.writer.write_eof()
        other.writer.write(b"well")
        assert await its_server.reader.readexactly(4) == b"well"
        assert (world.link.connections, client.reader.at_eof(), server.reader.at_eof()) == (2, False, False)
        for peer in (client, server):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await peer.reader.read(1)
