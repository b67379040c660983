"""Frozen dataclasses from plain data and back, by their annotations. It knows no fault, only the types of their values.

A float is seconds unless it is annotated as another quantity, an int whose name ends with `_ms` is milliseconds.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from agenticd.emulator import quantities
from agenticd.emulator.quantities import RATE, SHARE

NONE = "none"
"""How None is written where a text must be."""


class WrongFault(ValueError):
    """What is said about a fault is wrong: `path` leads to the key, `problem` says what would be right."""

    def __init__(self, path: tuple[str, ...], problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{'.'.join(path)}: {problem}" if path else problem)


def hints(owner: Any) -> dict[str, Any]:
    """The types of a dataclass's fields."""
    return get_type_hints(owner, include_extras=True)


def defaults_of(owner: type) -> dict[str, Any]:
    """The values of the fields that have a default."""
    found: dict[str, Any] = {}
    for field in fields(owner):
        if field.default is not MISSING:
            found[field.name] = field.default
        elif field.default_factory is not MISSING:
            found[field.name] = field.default_factory()
    return found


# In.


def changed(base: Any, given: object, path: tuple[str, ...]) -> Any:
    """`base` with what the mapping names. Raises WrongFault."""
    owner = type(base)
    known = [field.name for field in fields(owner)]
    if not isinstance(given, Mapping):
        raise WrongFault(path, f"names and values, of {', '.join(known)}")
    values = {name: getattr(base, name) for name in known}
    for key, value in given.items():
        name = _known(key, known, path)
        defaults = defaults_of(owner)
        if value is None and name in defaults:
            values[name] = defaults[name]
        elif is_dataclass(values[name]) and (isinstance(value, Mapping) or is_dataclass(defaults.get(name))):
            values[name] = changed(values[name], value, (*path, name))
        elif _kind(hints(owner)[name]) is Mapping and isinstance(value, Mapping):
            values[name] = _merged(hints(owner)[name], values[name], value, (*path, name))
        else:
            values[name] = _value(hints(owner)[name], value, (*path, name))
    return _made(owner, values, given, path)


def _made(owner: type, values: Mapping[str, Any], given: Mapping[Any, object], path: tuple[str, ...]) -> Any:
    try:
        return owner(**values)
    except TypeError:
        missing = next(name for name in hints(owner) if name not in values and name not in defaults_of(owner))
        raise WrongFault(path, f"{missing} is missing: {form(hints(owner)[missing], missing)}") from None
    except ValueError as error:
        name, _, rest = str(error).partition(" ")
        if name in given:
            raise WrongFault((*path, name), rest) from None
        raise WrongFault(path, str(error)) from None


