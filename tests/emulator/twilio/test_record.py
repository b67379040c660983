"""`<Record>` and recordings of whole calls: cut where Twilio cuts, told as Twilio tells, with exactly what was said."""

from __future__ import annotations

import io
import wave

import aiohttp
import numpy as np
import pytest

from agenticd.emulator.phone import Line, Phone, PhoneScript
from agenticd.emulator.twilio import Call, Options
from agenticd.emulator.twilio.recording import Recording
from agenticd.emulator.voice import ulaw
from tests.emulator.twilio.conftest import HELLO, WORLD, Account, Tones
from tests.emulator.twilio.customer import Customer
from tests.emulator.twilio.test_dial import HUM, LEAVES, OTHER, answers, dials, joined, talk

SILENCE = b"\xff"


def records(customer: Customer, attributes: str = "", after: str = "<Redirect>/next</Redirect>") -> None:
    customer.documents["/voice"] = f'<Response><Record action="/done" {attributes}/>{after}</Response>'
    customer.documents["/done"] = customer.documents["/next"] = "<Response/>"


def after_the_beep(audio: bytes, *then: Line) -> PhoneScript:
    return PhoneScript(ring=0, lines=(Line(audio=audio, pause=0.8), *then))


async def sound(account: Account, url: str) -> list[bytes]:
    """The channels of a recording as mu-law, as they are had over REST."""
    server = account.server
    auth = aiohttp.encode_basic_auth(server.config.account_sid, server.config.auth_token)
    async with aiohttp.ClientSession() as http, http.get(url, headers={"Authorization": auth}) as response:
        assert response.status == 200, await response.text()
        body = await response.read()
    with wave.open(io.BytesIO(body)) as file:
        assert (file.getsampwidth(), file.getframerate()) == (2, 8000)
        frames = np.frombuffer(file.readframes(10_000_000), dtype="<i2").reshape(-1, file.getnchannels())
    return [ulaw.encode(np.ascontiguousarray(frames[:, channel])) for channel in range(frames.shape[1])]


def same(audio: bytes) -> bytes:
    """As it comes back through PCM: mu-law has two codes for zero."""
    return ulaw.encode(ulaw.decode(audio)).strip(SILENCE)


async def test_silence_ends_it_and_the_action_gets_what_was_said(account: Account, customer: Customer):
    records(customer, 'timeout="2"')
    call = await account.dial(after_the_beep(HELLO))
    assert await call.ended() == "completed"
    (done,) = customer.at("/done")
    (recording,) = call.recordings
    assert done.signed
    assert done.form["RecordingUrl"] == f"{account.server.api_url}{recording.uri}"
    assert done.form["RecordingSid"] == recording.sid
    assert (done.form["RecordingDuration"], done.form["Digits"]) == (str(recording.seconds), "")
    (said,) = await sound(account, done.form["RecordingUrl"] + ".wav")
    assert said.strip(SILENCE) == same(HELLO)
    assert len(said) <= len(HELLO) + 640, "silence is trimmed from both ends"
    assert customer.at("/next") == []


@pytest.mark.parametrize(
    ("attributes", "keys", "digits"), [("", "5", "5"), ('finishOnKey="#"', "12#3", "#"), ('finishOnKey="*"', "*", "*")]
)
async def test_a_key_ends_it(account: Account, customer: Customer, attributes: str, keys: str, digits: str):
    records(customer, attributes)
    call = await account.dial(after_the_beep(HELLO, Line(press=keys, after="time", pause=0.1)))
    await call.ended()
    assert [request.form["Digits"] for request in customer.at("/done")] == [digits]


async def test_it_is_no_longer_than_it_may_be_and_keeps_silence_if_told_to(account: Account, customer: Customer):
    records(customer, 'maxLength="1" trim="do-not-trim"')
    call = await account.dial(after_the_beep(HELLO * 20))
    await call.ended()
    assert customer.at("/done")[0].form["RecordingDuration"] == "1"
    (said,) = await sound(account, customer.at("/done")[0].form["RecordingUrl"])
    assert len(said) == pytest.approx(8000, abs=800)
    assert said[:1000] == SILENCE * 1000


