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
    from agentic.v1.node_service_pb2 import GetStatusResponse, PeerStatus


@click.group(cls=Group)
def node() -> None:
    """Look at the daemon itself."""


@node.command()
@click.pass_obj
def status(env: Env) -> int:
    """Show what the daemon is, what it does, and how Twilio and OpenAI answered last.

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
                output.line(answer.node_id)
            case "table":
                from agentctl import render

                render.facts(_facts(answer), env.colored)
            case _:
                output.pairs(_facts(answer).items())
        return Exit.OK

    return run(env, work)


def _facts(answer: GetStatusResponse) -> dict[str, str]:
    from agentctl import words

    known = {
        "node": answer.node_id,
        "version": answer.version,
        "features": ", ".join(answer.features),
        "uptime": words.length(answer.uptime),
        "calls": f"{answer.live_calls} live, {answer.queued_calls} of them queued",
        "streams": str(answer.streams),
        "log": f"revisions {answer.first_revision} to {answer.head_revision}, epoch {answer.epoch}",
        "twilio": _peer(answer.carrier),
        "openai": _peer(answer.model),
    }
    return {label: words.flat(value) for label, value in known.items()}


def _peer(peer: PeerStatus) -> str:
    from agentctl import words

    if not peer.HasField("last_use_time"):
        return "not used yet"
    said = f": {peer.message}" if peer.message else ""
    return f"{words.name(peer, 'state').lower()}, last used {words.date(peer.last_use_time)}{said}"


@click.command(cls=Command)
@click.option("--client", "only", flag_value="client", help="Only agentctl's own.")
@click.option("--server", "only", flag_value="server", help="Only the daemon's.")
@click.pass_obj
def version(env: Env, only: str | None) -> int:
    """Show the versions of agentctl and of the daemon.

    \b
    Examples:
      agentctl version
      agentctl version --client -o json
    """
    found = {} if only == "server" else {"client": own_version()}

    async def work(client: Client) -> int:
        found["server"] = (await client.status()).version
        return Exit.OK

    try:
        return Exit.OK if only == "client" else run(env, work)
    finally:  # ours is shown even when the daemon is silent
        match env.format():
            case "json" | "jsonl":
                output.json_line(found)
            case "id":
                for value in found.values():
                    output.line(value)
            case _:
                output.pairs(found.items())


def own_version() -> str:
    """The version of the installed agenticd-client."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("agenticd-client")
    except PackageNotFoundError:
        return "unknown"
