"""A small strict validator for what clients send, which objects in the words of the Realtime API.

Each check takes a value and its path and gives the value back, or raises ClientError. Nothing unknown passes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

JsonValue: TypeAlias = "None | bool | int | float | str | list[JsonValue] | dict[str, JsonValue]"
JsonObject: TypeAlias = dict[str, JsonValue]
Check: TypeAlias = Callable[[JsonValue, str], JsonValue]


class ClientError(Exception):
    """What becomes an `error` event. `code` may be None, as it sometimes is in the original."""

    def __init__(self, code: str | None, message: str, param: str | None = None, *, kind: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.param = code, message, param
        self.kind = kind or "invalid_request_error"


def _kind_of(value: JsonValue) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal"
        case str():
            return "a string"
        case list():
            return "an array"
        case dict():
            return "an object"


def wrong_type(path: str, expected: str, value: JsonValue) -> ClientError:
    """The error for a value of the wrong JSON type."""
    message = f"Invalid type for '{path}': expected {expected}, but got {_kind_of(value)} instead."
    return ClientError("invalid_type", message, path)


def wrong_value(path: str, value: JsonValue, supported: tuple[str, ...]) -> ClientError:
    """The error for a value that is not in a closed list."""
    quoted = [f"'{option}'" for option in supported]
    listed = quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])}, and {quoted[-1]}"
    return ClientError("invalid_value", f"Invalid value: '{value}'. Supported values are: {listed}.", path)


def missing(path: str) -> ClientError:
    """The error for a required parameter that is not there."""
    return ClientError("missing_required_parameter", f"Missing required parameter: '{path}'.", path)


def unknown(path: str) -> ClientError:
    """The error for a parameter that does not exist."""
    return ClientError("unknown_parameter", f"Unknown parameter: '{path}'.", path)


def anything(value: JsonValue, path: str) -> JsonValue:
    """Any JSON."""
    return value


def mapping(value: JsonValue, path: str) -> JsonValue:
    """Any JSON object."""
    if not isinstance(value, dict):
        raise wrong_type(path, "an object", value)
    return value


def boolean(value: JsonValue, path: str) -> JsonValue:
    """true or false."""
    if not isinstance(value, bool):
        raise wrong_type(path, "a boolean", value)
    return value


def text(most: int | None = None, pattern: str | None = None) -> Check:
    """A string of at most `most` characters, all of it matching `pattern`."""

    def check(value: JsonValue, path: str) -> JsonValue:
        if not isinstance(value, str):
            raise wrong_type(path, "a string", value)
        if most is not None and len(value) > most:
            lengths = f"maximum length {most}, but got a string with length {len(value)} instead."
            message = f"Invalid '{path}': string too long. Expected a string with {lengths}"
            raise ClientError("string_above_max_length", message, path)
        if pattern is not None and not re.fullmatch(pattern, value):
            message = f"Invalid '{path}': string does not match pattern. Expected one that matches '{pattern}'."
            raise ClientError("invalid_value", message, path)
        return value

    return check


def number(least: float, most: float, *, whole: bool = False) -> Check:
    """A number from `least` to `most`; with `whole`, an integer."""
    kind, expected = ("integer", "an integer") if whole else ("decimal", "a decimal")

    def check(value: JsonValue, path: str) -> JsonValue:
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            raise wrong_type(path, expected, value)
        if value < least:
            message = f"Invalid '{path}': {kind} below minimum value. Expected a value >= {least}, but got {value}."
            raise ClientError(f"{kind}_below_min_value", message, path)
        if value > most:
            message = f"Invalid '{path}': {kind} above maximum value. Expected a value <= {most}, but got {value}."
            raise ClientError(f"{kind}_above_max_value", message, path)
        return value

    return check


def choice(*options: str) -> Check:
    """One of a closed list of strings."""

    def check(value: JsonValue, path: str) -> JsonValue:
        if not isinstance(value, str):
            raise wrong_type(path, "a string", value)
        if value not in options:
            raise wrong_value(path, value, options)
        return value

    return check


def nullable(inner: Check) -> Check:
    """null, or what `inner` accepts."""
    return lambda value, path: None if value is None else inner(value, path)


def listing(inner: Check) -> Check:
    """An array of what `inner` accepts."""

    def check(value: JsonValue, path: str) -> JsonValue:
        if not isinstance(value, list):
            raise wrong_type(path, "an array", value)
        return [inner(entry, f"{path}[{index}]") for index, entry in enumerate(value)]

    return check


def record(required: Mapping[str, Check], optional: Mapping[str, Check]) -> Check:
    """An object of these members and no others."""
    members = {**required, **optional}

    def check(value: JsonValue, path: str) -> JsonValue:
        if not isinstance(value, dict):
            raise wrong_type(path, "an object", value)
        prefix = f"{path}." if path else ""
        for name in required:
            if name not in value:
                raise missing(prefix + name)
        for name in value:
            if name not in members:
                raise unknown(prefix + name)
        return {name: members[name](entry, prefix + name) for name, entry in value.items()}

    return check


def tagged(tag: str, variants: Mapping[str, Check]) -> Check:
    """An object whose member `tag` says which of the variants it is."""

    def check(value: JsonValue, path: str) -> JsonValue:
        if not isinstance(value, dict):
            raise wrong_type(path, "an object", value)
        where = f"{path}.{tag}" if path else tag
        if tag not in value:
            raise missing(where)
        name = choice(*variants)(value[tag], where)
        return variants[cast("str", name)](value, path)

    return check
