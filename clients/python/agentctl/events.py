"""agentctl events: follows the event log."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agentctl import output
from agentctl.connect import run
from agentctl.exits import Exit, Failure
from agentctl.options import Command, Env

if TYPE_CHECKING:
    from agentic import Client, Cursor
    from agentic.v1.event_pb2 import Event, LiveWords


class After(click.ParamType):  # type: ignore[type-arg]  # generic only from click 8.5 on
    """A place in the log: a revision, or epoch:revision."""

    name = "revision"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | Cursor:
        """The revision, or the cursor."""
        from agentic.cursor import Cursor

        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # converted already
        if value.isascii() and value.isdigit():
            return int(value)
        try:
            return Cursor.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class CursorFile:
    """A file that holds a place in the log, written whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Cursor | None:
        """The place; None if there is no file yet, or an empty one."""
        from agentic.cursor import Cursor

        try:
            text = self._path.read_text(encoding="utf-8")
            return Cursor.parse(text) if text.strip() else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise Failure(
                Exit.FAILED, [f"{self._path}: {error}"], "remove the file to begin from now, or use --after"
            ) from error

    def store(self, cursor: Cursor) -> None:
        """Keep the place, over a crash of the machine too."""
        fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            with fresh.open("w", encoding="utf-8") as file:
                file.write(f"{cursor}\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise Failure(Exit.FAILED, [f"{self._path}: {error.strerror}"]) from error


@click.command(cls=Command)
@click.option(
    "--call",
    "call_ids",
    multiple=True,
    metavar="CALL_ID",
    help="Only this call; ends when it is closed. May be given several times.",
)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    help="Only this kind, for example transcript_final. May be given several times.",
)
@click.option(
    "--after",
    type=After(),
    metavar="REVISION",
    help="Begin behind it: a revision or epoch:revision; 0 is the oldest.  [default: from now on]",
)
@click.option(
    "--cursor-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Begin behind the place in FILE if there is one, and keep it up to date.",
)
@click.option("--live", is_flag=True, help="Show words while they are spoken, too.")
@click.pass_obj
def events(
    env: Env,
    call_ids: Sequence[str],
    types: Sequence[str],
    after: int | Cursor | None,
    cursor_file: Path | None,
    live: bool,
) -> int:
    """Follow what happens in calls.

    It prints a line for each event; in a pipe JSON. Nothing is lost or repeated when the connection or the
    daemon goes away: it comes back by itself and goes on where it was. With --cursor-file that holds over
    restarts of agentctl too; then the last event may come twice.

    \b
    Examples:
      agentctl events --after 0 --type call_ended
      agentctl events --cursor-file /var/lib/billing/cursor -o jsonl | ./bill
    """
    if after is not None and cursor_file is not None:
        raise click.UsageError("give either --after or --cursor-file")
    file = CursorFile(cursor_file) if cursor_file else None
    begin = file.load() if file else after
    return run(env, lambda client: _follow(client, env, list(call_ids), list(types), begin, file, live))


async def _follow(
    client: Client,
    env: Env,
    call_ids: list[str],
    types: list[str],
    after: int | Cursor | None,
    file: CursorFile | None,
    live: bool,
) -> int:
    from agentctl.follow import resumed
    from agentic.v1.event_pb2 import Event

    form = env.format(piped="jsonl")
    keep = file.store if file else None
    stream = client.events(call_ids=call_ids, types=types, after=after, live=live, on_resume=resumed, on_bookmark=keep)
    try:
        async with stream:
            async for item in stream:
                if not isinstance(item, Event):
                    _show_words(item, form)
                    continue
                cursor = stream.cursor
                assert cursor is not None
                _show(env, item, cursor, form)
                if keep is not None:
                    keep(cursor)
    except asyncio.CancelledError:
        if stream.cursor is not None:
            click.echo(f"# stopped; to go on: --after {stream.cursor}", err=True)
        raise
    return Exit.OK


def _show(env: Env, event: Event, cursor: Cursor, form: str) -> None:
    from agentctl import words

    match form:
        case "json" | "jsonl":
            output.json_line(output.to_dict(event))
        case "id":
            output.line(str(cursor))
        case _:
            kind, said = words.describe(event)
            head = f"{words.clock(event.time)}  {event.revision:>6}  {event.call_id}  "
            label = f"{kind:<17}"
            if env.colored and form == "table":
                from agentctl import render

                head, label = render.styled(head, "note"), render.styled(label, "end")
            output.line(f"{head}{label}  {said}".rstrip())


def _show_words(live: LiveWords, form: str) -> None:
    from agentctl import words

    match form:
        case "json" | "jsonl":
            output.json_line({"live": output.to_dict(live)})
        case "id":
            pass  # words have no place in the log
        case _:
            output.line(f"{'':>22}{live.call_id}  {'live':<17}  {words.speaker(live)}: {words.flat(live.text)}")
