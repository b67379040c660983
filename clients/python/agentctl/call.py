"""agentctl call: places, shows, lists and ends calls."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from agentctl import output
from agentctl.connect import run
from agentctl.exits import Exit, Failure
from agentctl.options import PAIR, SECONDS, Env, Group

if TYPE_CHECKING:
    from agentic import Client
    from agentic.v1.call_pb2 import Call

TEXT_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True)
STATES = ("queued", "dialing", "unconfirmed", "ringing", "in_progress", "ending", "ended")
STATE = click.Choice((*STATES, "live"))


@click.group(cls=Group)
def call() -> None:
    """Place, show, list and end calls."""


@call.command()
@click.argument("to")
@click.option("--agent", default="", help="The agent profile that speaks.  [default: default]")
@click.option("--from", "from_address", default="", help="The number to call from.")
@click.option("--var", "variables", type=PAIR, multiple=True, help="Fills {{key}} in the texts.")
@click.option("--meta", "metadata", type=PAIR, multiple=True, help="Comes back with the call.")
@click.option("--instructions", help="What the agent is told to be and do, instead of the profile's.")
@click.option("--instructions-file", type=TEXT_FILE, help="The same from a file; - is standard input.")
@click.option("--greeting", help='What the agent says first. "": it waits for the caller.')
@click.option("--voice", help="The model's voice.")
@click.option("--model", help="The model.")
@click.option("--language", help="What the caller is expected to speak, for example en.")
@click.option("--ring-timeout", type=SECONDS, help="How long the phone may ring.  [default: 30s]")
@click.option("--max-duration", type=SECONDS, help="How long the call may last.  [default: the profile's]")
@click.option("--queue-timeout", type=SECONDS, help="How long it may wait to be dialled.  [default: 60s]")
@click.option("--request-id", help="Makes it safe to repeat: the same id dials once in 24 hours.")
@click.option("-f", "--follow", is_flag=True, help="Stay until the call has ended, and show it.")
@click.pass_obj
def place(
    env: Env,
    /,
    to: str,
    instructions_file: str | None,
    variables: Sequence[tuple[str, str]],
    metadata: Sequence[tuple[str, str]],
    follow: bool,
    **order: Any,
) -> int:
    """Have an agent call TO: a number such as +15550001111, or sip:user@host.

    Returns when the call is safely queued. With --follow it stays: on a terminal it shows the conversation
    word by word, in a pipe it prints the events as JSON lines. The exit code then tells the call's outcome:
    0 it was answered and ended well, 9 nobody answered, 1 it broke.

    \b
    Examples:
      agentctl call place +15550001111 --follow
      agentctl call place +15550001111 --agent sales --var name=Ada --meta order=17 -o id
    """
    if instructions_file is not None:
        if order["instructions"] is not None:
            raise click.UsageError("give either --instructions or --instructions-file")
        with click.open_file(instructions_file, encoding="utf-8") as file:
            order["instructions"] = file.read()
    order |= {"variables": dict(variables), "metadata": dict(metadata)}
    order["request_id"] = order["request_id"] or str(uuid.uuid4())
    return run(env, lambda client: _place(client, env, to, order, follow))


async def _place(client: Client, env: Env, to: str, order: dict[str, Any], follow: bool) -> int:
    from agentic.cursor import Cursor
    from agentic.errors import DeadlineExceeded

    try:
        placed = await client.place_call(to, **order)
    except DeadlineExceeded as error:
        raise Failure(
            Exit.TIMEOUT,
            [f"no answer in {client.timeout:g} s; whether the call was placed is not known"],
            f"the same command with --request-id {order['request_id']} cannot dial twice",
        ) from error
    if follow:
        from agentctl.follow import follow_call

        # From its call_queued on: that one is at the revision itself.
        return await follow_call(client, env, placed.call.call_id, Cursor(placed.epoch, placed.revision - 1))
    match env.format():
        case "json":
            output.json_block(placed)
        case "jsonl":
            output.json_line(output.to_dict(placed))
        case other:
            _show(env, placed.call, other)
    return Exit.OK


@call.command()
@click.argument("call_id")
@click.pass_obj
def get(env: Env, call_id: str) -> int:
    """Show the call CALL_ID.

    \b
    Examples:
      agentctl call get 01KAPBQ7DV0000000000000001
      agentctl call get 01KAPBQ7DV0000000000000001 -o json | jq -r .call.state
    """

    async def work(client: Client) -> int:
        answer = await client.get_call(call_id)
        if env.format() == "json":
            output.json_block(answer)
        else:
            _show(env, answer.call, env.format())
        return Exit.OK

    return run(env, work)


@call.command()
@click.option("--state", "states", type=STATE, multiple=True, help="Only these; live: all but ended.")
@click.option("--direction", type=click.Choice(("inbound", "outbound")), help="Only these.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@click.pass_obj
def ls(env: Env, states: Sequence[str], direction: str | None, limit: int) -> int:
    """List calls, newest first.

    \b
    Examples:
      agentctl call ls --state live
      agentctl call ls -o jsonl --limit 500 | jq -r 'select(.end.reason == "END_REASON_BUSY") | .to_address'
    """
    wanted = {*states} - {"live"} | ({*STATES} - {"ended"} if "live" in states else set())
    return run(env, lambda client: _ls(client, env, sorted(wanted), direction, limit))


async def _ls(client: Client, env: Env, states: Sequence[str], direction: str | None, limit: int) -> int:
    from agentctl import words
    from agentic.v1.call_pb2 import CallState, Direction
    from agentic.v1.call_service_pb2 import ListCallsResponse

    answer = ListCallsResponse()
    token = ""
    while len(answer.calls) < limit:
        page = await client.list_calls(
            page_size=min(500, limit - len(answer.calls)),
            page_token=token,
            states=[CallState.Value(f"CALL_STATE_{state.upper()}") for state in states],
            direction=Direction.Value(f"DIRECTION_{(direction or 'unspecified').upper()}"),
        )
        # The first page's revision: whoever follows from there misses nothing that happened while others
        # were read.
        revision = answer.revision or page.revision
        answer.calls.extend(page.calls)
        answer.next_page_token, answer.revision = page.next_page_token, revision
        token = page.next_page_token
        if not token:
            break
    rows = [words.row(one) for one in answer.calls]
    match env.format():
        case "json":
            output.json_block(answer)
        case "jsonl":
            for one in answer.calls:
                output.json_line(output.to_dict(one))
        case "id":
            for one in answer.calls:
                output.line(one.call_id)
        case "table":
            from agentctl import render

            render.table(words.COLUMNS, rows, words.SPARE, env.colored)
        case _:
            output.columns(words.COLUMNS, rows)
    if token and env.terminal:
        click.echo(f"# there are more; show them with --limit {limit * 10}", err=True)
    return Exit.OK


@call.command()
@click.argument("call_id")
@click.option("--reason", default="", help="Why, for the record: it comes back in the events.")
@click.pass_obj
def hangup(env: Env, call_id: str, reason: str) -> int:
    """End the call CALL_ID, whatever its state. A call that has ended is shown as it ended.

    \b
    Examples:
      agentctl call hangup 01KAPBQ7DV0000000000000001
      agentctl call ls --state live -o id | xargs -n1 agentctl call hangup --reason "office closes"
    """

    async def work(client: Client) -> int:
        answer = await client.hang_up(call_id, reason)
        if env.format() == "json":
            output.json_block(answer)
        else:
            _show(env, answer.call, env.format())
        return Exit.OK

    return run(env, work)


@call.command()
@click.argument("call_id")
@click.pass_obj
def transcript(env: Env, call_id: str) -> int:
    """Show what was said in the call CALL_ID so far, in the order of the conversation.

    \b
    Examples:
      agentctl call transcript 01KAPBQ7DV0000000000000001
      agentctl call transcript 01KAPBQ7DV0000000000000001 -o jsonl
    """
    return run(env, lambda client: _transcript(client, env, call_id))


async def _transcript(client: Client, env: Env, call_id: str) -> int:
    from agentctl import words

    answer = await client.transcript(call_id)
    if env.format() == "json":
        output.json_block(answer)
        return Exit.OK
    for said in answer.utterances:
        match env.format():
            case "jsonl":
                output.json_line(output.to_dict(said))
            case "id":
                output.line(said.item_id)
            case "table":
                speaker = f"{words.speaker(said):>6}: "
                if env.colored:
                    from agentctl import render

                    speaker = render.styled(speaker, words.speaker(said))
                output.line(f"{words.offset(said.audio_start)}  {speaker}{words.heard(said)}")
            case _:
                output.line(f"{words.speaker(said)}: {words.heard(said)}")
    return Exit.OK


def _show(env: Env, call: Call, form: str) -> None:
    """One call, in any form but json."""
    from agentctl import words

    match form:
        case "jsonl":
            output.json_line(output.to_dict(call))
        case "id":
            output.line(call.call_id)
        case "table":
            from agentctl import render

            render.facts(words.facts(call), env.colored)
        case _:
            output.pairs(words.facts(call).items())