def test_what_comes_at_once_after_its_end_is_not_of_it():
    phone = Phone(PhoneScript(), Tones())
    recording = Recording(Call("AC1", "+15550001111", "+15550002222", "outbound-api", Options(), phone), "RecordVerb")
    phone.sent += HELLO + WORLD
    phone.heard[:] = SILENCE * len(phone.sent)
    recording.finish(len(HELLO))
    with wave.open(io.BytesIO(recording.wav())) as file:
        assert file.getnframes() == len(HELLO)


async def test_who_hangs_up_has_been_recorded_and_the_action_is_told(account: Account, customer: Customer):
    records(customer)
    call = await account.dial(after_the_beep(HELLO, LEAVES))
    assert await call.ended() == "completed"
    (done,) = customer.at("/done")
    assert (done.form["Digits"], done.form["CallStatus"]) == ("hangup", "completed")
    (said,) = await sound(account, done.form["RecordingUrl"])
    assert said.strip(SILENCE) == same(HELLO)
    assert customer.at("/next") == []


async def test_an_empty_one_goes_on_with_the_next_verb(account: Account, customer: Customer):
    records(customer, 'timeout="1" recordingStatusCallback="/rec" recordingStatusCallbackEvent="completed absent"')
    call = await account.dial()
    await call.ended()
    assert (customer.at("/done"), len(customer.at("/next"))) == ([], 1)
    assert [request.form["RecordingStatus"] for request in customer.at("/rec")] == ["absent"]
    beep = bytes(call.phone.heard).strip(SILENCE)
    assert 1000 < len(beep) < 2400, "it was heard, and not recorded"
    assert call.recordings[0].status == "absent"


async def test_a_recording_tells_of_itself_with_its_own_parameters_only(account: Account, customer: Customer):
    records(
        customer,
        'timeout="2" recordingStatusCallback="/rec" recordingStatusCallbackMethod="GET" '
        'recordingStatusCallbackEvent="in-progress completed"',
    )
    call = await account.dial(after_the_beep(HELLO))
    await call.ended()
    began, ended = customer.at("/rec")
    assert (began.method, began.signed, ended.signed) == ("GET", True, True)
    assert began.form["RecordingStatus"] == "in-progress"
    assert set(ended.form) == {
        "AccountSid", "CallSid", "RecordingSid", "RecordingUrl", "RecordingStatus", "RecordingDuration",
        "RecordingChannels", "RecordingStartTime", "RecordingSource", "RecordingTrack",
    }  # fmt: skip
    shown = {name: ended.form[name] for name in ("RecordingStatus", "RecordingChannels", "RecordingSource")}
    assert shown == {"RecordingStatus": "completed", "RecordingChannels": "1", "RecordingSource": "RecordVerb"}
    assert ended.form["CallSid"] == call.sid


async def test_transcription_is_not_built_and_says_so(account: Account, customer: Customer):
    records(customer, 'timeout="1" transcribe="true"')
    await (await account.dial()).ended()
    assert [(notice.code, notice.level) for notice in account.server.debugger] == [(0, "emulator")]


# Whole calls.


async def whole(account: Account, customer: Customer, **form: str) -> Call:
    customer.documents["/voice"] = "<Response><Say>one two three</Say><Pause length='600'/></Response>"
    lines = (Line(audio=HELLO, pause=0.2), LEAVES)
    call = await account.dial(PhoneScript(ring=0, lines=lines), Record="true", **form)
    assert await call.ended() == "completed"
    return call


async def test_a_call_that_was_created_with_record_has_both_sides(account: Account, customer: Customer):
    call = await whole(
        account, customer, RecordingChannels="dual", RecordingStatusCallback=customer.url("/rec"), Trim="do-not-trim"
    )
    (recording,) = call.recordings
    assert (recording.source, recording.channels) == ("OutboundAPI", 2)
    said, heard = await sound(account, f"{account.server.api_url}{recording.uri}.wav")
    assert said.strip(SILENCE) == same(HELLO)
    assert heard.strip(SILENCE) == same(Tones().say("one two three", "agent"))
    assert len(said) == len(call.phone.sent)
    (told,) = customer.at("/rec")
    assert (told.form["RecordingSource"], told.form["RecordingChannels"]) == ("OutboundAPI", "2")
    last = customer.at("/status")[-1].form
    assert (last["CallStatus"], last["RecordingSid"]) == ("completed", recording.sid)
    assert last["RecordingUrl"].endswith(recording.uri)
    assert last["RecordingDuration"] == str(recording.seconds)


