"""agentctl call place: has an agent call somebody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from agentctl import output
from agentctl.connect import run
from agentctl.exits import Exit, Failure
from agentctl.options import Command, Env, Given
from agentctl.values import PAIR, SECONDS, by_key
from agentctl.words import flat

if TYPE_CHECKING:
    from agentic import Client

TEXT_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True)


@click.command(cls=Command)
@click.argument("to", cls=Given, meaning="whom to call, for example +15550001111 or sip:ada@example.com")
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
    """Have an agent call TO.

    TO is a number such as +15550001111, or sip:user@host. Returns when the call is safely queued. With --follow
    it stays: on a terminal it shows the conversation word by word, in a pipe it prints the events as JSON
    lines. The exit code then tells the call's outcome: 0 it was answered and ended well, 9 nobody answered
    (BUSY, NO_ANSWER, CANCELED, EXPIRED), 1 something broke or was refused.

    \b
    Examples:
      agentctl call place +15550001111 --follow
      agentctl call place +15550001111 --agent sales --var name=Ada -o id
    """
    if instructions_file is not None:
        if order["instructions"] is not None:
            raise click.UsageError("give either --instructions or --instructions-file")
        order["instructions"] = _read(instructions_file)
    order |= {"variables": by_key("--var", variables), "metadata": by_key("--meta", metadata)}
    return run(env, lambda client: _place(client, env, to, order, follow))


def _read(path: str) -> str:
    try:
        with click.open_file(path, encoding="utf-8") as file:
            return str(file.read())
    except UnicodeDecodeError as error:
        raise click.UsageError(f"--instructions-file: {path} is no UTF-8 text: byte {error.start} is not") from error
    except OSError as error:
        raise click.UsageError(f"--instructions-file: {path} cannot be read: {error.strerror}") from error


async def _place(client: Client, env: Env, to: str, order: dict[str, Any], follow: bool) -> int:
    from agentic.cursor import Cursor
    from agentic.errors import DeadlineExceeded

    try:
        placed = await client.place_call(to, **order)
    except DeadlineExceeded as error:
        raise Failure(
            Exit.TIMEOUT,
            [f"no answer in {client.timeout:g} s; whether the call was placed is not known"],
            f"the same command with --request-id {error.request_id} cannot dial twice",
            {"code": error.code, "reason": error.reason, "message": error.message,
             "metadata": {"request_id": error.request_id}},
        ) from error  # fmt: skip
    # Of an id that was made for this order alone, only the client's own retry can have used it before.
    if placed.replayed and (used := order["request_id"]):
        click.echo(f"# request id {flat(used)} was used before: this is that call; it is not dialled again", err=True)
    if follow:
        from agentctl.follow import follow_call

        # From its call_queued on: that one is at the revision itself.
        return await follow_call(client, env, placed.call.call_id, Cursor(placed.epoch, placed.revision - 1))
    output.answer(env, placed, placed.call)
    return Exit.OK
