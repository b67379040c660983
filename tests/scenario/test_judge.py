"""What is told of a call that is not as its scenario demands; and that nothing is, of one that is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from agentic.v1 import call_pb2, event_pb2
from agenticd.emulator.phone import Moment
from agenticd.scenario.judge import judge
from agenticd.scenario.stage import Take
from tests.scenario.makes import Said, add, call, take, utterance, within

HELLO: Said = ("agent", "Hello, how can I help you?", "Hello, how can I help you?")
CUT: Said = ("agent", "Tomorrow we are open from five.", "Tomorrow we")
ASKS: Said = ("caller", "What time do you open?", "What time do you open?")


def told(taken: Take) -> list[str]:
    return [f"{miss.path}: {miss.text}" if miss.path else miss.text for miss in judge(taken)]


def test_a_call_that_is_as_it_should_be_has_nothing_told_of_it() -> None:
    words = (utterance("agent", "Hello …", True), utterance("caller", "… open?"), utterance("agent", "…", "Tomorrow …"))
    assert told(take(HELLO, ASKS, CUT, words=words, events=("call_queued", "call_closed"), never=("warning",))) == []


def test_a_call_that_was_not_played_to_its_end_is_not_judged_further() -> None:
    taken = take(reason="BUSY")
    taken.wrong.append("not over within 60 s")
    assert told(taken) == ["not over within 60 s"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            [utterance("agent", "Good morning"), utterance("caller", "x")],
            "expect.words[0]: was not said: agent: “Good morning”; instead agent: “Hello, how can I help you?”",
        ),
        (
            [utterance("caller", "Hello …")],
            "expect.words[0]: was not said: caller: “Hello …”; instead agent: “Hello, how can I help you?”",
        ),
        (
            [utterance("agent", "…"), utterance("caller", "…"), utterance("agent", "…"), utterance("agent", "Bye")],
            "expect.words[3]: was not said: agent: “Bye”; the conversation ends before it",
        ),
        (
            [utterance("agent", "…"), utterance("caller", "…")],
            "expect.words: was said, and is not expected: agent: “Tomorrow we are open from five.”",
        ),
        (
            [utterance("agent", "…", False), utterance("caller", "…"), utterance("agent", "…")],
            "expect.words[0].heard: nothing of it was expected to be heard; it was “Hello, how can I help you?” "
            "of “Hello, how can I help you?”",
        ),
        (
            [utterance("agent", "…"), utterance("caller", "…"), utterance("agent", "…", True)],
            "expect.words[2].heard: all of it was expected to be heard; it was “Tomorrow we” "
            "of “Tomorrow we are open from five.”",
        ),
        (
            [utterance("agent", "…"), utterance("caller", "…"), utterance("agent", "…", "… open")],
            "expect.words[2].heard: “… open” was expected to be heard; it was “Tomorrow we” "
            "of “Tomorrow we are open from five.”",
        ),
    ],
)
def test_the_first_utterance_that_differs_is_told(words: list[Any], said: str) -> None:
    assert told(take(HELLO, ASKS, CUT, words=tuple(words))) == [said]


def test_utterances_are_compared_in_the_order_of_the_conversation_and_not_of_arrival() -> None:
    taken = take(HELLO, ASKS, words=(utterance("caller", "What …"), utterance("agent", "Hello …")))
    finals = [event.transcript_final for event in taken.all("transcript_final")]
    finals[0].position, finals[1].position = 2, 1
    assert told(taken) == []


def test_of_a_long_text_only_both_ends_are_told() -> None:
    (said,) = told(take(("agent", "begin " + "word " * 200 + "end", ""), words=()))
    assert len(said) < 250
    assert "begin word" in said
    assert "word end" in said


def test_another_end_is_told_with_all_that_is_known_of_it() -> None:
    taken = take(reason="BUSY", by="CARRIER", carrier_code=21211)
    end = taken.all("call_ended")[0].call_ended.end
    end.carrier_code, end.reason = 21210, call_pb2.END_REASON_REJECTED
    assert [line.partition(":")[0] for line in told(taken)] == [
        "expect.end.reason",
        "expect.end.by",
        "expect.end.carrier_code",
    ]


def test_events_must_come_in_order_with_others_between_them() -> None:
    assert told(take(HELLO, events=("call_queued", "call_ended"))) == []
    (back,) = told(take(HELLO, events=("call_ended", "transcript_final")))
    assert "transcript_final did not happen in this order, not behind the one before it" in back
    (none,) = told(take(HELLO, events=("call_ended", "digit_received")))
    assert "digit_received did not happen in this order, not at all" in none


def test_the_same_event_twice_must_be_there_twice() -> None:
    assert told(take(HELLO, ASKS, events=("transcript_final", "transcript_final"))) == []
    assert len(told(take(HELLO, events=("transcript_final", "transcript_final")))) == 1


def test_digits_warnings_and_what_must_never_happen() -> None:
    taken = take(digits="42", warnings=("MODEL_ERROR",), never=("media_lost",))
    add(taken, before_end=True, digit_received=event_pb2.DigitReceived(digit="4"))
    add(taken, before_end=True, media_lost=event_pb2.MediaLost(message="the socket broke"))
    assert told(taken) == [
        'expect.never: media_lost happened: message="the socket broke"',
        "expect.digits: 42 was expected; received were 4",
        "expect.warnings: expected were MODEL_ERROR; there were none",
    ]


def test_what_twilio_and_the_model_complain_of_must_be_expected() -> None:
    taken = take(notices=(31903,), model_errors=("rate_limited",))
    taken.notices = [(12100, "no XML"), (0, "this emulator cannot do <Pay>: skipped")]
    taken.sessions = [SimpleNamespace(errors=[{"code": "invalid_value", "message": "no"}])]  # type: ignore[list-item]
    assert told(taken) == [
        "Twilio's debugger has 12100: no XML",
        "this emulator cannot do <Pay>: skipped",
        "expect.notices: Twilio's debugger does not have 31903",
        "the model complains, invalid_value: no",
        "expect.model_errors: the model did not complain of rate_limited",
    ]


def test_what_is_promised_of_every_call_needs_no_demand() -> None:
    taken = take(HELLO)
    taken.events[1].call_sequence = 7
    taken.events[1].revision = 5
    taken.calls.append(call())
    assert [line.partition(":")[0] for line in told(taken)] == [
        "call_sequence has a gap or a repetition",
        "revisions must rise",
        "Twilio was asked to dial 2 times",
    ]


def test_the_calls_status_at_twilio() -> None:
    assert told(take(carrier_status="completed")) == []
    assert told(take(carrier_status="busy")) == [
        "expect.twilio: busy was expected of the call at Twilio; it is completed"
    ]


MOMENTS = (
    Moment(0.6, "agent"),
    Moment(3.0, "line", "Stop."),
    Moment(3.25, "agent-end"),
    Moment(3.5, "line-end", "Stop."),
    Moment(4.5, "agent"),
    Moment(6.0, "agent-end"),
)


@pytest.mark.parametrize(
    ("name", "seconds"), [("greeting", 0.6), ("answer", 1.0), ("interruption", 0.25), ("ring", 1.0), ("duration", 10.0)]
)
def test_what_the_person_on_the_phone_waits_for_is_timed(name: str, seconds: float) -> None:
    def judged(least: float, most: float | None) -> list[str]:
        taken = take(timings=within(**{name: (least, most)}))
        taken.calls = [call(*MOMENTS)]
        return told(taken)

    assert judged(seconds - 0.01, seconds + 0.01) == []
    assert judged(0.0, None) == []
    assert judged(0.0, seconds - 0.01) == [
        f"expect.timings.{name}: at most {seconds - 0.01:g} s was expected; it took {seconds:.2f} s"
    ]
    assert judged(seconds + 0.01, None) == [
        f"expect.timings.{name}: at least {seconds + 0.01:g} s was expected; it took {seconds:.2f} s"
    ]


def test_a_time_of_what_did_not_happen_is_a_miss() -> None:
    assert told(take(timings=within(answer=(0.0, 2.0)))) == [
        "expect.timings.answer: there was nothing of the kind to be timed"
    ]


def test_a_miss_knows_the_line_that_demands_it() -> None:
    lines = {"expect.end.reason": 4, "expect.digits": 5}
    taken = take(
        reason="BUSY", digits="4", words=(utterance("agent", "x"),), timings=within(answer=(0, 1)), lines=lines
    )
    assert [miss.line for miss in judge(taken)] == [4, 7, 5, 9]


def test_a_call_without_an_end_is_told_and_not_judged_further() -> None:
    taken = take(HELLO, words=(utterance("agent", "x"),))
    taken.events = [event for event in taken.events if event.WhichOneof("payload") != "call_ended"]
    assert "call_ended and call_closed must be there once each" in told(taken)
    assert not any(line.startswith("expect.") for line in told(taken))
