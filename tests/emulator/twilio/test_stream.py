"""The media stream as a server sees it: Twilio's messages, buffer, marks and ends, to the letter."""

from __future__ import annotations

import asyncio
import base64
import json
import socket as sockets
import ssl
import struct
from pathlib import Path

import pytest

from agenticd.emulator.phone import Line, PhoneScript
from agenticd.emulator.twilio import TwilioServer
from agenticd.emulator.twilio.stream import StreamRefused, check_url
from tests.certificates import LOOPBACK, make
from tests.emulator.twilio.conftest import Account
from tests.emulator.twilio.customer import Customer, Socket

TONE = b"\x00\x80" * 400  # 0.1 s
PARAMETERS = '<Parameter name="call" value="01J &amp; co"/><Parameter name="token" value="t"/>'


async def hang_up(account: Account, sid: str) -> None:
    status, body = await account.post(f"Calls/{sid}.json", {"Status": "completed"})
    assert (status, body["status"]) == (200, "completed")


async def test_the_first_messages_are_connected_and_start_with_all_their_fields(account: Account, customer: Customer):
    customer.documents["/voice"] = customer.connect(parameters=PARAMETERS)

    async def media(socket: Socket) -> None:
        await socket.until("media")

    customer.media = media
    call = await account.dial()
    await call.ended()
    connected, start = customer.sockets[0].messages[:2]
    assert connected == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    sid = start["streamSid"]
    assert sid.startswith("MZ")
    assert len(sid) == 34
    assert start == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": sid,
        "start": {
            "streamSid": sid,
            "accountSid": call.account_sid,
            "callSid": call.sid,
            "tracks": ["inbound"],
            "customParameters": {"call": "01J & co", "token": "t"},
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        },
    }


async def test_the_upgrade_is_signed_and_offers_no_compression(account: Account, customer: Customer):
    async def media(socket: Socket) -> None:
        await socket.until("media")

    customer.media = media
    await (await account.dial()).ended()
    raw = dict(customer.sockets[0].raw_headers)  # the customer answers 403 to a wrong signature
    assert b"x-twilio-signature" in raw
    assert "Sec-WebSocket-Extensions" not in customer.sockets[0].headers


async def test_media_counts_in_strings_and_carries_what_the_telephone_sent(account: Account, customer: Customer):
    async def media(socket: Socket) -> None:
        await socket.until("media", 20)

    customer.media = media
    speech = bytes(range(256)) * 5
    call = await account.dial(PhoneScript(ring=0, lines=(Line(audio=speech, after="time", pause=0.08),)))
    await call.ended()
    socket = customer.sockets[0]
    frames = socket.of("media")
    assert [frame["sequenceNumber"] for frame in frames] == [str(n) for n in range(2, len(frames) + 2)]
    assert [frame["media"]["chunk"] for frame in frames] == [str(n) for n in range(1, len(frames) + 1)]
    assert [frame["media"]["timestamp"] for frame in frames] == [str(20 * n) for n in range(len(frames))]
    assert {frame["media"]["track"] for frame in frames} == {"inbound"}
    assert {frame["streamSid"] for frame in frames} == {socket.sid}
    assert {len(base64.b64decode(frame["media"]["payload"])) for frame in frames} == {160}
    assert call.stream is not None
    sent = bytes(call.phone.sent)
    assert speech in sent
    assert sent[call.stream.skip :].startswith(socket.audio())


async def test_a_pressed_key_is_a_dtmf_message_on_the_inbound_track(account: Account, customer: Customer):
    async def media(socket: Socket) -> None:
        await socket.play(TONE)
        await socket.until("dtmf", 2)

    customer.media = media
    call = await account.dial(PhoneScript(ring=0, lines=(Line(press="4#", pause=0.1),)))
    await call.ended()
    first, second = customer.sockets[0].of("dtmf")
    assert first["dtmf"] == {"track": "inbound_track", "digit": "4"}
    assert second["dtmf"] == {"track": "inbound_track", "digit": "#"}
    assert int(second["sequenceNumber"]) > int(first["sequenceNumber"]) > 1


