"""Messages of the contract in a person's words. Text only: no colour, no layout, nothing slow to import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

    from agentic.v1.call_pb2 import Call, CallEnd
    from agentic.v1.event_pb2 import Event, TranscriptFinal


def name(message: Message, field: str) -> str:
    """An enum field's value without the prefix: "IN_PROGRESS". A number that this version does not know as
    it is."""
    number = getattr(message, field)
    enum = message.DESCRIPTOR.fields_by_name[field].enum_type
    assert enum is not None
    if number not in enum.values_by_number:
        return str(number)
    return enum.values_by_number[number].name.removeprefix(enum.values[0].name.removesuffix("UNSPECIFIED"))


def clock(time: Timestamp) -> str:
    """Local time of day, to the millisecond."""
    return time.ToDatetime(tzinfo=UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]


def date(time: Timestamp) -> str:
    """Local date and time, to the second."""
    return time.ToDatetime(tzinfo=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def brief(time: Timestamp) -> str:
    """Local time for a list: of today the time, else the day too."""
    local = time.ToDatetime(tzinfo=UTC).astimezone()
    now = datetime.now().astimezone()
    if local.date() == now.date():
        return local.strftime("%H:%M:%S")
    return local.strftime("%b %d %H:%M" if local.year == now.year else "%Y-%m-%d")


def ago(time: Timestamp) -> str:
    """How long it is past: "12 s ago"."""
    passed = (datetime.now(UTC) - time.ToDatetime(tzinfo=UTC)).total_seconds()
    return "just now" if passed < 1 else f"{seconds(passed)} ago"


def length(duration: Duration) -> str:
    """A length of time: 0.4 s, 32 s, 3 min 5 s, 2 h 10 min."""
    return seconds(in_seconds(duration))


def in_seconds(duration: Duration) -> float:
    """The number of them."""
    return float(duration.seconds + duration.nanos / 1e9)


def seconds(value: float) -> str:
    """The same, from seconds."""
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        days, hours = divmod(hours, 24)
        return f"{days} d {hours} h" if hours else f"{days} d"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def latency(value: float) -> str:
    """A short length of time, as one compares them: 860 ms, 1.24 s."""
    return f"{1000 * value:.0f} ms" if value < 0.9995 else f"{value:.2f} s"


def offset(duration: Duration) -> str:
    """A place on the call's time line: 1:02.3."""
    minutes, rest = divmod(in_seconds(duration), 60)
    return f"{int(minutes):>2}:{rest:04.1f}"


# What a person would say. None: the name says it.
_ENDINGS: Mapping[str, str] = {
    "BUSY": "the line was busy",
    "NO_ANSWER": "nobody answered in time",
    "CANCELED": "hung up before it was answered",
    "REJECTED": "Twilio refused to dial",
    "EXPIRED": "not dialled in time, and never will be",
    "FAILED": "the call could not be set up, or broke",
    "MAX_DURATION": "it lasted as long as it may",
    "SILENCE": "nobody spoke for too long",
    "MODEL_LOST": "OpenAI was lost",
    "MEDIA_LOST": "the phone's audio was lost",
    "DRAINED": "the daemon was stopped",
    "NODE_LOST": "the daemon that held it is gone",
    "DIAL_UNCONFIRMED": "Twilio never said whether it dialled, and the call was never seen",
    "POLICY": "a rule of the configuration forbids it",
    "BUDGET": "the money set aside for calls is used up",
    "TRANSFERRED": "handed to somebody else",
    "VOICEMAIL": "a machine answered",
}
_HUNG_UP: Mapping[str, str] = {
    "CALLER": "the caller hung up",
    "AGENT": "the agent hung up",
    "API": "a client hung up",
}


def ending(end: CallEnd) -> str:
    """How a call ended: "REJECTED by CARRIER: Twilio refused to dial (21211: no such number)"."""
    said = flat(end.message)
    if end.carrier_code:
        said = f"{end.carrier_code}: {said}" if said else str(end.carrier_code)
    sip = f"SIP {end.sip_code}" if end.sip_code not in (0, 200) else ""
    return because(name(end, "reason"), name(end, "ended_by"), said, sip)


def because(reason: str, by: str, *details: str) -> str:
    """The same of what is going to end."""
    meaning = _HUNG_UP.get(by, "") if reason == "COMPLETED" else _ENDINGS.get(reason, "")
    more = "; ".join(filter(None, details))
    if more and (by == "DAEMON" or not meaning):
        return f"{reason} by {by}: {more}"  # it says itself why
    return f"{reason} by {by}" + (f": {meaning}" if meaning else "") + (f" ({more})" if more else "")


def ended_well(end: CallEnd) -> bool:
    """Whether the ending of an answered call is nobody's fault."""
    return name(end, "reason") in ("COMPLETED", "TRANSFERRED", "VOICEMAIL", "MAX_DURATION", "SILENCE", "DRAINED")


def speaker(utterance: Message) -> str:
    """ "caller" or "agent"."""
    return name(utterance, "speaker").lower()


