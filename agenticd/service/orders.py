"""What a client orders, checked and made whole: a PlaceOrder to the record of a call.

Every wrong field is named in one InvalidArgument. The wire's own faults (a Duration out of range, an unknown enum) are
found in adapters/rpc; here is what needs the configuration or a telephone number's sense.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Literal

import msgspec
import phonenumbers
from msgspec import structs

from agenticd.core.errors import InvalidArgument, Violation
from agenticd.core.events import AgentBrief, CallOptions

DEFAULT_AGENT = "default"
INSTRUCTIONS_LIMIT = 32 * 1024
GREETING_LIMIT = 2 * 1024
CHECK_IN_LIMIT = 512
APOLOGY_LIMIT = 1024
VALUE_LIMIT = 4 * 1024
METADATA_KEYS, METADATA_KEY_LIMIT, METADATA_VALUE_LIMIT = 16, 64, 256
VARIABLES = 64
REQUEST_ID_LIMIT = 64
REASON_LIMIT = 256
_VARIABLE = re.compile(r"\{\{\s*([A-Za-z0-9_]{1,64})\s*\}\}")
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
_WORD = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NUMBER = re.compile(r"\+ ?[0-9](?:[ ().-]*[0-9])*")
_NUMBER_LIMIT = 40
_SIP = re.compile(r"sips?:[A-Za-z0-9._~+%!*'()&=$,;?/-]+@[A-Za-z0-9.-]+(:[0-9]{1,5})?(;[A-Za-z0-9=._-]+)*")
_SIP_LIMIT = 255
_E164 = "E.164 is + and 7 to 15 digits with the country code, for example +15550001111, no letters, no extension"
_BRIEF = AgentBrief.__struct_fields__
"""What a brief takes over from its profile, which has fields of the same names."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """What one call does otherwise than its agent profile. None keeps the profile's value."""

    instructions: str | None = None
    greeting: str | None = None
    voice: str | None = None
    model: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """What PlaceCall asks, as the wire had it. Times in seconds, None where nothing was said."""

    to_address: str
    from_address: str = ""
    agent: str = ""
    overrides: Overrides = Overrides()
    variables: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    ring_timeout: float | None = None
    max_duration: float | None = None
    queue_timeout: float | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class AgentProfile:
    """An agent of the configuration. Times in seconds; 0 turns a thing off."""

    instructions: str
    greeting: str = ""
    voice: str = "marin"
    model: str = "gpt-realtime-2.1"
    language: str = ""
    audio: Literal["pcmu", "pcm24"] = "pcmu"
    transcription_model: str = "gpt-transcribe"
    max_duration: float = 3600.0
    protect_greeting: bool = False
    """The greeting is said to its end, whoever speaks meanwhile."""
    min_interruption: float = 0.0
    """The caller must speak this long to interrupt the agent; 0 leaves it to the model."""
    digits_to_model: bool = False
    """Keys that the caller presses are told to the model, which answers."""
    check_in_after: float = 20.0
    """Silence of both sides after which the agent asks whether the caller is still there."""
    check_in: str = ""
    """What it then says, word for word; by default the model finds the words."""
    hang_up_after: float = 20.0
    """Silence after that question, or with the question off just silence, that ends the call."""
    apology: str = "I am sorry, there is a technical problem and I cannot go on. Please call again later. Goodbye."
    """What the carrier says in its own voice when the model is lost; empty: the call just ends."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A call to be, with everything filled in."""

    from_address: str
    to_address: str
    agent: str
    brief: AgentBrief
    options: CallOptions
    metadata: Mapping[str, str] = field(default_factory=dict)


def resolve(order: PlaceOrder, agents: Mapping[str, AgentProfile], from_number: str) -> Plan:
    """The order with everything filled in. Raises InvalidArgument with all that is wrong."""
    wrong: list[Violation] = []
    to_address = _address(order.to_address, "to_address", wrong)
    from_address = _caller_id(order.from_address or from_number, wrong)
    name = order.agent or DEFAULT_AGENT
    profile = agents.get(name)
    if profile is None:
        wrong.append(Violation("agent", _unknown_agent(name, agents)))
        profile = AgentProfile(instructions="")
    brief = _brief(order, profile, wrong)
    options = CallOptions(
        ring_timeout=_seconds(order.ring_timeout, "options.ring_timeout", 5, 600, 30.0, wrong),
        max_duration=_seconds(order.max_duration, "options.max_duration", 1, 14400, profile.max_duration, wrong),
        queue_timeout=_seconds(order.queue_timeout, "options.queue_timeout", 1, 3600, 60.0, wrong),
    )
    _check_metadata(order.metadata, wrong)
    if len(order.request_id) > REQUEST_ID_LIMIT:
        wrong.append(Violation("request_id", f"is longer than {REQUEST_ID_LIMIT} characters; a UUID is best"))
    if wrong:
        raise InvalidArgument(*wrong)
    return Plan(from_address, to_address, name, brief, options, dict(order.metadata))


def brief_of(profile: AgentProfile) -> AgentBrief:
    """The brief of a call that nobody ordered: the profile as it is."""
    return AgentBrief(**{name: getattr(profile, name) for name in _BRIEF})


def caller_address(text: str) -> str:
    """Who calls, as the carrier says: E.164, sip: or client: as it came; empty when withheld or anything else."""
    if text.startswith(("sip:", "sips:", "client:")):
        return text if len(text) <= _SIP_LIMIT and text.isprintable() else ""
    return parse_number(text) or ""


