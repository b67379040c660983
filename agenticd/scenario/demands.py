"""The part `expect` of a scenario: what must be true at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast, get_args

from agenticd.config import values
from agenticd.config.document import Entry, Mark, Node, Scalar
from agenticd.config.reading import join
from agenticd.emulator.twilio import Status
from agenticd.scenario import leaves
from agenticd.scenario.names import ENDED_BY, EVENTS, REASONS
from agenticd.scenario.reader import Reader
from agenticd.scenario.story import Expected, Heard, Span, Utterance

KNOWN = (
    "end", "words", "events", "never", "digits", "warnings", "twilio", "notices", "model_errors", "timings",
)  # fmt: skip
TIMINGS: Mapping[str, str] = {
    "ring": "until the phone is answered",
    "greeting": "from the answer to the agent's first sound",
    "answer": "from the caller's last word to the agent's first sound, each time",
    "interruption": "from the caller's first sound over the agent to the agent's silence, each time",
    "duration": "from the answer to the end",
}
"""What can be timed, all of it at the phone, with the ears of the person there."""
_MOST = 600.0
_SPEAKERS: tuple[Literal["caller", "agent"], ...] = ("caller", "agent")


def expected(reader: Reader, entry: Entry | None) -> Expected:
    """What the part demands; problems are noted."""
    found = reader.keys(entry, "expect", KNOWN)
    end = reader.keys(found.get("end"), "expect.end", ("reason", "by", "carrier_code"))
    if entry is not None and "end" not in found:
        reader.wrong(entry.key.mark, "expect.end", "is required, for example {reason: COMPLETED, by: CALLER}")

    statuses = leaves.one_of(get_args(Status), "status of Twilio's")

    def listed(name: str, leaf: values.Leaf) -> tuple[str, ...]:
        return reader.values(found.get(name), join("expect", name), leaf)

    return Expected(
        reason=reader.leaf(end, "expect.end", "reason", leaves.one_of(REASONS, "reason of an end"), None),
        by=reader.leaf(end, "expect.end", "by", leaves.one_of(ENDED_BY, "one who ends calls"), None),
        carrier_code=reader.leaf(end, "expect.end", "carrier_code", values.integer(0, 99_999), None),
        words=_words(reader, found["words"]) if "words" in found else None,
        events=listed("events", leaves.one_of(EVENTS, "event")),
        never=listed("never", leaves.one_of(EVENTS, "event")),
        digits=reader.leaf(found, "expect", "digits", leaves.keys, None),
        warnings=listed("warnings", values.word) if "warnings" in found else None,
        notices=cast("tuple[int, ...]", listed("notices", values.integer(10_000, 99_999))),
        model_errors=listed("model_errors", values.word),
        carrier_status=reader.leaf(found, "expect", "twilio", statuses, None),
        timings=_timings(reader, found.get("timings")),
        lines=_lines(found, end),
    )


def _lines(found: Mapping[str, Entry], end: Mapping[str, Entry]) -> dict[str, int]:
    """Where in the file each demand stands."""
    lines = {join("expect", name): entry.key.mark.line for name, entry in found.items()}
    return lines | {join("expect.end", name): entry.key.mark.line for name, entry in end.items()}


def _words(reader: Reader, entry: Entry) -> tuple[Utterance, ...]:
    path = "expect.words"
    found = (_utterance(reader, node, f"{path}[{at}]") for at, node in enumerate(reader.listed(entry, path)))
    return tuple(utterance for utterance in found if utterance is not None)


def _utterance(reader: Reader, node: Node, path: str) -> Utterance | None:
    section = reader.map(node, path, (*_SPEAKERS, "heard"))
    speaker = reader.one_of(section, _SPEAKERS, node.mark, path, "who says what; … stands for any words")
    if not speaker:
        return None
    found = section.entries
    if speaker == "caller" and "heard" in found:
        reader.wrong(found["heard"].key.mark, join(path, "heard"), "is what the phone played, so only of the agent")
        return None
    text = reader.leaf(found, path, speaker, leaves.pattern, "…")
    return Utterance(cast("Literal['caller', 'agent']", speaker), text, _heard(reader, found, path), node.mark.line)


def _heard(reader: Reader, found: Mapping[str, Entry], path: str) -> Heard | None:
    given: str | None = reader.leaf(found, path, "heard", leaves.pattern, None)
    return {"all": True, "nothing": False}.get(given, given) if given is not None else None


def _timings(reader: Reader, entry: Entry | None) -> dict[str, Span]:
    found = reader.keys(entry, "expect.timings", tuple(TIMINGS))
    return {name: _span(reader, each, join("expect.timings", name)) for name, each in found.items()}


def _span(reader: Reader, entry: Entry, path: str) -> Span:
    """`1.5s` alone is the most."""
    line, length = entry.key.mark.line, leaves.length(_MOST)
    if isinstance(entry.value, Scalar):
        return Span(most=reader.value(entry.value, path, length, None), line=line)
    found = reader.keys(entry, path, ("least", "most"))
    span = Span(reader.leaf(found, path, "least", length, 0.0), reader.leaf(found, path, "most", length, None), line)
    if span.most is not None and span.least > span.most:
        reader.wrong(_mark(entry), path, "least is more than most: nothing can pass")
    return span


def _mark(entry: Entry) -> Mark:
    return entry.key.mark
