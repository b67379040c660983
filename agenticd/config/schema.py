"""What config.yaml may say: each setting's leaf, and the checks that take more than one setting."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from agenticd.config import door, values
from agenticd.config.document import Entry, Mark, Node, Scalar, Table
from agenticd.config.places import Places
from agenticd.config.problems import Wrong
from agenticd.config.reading import Noted, Reading, Shape, join
from agenticd.config.tree import Admin, Http, Inbound, Limits, Log, OpenAI, Settings, Store, Twilio
from agenticd.service.orders import APOLOGY_LIMIT, CHECK_IN_LIMIT, GREETING_LIMIT, INSTRUCTIONS_LIMIT, AgentProfile

T = TypeVar("T")

# As in service/orders.py, which fills them in.
_VARIABLE = re.compile(r"\{\{\s*([A-Za-z0-9_]{1,64})\s*\}\}")
_START = Mark()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known without the file: where it lies, the directories by place, the home, the host's name."""

    base: Path
    places: Places
    home: str
    host: str


@dataclass(frozen=True, slots=True)
class _Top:
    """The settings that belong to no section."""

    public_url: str
    node_id: str
    version: Literal[1] = 1


_TOP = Shape(
    _Top,
    {"public_url": values.public_url, "node_id": values.word, "version": values.version},
    {"public_url": "the URL at which Twilio reaches this daemon, for example https://voice.example.com"},
)
_HTTP = Shape(Http, {"listen": values.listen_tcp})
_ADMIN = Shape(Admin, {"listen": values.listen_tcp})
_TWILIO = Shape(
    Twilio,
    {
        "account_sid": values.account_sid,
        "auth_token": values.secret("the primary Auth Token of Twilio's console"),
        "from_number": values.phone,
        "api_url": values.api_url,
        "calls_per_second": values.decimal(0.01, 1000),
    },
    {
        "account_sid": 'write account_sid: "${TWILIO_ACCOUNT_SID}"',
        "auth_token": 'write auth_token: "${TWILIO_AUTH_TOKEN}"',
        "from_number": 'write from_number: "${TWILIO_PHONE_NUMBER}"',
    },
)
_OPENAI = Shape(
    OpenAI,
    {
        "api_key": values.secret("an API key of OpenAI's, which begins with sk-"),
        "url": values.socket_url,
        "model": values.word,
        "transcription_model": values.word,
    },
    {"api_key": 'write api_key: "${OPENAI_API_KEY}"'},
)
_AGENT = Shape(
    AgentProfile,
    {
        "instructions": values.prose(INSTRUCTIONS_LIMIT, required=True),
        "greeting": values.prose(GREETING_LIMIT),
        "voice": values.word,
        "model": values.word,
        "transcription_model": values.word,
        "language": values.language,
        "audio": values.choice(("pcmu", "pcm24")),
        "max_duration": values.duration("1s", "4h"),
        "protect_greeting": values.boolean,
        "min_interruption": values.duration_or_off("0.05s", "2s"),
        "digits_to_model": values.boolean,
        "check_in_after": values.duration_or_off("3s", "10m"),
        "check_in": values.prose(CHECK_IN_LIMIT),
        "hang_up_after": values.duration_or_off("3s", "10m"),
        "apology": values.prose(APOLOGY_LIMIT),
    },
    {"instructions": "say who the agent is and what it shall do"},
)
_INBOUND = Shape(Inbound, {"agent": values.word}, {"agent": "write agent: and the name of one of agents"})
_LIMITS = Shape(Limits, {"max_calls": values.integer(1, 10_000), "drain_timeout": values.duration("0s", "4h")})
_LOG = Shape(Log, {"level": values.choice(("debug", "info", "warning", "error")), "pii": values.boolean})

_SECTIONS = ("http", "admin", "grpc", "twilio", "openai", "agents", "inbound", "store", "limits", "log")
KNOWN = ("version", "public_url", "node_id", *_SECTIONS)


def _elsewhere() -> dict[str, str]:
    """For each key, in words, where it belongs: for those whose indentation is wrong."""
    found: dict[str, str] = dict.fromkeys(KNOWN, "at the beginning of a line, in no section")
    sections = {
        "twilio": tuple(_TWILIO.leaves),
        "openai": ("api_key", "url", "transcription_model"),
        "agents, below an agent's name": tuple(_AGENT.leaves),
        "inbound, below a number": ("agent",),
        "store": ("path", "keep", "keep_size"),
        "limits": tuple(_LIMITS.leaves),
        "log": tuple(_LOG.leaves),
        "http, admin or grpc": ("listen",),
        "grpc": door.KEYS,
        "grpc.tls": door.TLS_KEYS,
    }
    for section, names in sections.items():
        for name in names:
            found.setdefault(name, f"in {section}")
    return found


ELSEWHERE: Mapping[str, str] = _elsewhere()


