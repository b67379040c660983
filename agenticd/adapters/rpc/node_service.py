"""agentic.v1.NodeService: the daemon about itself."""

from __future__ import annotations

from agentic.v1 import node_service_pb2 as pb
from agenticd.adapters.rpc import convert
from agenticd.adapters.rpc.needs import Calls, Watch


class NodeService:
    """Shows the daemon itself."""

    def __init__(self, calls: Calls, watch: Watch) -> None:
        self._calls = calls
        self._watch = watch

    async def GetStatus(self, request: pb.GetStatusRequest, context: object) -> pb.GetStatusResponse:
        """Shows what the daemon is and does. Asks nobody."""
        return convert.status_message(self._calls.status(), self._watch.count)
