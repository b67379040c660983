"""The links between the emulator and the daemon, where it is wanted that they can be bad: who goes through which, and
what is wrong with each. How a link does it is in `network`.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self, TypeAlias

from agenticd.emulator.network import LinkConfig, Path, SlowLink
from agenticd.emulator.quantities import BitsPerSecond, Share

WayOfLink: TypeAlias = Literal["both", "to_daemon", "from_daemon"]
_WINDOW = 64 * 1024
"""Bytes that a link takes from a sender where it is not slow: as much as a TCP of today begins with."""


@dataclass(frozen=True, slots=True)
class LinkFaults:
    """What is wrong with one link. A change holds at once, also for connections that are open."""

    latency: float = 0.0
    """s that all is under way, in each direction."""
    jitter: float = 0.0
    """Up to so many s more, at random. What comes later never overtakes."""
    loss: Share = 0.0
    """The share of segments that are lost: TCP sends them again after 200 ms and more, and what follows them waits."""
    bandwidth: BitsPerSecond | None = None
    """What passes in each direction. None: as much as comes; 0: nothing."""
    way: WayOfLink = "both"
    """The direction that this is wrong with."""
    reset_after: float | None = None
    """s after its beginning every connection is reset."""
    vanish: bool = False
    """Connections that are open, or are opened while this is set, are dead for ever: what is sent on them vanishes, in
    both directions, and neither side is told."""

    def __post_init__(self) -> None:
        Path(self.bandwidth, self.latency, self.jitter, self.loss)
        if self.reset_after is not None and self.reset_after < 0:
            raise ValueError(f"reset_after is seconds, 0 or more, not {self.reset_after}")
        if self.way not in ("both", "to_daemon", "from_daemon"):
            raise ValueError(f"way is both, to_daemon or from_daemon, not {self.way!r}")

    def path(self, way: WayOfLink) -> Path:
        """One direction."""
        if self.way not in ("both", way):
            return Path()
        return Path(self.bandwidth, self.latency, self.jitter, self.loss)


@dataclass(frozen=True, slots=True)
class NetworkFaults:
    """What is wrong with the links between the emulator and the daemon."""

    daemon: LinkFaults = LinkFaults()
    """Twilio's requests to the daemon: webhooks and media streams."""
    rest: LinkFaults = LinkFaults()
    """The daemon's requests to Twilio."""
    model: LinkFaults = LinkFaults()
    """The daemon's connections to OpenAI."""


class Links:
    """All links, while entered. Those to the daemon come to be when something is sent there."""

    def __init__(self, faults: NetworkFaults) -> None:
        self._faults = faults
        self._links: list[tuple[str, SlowLink]] = []
        self._to_daemon: dict[tuple[str, int], SlowLink] = {}
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._links.clear()
        self._to_daemon.clear()
        await self._stack.aclose()

    def change(self, faults: NetworkFaults) -> None:
        """From now on these."""
        self._faults = faults
        for name, link in self._links:
            self._apply(name, link)

    async def front(self, name: Literal["rest", "model"], server_port: int, host: str, port: int) -> int:
        """A link that the daemon goes through, listening there; its port. OSError if it cannot be had."""
        return (await self._open(name, LinkConfig(window=_WINDOW, host=host, port=port), server_port)).port

    async def to_daemon(self, host: str, port: int) -> tuple[str, int]:
        """Where to connect instead, to go through the link to a daemon."""
        async with self._opening:
            if (host, port) not in self._to_daemon:
                link = await self._open("daemon", LinkConfig(window=_WINDOW), port, host)
                self._to_daemon[host, port] = link
        return "127.0.0.1", self._to_daemon[host, port].port

    async def _open(self, name: str, config: LinkConfig, server_port: int, server_host: str = "127.0.0.1") -> SlowLink:
        link = await self._stack.enter_async_context(SlowLink(config, server_port, server_host))
        self._links.append((name, link))
        self._apply(name, link)
        return link

    def _apply(self, name: str, link: SlowLink) -> None:
        faults: LinkFaults = getattr(self._faults, name)
        to_daemon, from_daemon = faults.path("to_daemon"), faults.path("from_daemon")
        ways = (to_daemon, from_daemon) if name == "daemon" else (from_daemon, to_daemon)
        link.to_server.change(ways[0])
        link.to_client.change(ways[1])
        link.trouble(reset_after=faults.reset_after, vanishing=faults.vanish)
