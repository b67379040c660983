"""The talk: what goes where, barge-in, who heard what, and the last words."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from agenticd.core import events, inputs, realtime
from agenticd.core.effects import Append, Clear, Effect, Mark, Play, SendAudio, SendToModel, Show, Tell
from agenticd.core.events import AgentBrief, EndedBy, EndReason, Speaker, Usage
from agenticd.core.hearing import RING_FRAMES
from agenticd.core.mediastream import DigitPressed, MarkEchoed, MediaReceived
from agenticd.core.turn import Phase, Turn

FRAME = base64.b64encode(b"\x55" * 160).decode()


def audio(seconds: float) -> str:
    return base64.b64encode(b"\x55" * int(seconds * 8000)).decode()


class Talk:
    """A Turn with a clock in hand, and all that it ordered."""

    def __init__(self, greeting: str = "", **brief: Any) -> None:
        self.turn = Turn(AgentBrief("Be brief.", greeting, "marin", "gpt-realtime-2.1", **brief), "leg")
        self.now = 100.0
        self.effects: list[Effect] = []

    def feed(self, *happened: inputs.Input, at: float | None = None) -> list[Effect]:
        self.now = self.now if at is None else at
        new: list[Effect] = []
        for input in happened:
            new += self.turn.handle(input, self.now)
        self.effects += new
        return new

    def up(self) -> Talk:
        self.model_ready()
        self.feed(inputs.LineWentUp(), inputs.MediaStarted("MZ", 1), MediaReceived("MZ", FRAME))
        return self

    def model_ready(self, audio: str = "audio/pcmu") -> None:
        self.feed(realtime.SessionCreated("sess", "m", 0), realtime.SessionUpdated("sess", "m", audio, audio))

    def says(self, item: str, seconds: float, text: str, done: bool = True, response: str = "r1") -> list[Effect]:
        new = self.feed(
            realtime.ResponseCreated(response),
            realtime.OutputItemAdded(response, item, "message", "assistant"),
            realtime.ItemAdded(item, None, "message", "assistant"),
            realtime.OutputTranscriptDelta(item, text),
            realtime.AudioDelta(response, item, 0, audio(seconds)),
        )
        return new + (self.done(item, text, response) if done else [])

    def done(self, item: str, text: str, response: str = "r1", status: str = "completed") -> list[Effect]:
        return self.feed(
            realtime.AudioDone(response, item),
            realtime.OutputTranscriptDone(item, text),
            realtime.OutputItemDone(response, item, status),
            realtime.ResponseDone(response, status, "", "", "", Usage(input_tokens=3, output_tokens=4)),
        )

    def echo_all(self) -> list[Effect]:
        names = [e.name for e in self.effects if isinstance(e, Mark)]
        return self.feed(*(MarkEchoed("MZ", name) for name in names))

    def appended(self, kind: type) -> list[Any]:
        return [e.payload for e in self.effects if isinstance(e, Append) and isinstance(e.payload, kind)]

    def to_model(self, effects: list[Effect] | None = None) -> list[dict[str, Any]]:
        chosen = self.effects if effects is None else effects
        return [json.loads(e.message) for e in chosen if isinstance(e, SendToModel)]


def started(item: str = "c1", ms: int = 1000) -> realtime.SpeechStarted:
    return realtime.SpeechStarted(item, ms)


# --- The way of the audio ----------------------------------------------------------------------------------------


def test_session_update_is_the_first_thing_sent_and_carries_the_brief() -> None:
    talk = Talk()
    talk.feed(MediaReceived("MZ", FRAME), realtime.SessionCreated("s", "m", 0))
    (update,) = talk.to_model()
    assert update["type"] == "session.update"
    assert update["session"]["instructions"] == "Be brief."
    assert update["session"]["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert not any(isinstance(e, SendAudio) for e in talk.effects)


def test_audio_before_the_session_is_ready_waits_and_goes_in_order() -> None:
    talk = Talk()
    payloads = [base64.b64encode(bytes([i] * 160)).decode() for i in range(RING_FRAMES + 5)]
    talk.feed(*(MediaReceived("MZ", p) for p in payloads))
    assert talk.effects == []
    talk.model_ready()
    assert [e.payload for e in talk.effects if isinstance(e, SendAudio)] == payloads[5:]
    assert talk.turn.dropped == 5


def test_caller_audio_passes_as_it_came() -> None:
    assert Talk().up().feed(MediaReceived("MZ", FRAME)) == [SendAudio(FRAME)]


def test_agent_audio_passes_as_it_came() -> None:
    talk = Talk().up()
    assert talk.feed(realtime.AudioDelta("r", "a", 0, FRAME)) == [Play(FRAME)]


def test_another_format_than_asked_for_ends_the_call_instead_of_making_noise() -> None:
    talk = Talk()
    talk.model_ready("audio/pcm")
    (order,) = hang_ups(talk)
    assert order.reason is EndReason.MODEL_LOST
    assert len(talk.appended(events.ModelLost)) == 1


@pytest.mark.parametrize("media_first", [True, False])
def test_the_greeting_is_ordered_once_when_phone_and_model_are_there(media_first: bool) -> None:
    talk = Talk(greeting="Hello, how can I help you?")
    media = inputs.MediaStarted("MZ", 1)
    talk.feed(realtime.SessionCreated("s", "m", 0))
    ready = realtime.SessionUpdated("s", "m", "audio/pcmu", "audio/pcmu")
    for input in (media, ready) if media_first else (ready, media):
        talk.feed(input)
    talk.feed(inputs.MediaStarted("MZ2", 2))
    orders = [m for m in talk.to_model() if m["type"] == "response.create"]
    assert len(orders) == 1
    assert '"Hello, how can I help you?"' in orders[0]["response"]["instructions"]


def test_an_agent_without_a_greeting_waits_for_the_caller() -> None:
    assert not [m for m in Talk().up().to_model() if m["type"] == "response.create"]


# --- Transcripts -------------------------------------------------------------------------------------------------


def test_an_utterance_that_was_played_to_its_end_is_final_with_all_its_words() -> None:
    talk = Talk().up()
    talk.says("a1", 1.0, "Good morning to you.")
    assert talk.appended(events.TranscriptFinal) == []
    talk.now += 1.0
    talk.echo_all()
    (final,) = talk.appended(events.TranscriptFinal)
    assert (final.text, final.heard_text, final.interrupted) == ("Good morning to you.", "Good morning to you.", False)
    assert (final.audio_start, final.audio_end) == (0.0, 1.0)
    assert final.speaker is Speaker.AGENT


def test_the_callers_words_keep_their_place_though_they_arrive_after_the_answer() -> None:
    talk = Talk().up()
    talk.feed(started("c1", 0), realtime.SpeechStopped("c1", 900), realtime.InputCommitted("c1", None))
    talk.feed(realtime.ItemAdded("c1", None, "message", "user"))
    talk.says("a1", 1.0, "We open at nine.")
    talk.now += 1.0
    talk.echo_all()
    talk.feed(realtime.InputTranscriptDelta("c1", "When do you "), realtime.InputTranscriptDelta("c1", "open?"))
    talk.feed(realtime.InputTranscriptDone("c1", "When do you open?"))
    agent, caller = talk.appended(events.TranscriptFinal)
    assert (caller.speaker, caller.position) == (Speaker.CALLER, 1)
    assert (agent.speaker, agent.position) == (Speaker.AGENT, 2)
    live = [(e.offset, e.text) for e in talk.effects if isinstance(e, Show) and e.speaker is Speaker.CALLER]
    assert live == [(0, "When do you "), (12, "open?")]


def test_silence_is_no_utterance() -> None:
    talk = Talk().up()
    talk.feed(started(), realtime.SpeechStopped("c1", 1200), realtime.InputCommitted("c1", None))
    talk.feed(realtime.InputTranscriptDone("c1", "  "))
    assert talk.appended(events.TranscriptFinal) == []


def test_times_of_the_caller_are_on_the_calls_time_line() -> None:
    talk = Talk()
    talk.feed(inputs.LineWentUp(), at=100.0)
    talk.model_ready()
    talk.feed(MediaReceived("MZ", FRAME), at=102.02)
    talk.feed(started("c1", 200), at=102.6)  # 300 ms of padding before the speech itself
    (event,) = talk.appended(events.SpeechStarted)
    assert event.at == pytest.approx(2.5)


def test_a_turn_is_measured_from_the_end_of_speech_to_the_first_audio() -> None:
    talk = Talk().up()  # the model's audio clock begins at 99.98
    talk.feed(started("c1", 100), at=100.5)
    talk.feed(realtime.SpeechStopped("c1", 1520), at=101.5)  # 500 ms of them were the silence that tells
    talk.now = 101.9
    talk.says("a1", 0.2, "Yes.")
    (turn,) = talk.appended(events.TurnMeasured)
    assert (turn.total, turn.detection, turn.model) == pytest.approx((0.9, 0.5, 0.4))


def test_digits_are_events() -> None:
    talk = Talk().up()
    talk.feed(DigitPressed("MZ", "5"))
    assert talk.appended(events.DigitReceived) == [events.DigitReceived("5")]


# --- Barge-in ----------------------------------------------------------------------------------------------------


def test_speech_over_unplayed_audio_clears_first_and_truncates_at_what_was_heard() -> None:
    talk = Talk().up()
    talk.says("a1", 10.0, "one two three four five six seven eight nine ten")
    talk.now += 3.0
    effects = talk.feed(started())
    assert effects[0] == Clear()
    assert talk.to_model(effects) == [
        {"type": "conversation.item.truncate", "item_id": "a1", "content_index": 0, "audio_end_ms": 3000}
    ]
    (interrupted,) = talk.appended(events.AgentInterrupted)
    assert (interrupted.item_id, interrupted.heard, interrupted.discarded) == ("a1", 3.0, 7.0)
    (final,) = talk.appended(events.TranscriptFinal)
    assert final.interrupted
    assert final.heard_text == "one two three"
    assert final.text.endswith("nine ten")
    assert (final.audio_start, final.audio_end) == (0.0, 3.0)


def test_late_audio_of_an_interrupted_item_is_never_heard() -> None:
    talk = Talk().up()
    talk.says("a1", 5.0, "a long story that goes on", done=False)
    talk.now += 1.0
    talk.feed(started())
    assert talk.feed(realtime.AudioDelta("r1", "a1", 0, audio(5.0))) == []
    assert not [e for e in talk.feed(realtime.OutputTranscriptDelta("a1", " and on")) if isinstance(e, Show)]
    talk.done("a1", "a long story that goes on and on", status="cancelled")
    (final,) = talk.appended(events.TranscriptFinal)
    assert final.heard_text == "a"
    assert final.text == "a long story that goes on and on"


def test_an_item_that_nobody_heard_is_deleted_and_still_on_record() -> None:
    talk = Talk().up()
    talk.says("a1", 2.0, "first")
    talk.says("a2", 2.0, "second", response="r2")
    talk.now += 1.0
    effects = talk.feed(started())
    assert [m["type"] for m in talk.to_model(effects)] == ["conversation.item.truncate", "conversation.item.delete"]
    finals = {f.item_id: f for f in talk.appended(events.TranscriptFinal)}
    assert finals["a2"].heard_text == ""
    assert finals["a2"].interrupted


def test_speech_when_all_is_played_changes_nothing() -> None:
    """Truncating then would destroy the model's record of what it said."""
    talk = Talk().up()
    talk.says("a1", 1.0, "Hello.")
    talk.now += 1.0
    talk.echo_all()
    effects = talk.feed(started())
    assert not talk.to_model(effects)
    assert Clear() not in effects


