"""A bad network on this machine: a TCP proxy on loopback, with bandwidth, latency, jitter and loss for each direction.

What waits, waits at the sender, as behind a real bottleneck: the proxy reads only what it can pass on, and its windows
are small. It knows bytes and nothing of what they say.

A lost segment is not missing: TCP sends it again when it has waited for its acknowledgement for long enough, and all
that came after it waits too.

What it cannot be without: for each connection and direction, `window` bytes that its own kernel has taken from the
sender and not passed on yet, one piece of 10 ms in its hand, and, with a latency, what is under way for so long.
"""

from __future__ import annotations

import asyncio
import math
import random
import socket
import struct
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Self

PIECE_SECONDS = 0.01
"""What passes at a time."""
CREDIT_SECONDS = 0.05
"""How late the proxy itself may be without it costing bandwidth; so much of it also passes at once after a pause."""
_PIECE_LIMIT = 16 * 1024
_SEGMENT = 1460
# As on Ethernet. Loopback's own segments of 64 KiB do not fit into a small window: each would be lost and sent again.
_HEADERS = 40
RETRANSMIT_SECONDS = 0.2
"""How long TCP waits for an acknowledgement at least, besides the way there and back. Twice as long each time."""
_OPENING_SECONDS = 1.0  # and before it has an estimate of that way
_MOST_TRIES = 8
_LEAST_WINDOW = 2 * _SEGMENT  # less, and a sender waits for the kernel's timers
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s


def _check_rate(bits_per_second: float | None) -> None:
    if bits_per_second is not None and not 0 <= bits_per_second < math.inf:
        raise ValueError(f"bits_per_second is 0 or more, or None for no limit, not {bits_per_second}")


