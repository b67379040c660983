"""What the emulated model answers, from a file of a few plain lines: for who wants its own sentences said."""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path

from agenticd.emulator.persons import NotUnderstood
from agenticd.emulator.realtime import Dialogue, FunctionCall, Reply, Rule
from agenticd.emulator.words import ANSWERS

KINDS = ", ".join(line[:27].strip() for line in ANSWERS.splitlines())

_MOST = 1000
_ONCE = {"opening": "opening", "otherwise": "fallback", "idle": "idle"}
_RULE = re.compile(r"(?P<match>.*?)\s*:\s*(?P<verb>say|call)(?:\s+(?P<rest>.*))?")
_ALMOST = re.compile(r"(?P<match>.*?)\s*:\s*(?P<verb>\w+)(?:\s+(?P<rest>.*))?")  # for the message
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def answers_of(path: Path) -> Dialogue:
    """The dialogue of a file. Raises NotUnderstood if it cannot be read, or is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotUnderstood(
            f"{path} is no file: --answers takes one with lines such as: when hours: say At nine."
        ) from None
    except OSError as error:
        raise NotUnderstood(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise NotUnderstood(f"{path} is no text file in UTF-8") from None
    return answers(text, str(path))


def answers(text: str, name: str) -> Dialogue:
    """A dialogue from text, a line for each thing; # begins a comment. The first rule that fits answers.

    Raises:
        NotUnderstood: if a line is none of ANSWERS; it names the line. `name` is for that.

    """
    rules: list[Rule] = []
    once: dict[str, Reply] = {}
    rows = text.splitlines()
    if len(rows) > _MOST:
        raise NotUnderstood(f"{name} has more than {_MOST} lines")
    for number, row in enumerate(rows, 1):
        stripped = row.strip()
        if not stripped or stripped.startswith("#"):
            continue
        word, _, rest = stripped.partition(" ")
        try:
            match word:
                case "when":
                    rules.append(_rule(word, rest.strip()))
                case "result":
                    rules.append(_rule(word, rest.strip())._replace(speaker="tool"))
                case "opening" | "otherwise" | "idle":
                    if _ONCE[word] in once:
                        raise ValueError(f"there is an {word} already")
                    once[_ONCE[word]] = _said(word, rest)
                case _:
                    raise ValueError(f"{word!r} is none of: {KINDS}{_near(word, ('when', 'result', *_ONCE))}")
        except ValueError as error:
            raise NotUnderstood(f"{name}:{number}: {error}") from None
    if not rules and not once:
        raise NotUnderstood(f"{name} has no answers: {KINDS}")
    return Dialogue(rules=tuple(rules), **once)  # type: ignore[arg-type]


def _rule(word: str, rest: str) -> Rule:
    found = _RULE.fullmatch(rest) or _ALMOST.fullmatch(rest)
    if found is None or not found["match"]:
        raise ValueError(f"{word} is followed by what is said and what is answered: {word} REGEX: say TEXT")
    try:
        re.compile(found["match"])
    except re.error as error:
        raise ValueError(f"{found['match']!r} is no regular expression: {error}") from None
    answer = (found["rest"] or "").strip()
    match found["verb"]:
        case "say":
            return Rule(found["match"], _said("say", answer))
        case "call":
            return Rule(found["match"], _call(answer))
        case verb:
            raise ValueError(f"{verb!r} is neither say nor call{_near(verb, ('say', 'call'))}")


def _said(word: str, text: str) -> str:
    if not any(map(str.isalnum, text)):
        raise ValueError(f"there is nothing to say: {word} Hello, how can I help you?")
    return text.strip()


def _call(text: str) -> FunctionCall:
    name, _, arguments = text.partition(" ")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a function: call end_call {{}}")
    arguments = arguments.strip() or "{}"
    try:
        good = isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the arguments of {name} are no JSON: {error}") from None
    if not good:
        raise ValueError(f'the arguments of {name} are a JSON object, such as {{"day": "today"}}, not {arguments}')
    return FunctionCall(name, arguments)


def _near(word: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word.lower(), known, 1)
    return f"; did you mean {close[0]}?" if close else ""