def test_speech_while_the_model_stalls_truncates_without_a_clear() -> None:
    talk = Talk().up()
    talk.says("a1", 1.0, "I was going to", done=False)
    talk.now += 4.0
    effects = talk.feed(started())
    assert Clear() not in effects
    assert talk.to_model(effects) == [
        {"type": "conversation.item.truncate", "item_id": "a1", "content_index": 0, "audio_end_ms": 1000}
    ]
    assert talk.feed(realtime.AudioDelta("r1", "a1", 0, audio(1.0))) == []


def test_speech_before_the_model_said_anything_changes_nothing() -> None:
    talk = Talk().up()
    effects = talk.feed(started())
    assert not talk.to_model(effects)
    assert Clear() not in effects


def test_marks_echoed_by_a_clear_do_not_count_as_heard() -> None:
    talk = Talk().up()
    talk.says("a1", 10.0, "one two three four five six seven eight nine ten", done=False)
    talk.now += 1.0
    talk.feed(started())
    talk.echo_all()
    talk.done("a1", "one two three four five six seven eight nine ten", status="cancelled")
    (final,) = talk.appended(events.TranscriptFinal)
    assert final.heard_text == "one"


def test_after_an_interruption_the_next_answer_is_heard_at_once() -> None:
    talk = Talk().up()
    talk.says("a1", 10.0, "a long answer")
    talk.now += 1.0
    talk.feed(started())
    effects = talk.says("a2", 1.0, "Sorry, go on.", response="r2")
    assert any(isinstance(e, Play) for e in effects)
    assert all(e.name.startswith("g1:") for e in effects if isinstance(e, Mark))


