"""The log tells the story of a call in a few lines, all of them with its id, and hides who and what unless asked."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from agenticd.adapters.host import logs
from agenticd.adapters.host.story import Story
from agenticd.adapters.openai.refusal import explain_close
from agenticd.core.events import (
    KINDS,
    AgentInterrupted,
    CallAnswered,
    CallClosed,
    CallDialing,
    CallEnd,
    CallEnded,
    CallEnding,
    CallQueued,
    CallRinging,
    DigitReceived,
    Direction,
    EndedBy,
    EndReason,
    Event,
    MediaConnected,
    MediaLost,
    ModelConnected,
    ModelLost,
    Payload,
    Speaker,
    SpeechStarted,
    SpeechStopped,
    TranscriptFinal,
    TurnMeasured,
    Usage,
    UsageReported,
    Warning,
)
from agenticd.core.ids import CallId
from agenticd.core.log import Logged

CALL = CallId("01AAAAAAAAAAAAAAAAAAAAAAAA")
FROM, TO = "+15550001111", "+15550002222"
WORDS, DIGIT = "My number is five five five.", "7"


def end(reason: EndReason, message: str = "") -> CallEnded:
    return CallEnded(CallEnd(reason, EndedBy.CALLER, 21217, 486, message))


EVERYTHING: list[Payload] = [
    CallQueued(Direction.OUTBOUND, FROM, TO, "default", 0.0),
    CallDialing(),
    CallRinging(Direction.OUTBOUND, FROM, TO, "default", "CA1"),
    CallRinging(Direction.INBOUND, FROM, TO, "default", "CA1"),
    CallAnswered("CA1"),
    MediaConnected("MZ1", 1),
    ModelConnected("gpt", "sess"),
    SpeechStarted("i", 1.0),
    SpeechStopped("i", 2.0),
    TranscriptFinal(Speaker.CALLER, "leg", "i", 1, WORDS, WORDS, False, 1.0, 2.0),
    TurnMeasured("i", 0.8, 0.5, 0.3),
    AgentInterrupted("i", 1.0, 2.0),
    DigitReceived(DIGIT),
    UsageReported("r", Usage(1, 2)),
    MediaLost("MZ1", "the connection was lost"),
    ModelLost("1008", explain_close(1008, WORDS)),
    Warning("MODEL_ERROR", "an answer failed with the error server_error"),
    CallEnding(EndReason.COMPLETED, EndedBy.API, WORDS),
    end(EndReason.COMPLETED, f"{TO} is not valid"),
    CallClosed(60.0, 3, Usage(10, 20)),
]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()


def told(*payloads: Payload, level: str = "info", pii: bool = False) -> list[dict[str, Any]]:
    """The lines about these events, a second apart."""
    stream = io.StringIO()
    logs.set_up(stream, logs.Style.JSON, level=level, pii=pii)
    story = Story()
    for number, payload in enumerate(payloads):
        if story.wants(Logged(1, CALL, KINDS[type(payload)], b"")):
            story.heard(Event(CALL, 1, 1000.0 + number, payload))
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_there_is_an_event_of_each_kind_here():
    assert {type(payload) for payload in EVERYTHING} == set(KINDS)


def test_the_story_of_a_call_is_three_lines():
    lines = told(
        CallQueued(Direction.OUTBOUND, FROM, TO, "sales", 0.0), CallDialing(), CallAnswered("CA1"),
        SpeechStarted("i", 1.0), end(EndReason.COMPLETED), CallClosed(2.0, 3, Usage()),
    )  # fmt: skip
    assert [(line["message"], line["level"]) for line in lines] == [
        ("call queued", "info"), ("call answered", "info"), ("call ended", "info"),
    ]  # fmt: skip
    assert lines[0]["agent"] == "sales"
    assert (lines[1]["after"], lines[1]["carrier_call_id"]) == (2.0, "CA1")
    assert {name: lines[2][name] for name in ("reason", "by", "duration", "carrier_code", "sip_code")} == {
        "reason": "COMPLETED", "by": "CALLER", "duration": 2.0, "carrier_code": 21217, "sip_code": 486,
    }  # fmt: skip


def test_a_call_that_was_never_answered_has_no_duration_and_one_from_before_a_restart_neither():
    assert "duration" not in told(EVERYTHING[0], end(EndReason.BUSY))[-1]
    assert "duration" not in told(end(EndReason.COMPLETED))[-1]
    assert "after" not in told(CallAnswered("CA1"))[-1]


def test_what_an_operator_may_have_to_do_with_is_a_warning():
    lines = told(end(EndReason.MODEL_LOST), end(EndReason.NO_ANSWER), MediaLost("MZ", "x"), ModelLost("c", "x"))
    assert [line["level"] for line in lines] == ["warning", "info", "warning", "warning"]


@pytest.mark.parametrize("level", ["info", "debug"])
def test_every_line_has_the_call_and_no_number_and_no_word_of_anybody(level: str):
    lines = told(*EVERYTHING, level=level)
    assert {line["call_id"] for line in lines} == {CALL}
    assert len(lines) == (len(EVERYTHING) if level == "debug" else 7)
    text = json.dumps(lines)
    for secret in (FROM, TO, FROM[1:], TO[1:], WORDS, "five five", f'"{DIGIT}"'):
        assert secret not in text


def ending(reason: EndReason, by: EndedBy, message: str) -> dict[str, Any]:
    (line,) = told(CallEnded(CallEnd(reason, by, message=message)))
    return {name: value for name, value in line.items() if name.startswith("what")}


def test_what_the_daemon_says_itself_is_told():
    key = "OpenAI does not know the API key"
    assert ending(EndReason.SILENCE, EndedBy.DAEMON, "nobody spoke") == {"what": "nobody spoke"}
    assert ending(EndReason.MODEL_LOST, EndedBy.DAEMON, key) == {"what": key}
    assert ending(EndReason.COMPLETED, EndedBy.AGENT, "it left") == {"what": "it left"}
    assert ending(EndReason.COMPLETED, EndedBy.CARRIER, "it was away") == {"what": "it was away"}
    lost, warned = told(ModelLost("401", key), Warning("TRANSCRIPTION_FAILED", "not transcribed"))
    assert (lost["what"], warned["what"]) == (key, "not transcribed")


def test_the_words_of_clients_and_peers_are_left_out():
    assert ending(EndReason.COMPLETED, EndedBy.API, WORDS) == {"what_pii": "(left out)"}
    assert ending(EndReason.REJECTED, EndedBy.CARRIER, f"{TO} is not valid") == {"what_pii": "(left out)"}
    closed = ending(EndReason.MODEL_LOST, EndedBy.DAEMON, explain_close(1008, f"“{WORDS}” “ {TO}"))
    assert closed == {"what": "OpenAI closed the session with 1008", "what_pii": "(left out)"}
    (warned,) = told(Warning("MODEL_ERROR", f"the model answered with the error invalid_value “{WORDS}”"))
    assert (warned["what"], warned["what_pii"]) == ("the model answered with the error invalid_value", "(left out)")
    assert ending(EndReason.COMPLETED, EndedBy.CALLER, "") == {}


def test_they_are_there_when_asked_for():
    text = json.dumps(told(*EVERYTHING, level="debug", pii=True))
    for secret in (FROM, TO, WORDS, f'"{DIGIT}"'):
        assert secret in text
