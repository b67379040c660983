"""What agentctl events does: from where, up to where, and how an event is shown."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentctl import output, places, words
from agentctl.conversation import Conversation
from agentctl.exits import Exit, Failure
from agentctl.follow import interrupted, newline, resumed
from agentctl.options import Env
from agentctl.page import Page
from agentic.cursor import Cursor
from agentic.errors import LogReplaced
from agentic.v1.event_pb2 import Event

if TYPE_CHECKING:
    from agentic import Client
    from agentic.errors import AgenticError
    from agentic.target import Target
    from agentic.v1.event_pb2 import LiveWords


@dataclass(frozen=True, slots=True)
class Order:
    """What the options say."""

    call_ids: list[str]
    types: list[str]
    after: int | Cursor | None
    since: float | None
    until_end: bool
    bookmarks: bool
    everything: bool
    live: bool

    def again(self, place: str) -> str:
        """The command line that goes on from a place."""
        words = ["agentctl", "events"]
        words += [word for call_id in self.call_ids for word in ("--call", call_id)]
        words += [word for kind in self.types for word in ("--type", kind)]
        return shlex.join([*words, "--after", place])


class _End(Exception):
    """Everything up to the log's end was shown."""


async def watch(client: Client, env: Env, order: Order, path: str | None) -> int:
    """Follow as ordered. Ends with its calls, at the log's end if that was ordered, or by Ctrl-C."""
    file = places.CursorFile(Path(path)) if path else None
    try:
        return await _watch(client, env, order, file)
    except LogReplaced as error:
        raise _replaced(error, client.target, order, file) from error


def _replaced(error: LogReplaced, target: Target, order: Order, file: places.CursorFile | None) -> Failure:
    """The place is of another log; what can be done depends on where it is from."""
    from agentctl.failures import failure

    found = failure(error, target)
    if file is not None and file.load() is not None:
        found.hint = f"the daemon has another log now: remove {file.path}, and begin with --after 0"
    elif isinstance(order.after, Cursor):
        found.messages = [f"--after: there is no log {order.after.epoch} here; the daemon's is {error.epoch}"]
        found.data |= {"message": found.messages[0]}
    return found


async def _watch(client: Client, env: Env, order: Order, file: places.CursorFile | None) -> int:
    begin = (file.load() if file else None) or await _begin(client, order)
    limit = await _Limit.at(client, order, begin) if order.until_end else None
    if limit is not None and limit.reached:
        return Exit.OK
    shown = _Shown(env, order)

    def bookmark(cursor: Cursor) -> None:
        if order.bookmarks:
            shown.bookmark(cursor)
        if file is not None:
            file.store(cursor)
        if limit is not None and limit.bookmark(cursor):
            raise _End

    # Up to an end, kinds are looked at here: of the last event it must be known that it was the last.
    types = order.types if limit is None else []
    stream = client.events(
        call_ids=order.call_ids,
        types=types,
        after=begin,
        live=order.live,
        on_resume=shown.resumed,
        on_lost=shown.interrupted,
        on_bookmark=bookmark,
    )
    try:
        async with stream:
            async for item in stream:
                if not isinstance(item, Event):
                    shown.words(item)
                    continue
                cursor = stream.cursor
                assert cursor is not None, "an event has a place"
                if not order.types or item.WhichOneof("payload") in order.types:
                    shown.event(item, cursor)
                if file is not None:
                    file.store(cursor)
                if limit is not None and limit.event(item):
                    break
    except _End:
        pass
    except asyncio.CancelledError:
        newline()
        if file is not None:
            click.echo(
                f"# stopped at {words.flat(str(stream.cursor or begin))}; the same command goes on from there", err=True
            )
        elif stream.cursor is not None:
            click.echo(f"# stopped; to go on: {order.again(words.flat(str(stream.cursor)))}", err=True)
        raise
    return Exit.OK


async def _begin(client: Client, order: Order) -> int | Cursor | None:
    if order.since is not None:
        return await places.at(client, order.since)
    if order.after is None and (order.call_ids or order.until_end):
        return 0
    return order.after


class _Limit:
    """Where the log ended when it was asked."""

    def __init__(self, head: int, calls: Mapping[str, int], begin: int) -> None:
        self._head = head
        self._calls = dict(calls)  # the last event of each call that was asked for
        self._begin = begin

    @classmethod
    async def at(cls, client: Client, order: Order, begin: int | Cursor | None) -> _Limit:
        """As it is now."""
        head = (await client.status()).head_revision
        # Behind the head: what a call has now may be newer, which is no harm.
        calls = {one: (await client.get_call(one)).call.last_sequence for one in order.call_ids}
        return cls(head, calls, begin if isinstance(begin, int) else begin.revision if begin else 0)

    @property
    def reached(self) -> bool:
        """Whether there is nothing to show."""
        return self._begin >= self._head

    def event(self, event: Event) -> bool:
        """Whether this event was the last."""
        if self._calls and self._calls.get(event.call_id, 0) <= event.call_sequence:
            self._calls.pop(event.call_id, None)
            if not self._calls:
                return True
        return event.revision >= self._head

    def bookmark(self, cursor: Cursor) -> bool:
        """Whether nothing can come before the end."""
        return cursor.revision >= self._head


class _Shown:
    """The output."""

    def __init__(self, env: Env, order: Order) -> None:
        self._form = env.format(piped="jsonl")
        several = len(order.call_ids) != 1
        self._told = Conversation(env.style, Page(env.columns), everything=order.everything, several=several)

    def event(self, event: Event, cursor: Cursor) -> None:
        """One event."""
        match self._form:
            case "json" | "jsonl":
                output.json_line(output.to_dict(event))
            case "id":
                output.ident(str(cursor))
            case "table":
                output.write(self._told.event(event))
            case _:
                kind, said = words.describe(event)
                head = f"{words.clock(event.time)}  {event.revision:>6}  {words.flat(event.call_id)}"
                output.line(f"{head}  {kind:<17}  {said}".rstrip())

    def words(self, live: LiveWords) -> None:
        """Words while they are spoken."""
        match self._form:
            case "json" | "jsonl":
                output.json_line({"live": output.to_dict(live)})
            case "id":
                pass  # words have no place in the log
            case "table":
                output.write(self._told.words(live))
            case _:
                said = f"{words.speaker(live)}: {words.flat(live.text)}"
                output.line(f"{'':>22}{words.flat(live.call_id)}  {'live':<17}  {said}")

    def bookmark(self, cursor: Cursor) -> None:
        """Everything up to here was shown."""
        match self._form:
            case "json" | "jsonl":
                output.json_line({"bookmark": {"revision": str(cursor.revision)}})
            case "id":
                output.ident(str(cursor))
            case "table":
                output.write(self._told.pause() + self._told.end(f"nothing more up to {cursor.revision}"))
            case _:
                output.line(f"{'':>12}  {cursor.revision:>6}  {'':26}  bookmark")

    def interrupted(self, error: AgenticError) -> None:
        """Nothing comes for now."""
        if self._form == "table":
            output.write(self._told.pause())
        interrupted(error)

    def resumed(self, cursor: Cursor) -> None:
        """A lost connection is back."""
        if self._form == "table":
            output.write(self._told.pause())
        resumed(cursor)