# --- The agent ends the call -------------------------------------------------------------------------------------


def hang_ups(talk: Talk) -> list[inputs.HangUpRequested]:
    return [e.input for e in talk.effects if isinstance(e, Tell) and isinstance(e.input, inputs.HangUpRequested)]


def goodbye(talk: Talk, seconds: float = 1.0) -> None:
    """An answer with a goodbye and the wish to end the call."""
    talk.says("a1", seconds, "Goodbye!", done=False)
    talk.feed(realtime.FunctionCalled("r1", "f1", "call_1", "end_call", "{}", True))
    talk.done("a1", "Goodbye!")


def test_the_goodbye_is_heard_before_the_agent_ends_the_call() -> None:
    talk = Talk().up()
    goodbye(talk)
    assert hang_ups(talk) == []
    talk.now += 1.0
    talk.echo_all()
    (order,) = hang_ups(talk)
    assert (order.reason, order.by) == (EndReason.COMPLETED, EndedBy.AGENT)
    (output,) = [m for m in talk.to_model() if m["type"] == "conversation.item.create"]
    assert output["item"]["call_id"] == "call_1"


def test_a_goodbye_whose_mark_never_comes_back_ends_the_call_all_the_same() -> None:
    talk = Talk().up()
    goodbye(talk)
    due = talk.turn.deadline()
    assert due is not None
    talk.feed(inputs.DeadlinePassed(), at=due)
    assert len(hang_ups(talk)) == 1


