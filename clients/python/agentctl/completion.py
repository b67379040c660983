"""agentctl completion: makes a shell finish command lines, with the ids of the calls that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agentctl import output
from agentctl.connect import run
from agentctl.exits import Exit, Failure
from agentctl.options import Command, Env, Given
from agentctl.values import OneOf

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from agentic import Client

VARIABLE = "_AGENTCTL_COMPLETE"
"""Click's: in it the shell says what it wants."""
DEADLINE = 0.3
"""Seconds that the daemon has: whoever presses Tab waits."""
_MOST = 50


def complete_calls(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The newest calls whose id begins so. None when the daemon is silent."""
    return _ids(ctx, param, incomplete, live=False)


def complete_live_calls(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The same of those that have not ended."""
    return _ids(ctx, param, incomplete, live=True)


def _ids(ctx: click.Context, param: click.Parameter, incomplete: str, *, live: bool) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from agentctl import words

    found: list[CompletionItem] = []
    given = ctx.params.get(param.name or "") or ()
    asked = ctx.find_object(Env) or Env()

    async def work(client: Client) -> int:
        from agentic.v1.call_pb2 import CALL_STATE_ENDED, CALL_STATE_UNSPECIFIED, CallState

        states = [state for state in CallState.values() if state not in (CALL_STATE_ENDED, CALL_STATE_UNSPECIFIED)]
        page = await client.list_calls(page_size=_MOST, states=states if live else ())
        for call in page.calls:
            if call.call_id.startswith(incomplete.upper()) and call.call_id not in given:
                _, state, phone, _, created, _, end = words.short_row(call)
                found.append(CompletionItem(words.flat(call.call_id), help=f"{end or state} {phone} {created}"))
        return Exit.OK

    try:
        run(Env(asked.address, timeout=DEADLINE), work)
    except Failure:
        return []  # the shell offers nothing; the command itself will say what is wrong
    return found


@click.command(cls=Command)
@click.argument("shell", metavar="SHELL", cls=Given, type=OneOf(("bash", "zsh", "fish")), meaning="bash, zsh or fish")
@click.pass_obj
def completion(env: Env, shell: str) -> int:
    """Print what makes SHELL complete command lines.

    It knows commands, options and their values, and asks the daemon for the ids of calls.

    \b
    bash: put into ~/.bashrc   source <(agentctl completion bash)
    zsh:  put into ~/.zshrc    source <(agentctl completion zsh)
    fish: as in the second example

    \b
    Examples:
      agentctl completion bash >> ~/.bashrc
      agentctl completion fish > ~/.config/fish/completions/agentctl.fish
    """
    if env.output is not None:
        raise click.UsageError("--output says nothing here: what is printed is for a shell")
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None, "click knows these shells"
    # In fish, click cuts what is said of a word at its first comma.
    script = found(click.Group(), {}, "agentctl", VARIABLE).source().replace('split ","', 'split --max 1 ","')
    output.write(script)
    return Exit.OK


completion.params = [param for param in completion.params if param.name != "output"]
