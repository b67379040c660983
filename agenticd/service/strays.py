"""Calls of the carrier's that show themselves when ours was given up as never seen: they are hung up.

Ours is closed by then, its session is gone, and nothing more is recorded of it. Each of the carrier's callbacks is one
try; whoever answers all the same is hung up by the answer to the carrier's question, in calls.py.
"""

from __future__ import annotations

import asyncio

import structlog

from agenticd.core.errors import CarrierError, StoreDown
from agenticd.core.events import EndReason
from agenticd.core.ids import CallId
from agenticd.core.transitions import STATUSES, Trigger
from agenticd.service.ports import Carrier, EventLog

_logger = structlog.get_logger(__name__)

AT_ONCE = 8
"""So many are hung up at a time. Callbacks beyond that are let pass: the call's next one is another try."""
_LIVE = frozenset({Trigger.DIALED, Trigger.RINGING, Trigger.ANSWERED})


class Strays:
    """Ends what nobody holds."""

    def __init__(self, log: EventLog, carrier: Carrier) -> None:
        self._log = log
        self._carrier = carrier
        self._tasks: dict[str, asyncio.Task[None]] = {}  # by the carrier's call id

    def told(self, group: asyncio.TaskGroup, call_id: CallId, carrier_call_id: str, status: str) -> None:
        """The carrier says `status` of a call of its own, which it was to make for one of ours that is not live."""
        trigger = STATUSES.get(status)
        if trigger not in _LIVE or carrier_call_id in self._tasks or len(self._tasks) >= AT_ONCE:
            return
        end = self._task(call_id, carrier_call_id, answered=trigger is Trigger.ANSWERED)
        task = self._tasks[carrier_call_id] = group.create_task(end, name=f"stray of {call_id}")
        task.add_done_callback(lambda _: self._tasks.pop(carrier_call_id, None))

    def close(self) -> None:
        """Let go of what is under way."""
        for task in self._tasks.values():
            task.cancel()

    async def _task(self, call_id: CallId, carrier_call_id: str, *, answered: bool) -> None:
        # A defect here must not reach the group, in which all calls live.
        end = self._end(call_id, carrier_call_id, answered=answered)
        (defect,) = await asyncio.gather(end, return_exceptions=True)
        if isinstance(defect, BaseException):
            _logger.error("a defect while a call that was given up was hung up", call_id=call_id, exc_info=defect)

    async def _end(self, call_id: CallId, carrier_call_id: str, *, answered: bool) -> None:
        try:
            record, _ = await self._log.call(call_id)
            if record is None or record.end is None or record.end.reason is not EndReason.DIAL_UNCONFIRMED:
                return
            _logger.warning("a call that was given up as never seen shows itself, and is hung up", call_id=call_id)
            await self._carrier.hang_up(carrier_call_id, answered=answered)
        except (StoreDown, CarrierError):
            _logger.warning("a call that was given up as never seen could not be hung up", call_id=call_id)
