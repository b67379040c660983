"""agentic.v1.NodeService: the daemon about itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agentic.v1 import node_service_pb2 as pb
from agenticd.adapters.rpc import convert
from agenticd.adapters.rpc.needs import Calls, Watch


class NodeService:
    """Shows the daemon itself, and takes it out of service."""

    def __init__(self, calls: Calls, watch: Watch, drain: Callable[[], Awaitable[None]]) -> None:
        self._calls = calls
        self._watch = watch
        self._drain = drain

    async def GetStatus(self, request: pb.GetStatusRequest, context: object) -> pb.GetStatusResponse:
        """Shows what the daemon is and does. Asks nobody."""
        return convert.status_message(self._calls.status(), self._watch.count)

    async def Drain(self, request: pb.DrainRequest, context: object) -> pb.DrainResponse:
        """Takes no new calls from now on."""
        await self._drain()
        return pb.DrainResponse(live_calls=self._calls.status().live_calls)
