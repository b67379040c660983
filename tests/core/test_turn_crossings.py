"""Events that cross on the wire, and people who do two things at once: who is answered, and who is hung up on."""

from __future__ import annotations

import base64

import pytest

from agenticd.core import events, inputs, realtime
from agenticd.core.answers import ALREADY_ACTIVE, ORDER_ID
from agenticd.core.effects import Clear, Play, Show
from agenticd.core.events import EndReason, Speaker, Usage
from agenticd.core.mediastream import DigitPressed, MarkEchoed, MediaReceived
from agenticd.core.playout import Playout
from agenticd.core.turn import LEAVE_WITHIN
from tests.core.test_turn import FRAME, Talk, audio, started
from tests.core.test_turn_manners import LOUD, QUIET, began, creates, ends, hear, orders, said, speaking, wait

CANCELLED = realtime.ResponseDone("r1", "cancelled", "turn_detected", "", "", Usage())


def end_call(response: str = "r1") -> realtime.FunctionCalled:
    return realtime.FunctionCalled(response, "f1", "call_1", "end_call", "{}", True)


def crossed() -> realtime.ModelFault:
    return realtime.ModelFault("invalid_request_error", ALREADY_ACTIVE, "", "", ORDER_ID)


# --- The end of a call --------------------------------------------------------------------------------------------


def goodbye() -> Talk:
    talk = Talk().up()
    talk.says("i1", 2.0, "Goodbye!", done=False)
    talk.feed(end_call())
    talk.done("i1", "Goodbye!")
    return talk


@pytest.mark.parametrize("min_interruption", [0.0, 0.1])
def test_an_end_that_an_interrupted_answer_ordered_is_not_carried_out(min_interruption: float) -> None:
    talk = Talk(min_interruption=min_interruption).up()
    talk.says("i1", 5.0, "Well, goodbye", done=False)
    talk.now += 1.0
    began(talk)
    hear(talk, LOUD, 8)
    talk.feed(end_call(), CANCELLED)
    said(talk)
    assert ends(talk) == []


def test_who_speaks_over_a_goodbye_has_not_finished() -> None:
    talk = goodbye()
    talk.now += 1.0
    talk.feed(started())
    talk.feed(realtime.SpeechStopped("c1", 2000))
    talk.echo_all()
    assert ends(talk) == []


def test_who_speaks_before_the_last_mark_is_back_has_not_finished() -> None:
    talk = goodbye()
    talk.now += 2.5  # played, by the clock
    talk.feed(started())
    talk.echo_all()
    assert ends(talk) == []


def test_a_goodbye_is_not_left_while_the_model_goes_on() -> None:
    talk = Talk().up()
    talk.says("i1", 0.5, "Good", done=False)
    talk.feed(end_call(), realtime.AudioDone("r1", "i1"), realtime.OutputItemDone("r1", "i1", "completed"))
    talk.now += 1.0
    talk.echo_all()
    assert ends(talk) == []
    talk.feed(realtime.ResponseDone("r1", "completed", "", "", "", Usage()))
    assert ends(talk) == [EndReason.COMPLETED]


def test_a_phone_whose_line_stands_still_does_not_keep_a_goodbye_for_ever() -> None:
    talk = goodbye()
    talk.feed(inputs.MediaHeld(8000))
    waited = wait(talk)
    assert ends(talk) == [EndReason.COMPLETED]
    assert 2.0 < waited <= 3.1 + LEAVE_WITHIN


def test_who_types_during_a_goodbye_is_heard() -> None:
    talk = Talk(digits_to_model=True).up()
    talk.says("i1", 2.0, "Goodbye!", done=False)
    talk.feed(end_call())
    talk.done("i1", "Goodbye!")
    talk.feed(DigitPressed("MZ", "#"), inputs.DeadlinePassed())
    talk.now += 2.0
    talk.echo_all()
    assert ends(talk) == []
    assert creates(talk) == [None]


def test_an_agent_that_hangs_up_without_a_word_is_told_to_say_goodbye_once() -> None:
    talk = Talk().up()
    talk.feed(started(), realtime.SpeechStopped("c1", 2000), realtime.InputCommitted("c1", None))
    talk.feed(realtime.ResponseCreated("r1"))
    refused = talk.to_model(talk.feed(end_call()))
    assert "goodbye" in refused[0]["item"]["output"]
    assert ends(talk) == []
    assert orders(talk.feed(realtime.ResponseDone("r1", "completed", "", "", "", Usage()))) == ["response.create"]
    talk.feed(realtime.ResponseCreated("r2"), end_call("r2"))
    talk.feed(realtime.ResponseDone("r2", "completed", "", "", "", Usage()))
    assert ends(talk) == [EndReason.COMPLETED]