async def test_what_is_sent_is_heard_and_marks_come_back_in_order_when_it_was_played(
    account: Account, customer: Customer
):
    heard_at_echo: list[int] = []

    async def media(socket: Socket) -> None:
        await socket.mark("nothing before me")
        await socket.until("mark")
        await socket.play(TONE)
        await socket.mark("first")
        await socket.play(TONE[:800] * 2)
        await socket.mark("second")
        for count in (2, 3):
            await socket.until("mark", count)
            (phone,) = [call.phone for call in account.server.calls.values()]  # its create may not be answered yet
            heard_at_echo.append(phone.heard.count(0))

    customer.media = media
    call = await account.dial()
    await call.ended()
    assert [m["mark"]["name"] for m in customer.sockets[0].of("mark")] == [
        "nothing before me",
        "first",
        "second",
    ]
    assert heard_at_echo[0] >= len(TONE) // 2
    assert heard_at_echo[1] == len(TONE) // 2 + 800
    assert bytes(call.phone.heard).strip(b"\xff") == TONE + TONE[:800] * 2
    assert call.stream is not None
    assert bytes(call.stream.received) == TONE + TONE[:800] * 2


async def test_clear_cuts_what_was_not_heard_and_echoes_its_marks(account: Account, customer: Customer):
    async def media(socket: Socket) -> None:
        await socket.play(TONE * 50)
        await socket.mark("end of 5 s")
        await socket.until("media", 5)
        await socket.send("clear")
        await socket.until("mark")
        await socket.play(b"\x10" * 160)
        await socket.mark("after")
        await socket.until("mark", 2)

    customer.media = media
    call = await account.dial()
    await call.ended()
    heard = bytes(call.phone.heard)
    assert 0 < len(heard.replace(b"\xff", b"")) < len(TONE) * 50
    assert heard.rstrip(b"\xff").endswith(b"\x10" * 160)


async def test_the_caller_hangs_up_and_twilio_sends_stop_and_closes(account: Account, customer: Customer):
    async def media(socket: Socket) -> None:
        await socket.play(TONE)
        await socket.drain()

    customer.media = media
    customer.documents["/voice"] = customer.connect(after="<Redirect>/next</Redirect>")
    call = await account.dial(PhoneScript(ring=0, lines=(Line(hang_up=True, pause=0.1),)))
    assert await call.ended() == "completed"
    socket = customer.sockets[0]
    stop = socket.messages[-1]
    assert stop["event"] == "stop"
    assert stop["stop"] == {"accountSid": call.account_sid, "callSid": call.sid}
    assert int(stop["sequenceNumber"]) == len(socket.messages) - 1
    assert socket.ws.close_code == 1000
    assert "/next" not in customer.paths()
    assert account.server.debugger.codes(call.sid) == []


async def test_a_hang_up_by_rest_stops_the_stream_with_audio_still_buffered(account: Account, customer: Customer):
    async def media(socket: Socket) -> None:
        await socket.play(TONE * 100)
        await socket.mark("never")
        await socket.until("media", 2)
        await hang_up(account, call.sid)
        await socket.drain()

    customer.media = media
    call = await account.dial()
    assert await call.ended() == "completed"
    socket = customer.sockets[0]
    assert socket.messages[-1]["event"] == "stop"
    assert socket.of("mark") == []
    assert call.stream is not None
    assert bytes(call.phone.sent)[call.stream.skip :] == socket.audio(), "the line is down at once"


async def test_the_server_closes_and_twilio_goes_on_with_the_action_url(account: Account, customer: Customer):
    async def media(socket: Socket) -> None:
        await socket.until("media")

    customer.media = media
    customer.documents["/voice"] = customer.connect(action="/action", after="<Redirect>/next</Redirect>")
    customer.documents["/action"] = "<Response><Hangup/></Response>"
    call = await account.dial()
    assert await call.ended() == "completed"
    assert "/next" not in customer.paths()
    (action,) = customer.at("/action")
    assert action.signed
    assert (action.form["CallSid"], action.form["CallStatus"]) == (call.sid, "in-progress")
    assert account.server.debugger.codes(call.sid) == [31921], "told even if it was intended"


