"""All that can go wrong in the emulator as one value, and the one vocabulary in which files, scripts and people say it.

A mapping of sections (`rest`, `callbacks`, `streams`, `model`, `network`) to settings. Names are those of the fields of
the frozen dataclasses; values are plain data, or texts for all of it. Times are seconds, or `500ms`, `2s`, `never`.
Where a setting has parts, a value that is no mapping is its first part: `{"rest": {"create": "reset"}}`.

    faults = faults_from({"rest": {"create_delay": "2s"}, "callbacks": {"lost": ["ringing"]}})
    emulator.faults = faults
    emulator.faults = faults_from({"rest": {"create_delay": None}}, faults)    # that one as it was by default

What is wrong is a `WrongFault`: `path` leads to the wrong key, for whoever knows the file and line, `problem` says what
would be right.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, cast

from agenticd.emulator import plain
from agenticd.emulator.links import NetworkFaults
from agenticd.emulator.plain import WrongFault, defaults_of
from agenticd.emulator.realtime import RealtimeFaults
from agenticd.emulator.twilio import CallbackFaults, RestFaults, StreamFaults

__all__ = ["NO_FAULTS", "Faults", "Setting", "WrongFault", "faults_from", "settings", "shown", "spoken", "to_mapping"]


@dataclass(frozen=True, slots=True)
class Faults:
    """All that goes wrong. By default nothing does."""

    rest: RestFaults = RestFaults()
    """Twilio's REST API, as the daemon asks it."""
    callbacks: CallbackFaults = CallbackFaults()
    """The requests that Twilio makes: webhooks and status callbacks."""
    streams: StreamFaults = StreamFaults()
    """Media streams."""
    model: RealtimeFaults = RealtimeFaults()
    """OpenAI Realtime."""
    network: NetworkFaults = NetworkFaults()
    """The links between the emulator and the daemon; the emulator must have been started with them."""


NO_FAULTS = Faults()


@dataclass(frozen=True, slots=True)
class Setting:
    """One word of the vocabulary: `path` as it is typed, the `form` of its values, and its `default` as text."""

    path: str
    form: str
    default: str
    owner: type
    name: str


def faults_from(mapping: object, base: Faults = NO_FAULTS) -> Faults:
    """The faults that a mapping names, `base` for all that it does not name; None is a setting's default.

    Raises:
        WrongFault: at the first wrong key or value.

    """
    return cast(Faults, plain.changed(base, mapping, ()))


def spoken(words: str, base: Faults = NO_FAULTS) -> Faults:
    """The faults that a typed line names: `rest.create_delay=2s callbacks.lost=ringing,completed`, upon `base`.

    Raises:
        WrongFault: at the first wrong one.

    """
    mapping: dict[str, Any] = {}
    for word in words.split():
        path, equals, value = word.partition("=")
        if not equals:
            raise WrongFault((path,), "give it a value: rest.create_delay=2s")
        at = mapping
        *above, last = path.split(".")
        for key in above:
            at = at.setdefault(key, {})
            if not isinstance(at, dict):
                raise WrongFault(tuple(path.split(".")), f"{key} was given a value before")
        at[last] = _structured(value)
    return faults_from(mapping, base)


def _structured(value: str) -> object:
    """A typed value: JSON where it looks like it, else the text."""
    if not value.startswith(("[", "{")):
        return value
    try:
        return cast("object", json.loads(value))
    except ValueError:
        return value


def to_mapping(faults: Faults) -> dict[str, Any]:
    """What is not as by default, as `faults_from` reads it: texts, numbers, lists and mappings, fit for JSON."""
    return cast("dict[str, Any]", plain.differences(faults))


def shown(faults: Faults) -> str:
    """For a person: as `spoken` reads it, as far as that can be typed; "off" for none."""
    return " ".join(f"{path}={value}" for path, value in _leaves(to_mapping(faults), "")) or "off"


def settings() -> list[Setting]:
    """The whole vocabulary, in order."""
    return list(_settings(Faults, ""))


def _settings(owner: type, prefix: str) -> Iterator[Setting]:
    defaults = defaults_of(owner)
    for field in fields(owner):
        inner = type(defaults[field.name])
        path = f"{prefix}{field.name}"
        if is_dataclass(inner):
            yield from _settings(inner, f"{path}.")
        else:
            form = plain.form(plain.hints(owner)[field.name], field.name)
            yield Setting(path, form, _typed(plain.plain(defaults[field.name], owner, field.name)), owner, field.name)


def _leaves(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    elif path:
        yield path, _typed(value)


def _typed(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case [dict(), *_]:
            return json.dumps(value, separators=(",", ":"))
        case [] | {}:
            return plain.NONE
        case list():
            return ",".join(map(str, value))
        case _:
            return str(value)
