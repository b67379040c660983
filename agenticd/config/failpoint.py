"""$AGENTICD_FAILPOINT, for tests: where this process is to be killed or stopped. Without it nothing is looked for."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from difflib import get_close_matches

from agenticd.adapters.host.failpoint import Config
from agenticd.config.problems import ConfigError
from agenticd.service.failpoint import POINTS

VARIABLE = "AGENTICD_FAILPOINT"
_ACTIONS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def failpoint(environ: Mapping[str, str]) -> Config | None:
    """What the variable says: POINT:ACTION, or POINT:ACTION:N for the Nth time; None: nothing. Raises ConfigError."""
    text = environ.get(VARIABLE, "")
    if not text:
        return None
    point, _, rest = text.partition(":")
    action, _, nth = rest.partition(":")
    if point not in POINTS:
        near = get_close_matches(point, POINTS, n=1)
        raise _wrong(f"there is no point {point!r}{f'; did you mean {near[0]}?' if near else ''}")
    if action not in _ACTIONS:
        raise _wrong(f"after the point comes :kill or :stop, not {action!r}, as in {point}:kill or {point}:kill:2")
    if nth and (not nth.isascii() or not nth.isdigit() or int(nth) < 1):
        raise _wrong(f"{nth!r} is no count; the first time is 1, as in {point}:{action}:1")
    return Config(point, _ACTIONS[action], int(nth or 1))


def _wrong(what: str) -> ConfigError:
    return ConfigError.of(f"${VARIABLE}", what)
