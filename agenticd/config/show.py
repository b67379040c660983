"""The settings that are in effect, as YAML that could be read again; secrets are stars."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import yaml

from agenticd.config.secret import Secret
from agenticd.config.tree import Settings
from agenticd.config.values import FOREVER, OFF, SIZES, UNITS, UNLIMITED

_WIDTH = 78
_DURATIONS = ("keep", "max_duration", "drain_timeout")
_NONE_SAYS = ("keep", "keep_size")
"""Settings whose None is a word of its own; all others are left out."""
_OR_OFF = ("min_interruption", "check_in_after", "hang_up_after")


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as they are, not folded into quotes."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def effective(settings: Settings) -> str:
    """The whole tree, with every default, as it could stand in config.yaml."""
    return yaml.dump(_plain(settings, ""), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)


def _plain(value: object, name: str) -> object:
    if name in _DURATIONS:
        return _duration(value)
    if name == "keep_size":
        return _size(value)
    if name in _OR_OFF:
        return _duration(value) if value else OFF
    match value:
        case Secret():
            return str(value)
        case str() | Path():
            return str(value).replace("${", "$${")
        case tuple():
            return [_plain(each, "") for each in value]
        case Mapping():
            return {str(key): _plain(each, "") for key, each in value.items()}
    if dataclasses.is_dataclass(value):
        fields = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name: _plain(each, name) for name, each in fields if each is not None or name in _NONE_SAYS}
    return value


def _duration(value: object) -> str:
    """The longest unit that divides it, or seconds."""
    if value is None:
        return FOREVER
    assert isinstance(value, float)
    for unit, length in UNITS.items():
        if value >= length and value % length == 0:
            return f"{value / length:.0f}{unit}"
    return f"{value:.3f}".rstrip("0").rstrip(".") + "s"


def _size(value: object) -> str:
    if not isinstance(value, int):
        return UNLIMITED
    unit = next((unit for unit, bytes_ in SIZES.items() if value % (bytes_ // 1000) == 0 and value >= bytes_), "MB")
    return f"{value / SIZES[unit]:.3f}".rstrip("0").rstrip(".") + unit
