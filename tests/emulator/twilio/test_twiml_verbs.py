"""`<Play>`, `<Gather>`, `<Record>`, `<Dial>`: what the helper library writes is read, and Twilio's warnings given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.twiml import voice_response as library

from agenticd.emulator.twilio.debugger import Debugger
from agenticd.emulator.twilio.twiml import (
    Dial,
    Document,
    Gather,
    Hangup,
    Number,
    Pause,
    Play,
    Record,
    Say,
    StartRecording,
    StopRecording,
    Told,
    parse,
)
from agenticd.emulator.twilio.twiml.attributes import KNOWN
from tests.emulator.twilio.test_twiml import response


def test_what_the_helper_library_writes_is_read_back():
    written = library.VoiceResponse()
    start = library.Start()
    start.recording(recording_status_callback="/rec", channels="mono", track="inbound", trim="trim-silence")
    written.append(start)
    gather = library.Gather(
        input="dtmf speech", action="/got?a=1&b=2", method="GET", timeout=3, speech_timeout="auto", num_digits=4,
        finish_on_key="*", barge_in=False, action_on_empty_result=True, language="de-DE", hints="yes, no",
    )  # fmt: skip
    gather.say("Hello", loop=2)
    gather.play("/hi.wav")
    gather.pause(length=2)
    written.append(gather)
    written.play("https://h/a.wav", loop=0)
    written.play("", digits="1w#")
    written.record(
        action="/done", timeout=7, finish_on_key="#", max_length=30, play_beep=False, trim="do-not-trim",
        recording_status_callback="/rec", recording_status_callback_method="GET",
        recording_status_callback_event="in-progress completed",
    )  # fmt: skip
    dial = library.Dial(
        action="/over", caller_id="+15550001111", timeout=10, time_limit=60, hangup_on_star=True, record="true",
        sequential=True,
    )  # fmt: skip
    dial.number(
        "+15552223333", url="/whisper", status_callback="/leg", status_callback_event="initiated answered",
        send_digits="ww5",
    )  # fmt: skip
    dial.number("(555) 222-4444")
    written.append(dial)
    written.dial("555.222.5555")
    read = parse(str(written).encode())
    assert read.warnings == ()
    assert read.verbs == (
        StartRecording(channels=1, track="inbound", trim=True, told=Told("/rec")),
        Gather(
            prompts=(Say("Hello", 2), Play("/hi.wav"), Pause(2)),
            dtmf=True, speech=True, action="/got?a=1&b=2", method="GET", timeout=3, speech_timeout=None, num_digits=4,
            finish_on_key="*", barge_in=False, action_on_empty_result=True,
        ),
        Play("https://h/a.wav", loop=0),
        Play("", digits="1w#"),
        Record(
            action="/done", timeout=7, finish_on_key="#", max_length=30, play_beep=False, trim=False,
            told=Told("/rec", "GET", frozenset({"in-progress", "completed"})),
        ),
        Dial(
            numbers=(
                Number(
                    "+15552223333", url="/whisper", status_callback="/leg", send_digits="ww5",
                    events=frozenset({"initiated", "answered"}),
                ),
                Number("+15552224444"),
            ),
            action="/over", caller_id="+15550001111", timeout=10, time_limit=60, hangup_on_star=True, sequential=True,
            record="mono",
        ),
        Dial((Number("+15552225555"),)),
    )  # fmt: skip


def test_twilios_defaults():
    body = "<Gather/><Record/><Start><Recording/></Start><Stop><Recording/></Stop><Dial>+15552223333</Dial>"
    verbs = response(body).verbs
    assert verbs == (
        Gather(dtmf=True, speech=False, timeout=5, speech_timeout=5, num_digits=None, finish_on_key="#"),
        Record(timeout=5, finish_on_key="1234567890*#", max_length=3600, play_beep=True, trim=True),
        StartRecording(channels=2, track="both", trim=False),
        StopRecording(),
        Dial((Number("+15552223333"),), timeout=30, time_limit=14400, trim=True),
    )


def test_the_speech_timeout_is_the_timeout_if_it_is_not_given():
    assert response('<Gather input="speech" timeout="9"/>').verbs == (
        Gather(dtmf=False, speech=True, timeout=9, speech_timeout=9),
    )


DIAL = (Dial((Number("+15552223333"),)),)


@pytest.mark.parametrize(
    ("element", "verbs", "code"),
    [
        ("<Play/>", (), 12200),
        ('<Play loop="-1">/x</Play>', (Play("/x"),), 13410),
        ('<Play digits="12x"/>', (), 13430),
        ('<Pause length="0"/>', (Pause(1),), 13910),
        ('<Gather finishOnKey="a"/>', (Gather(),), 13310),
        ('<Gather finishOnKey="12"/>', (Gather(),), 13311),
        ('<Gather method="PUT"/>', (Gather(),), 13312),
        ('<Gather timeout="soon"/>', (Gather(),), 13313),
        ('<Gather numDigits="0"/>', (Gather(),), 13314),
        ("<Gather><Dial>1</Dial></Gather>", (Gather(),), 13320),
        ('<Gather><Say loop="x">a</Say></Gather>', (Gather((Say("a"),)),), 13322),
        ('<Gather input="touch"/>', (Gather(),), 13326),
        ('<Gather speechTimeout="-2"/>', (Gather(),), 13327),
        ('<Gather bargeIn="maybe"/>', (Gather(),), 13332),
        ('<Gather actionOnEmptyResult="1"/>', (Gather(),), 13338),
        ("<Gather><Say>a<break/></Say></Gather>", (Gather(),), 0),
        ('<Gather partialResultCallback="/p"/>', (Gather(),), 0),
        ('<Record method="PUT"/>', (Record(),), 13610),
        ('<Record timeout="0"/>', (Record(),), 13611),
        ('<Record maxLength="long"/>', (Record(),), 13612),
        ('<Record finishOnKey="x"/>', (Record(),), 13613),
        ('<Record playBeep="loud"/>', (Record(),), 13616),
        ('<Record trim="yes"/>', (Record(),), 13699),
        ('<Record recordingStatusCallback="ftp://h"/>', (Record(),), 13256),
        ('<Record recordingStatusCallbackEvent="begun"/>', (Record(),), 13621),
        ('<Record transcribe="true"/>', (Record(),), 0),
        ("<Dial/>", (), 12200),
        ('<Dial method="PUT">+15552223333</Dial>', DIAL, 13210),
        ('<Dial timeout="601">+15552223333</Dial>', DIAL, 13212),
        ('<Dial hangupOnStar="x">+15552223333</Dial>', DIAL, 13213),
        ("<Dial>+15552223333<Say>a</Say></Dial>", DIAL, 13215),
        ('<Dial timeLimit="0">+15552223333</Dial>', DIAL, 13216),
        ('<Dial record="maybe">+15552223333</Dial>', DIAL, 13217),
        ('<Dial sequential="x">+15552223333</Dial>', DIAL, 13218),
        ('<Dial answerOnBridge="true">+15552223333</Dial>', DIAL, 0),
        ('<Dial passports="all">+15552223333</Dial>', DIAL, 0),
        ('<Dial><Number method="PUT">+15552223333</Number></Dial>', DIAL, 13221),
        ('<Dial><Number sendDigits="x">+15552223333</Number></Dial>', DIAL, 13222),
        ('<Dial><Number statusCallbackEvent="begun">+15552223333</Number></Dial>', DIAL, 21626),
        ('<Dial><Number machineDetection="Enable">+15552223333</Number></Dial>', DIAL, 0),
        ("<Start/>", (), 12200),
        ("<Start><Say>a</Say></Start>", (), 14300),
        ("<Number>+15552223333</Number>", (), 12200),
    ],
)
def test_what_is_wrong_is_warned_of_with_its_own_code_and_the_document_goes_on(element: str, verbs, code: int):
    document = response(f"{element}<Hangup/>")
    assert document.verbs == (*verbs, Hangup())
    assert code in [flaw.code for flaw in document.warnings]


def test_only_ten_numbers_are_dialled():
    numbers = "".join(f"<Number>+1555222{n:04}</Number>" for n in range(12))
    document = response(f"<Dial>{numbers}</Dial>")
    (dial,) = document.verbs
    assert isinstance(dial, Dial)
    assert [number.number for number in dial.numbers] == [f"+1555222{n:04}" for n in range(10)]
    assert [flaw.code for flaw in document.warnings] == [13250, 13250]


@pytest.mark.parametrize(("code", "level"), [(13313, "warning"), (13420, "error"), (13214, "warning"), (0, "emulator")])
def test_warnings_and_errors_are_told_apart_as_twilio_does(code: int, level: str):
    debugger = Debugger()
    debugger.note(code, "", "")
    assert debugger[0].level == level


VALUES = st.sampled_from(["", "0", "1", "-1", "9" * 5000, "²", "auto", "true", "dtmf speech", "*", "\u0663", "x y"])


@given(st.data())
def test_whatever_stands_in_the_attributes_is_read(data: st.DataObject):
    tag = data.draw(st.sampled_from(sorted(KNOWN.keys() - {"Response"})))
    attributes = data.draw(st.dictionaries(st.sampled_from(sorted(KNOWN[tag]) or ["x"]), VALUES, max_size=4))
    inner = data.draw(st.sampled_from(["", "+15552223333", "<Say>a</Say>", "<Number/>", "<Recording trim=''/>"]))
    written = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    assert isinstance(response(f"<{tag} {written}>{inner}</{tag}>"), Document)
