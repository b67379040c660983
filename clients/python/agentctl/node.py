"""agentctl node and agentctl version: the daemon itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agentctl import output
from agentctl.connect import run
from agentctl.exits import Exit
from agentctl.options import Command, Env, Group

if TYPE_CHECKING:
    from agentic import Client
    from agentic.v1.node_service_pb2 import DrainResponse, GetStatusResponse, PeerStatus


@click.group(cls=Group)
def node() -> None:
    """Look at the daemon itself, copy what it has recorded, and take it out of service.

    \b
    Examples:
      agentctl node status
      agentctl node backup
      agentctl node drain --until-empty
    """


@node.command()
@click.pass_obj
def status(env: Env) -> int:
    """Show what the daemon is and does.

    Also how Twilio and OpenAI answered last; neither is asked for it.

    \b
    Examples:
      agentctl node status
      agentctl node status -o json | jq .live_calls
    """

    async def work(client: Client) -> int:
        answer = await client.status()
        match env.format():
            case "json":
                output.json_block(answer)
            case "jsonl":
                output.json_line(output.to_dict(answer))
            case "id":
                output.ident(answer.node_id)
            case "table":
                from agentctl import render

                for line in render.facts(_facts(answer, past=True), env.columns, env.style):
                    output.line(line)
            case _:
                output.pairs(_facts(answer, past=False).items())
        return Exit.OK

    return run(env, work)


def _facts(answer: GetStatusResponse, *, past: bool) -> dict[str, str]:
    from agentctl import words

    queued = f", {answer.queued_calls} of them queued" if answer.queued_calls else ""
    known = {
        "node": answer.node_id,
        "state": "draining" if answer.draining else "serving",
        "version": answer.version,
        "features": ", ".join(answer.features),
        "uptime": words.length(answer.uptime),
        "calls": f"{answer.live_calls} live{queued}",
        "streams": str(answer.streams),
        "log": f"revisions {answer.first_revision} to {answer.head_revision}, epoch {answer.epoch}",
        "twilio": _peer(answer.carrier, past),
        "openai": _peer(answer.model, past),
    }
    return {label: words.flat(value) for label, value in known.items() if value}


def _peer(peer: PeerStatus, past: bool) -> str:
    """How it answered; `past`: with how long ago that was, which a person asks, else with when."""
    from agentctl import words

    if not peer.HasField("last_use_time"):
        return "not used yet"
    said = f": {peer.message}" if peer.message else ""
    when = words.ago(peer.last_use_time) if past else words.date(peer.last_use_time)
    return f"{words.name(peer, 'state').lower()}, last used {when}{said}"


@node.command()
@click.option("--until-empty", is_flag=True, help="Stay until the last call has ended, and show each that does.")
@click.pass_obj
def drain(env: Env, until_empty: bool) -> int:
    """Take the daemon out of service: no new calls from now on.

    It dials nobody who waits in its queue. Live calls go on to their own ends. The daemon does not exit; when
    it is started again it takes calls again.

    \b
    Examples:
      agentctl node drain
      agentctl node drain --until-empty && sudo systemctl restart agenticd
    """
    return run(env, lambda client: _drain(client, env, until_empty))


async def _drain(client: Client, env: Env, until_empty: bool) -> int:
    from agentctl import words
    from agentctl.listing import LIVE, collect

    node_id = (await client.status()).node_id
    _show_drain(env, await client.drain(), node_id)
    if not until_empty:
        return Exit.OK
    live = await collect(client, LIVE)
    left = {call.call_id for call in live.calls}
    from agentctl.follow import interrupted, resumed

    ended = client.events(types=["call_ended"], after=live.revision, on_resume=resumed, on_lost=interrupted)
    async with ended as stream:
        while left:
            event = await anext(stream)
            left.discard(event.call_id)
            said = f"{words.clock(event.time)} {event.call_id} ended; {len(left)} left"
            click.echo(f"# {words.flat(said)}", err=True)
    return Exit.OK


def _show_drain(env: Env, answer: DrainResponse, node_id: str) -> None:
    match env.format():
        case "json":
            output.json_block(answer)
        case "jsonl":
            output.json_line(output.to_dict(answer))
        case "id":
            output.ident(node_id)
        case "table":
            count = answer.live_calls
            left = "no call is live" if not count else f"{count} live call{'' if count == 1 else 's'} to go"
            output.line(f"draining; {left}. It takes calls again when it is started again.")
        case _:
            output.pairs({"state": "draining", "live_calls": str(answer.live_calls)}.items())


@node.command()
@click.argument("file", type=click.Path(dir_okay=False), required=False)
@click.option("--force", is_flag=True, help="Also over a file that is there.")
@click.pass_obj
def backup(env: Env, file: str | None, force: bool) -> int:
    """Write a copy of the event log into FILE, while calls go on.

    Without FILE its name is made of the log's epoch and revision, in the current directory. Only its owner can read
    it: it has telephone numbers and all that was said. To put it in place: agenticd restore FILE

    \b
    Examples:
      agentctl node backup
      agentctl node backup /var/backups/agenticd.db --force
    """
    from agentctl.backup import copy

    return copy(env, file, force=force)


@click.command(cls=Command)
@click.option("--client", "ours", is_flag=True, help="Only agentctl's own.")
@click.option("--server", "theirs", is_flag=True, help="Only the daemon's.")
@click.pass_obj
def version(env: Env, ours: bool, theirs: bool) -> int:
    """Show the versions of agentctl and of the daemon.

    \b
    Examples:
      agentctl version
      agentctl version --client -o json
    """
    found = {"client": own_version()} if ours or not theirs else {}

    async def work(client: Client) -> int:
        found["server"] = (await client.status()).version
        return Exit.OK

    try:
        return run(env, work) if theirs or not ours else Exit.OK
    finally:  # ours is shown even when the daemon is silent
        match env.format():
            case "json" | "jsonl":
                output.json_line(found)
            case "id":
                for value in found.values():
                    output.ident(value)
            case _:
                from agentctl.words import flat

                output.pairs((name, flat(value)) for name, value in found.items())


def own_version() -> str:
    """The version of the installed agenticd-client."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("agenticd-client")
    except PackageNotFoundError:
        return "unknown"