@pytest.mark.parametrize("at", [0, 1, 80, 155, 159, 160])
def test_trimming_cuts_nothing_of_a_sound_wherever_in_a_frame_it_begins(at: int):
    phone = Phone(PhoneScript(), Tones())
    call = Call("AC1", "+15550001111", "+15550002222", "outbound-api", Options(), phone)
    recording = Recording(call, "OutboundAPI", trim=True)
    tone = Tones().say("one", "agent")
    phone.sent += SILENCE * 4000
    phone.heard[:] = SILENCE * (1600 + at) + tone + SILENCE * (2400 - at - len(tone))
    recording.finish()
    with wave.open(io.BytesIO(recording.wav())) as file:
        heard = ulaw.encode(np.frombuffer(file.readframes(10_000), dtype="<i2"))
    assert heard.strip(SILENCE) == same(tone)


async def test_one_channel_is_both_voices_mixed(account: Account, customer: Customer):
    call = await whole(account, customer)
    (mixed,) = await sound(account, f"{account.server.api_url}{call.recordings[0].uri}.wav")
    assert mixed.strip(SILENCE).startswith(same(Tones().say("one two three", "agent")))
    assert same(HELLO)[-200:] in mixed


@pytest.mark.parametrize("track", ["inbound", "outbound"])
async def test_one_track_is_one_side(account: Account, customer: Customer, track: str):
    call = await whole(account, customer, RecordingTrack=track)
    (said,) = await sound(account, f"{account.server.api_url}{call.recordings[0].uri}.wav")
    wanted = HELLO if track == "inbound" else Tones().say("one two three", "agent")
    assert said.strip(SILENCE) == same(wanted)


async def test_a_call_that_is_not_recorded_says_nothing_of_recordings(account: Account, customer: Customer):
    customer.documents["/voice"] = "<Response><Say>one</Say></Response>"
    call = await account.dial()
    await call.ended()
    assert call.recordings == []
    assert not any(name.startswith("Recording") for request in customer.requests for name in request.form)


async def test_start_records_all_that_follows_a_stream_included_and_stop_ends_it(account: Account, customer: Customer):
    async def media(socket) -> None:
        await socket.play(WORLD)
        while HELLO not in socket.audio():
            await socket.until("media", len(socket.of("media")) + 1)
        await socket.ws.close()

    customer.media = media
    start = '<Start><Recording recordingStatusCallback="/rec"/></Start>'
    stop = "<Stop><Recording/></Stop><Say>not recorded</Say>"
    customer.documents["/voice"] = customer.connect(after=stop).replace("<Connect>", f"{start}<Connect>")
    call = await account.dial(answers(HELLO))
    await call.ended()
    said, heard = await sound(account, f"{account.server.api_url}{call.recordings[0].uri}.wav")
    assert same(HELLO) in said
    assert heard.strip(SILENCE) == same(WORLD)
    assert customer.at("/rec")[0].form["RecordingSource"] == "StartCallRecordingTwiML"


async def test_a_dial_is_recorded_with_the_caller_first(account: Account, customer: Customer):
    dials(customer, f'<Dial action="/over" record="record-from-answer-dual">{OTHER}</Dial>')
    call, child = await joined(account)
    await talk(account, call, child)
    await call.ended()
    url = customer.at("/over")[0].form["RecordingUrl"]
    caller, called = await sound(account, f"{url}.wav")
    assert caller.translate(None, HUM + SILENCE) == same(HELLO)
    assert called.translate(None, HUM + SILENCE) == same(WORLD)
    assert call.recordings[0].source == "DialVerb"