@dataclass(frozen=True, slots=True)
class Path:
    """One direction of a link.

    `bits_per_second`: of TCP's payload, shared by all connections; None: as fast as this machine, 0: nothing passes.
    `latency`: seconds from the bottleneck to the other side; `jitter`: up to so many more, at random.
    `loss`: the share of segments that are lost.

    Raises:
        ValueError: if one of them is below 0, or no number, or if all is lost.

    """

    bits_per_second: float | None = None
    latency: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0

    def __post_init__(self) -> None:
        _check_rate(self.bits_per_second)
        for name, seconds in (("latency", self.latency), ("jitter", self.jitter)):
            if not 0 <= seconds < math.inf:
                raise ValueError(f"{name} is seconds, 0 or more, not {seconds}")
        if not 0 <= self.loss < 1:
            raise ValueError(f"loss is a share, 0 or more and less than 1, not {self.loss}")

    def delay(self, size: int, chance: random.Random) -> float:
        """Seconds that so many bytes are under way: until the last of their segments is there."""
        jitter = chance.uniform(0, self.jitter) if self.jitter else 0.0
        if not self.loss:
            return self.latency + jitter
        first = RETRANSMIT_SECONDS + 2 * (self.latency + self.jitter)
        segments = max(1, -(-size // _SEGMENT))
        return self.latency + jitter + max(self._repeated(first, chance) for _ in range(segments))

    def opening(self, chance: random.Random) -> float:
        """Seconds by which lost segments delay the opening of a connection."""
        return self._repeated(_OPENING_SECONDS, chance)

    def _repeated(self, wait: float, chance: random.Random) -> float:
        """Seconds until a segment is sent that is not lost."""
        total = 0.0
        for _ in range(_MOST_TRIES if self.loss else 0):
            if chance.random() >= self.loss:
                break
            total += wait
            wait *= 2
        return total


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """A link: `to_server` is from who connects to the proxy, `to_client` is the way back.

    `window`: bytes, roughly, that its kernel takes from a sender before they pass. A proxy acknowledges them, which a
    router's queue would not: a large window is a queue that no sender's own limits can bound.
    `host`, `port`: where it listens; 0: any free port.

    Raises:
        ValueError: if `window` is less than two segments (2920 bytes) or more than 1 MiB.

    """

    to_server: Path = Path()
    to_client: Path = Path()
    window: int = 4096
    host: str = "127.0.0.1"
    port: int = 0

    def __post_init__(self) -> None:
        if not _LEAST_WINDOW <= self.window <= 1024 * 1024:
            raise ValueError(f"window is bytes, {_LEAST_WINDOW} to 1 MiB, not {self.window}")


class Pacer:
    """When bytes have passed a bottleneck: pure, one piece at a time, `now` in seconds."""

    def __init__(self, bits_per_second: float | None) -> None:
        self.rate = bits_per_second
        self._begin = -math.inf  # of the piece, or the end of the last one
        self._bits = 0.0  # of the piece, left at _begin

    def begin(self, size: int, now: float) -> None:
        """A piece of so many bytes is next."""
        self._begin = max(self.due(), now - CREDIT_SECONDS)
        self._bits = size * 8.0

    def due(self) -> float:
        """When the piece has passed; the infinite while nothing passes."""
        if self.rate is None or not self._bits:
            return self._begin
        return self._begin + self._bits / self.rate if self.rate else math.inf

    def give_up(self, now: float) -> None:
        """What is left of the piece does not come any more."""
        self._begin, self._bits = max(self._begin, min(self.due(), now)), 0.0

    def change(self, bits_per_second: float | None, now: float) -> None:
        """From now on another rate, also for the rest of the piece that is on its way."""
        if self.due() > now and self.rate:
            self._bits -= max(0.0, now - self._begin) * self.rate
        elif self.due() <= now:
            self._bits = 0.0
        self._begin = max(self._begin, now)
        self.rate = bits_per_second


class Way:
    """One direction of a link that runs. All connections share it, a piece each in turn."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.passed = 0
        """Bytes that have passed the bottleneck."""
        self._pacer = Pacer(path.bits_per_second)
        self._wire = asyncio.Lock()
        self._chance = random.Random(0)  # a run is like the last one, as far as the machine is
        self._waiter: asyncio.Future[None] | None = None

    @property
    def bits_per_second(self) -> float | None:
        """The present bandwidth."""
        return self._pacer.rate

    def set_rate(self, bits_per_second: float | None) -> None:
        """Change the bandwidth, at once; 0 stalls. Raises ValueError if it is below 0."""
        _check_rate(bits_per_second)
        self._pacer.change(bits_per_second, asyncio.get_running_loop().time())
        _wake(self._waiter)

    def stall(self) -> None:
        """Nothing passes from now on; what has passed the bottleneck arrives."""
        self.set_rate(0)

    def resume(self) -> None:
        """The bandwidth is again what it was at first."""
        self.set_rate(self.path.bits_per_second)

    def change(self, path: Path) -> None:
        """Another path from now on; what is under way arrives as it would have."""
        self.path = path
        self.set_rate(path.bits_per_second)

    def delay(self, size: int) -> float:
        """Seconds that the next so many bytes are under way."""
        return self.path.delay(size, self._chance)

    def opening(self) -> float:
        """Seconds by which the next connection opens late."""
        return self.path.opening(self._chance)

    def piece(self) -> int:
        """How many bytes should pass at a time, at the present bandwidth."""
        rate = self._pacer.rate
        return _PIECE_LIMIT if rate is None else max(1, min(_PIECE_LIMIT, int(rate / 8 * PIECE_SECONDS)))

    async def carry(self, size: int) -> None:
        """Return when so many bytes have passed; 0: an end, which takes an empty segment."""
        async with self._wire:
            self._pacer.begin(size or _HEADERS, asyncio.get_running_loop().time())
            try:
                await self._passed()
            except asyncio.CancelledError:
                self._pacer.give_up(asyncio.get_running_loop().time())
                raise
            self.passed += size

    async def _passed(self) -> None:
        loop = asyncio.get_running_loop()
        while (due := self._pacer.due()) > loop.time():
            self._waiter = loop.create_future()
            timer = loop.call_at(due, _wake, self._waiter) if due < math.inf else None
            try:
                await self._waiter
            finally:
                if timer is not None:
                    timer.cancel()


class SlowLink:
    """The proxy between who connects to `port` and the server at `server_host`, `server_port`.

    Use it as an async context manager. The end of a connection passes the bottleneck like bytes do, and is told to the
    other side; a reset loses what is under way. Leaving resets all that is still connected.
    """

    def __init__(self, config: LinkConfig, server_port: int, server_host: str = "127.0.0.1") -> None:
        self.config = config
        self.to_server, self.to_client = Way(config.to_server), Way(config.to_client)
        self.connections = 0
        """How many there are now."""
        self._reset_after: float | None = None
        self._vanishing = False
        self._changed = asyncio.Event()
        self._doom = asyncio.Event()  # of the connections that are open
        self._server = server_host, server_port
        self._listening: socket.socket | None = None
        self._main: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Where it listens. RuntimeError while it does not run."""
        if self._listening is None:
            raise RuntimeError("the link is not started")
        port: int = self._listening.getsockname()[1]
        return port

    def trouble(self, *, reset_after: float | None = None, vanishing: bool = False) -> None:
        """From now on each connection is reset so many s after it began; or all that are open, or are opened before
        this is changed again, are dead for ever: what is sent on them vanishes, and neither side is told."""
        self._reset_after, self._vanishing = reset_after, vanishing
        if vanishing:
            self._doom.set()
            self._doom = asyncio.Event()
        self._changed.set()
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Listen. OSError if the port is taken."""
        config = self.config
        listening = _socket(config.window)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((config.host, config.port))
            listening.listen(128)
        except OSError:
            listening.close()
            raise
        self._listening = listening
        self._main = asyncio.create_task(self._accept(listening))  # awaited in __aexit__
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._main is not None
        assert self._listening is not None
        self._main.cancel()
        await asyncio.wait((self._main,))
        self._listening.close()
        self._listening = None
        if not self._main.cancelled():
            self._main.result()  # a defect

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            while True:
                client, _ = await loop.sock_accept(listening)
                group.create_task(self._connect(client))

    async def _connect(self, client: socket.socket) -> None:
        """One connection, from its beginning to its end in both directions."""
        self.connections += 1
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = _socket(self.config.window)
        orderly = False
        try:
            orderly = await self._carry_until_trouble(client, server)
        except* OSError:
            pass  # one side broke it: the other learns by the reset
        finally:
            self.connections -= 1
            for end in (client, server):
                if not orderly:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.close()

    async def _carry_until_trouble(self, client: socket.socket, server: socket.socket) -> bool:
        """Carry both ways until both are at their ends. False: it is to be reset."""
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            carrying = group.create_task(self._carry(client, server))
            trouble = group.create_task(self._trouble(began))
            await asyncio.wait((carrying, trouble), return_when=asyncio.FIRST_COMPLETED)
            trouble.cancel()
            carrying.cancel()
        if not carrying.cancelled():
            return True
        if trouble.result():
            await asyncio.Event().wait()  # until the link is left
        return False

    async def _carry(self, client: socket.socket, server: socket.socket) -> None:
        await asyncio.sleep(self.to_server.opening() + self.to_client.opening())
        await asyncio.get_running_loop().sock_connect(server, self._server)
        async with asyncio.TaskGroup() as group:
            group.create_task(_Pipe(client, server, self.to_server).run())
            group.create_task(_Pipe(server, client, self.to_client).run())

    async def _trouble(self, began: float) -> bool:
        """Wait until a connection is in trouble: True: it is dead, False: it is to be reset."""
        doom = self._doom
        while not (self._vanishing or doom.is_set()):
            changed = self._changed
            try:
                async with asyncio.timeout_at(None if self._reset_after is None else began + self._reset_after):
                    await changed.wait()
            except TimeoutError:
                return False
        return True


class _Pipe:
    """One direction of one connection."""

    def __init__(self, source: socket.socket, sink: socket.socket, way: Way) -> None:
        self._source = source
        self._sink = sink
        self._way = way
        self._under_way: deque[tuple[float, bytes]] = deque()  # when it arrives; empty: the end
        self._bytes = 0  # of them
        self._waiter: asyncio.Future[None] | None = None  # of the one of the two tasks that cannot go on

    async def run(self) -> None:
        """Carry bytes, until the source has no more and the sink knows. Raises OSError when one of them breaks."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take())
            group.create_task(self._give())

    async def _take(self) -> None:
        loop, way = asyncio.get_running_loop(), self._way
        while True:
            try:
                data = await loop.sock_recv(self._source, way.piece())
            except OSError:
                await way.carry(0)  # a reset, too, has to come through
                raise
            await way.carry(len(data))
            while self._bytes and self._bytes + len(data) > self._room():
                await self._wait()
            arrival = loop.time() + way.delay(len(data))
            if self._under_way:
                arrival = max(arrival, self._under_way[-1][0])  # TCP hands over in order
            self._under_way.append((arrival, data))
            self._bytes += len(data)
            _wake(self._waiter)
            if not data:
                return

    def _room(self) -> int:
        """Bytes that may be between bottleneck and sink: as many as fit into the latency."""
        rate = self._way.bits_per_second
        return 2 * _PIECE_LIMIT + (
            2**20 if rate is None else int(rate / 8 * (self._way.path.latency + self._way.path.jitter))
        )

    async def _give(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while not self._under_way:
                await self._wait()
            arrival, data = self._under_way[0]
            if arrival > loop.time():
                await asyncio.sleep(arrival - loop.time())
            if not data:
                self._sink.shutdown(socket.SHUT_WR)
                return
            await loop.sock_sendall(self._sink, data)
            self._under_way.popleft()
            self._bytes -= len(data)
            _wake(self._waiter)

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter


def _socket(window: int) -> socket.socket:
    """A TCP socket with small buffers; they must be set before it connects or listens."""
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT)
    # The kernel doubles this, for its own records; some `window` bytes is what a sender sees. TCP_WINDOW_CLAMP is no
    # help: Linux takes it back when the first data shows how large those records are.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * window)
    return sock


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
