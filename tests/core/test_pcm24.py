"""The audio of calls whose model takes only PCM."""

from __future__ import annotations

import base64

from agenticd.core import events, pcm24, realtime, resample
from agenticd.core.effects import Play, SendAudio
from agenticd.core.mediastream import MediaReceived
from tests.core.test_turn import FRAME, Talk, started


def pcm(seconds: float) -> str:
    return base64.b64encode(b"\x10\x20" * int(seconds * 24000)).decode()


def talk() -> Talk:
    call = Talk(audio="pcm24")
    call.feed(realtime.SessionCreated("sess", "m", 0), realtime.SessionUpdated("sess", "m", "audio/pcm", "audio/pcm"))
    call.up()
    return call


def test_the_lag_is_the_filters() -> None:
    assert pcm24.LAG == resample.DELAY


def test_a_frame_of_the_caller_is_960_bytes_for_the_model() -> None:
    call = talk()
    (sent,) = call.feed(MediaReceived("MZ", FRAME))
    assert isinstance(sent, SendAudio)
    assert len(base64.b64decode(sent.payload)) == 960


def test_an_utterance_reaches_the_phone_to_its_end() -> None:
    call = talk()
    call.feed(realtime.ResponseCreated("r1"), realtime.ItemAdded("i1", None, "message", "assistant"))
    call.feed(realtime.AudioDelta("r1", "i1", 0, pcm(0.05)), realtime.AudioDelta("r1", "i1", 0, pcm(0.05)))
    call.done("i1", "Yes.")
    played = b"".join(base64.b64decode(effect.payload) for effect in call.effects if isinstance(effect, Play))
    assert len(played) % 160 == 0
    assert len(played.rstrip(b"\xff")) >= 800
    assert len(played) <= 800 + resample.DELAY_LOW + 160


def test_the_model_is_told_its_own_time_and_not_the_filters() -> None:
    call = talk()
    call.feed(realtime.ResponseCreated("r1"), realtime.ItemAdded("i1", None, "message", "assistant"))
    call.feed(realtime.AudioDelta("r1", "i1", 0, pcm(2.0)))
    call.now += 1.0
    (cut,) = call.to_model(call.feed(started()))
    assert (cut["type"], cut["audio_end_ms"]) == ("conversation.item.truncate", 998)


def test_what_was_cut_is_not_heard_in_the_next_utterance() -> None:
    call = talk()
    call.feed(realtime.ResponseCreated("r1"), realtime.ItemAdded("i1", None, "message", "assistant"))
    call.feed(realtime.AudioDelta("r1", "i1", 0, pcm(2.0)))
    call.now += 1.0
    call.feed(started())
    call.done("i1", "Cut.", status="cancelled")
    call.feed(realtime.ResponseCreated("r2"), realtime.ItemAdded("i2", None, "message", "assistant"))
    silence = base64.b64encode(bytes(960)).decode()
    plays = [e for e in call.feed(realtime.AudioDelta("r2", "i2", 0, silence)) if isinstance(e, Play)]
    assert [base64.b64decode(play.payload) for play in plays] == [b"\xff" * 160]


def test_a_model_that_offers_another_format_is_refused() -> None:
    call = Talk(audio="pcm24")
    call.feed(realtime.SessionCreated("sess", "m", 0), realtime.SessionUpdated("sess", "m", "audio/pcmu", "audio/pcm"))
    (lost,) = call.appended(events.ModelLost)
    assert lost.code == "FORMAT"


def test_audio_that_is_no_base64_is_a_warning() -> None:
    call = talk()
    call.feed(realtime.ResponseCreated("r1"), realtime.ItemAdded("i1", None, "message", "assistant"))
    call.feed(realtime.AudioDelta("r1", "i1", 0, "###"))
    assert [warning.code for warning in call.appended(events.Warning)] == ["MODEL_AUDIO"]
