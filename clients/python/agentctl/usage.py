"""What is said of a wrong command line: what is wrong with it, and what would be right. Imported only then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

import click

from agentctl.exits import Exit, Failure
from agentctl.options import Given

# What people type who come from other tools.
_OTHER_WORDS: Mapping[str, str] = {
    "list": "call ls", "ps": "call ls", "show": "call get", "inspect": "call get", "dial": "call place",
    "create": "call place", "new": "call place", "end": "call hangup", "hang-up": "call hangup", "kill": "call hangup",
    "stop": "call hangup", "rm": "call hangup", "follow": "events", "logs": "events", "log": "events", "tail": "events",
    "watch": "events", "info": "node status", "health": "node status",
}  # fmt: skip


def failure(error: click.UsageError) -> Failure:
    """The failure that a wrong command line is."""
    command = error.ctx.command_path if error.ctx is not None else "agentctl"
    message = _wording(error)
    data: dict[str, object] = {"code": "INVALID_ARGUMENT", "reason": "", "message": message, "metadata": {}}
    return Failure(Exit.USAGE, [message], f"{command} --help", data)


def no_such_command(ctx: click.Context, words: list[str]) -> str:
    """What is said of words that name no command, with the one that was perhaps meant."""
    word = words[0]
    where = ctx.command_path.partition(" ")[2]
    meant = _meant(ctx, word.lower(), where)
    below = _below(ctx.find_root().command, meant)
    if isinstance(below, click.Group) and words[1:2] and words[1] in below.commands:
        meant = f"{meant} {words[1]}"
    said = f"there is no command {f'{where} {word}'.strip()!r}"
    if meant:
        return f"{said}; did you mean {ctx.find_root().command_path} {meant}?"
    return f"{said}; there are {', '.join(_commands(ctx.command))}"


def _meant(ctx: click.Context, word: str, where: str) -> str:
    """The command that is most like the word: of that name anywhere, in this group, then anywhere."""
    assert isinstance(ctx.command, click.Group)
    every = list(_commands(ctx.find_root().command))
    last = {path.rpartition(" ")[2]: path for path in every}
    near = get_close_matches(word, ctx.command.commands, n=1)
    if near and word not in last:
        return f"{where} {near[0]}".strip()
    if _OTHER_WORDS.get(word) in every:  # agenticd says its errors with this, too, and has other commands
        return _OTHER_WORDS[word]
    near = get_close_matches(word, last, n=1)
    return last[near[0]] if near else ""


def _below(command: click.Command, path: str) -> click.Command:
    """The command at the end of the path."""
    for name in path.split():
        assert isinstance(command, click.Group)
        command = command.commands[name]
    return command


def _commands(command: click.Command, path: str = "") -> Iterator[str]:
    """Every command below this one, as it is typed."""
    if not isinstance(command, click.Group):
        yield path
        return
    for name, one in command.commands.items():
        yield from _commands(one, f"{path} {name}".strip())


def _wording(error: click.UsageError) -> str:
    match error:
        case click.NoSuchOption():
            return _no_such_option(error)
        case click.MissingParameter() if error.param is not None:
            return _missing(error.param, error.ctx)
        case click.BadOptionUsage():
            return _bad_option(error)
        case click.BadParameter() if error.param is not None:
            return f"{_called(error.param, error.ctx)}: {_small(error.message)}"
    return _small(error.format_message())


def _no_such_option(error: click.NoSuchOption) -> str:
    command = error.ctx.command_path if error.ctx is not None else "agentctl"
    known: list[str] = []
    shown: list[str] = []
    if error.ctx is not None:
        params = [param for param in error.ctx.command.get_params(error.ctx) if isinstance(param, click.Option)]
        known = [name for param in params for name in param.opts if name.startswith("--")]
        shown = [max(param.opts, key=len) for param in params if not param.hidden]
    name = error.option_name
    near = get_close_matches(name, known, n=1) or [one for one in known if name.startswith("--") and one in name]
    if near:
        return f"{name} is no option of {command}; did you mean {near[0]}?"
    return f"{name} is no option of {command}; there are {', '.join(shown)}"


def _missing(param: click.Parameter, ctx: click.Context | None) -> str:
    meaning = param.meaning if isinstance(param, Given) else ""
    return f"{_called(param, ctx)} is missing" + (f": {meaning}" if meaning else "")


def _bad_option(error: click.BadOptionUsage) -> str:
    """An option without its value, or a flag with one."""
    option = None
    if error.ctx is not None:
        params = error.ctx.command.get_params(error.ctx)
        option = next((param for param in params if error.option_name in param.opts), None)
    if not isinstance(option, click.Option) or error.ctx is None:
        return _small(error.format_message())
    name = _called(option, error.ctx)
    if option.is_flag:
        return f"{name} takes no value"
    if isinstance(option.type, click.Choice):
        return f"{name} needs a value: one of {', '.join(map(str, option.type.choices))}"
    example = getattr(option.type, "example", "")
    return f"{name} needs a value{f', for example {example}' if example else ''}"


def _called(param: click.Parameter, ctx: click.Context | None) -> str:
    """An option by its long name, an argument as the help calls it."""
    if isinstance(param, click.Option):
        return max(param.opts, key=len)
    assert ctx is not None, "click gives every error of a parameter its context"
    return param.make_metavar(ctx).removesuffix("...")


def _small(text: str) -> str:
    """Without the capital and the full stop of a sentence: it stands behind "error: "."""
    text = text.strip().removesuffix(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