async def test_the_server_closes_and_without_an_action_the_next_verb_runs(account: Account, customer: Customer):
    async def media(socket: Socket) -> None:
        await socket.until("media")

    customer.media = media
    customer.documents["/voice"] = customer.connect(after="<Redirect>/next</Redirect>")
    customer.documents["/next"] = "<Response/>"
    call = await account.dial()
    assert await call.ended() == "completed"
    assert customer.paths().count("/next") == 1


async def test_a_call_lives_through_several_streams_one_after_the_other(account: Account, customer: Customer):
    async def media(socket: Socket) -> None:
        if len(customer.sockets) == 1:
            await socket.play(TONE * 50)
        await socket.until("media", 3)

    customer.media = media
    customer.documents["/voice"] = customer.connect(after="<Redirect>/again</Redirect>")
    customer.documents["/again"] = customer.connect(after="<Hangup/>")
    call = await account.dial()
    await call.ended()
    first, second = call.streams
    assert first.sid != second.sid
    assert customer.sockets[1].messages[1]["sequenceNumber"] == "1"
    assert customer.sockets[1].of("media")[0]["media"]["timestamp"] == "0"
    assert TONE[:160] in bytes(call.phone.heard)
    # From the second frame of the second stream on: the first one's end may lie in the same 20 ms.
    later = bytes(call.phone.heard)[second.skip + 160 :]
    assert set(later) == {0xFF}, "what the first stream left in the buffer is not played into the second"
    for stream, socket in zip(call.streams, customer.sockets, strict=True):
        assert bytes(call.phone.sent)[stream.skip :].startswith(socket.audio())


async def test_a_connection_that_breaks_is_31903_and_the_call_goes_on(account: Account, customer: Customer):
    async def media(socket: Socket) -> None:
        await socket.until("media")
        raw = socket.ws.get_extra_info("socket")
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no close
        socket.transport.abort()

    customer.media = media
    customer.documents["/voice"] = customer.connect(
        action="/action", stream=' statusCallback="{}"'.format(customer.url("/stream"))
    )
    customer.documents["/action"] = "<Response/>"
    call = await account.dial()
    await call.ended()
    assert account.server.debugger.codes(call.sid) == [31903]
    assert customer.paths().count("/action") == 1
    assert [r.form["StreamEvent"] for r in customer.at("/stream")] == ["stream-started", "stream-error"]


@pytest.mark.parametrize("status", [403, 404, 302, 500])
async def test_a_refused_handshake_is_31920_and_the_next_verb_runs(account: Account, customer: Customer, status: int):
    customer.refuse_media = status
    callback = f' statusCallback="{customer.url("/stream")}" name="agent"'
    customer.documents["/voice"] = customer.connect(
        action="/action", after="<Redirect>/next</Redirect>", stream=callback
    )
    customer.documents["/next"] = "<Response/>"
    call = await account.dial()
    await call.ended()
    assert account.server.debugger.codes(call.sid) == [31920]
    assert customer.at("/action") == []
    assert len(customer.at("/next")) == 1
    (error,) = customer.at("/stream")
    assert error.signed
    assert (error.form["StreamEvent"], error.form["StreamName"]) == ("stream-error", "agent")
    assert str(status) in error.form["StreamError"]


async def test_a_server_that_is_not_there_is_31902(account: Account, customer: Customer):
    with sockets.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    customer.documents["/voice"] = (
        f'<Response><Connect><Stream url="ws://127.0.0.1:{port}/media"/></Connect></Response>'
    )
    call = await account.dial()
    await call.ended()
    assert account.server.debugger.codes(call.sid) == [31902]


def secure(port: int) -> str:
    return f'<Response><Connect><Stream url="wss://localhost:{port}/media"/></Connect></Response>'


