"""agentctl events: follows the event log. What it does with it: watching.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from agentctl.completion import complete_calls
from agentctl.connect import run
from agentctl.options import Command, Env
from agentctl.values import AFTER, CALL_ID, EVENT_KIND, KINDS, MOMENT

if TYPE_CHECKING:
    from agentic import Cursor


@click.command(cls=Command, epilog=f"Kinds for --type: {', '.join(KINDS)}.")
@click.option(
    "--call",
    "call_ids",
    type=CALL_ID,
    multiple=True,
    metavar="CALL_ID",
    shell_complete=complete_calls,
    help="Only this call; ends when it is closed. May be given several times.",
)
@click.option(
    "--type",
    "types",
    type=EVENT_KIND,
    multiple=True,
    help="Only this kind, for example transcript_final. May be given several times.",
)
@click.option(
    "--after",
    type=AFTER,
    metavar="REVISION",
    help="Begin behind it: a revision or epoch:revision; 0 is the oldest.  "
    "[default: from now on; with --call: from its beginning]",
)
@click.option(
    "--since",
    type=MOMENT,
    metavar="TIME",
    help="Begin with what happened then: 10m, 2h or 7d ago, or 2026-11-22T08:30.",
)
@click.option(
    "--cursor-file",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Keep the place in FILE, and begin behind it. --after and --since hold only until there is one.",
)
@click.option("--until-end", is_flag=True, help="Stop where the log ends now, instead of waiting for more.")
@click.option("--bookmarks", is_flag=True, help="Show every 10 s up to where there was nothing, too.")
@click.option(
    "-a",
    "--all",
    "everything",
    is_flag=True,
    help="On a terminal: what a listener would not notice, too, such as usage_reported.",
)
@click.option("--live", is_flag=True, help="Show words while they are spoken, too. On a terminal --call does.")
@click.pass_obj
def events(
    env: Env,
    call_ids: Sequence[str],
    types: Sequence[str],
    after: int | Cursor | None,
    since: float | None,
    cursor_file: str | None,
    until_end: bool,
    bookmarks: bool,
    everything: bool,
    live: bool,
) -> int:
    """Follow what happens in calls.

    On a terminal it shows who speaks and what happens; in a pipe it prints JSON lines, and with -o plain a line
    for each event. Nothing is lost or repeated when the connection or the daemon goes away: it comes back by itself
    and goes on where it was. With --cursor-file that holds over restarts of agentctl too; then the last event
    may come twice.

    \b
    Examples:
      agentctl events --since 10m --type call_ended
      agentctl events --cursor-file billing --after 0 -o jsonl | ./bill
    """
    if after is not None and since is not None:
        raise click.UsageError("give either --after or --since")
    from agentctl.watching import Order, watch

    wide = env.format(piped="jsonl") == "table"
    order = Order(
        call_ids=list(dict.fromkeys(call_ids)),
        types=list(types),
        after=after,
        since=since,
        until_end=until_end,
        bookmarks=bookmarks,
        everything=everything or bool(types),
        live=live or (wide and env.terminal and bool(call_ids) and not types),
    )
    return run(env, lambda client: watch(client, env, order, cursor_file))
