"""The kinds of values that options and arguments take. Each says what would be right. Imports nothing slow."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from agentic import Cursor

KINDS = (
    "call_queued", "call_dialing", "call_ringing", "call_answered", "call_ending", "call_ended", "call_closed",
    "media_connected", "media_lost", "model_connected", "model_lost", "speech_started", "speech_stopped",
    "transcript_final", "agent_interrupted", "digit_received", "turn_measured", "usage_reported", "warning",
)  # fmt: skip
"""Every kind of event. The names are here, too, so that a wrong one is found without loading the contract."""


class OneOf(click.Choice):  # type: ignore[type-arg]  # generic only from click 8.2 on, when it runs
    """One of some words. `shown` stands for them in the help, where they are many; `elsewhere`: words that belong to
    another option, and how they are given there."""

    def __init__(self, choices: Sequence[str], shown: str = "", elsewhere: Mapping[str, str] | None = None) -> None:
        super().__init__(choices)
        self._shown = shown
        self._elsewhere = elsewhere or {}

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """What stands for the value in the help."""
        return self._shown or super().get_metavar(param, ctx)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word."""
        if value in self.choices:
            return str(value)
        from difflib import get_close_matches

        near = get_close_matches(str(value).lower(), [*self.choices, *self._elsewhere], n=1)
        meant = self._elsewhere.get(near[0], near[0]) if near else ""
        right = f"unknown; did you mean {meant}?" if meant else f"none of {', '.join(map(str, self.choices))}"
        return self.fail(f"{value!r} is {right}", param, ctx)


_LENGTH = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)?", re.ASCII)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def seconds(text: str) -> float | None:
    """A length of time in seconds: 30, 30s, 1.5m, 2h, 7d, 500ms. None: it is none."""
    match = _LENGTH.fullmatch(text)
    return float(match[1]) * _UNITS[match[2] or "s"] if match else None


class Seconds(click.ParamType):  # type: ignore[type-arg]  # as above
    """A length of time that is not nothing."""

    example = "30s"
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        if isinstance(value, (int, float)):
            return float(value)
        found = seconds(value)
        if found is None:
            self.fail(f"{value!r} is no length of time; write 30s, 1.5m or 2h", param, ctx)
        if not found:
            self.fail(f"{value!r} is no time at all; write 30s, 1.5m or 2h", param, ctx)
        return found


class Moment(click.ParamType):  # type: ignore[type-arg]  # as above
    """A time that is past: how long ago, or when."""

    example = "10m"
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds since 1970."""
        if isinstance(value, (int, float)):
            return float(value)
        passed = seconds(value)
        if passed is not None:
            return time.time() - passed
        right = "write 10m, 2h or 7d (ago), or 2026-11-22T08:30"
        try:
            moment = datetime.fromisoformat(value).timestamp()  # without a zone: local time
        except ValueError:
            self.fail(f"{value!r} is no time; {right}", param, ctx)
        if moment > time.time():  # nothing was since then: whoever asks means another time
            self.fail(f"{value!r} lies in the future; {right}", param, ctx)
        return moment


class CallId(click.ParamType):  # type: ignore[type-arg]  # as above
    """A call's id, in capitals. What cannot be one is found here, before anything is done to others."""

    example = "01KAPBQ7DV0000000000000001"
    name = "call_id"
    _FORM = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.ASCII)  # a ULID

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The id."""
        call_id = str(value).upper()
        if self._FORM.fullmatch(call_id):
            return call_id
        if re.fullmatch(r"CA[0-9A-F]{32}", call_id):
            self.fail(f"{value!r} is Twilio's id of a call; agentctl call get shows it as carrier_call_id", param, ctx)
        right = "it has 26 letters and digits; agentctl call ls shows them"
        return self.fail(f"{value!r} is no call id: {right}", param, ctx)


class Pair(click.ParamType):  # type: ignore[type-arg]  # as above
    """key=value."""

    example = "name=Ada"
    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """The key and the value. The value may be empty and may have more "="."""
        if isinstance(value, tuple):
            return value
        key, separator, rest = value.partition("=")
        if not separator or not key:
            self.fail(f"{value!r} is not key=value; for example name=Ada", param, ctx)
        return key, rest


def by_key(option: str, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The values by their keys, of which none may come twice. Raises UsageError."""
    found: dict[str, str] = {}
    for key, value in pairs:
        if key in found:
            raise click.UsageError(f"{option}: {key!r} is given twice, as {found[key]!r} and as {value!r}")
        found[key] = value
    return found


class Number(click.ParamType):  # type: ignore[type-arg]  # as above
    """A number as calls have it, or what stands for one."""

    example = "+15550001111"
    name = "number"
    _BETWEEN = re.compile(r"[ ().-]")
    _FORM = re.compile(r"\+[0-9]{4,15}", re.ASCII)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The number without what people put between its digits."""
        if value.startswith(("sip:", "sips:", "client:")):
            return str(value)
        number = self._BETWEEN.sub("", value)
        if not self._FORM.fullmatch(number):
            right = "write +15550001111, sip:user@host or client:name, as agentctl call ls shows it"
            self.fail(f"{value!r} is no number that a call has; {right}", param, ctx)
        return number


class Count(click.ParamType):  # type: ignore[type-arg]  # as above
    """A number of things."""

    example = "10"
    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """1 or more."""
        text = str(value)
        if not (text.isascii() and text.isdigit() and int(text[:9])):
            self.fail(f"{value!r} is no number of things; write 1 or more", param, ctx)
        return int(text)


class After(click.ParamType):  # type: ignore[type-arg]  # as above
    """A place in the log: a revision, or epoch:revision."""

    example = "1042"
    name = "revision"
    _MOST = 2**63 - 1

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | Cursor:
        """The revision, or the cursor."""
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # converted already
        epoch, separator, number = value.rpartition(":")
        right = number.isascii() and number.isdigit() and int(number[:20]) <= self._MOST
        if not right or (separator and not epoch):
            example = "write a revision such as 1042, or epoch:revision as it was printed; 0 is the oldest"
            self.fail(f"{value!r} is no place in the log; {example}", param, ctx)
        if not separator:
            return int(number)
        from agentic.cursor import Cursor

        try:
            return Cursor.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


SECONDS, MOMENT, PAIR, COUNT, AFTER = Seconds(), Moment(), Pair(), Count(), After()
CALL_ID, NUMBER = CallId(), Number()
EVENT_KIND = OneOf(KINDS, "KIND")