async def test_a_certificate_that_nobody_vouches_for_is_31910(account: Account, tmp_path: Path):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*make("own", hosts=LOOPBACK).write(tmp_path, "own"))
    async with await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context) as there:
        port = there.sockets[0].getsockname()[1]
        call = await account.dial(Url="", Twiml=secure(port))
        await call.ended()
    assert account.server.debugger.codes(call.sid) == [31910]


@pytest.mark.parametrize("reset", [False, True])
async def test_a_server_that_goes_away_before_there_is_tls_is_31910(account: Account, reset: bool):
    async def gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if reset:
            raw = writer.get_extra_info("socket")
            raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with await asyncio.start_server(gone, "127.0.0.1", 0) as there:
        port = there.sockets[0].getsockname()[1]
        call = await account.dial(Url="", Twiml=secure(port))
        await call.ended()
    assert account.server.debugger.codes(call.sid) == [31910]


async def test_the_streams_own_callbacks_tell_of_its_start_and_its_stop(account: Account, customer: Customer):
    async def media(socket: Socket) -> None:
        await socket.until("media")

    customer.media = media
    customer.documents["/voice"] = customer.connect(stream=f' statusCallback="{customer.url("/stream")}"')
    call = await account.dial()
    await call.ended()
    started, stopped = customer.at("/stream")
    assert started.signed
    assert stopped.signed
    assert (started.form["StreamEvent"], stopped.form["StreamEvent"]) == ("stream-started", "stream-stopped")
    assert started.form["StreamSid"] == started.form["StreamName"] == customer.sockets[0].sid
    assert started.form["CallSid"] == call.sid
    assert started.form["Timestamp"].endswith("Z")
    documented = {"AccountSid", "CallSid", "StreamSid", "StreamName", "StreamEvent", "Timestamp"}
    assert started.form.keys() == stopped.form.keys() == documented


BAD = [
    ({"event": "media", "media": {"payload": "AAAA"}}, 31951),  # no streamSid
    ({"event": "media", "streamSid": "MZ" + "0" * 32, "media": {"payload": "AAAA"}}, 31951),
    ({"event": "media", "streamSid": "SID", "media": {"payload": "AAAA", "track": "outbound"}}, 31951),
    ({"event": "media", "streamSid": "SID", "media": {"payload": "not base64!"}}, 31951),
    ({"event": "media", "streamSid": "SID", "media": {}}, 31951),
    ({"event": "mark", "streamSid": "SID", "mark": {}}, 31951),
    ({"event": "mark", "streamSid": "SID", "mark": {"name": 7}}, 31951),
    ({"event": "clear", "streamSid": "SID", "extra": 1}, 31951),
    ({"event": "stop", "streamSid": "SID"}, 31951),
    ({"event": "dtmf", "streamSid": "SID", "dtmf": {"digit": "1"}}, 31951),
    (["event", "clear"], 31951),
    ("{", 31950),
    (b"\x00\x01", 31950),
]


@pytest.mark.parametrize(("message", "code"), BAD)
async def test_what_is_not_to_the_letter_is_dropped_and_told_once(
    account: Account, customer: Customer, message: object, code: int
):
    async def media(socket: Socket) -> None:
        for _ in range(2):
            if isinstance(message, bytes):
                await socket.ws.send_bytes(message)
            elif isinstance(message, str):
                await socket.ws.send_str(message)
            else:
                await socket.ws.send_str(json.dumps(message).replace('"SID"', f'"{socket.sid}"'))
        await socket.mark("still there")
        await socket.until("mark")

    customer.media = media
    call = await account.dial()
    await call.ended()
    assert account.server.debugger.codes(call.sid) == [code, 31921]
    assert call.stream is not None
    assert (call.stream.rejected, call.stream.media_received) == (2, 0)
    assert call.stream.marks_received == call.stream.marks_echoed == 1


