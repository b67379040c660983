"""agentic.v1.NodeService: the daemon about itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agentic.v1 import node_service_pb2 as pb
from agenticd.adapters.rpc import convert
from agenticd.adapters.rpc.door import Context
from agenticd.adapters.rpc.needs import Calls, Log, Watch
from agenticd.service.watch import STALL_SECONDS, write_in_time

PIECE = 256 << 10


class NodeService:
    """Shows the daemon itself, takes it out of service, and copies what it has recorded."""

    def __init__(
        self,
        calls: Calls,
        watch: Watch,
        log: Log,
        drain: Callable[[], Awaitable[None]],
        stall_timeout: float = STALL_SECONDS,
    ) -> None:
        self._calls = calls
        self._watch = watch
        self._log = log
        self._drain = drain
        self._stall_timeout = stall_timeout

    async def GetStatus(self, request: pb.GetStatusRequest, context: object) -> pb.GetStatusResponse:
        """Shows what the daemon is and does. Asks nobody."""
        return convert.status_message(self._calls.status(), self._watch.count)

    async def Drain(self, request: pb.DrainRequest, context: object) -> pb.DrainResponse:
        """Takes no new calls from now on."""
        await self._drain()
        return pb.DrainResponse(live_calls=self._calls.status().live_calls)

    async def Backup(self, request: pb.BackupRequest, context: Context) -> None:
        """Streams a copy of the log."""

        async def write(response: pb.BackupResponse) -> None:
            await write_in_time(context.write(response.SerializeToString()), self._stall_timeout)

        async with self._log.backup() as copy:
            opened = pb.BackupOpened(
                epoch=copy.epoch, revision=copy.revision, first_revision=copy.first_revision, size=copy.size
            )
            await write(pb.BackupResponse(opened=opened))
            while piece := await copy.read(PIECE):
                await write(pb.BackupResponse(data=piece))