def build(root: Node, reading: Reading, around: Surroundings) -> Settings | None:
    """The settings of a document. None where something is missing or wrong; the reading has noted what."""
    document = reading.section(root, "", KNOWN)
    if not document.sound:
        return None
    top = document.entries
    whole = reading.fill(_TOP, document, _START, "", {"node_id": _node_id(around.host)})
    http = _section(reading, _HTTP, top, "http")
    admin = _section(reading, _ADMIN, top, "admin")
    grpc = door.build(
        reading,
        top.get("grpc"),
        f"unix:{around.places.socket}",
        lambda example: values.file_under(around.base, around.home, example),
    )
    twilio = _section(reading, _TWILIO, top, "twilio")
    openai = _section(reading, _OPENAI, top, "openai")
    agents = _agents(reading, top.get("agents"), openai)
    inbound = _inbound(reading, top.get("inbound"), agents)
    store = _store(reading, top, around)
    limits = _section(reading, _LIMITS, top, "limits")
    log = _section(reading, _LOG, top, "log")
    if http and admin and http.listen == admin.listen and not http.listen.endswith(":0"):
        where = top.get("admin") or top["http"]
        reading.add(where.key.mark, "admin.listen", "is http.listen's address too; each needs a port of its own")
    if not (whole and http and admin and grpc and twilio and openai and store and limits and log):
        return None
    profiles = {name: profile for name, profile in agents.items() if profile is not None}
    return Settings(
        version=whole.version,
        public_url=whole.public_url,
        node_id=whole.node_id,
        http=http,
        admin=admin,
        grpc=grpc,
        twilio=twilio,
        openai=openai,
        agents=profiles,
        inbound=inbound,
        store=store,
        limits=limits,
        log=log,
    )


def _section(
    reading: Reading,
    shape: Shape[T],
    top: Mapping[str, Entry],
    name: str,
    given: Mapping[str, object] | None = None,
) -> T | None:
    entry = top.get(name)
    section = reading.section(entry.value if entry else None, name, tuple(shape.leaves))
    return reading.fill(shape, section, entry.key.mark if entry else _START, name, given)


def _store(reading: Reading, top: Mapping[str, Entry], around: Surroundings) -> Store | None:
    shape = Shape(
        Store,
        {"path": values.file_under(around.base, around.home), "keep": values.keep, "keep_size": values.keep_size},
        {"path": "neither $STATE_DIRECTORY nor $HOME says where the event log could be"},
    )
    database = around.places.database
    return _section(reading, shape, top, "store", {"path": database} if database else None)


def _agents(reading: Reading, entry: Entry | None, openai: OpenAI | None) -> dict[str, AgentProfile | None]:
    """The agents by name; None for one with a problem."""
    agents: dict[str, AgentProfile | None] = {}
    section = reading.section(entry.value if entry else None, "agents", None)
    if section.sound and not section.entries:
        where = entry.key.mark if entry else _START
        reading.add(where, "agents", "must have at least one; PlaceCall takes `default` where it names none")
    given: dict[str, object] = {}
    if openai is not None:
        given = {"model": openai.model, "transcription_model": openai.transcription_model}
    for name, each in section.entries.items():
        path = join("agents", name)
        try:
            values.word(values.Text(name))
        except Wrong as wrong:
            replaced = "; variables are replaced in values, not in names" if "${" in name else ""
            reading.add(each.key.mark, path, f"{wrong}{replaced}")
        if name in _AGENT.leaves and isinstance(each.value, Scalar):
            reading.add(each.key.mark, path, "belongs below an agent's name, for example default:, and further in")
            agents.setdefault("default", None)  # that it is missing is not another mistake
            continue
        fields = reading.section(each.value, path, tuple(_AGENT.leaves))
        agents[name] = reading.fill(_AGENT, fields, each.key.mark, path, given)
    return agents


def agents_of(root: Node, reading: Reading) -> dict[str, dict[str, str]]:
    """The texts of all agents of a document, by name and key. The reading has noted what is wrong with them."""
    entry = reading.section(root, "", KNOWN).entries.get("agents")
    _agents(reading, entry, None)
    found: dict[str, dict[str, str]] = {}
    for name, each in reading.section(entry.value if entry else None, "agents", None).entries.items():
        if isinstance(each.value, Table):
            found[name] = {key.key.text: reading.text(key.value) for key in each.value.entries}
    return found


def check_agent(reading: Reading, entry: Entry, path: str) -> None:
    """Judge a profile that stands alone, outside a configuration: there its instructions need not be given."""
    fields = reading.section(entry.value, path, tuple(_AGENT.leaves))
    reading.fill(_AGENT, fields, entry.key.mark, path, {"instructions": ""})


def _inbound(reading: Reading, entry: Entry | None, agents: Mapping[str, AgentProfile | None]) -> dict[str, Inbound]:
    """What answers, by number."""
    inbound: dict[str, Inbound] = {}
    seen: set[str] = set()
    section = reading.section(entry.value if entry else None, "inbound", None)
    for key, each in section.entries.items():
        path = join("inbound", key)
        try:
            number = str(reading.read(each.key, path, values.phone))
        except Noted:
            number = ""
        if number and number in seen:
            reading.add(each.key.mark, path, f"is the number {number}, which is here already")
        seen.add(number)
        fields = reading.section(each.value, path, tuple(_INBOUND.leaves))
        answer = reading.fill(_INBOUND, fields, each.key.mark, path)
        if answer is None:
            continue
        why = _cannot_answer(answer.agent, agents)
        if why:
            reading.add(fields.entries["agent"].value.mark, f"{path}.agent", why)
        elif number:
            inbound[number] = answer
    return inbound


def _cannot_answer(name: str, agents: Mapping[str, AgentProfile | None]) -> str:
    """Why the agent cannot take a call that nobody placed; empty if it can."""
    if name not in agents:
        near = values.nearest(name, list(agents))
        known = f"; known are {', '.join(list(agents)[:10])}" if agents else ""
        return f"agents has no {name}" + (f"; did you mean {near}?" if near else known)
    profile = agents[name]
    if profile is None:
        return ""
    for field, text in (("greeting", profile.greeting), ("instructions", profile.instructions)):
        if found := _VARIABLE.search(text):
            return (
                f"{name} cannot take inbound calls: its {field} has {{{{{found[1]}}}}}, "
                "which only PlaceCall can fill in; name an agent without variables"
            )
    return ""


def _node_id(host: str) -> str:
    try:
        return values.word(values.Text(host))
    except Wrong:
        return "localhost"