def test_a_caller_who_speaks_over_the_goodbye_keeps_the_call() -> None:
    talk = Talk().up()
    goodbye(talk, 3.0)
    talk.now += 1.0
    talk.feed(started())
    talk.now += 5.0
    talk.echo_all()
    assert hang_ups(talk) == []


@pytest.mark.parametrize(("name", "complete"), [("end_call", False), ("other", True)])
def test_a_cut_or_foreign_function_call_ends_nothing(name: str, complete: bool) -> None:
    talk = Talk().up()
    talk.feed(realtime.FunctionCalled("r1", "f1", "call_1", name, "{", complete))
    talk.done("a1", "", status="cancelled")
    assert hang_ups(talk) == []


def test_the_model_is_told_of_end_call() -> None:
    (tool,) = Talk().up().to_model()[0]["session"]["tools"]
    assert tool["name"] == "end_call"


# --- The end -----------------------------------------------------------------------------------------------------


def settled(talk: Talk) -> list[inputs.TalkSettled]:
    return [e.input for e in talk.effects if isinstance(e, Tell) and isinstance(e.input, inputs.TalkSettled)]


def test_the_end_puts_on_record_what_was_heard_and_sums_up() -> None:
    talk = Talk().up()
    talk.says("a1", 4.0, "one two three four")
    talk.now += 2.0
    talk.feed(inputs.LineWentDown())
    (final,) = talk.appended(events.TranscriptFinal)
    assert (final.heard_text, final.interrupted) == ("one two", True)
    assert settled(talk) == [inputs.TalkSettled(0, Usage(input_tokens=3, output_tokens=4))]
    assert talk.turn.phase is Phase.SETTLED


