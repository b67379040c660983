"""The command tree of agentctl, and what happens when a command fails. Starts fast: nothing of gRPC or rich
here."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from agentctl import output
from agentctl.call import call
from agentctl.events import events
from agentctl.exits import Exit, Failure
from agentctl.node import node, own_version, version
from agentctl.options import Env, Group, everywhere
from agentctl.words import flat


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"agentctl {own_version()}")
        ctx.exit()


class PipeClosed(Exception):
    """Whoever read our output has enough. By this name because click makes an exit code of its own of
    EPIPE."""


class Root(Group):
    """The command itself."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that the line names."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise PipeClosed from error


@click.group(
    cls=Root,
    params=[
        *everywhere(hidden=False),
        click.Option(
            ("--version",),
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_version,
            help="Show the version.",
        ),
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def cli() -> None:
    """Place phone calls that an AI agent makes, and follow them, by the daemon agenticd.

    \b
    Examples:
      agentctl call place +15550001111 --follow
      agentctl events --after 0
    """


for command in (call, events, node, version):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, sys.argv's by default. Returns the exit code; never raises."""
    env = Env()
    try:
        result = cli.main(arguments, prog_name="agentctl", obj=env, standalone_mode=False)
        return result if isinstance(result, int) else Exit.OK
    except Failure as failure:
        _report(env, failure)
        return failure.exit_code
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx is not None else "agentctl"
        _report(env, Failure(Exit.USAGE, [error.format_message()], f"{command} --help"))
        return Exit.USAGE
    except click.ClickException as error:
        _report(env, Failure(Exit.FAILED, [error.format_message()]))
        return Exit.FAILED
    except (KeyboardInterrupt, click.Abort):
        return Exit.INTERRUPTED
    except PipeClosed:
        # What is still buffered must not fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.PIPE_CLOSED


def _report(env: Env, failure: Failure) -> None:
    """Say on stderr what failed; the last line is what to do."""
    if env.output in ("json", "jsonl"):
        click.echo(output.to_json({"error": failure.data}), err=True)
        return
    for message in failure.messages:
        click.echo(f"error: {flat(message)}", err=True)
    if failure.hint:
        click.echo(f"hint: {flat(failure.hint)}", err=True)