def test_a_function_that_there_is_not_is_answered_so_that_the_model_goes_on() -> None:
    talk = Talk().up()
    talk.feed(realtime.ResponseCreated("r1"))
    talk.feed(realtime.FunctionCalled("r1", "f1", "call_1", "book_table", "{}", True))
    assert orders(talk.feed(realtime.ResponseDone("r1", "completed", "", "", "", Usage()))) == ["response.create"]


# --- Orders that cross ---------------------------------------------------------------------------------------------


def test_keys_that_crossed_with_an_answer_are_answered_after_it() -> None:
    talk = Talk(digits_to_model=True).up()
    talk.feed(DigitPressed("MZ", "#"), inputs.DeadlinePassed())
    # As a server says it: first its own answer, then that ours was refused.
    talk.feed(realtime.ResponseCreated("r1"), crossed())
    assert orders(talk.feed(realtime.ResponseDone("r1", "completed", "", "", "", Usage()))) == ["response.create"]


def test_words_that_crossed_with_an_answer_are_not_said_after_it_nor_when_it_fails() -> None:
    talk = Talk("Hello.").up()
    talk.feed(realtime.ResponseCreated("r1"), crossed())
    talk.feed(realtime.ResponseDone("r1", "failed", "", "server_error", "", Usage()))
    assert creates(talk)[1:] == [None]


def test_an_order_that_is_refused_for_another_reason_is_given_once_more_and_then_the_model_is_lost() -> None:
    talk = Talk("Hello.", protect_greeting=True).up()
    fault = realtime.ModelFault("server_error", "", "", "", ORDER_ID)
    assert orders(talk.feed(fault)) == ["response.create"]
    talk.feed(fault)
    assert ends(talk) == [EndReason.MODEL_LOST]


def test_the_next_utterance_is_answered_though_the_order_before_it_was_unwanted() -> None:
    talk = Talk(min_interruption=0.1).up()
    for item in ("c1", "c2"):
        began(talk, item)
        hear(talk, LOUD, 8)
        said(talk, item)
    assert orders(talk.feed(realtime.ResponseCreated("r1"))) == ["response.cancel"]
    done = talk.feed(realtime.ResponseDone("r1", "cancelled", "client_cancelled", "", "", Usage()))
    assert orders(done) == ["response.create"]


def test_what_is_owed_is_forgotten_when_the_caller_interrupts() -> None:
    talk = Talk(digits_to_model=True).up()
    talk.says("i1", 5.0, "A long answer.", done=False)
    talk.feed(DigitPressed("MZ", "#"), inputs.DeadlinePassed())
    talk.feed(started())
    talk.feed(realtime.SpeechStopped("c1", 2000))
    assert orders(talk.feed(CANCELLED)) == []


def test_nobody_is_answered_while_they_speak() -> None:
    talk = Talk(digits_to_model=True).up()
    talk.feed(DigitPressed("MZ", "4"), started())
    talk.now += 2.0
    assert "response.create" not in orders(talk.feed(inputs.DeadlinePassed()))
    assert orders(talk.feed(realtime.SpeechStopped("c1", 2000))) == [], "the model answers what was said"


def test_a_greeting_that_was_ordered_when_the_caller_began_to_speak_is_not_said_over_them() -> None:
    talk = Talk("Hello.").up()
    talk.feed(started())
    assert orders(talk.feed(realtime.ResponseCreated("r1"))) == ["response.cancel"]
    new = talk.feed(realtime.ItemAdded("i1", None, "message", "assistant"), realtime.AudioDelta("r1", "i1", 0, FRAME))
    assert not any(isinstance(effect, Play) for effect in new)


def test_an_answer_that_had_no_word_yet_is_not_said_over_who_goes_on() -> None:
    talk = Talk().up()
    talk.feed(realtime.ResponseCreated("r1"), started())
    new = talk.feed(realtime.ItemAdded("i1", None, "message", "assistant"), realtime.AudioDelta("r1", "i1", 0, FRAME))
    assert not any(isinstance(effect, Play) for effect in new)


def test_turns_are_the_models_again_when_it_says_so_and_not_before() -> None:
    talk = Talk("Hello.", protect_greeting=True).up()
    talk.says("g", 0.5, "Hello.")
    talk.now += 0.5
    talk.echo_all()
    assert orders(said(talk, "c0")) == ["response.create"], "the update is on its way"
    talk.feed(realtime.SessionUpdated("sess", "m", "audio/pcmu", "audio/pcmu"))
    talk.feed(realtime.ResponseCreated("r2"), realtime.ResponseDone("r2", "completed", "", "", "", Usage()))
    assert orders(said(talk, "c1")) == []


def test_a_format_that_changes_in_the_call_is_refused_as_at_its_begin() -> None:
    talk = Talk().up()
    talk.feed(realtime.SessionUpdated("sess", "m", "audio/pcmu", "audio/pcm"))
    assert ends(talk) == [EndReason.MODEL_LOST]


