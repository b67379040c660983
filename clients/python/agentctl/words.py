"""Messages of the contract in a person's words. Text only: no colour, no layout, nothing slow to import."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
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


def length(duration: Duration) -> str:
    """A length of time: 0.4 s, 32 s, 3 min 5 s, 2 h 10 min."""
    return seconds(duration.seconds + duration.nanos / 1e9)


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
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def offset(duration: Duration) -> str:
    """A place on the call's time line: 1:02.3."""
    minutes, rest = divmod(duration.seconds + duration.nanos / 1e9, 60)
    return f"{int(minutes):>2}:{rest:04.1f}"


def ending(end: CallEnd) -> str:
    """How a call ended: "REJECTED by CARRIER (21211: no such number)"."""
    code = end.carrier_code or end.sip_code
    said = ": ".join(filter(None, (str(code) if code else "", flat(end.message))))
    return f"{name(end, 'reason')} by {name(end, 'ended_by')}" + (f" ({said})" if said else "")


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


def describe(event: Event) -> tuple[str, str]:
    """An event's kind and what there is to say of it."""
    kind = event.WhichOneof("payload")
    if kind is None:
        return "unknown", "an event that this agentctl does not know; a newer one does"
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
        if call.HasField("answer_time"):
            known["talked"] = seconds(_between(call.answer_time, call.end_time))
    if call.HasField("end"):
        known["end"] = ending(call.end)
    if call.carrier_call_id:
        known["carrier_call_id"] = call.carrier_call_id
    known["node"] = call.node_id
    known |= {f"metadata.{key}": value for key, value in sorted(call.metadata.items())}
    return {flat(label): flat(value) for label, value in known.items()}


COLUMNS = ("CALL", "STATE", "DIRECTION", "FROM", "TO", "AGENT", "CREATED", "TALKED", "END")
SPARE = ("AGENT", "FROM", "DIRECTION", "TALKED", "CREATED")
"""What a narrow terminal can do without, the first first."""


def row(call: Call) -> Sequence[str]:
    """A call in a list: what stands under COLUMNS."""
    known = facts(call)
    end = name(call.end, "reason") if call.HasField("end") else ""
    return (
        known["call_id"],
        known["state"],
        known["direction"].lower(),
        known["from"],
        known["to"],
        known["agent"],
        known["created"],
        known.get("talked", ""),
        end,
    )


def _between(first: Timestamp, last: Timestamp) -> float:
    return float(last.ToMicroseconds() - first.ToMicroseconds()) / 1e6
