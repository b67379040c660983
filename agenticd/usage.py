"""What the commands of `agenticd` have in common: what is said of a wrong command line, how they end, and a help that
cuts no line. A wrong one is told as agentctl tells it, in its words."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

INTERRUPTED = 130
_FAILED, _USAGE, _PIPE_CLOSED = 1, 2, 141
_SENTENCE = 80
"""What a command says of itself in a list, at most."""


class Group(click.Group):
    """Commands; who names none of them is told which it may be."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the next word names."""
        if not ctx.resilient_parsing and args and args[0] not in self.commands and not args[0].startswith("-"):
            from agentctl import usage

            raise click.UsageError(usage.no_such_command(ctx, args), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Every command with its whole sentence, over two lines if need be: click would cut it."""
        rows = [(name, command.get_short_help_str(_SENTENCE)) for name, command in sorted(self.commands.items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


Group.group_class = Group


class Interrupted(Exception):
    """Ctrl-C. By this name because click writes an empty line for its own."""


class PipeClosed(Exception):
    """Whoever read our output has enough. By this name because click makes an exit code of its own of EPIPE."""


class Root(Group):
    """`agenticd` itself."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that the line names."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted from error
        except BrokenPipeError as error:
            raise PipeClosed from error

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run a command line, sys.argv's by default. Ends the process: 2 for a wrong line, 130 for Ctrl-C."""
        try:
            done = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
            code = done if isinstance(done, int) else 0
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.ctx.get_help(), err=True)
            code = _USAGE
        except click.UsageError as error:
            error.ctx = error.ctx or self._context_of(sys.argv[1:] if args is None else args)
            code = _wrong(error)
        except click.ClickException as error:
            code = told(error.format_message(), code=_FAILED)
        except (KeyboardInterrupt, click.Abort, Interrupted):
            code = INTERRUPTED
        except PipeClosed:
            # What is still buffered must not fail once more when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = _PIPE_CLOSED
        sys.exit(code)

    def _context_of(self, args: Sequence[str]) -> click.Context:
        """The command that a line is about: click does not say it of an option without its value."""
        ctx = click.Context(self, info_name=self.name)
        for word in args:
            below = ctx.command.commands.get(word) if isinstance(ctx.command, click.Group) else None
            if below is None:
                break
            ctx = click.Context(below, ctx, word)
        return ctx


def _wrong(error: click.UsageError) -> int:
    from agentctl import usage

    failure = usage.failure(error)
    return told(*failure.messages, hint=failure.hint, code=_USAGE)


def told(*problems: str, hint: str = "", code: int) -> int:
    """Say on stderr what is wrong; the last line is what to do. Returns the exit code."""
    for problem in problems:
        click.echo(f"error: {problem}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)
    return code
