"""The teller of the client for threads: a thread for each order and each stream."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from typing import Any

import agentic.sync
from agentic import AgenticError
from agentic.sync import Client, EventStream
from agentic.v1.event_pb2 import Event, LiveWords
from story import lines

Stream = EventStream[Event] | EventStream[Event | LiveWords]


def obey_all(place: Mapping[str, Any]) -> None:
    """Do what the lines of the input say, until it ends."""
    lines.watch_requests()
    try:
        client = agentic.sync.connect(**place)
    except lines.REFUSED as failure:
        for text in sys.stdin:
            lines.write(id=json.loads(text)["id"], error=lines.error(failure))
        return
    with client:
        teller = Teller(client)
        for text in sys.stdin:
            threading.Thread(target=teller.obey, args=(json.loads(text),), daemon=True).start()


class Teller:
    """Obeys one order after the other, or several at once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._streams: dict[str, tuple[Stream, threading.Thread]] = {}

    def obey(self, order: Mapping[str, Any]) -> None:
        """Do it, and tell what came of it."""
        try:
            answer = self._do(order)
        except (AgenticError, *lines.REFUSED) as failure:
            lines.write(id=order["id"], error=lines.error(failure))
        else:
            if answer is not None:
                lines.write(id=order["id"], ok=answer)

    def _do(self, order: Mapping[str, Any]) -> dict[str, Any] | None:
        client = self._client
        match order["do"]:
            case "place":
                return lines.placed(client.place_call(**lines.order_of(order)))
            case "hang_up":
                return lines.state(client.hang_up(order["call_id"], order.get("reason", "")).call)
            case "get":
                return lines.shown(client.get_call(order["call_id"]))
            case "list":
                return self._list(order.get("page_size", 0))
            case "transcript":
                return lines.said(client.transcript(order["call_id"]))
            case "status":
                return lines.status(client.status())
            case "follow" | "follow_call":
                self._follow(order)
                return None  # it has answered
            case "leave":
                stream, thread = self._streams[order["name"]]
                stream.close()
                thread.join()
                return {}
            case other:
                raise ValueError(f"no order is called {other}")

    def _list(self, page_size: int) -> dict[str, Any]:
        pages = [self._client.list_calls(page_size=page_size)]
        while token := pages[-1].next_page_token:
            pages.append(self._client.list_calls(page_size=page_size, page_token=token))
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
        thread = threading.Thread(target=self._read, args=(name, stream, order.get("most", 0)), daemon=True)
        self._streams[name] = stream, thread
        lines.write(id=order["id"], ok={})  # before the first line of the stream
        thread.start()

    def _read(self, name: str, stream: Stream, most: int) -> None:
        events = 0
        try:
            for item in stream:
                lines.item(name, item)
                events += isinstance(item, Event)
                if events == most > 0:
                    stream.close()
                    break
        except AgenticError as failure:
            lines.end(name, failure, stream.cursor)
        else:
            lines.end(name, None, stream.cursor)
