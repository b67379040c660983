"""`agenticd serve`: its command line, and the daemon's start up to the point where app.py takes over.

Not by click, as the other commands are: what is imported here is imported before READY.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from agenticd.app import Host
    from agenticd.config import Settings

EX_USAGE = 2
EX_CONFIG = 78
"""sysexits(3): the configuration is wrong, and a restart will not mend it."""
EX_RETRY = 1
"""Something is in the way now, a port or a lock that another process holds; a restart may find it gone."""

SUMMARY = "Run the daemon."
CONFIG_HELP = "The configuration. Default: $AGENTICD_CONFIG, ./config.yaml, /etc/agenticd/config.yaml."
HELP = f"""\
Usage: agenticd serve [OPTIONS]

  {SUMMARY}

  Under systemd it says when it is ready, feeds the watchdog and takes the
  sockets of its socket unit. SIGTERM lets live calls go on to their ends, a
  second one ends them now; SIGHUP reads the configuration again.

Options:
  --config FILE  The configuration. Default: $AGENTICD_CONFIG, ./config.yaml,
                 /etc/agenticd/config.yaml.
  -h, --help     Show this message and exit.
"""


class UsageError(Exception):
    """The command line is wrong. The text says what is."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the command line says."""

    config_path: Path | None = None
    help: bool = False


def parse(arguments: Sequence[str]) -> Arguments:
    """What follows `agenticd serve`. Raises UsageError."""
    found = Arguments()
    left = list(arguments)
    while left:
        argument = left.pop(0)
        name, equals, value = argument.partition("=")
        if argument in ("-h", "--help"):
            return Arguments(help=True)
        if name == "--config":
            if not equals:
                if not left:
                    raise UsageError("--config needs a value: the path of a file")
                value = left.pop(0)
            if not value:
                raise UsageError("--config needs a value: the path of a file")
            found = Arguments(config_path=Path(value))
        elif argument.startswith("-"):
            near = get_close_matches(name, ("--config", "--help"), 1, 0.7)
            known = f"did you mean {near[0]}?" if near else "there are --config, --help"
            raise UsageError(f"{name} is no option of agenticd serve; {known}")
        else:
            raise UsageError(f"{argument!r} is one word too many: a file is named with --config")
    return found


def main(arguments: Sequence[str]) -> NoReturn:
    """`agenticd serve` with these arguments. Ends the process."""
    try:
        parsed = parse(arguments)
    except UsageError as error:
        sys.stderr.write(f"error: {error}\nhint: agenticd serve --help\n")
        sys.exit(EX_USAGE)
    if parsed.help:
        sys.stdout.write(HELP)
        sys.exit(0)
    sys.exit(run(parsed.config_path))


def run(config_path: Path | None) -> int:
    """Run the daemon. Returns its exit code; ends the process where it cannot start."""
    gc.disable()  # what is imported stays; when all is there, app.py looks at it once, and goes on as usual
    # Else gRPC writes a line of its own, in a form of its own, for everybody who knocks at its ports in a wrong way.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    with _absent("rich"):
        # structlog would import it, for tracebacks that we do not use.
        import structlog
    from agenticd.adapters.host import logs, systemd
    from agenticd.adapters.rpc.listen import CannotListen
    from agenticd.adapters.rpc.material import BadMaterial
    from agenticd.adapters.store.errors import InUse, NoRoom, StoreUnusable
    from agenticd.config import ConfigError, doubts, failpoint, load, make_private, places
    from agenticd.core.errors import InvalidArgument

    style = logs.style_for(sys.stderr, journal=systemd.is_journal(os.environ, 2))
    notifier = systemd.Notifier(os.environ)
    try:
        sockets = systemd.inherited_sockets(os.environ, os.getpid())
        settings = load(config_path, os.environ, Path.cwd())
        trap = failpoint(os.environ)
        logs.set_up(sys.stderr, style, level=settings.log.level, pii=settings.log.pii)
        for doubt in doubts(settings, config_path, os.environ, Path.cwd()):
            structlog.get_logger().warning("the configuration is hardly meant so", what=doubt)
        runtime = places(os.environ).runtime
        api, by_token = settings.grpc.listen, settings.grpc.tls is None
        if any(str(runtime) in each or (by_token and not each.startswith("unix:")) for each in api):
            make_private(runtime)
        from agenticd.app import Host
        from agenticd.reload import Means

        host = Host(
            notifier=notifier,
            runtime=runtime,
            sockets=sockets,
            watchdog=systemd.watchdog_interval(os.environ, os.getpid()),
            failpoint=trap,
            reload=Means(
                read=lambda: load(config_path, os.environ, Path.cwd()),
                set_log=lambda log: logs.set_up(sys.stderr, style, level=log.level, pii=log.pii),
            ),
        )
        return _run(settings, host)
    except ConfigError as error:
        problems, code = str(error).splitlines(), EX_CONFIG
    except InUse as error:
        problems, code = [f"{error}: end it, or choose another store.path"], EX_RETRY
    except (CannotListen, NoRoom, InvalidArgument) as error:
        problems, code = [str(error)], EX_RETRY
    except (StoreUnusable, BadMaterial) as error:
        problems, code = [str(error)], EX_CONFIG
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    notifier.status(f"not started: {problems[0]}{more}")
    return fail(*problems, code=code)


def _run(settings: Settings, host: Host) -> int:
    from agenticd.adapters.host import loop
    from agenticd.app import serve

    return loop.run(serve(settings, host))


@contextmanager
def _absent(module: str) -> Iterator[None]:
    """As if a module were not installed, for those that only look whether it is."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment] # what makes an import fail, says the manual
    try:
        yield
    finally:
        del sys.modules[module]


def fail(*problems: str, code: int = EX_CONFIG) -> NoReturn:
    """End the process, and say why."""
    for problem in problems:
        sys.stderr.write(f"error: {problem}\n")
    sys.exit(code)
