"""What every command has: the options that may stand anywhere, errors that help, help that shows. Imports nothing
slow."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from agentctl.values import SECONDS, OneOf

if TYPE_CHECKING:
    from agentctl.render import Style

FORMATS = ("table", "plain", "json", "jsonl", "id")
SENTENCE = 80
"""What a command says of itself in a list, at most."""


@dataclass(slots=True)
class Env:
    """How the command was called: filled by the options, wherever on the line they stand."""

    address: str | None = None
    timeout: float = 10.0
    wait: bool = False
    color: str = "auto"
    output: str | None = None

    @property
    def terminal(self) -> bool:
        """Whether a person looks at the output."""
        return sys.stdout.isatty()

    @property
    def colored(self) -> bool:
        """Whether to use colour."""
        if self.color == "auto":
            return self.terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return self.color == "always"

    @property
    def style(self) -> Style:
        """How a person's texts are dressed."""
        from agentctl import render

        return render.style(self.colored)

    @property
    def columns(self) -> Callable[[], int] | None:
        """How wide the terminal is, whenever asked; what is no terminal has no width."""
        from agentctl.page import terminal_columns

        return terminal_columns if self.terminal else None

    def format(self, piped: str = "plain") -> str:
        """The output format: as asked, else a table for a person and `piped` for a program."""
        return self.output or ("table" if self.terminal else piped)


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value is not None:
            setattr(ctx.ensure_object(Env), name, value)

    return callback


def everywhere(hidden: bool) -> list[click.Parameter]:
    """The options that may stand before the command (where the help shows them) and behind it."""

    def option(*names: str, keep: str, **more: Any) -> click.Option:
        return click.Option(names, default=None, expose_value=False, callback=_keep(keep), **more)

    return [
        option("-o", "--output", keep="output", type=OneOf(FORMATS),
               help="How to print. Default: table on a terminal, else plain; streams in a pipe: jsonl."),
        option("--addr", keep="address", metavar="ADDRESS", hidden=hidden,
               help="Where the daemon is: unix:/path, 127.0.0.1:port, or host:port, with TLS. Default: $AGENTCTL_ADDR, "
                    "else the first agenticd.sock of $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/agenticd (without that "
                    "variable: agenticd-UID in the temporary directory), /run/agenticd."),
        option("--timeout", keep="timeout", type=SECONDS, hidden=hidden,
               help="How long an answer may take.  [default: 10s]"),
        option("--wait", keep="wait", is_flag=True, flag_value=True, hidden=hidden,
               help="Wait for a daemon that does not answer yet, as long as --timeout."),
        option("--color", keep="color", type=OneOf(("auto", "always", "never")), hidden=hidden,
               help="When to use colour. NO_COLOR is honoured."),
    ]  # fmt: skip


class Command(click.Command):
    """A command with the options that may stand everywhere."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += everywhere(hidden=True)

    def get_short_help_str(self, limit: int = 45) -> str:
        """As ever, but a sentence is shown whole: in a shell's list too, which click keeps shorter."""
        return super().get_short_help_str(max(limit, SENTENCE))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As ever, but who gave a word too many is told which, and every error knows its command."""
        ctx.allow_extra_args = True
        try:
            rest = super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise
        if rest and not ctx.resilient_parsing:
            takes = " ".join(self.collect_usage_pieces(ctx)[1:]) or "none"
            raise click.UsageError(
                f"{rest[0]!r} is one word too many: {ctx.command_path} takes {takes}; quote what has spaces", ctx
            )
        return rest


class Group(click.Group):
    """A group of such commands, in the order of their definition."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """As they are defined: the most used first."""
        return list(self.commands)

    def get_short_help_str(self, limit: int = 45) -> str:
        """As a command's."""
        return super().get_short_help_str(max(limit, SENTENCE))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As ever; every error knows its command."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the next word names; who names none of them is told which it may be."""
        if not ctx.resilient_parsing and args and args[0] not in self.commands:
            from agentctl import usage

            raise click.UsageError(usage.no_such_command(ctx, args), ctx)
        return super().resolve_command(ctx, args)


Group.group_class = Group


class Given(click.Argument):
    """An argument that can say what it is for."""

    def __init__(self, *args: Any, meaning: str = "", **more: Any) -> None:
        super().__init__(*args, **more)
        self.meaning = meaning
