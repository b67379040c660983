"""The commands of `agenticd`, by click: what needs the machine. What needs a running daemon is `agentctl`'s.

`serve` stands here only to be listed: it reads its own command line, in serve.py.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from agenticd import serve as serving
from agenticd.emulator.command import emulate
from agenticd.scenario.command import test
from agenticd.usage import INTERRUPTED, Root

T = TypeVar("T")

_CONFIG = click.option(
    # What it cannot be read for, `load` says, as it does for `serve`.
    "--config",
    "config_path",
    type=click.Path(path_type=Path, readable=False),
    help=serving.CONFIG_HELP,
)


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from importlib.metadata import version as distribution_version

        click.echo(f"agenticd {distribution_version('agenticd')}")
        ctx.exit()


@click.group("agenticd", cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version."
)
def main() -> None:
    """Put AI voice agents on real phone lines, controlled by gRPC.

    To see it work, with no account and no network: agenticd demo
    """


@main.command(
    help=serving.SUMMARY,
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def serve(arguments: tuple[str, ...]) -> None:
    """Hand the rest of the command line to serve.py."""
    serving.main(arguments)


@main.group()
def config() -> None:
    """Look at the configuration."""


@config.command()
@_CONFIG
def check(config_path: Path | None) -> None:
    """Say what is wrong with the configuration, or show all that takes effect."""
    from agenticd.config import ConfigError, doubts, effective, find_config, load

    try:
        _, shown = find_config(config_path, os.environ, Path.cwd())
        settings = load(config_path, os.environ, Path.cwd())
    except ConfigError as error:
        serving.fail(*str(error).splitlines())
    click.echo(f"# {shown} is right. So it takes effect, with every default:")
    click.echo(effective(settings), nl=False)
    for doubt in doubts(settings, config_path, os.environ, Path.cwd()):
        click.echo(f"warning: {doubt}", err=True)


def _in_a_folder(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """A file that can be made there: told before the call, not after it."""
    if value is not None and not value.parent.is_dir():
        raise click.BadParameter(f"there is no folder {value.parent}")
    if value is not None and not (value.exists() or os.access(value.parent, os.W_OK)):
        raise click.BadParameter(f"{value.parent} may not be written to")
    return value


@main.command()
@click.option(
    "--wav",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    callback=_in_a_folder,
    help="Where the call's sound goes. Default: a new file in the temporary directory.",
)
def demo(wav: Path | None) -> None:
    """Make a whole call on this machine: no phone, no account, no network.

    A built-in stand-in for Twilio and for OpenAI is started beside a real daemon. A call is placed by gRPC, answered
    by a scripted person, held by an agent, and hung up; you see it as a subscriber does.
    """
    from agenticd.adapters.host import loop
    from agenticd.demo import run

    try:
        sys.exit(loop.run(run(wav)))
    except KeyboardInterrupt:
        click.echo("\nThe demo was stopped; nothing of it is left.", err=True)
        sys.exit(INTERRUPTED)


@main.command()
@click.argument("backup", type=click.Path(path_type=Path))
@_CONFIG
@click.option(
    "--store",
    "store_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the log is; then no configuration is read. Default: its store.path.",
)
@click.option("--force", is_flag=True, help="Also where a log is: it is moved aside, and kept.")
def restore(backup: Path, config_path: Path | None, store_path: Path | None, force: bool) -> None:
    """Put a backup in the place of the event log.

    BACKUP is what `agentctl node backup` made. Stop the daemon first, and start it afterwards. The backup is checked
    before anything is changed. What is put in place is a new log, by its epoch: those who followed the old one are
    told to begin anew. Calls that were live in the backup are looked up at the next start and ended; none is dialled.
    """
    import secrets
    import time

    from agenticd.adapters.store.database import NewLog
    from agenticd.adapters.store.errors import InUse, NoRoom, Occupied, StoreUnusable
    from agenticd.adapters.store.restore import look_for
    from agenticd.adapters.store.restore import restore as put_in_place
    from agenticd.adapters.store.sqlite import EPOCH_BYTES, SECRET_BYTES
    from agenticd.config import ConfigError, load

    try:
        look_for(backup)  # before the configuration: it was named first
        path = store_path or load(config_path, os.environ, Path.cwd()).store.path
        new = NewLog(secrets.token_hex(EPOCH_BYTES), secrets.token_bytes(SECRET_BYTES), time.time())
        done = put_in_place(backup, path, new, replace_log=force)
    except ConfigError as error:
        serving.fail(*str(error).splitlines())
    except InUse as error:
        serving.fail(f"{error}: stop the daemon first", code=serving.EX_RETRY)
    except (NoRoom, Occupied) as error:
        serving.fail(str(error), code=serving.EX_RETRY)
    except StoreUnusable as error:
        serving.fail(str(error))
    click.echo(f"{path}: revisions {done.first_revision} to {done.revision}, epoch {done.epoch}")
    if done.aside is not None:
        click.echo(f"the log that was there: {done.aside}")
    if done.live:
        click.echo(
            f"live calls: {done.live}, {done.queued} of them queued; the next start looks for them and dials none"
        )


_TOKEN_FILE = click.option(
    "--file",
    "token_file",
    type=click.Path(path_type=Path, dir_okay=False, readable=False),
    help="The file of tokens; then no configuration is read. Default: its grpc.tokens.",
)
_TAKES_EFFECT = "a running daemon takes it over with SIGHUP: systemctl reload agenticd"


@main.group()
def token() -> None:
    """Make and take away the tokens of other machines.

    \b
    Examples:
      agenticd token create billing > billing.token
      agenticd token revoke billing && sudo systemctl reload agenticd
    """


@token.command()
@click.argument("name")
@_CONFIG
@_TOKEN_FILE
def create(name: str, config_path: Path | None, token_file: Path | None) -> None:
    """Print a new token for NAME, once: the file keeps only its hash.

    NAME is that of the machine or service which will use it. Request ids belong to the name.
    """
    from datetime import UTC, datetime

    from agenticd.adapters.rpc import tokens

    created = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    made = _in_file(config_path, token_file, lambda path: tokens.create(path, name, created))
    click.echo(made)
    click.echo(f"# {_TAKES_EFFECT}", err=True)


@token.command()
@_CONFIG
@_TOKEN_FILE
def ls(config_path: Path | None, token_file: Path | None) -> None:
    """List the tokens: name, kid as in the daemon's log, when it was made."""
    from agenticd.adapters.rpc import tokens

    found = list(_in_file(config_path, token_file, tokens.read))
    width = max((len(token.name) for token in found), default=0)
    for each in found:
        click.echo(f"{each.name:{width}}  {each.kid}  {each.created}")


