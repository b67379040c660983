"""agentctl call ls: lists calls."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from agentctl import output
from agentctl.connect import run
from agentctl.exits import Exit
from agentctl.options import Command, Env
from agentctl.values import COUNT, MOMENT, NUMBER, PAIR, OneOf, by_key

if TYPE_CHECKING:
    from agentic import Client
    from agentic.v1.call_pb2 import Call
    from agentic.v1.call_service_pb2 import ListCallsResponse

STATES = ("queued", "dialing", "unconfirmed", "ringing", "in_progress", "ending", "ended")
ENDS = (
    "completed", "busy", "no_answer", "canceled", "rejected", "expired", "failed", "max_duration", "silence",
    "model_lost", "media_lost", "drained", "node_lost", "dial_unconfirmed", "policy", "budget", "transferred",
    "voicemail",
)  # fmt: skip
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Filter:
    """Which calls to list. The daemon knows of states and direction; the rest is looked at here."""

    states: frozenset[str] = frozenset()
    direction: str = ""
    since: float | None = None
    ends: frozenset[str] = frozenset()
    agent: str | None = None
    number: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()

    @property
    def looks(self) -> bool:
        """Whether anything is left to look at here."""
        return bool(self.since or self.ends or self.agent or self.number or self.metadata)

    def too_old(self, call: Call) -> bool:
        """Whether this call and all behind it, which are older, are out."""
        return self.since is not None and call.create_time.ToMicroseconds() / 1e6 < self.since

    def wants(self, call: Call) -> bool:
        """Whether to list this call."""
        from agentctl import words

        return (
            (not self.ends or (call.HasField("end") and words.name(call.end, "reason").lower() in self.ends))
            and (self.agent is None or call.agent == self.agent)
            and (self.number is None or self.number in (call.from_address, call.to_address))
            and all(call.metadata.get(key) == value for key, value in self.metadata)
        )


LIVE = Filter(frozenset(STATES) - {"ended"})


@click.command(cls=Command)
@click.option(
    "--state",
    "states",
    type=OneOf((*STATES, "live"), "STATE", {end: f"--end {end}" for end in ENDS}),
    multiple=True,
    help=f"Only in this state: {', '.join(STATES)}; live is all but ended.",
)
@click.option("--direction", type=OneOf(("inbound", "outbound")), help="Only these.")
@click.option("--since", type=MOMENT, metavar="TIME", help="Only since then: 10m, 2h or 7d ago, or 2026-11-22T08:30.")
@click.option(
    "--end",
    "ends",
    type=OneOf(ENDS, "REASON", {state: f"--state {state}" for state in STATES}),
    multiple=True,
    help="Only what ended so, for example busy.",
)
@click.option("--agent", help="Only this agent profile's.")
@click.option("--number", type=NUMBER, help="Only with this number, on either side.")
@click.option("--meta", "metadata", type=PAIR, multiple=True, help="Only what was placed with it.")
@click.option("-n", "--limit", type=COUNT, default=50, show_default=True, help="At most so many.")
@click.pass_obj
def ls(
    env: Env,
    states: Sequence[str],
    direction: str | None,
    since: float | None,
    ends: Sequence[str],
    agent: str | None,
    number: str | None,
    metadata: Sequence[tuple[str, str]],
    limit: int,
) -> int:
    """List calls, newest first.

    Filters that may be given several times (--state, --end) list what any of them wants; --meta what all do.

    \b
    Examples:
      agentctl call ls --state live
      agentctl call ls --since 1d --end busy --end no_answer -o id
    """
    wanted = {*states} - {"live"} | ({*STATES} - {"ended"} if "live" in states else set())
    which = Filter(
        frozenset(wanted),
        direction or "",
        since,
        frozenset(ends),
        agent,
        number,
        tuple(by_key("--meta", metadata).items()),
    )
    return run(env, lambda client: _ls(client, env, which, limit))


async def _ls(client: Client, env: Env, which: Filter, limit: int) -> int:
    answer = await collect(client, which, limit)
    match env.format():
        case "json":
            output.json_block(answer)
        case "jsonl":
            for one in answer.calls:
                output.json_line(output.to_dict(one))
        case "id":
            for one in answer.calls:
                output.ident(one.call_id)
        case _:
            show(env, answer.calls)
    if answer.next_page_token and env.terminal:
        click.echo(f"# there are more; show them with --limit {limit * 10}", err=True)
    return Exit.OK


def show(env: Env, calls: Sequence[Call]) -> None:
    """Calls below each other, for people and for programs that count columns."""
    from agentctl import render, words

    if env.format() != "table":
        output.columns(words.COLUMNS, [words.row(one) for one in calls])
        return
    if not calls:
        click.echo("# no such calls", err=True)
        return
    columns = env.columns() if env.columns is not None else None
    rows = [words.short_row(one) for one in calls]
    for line in render.table(words.SHORT_COLUMNS, rows, words.SPARE, columns, env.style):
        output.line(line)


async def collect(client: Client, which: Filter, limit: int = sys.maxsize) -> ListCallsResponse:
    """The calls, as one answer. Its token is empty when there are no more."""
    from agentic.v1.call_pb2 import CallState, Direction
    from agentic.v1.call_service_pb2 import ListCallsResponse

    states = [CallState.Value(f"CALL_STATE_{state.upper()}") for state in sorted(which.states)]
    direction = Direction.Value(f"DIRECTION_{(which.direction or 'unspecified').upper()}")
    answer, token = ListCallsResponse(), ""
    while True:
        size = _PAGE if which.looks else min(_PAGE, limit - len(answer.calls))
        page = await client.list_calls(page_size=size, page_token=token, states=states, direction=direction)
        # The first page's revision: whoever follows from there misses nothing that happened while others
        # were read.
        answer.revision = answer.revision or page.revision
        token = page.next_page_token
        for call in page.calls:
            if which.too_old(call):
                return answer
            if which.wants(call):
                if len(answer.calls) == limit:
                    answer.next_page_token = token or "more"
                    return answer
                answer.calls.append(call)
        answer.next_page_token = token
        if not token or (len(answer.calls) >= limit and not which.looks):
            return answer
