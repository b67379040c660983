"""How an agent behaves where its profile says so: greetings to their end, noises, keys, silence, failing answers."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from agenticd.core import events, inputs, realtime
from agenticd.core.effects import Clear, Effect, SendToModel, Tell
from agenticd.core.events import EndReason, Speaker, Usage
from agenticd.core.keypad import PAUSE
from agenticd.core.mediastream import DigitPressed, MediaReceived
from agenticd.core.turn import CHECK_IN, STALLED_AFTER
from tests.core.test_turn import Talk, audio, started

LOUD = base64.b64encode(bytes([0x00, 0x80] * 80)).decode()
QUIET = base64.b64encode(bytes([0xFF, 0x7F] * 80)).decode()


def orders(effects: list[Effect]) -> list[str]:
    """The types of what was sent to the model."""
    return [json.loads(e.message)["type"] for e in effects if isinstance(e, SendToModel)]


def creates(talk: Talk) -> list[str | None]:
    """What each ordered answer was to say."""
    sent = [message for message in talk.to_model() if message["type"] == "response.create"]
    return [message.get("response", {}).get("instructions") for message in sent]


def turn_detection(talk: Talk) -> list[tuple[bool, bool]]:
    updates = [message["session"] for message in talk.to_model() if message["type"] == "session.update"]
    found = [update["audio"]["input"]["turn_detection"] for update in updates]
    return [(each["interrupt_response"], each["create_response"]) for each in found]


def ends(talk: Talk) -> list[EndReason]:
    told = [e.input for e in talk.effects if isinstance(e, Tell)]
    return [each.reason for each in told if isinstance(each, inputs.HangUpRequested)]


def said(talk: Talk, item: str = "c1", at_ms: int = 2000) -> list[Effect]:
    """The caller stops speaking, and the model makes an item of it."""
    new = talk.feed(realtime.SpeechStopped(item, at_ms))
    return new + talk.feed(realtime.InputCommitted(item, None), realtime.ItemAdded(item, None, "message", "user"))


# --- The greeting ------------------------------------------------------------------------------------------------


def greeting() -> Talk:
    talk = Talk("Hello, you.", protect_greeting=True).up()
    talk.says("g", 2.0, "Hello, you.")
    talk.now += 0.5
    return talk


def test_a_protected_greeting_is_said_to_its_end() -> None:
    talk = greeting()
    talk.feed(started())
    assert not any(isinstance(effect, Clear) for effect in talk.effects)
    assert talk.appended(events.AgentInterrupted) == []
    assert talk.appended(events.SpeechStarted)
    talk.now += 1.6
    talk.echo_all()
    (final,) = talk.appended(events.TranscriptFinal)
    assert (final.heard_text, final.interrupted) == ("Hello, you.", False)


def test_until_it_was_heard_the_model_leaves_turns_to_us() -> None:
    talk = greeting()
    assert turn_detection(talk) == [(False, False)]
    talk.now += 1.6
    talk.echo_all()
    assert turn_detection(talk) == [(False, False), (True, True)]


def test_what_the_caller_says_meanwhile_is_answered() -> None:
    talk = greeting()
    talk.feed(started())
    assert orders(said(talk)) == ["response.create"]
    assert creates(talk) == ['Say exactly this, and nothing else: "Hello, you."', None]


def test_an_answer_waits_until_the_model_has_finished_the_greeting() -> None:
    talk = Talk("Hello, you.", protect_greeting=True).up()
    talk.says("g", 2.0, "Hello, you.", done=False)
    talk.feed(started())
    assert said(talk)[-1:] != []
    assert len(creates(talk)) == 1
    assert orders(talk.done("g", "Hello, you.")) == ["response.create"]


def test_after_it_the_caller_can_interrupt() -> None:
    talk = greeting()
    talk.now += 1.6
    talk.echo_all()
    talk.feed(realtime.SessionUpdated("sess", "m", "audio/pcmu", "audio/pcmu"))
    talk.says("i2", 2.0, "And now?", response="r2")
    talk.now += 0.5
    assert any(isinstance(effect, Clear) for effect in talk.feed(started("c2", 4000)))
    assert orders(said(talk, "c2", 5000)) == []


def test_a_greeting_that_the_phone_does_not_confirm_is_over_in_time() -> None:
    talk = greeting()
    due = talk.turn.deadline()
    assert due is not None
    talk.feed(inputs.DeadlinePassed(), at=due)
    assert turn_detection(talk)[-1] == (True, True)


def test_a_model_that_does_not_greet_does_not_protect_for_ever() -> None:
    talk = Talk("Hello, you.", protect_greeting=True).up()
    talk.feed(realtime.ResponseCreated("r1"))
    talk.feed(realtime.ResponseDone("r1", "completed", "", "", "", Usage()))
    assert turn_detection(talk)[-1] == (True, True)


# --- Noises ------------------------------------------------------------------------------------------------------


def speaking(min_interruption: float = 0.3) -> Talk:
    talk = Talk(min_interruption=min_interruption).up()
    talk.says("i1", 10.0, "A long answer of many words.")
    for _ in range(50):
        talk.now += 0.02
        talk.feed(MediaReceived("MZ", QUIET))
    return talk


def hear(talk: Talk, frame: str, count: int) -> list[Effect]:
    new: list[Effect] = []
    for _ in range(count):
        talk.now += 0.02
        new += talk.feed(MediaReceived("MZ", frame))
    return new


def began(talk: Talk, item: str = "c1") -> list[Effect]:
    """The model hears a sound that began right now."""
    return talk.feed(realtime.SpeechStarted(item, int((talk.now - 100.0) * 1000) - 300 + 20))


def test_a_cough_does_not_cut_the_agent_off() -> None:
    talk = speaking()
    began(talk)
    hear(talk, LOUD, 5)
    hear(talk, QUIET, 40)
    assert not any(isinstance(effect, Clear) for effect in talk.effects)
    new = said(talk, at_ms=int((talk.now - 100.0) * 1000))
    assert orders(new) == ["conversation.item.delete"]
    talk.feed(realtime.InputTranscriptDone("c1", "Hm."))
    assert [final for final in talk.appended(events.TranscriptFinal) if final.speaker is Speaker.CALLER] == []


def test_words_do_as_soon_as_they_are_long_enough() -> None:
    talk = speaking()
    assert not any(isinstance(effect, Clear) for effect in began(talk))
    assert not any(isinstance(effect, Clear) for effect in hear(talk, LOUD, 13))
    assert any(isinstance(effect, Clear) for effect in hear(talk, LOUD, 2))
    assert orders(said(talk)) == ["response.create"]


def test_a_sound_that_was_long_enough_when_the_model_heard_it_interrupts_at_once() -> None:
    talk = speaking()
    hear(talk, LOUD, 20)
    start = int((talk.now - 100.0) * 1000) - 300 - 380
    assert any(isinstance(effect, Clear) for effect in talk.feed(realtime.SpeechStarted("c1", start)))


def test_a_short_word_while_the_agent_is_silent_is_answered() -> None:
    talk = Talk(min_interruption=0.5).up()
    began(talk)
    hear(talk, LOUD, 8)
    assert orders(said(talk)) == ["response.create"]


def test_an_interruption_stops_the_answer_that_the_model_would_go_on_with() -> None:
    talk = Talk(min_interruption=0.1).up()
    talk.says("i1", 10.0, "A long answer.", done=False)
    began(talk)
    new = hear(talk, LOUD, 8)
    assert orders(new) == ["response.cancel", "conversation.item.truncate"]
    late = talk.feed(realtime.AudioDelta("r1", "i1", 0, audio(1.0)))
    assert late == []


def test_an_answer_that_was_ordered_and_has_not_begun_is_stopped_when_it_begins() -> None:
    talk = Talk(min_interruption=0.1).up()
    began(talk)
    hear(talk, LOUD, 8)
    said(talk)
    began(talk, "c2")
    hear(talk, LOUD, 8)
    assert orders(talk.feed(realtime.ResponseCreated("r1"))) == ["response.cancel"]
    talk.feed(realtime.ResponseDone("r1", "cancelled", "client_cancelled", "", "", Usage()))
    assert orders(said(talk, "c2")) == ["response.create"]


# --- What nobody heard -------------------------------------------------------------------------------------------


def test_items_that_come_after_the_interruption_are_deleted_at_the_model() -> None:
    talk = Talk().up()
    talk.says("i1", 10.0, "A long answer.", done=False)
    talk.now += 1.0
    talk.feed(started())
    new = talk.feed(
        realtime.ItemAdded("i2", "i1", "message", "assistant"),
        realtime.AudioDelta("r1", "i2", 0, audio(1.0)),
        realtime.OutputTranscriptDone("i2", "And more."),
        realtime.OutputItemDone("r1", "i2", "incomplete"),
    )
    assert [(m["type"], m["item_id"]) for m in talk.to_model(new)] == [("conversation.item.delete", "i2")]
    (final,) = [f for f in talk.appended(events.TranscriptFinal) if f.item_id == "i2"]
    assert (final.text, final.heard_text, final.interrupted) == ("And more.", "", True)


# --- Keys --------------------------------------------------------------------------------------------------------


def keys(talk: Talk) -> list[str]:
    items = [message["item"] for message in talk.to_model() if message["type"] == "conversation.item.create"]
    return [item["content"][0]["text"] for item in items]


def test_keys_are_told_to_the_model_when_they_are_a_whole() -> None:
    talk = Talk(digits_to_model=True).up()
    for digit in "12":
        talk.feed(DigitPressed("MZ", digit))
        talk.now += 0.5
    due = talk.turn.deadline()
    assert due == talk.now - 0.5 + PAUSE
    talk.feed(inputs.DeadlinePassed(), at=due)
    assert keys(talk) == ["The caller pressed these keys of the telephone: 1 2"]
    assert creates(talk) == [None]
    assert [each.digit for each in talk.appended(events.DigitReceived)] == ["1", "2"]


def test_the_hash_key_ends_what_is_typed() -> None:
    talk = Talk(digits_to_model=True).up()
    talk.feed(DigitPressed("MZ", "7"), DigitPressed("MZ", "#"))
    assert talk.turn.deadline() == talk.now
    talk.feed(inputs.DeadlinePassed())
    talk.feed(DigitPressed("MZ", "8"), DigitPressed("MZ", "#"), inputs.DeadlinePassed())
    assert [text[-3:] for text in keys(talk)] == ["7 #", "8 #"]


def test_keys_do_not_take_a_place_in_the_conversation() -> None:
    talk = Talk(digits_to_model=True).up()
    talk.feed(DigitPressed("MZ", "#"), inputs.DeadlinePassed())
    (item,) = [m["item"] for m in talk.to_model() if m["type"] == "conversation.item.create"]
    talk.feed(realtime.ItemAdded(item["id"], None, "message", "user"))
    talk.says("i1", 0.5, "Seven.")
    talk.now += 1.0
    talk.echo_all()
    (final,) = talk.appended(events.TranscriptFinal)
    assert final.position == 1


def test_by_default_keys_are_events_only() -> None:
    talk = Talk().up()
    talk.feed(DigitPressed("MZ", "#"), inputs.DeadlinePassed())
    assert keys(talk) == []


# --- Silence -----------------------------------------------------------------------------------------------------

QUIETLY: dict[str, Any] = {"check_in_after": 20.0, "hang_up_after": 10.0}


def wait(talk: Talk) -> float:
    """Let deadlines pass until one has an effect; the seconds until then."""
    before = talk.now
    while (due := talk.turn.deadline()) is not None:
        if talk.feed(inputs.DeadlinePassed(), at=max(talk.now, due)):
            return round(talk.now - before, 6)
    raise AssertionError("nothing is due")


def test_when_nobody_speaks_the_agent_asks_once_and_then_gives_up() -> None:
    talk = Talk(**QUIETLY).up()
    assert wait(talk) == 20.0
    assert creates(talk) == [CHECK_IN]
    talk.says("i1", 2.0, "Are you there?")
    talk.now += 2.0
    talk.echo_all()
    assert ends(talk) == []
    assert wait(talk) == 10.0
    assert ends(talk) == [EndReason.SILENCE]
    assert creates(talk) == [CHECK_IN]


def test_the_question_can_be_given_word_for_word() -> None:
    talk = Talk(**QUIETLY, check_in="Still there?").up()
    wait(talk)
    assert creates(talk) == ['Say exactly this, and nothing else: "Still there?"']


@pytest.mark.parametrize("sign", ["speech", "key"])
def test_any_sign_of_the_caller_begins_a_new_silence(sign: str) -> None:
    talk = Talk(**QUIETLY).up()
    wait(talk)
    talk.says("i1", 2.0, "Are you there?")
    talk.now += 3.0
    talk.echo_all()
    if sign == "key":
        talk.feed(DigitPressed("MZ", "1"))
    else:
        talk.feed(started())
        talk.now += 5.0
        talk.feed(realtime.SpeechStopped("c1", 5000))
    assert wait(talk) == 20.0
    assert ends(talk) == []


def test_silence_begins_when_the_phone_has_played_everything() -> None:
    talk = Talk(**QUIETLY).up()
    talk.now += 5.0
    talk.says("i1", 60.0, "A very long story.")
    talk.now += 60.0
    talk.echo_all()
    assert wait(talk) == 20.0


def test_nobody_is_asked_while_they_speak_or_the_model_is_about_to_answer() -> None:
    talk = Talk(**QUIETLY).up()
    talk.feed(started())
    assert talk.turn.deadline() is None
    talk.feed(realtime.SpeechStopped("c1", 2000), realtime.ResponseCreated("r1"))
    assert talk.turn.deadline() == talk.now + STALLED_AFTER


def test_without_a_question_silence_just_ends_the_call() -> None:
    talk = Talk(hang_up_after=10.0).up()
    assert wait(talk) == 10.0
    assert (creates(talk), ends(talk)) == ([], [EndReason.SILENCE])


def test_without_limits_silence_is_for_ever() -> None:
    talk = Talk().up()
    assert talk.turn.deadline() is None
    asked = Talk(check_in_after=5.0).up()
    wait(asked)
    asked.says("i1", 1.0, "Are you there?")
    asked.now += 1.0
    asked.echo_all()
    asked.feed(inputs.DeadlinePassed(), at=asked.now + 3600.0)
    assert ends(asked) == []


# --- Answers that fail -------------------------------------------------------------------------------------------


def fail(talk: Talk, code: str, response: str = "r1") -> list[Effect]:
    talk.feed(realtime.ResponseCreated(response))
    return talk.feed(realtime.ResponseDone(response, "failed", "", code, "", Usage()))


def test_an_answer_that_fails_is_asked_for_once_more() -> None:
    talk = Talk("Hello.").up()
    assert orders(fail(talk, "server_error")) == ["response.create"]
    assert creates(talk) == ['Say exactly this, and nothing else: "Hello."'] * 2
    assert [warning.code for warning in talk.appended(events.Warning)] == ["MODEL_ERROR"]
    fail(talk, "server_error", "r2")
    assert ends(talk) == [EndReason.MODEL_LOST]


def test_an_answer_between_them_forgives() -> None:
    talk = Talk("Hello.").up()
    fail(talk, "server_error")
    talk.says("i1", 1.0, "Hello.", response="r2")
    fail(talk, "server_error", "r3")
    assert ends(talk) == []


@pytest.mark.parametrize("code", ["rate_limit_exceeded", "insufficient_quota"])
def test_where_asking_again_is_of_no_use_the_model_is_lost(code: str) -> None:
    talk = Talk("Hello.").up()
    new = fail(talk, code)
    assert orders(new) == []
    assert ends(talk) == [EndReason.MODEL_LOST]
    (lost,) = talk.appended(events.ModelLost)
    assert lost.code == code


def test_a_model_that_begins_an_answer_and_falls_silent_is_lost() -> None:
    talk = Talk().up()
    talk.says("i1", 2.0, "Let me", done=False)
    assert wait(talk) == 2.0 + STALLED_AFTER
    assert ends(talk) == [EndReason.MODEL_LOST]


def test_an_order_that_crossed_with_the_models_own_answer_is_not_given_again_if_it_was_to_say_words() -> None:
    talk = Talk("Hello.").up()
    talk.feed(
        realtime.ModelFault("invalid_request_error", "conversation_already_has_active_response", "", "", "answer")
    )
    talk.says("i1", 1.0, "Yes?")
    assert len(creates(talk)) == 1
    assert talk.appended(events.Warning) == []


def test_an_answer_to_keys_that_crossed_is_given_when_the_model_is_free() -> None:
    talk = Talk(digits_to_model=True).up()
    talk.feed(DigitPressed("MZ", "#"), inputs.DeadlinePassed())
    talk.feed(
        realtime.ModelFault("invalid_request_error", "conversation_already_has_active_response", "", "", "answer")
    )
    talk.feed(realtime.ResponseCreated("r1"))
    new = talk.feed(realtime.ResponseDone("r1", "completed", "", "", "", Usage()))
    assert orders(new) == ["response.create"]
