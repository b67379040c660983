"""Place a call and print all of it, through restarts of the daemon: python ten_lines.py +15550002222"""

import asyncio
import sys

import agentic


async def main() -> None:
    async with agentic.connect() as client:
        placed = await client.place_call(sys.argv[1])
        async for event in client.follow(placed):
            print(event.call_sequence, event.WhichOneof("payload"), event.transcript_final.text)


asyncio.run(main())
