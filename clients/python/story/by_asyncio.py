"""The teller of the client for asyncio: a task for each order and each stream."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any

import agentic
from agentic import AgenticError, Client, EventStream
from agentic.v1.event_pb2 import Event, LiveWords
from story import lines

Stream = EventStream[Event] | EventStream[Event | LiveWords]


async def obey_all(place: Mapping[str, Any]) -> None:
    """Do what the lines of the input say, until it ends."""
    lines.watch_requests()
    source = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(source), sys.stdin)
    try:
        client = agentic.connect(**place)
    except lines.REFUSED as failure:
        async for text in source:
            lines.write(id=json.loads(text)["id"], error=lines.error(failure))
        return
    async with asyncio.TaskGroup() as tasks:
        teller = Teller(client, tasks)
        async for text in source:
            tasks.create_task(teller.obey(json.loads(text)))
        await client.close()


class Teller:
    """Obeys one order after the other, or several at once."""

    def __init__(self, client: Client, tasks: asyncio.TaskGroup) -> None:
        self._client = client
        self._tasks = tasks
        self._streams: dict[str, tuple[Stream, asyncio.Task[None]]] = {}

    async def obey(self, order: Mapping[str, Any]) -> None:
        """Do it, and tell what came of it."""
        try:
            answer = await self._do(order)
        except (AgenticError, *lines.REFUSED) as failure:
            lines.write(id=order["id"], error=lines.error(failure))
        else:
            if answer is not None:
                lines.write(id=order["id"], ok=answer)

    async def _do(self, order: Mapping[str, Any]) -> dict[str, Any] | None:
        client = self._client
        match order["do"]:
            case "place":
                return lines.placed(await client.place_call(**lines.order_of(order)))
            case "hang_up":
                return lines.state((await client.hang_up(order["call_id"], order.get("reason", ""))).call)
            case "get":
                return lines.shown(await client.get_call(order["call_id"]))
            case "list":
                return await self._list(order.get("page_size", 0))
            case "transcript":
                return lines.said(await client.transcript(order["call_id"]))
            case "status":
                return lines.status(await client.status())
            case "follow" | "follow_call":
                self._follow(order)
                return None  # it has answered
            case "leave":
                stream, task = self._streams[order["name"]]
                await stream.aclose()
                await task
                return {}
            case other:
                raise ValueError(f"no order is called {other}")

    async def _list(self, page_size: int) -> dict[str, Any]:
        pages = [await self._client.list_calls(page_size=page_size)]
        while token := pages[-1].next_page_token:
            pages.append(await self._client.list_calls(page_size=page_size, page_token=token))
        return lines.listed(pages)

    def _follow(self, order: Mapping[str, Any]) -> None:
        name = order["name"]
        told: dict[str, Any] = {"on_resume": lambda cursor: lines.write(follow=name, resumed=str(cursor))}
        stream: Stream
        if order["do"] == "follow_call":
            stream = self._client.follow(lines.placed_of(order), **told)
        else:
            told["on_bookmark"] = lambda cursor: lines.write(follow=name, cursor=str(cursor))
            stream = self._client.events(**lines.to_follow(order), **told)
        lines.write(id=order["id"], ok={})  # before the first line of the stream
        self._streams[name] = stream, self._tasks.create_task(self._read(name, stream, order.get("most", 0)))

    async def _read(self, name: str, stream: Stream, most: int) -> None:
        events = 0
        try:
            async for item in stream:
                lines.item(name, item)
                events += isinstance(item, Event)
                if events == most > 0:
                    await stream.aclose()
                    break
        except AgenticError as failure:
            lines.end(name, failure, stream.cursor)
        else:
            lines.end(name, None, stream.cursor)