# --- Noise, silence, streams ---------------------------------------------------------------------------------------


def test_a_noise_is_no_turn_and_has_no_words() -> None:
    talk = speaking()
    began(talk)
    hear(talk, LOUD, 5)
    hear(talk, QUIET, 30)
    said(talk, at_ms=int((talk.now - 100.0) * 1000))
    talk.feed(realtime.InputTranscriptFailed("c1", "", ""))
    talk.says("i2", 1.0, "And so on.", response="r2")
    assert talk.appended(events.TurnMeasured) == []
    assert talk.appended(events.Warning) == []


def test_a_cough_over_a_protected_greeting_is_not_answered() -> None:
    talk = Talk("Hello, you.", protect_greeting=True, min_interruption=0.3).up()
    talk.says("g", 5.0, "Hello, you.")
    hear(talk, QUIET, 25)
    began(talk)
    hear(talk, LOUD, 4)
    hear(talk, QUIET, 30)
    assert orders(said(talk, at_ms=int((talk.now - 100.0) * 1000))) == ["conversation.item.delete"]


def test_two_seconds_of_speech_interrupt_where_that_is_asked_for() -> None:
    talk = speaking(2.0)
    began(talk)
    cut = False
    for _ in range(6):
        cut = cut or any(isinstance(effect, Clear) for effect in hear(talk, LOUD, 16) + hear(talk, QUIET, 3))
        cut = cut or any(isinstance(effect, Clear) for effect in hear(talk, LOUD, 5))
    assert cut


def test_times_stay_right_after_a_gap_in_the_callers_audio() -> None:
    talk = Talk().up()
    hear(talk, QUIET, 49)  # a second, with the first frame
    talk.now += 5.0
    hear(talk, QUIET, 25)
    talk.feed(realtime.SpeechStarted("c1", 1200))  # 1500 ms without its padding: right now
    (event,) = talk.appended(events.SpeechStarted)
    assert abs(event.at - (talk.now - 100.0)) < 0.021


def test_after_the_question_the_caller_has_time_even_if_it_was_never_asked() -> None:
    talk = Talk(check_in_after=20.0, hang_up_after=20.0).up()
    assert wait(talk) == 20.0
    talk.feed(realtime.ResponseCreated("r1"), realtime.ResponseDone("r1", "completed", "", "", "", Usage()))
    assert wait(talk) == 20.0
    assert ends(talk) == [EndReason.SILENCE]


@pytest.mark.parametrize("what", ["stream", "keys", "farewell"])
def test_nobody_is_asked_whether_they_are_there(what: str) -> None:
    talk = Talk(check_in_after=3.0, digits_to_model=True).up()
    match what:
        case "stream":
            talk.feed(inputs.MediaClosed("MZ", stopped=False))
        case "keys":
            talk.now += 2.5
            talk.feed(DigitPressed("MZ", "1"))
            talk.now += 1.0
            talk.feed(inputs.DeadlinePassed())
            assert creates(talk) == []
            return
        case "farewell":
            talk.says("i1", 1.0, "Goodbye!", done=False)
            talk.feed(end_call())
            talk.done("i1", "Goodbye!")
    talk.feed(inputs.DeadlinePassed(), at=talk.now + 4.0)
    assert creates(talk) == []


def test_a_greeting_that_was_lost_with_its_stream_is_said_again() -> None:
    talk = Talk("Hello.").up()
    talk.feed(realtime.ResponseCreated("r1"), inputs.MediaClosed("MZ", stopped=False))
    talk.feed(realtime.ItemAdded("g", None, "message", "assistant"), realtime.AudioDelta("r1", "g", 0, audio(1.0)))
    talk.done("g", "Hello.")
    assert orders(talk.feed(inputs.MediaStarted("MZ2", 2))) == ["response.create"]


def test_one_that_was_heard_is_not() -> None:
    talk = Talk("Hello.").up()
    talk.says("g", 1.0, "Hello.")
    talk.now += 0.5
    talk.feed(inputs.MediaClosed("MZ", stopped=False))
    assert talk.feed(inputs.MediaStarted("MZ2", 2)) == []


def test_the_last_words_are_kept_when_the_line_drops_just_after_them() -> None:
    talk = Talk().up()
    talk.feed(started(), realtime.SpeechStopped("c1", 2000))
    assert talk.feed(inputs.LineWentDown()) == []
    talk.feed(realtime.InputCommitted("c1", None), realtime.InputTranscriptDone("c1", "And one more thing."))
    (final,) = talk.appended(events.TranscriptFinal)
    assert final.text == "And one more thing."


