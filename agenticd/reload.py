"""A configuration that is read again while the daemon runs: what takes effect, and what waits for a restart."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from agenticd.adapters.host.systemd import Notifier
from agenticd.adapters.rpc.material import BadMaterial
from agenticd.adapters.rpc.server import RpcServer
from agenticd.adapters.rpc.shown import Material
from agenticd.config import ConfigError, Log, Settings
from agenticd.service.calls import Calls

_logger = structlog.get_logger(__name__)

AT_ONCE = ("agents", "inbound", "limits", "log")
"""Sections that take effect without a restart."""


@dataclass(slots=True)
class Current:
    """The settings in effect, and since when."""

    settings: Settings
    since: datetime


@dataclass(frozen=True, slots=True)
class Means:
    """`read`, in a thread, reads the configuration and raises ConfigError; `set_log` takes over its section log."""

    read: Callable[[], Settings]
    set_log: Callable[[Log], None]


async def keep_current(
    current: Current, calls: Calls, rpc: RpcServer, means: Means, notifier: Notifier, asked: asyncio.Event
) -> None:
    """Each time that it is asked for, read the configuration and take over what can be taken over; what is in the
    files of the API's door, too.

    What did not take effect is in the log, and in the status until the next time.
    """
    while True:
        await asked.wait()
        asked.clear()
        notifier.reloading()
        try:
            read = await asyncio.to_thread(means.read)
            await asyncio.to_thread(prepare, read)
            waiting = changed(current.settings, read)
            material = await _look(rpc, waiting)
        except (ConfigError, BadMaterial) as error:
            await _renew_tokens(rpc)
            problems = str(error).splitlines()
            notifier.remark("reload", refused(problems, current.since))
            for problem in problems:
                _logger.error("the configuration was not reloaded", problem=problem)
        else:
            calls.reconfigure(read.agents, inbound_of(read), read.limits.max_calls)
            means.set_log(read.log)
            if material is not None:
                rpc.renew(material)
            taken = {name: getattr(read, name) for name in AT_ONCE}
            current.settings, current.since = dataclasses.replace(current.settings, **taken), datetime.now()
            _logger.info("the configuration was reloaded", agents=sorted(read.agents), inbound=len(read.inbound))
            if waiting:
                _logger.warning("some of it takes effect only after a restart", settings=waiting)
            notifier.remark("reload", f"waiting for a restart: {', '.join(waiting)}" if waiting else "")
        notifier.ready()


async def _look(rpc: RpcServer, waiting: Sequence[str]) -> Material | None:
    """What is in the files of the API's door. None: the door stays as it is, since they are gone to places that wait
    for a restart. Raises BadMaterial."""
    try:
        return await asyncio.to_thread(rpc.look)
    except BadMaterial as error:
        if not any(name.startswith("grpc.") for name in waiting):
            raise
        _logger.warning("the API's certificates and tokens stay as they are until a restart", why=str(error))
        return None


async def _renew_tokens(rpc: RpcServer) -> None:
    """Whatever else is wrong: a token that was taken away is good for nothing from now on."""
    try:
        known = await asyncio.to_thread(rpc.look_for_tokens)
    except BadMaterial as error:
        _logger.error("the tokens stay as they are", problem=str(error))
    else:
        if known is not None:
            rpc.renew_tokens(known)


def refused(problems: Sequence[str], since: datetime) -> str:
    """What `systemctl status` says of a configuration that was not taken over."""
    more = f" (and {len(problems) - 1} more, in the log)" if len(problems) > 1 else ""
    return f"reload refused: {problems[0]}{more}; running with the configuration of {since:%Y-%m-%d %H:%M}"


def changed(old: Settings, new: Settings) -> list[str]:
    """The settings that differ and cannot be taken over, by their names in the file."""
    found = []
    for field in dataclasses.fields(Settings):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if field.name in AT_ONCE or before == after:
            continue
        if dataclasses.is_dataclass(before):
            names = (each.name for each in dataclasses.fields(before))
            found += [f"{field.name}.{name}" for name in names if getattr(before, name) != getattr(after, name)]
        else:
            found.append(field.name)
    return found


def inbound_of(settings: Settings) -> Mapping[str, str]:
    """Which agent answers which number."""
    return {number: rule.agent for number, rule in settings.inbound.items()}


def prepare(settings: Settings) -> None:
    """Import now what would keep somebody's call waiting."""
    if any(agent.audio == "pcm24" for agent in settings.agents.values()):
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's library would start a thread per core
        import agenticd.core.resample  # noqa: F401 - 0.2 s