def test_the_last_words_are_waited_for_when_the_line_drops_in_mid_speech() -> None:
    talk = Talk().up()
    talk.feed(started("c1", 0))
    effects = talk.feed(inputs.LineWentDown())
    assert talk.to_model(effects) == [{"type": "input_audio_buffer.commit"}]
    assert settled(talk) == []
    talk.feed(realtime.InputCommitted("c1", None), realtime.InputTranscriptDone("c1", "Never mind, bye."))
    (final,) = talk.appended(events.TranscriptFinal)
    assert final.text == "Never mind, bye."
    assert len(settled(talk)) == 1


@pytest.mark.parametrize(
    "stop",
    [
        lambda talk: talk.feed(inputs.ModelClosed(1006, "")),
        lambda talk: talk.feed(inputs.DeadlinePassed(), at=talk.turn.deadline()),
    ],
    ids=["the model goes", "time passes"],
)
def test_last_words_that_never_come_do_not_hold_the_call_up(stop: Callable[[Talk], object]) -> None:
    talk = Talk().up()
    talk.feed(started("c1", 0), realtime.InputTranscriptDelta("c1", "I only wanted"))
    talk.feed(inputs.LineWentDown())
    stop(talk)
    (final,) = talk.appended(events.TranscriptFinal)
    assert (final.text, final.interrupted) == ("I only wanted", True)
    assert len(settled(talk)) == 1


def test_nothing_is_played_after_the_line_went_down() -> None:
    talk = Talk().up()
    talk.feed(inputs.LineWentDown())
    assert talk.feed(realtime.AudioDelta("r9", "a9", 0, FRAME)) == []


def test_an_utterance_whose_last_mark_never_comes_back_is_final_all_the_same() -> None:
    talk = Talk().up()
    talk.says("a1", 1.0, "Hello.")
    due = talk.turn.deadline()
    assert due is not None
    talk.feed(inputs.DeadlinePassed(), at=due)
    (final,) = talk.appended(events.TranscriptFinal)
    assert final.heard_text == "Hello."


# --- Faults of the model -----------------------------------------------------------------------------------------


def test_errors_that_crossed_on_the_way_are_no_news() -> None:
    talk = Talk().up()
    talk.effects.clear()
    talk.feed(realtime.ModelFault("invalid_request_error", "response_cancel_not_active", "", "", ""))
    assert talk.effects == []


def test_other_errors_are_warnings_and_not_a_flood() -> None:
    talk = Talk().up()
    talk.feed(*(realtime.ModelFault("server_error", "oops", "secret text", "", "") for _ in range(50)))
    warnings = talk.appended(events.Warning)
    assert len(warnings) == 5
    assert all("secret" not in warning.message for warning in warnings)


def test_what_an_error_is_about_stands_in_quotes_as_the_peers_words() -> None:
    talk = Talk().up()
    talk.feed(realtime.ModelFault("invalid_request_error", "invalid_value", "secret text", "item.content", ""))
    (warning,) = talk.appended(events.Warning)
    assert warning.message == "the model answered with the error invalid_value “item.content”"


