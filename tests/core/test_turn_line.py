"""The talk when its line goes down, and when one stream takes the place of another."""

from __future__ import annotations

from agenticd.core import events, inputs, realtime
from agenticd.core.effects import Clear, Play, Show
from agenticd.core.events import Speaker, Usage
from agenticd.core.mediastream import MediaReceived
from tests.core.test_turn import FRAME, Talk, settled, started

# --- After the line went down ------------------------------------------------------------------------------------


def test_what_the_agent_says_after_the_line_went_down_is_not_on_record_as_heard() -> None:
    talk = Talk().up()
    talk.feed(started("c1", 0))
    talk.feed(inputs.LineWentDown())
    before = len(talk.effects)
    talk.says("a9", 2.0, "Tomorrow we are open from five.", response="r9")
    assert not [e for e in talk.effects[before:] if isinstance(e, (Play, Show))]
    assert [f for f in talk.appended(events.TranscriptFinal) if f.speaker is Speaker.AGENT] == []


def test_after_the_line_went_down_the_model_gets_no_audio_and_its_answer_is_stopped() -> None:
    talk = Talk().up()
    talk.says("a1", 4.0, "one two three four", done=False)
    effects = talk.feed(inputs.LineWentDown())
    assert {"type": "response.cancel"} in talk.to_model(effects)
    assert talk.feed(MediaReceived("MZ", FRAME)) == []
    assert talk.feed(started("c2", 2000)) == []


def test_what_the_stopped_answer_used_is_in_the_sum() -> None:
    talk = Talk().up()
    talk.says("a1", 4.0, "one two three four", done=False)
    talk.feed(inputs.LineWentDown())
    assert settled(talk) == []
    talk.feed(realtime.ResponseDone("r1", "cancelled", "client_cancelled", "", "", Usage(output_tokens=9)))
    assert settled(talk)[-1].usage == Usage(output_tokens=9)


def test_what_an_answer_used_that_is_done_after_all_was_settled_is_in_the_sum_too() -> None:
    talk = Talk().up()
    talk.says("a1", 4.0, "one two three four", done=False)
    talk.feed(inputs.LineWentDown())
    talk.feed(inputs.DeadlinePassed(), at=talk.turn.deadline())
    assert settled(talk)[-1].usage == Usage()
    talk.feed(realtime.ResponseDone("r1", "cancelled", "client_cancelled", "", "", Usage(output_tokens=9)))
    assert settled(talk)[-1].usage == Usage(output_tokens=9)


# --- Streams that go and come ------------------------------------------------------------------------------------


def test_the_end_of_a_replaced_stream_does_not_touch_the_new_one() -> None:
    talk = Talk().up()
    talk.feed(inputs.MediaStarted("MZ2", 2))
    talk.says("a1", 10.0, "a long answer")
    talk.feed(inputs.MediaClosed("MZ", stopped=False))
    talk.now += 2.0
    effects = talk.feed(started())
    assert effects[0] == Clear()
    assert talk.to_model(effects)[0]["audio_end_ms"] == 2000


def test_what_a_lost_stream_had_not_played_was_not_heard() -> None:
    talk = Talk().up()
    talk.says("a1", 10.0, "one two three four five six seven eight nine ten")
    talk.now += 1.0
    effects = talk.feed(inputs.MediaClosed("MZ", stopped=False))
    assert talk.to_model(effects)[0]["audio_end_ms"] == 1000
    (final,) = talk.appended(events.TranscriptFinal)
    assert (final.heard_text, final.interrupted) == ("one", True)


def test_what_is_said_while_there_is_no_stream_was_not_heard() -> None:
    talk = Talk().up()
    talk.feed(inputs.MediaClosed("MZ", stopped=False))
    effects = talk.says("a1", 1.0, "Hello?")
    assert not [e for e in effects if isinstance(e, Play)]
    (final,) = talk.appended(events.TranscriptFinal)
    assert (final.heard_text, final.interrupted) == ("", True)
