"""`agenticd serve` with a defect, which a chaos run must notice. Its name is in the environment, as DEFECT."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from agenticd.adapters.store.work import Append
from agenticd.adapters.store.writer import Writer
from agenticd.core import cursor
from agenticd.core.call import CallMachine
from agenticd.core.effects import Dial, Effect
from agenticd.core.events import CallState
from agenticd.serve import main
from tests.chaos.daemon import less_patient

DEFECT = "AGENTICD_TEST_DEFECT"


def dials_again() -> None:
    """After a restart an order to dial without an answer is given once more, instead of being looked for."""
    recovered: Callable[..., list[Effect]] = CallMachine._recovered

    def wrong(self: CallMachine, age: float, now: float) -> list[Effect]:
        again = self.state is CallState.DIALING and not self.carrier_call_id
        effects = recovered(self, age, now)
        return [*effects, Dial()] if again else effects

    CallMachine._recovered = wrong  # type: ignore[method-assign]


def answers_before_it_is_durable() -> None:
    """PlaceCall is answered when the call waits to be written."""
    put = Writer.put

    def wrong(self: Writer, item: Any) -> None:
        if isinstance(item, Append) and item.entry.request is not None:
            asyncio.get_running_loop().call_soon(item.on_durable, self._head + 1)
            item = replace(item, on_durable=lambda _: None)
        put(self, item)

    Writer.put = wrong  # type: ignore[method-assign]


def resumes_one_too_far() -> None:
    """Who comes again misses an event."""
    check = cursor.check

    def wrong(after: int | None, epoch: str, **log: Any) -> int:
        place = check(after, epoch, **log)
        return min(place + 1, log["head"]) if after else place

    cursor.check = wrong


DEFECTS = {defect.__name__: defect for defect in (dials_again, answers_before_it_is_durable, resumes_one_too_far)}

if __name__ == "__main__":
    less_patient()
    DEFECTS[os.environ[DEFECT]]()
    main(sys.argv[2:])  # after "serve"
