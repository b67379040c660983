"""What the emulated Twilio does on a call is a line on the screen: sounds, keys, recordings, the calls of `<Dial>`."""

from __future__ import annotations

from agenticd.emulator.phone import Moment, Phone, PhoneScript
from agenticd.emulator.screen import Screen
from agenticd.emulator.twilio import Call, Options, Webhook
from agenticd.emulator.twilio.call import Gathered
from agenticd.emulator.twilio.happenings import Asked, Began, Closed, Did, Got, Happening, Obtained, Played, Records
from agenticd.emulator.twilio.recording import Recording
from agenticd.emulator.twilio.twiml import parse
from agenticd.emulator.voice import Voice

ONE, OTHER = "+15550001111", "+15552223333"


def a_call(parent: Call | None = None) -> Call:
    phone = Phone(PhoneScript(), Voice())
    return Call("AC1", ONE, OTHER, "outbound-dial" if parent else "outbound-api", Options(), phone, parent)


def shown(*happenings: Happening) -> list[str]:
    lines: list[str] = []
    screen = Screen(lines.append, clock=lambda: 0.0)
    for happening in happenings:
        screen.show(happening)
    return [" ".join(line[10:].split()) for line in lines]


def test_the_call_of_a_dial_says_whose_it_is():
    parent = a_call()
    child = a_call(parent)
    assert shown(Began(parent), Began(child))[::2] == [
        f"#1 call {ONE} calls {OTHER}",
        f"#2 call {ONE} calls {OTHER}, by the <Dial> of #1",
    ]


def test_sounds_keys_and_sentences():
    call = a_call()
    assert shown(
        Played(call, "1w2"),
        Got(call, Gathered("1234")),
        Got(call, Gathered(speech="A table for two.", confidence=0.987)),
        Got(call, Gathered()),
        Did(call, Moment(1.0, "heard-digit", "5")),
        Asked(call, Webhook("media", "GET", "http://h/a.wav", {}, 200, 0, 0.012, 0.0)),
        Asked(call, Webhook("recording", "POST", "http://h/r", {"RecordingStatus": "absent"}, 204, 0, 0.001, 0.0)),
    ) == [
        "#1 Twilio plays: 1w2",
        "#1 gather digits 1234",
        "#1 gather speech, 0.99 sure: A table for two.",
        "#1 gather nothing",
        "#1 phone heard the tone of 5",
        "#1 webhook sound → GET /a.wav 200, 12 ms",
        "#1 webhook recording absent → POST /r 204, 1 ms",
    ]


def test_a_recording_says_when_it_begins_and_what_became_of_it():
    call = a_call()
    recording = Recording(call, "OutboundAPI", 2)
    call.recordings.append(recording)
    call.phone.sent += b"\x10" * 16000
    recording.finish()
    assert shown(Records(call, recording), Closed(call)) == [
        f"#1 record OutboundAPI begins, stereo: {recording.sid}",
        f"#1 record completed, 2 s: {recording.sid}.wav",
        "#1 call over, all requests are answered",
    ]


def test_the_end_of_a_call_tells_of_callbacks_without_an_answer():
    call = a_call()
    call.callbacks.append(Webhook("voice", "POST", "http://h/v", {}, 200, 0, 0.012, 0.0))
    assert shown(Closed(call)) == ["#1 call over, all requests are answered"]
    call.callbacks.append(Webhook("status", "POST", "http://h/s", {"CallStatus": "completed"}, None, 11205, 0.001, 0.0))
    assert shown(Closed(call)) == ["#1 call over; 1 of 2 requests had no answer"]


def test_the_verbs_of_a_document():
    body = (
        '<Gather input="dtmf speech"><Say>Press one.</Say><Play>http://h/a.wav?x=1</Play></Gather>'
        '<Play digits="1w2"/><Record maxLength="30"/><Dial><Number>+15552224444</Number><Number>+15552225555</Number>'
        "</Dial><Start><Recording/></Start><Stop><Recording/></Stop>"
    )
    document = parse(f"<Response>{body}</Response>".encode())
    assert shown(Obtained(a_call(), document)) == [
        '#1 TwiML <Gather input="dtmf speech"><Say> Press one. <Play> /a.wav <Play digits="1w2"> '
        '<Record maxLength="30"> <Dial> +15552224444, +15552225555 <Start><Recording> <Stop><Recording>'
    ]