def test_an_utterance_without_words_is_no_utterance() -> None:
    talk = Talk().up()
    talk.feed(started(), realtime.SpeechStopped("c1", 2000), realtime.InputCommitted("c1", None))
    talk.feed(realtime.InputTranscriptDelta("c1", "Hel"), realtime.InputTranscriptFailed("c1", "x", "y"))
    talk.feed(inputs.LineWentDown())
    assert talk.appended(events.TranscriptFinal) == []
    assert [warning.code for warning in talk.appended(events.Warning)] == ["TRANSCRIPTION_FAILED"]


@pytest.mark.parametrize("at_once", [True, False])
def test_an_utterance_without_end_is_cut_where_no_event_would_hold_it_and_that_is_told(at_once: bool) -> None:
    talk = Talk().up()
    talk.feed(started(), realtime.SpeechStopped("c1", 2000), realtime.InputCommitted("c1", None))
    pieces = ["a" * 40_000, "b" * 40_000, "c" * 40_000]
    shown = [effect for piece in pieces for effect in talk.feed(realtime.InputTranscriptDelta("c1", piece))]
    assert shown == [Show("c1", Speaker.CALLER, 0, pieces[0]), Show("c1", Speaker.CALLER, 40_000, "b" * 25_536)]
    if at_once:
        talk.feed(realtime.InputTranscriptDone("c1", "".join(pieces)))
    else:
        talk.feed(inputs.LineWentDown(), inputs.LastCall())
    (final,) = talk.appended(events.TranscriptFinal)
    assert final.text == "a" * 40_000 + "b" * 25_536
    assert talk.appended(events.Warning) == [
        events.Warning("TRANSCRIPT_CUT", "of the utterance at position 1 only the first 65536 characters are kept")
    ]


def test_words_that_turn_out_to_be_few_are_whole() -> None:
    talk = Talk().up()
    talk.says("i1", 2.0, "z" * 70_000)
    talk.echo_all()
    (cut,) = talk.appended(events.TranscriptFinal)
    assert (len(cut.text), cut.heard_text) == (65_536, cut.text)
    talk.feed(started(), realtime.SpeechStopped("c1", 2000), realtime.InputCommitted("c1", None))
    talk.feed(realtime.InputTranscriptDelta("c1", "a" * 70_000), realtime.InputTranscriptDone("c1", "Hello."))
    assert talk.appended(events.TranscriptFinal)[-1].text == "Hello."
    assert len(talk.appended(events.Warning)) == 1, "of the first alone"


def test_a_session_that_expired_is_not_asked_again() -> None:
    talk = Talk("Hello.").up()
    talk.feed(realtime.ResponseCreated("r1"))
    new = talk.feed(realtime.ResponseDone("r1", "failed", "", "session_expired", "", Usage()))
    assert orders(new) == []
    assert ends(talk) == [EndReason.MODEL_LOST]


def test_a_mark_with_a_number_that_nobody_sent_is_no_mark() -> None:
    playout = Playout()
    playout.play("i", base64.b64encode(bytes(160)).decode(), 0.0)
    assert not playout.echoed("g0:i:" + "9" * 5000, 0.1)


def test_words_of_an_answer_that_nobody_heard_are_not_on_record_as_heard() -> None:
    talk = Talk().up()
    talk.says("i1", 5.0, "A long answer.", done=False)
    talk.now += 1.0
    talk.feed(started())
    talk.feed(
        realtime.ItemAdded("i2", "i1", "message", "assistant"),
        realtime.OutputTranscriptDone("i2", "And more."),
        realtime.OutputItemDone("r1", "i2", "incomplete"),
    )
    (final,) = [each for each in talk.appended(events.TranscriptFinal) if each.item_id == "i2"]
    assert (final.heard_text, final.interrupted) == ("", True)


def test_audio_that_names_an_utterance_of_the_caller_is_not_played() -> None:
    talk = Talk().up()
    talk.feed(started(), MediaReceived("MZ", FRAME), MarkEchoed("MZ", "x"))
    assert talk.feed(realtime.AudioDelta("r1", "c1", 0, FRAME)) == []


def test_a_server_that_speaks_before_it_has_the_settings_is_not_answered() -> None:
    talk = Talk(greeting="Hello.")
    talk.feed(inputs.LineWentUp(), inputs.MediaStarted("MZ", 1))
    early = realtime.SessionUpdated("s", "m", "audio/pcmu", "audio/pcmu")
    call = realtime.FunctionCalled("r", "f", "call", "end_call", "{}", True)
    assert talk.feed(early, call, realtime.AudioDelta("r", "i", 0, FRAME), started()) == []


def test_a_stream_that_comes_when_all_is_over_gets_no_greeting() -> None:
    talk = Talk(greeting="Hello.")
    talk.model_ready()
    talk.feed(inputs.LineWentDown())
    assert talk.feed(inputs.MediaStarted("MZ", 1)) == []