def test_a_failed_answer_is_a_warning() -> None:
    talk = Talk().up()
    talk.feed(realtime.ResponseDone("r1", "failed", "", "rate_limit_exceeded", "…", Usage()))
    (warning,) = talk.appended(events.Warning)
    assert "rate_limit_exceeded" in warning.message


def test_what_it_does_not_handle_changes_nothing() -> None:
    assert Talk().up().feed(realtime.Ignored("something.new")) == []


# --- A model that is not ready -----------------------------------------------------------------------------------


def test_refused_settings_end_the_call_instead_of_leaving_silence() -> None:
    talk = Talk()
    talk.feed(realtime.SessionCreated("s", "m", 0), inputs.LineWentUp())
    talk.feed(realtime.ModelFault("invalid_request_error", "invalid_value", "…", "session.audio.output.voice", ""))
    (order,) = hang_ups(talk)
    assert order.reason is EndReason.MODEL_LOST
    error = "invalid_value “session.audio.output.voice”"
    assert order.message == f"the model refused its settings with the error {error}"


def test_a_model_that_never_gets_ready_ends_the_call() -> None:
    talk = Talk()
    talk.feed(inputs.LineWentUp())
    due = talk.turn.deadline()
    assert due == talk.now + 10.0
    talk.feed(inputs.DeadlinePassed(), at=due)
    (order,) = hang_ups(talk)
    assert order.reason is EndReason.MODEL_LOST


# --- The fine points of what was heard ---------------------------------------------------------------------------


def test_a_second_item_of_an_interrupted_answer_is_not_heard() -> None:
    talk = Talk().up()
    talk.says("a1", 5.0, "first part", done=False)
    talk.now += 1.0
    talk.feed(started())
    assert talk.feed(realtime.AudioDelta("r1", "a2", 0, audio(1.0))) == []
    talk.done("a1", "first part", status="cancelled")
    assert any(isinstance(e, Play) for e in talk.feed(realtime.AudioDelta("r2", "a3", 0, audio(1.0))))


def test_an_item_of_an_odd_length_that_was_played_out_is_whole() -> None:
    talk = Talk().up()
    talk.feed(realtime.ItemAdded("a1", None, "message", "assistant"))
    for _ in range(100):
        talk.feed(realtime.AudioDelta("r1", "a1", 0, base64.b64encode(b"\x55" * 401).decode()))
    talk.done("a1", "every word of it")
    talk.now += 401 * 100 / 8000 + 0.02
    talk.feed(inputs.LineWentDown())
    (final,) = talk.appended(events.TranscriptFinal)
    assert (final.heard_text, final.interrupted) == ("every word of it", False)


def test_an_item_played_to_its_end_is_final_though_a_clear_swallowed_its_last_echo() -> None:
    talk = Talk().up()
    talk.says("a1", 1.0, "All of this was heard.")
    talk.says("a2", 5.0, "And this was not.", response="r2")
    talk.now += 1.5
    talk.feed(started())
    finals = {final.item_id: final for final in talk.appended(events.TranscriptFinal)}
    assert (finals["a1"].heard_text, finals["a1"].interrupted) == ("All of this was heard.", False)
    assert finals["a2"].interrupted


def test_a_truncation_is_never_beyond_what_the_model_made() -> None:
    """What fills the last frame was sent, and was none of the model's."""
    talk = Talk().up()
    talk.feed(realtime.ResponseCreated("r1"), realtime.ItemAdded("a1", None, "message", "assistant"))
    talk.feed(realtime.AudioDelta("r1", "a1", 0, base64.b64encode(b"\x55" * 8080).decode()))
    talk.feed(realtime.AudioDone("r1", "a1"))
    talk.now += 5.0
    effects = talk.feed(started())
    assert [m["audio_end_ms"] for m in talk.to_model(effects)] == [1010]
