"""Following one call until it has ended: the conversation for a person, JSON lines for a program."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from agentctl import output, words
from agentctl.conversation import Conversation, plain
from agentctl.exits import Exit
from agentctl.options import Env
from agentic.v1.call_pb2 import CallEnd
from agentic.v1.event_pb2 import CallClosed, Event

if TYPE_CHECKING:
    from agentic import Client, Cursor

# Endings of an answered call that are nobody's fault.
_WELL = frozenset({"COMPLETED", "TRANSFERRED", "VOICEMAIL", "MAX_DURATION", "SILENCE", "DRAINED"})


class _Outcome:
    """What became of the call, out of its events."""

    def __init__(self) -> None:
        self.answered = False
        self.end: CallEnd | None = None
        self.closed: CallClosed | None = None

    def note(self, event: Event) -> None:
        """One event more."""
        match event.WhichOneof("payload"):
            case "call_answered":
                self.answered = True
            case "call_ended":
                self.end = event.call_ended.end
            case "call_closed":
                self.closed = event.call_closed

    @property
    def exit_code(self) -> Exit:
        """Answered and ended well, not answered, or broken."""
        if not self.answered:
            return Exit.NOT_ANSWERED
        return Exit.OK if self.end is not None and words.name(self.end, "reason") in _WELL else Exit.FAILED

    def __str__(self) -> str:
        said = words.ending(self.end) if self.end is not None else "ended"
        if self.closed is None or not self.answered:
            return said
        turns = f"{self.closed.turns} turn{'' if self.closed.turns == 1 else 's'}"
        return f"{said}, after {words.length(self.closed.duration)} and {turns}"


async def follow_call(client: Client, env: Env, call_id: str, after: Cursor) -> int:
    """Show the call from the cursor on to its end. The exit code tells its outcome."""
    form = env.format(piped="jsonl")
    if form == "id":
        output.line(call_id)
    style = _style if env.colored else plain
    conversation = Conversation(style)
    outcome = _Outcome()
    # Words one by one are for eyes; in a file they were lines with holes.
    stream = client.events(call_ids=[call_id], after=after, live=form == "table", on_resume=resumed)
    try:
        async with stream:
            async for item in stream:
                if isinstance(item, Event):
                    outcome.note(item)
                    text = conversation.event(item)
                    if form in ("json", "jsonl"):
                        output.json_line(output.to_dict(item))
                else:
                    text = conversation.words(item)
                if form in ("table", "plain"):
                    _write(text)
    except asyncio.CancelledError:
        click.echo(f"\n# the call goes on; to end it: agentctl call hangup {call_id}", err=True)
        click.echo(f"# to follow it: agentctl events --call {call_id} --after {stream.cursor or after}", err=True)
        raise
    if form in ("table", "plain"):
        _write(conversation.end(str(outcome)))
    return outcome.exit_code


def resumed(cursor: Cursor) -> None:
    """Say on stderr that a lost connection is back."""
    click.echo(f"# reconnected, resuming after {cursor.revision}", err=True)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _style(text: str, role: str) -> str:
    from agentctl import render

    return render.styled(text, role)
