"""The command tree of agentctl, and what happens when a command fails. Starts fast: nothing of gRPC here."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

import click

from agentctl import output
from agentctl.call import call
from agentctl.completion import completion
from agentctl.events import events
from agentctl.exits import Exit, Failure
from agentctl.node import node, own_version, version
from agentctl.options import Env, Group, everywhere
from agentctl.words import flat

_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Calls": ("call",),
    "Events": ("events",),
    "Node": ("node",),
    "agentctl": ("version", "completion"),
}
"""The help's."""


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"agentctl {own_version()}")
        ctx.exit()


class PipeClosed(Exception):
    """Whoever read our output has enough. By this name because click makes an exit code of its own of
    EPIPE."""


class Interrupted(Exception):
    """Ctrl-C. By this name because click writes an empty line for its own."""


class Root(Group):
    """The command itself."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that the line names."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise PipeClosed from error
        except KeyboardInterrupt as error:
            raise Interrupted from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Every command there is, by what it is about."""
        shown = {
            title: [row for name in names for row in _commands(self.commands[name], name)]
            for title, names in _SECTIONS.items()
        }
        widest = max(len(path) for rows in shown.values() for path, _ in rows)
        for title, rows in shown.items():
            with formatter.section(title):
                formatter.write_dl([(path.ljust(widest), text) for path, text in rows])


def _commands(command: click.Command, path: str) -> list[tuple[str, str]]:
    if not isinstance(command, click.Group):
        return [(path, command.get_short_help_str())]
    return [row for name, one in command.commands.items() for row in _commands(one, f"{path} {name}")]


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
      agentctl events --since 10m

    Each command has more of them: agentctl call place --help. The options below may stand behind it, too.
    """


for command in (call, events, node, version, completion):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, sys.argv's by default. Returns the exit code; never raises."""
    env = Env()
    _prepare()
    try:
        result = cli.main(arguments, prog_name="agentctl", obj=env, standalone_mode=False)
        return result if isinstance(result, int) else Exit.OK
    except Failure as failure:
        return _report(env, failure)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help(), err=True)
        return Exit.USAGE
    except click.UsageError as error:
        from agentctl import usage

        return _report(env, usage.failure(error))
    except click.ClickException as error:
        return _report(env, Failure(Exit.FAILED, [error.format_message()]))
    except (KeyboardInterrupt, click.Abort, Interrupted):
        return Exit.INTERRUPTED
    except PipeClosed:
        # What is still buffered must not fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.PIPE_CLOSED
    except OSError as error:
        return _report(env, Failure(Exit.FAILED, [f"the output cannot be written: {error.strerror}"]))


def _prepare() -> None:
    """A terminal that cannot show a letter shows "?": a call's words come from all over the world."""
    for stream in (sys.stdout, sys.stderr):
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors="replace")


def _report(env: Env, failure: Failure) -> Exit:
    """Say on stderr what failed; the last line is what to do. Returns the exit code."""
    if env.output in ("json", "jsonl"):
        click.echo(output.to_json({"error": failure.data}), err=True)
        return failure.exit_code
    for message in failure.messages:
        click.echo(f"error: {flat(message)}", err=True)
    if failure.hint:
        click.echo(f"hint: {flat(failure.hint)}", err=True)
    return failure.exit_code