def fingerprint(order: PlaceOrder) -> bytes:
    """32 bytes that are equal for two orders that mean the same, whatever the order of their maps' keys."""
    to_address, from_address = (parse_number(text) or text for text in (order.to_address, order.from_address))
    plain = replace(order, to_address=to_address, from_address=from_address, agent=order.agent or DEFAULT_AGENT)
    text = msgspec.json.encode(plain, order="deterministic")
    return hashlib.sha256(text).digest()


def parse_number(text: str) -> str | None:
    """The number in E.164, or None. What matters is that it can be dialled, not that it is known to be in use.

    Digits and what people put between them, nothing else: the library would read letters as keys, and leave out
    without a word an extension, or whatever else cannot be dialled.
    """
    if len(text) > _NUMBER_LIMIT or not _NUMBER.fullmatch(text):
        return None
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _address(text: str, name: str, wrong: list[Violation]) -> str:
    if text.lower().startswith(("sip:", "sips:")):
        if len(text) <= _SIP_LIMIT and _SIP.fullmatch(text):
            return text
        wrong.append(Violation(name, "is no SIP address; write sip:user@host, at most 255 characters"))
        return ""
    number = parse_number(text)
    if number is not None:
        return number
    if not text:
        advice = "is required: E.164 with its +, for example +15550001111, or sip:user@host"
    elif text[:1] != "+":
        advice = "must begin with + and the country code (E.164), for example +15550001111, or be sip:user@host"
    else:
        advice = f"is no number that can be dialled; {_E164}"
    wrong.append(Violation(name, advice))
    return ""


def _caller_id(text: str, wrong: list[Violation]) -> str:
    number = parse_number(text)
    if number is None:
        wrong.append(Violation("from_address", f"must be a number that the carrier knows as yours; {_E164}"))
    return number or ""


def _unknown_agent(name: str, agents: Mapping[str, AgentProfile]) -> str:
    near = get_close_matches(name, agents, n=1)
    known = ", ".join(sorted(agents)[:10])
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{name[:64]!r} is no agent of the configuration, which has {known}{hint}"


def _brief(order: PlaceOrder, profile: AgentProfile, wrong: list[Violation]) -> AgentBrief:
    over = order.overrides
    _check_variables(order.variables, wrong)
    voice, model = over.voice or profile.voice, over.model or profile.model
    for text, name in ((voice, "overrides.voice"), (model, "overrides.model")):
        if not _WORD.fullmatch(text):
            wrong.append(Violation(name, "must be a name of letters, digits, '.', '_' and '-', at most 64"))
    language = profile.language if over.language is None else over.language
    if language and not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?", language):
        wrong.append(Violation("overrides.language", "must be an ISO 639 code, for example en"))
    instructions = profile.instructions if over.instructions is None else over.instructions
    greeting = profile.greeting if over.greeting is None else over.greeting
    return structs.replace(
        brief_of(profile),
        instructions=_fill(instructions, "overrides.instructions", INSTRUCTIONS_LIMIT, order.variables, wrong),
        greeting=_fill(greeting, "overrides.greeting", GREETING_LIMIT, order.variables, wrong),
        voice=voice,
        model=model,
        language=language,
    )


def _fill(text: str, name: str, limit: int, variables: Mapping[str, str], wrong: list[Violation]) -> str:
    """Put the variables in, once: a value that looks like a variable stays as it is."""
    missing = sorted({found for found in _VARIABLE.findall(text) if found not in variables})
    if missing:
        wrong.append(Violation("variables", f"has no value for {', '.join(missing)}, which {name} uses"))
        return ""
    sizes = {key: len(value.encode()) for key, value in variables.items()}
    size = len(text.encode()) + sum(sizes[found[1]] - len(found[0]) for found in _VARIABLE.finditer(text))
    if size > limit:  # before it is made: a text of {{a}}{{a}}… can come to gigabytes
        wrong.append(Violation(name, f"is longer than {limit // 1024} KiB with its variables filled in"))
        return ""
    return _VARIABLE.sub(lambda match: variables[match[1]], text)


def _check_variables(variables: Mapping[str, str], wrong: list[Violation]) -> None:
    if len(variables) > VARIABLES:
        wrong.append(Violation("variables", f"has more than {VARIABLES} names"))
    for key, value in variables.items():
        if not _NAME.fullmatch(key):
            wrong.append(Violation("variables", "has a name that is not of letters, digits and _ (at most 64)"))
        elif len(value.encode()) > VALUE_LIMIT:
            wrong.append(Violation(f"variables[{key}]", f"is longer than {VALUE_LIMIT // 1024} KiB"))


def _check_metadata(metadata: Mapping[str, str], wrong: list[Violation]) -> None:
    if len(metadata) > METADATA_KEYS:
        wrong.append(Violation("metadata", f"has more than {METADATA_KEYS} keys"))
    for key, value in metadata.items():
        if not 0 < len(key) <= METADATA_KEY_LIMIT:
            wrong.append(Violation("metadata", f"has a key that is empty or over {METADATA_KEY_LIMIT} characters"))
        elif len(value) > METADATA_VALUE_LIMIT:
            wrong.append(Violation(f"metadata[{key}]", f"is longer than {METADATA_VALUE_LIMIT} characters"))


def _seconds(given: float | None, name: str, least: int, most: int, default: float, wrong: list[Violation]) -> float:
    if given is None:
        return default
    if not least <= given <= most:
        wrong.append(Violation(name, f"must be {least} s to {most} s"))
    return given