def heard(utterance: TranscriptFinal) -> str:
    """An utterance in a line; of one that was cut, what the phone played."""
    if not utterance.interrupted:
        return flat(utterance.text)
    return f"{flat(utterance.heard_text)} [cut]" if utterance.heard_text else "[cut before it was heard]"


def flat(text: str) -> str:
    """The text on one line, without what would steer a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


UNKNOWN = "an event that this agentctl does not know; a newer one does"


def describe(event: Event) -> tuple[str, str]:
    """An event's kind and what there is to say of it."""
    kind = event.WhichOneof("payload")
    if kind is None:
        return "unknown", UNKNOWN
    if kind == "transcript_final":
        return kind, f"{speaker(event.transcript_final)}: {heard(event.transcript_final)}"
    if kind == "call_ended":
        return kind, ending(event.call_ended.end)
    return kind, " ".join(f"{label}={value}" for label, value in _values(getattr(event, kind)))


def _values(payload: Message) -> list[tuple[str, str]]:
    """The fields of a payload that say something."""
    found = []
    for field, value in payload.ListFields():
        if field.enum_type is not None:
            text = name(payload, field.name)
        elif field.message_type is None:
            text = flat(str(value))
        elif field.message_type.full_name == "google.protobuf.Duration":
            text = length(value).replace(" ", "")
        elif field.message_type.full_name == "google.protobuf.Timestamp":
            text = clock(value)
        else:
            text = ",".join(f"{label}={part}" for label, part in _values(value))
        found.append((field.name, f'"{text}"' if " " in text else text))
    return found


def facts(call: Call) -> dict[str, str]:
    """All that is known of a call, by name."""
    known = {
        "call_id": call.call_id,
        "state": name(call, "state"),
        "direction": name(call, "direction"),
        "from": call.from_address,
        "to": call.to_address,
        "agent": call.agent,
        "created": date(call.create_time),
    }
    if call.HasField("answer_time"):
        known["answered"] = date(call.answer_time)
    if call.HasField("end_time"):
        known["ended"] = date(call.end_time)
        if talked := _talked(call):
            known["talked"] = f"at most {talked}" if _unwatched(call.end) else talked
    if call.HasField("end"):
        known["end"] = ending(call.end)
    if call.carrier_call_id:
        known["carrier_call_id"] = call.carrier_call_id
    known["node"] = call.node_id
    known |= {f"metadata.{key}": value for key, value in sorted(call.metadata.items())}
    return {flat(label): flat(value) for label, value in known.items()}


COLUMNS = ("CALL", "STATE", "DIRECTION", "FROM", "TO", "AGENT", "CREATED", "TALKED", "END")


def row(call: Call) -> Sequence[str]:
    """A call in a list for programs: what stands under COLUMNS. An empty cell is "-": columns can be counted."""
    known = facts(call)
    end = name(call.end, "reason") if call.HasField("end") else ""
    found = (
        known["call_id"],
        known["state"],
        known["direction"].lower(),
        known["from"],
        known["to"],
        known["agent"],
        known["created"].replace(" ", "T"),
        _talked(call).replace(" ", ""),
        end,
    )
    return [cell or "-" for cell in found]


SHORT_COLUMNS = ("CALL", "STATE", "WITH", "AGENT", "CREATED", "TALKED", "END")
SPARE = ("AGENT", "TALKED", "CREATED", "END")
"""What a narrow terminal can do without, the first first."""


def short_row(call: Call) -> Sequence[str]:
    """A call in a list for people: what stands under SHORT_COLUMNS. WITH is the phone, and who called."""
    known = facts(call)
    return (
        known["call_id"],
        known["state"],
        phone(call),
        known["agent"],
        brief(call.create_time),
        _talked(call) or _talking(call),
        name(call.end, "reason") if call.HasField("end") else "",
    )


def phone(call: Call) -> str:
    """The phone, and who called: "to +15550001111"."""
    inbound = name(call, "direction") == "INBOUND"
    number = flat(call.from_address if inbound else call.to_address) or "withheld"
    return f"{'from' if inbound else 'to'} {number}"


def _talked(call: Call) -> str:
    """How long a call was answered that has ended."""
    if not call.HasField("answer_time") or not call.HasField("end_time"):
        return ""
    return seconds(_between(call.answer_time, call.end_time))


def _unwatched(end: CallEnd) -> bool:
    """Whether it ended while the daemon was away: its end is when the daemon looked."""
    return (name(end, "reason"), name(end, "ended_by")) == ("COMPLETED", "CARRIER")


def _talking(call: Call) -> str:
    """How long a call that goes on has been answered."""
    if not call.HasField("answer_time") or call.HasField("end_time"):
        return ""
    return seconds(max(0.0, (datetime.now(UTC) - call.answer_time.ToDatetime(tzinfo=UTC)).total_seconds()))


def _between(first: Timestamp, last: Timestamp) -> float:
    return float(last.ToMicroseconds() - first.ToMicroseconds()) / 1e6
