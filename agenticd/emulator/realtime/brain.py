"""What the emulated model answers: a Brain, and the Dialogue, a brain made of rules. No network, no model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeAlias

from agenticd.emulator.realtime.schema import JsonObject

Speaks: TypeAlias = Literal["caller", "agent", "system", "tool"]


@dataclass(frozen=True, slots=True)
class Line:
    """One item of the conversation as the model knows it; `text` is empty for what it cannot know.

    A function call is a line of the agent's with a `call`, its output one of a tool's; both have the `call_id`.
    """

    speaker: Speaks
    text: str
    call: FunctionCall | None = None
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """All that an answer may depend on. `idle`: the caller has been silent for long, and is to be asked about it.

    `functions` are the `tools` in full; one of `must_call` has to be called, unless it is empty.
    """

    instructions: str
    lines: tuple[Line, ...]
    tools: tuple[str, ...] = ()
    idle: bool = False
    functions: tuple[JsonObject, ...] = ()
    must_call: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """The model calls a function; `arguments` is JSON. With `say`, it first speaks that."""

    name: str
    arguments: str = "{}"
    say: str = ""


@dataclass(frozen=True, slots=True)
class Messages:
    """Several messages in one answer, each an item of its own, as of a model that says first what it is about to do."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Calls:
    """Several function calls in one answer."""

    calls: tuple[FunctionCall, ...]


Reply: TypeAlias = str | FunctionCall | Messages | Calls


class BrainFailed(Exception):
    """A brain could not answer: the response fails with a `server_error`."""


class Brain(Protocol):
    """Answers. One brain serves all sessions, so it keeps nothing about any of them."""

    async def reply(self, situation: Situation) -> Reply:
        """The next reply; an empty text says nothing. Raises BrainFailed."""
        ...


class Rule(NamedTuple):
    """A regular expression, or keywords that must all be there, and the reply to who says so."""

    match: str | tuple[str, ...]
    reply: Reply
    speaker: Literal["caller", "tool"] = "caller"

    def fits(self, line: Line) -> bool:
        """Whether this line is one to answer in this way; case does not matter."""
        if line.speaker != self.speaker or not line.text:
            return False
        if isinstance(self.match, str):
            return re.search(self.match, line.text, re.IGNORECASE) is not None
        return all(keyword.casefold() in line.text.casefold() for keyword in self.match)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Answers the last line: the first rule that fits, else `fallback`.

    With `sequence`, the caller's first turn gets the first reply of it and so on, whatever was said; after
    its end the rules hold.
    """

    rules: Sequence[Rule] = ()
    sequence: Sequence[Reply] = ()
    opening: Reply = "Hello, how can I help you?"
    fallback: Reply = "I am sorry, I did not catch that."
    idle: Reply = "Are you still there?"

    async def reply(self, situation: Situation) -> Reply:
        """The reply to the situation's last line."""
        if situation.idle:
            return self.idle
        turns = [line for line in situation.lines if line.speaker in ("caller", "tool")]
        if not turns:
            return self.opening
        nth = sum(line.speaker == "caller" for line in turns) - 1
        if turns[-1].speaker == "caller" and nth < len(self.sequence):
            return self.sequence[nth]
        return next((rule.reply for rule in self.rules if rule.fits(turns[-1])), self.fallback)


_QUOTES = {'"': '"', "\u201c": "\u201d", "\u00ab": "\u00bb"}
_ORDER = re.compile(
    r"\b(?:say|saying|speak|read|repeat|greet|greeting)\b[^\"\u201c\u00ab]{0,120}([\"\u201c\u00ab])",
    re.IGNORECASE,
)
_PLAIN_ORDER = re.compile(r"\bsay\b[^:.!?\n]{0,80}:\s*(\S.*)", re.IGNORECASE | re.DOTALL)


_ASK_THE_SILENT = re.compile(
    r"(?:^|[.!?\n])\s*(?:please )?ask\b[^.!?\n]{0,160}\bstill (?:there|on the (?:line|phone))\b", re.IGNORECASE
)


def is_check_in(instructions: str) -> bool:
    """Whether they are the order to ask a silent caller: `Ask … whether they are still there.` What is to be done only
    if the caller is silent, as a session's instructions say, is no such order."""
    return _ASK_THE_SILENT.search(instructions) is not None


def ordered_text(instructions: str) -> str | None:
    """The words of an order such as `Say exactly this: "…"`; None if the instructions are no such order.

    The text runs to the last closing quotation mark, so it may hold quotations itself.
    """
    order = _ORDER.search(instructions)
    if order is not None:
        opening = order.group(1)
        closing = _QUOTES[opening]
        end = instructions.rfind(closing, order.end())
        text = instructions[order.end() : max(end, order.end())].strip()
        while len(text) > 1 and text.startswith(opening) and text.endswith(closing):  # """text"""
            text = text[1:-1].strip()
        return text or None
    plain = _PLAIN_ORDER.search(instructions)
    return plain.group(1).strip() if plain is not None else None
