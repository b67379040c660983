"""Who answers the emulated telephones, and who calls: persons by name, or from a file of a few plain lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from agenticd.emulator.phone import Line, PhoneScript
from agenticd.emulator.words import PERSONS, VERBS

_RING = 1.0  # s until somebody answers
_MOST = 1000
_LONGEST_WAIT = 3600.0


class NotUnderstood(ValueError):
    """A script's line that is none; the text says where and what would be one."""


def person(wanted: str, says: Sequence[str]) -> PhoneScript:
    """The person of that name, or of that file; `says` are the lines of those who talk.

    Raises:
        NotUnderstood: if there is no such person, or the file cannot be read or is not a script.

    """
    lines = tuple(Line(say=text) for text in says)
    match wanted:
        case "talks":
            return PhoneScript(ring=_RING, lines=lines)
        case "hangs-up":
            return PhoneScript(ring=_RING, lines=(*lines, Line(hang_up=True)))
        case "listens":
            return PhoneScript(ring=_RING)
        case "busy" | "no-answer" | "failed":
            return PhoneScript(outcome=wanted, ring=_RING)
    path = Path(wanted)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotUnderstood(f"{wanted!r} is no file, and none of {', '.join(PERSONS)}") from None
    except OSError as error:
        raise NotUnderstood(f"{wanted} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise NotUnderstood(f"{wanted} is no text file in UTF-8") from None
    return script(text, wanted)


def as_caller(script: PhoneScript) -> PhoneScript:
    """The same person when they call: whoever does not answer their own phone says nothing."""
    return replace(script, outcome="answer")


def script(text: str, name: str) -> PhoneScript:
    """A script from text: a line for each thing that the person does, # begins a comment.

    `say` waits until the agent has spoken and been silent for half a second, as `press` and `hangup` do; `interrupt`
    begins one second into the agent's speech. After `wait` the next line begins so many seconds after the last one,
    whatever the agent does. `name` is for messages.

    Raises:
        NotUnderstood: if a line is none of these.

    """
    lines: list[Line] = []
    waits: float | None = None
    rows = text.splitlines()
    if len(rows) > _MOST:
        raise NotUnderstood(f"{name} has more than {_MOST} lines")
    for number, row in enumerate(rows, 1):
        stripped = row.strip()
        if not stripped or stripped.startswith("#"):
            continue
        verb, _, rest = stripped.partition(" ")
        try:
            if verb == "wait":
                waits = (waits or 0.0) + _seconds(rest)
            else:
                line = _line(verb, rest.strip())
                lines.append(line if waits is None else replace(line, after="time", pause=waits))
                waits = None
        except ValueError as error:
            raise NotUnderstood(f"{name}:{number}: {error}") from None
    return PhoneScript(ring=_RING, lines=tuple(lines))


def _line(verb: str, rest: str) -> Line:
    made: Mapping[str, Callable[[str], Line]] = {
        "say": lambda text: Line(say=_said(text)),
        "interrupt": lambda text: Line(say=_said(text), after="over", pause=1.0),
        "press": lambda keys: Line(press=keys),
        "hangup": _hangs_up,
    }
    if verb not in made:
        raise ValueError(f"{verb!r} is none of: {VERBS}")
    return made[verb](rest)


def _said(text: str) -> str:
    if not any(map(str.isalnum, text)):
        raise ValueError("there is nothing to say: say Hello, who is there?")
    return text


def _hangs_up(rest: str) -> Line:
    if rest:
        raise ValueError(f"nothing stands behind hangup, not {rest!r}")
    return Line(hang_up=True)


def _seconds(text: str) -> float:
    number = text.strip().removesuffix("s")
    try:
        seconds = float(number)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _LONGEST_WAIT:
        raise ValueError(f"wait is followed by seconds, 0 to {_LONGEST_WAIT:.0f}, such as: wait 2.5")
    return seconds
