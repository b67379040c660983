"""agentctl call: shows and ends calls. Placing and listing them: place.py, listing.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from agentctl import output
from agentctl.completion import complete_calls, complete_live_calls
from agentctl.connect import run
from agentctl.exits import Exit
from agentctl.listing import LIVE, collect, ls, show
from agentctl.options import Env, Given, Group
from agentctl.place import place
from agentctl.values import CALL_ID

if TYPE_CHECKING:
    from agentic import Client
    from agentic.v1.call_pb2 import Call
    from agentic.v1.event_pb2 import TranscriptFinal

WHICH = "a call's id; agentctl call ls shows them"
_NAMED = 3
"""Of so many calls the phones are named before they are ended."""


@click.group(cls=Group)
def call() -> None:
    """Place, show, list and end calls.

    \b
    Examples:
      agentctl call place +15550001111 --follow
      agentctl call ls --state live
    """


call.add_command(place)
call.add_command(ls)


@call.command()
@click.argument("call_id", cls=Given, type=CALL_ID, meaning=WHICH, metavar="CALL_ID", shell_complete=complete_calls)
@click.pass_obj
def get(env: Env, call_id: str) -> int:
    """Show the call CALL_ID, live or long ended.

    \b
    Examples:
      agentctl call get 01KAPBQ7DV0000000000000001
      agentctl call get 01KAPBQ7DV0000000000000001 -o json | jq -r .call.state
    """

    async def work(client: Client) -> int:
        answer = await client.get_call(call_id)
        output.answer(env, answer, answer.call)
        return Exit.OK

    return run(env, work)


@call.command()
@click.argument("call_id", cls=Given, type=CALL_ID, meaning=WHICH, metavar="CALL_ID", shell_complete=complete_calls)
@click.option("-f", "--follow", is_flag=True, help="Show it as it happens, and stay until the call has ended.")
@click.pass_obj
def transcript(env: Env, call_id: str, follow: bool) -> int:
    """Show what was said in the call CALL_ID so far.

    In the order of the conversation. Of what the agent could not finish it shows what the phone played, and
    [cut]; -o json has both. With --follow it is shown as `agentctl call place --follow` shows it, from the
    call's beginning, and with the same exit code.

    \b
    Examples:
      agentctl call transcript 01KAPBQ7DV0000000000000001
      agentctl call transcript 01KAPBQ7DV0000000000000001 -o jsonl | jq -r .text
    """
    if not follow:
        return run(env, lambda client: _transcript(client, env, call_id))
    from agentctl.follow import follow_call

    return run(env, lambda client: follow_call(client, env, call_id, 0))


async def _transcript(client: Client, env: Env, call_id: str) -> int:
    from agentctl import words

    answer = await client.transcript(call_id)
    match env.format():
        case "json":
            output.json_block(answer)
        case "table":
            _show_transcript(env, answer.utterances)
        case form:
            for said in answer.utterances:
                match form:
                    case "jsonl":
                        output.json_line(output.to_dict(said))
                    case "id":
                        output.ident(said.item_id)
                    case _:
                        output.line(f"{words.speaker(said)}: {words.heard(said)}")
    return Exit.OK


def _show_transcript(env: Env, utterances: Sequence[TranscriptFinal]) -> None:
    from agentctl import words
    from agentctl.page import Page

    if not utterances:
        click.echo("# nothing was said yet", err=True)
    page, style = Page(env.columns), env.style
    for said in utterances:
        at, speaker = words.offset(said.audio_start), f"{words.speaker(said):>6}"
        dressed = f"{style(at, 'note')}  {style(speaker, speaker.strip())}  "
        output.line(page.begin(f"{at}  {speaker}  ", dressed=dressed) + page.add(words.heard(said)))


@call.command()
@click.argument(
    "call_ids",
    cls=Given,
    type=CALL_ID,
    meaning=WHICH,
    nargs=-1,
    metavar="CALL_ID...",
    shell_complete=complete_live_calls,
)
@click.option("--all", "every", is_flag=True, help="End all live calls; asks before, unless --yes.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--reason", default="", help="Why, for the record: it comes back in the events.")
@click.pass_obj
def hangup(env: Env, call_ids: Sequence[str], every: bool, yes: bool, reason: str) -> int:
    """End the calls CALL_ID, whatever their state. A call that has ended is shown as it ended.

    Where one of several is not known, none is ended.

    \b
    Examples:
      agentctl call hangup 01KAPBQ7DV0000000000000001
      agentctl call hangup --all --yes --reason "office closes"
    """
    if every and call_ids:
        raise click.UsageError("give either CALL_ID or --all")
    if not every and not call_ids:
        raise click.UsageError(f"CALL_ID is missing: {WHICH}; --all ends all of them")
    once = list(dict.fromkeys(call_ids))
    return run(env, lambda client: _hangup(client, env, once, every and not yes, reason))


async def _hangup(client: Client, env: Env, call_ids: Sequence[str], ask: bool, reason: str) -> int:
    if not call_ids:
        live = await collect(client, LIVE)
        call_ids = [one.call_id for one in live.calls]
        if not call_ids:
            click.echo("# no call is live", err=True)
            return Exit.OK
        if ask and not await _sure(live.calls):
            return Exit.FAILED
    elif len(call_ids) > 1:
        for call_id in call_ids:
            await client.get_call(call_id)
    several = len(call_ids) > 1 and env.format() in ("table", "plain")
    ended: list[Call] = []
    try:
        for call_id in call_ids:
            answer = await client.hang_up(call_id, reason)
            if several:
                ended.append(answer.call)
            else:
                output.answer(env, answer, answer.call)
    finally:  # those that were ended are shown, whatever became of the rest
        if ended:
            show(env, ended)
    return Exit.OK


async def _sure(calls: Sequence[Call]) -> bool:
    """Whether the person means it. Who is no person must say --yes."""
    import asyncio
    import sys

    from agentctl.follow import newline

    if not sys.stdin.isatty():
        raise click.UsageError("--all needs --yes where nobody can be asked")
    click.echo(f"End {_named(calls)}? [y/N]: ", err=True, nl=False)
    # Not by click.confirm: while that waits, the loop does not, and Ctrl-C would be heard after the answer.
    loop, typed = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin, typed.set)
    try:
        await typed.wait()
    except asyncio.CancelledError:
        newline()
        raise
    finally:
        loop.remove_reader(sys.stdin)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _named(calls: Sequence[Call]) -> str:
    """How many, and with whom: "5 calls (to +15550001111, from +15550002222, to +15550003333, …)"."""
    from agentctl import words

    phones = [words.phone(one) for one in calls[:_NAMED]] + ["…"] * (len(calls) > _NAMED)
    return f"{len(calls)} call{'' if len(calls) == 1 else 's'} ({', '.join(phones)})"
