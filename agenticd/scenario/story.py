"""What a scenario says: who calls whom, who says what and when, what goes wrong, what must be true at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from agenticd.emulator.faultbook import NO_FAULTS, Faults
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.realtime import Dialogue, FunctionCall, Messages

ACCOUNT_NUMBER = "+15550001111"
"""The number of the emulated account: it is what a phone calls, and what an outbound call comes from."""
PHONE_NUMBER = "+15550002222"
"""The phone, where the scenario names none."""

Heard: TypeAlias = str | Literal[True, False]
"""Of an utterance: a pattern for the words that were heard, or whether it was heard to its end (True) or not at all."""


@dataclass(frozen=True, slots=True)
class CallPart:
    """The call. Times in seconds; None leaves them to the daemon. `agent` is a profile's name."""

    direction: Literal["outbound", "inbound"] = "outbound"
    from_number: str = ""
    to_number: str = ""
    agent: str = "default"
    ring_timeout: float | None = None
    max_duration: float | None = None
    queue_timeout: float | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def phone(self) -> str:
        """The number of the person's phone."""
        named = self.to_number if self.direction == "outbound" else self.from_number
        return named or PHONE_NUMBER


@dataclass(frozen=True, slots=True)
class ModelPart:
    """The model: its answers, and the seconds from the end of the caller's turn, as it finds it, to its first sound."""

    dialogue: Dialogue
    delay: float = 0.25


Does: TypeAlias = Literal["hang_up", "faults", "daemon"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done while the call runs, by a client of the daemon or by the world around it.

    It waits for its turn (steps are done in their order), then for an `event` of that kind, or for somebody to have
    `said` these words, if one of the two is given, then for `after` seconds. `value`: the reason of a hang-up,
    `Faults`, or how the daemon is restarted.
    """

    does: Does
    value: object
    event: str = ""
    said: str = ""
    after: float = 0.0
    line: int = 0


@dataclass(frozen=True, slots=True)
class Utterance:
    """What somebody must have said. `text` and `heard` are patterns, in which … stands for any words."""

    speaker: Literal["caller", "agent"]
    text: str
    heard: Heard | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds that a thing may take."""

    least: float = 0.0
    most: float | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be true at the end. None: nothing is demanded of it. `lines`: where in the file each is demanded.

    `reason` and `by` are EndReason's and EndedBy's words, `events` happen in this order with others between them,
    `warnings` are the codes of all the daemon's warnings, `notices` those that Twilio's debugger may and must have,
    `model_errors` the codes of what the model complains of, `timings` what the person on the phone waits for.
    """

    reason: str | None = None
    by: str | None = None
    carrier_code: int | None = None
    words: tuple[Utterance, ...] | None = None
    events: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    digits: str | None = None
    warnings: tuple[str, ...] | None = None
    notices: tuple[int, ...] = ()
    model_errors: tuple[str, ...] = ()
    carrier_status: str | None = None
    timings: Mapping[str, Span] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One file. `agent` is a profile as in config.yaml, in plain data; `within` the seconds until it must be over."""

    file: Path
    name: str
    about: str = ""
    within: float = 60.0
    call: CallPart
    agent: Mapping[str, str] | None = None
    caller: PhoneScript
    model: ModelPart
    faults: Faults = NO_FAULTS
    meanwhile: tuple[Step, ...] = ()
    expect: Expected

    @property
    def short(self) -> str:
        """The file's name without its ending: for folders and lists."""
        return self.file.stem

    @property
    def account_number(self) -> str:
        """The emulated account's number: what a phone calls, or what an outbound call comes from."""
        named = self.call.to_number if self.call.direction == "inbound" else self.call.from_number
        return named or ACCOUNT_NUMBER

    @property
    def replies(self) -> tuple[str, ...]:
        """All that the agent may say, as far as the file knows."""
        dialogue, texts = self.model.dialogue, []
        for reply in (dialogue.opening, dialogue.fallback, dialogue.idle, *(rule.reply for rule in dialogue.rules)):
            match reply:
                case str(text) | FunctionCall(say=text):
                    texts.append(text)
                case Messages(texts=several):
                    texts += several
        agent = self.agent or {}
        return tuple(dict.fromkeys(filter(None, [*texts, agent.get("greeting", ""), agent.get("check_in", "")])))

    @property
    def network(self) -> bool:
        """Whether the network is bad, at first or later."""
        later = (step.value for step in self.meanwhile if isinstance(step.value, Faults))
        return any(faults.network != NO_FAULTS.network for faults in (self.faults, *later))

    @property
    def sentences(self) -> tuple[str, ...]:
        """All that the caller may say: the emulated model understands these."""
        return tuple(dict.fromkeys(line.say for line in self.caller.lines if line.say is not None))
