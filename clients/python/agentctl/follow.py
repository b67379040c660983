"""Following one call until it has ended: the conversation for a person, JSON lines for a program."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from agentctl import output, words
from agentctl.conversation import Conversation
from agentctl.exits import Exit
from agentctl.options import Env
from agentctl.page import Page
from agentic.v1.call_pb2 import CallEnd
from agentic.v1.event_pb2 import Event

if TYPE_CHECKING:
    from agentic import Client, Cursor
    from agentic.errors import AgenticError


_NOBODY = frozenset({"BUSY", "NO_ANSWER", "CANCELED", "EXPIRED"})
"""Ends of a call that nobody answered, and in which nothing broke."""


class _Outcome:
    """What became of the call, out of its events."""

    def __init__(self) -> None:
        self._answered = False
        self._end: CallEnd | None = None

    def note(self, event: Event) -> None:
        """One event more."""
        match event.WhichOneof("payload"):
            case "call_answered":
                self._answered = True
            case "call_ended":
                self._end = event.call_ended.end

    @property
    def exit_code(self) -> Exit:
        """Answered and ended well, not answered, or broken: also before anybody could answer."""
        if self._end is None:
            return Exit.FAILED
        if words.name(self._end, "reason") in _NOBODY:
            return Exit.NOT_ANSWERED
        return Exit.OK if self._answered and words.ended_well(self._end) else Exit.FAILED


async def follow_call(client: Client, env: Env, call_id: str, after: Cursor | int) -> int:
    """Show the call from the cursor on to its end. The exit code tells its outcome."""
    form = env.format(piped="jsonl")
    if form == "id":
        output.ident(call_id)
    told = Conversation(env.style, Page(env.columns if form == "table" else None))
    outcome = _Outcome()
    away = False

    def pause(*, gone: bool) -> None:
        nonlocal away
        away = gone
        if form in ("table", "plain"):
            output.write(told.pause())

    def lost(error: AgenticError) -> None:
        pause(gone=True)
        interrupted(error)

    def back(cursor: Cursor) -> None:
        pause(gone=False)
        resumed(cursor)

    # Words one by one are for eyes; in a file they were lines with holes.
    stream = client.events(call_ids=[call_id], after=after, live=form == "table", on_resume=back, on_lost=lost)
    try:
        async with stream:
            async for item in stream:
                if isinstance(item, Event):
                    outcome.note(item)
                    text = told.event(item)
                    if form in ("json", "jsonl"):
                        output.json_line(output.to_dict(item))
                else:
                    text = told.words(item)
                if form in ("table", "plain"):
                    output.write(text)
    except asyncio.CancelledError:
        newline()
        place = words.flat(str(stream.cursor or after))
        if away:
            click.echo("# agenticd does not answer; whether the call goes on is not known", err=True)
        else:
            click.echo(f"# the call goes on; to end it: agentctl call hangup {call_id}", err=True)
        click.echo(f"# to follow it: agentctl events --call {call_id} --after {place}", err=True)
        raise
    return outcome.exit_code


def newline() -> None:
    """Behind the "^C" that a terminal shows."""
    if sys.stderr.isatty():
        click.echo("", err=True)


def interrupted(error: AgenticError) -> None:
    """Say on stderr that nothing comes for now."""
    if error.reason:  # it was the daemon that ended it
        click.echo(f"# agenticd ended the stream ({words.flat(error.message)}); asking again", err=True)
    else:
        click.echo("# no connection to agenticd; waiting for it", err=True)


def resumed(cursor: Cursor) -> None:
    """Say on stderr that a lost connection is back."""
    click.echo(f"# reconnected, resuming after {cursor.revision}", err=True)