def _known(key: object, known: list[str], path: tuple[str, ...]) -> str:
    if isinstance(key, str) and key in known:
        return key
    near = difflib.get_close_matches(str(key), known, 1, 0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise WrongFault((*path, str(key)), f"is none of {', '.join(known)}{hint}")


def _merged(hint: Any, before: Mapping[Any, Any], given: Mapping[Any, object], path: tuple[str, ...]) -> Any:
    """A mapping with what another names; None takes a key out."""
    key_hint, value_hint = get_args(hint)
    values = dict(before)
    for key, value in given.items():
        known = _value(key_hint, key, (*path, str(key)))
        if value is None:
            values.pop(known, None)
        else:
            values[known] = _value(value_hint, value, (*path, str(key)))
    return values


def _value(hint: Any, given: object, path: tuple[str, ...]) -> Any:
    """A value of that type. Raises WrongFault."""
    hint, optional = _optional(hint)
    if optional and given in (None, NONE):
        return None
    kind = _kind(hint)
    if kind in (tuple, frozenset):
        return kind(_list(hint, given, path))
    if kind is Mapping:
        return _merged(hint, {}, _mapping(hint, given, path), path)
    if is_dataclass(kind):
        return _record(kind, given, path)
    try:
        return _scalar(hint, given, path[-1])
    except ValueError as error:
        shown = f", not {given!r}" if given not in (None, "") else ""
        raise WrongFault(path, f"{error}{' or none' if optional else ''}{shown}") from None


def _list(hint: Any, given: object, path: tuple[str, ...]) -> list[Any]:
    inner = get_args(hint)[0]
    words = get_args(inner) if get_origin(inner) is Literal else ()
    if given == "all" and words:
        return list(words)
    if given in ("", NONE):
        return []
    if isinstance(given, str):
        given = given.split(",")
    elif not isinstance(given, list | tuple):
        given = [given]
    return [_value(inner, value, (*path, str(at)) if len(given) > 1 else path) for at, value in enumerate(given)]


def _mapping(hint: Any, given: object, path: tuple[str, ...]) -> Mapping[Any, object]:
    if not isinstance(given, Mapping):
        if given in ("", NONE):
            return {}
        raise WrongFault(path, f"{form(hint, path[-1])}, not {given!r}")
    return given


def _record(kind: Any, given: object, path: tuple[str, ...]) -> Any:
    """A dataclass anew; what is no mapping is its first field."""
    names = [field.name for field in fields(kind)]
    if not isinstance(given, Mapping):
        given = {names[0]: given}
    values = {}
    for key, value in given.items():
        name = _known(key, names, path)
        values[name] = _value(hints(kind)[name], value, (*path, name))
    return _made(kind, values, given, path)


def _scalar(hint: Any, given: object, name: str) -> Any:
    """Raises ValueError."""
    if get_origin(hint) is Literal:
        words = get_args(hint)
        text = str(given)
        if text not in words:
            # Numbers that look alike are no slips of a key.
            near = [] if text.isdigit() else difflib.get_close_matches(text, words, 1, 0.5)
            raise ValueError(f"one of {_choice(words)}" + (f" (did you mean {near[0]}?)" if near else ""))
        return text
    if get_origin(hint) is Annotated:
        return {RATE: quantities.rate, SHARE: quantities.share}[hint.__metadata__[0]](given)
    if hint is float:
        return quantities.seconds(given)
    if hint is bool:
        if str(given).lower() not in ("true", "false"):
            raise ValueError("true or false")
        return str(given).lower() == "true"
    if hint is int:
        return quantities.milliseconds(given) if name.endswith("_ms") else _whole(given)
    assert hint is str, f"no fault has values of type {hint}"
    if not isinstance(given, str) or not given:
        raise ValueError("a text")
    return given


def _whole(given: object) -> int:
    text = str(given)
    if isinstance(given, bool) or not text.isdecimal():
        raise ValueError("a whole number")
    return int(text)


# Out.


def differences(value: Any) -> dict[str, object]:
    """What a dataclass says that its type does not by default."""
    owner, found = type(value), {}
    defaults = defaults_of(owner)
    for field in fields(owner):
        now = getattr(value, field.name)
        if field.name in defaults and now == defaults[field.name]:
            continue
        found[field.name] = plain(now, owner, field.name)
    return found


def plain(value: Any, owner: type, name: str) -> object:
    """One field's value as plain data."""
    return _plain(value, hints(owner)[name])


def _plain(value: Any, hint: Any) -> object:
    hint, _ = _optional(hint)
    if value is None:
        return NONE
    if is_dataclass(value):
        return differences(value)
    inner = get_args(hint)
    match value:
        case frozenset():
            return sorted(value)
        case tuple():
            return [_plain(each, inner[0]) for each in value]
        case Mapping():
            return {key: _plain(each, inner[1]) for key, each in value.items()}
        case float() if hint is float:
            return quantities.show_seconds(value)
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


# What values look like.


def form(hint: Any, name: str) -> str:
    """What a value looks like, for people."""
    hint, optional = _optional(hint)
    text = _form(hint, name)
    return f"{text} or none" if optional else text


def _form(hint: Any, name: str) -> str:
    kind = _kind(hint)
    if kind in (tuple, frozenset):
        return f"a list of: {_form(get_args(hint)[0], name)}"
    if kind is Mapping:
        key, value = get_args(hint)
        return f"by {_form(key, name)}: {_form(value, name)}"
    if is_dataclass(kind):
        return f"{{{', '.join(hints(kind))}}}"
    if get_origin(hint) is Literal:
        return _choice(get_args(hint))
    if get_origin(hint) is Annotated:
        return {RATE: "bits per second, or 64k, 1M", SHARE: "a share, 0.02 or 2%"}[hint.__metadata__[0]]
    if hint is int and name.endswith("_ms"):
        return "ms, or 500ms"
    return {float: "a time", bool: "true or false", int: "a number", str: "a text"}[hint]


def _choice(words: tuple[str, ...]) -> str:
    return " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]


def _optional(hint: Any) -> tuple[Any, bool]:
    """The type without None, and whether it was there."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    (inner,) = [each for each in get_args(hint) if each is not type(None)]
    return inner, True


def _kind(hint: Any) -> Any:
    """What is made of it."""
    origin = get_origin(hint)
    return Mapping if isinstance(origin, type) and issubclass(origin, Mapping) else origin or hint
