"""Options that every command has, and the kinds of values that options take. Imports nothing slow."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

FORMATS = ("table", "plain", "json", "jsonl", "id")


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
        option("-o", "--output", keep="output", type=click.Choice(FORMATS),
               help="How to print. Default: table on a terminal, else plain; streams in a pipe: jsonl."),
        option("--addr", keep="address", metavar="ADDRESS", hidden=hidden,
               help="Where the daemon is: unix:/path or 127.0.0.1:port. Default: $AGENTCTL_ADDR, else the first "
                    "agenticd.sock of $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/agenticd, /run/agenticd."),
        option("--timeout", keep="timeout", type=SECONDS, hidden=hidden,
               help="How long an answer may take.  [default: 10s]"),
        option("--wait", keep="wait", is_flag=True, flag_value=True, hidden=hidden,
               help="Wait for a daemon that does not answer yet, as long as --timeout."),
        option("--color", keep="color", type=click.Choice(("auto", "always", "never")), hidden=hidden,
               help="When to use colour. NO_COLOR is honoured."),
    ]  # fmt: skip


class Command(click.Command):
    """A command with the options that may stand everywhere."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += everywhere(hidden=True)


class Group(click.Group):
    """A group of such commands, in the order of their definition."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """As they are defined: the most used first."""
        return list(self.commands)


Group.group_class = Group


class Seconds(click.ParamType):  # type: ignore[type-arg]  # generic only from click 8.5 on
    """A length of time: 30, 30s, 1.5m, 2h, 500ms."""

    name = "duration"
    _FORM = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)?")
    _UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        if isinstance(value, (int, float)):
            return float(value)
        match = self._FORM.fullmatch(value)
        if match is None:
            self.fail(f"{value!r} is no length of time; write 30s, 1.5m or 2h", param, ctx)
        return float(match[1]) * self._UNITS[match[2] or "s"]


class Pair(click.ParamType):  # type: ignore[type-arg]  # as above
    """key=value."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """The key and the value. The value may be empty and may have more "="."""
        if isinstance(value, tuple):
            return value
        key, separator, rest = value.partition("=")
        if not separator or not key:
            self.fail(f"{value!r} is not key=value", param, ctx)
        return key, rest


SECONDS = Seconds()
PAIR = Pair()
