"""`agenticd`: what needs the machine. What needs a running daemon is a command of `agentctl`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import click

EX_CONFIG = 78
"""sysexits(3): the configuration is wrong, and a restart will not mend it."""
EX_RETRY = 1
"""Something is in the way now, a port or a lock that another process holds; a restart may find it gone."""

_CONFIG = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration. Default: $AGENTICD_CONFIG, ./config.yaml, /etc/agenticd/config.yaml.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Put AI voice agents on real phone lines, controlled by gRPC.

    To see it work, with no account and no network: agenticd demo
    """


@main.command()
@_CONFIG
def serve(config_path: Path | None) -> None:
    """Run the daemon."""
    from agenticd.adapters.host import logs, loop, systemd
    from agenticd.adapters.rpc.listen import CannotListen
    from agenticd.adapters.store.errors import InUse, StoreUnusable
    from agenticd.config import ConfigError, load, make_private, places
    from agenticd.core.errors import InvalidArgument

    journal = systemd.is_journal(os.environ, 2)
    style = logs.style_for(sys.stderr, journal=journal)
    try:
        sockets = systemd.inherited_sockets(os.environ, os.getpid())
        settings = load(config_path, os.environ, Path.cwd())
        logs.set_up(sys.stderr, style, level=settings.log.level, pii=settings.log.pii)
        runtime = places(os.environ).runtime
        if any(not address.startswith("unix:") or str(runtime) in address for address in settings.grpc.listen):
            make_private(runtime)
        from agenticd.app import Host
        from agenticd.app import serve as run

        watchdog = systemd.watchdog_interval(os.environ, os.getpid())
        code = loop.run(run(settings, Host(systemd.Notifier(os.environ), runtime, sockets, watchdog)))
    except ConfigError as error:
        _fail(*str(error).splitlines())
    except (CannotListen, InUse, InvalidArgument) as error:
        _fail(str(error), code=EX_RETRY)
    except StoreUnusable as error:
        _fail(str(error))
    sys.exit(code)


@main.group()
def config() -> None:
    """Look at the configuration."""


@config.command()
@_CONFIG
def check(config_path: Path | None) -> None:
    """Say what is wrong with the configuration, or show the whole of it as it takes effect, without secrets."""
    from agenticd.config import ConfigError, effective, load

    try:
        settings = load(config_path, os.environ, Path.cwd())
    except ConfigError as error:
        _fail(*str(error).splitlines())
    click.echo(effective(settings), nl=False)


@main.command()
@click.option(
    "--wav",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="Where the call's sound goes. Default: a new file in the temporary directory.",
)
def demo(wav: Path | None) -> None:
    """Make a whole call on this machine: no phone, no account, no network.

    A built-in stand-in for Twilio and for OpenAI is started beside a real daemon. A call is placed by gRPC, answered
    by a scripted person, held by an agent, and hung up; you see it as a subscriber does.
    """
    from agenticd.adapters.host import loop
    from agenticd.demo import run

    sys.exit(loop.run(run(wav)))


@main.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as distribution_version

    click.echo(distribution_version("agenticd"))


def _fail(*problems: str, code: int = EX_CONFIG) -> NoReturn:
    for problem in problems:
        click.echo(f"error: {problem}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
