"""A scenario's file to a Scenario, or all that is wrong with it: each with its line, and what would be right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

from agenticd.config import document, values
from agenticd.config.document import Entry, Mark, Node, Scalar, Table
from agenticd.config.files import read_text
from agenticd.config.problems import ConfigError, Problems
from agenticd.config.reading import Section, join
from agenticd.config.schema import check_agent
from agenticd.config.values import Leaf
from agenticd.emulator.faultbook import NO_FAULTS, Faults, WrongFault, faults_from
from agenticd.emulator.phone import Line, PhoneScript
from agenticd.emulator.realtime import Dialogue, FunctionCall, Rule
from agenticd.scenario import demands, leaves
from agenticd.scenario.names import EVENTS
from agenticd.scenario.reader import Reader, place, plain
from agenticd.scenario.story import CallPart, Does, ModelPart, Scenario, Step

LONGEST = 600.0
"""Seconds until the longest scenario must be over."""
TOP = ("scenario", "about", "within", "call", "agent", "caller", "model", "faults", "meanwhile", "expect")
CALLER = ("outcome", "ring", "does", "then")
MODEL = ("opening", "answers", "otherwise", "idle", "delay")
ANSWER = ("to", "say", "call", "arguments")
_OUTBOUND = ("ring_timeout", "max_duration", "queue_timeout", "variables", "metadata")
CALL = ("direction", "from", "to", "agent", *_OUTBOUND)
_ACTIONS = ("say", "press", "hang_up", "noise")
_WHEN = ("over", "after", "silence", "hears")
STEP = (*_ACTIONS, *_WHEN)
_DOES: tuple[Does, ...] = ("hang_up", "faults", "daemon")
MEANWHILE = (*_DOES, "event", "said", "after")
_ELSEWHERE: Mapping[str, str] = {
    **dict.fromkeys(demands.KNOWN, "in expect"),
    **dict.fromkeys(STEP, "in a step of caller.does"),
    **dict.fromkeys(MODEL, "in model"),
    **dict.fromkeys(CALLER, "in caller"),
    **dict.fromkeys(("greeting", "instructions", "voice"), "in agent"),
    **dict.fromkeys(CALL, "in call"),
    **dict.fromkeys(TOP, "at the beginning of a line"),
}
_NOISE = bytes([0x00, 0x80])
"""Two samples as loud as mu-law can be."""


def load(file: Path) -> Scenario:
    """The scenario of that file.

    Raises:
        ConfigError: with all that is wrong, a line for each.

    """
    shown = str(file)
    problems = Problems(shown)
    try:
        text = read_text(file, shown)
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError.of(shown, "there is no such file") from None
    root = document.parse(text, problems)
    scenario = _Parts(Reader(problems, _ELSEWHERE)).scenario(file, root) if root is not None else None
    if problems.found or scenario is None:
        assert problems.found, "no scenario, and no problem that says why"
        raise ConfigError(problems.found)
    return scenario


class _Parts:
    """The parts of one file."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def scenario(self, file: Path, root: Node) -> Scenario:
        reader = self._reader
        top = reader.map(root, "", TOP)
        found = top.entries
        self._require(top, "scenario", "say in a line what the scenario is")
        self._require(top, "expect", "say what must be true at the end, for example end: {reason: COMPLETED}")
        return Scenario(
            file=file,
            name=reader.leaf(found, "", "scenario", leaves.title, ""),
            about=reader.leaf(found, "", "about", leaves.prose, ""),
            within=reader.leaf(found, "", "within", leaves.length(LONGEST), 60.0),
            call=self._call(found.get("call")),
            agent=self._agent(found.get("agent")),
            caller=self._caller(found.get("caller")),
            model=self._model(found.get("model")),
            faults=self._faults(found["faults"].value, "faults") if "faults" in found else NO_FAULTS,
            meanwhile=self._meanwhile(found.get("meanwhile")),
            expect=demands.expected(reader, found.get("expect")),
        )

    def _require(self, top: Section, name: str, advice: str) -> None:
        if top.sound and name not in top.entries and name not in top.mistaken:
            self._reader.wrong(Mark(), name, f"is required; {advice}")

    def _call(self, entry: Entry | None) -> CallPart:
        reader, path = self._reader, "call"
        found = reader.keys(entry, path, CALL)
        direction = reader.leaf(found, path, "direction", values.choice(("outbound", "inbound")), "outbound")
        for name in _OUTBOUND if direction == "inbound" else ():
            if name in found:
                reader.wrong(found[name].key.mark, join(path, name), "is for outbound calls only")
        lengths = {
            name: reader.leaf(found, path, name, leaves.length(LONGEST), None)
            for name in ("ring_timeout", "max_duration", "queue_timeout")
        }
        return CallPart(
            direction=direction,
            from_number=reader.leaf(found, path, "from", values.phone, ""),
            to_number=reader.leaf(found, path, "to", values.phone, ""),
            agent=reader.leaf(found, path, "agent", values.word, "default"),
            variables=self._texts(found.get("variables"), "call.variables"),
            metadata=self._texts(found.get("metadata"), "call.metadata"),
            **lengths,
        )

    def _texts(self, entry: Entry | None, path: str) -> dict[str, str]:
        found = self._reader.keys(entry, path, None)
        return {name: self._reader.leaf(found, path, name, leaves.prose, "") for name in found}

    def _agent(self, entry: Entry | None) -> dict[str, str] | None:
        """A profile in plain data: it is judged as config.yaml's are, and put into the daemon's as it is."""
        if entry is None:
            return None
        check_agent(self._reader.reading, entry, "agent")
        if not isinstance(entry.value, Table):
            return {}
        return {each.key.text: each.value.text for each in entry.value.entries if isinstance(each.value, Scalar)}

    # The person on the phone.

    def _caller(self, entry: Entry | None) -> PhoneScript:
        reader, path = self._reader, "caller"
        found = reader.keys(entry, path, CALLER)
        outcomes = ("answer", "busy", "no-answer", "failed")
        does = reader.listed(found.get("does"), "caller.does")
        lines = (self._line(node, f"caller.does[{at}]") for at, node in enumerate(does))
        return PhoneScript(
            outcome=reader.leaf(found, path, "outcome", values.choice(outcomes), "answer"),
            ring=reader.leaf(found, path, "ring", leaves.length(LONGEST), 0.5),
            lines=tuple(line for line in lines if line is not None),
            at_end=reader.leaf(found, path, "then", values.choice(("stay", "hang_up")), "stay"),
        )

    def _line(self, node: Node, path: str) -> Line | None:
        if isinstance(node, Scalar) and node.text == "hang_up":
            return Line(hang_up=True)
        section = self._reader.map(node, path, STEP)
        does = self._reader.one_of(section, _ACTIONS, node.mark, path, "what the caller does")
        when = [name for name in _WHEN if name in section.entries]
        if len(when) > 1:
            self._reader.wrong(node.mark, path, f"has {' and '.join(when)}; only one of them can say when it begins")
        acts = self._act(section.entries, path, does) if does else None
        return None if acts is None else self._timed(acts, section.entries, path, when[0] if when else "")

    def _act(self, found: Mapping[str, Entry], path: str, does: str) -> dict[str, Any] | None:
        """What a Line is made of, but for its time."""
        read: Mapping[str, Leaf] = {
            "say": leaves.words,
            "press": leaves.keys,
            "hang_up": values.choice(("true",)),
            "noise": leaves.length(10.0),
        }
        value = self._reader.leaf(found, path, does, read[does], None)
        match does, value:
            case _, None:
                return None
            case "hang_up", _:
                return {"hang_up": True}
            case "noise", seconds:
                return {"audio": _NOISE * int(seconds * 4000)}
            case _:
                return {does: value}

    def _timed(self, acts: dict[str, Any], found: Mapping[str, Entry], path: str, when: str) -> Line:
        """A Line that begins when it is told to: by default when the agent has spoken and been silent for a moment."""
        if not when:
            return Line(**acts)
        if when == "hears":
            return Line(**acts, after="words", words=self._reader.leaf(found, path, when, leaves.words, "-"))
        after: Mapping[str, Literal["agent", "time", "over"]] = {"over": "over", "after": "time", "silence": "agent"}
        return Line(**acts, after=after[when], pause=self._reader.leaf(found, path, when, leaves.length(LONGEST), 0.0))

    # The model.

    def _model(self, entry: Entry | None) -> ModelPart:
        reader, plain_one = self._reader, Dialogue()
        found = reader.keys(entry, "model", MODEL)
        answers = reader.listed(found.get("answers"), "model.answers")
        rules = (self._rule(node, f"model.answers[{at}]") for at, node in enumerate(answers))
        dialogue = Dialogue(
            rules=tuple(rule for rule in rules if rule is not None),
            opening=reader.leaf(found, "model", "opening", leaves.words, plain_one.opening),
            fallback=reader.leaf(found, "model", "otherwise", leaves.words, plain_one.fallback),
            idle=reader.leaf(found, "model", "idle", leaves.words, plain_one.idle),
        )
        return ModelPart(dialogue, reader.leaf(found, "model", "delay", leaves.length(30.0), 0.25))

    def _rule(self, node: Node, path: str) -> Rule | None:
        reader = self._reader
        section = reader.map(node, path, ANSWER)
        found = section.entries
        if not section.sound or section.mistaken:
            return None
        if "to" not in found:
            reader.wrong(node.mark, join(path, "to"), "is required; write words of the caller that it answers")
        if not {"say", "call"} & found.keys():
            reader.wrong(node.mark, path, "must have say, call or both: what the model answers")
        if "arguments" in found and "call" not in found:
            reader.wrong(found["arguments"].key.mark, join(path, "arguments"), "belongs to call, which is missing")
        to: str = reader.leaf(found, path, "to", leaves.expression, "-")
        say: str = reader.leaf(found, path, "say", leaves.words, "")
        call: str = reader.leaf(found, path, "call", values.word, "")
        arguments: str = reader.leaf(found, path, "arguments", leaves.json_object, "{}")
        return Rule(to, FunctionCall(call, arguments, say) if call else say)

    # What happens meanwhile.

    def _meanwhile(self, entry: Entry | None) -> tuple[Step, ...]:
        nodes = self._reader.listed(entry, "meanwhile")
        steps = (self._step(node, f"meanwhile[{at}]") for at, node in enumerate(nodes))
        return tuple(step for step in steps if step is not None)

    def _step(self, node: Node, path: str) -> Step | None:
        reader = self._reader
        section = reader.map(node, path, MEANWHILE)
        found = section.entries
        does = cast("Does", reader.one_of(section, _DOES, node.mark, path, "what happens"))
        if not does:
            return None
        if "event" in found and "said" in found:
            reader.wrong(node.mark, path, "has event and said; only one of them can say when it happens")
        read: Mapping[Does, Callable[[], object]] = {
            "hang_up": lambda: reader.leaf(found, path, does, leaves.title, ""),
            "faults": lambda: self._faults(found["faults"].value, join(path, "faults")),
            "daemon": lambda: reader.leaf(found, path, does, values.choice(("killed", "stopped")), "stopped"),
        }
        return Step(
            does=does,
            value=read[does](),
            event=reader.leaf(found, path, "event", leaves.one_of(EVENTS, "event"), ""),
            said=reader.leaf(found, path, "said", leaves.words, ""),
            after=reader.leaf(found, path, "after", leaves.length(LONGEST), 0.0),
            line=node.mark.line,
        )

    def _faults(self, node: Node, path: str) -> Faults:
        """What goes wrong, in the emulator's own words."""
        try:
            return faults_from(plain(node))
        except WrongFault as wrong:
            self._reader.wrong(place(node, wrong.path), ".".join((path, *wrong.path)), wrong.problem)
            return NO_FAULTS