@token.command()
@click.argument("name")
@_CONFIG
@_TOKEN_FILE
def revoke(name: str, config_path: Path | None, token_file: Path | None) -> None:
    """Take the token of NAME away.

    With the daemon's next reload it is refused, and streams that were opened with it end.
    """
    from agenticd.adapters.rpc import tokens

    gone = _in_file(config_path, token_file, lambda path: tokens.revoke(path, name))
    click.echo(f"{gone.name}  {gone.kid}  revoked")
    click.echo(f"# {_TAKES_EFFECT}", err=True)


def _in_file(config_path: Path | None, token_file: Path | None, work: Callable[[Path], T]) -> T:
    """The work on the file of tokens. Ends the process where that cannot be done."""
    from agenticd.adapters.rpc.material import BadMaterial
    from agenticd.adapters.rpc.tokens import BadName, TokenError
    from agenticd.config import ConfigError, load_token_file

    if config_path is not None and token_file is not None:
        raise click.UsageError("give either --config or --file")
    try:
        path = token_file or load_token_file(config_path, os.environ, Path.cwd())
        return work(path)
    except ConfigError as error:
        serving.fail(*str(error).splitlines())
    except BadMaterial as error:
        serving.fail(error.text)
    except BadName as error:
        raise click.UsageError(str(error)) from None
    except TokenError as error:
        serving.fail(str(error), code=serving.EX_RETRY)
    except OSError as error:
        serving.fail(f"{error.filename or token_file}: {error.strerror}", code=serving.EX_RETRY)


@main.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as distribution_version

    click.echo(distribution_version("agenticd"))


main.add_command(emulate)
main.add_command(test)