@pytest.mark.parametrize(
    "frame", [b"\x83\x00", b"\x81\x01\xff", b"\x01\x01{\x81\x01}"], ids=["opcode", "utf-8", "fragments"]
)
async def test_a_server_that_breaks_the_websocket_protocol_is_31924_and_the_call_goes_on(
    account: Account, customer: Customer, frame: bytes
):
    async def media(socket: Socket) -> None:
        socket.transport.write(frame)
        await socket.drain()

    customer.media = media
    customer.documents["/voice"] = customer.connect(after="<Redirect>/next</Redirect>")
    customer.documents["/next"] = "<Response/>"
    call = await account.dial()
    assert await call.ended() == "completed"
    assert account.server.debugger.codes(call.sid) == [31924]
    assert len(customer.at("/next")) == 1


async def test_a_message_in_fragments_is_one_message(account: Account, customer: Customer):
    async def media(socket: Socket) -> None:
        text = json.dumps({"event": "mark", "streamSid": socket.sid, "mark": {"name": "x"}}).encode()
        socket.transport.write(bytes([0x01, 10]) + text[:10] + bytes([0x80, len(text) - 10]) + text[10:])
        await socket.until("mark")

    customer.media = media
    call = await account.dial()
    await call.ended()
    assert account.server.debugger.codes(call.sid) == [31921]


async def test_more_than_ten_minutes_are_discarded_with_one_warning(account: Account, customer: Customer):
    async def media(socket: Socket) -> None:
        for _ in range(13):
            await socket.play(b"\x20" * (50 * 8000))
        await socket.send("clear")
        await socket.mark("done")
        await socket.until("mark")

    customer.media = media
    call = await account.dial()
    await call.ended()
    assert account.server.debugger.codes(call.sid) == [31931, 31921]
    assert call.stream is not None
    assert len(call.stream.received) == 600 * 8000


async def test_a_server_that_does_not_read_loses_caller_audio_and_not_the_call(
    account: Account, customer: Customer, server: TwilioServer
):
    deaf, hearing = asyncio.Event(), asyncio.Event()

    async def media(socket: Socket) -> None:
        socket.transport.pause_reading()
        deaf.set()
        await hearing.wait()
        socket.transport.resume_reading()
        await socket.drain()

    customer.media = media
    call = await account.dial()
    await deaf.wait()
    stream = call.stream
    assert stream is not None
    while not stream.media_dropped:  # hours of a deaf server's life
        await stream.send_frame(b"\x55" * 160)
    hearing.set()
    await hang_up(account, call.sid)
    assert await call.ended() == "completed"
    assert server.debugger.codes(call.sid) == [31930]
    frames = customer.sockets[0].of("media")
    assert len(frames) == stream.media_sent
    assert [f["media"]["chunk"] for f in frames] == [str(n) for n in range(1, len(frames) + 1)]


async def test_a_wrong_track_is_31941(account: Account, customer: Customer):
    customer.documents["/voice"] = customer.connect(stream=' track="both_tracks"')
    call = await account.dial()
    await call.ended()
    assert account.server.debugger.codes(call.sid) == [31941]
    assert customer.sockets == []


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ws://127.0.0.1/media?token=1", 31920),
        ("wss://example.com/media?", 31920),
        ("ws://example.com/media", 31922),
        ("http://127.0.0.1/media", 31922),
        ("/media", 31923),
        ("", 31923),
        ("wss://", 31923),
        ("wss://host:port/media", 31923),
    ],
)
def test_a_url_that_is_not_for_a_stream_is_refused_with_twilios_code(url: str, code: int):
    with pytest.raises(StreamRefused) as refused:
        check_url(url, allow_plain=True)
    assert refused.value.code == code


def test_plain_sockets_are_for_loopback_and_only_if_allowed():
    for host in ("127.0.0.1", "localhost", "[::1]"):
        check_url(f"ws://{host}:8080/media", allow_plain=True)
        with pytest.raises(StreamRefused):
            check_url(f"ws://{host}:8080/media", allow_plain=False)
    check_url("wss://example.com/media", allow_plain=False)
