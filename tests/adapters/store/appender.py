"""A daemon's worth of appending, to be killed: prints every acknowledged revision and request, at once.

python -m tests.adapters.store.appender FILE
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from agenticd.adapters.store import Config, SqliteLog
from agenticd.service.ports import RequestKey
from tests.log_support import Call, JsonCodec, ManualClock


async def main(path: Path) -> None:
    log = await SqliteLog.open(Config(path), JsonCodec(), ManualClock())
    room = asyncio.Semaphore(50)

    def acknowledged(call: Call, revision: int | None) -> None:
        sys.stdout.write(f"{revision} {call.call_id} {call.record.last_sequence}\n")
        sys.stdout.flush()
        room.release()

    while True:
        call = Call()
        request = RequestKey("me", call.call_id, b"f")
        for entry in (call.queued(request=request), call.dialing(), call.digit(), call.closed()):
            await room.acquire()
            log.append(entry, lambda revision, call=call: acknowledged(call, revision))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
