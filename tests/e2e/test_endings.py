"""Every way that a call can end: the reason, who brought it about, the codes, and that Twilio's side ended too.

Endings that are also conversations are in test_outbound.py and test_inbound.py; what misbehaving status callbacks do
to an ending is in test_callbacks.py. Waits that the daemon has no setting for (15 s without a media stream) are in
tests/service/test_endings.py, with the clock in hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentic.v1 import call_pb2
from agenticd.emulator.phone import Line as Says
from agenticd.emulator.phone import PhoneScript
from agenticd.emulator.realtime import DEMO_GREETING
from agenticd.emulator.twilio import ALL_STATUSES, Call, CallbackFaults, Mishap, RestFaults, StreamFaults, TwilioConfig
from agenticd.emulator.voice import Voice
from agenticd.sandbox import FROM
from tests.e2e.conftest import TO, Gate, Line
from tests.e2e.ending import arrived, check, end_at_twilio, leave

Make = Callable[..., Any]
RINGS = PhoneScript(outcome="no-answer")
LEAVES = PhoneScript(ring=0.1, lines=(Says(hang_up=True, after="time", pause=0.4),))
STAYS = PhoneScript(ring=0.1)


def twilio(**faults: Any) -> TwilioConfig:
    return TwilioConfig(numbers=(FROM,), **faults)


# Before the answer.


@pytest.mark.fault("rest.create_delay")
async def test_hang_up_while_twilio_has_not_even_made_the_call(line: Make, gate: Gate) -> None:
    """The end is ordered when there is nothing to end yet, and reaches the call as soon as there is."""
    desk: Line = await line(default_phone=RINGS, twilio=twilio())
    # In its first second the daemon asks Twilio nothing, and what is hung up then is never asked for.
    first = await desk.place("+15550003333")
    await desk.follow(first, until="call_ringing")
    await desk.client.hang_up(first)
    await desk.follow(first)
    desk.go_wrong(rest={"create_delay": "0.7s"})
    call_id = await desk.place()
    await gate.reached.wait()
    answer = await desk.client.hang_up(call_id)
    assert answer.call.state == call_pb2.CALL_STATE_ENDING
    assert [call.to for call in desk.sandbox.twilio.calls.values()] == ["+15550003333"]
    gate.set()
    history = await desk.follow(call_id)
    check(history, "CANCELED", "API", ordered=True)
    assert "call_ringing" not in history.kinds
    assert await desk.phone_call().ended() == "canceled"
    assert desk.sandbox.twilio.debugger.codes() == []


@pytest.mark.fault("rest.create_answer_delay")
async def test_hang_up_while_it_rings_and_twilios_answer_is_still_on_its_way(line: Make, gate: Gate) -> None:
    desk: Line = await line(default_phone=RINGS, twilio=twilio(rest=RestFaults(create_answer_delay=1.0)))
    call_id = await desk.place()
    await desk.follow(call_id, until="call_ringing")
    await desk.client.hang_up(call_id)
    gate.set()
    check(await desk.follow(call_id), "CANCELED", "API", ordered=True)
    assert await desk.phone_call().ended() == "canceled"
    assert desk.sandbox.twilio.debugger.codes() == []


@pytest.mark.parametrize(
    ("status", "reason", "sip_code"),
    [("busy", "BUSY", 486), ("failed", "FAILED", 404), ("no-answer", "NO_ANSWER", 487), ("canceled", "CANCELED", 487)],
)
async def test_the_network_ends_the_call_and_its_code_is_on_record(
    line: Make, status: Any, reason: str, sip_code: int
) -> None:
    phone = PhoneScript(outcome=status, ring=0.1) if status in ("busy", "failed") else RINGS
    desk: Line = await line(default_phone=phone)
    call_id = await desk.place()
    if phone is RINGS:
        await desk.follow(call_id, until="call_ringing")
        end_at_twilio(desk, status)
    history = await desk.follow(call_id)
    check(history, reason, "CARRIER", ordered=False, sip_code=sip_code)
    assert "call_answered" not in history.kinds
    assert await desk.phone_call().ended() == status
    shown = (await desk.client.get_call(call_id)).call
    assert (shown.end.sip_code, shown.HasField("answer_time"), shown.HasField("end_time")) == (sip_code, False, True)


@pytest.mark.parametrize(("to", "code"), [("+15005550001", 21217), ("+15005550003", 21215), ("+15005550004", 21216)])
async def test_a_number_that_twilio_will_not_dial(line: Make, to: str, code: int) -> None:
    desk: Line = await line()
    history = await desk.follow(await desk.place(to))
    end = check(history, "REJECTED", "CARRIER", ordered=False, carrier_code=code)
    assert end.message
    assert history.kinds == ["call_queued", "call_dialing", "call_ended", "call_closed"]
    assert not desk.sandbox.twilio.calls


# After the answer.


@pytest.mark.fault("streams.delay")
async def test_the_caller_hangs_up_before_the_media_came(line: Make) -> None:
    desk: Line = await line(default_phone=LEAVES, twilio=twilio(streams=StreamFaults(delay=30)))
    history = await desk.follow(await desk.place())
    check(history, "COMPLETED", "CALLER", ordered=False, sip_code=200)
    assert "call_answered" in history.kinds
    assert "media_connected" not in history.kinds
    assert await desk.phone_call().ended() == "completed"
    assert desk.sandbox.twilio.debugger.codes() == []


async def test_the_longest_duration_ends_the_call(line: Make) -> None:
    desk: Line = await line(default_phone=STAYS)
    call_id = await desk.place(max_duration=1.0)
    history = await desk.follow(call_id)
    check(history, "MAX_DURATION", "DAEMON", ordered=True)
    assert history.one("call_closed").duration.ToMilliseconds() >= 1000
    assert await desk.phone_call().ended() == "completed"
    assert desk.sandbox.twilio.debugger.codes() == []


@pytest.mark.fault("rest.update")
async def test_a_hang_up_is_repeated_until_twilio_takes_it(line: Make) -> None:
    desk: Line = await line(default_phone=RINGS, twilio=twilio(rest=RestFaults(update=Mishap("503", first=1))))
    call_id = await desk.place()
    await desk.follow(call_id, until="call_ringing")
    answer = await desk.client.hang_up(call_id)
    assert answer.call.state == call_pb2.CALL_STATE_ENDING, "not ended before Twilio says so"
    check(await desk.follow(call_id), "CANCELED", "API", ordered=True)
    assert await desk.phone_call().ended() == "canceled"


@pytest.mark.fault("rest.update")
async def test_while_twilio_takes_no_order_closing_the_media_ends_an_answered_call(line: Make) -> None:
    desk: Line = await line(default_phone=STAYS, twilio=twilio(rest=RestFaults(update=Mishap("503", first=100))))
    call_id = await desk.place()
    await desk.follow(call_id, until="media_connected")
    await desk.client.hang_up(call_id)
    history = await desk.follow(call_id)
    check(history, "COMPLETED", "API", ordered=True, sip_code=200)
    assert await desk.phone_call().ended() == "completed"
    assert desk.sandbox.twilio.debugger.codes() == [31921], "Twilio notes that the server closed the stream"


@pytest.mark.fault("callbacks.lost")
async def test_a_media_stream_without_any_status_callback_ends_truthfully(line: Make) -> None:
    faults = CallbackFaults(lost=ALL_STATUSES)
    desk: Line = await line(default_phone=STAYS, twilio=twilio(callbacks=faults))
    call_id = await desk.place()
    await leave(desk, call_id)
    history = await desk.follow(call_id)
    check(history, "COMPLETED", "CALLER", ordered=False)
    assert "media_connected" in history.kinds
    assert "media_lost" not in history.kinds, "it was stopped, not lost"
    assert desk.sandbox.twilio.debugger.codes() == []


async def test_a_hang_up_without_any_status_callback_is_confirmed_by_twilios_answer(line: Make) -> None:
    faults = CallbackFaults(lost=ALL_STATUSES)
    desk: Line = await line(default_phone=STAYS, twilio=twilio(callbacks=faults))
    call_id = await desk.place()
    await desk.follow(call_id, until="media_connected")
    await desk.client.hang_up(call_id)
    check(await desk.follow(call_id), "COMPLETED", "API", ordered=True)
    assert await desk.phone_call().ended() == "completed"


@pytest.mark.fault("streams.refused")
async def test_a_call_whose_media_never_comes_is_ended_as_media_lost(line: Make) -> None:
    desk: Line = await line(default_phone=STAYS, twilio=twilio(streams=StreamFaults(refused=1000)))
    call_id = await desk.place()
    history = await desk.follow(call_id)
    check(history, "MEDIA_LOST", "DAEMON", ordered=True, sip_code=200)
    assert "media_connected" not in history.kinds
    assert await desk.phone_call().ended() == "completed"
    assert set(desk.sandbox.twilio.debugger.codes()) == {31901}


@pytest.mark.fault("streams.refused")
async def test_a_media_stream_that_comes_at_the_second_attempt_is_as_good(line: Make) -> None:
    desk: Line = await line(greeting=DEMO_GREETING, default_phone=STAYS, twilio=twilio(streams=StreamFaults(refused=1)))
    call_id = await desk.place()
    await desk.follow(call_id, until="transcript_final")
    await desk.client.hang_up(call_id)
    history = await desk.follow(call_id)
    check(history, "COMPLETED", "API", ordered=True)
    assert history.one("media_connected")
    assert desk.sandbox.twilio.debugger.codes() == [31901]


@pytest.mark.fault("streams.stop")
async def test_a_socket_that_closes_without_stop_is_no_end_of_its_own(line: Make) -> None:
    """The caller hung up, and of the stream nobody said so: the status does."""
    desk: Line = await line(default_phone=STAYS, twilio=twilio(streams=StreamFaults(stop=False)))
    call_id = await desk.place()
    await leave(desk, call_id)
    history = await desk.follow(call_id)
    check(history, "COMPLETED", "CALLER", ordered=False)
    assert await desk.phone_call().ended() == "completed"
    assert desk.sandbox.twilio.debugger.codes() == []


@pytest.mark.fault("streams.stop", "callbacks.lost")
async def test_a_socket_that_closes_without_stop_and_without_status_is_asked_about(line: Make) -> None:
    faults = {"streams": StreamFaults(stop=False), "callbacks": CallbackFaults(lost=ALL_STATUSES)}
    desk: Line = await line(default_phone=STAYS, twilio=twilio(**faults))
    call_id = await desk.place()
    await leave(desk, call_id)
    history = await desk.follow(call_id)
    check(history, "COMPLETED", "CALLER", ordered=False)
    assert history.one("media_lost")


async def test_a_stream_that_breaks_is_followed_by_another_and_the_call_goes_on(line: Make) -> None:
    desk: Line = await line(default_phone=STAYS)
    call_id = await desk.place()
    await desk.follow(call_id, until="media_connected")
    call = desk.phone_call()
    assert call.stream is not None
    await call.stream.abort()

    async def on(event: Any) -> None:
        if event.WhichOneof("payload") == "media_connected" and event.media_connected.stream_id != call.streams[0].sid:
            await desk.client.hang_up(call_id)

    history = await desk.follow(call_id, on)
    check(history, "COMPLETED", "API", ordered=True)
    assert len(history.all("media_lost")) == 1
    assert [each.stream_id for each in history.all("media_connected")] == [stream.sid for stream in call.streams]
    assert await call.ended() == "completed"
    assert desk.sandbox.twilio.debugger.codes() == [31903]


# The model is lost, and Twilio says the last words in its own voice.


SORRY = "We are sorry. Goodbye."
SAYS_SORRY = f'    apology: "{SORRY}"\n'


async def lose_the_model(desk: Line, call_id: str) -> Call:
    await desk.follow(call_id, until="media_connected")
    await desk.model_session().close()
    (call,) = desk.sandbox.twilio.calls.values()
    return call


async def test_a_lost_model_is_apologised_for_and_the_caller_hears_it_all(line: Make) -> None:
    desk: Line = await line(default_phone=STAYS, settings=SAYS_SORRY)
    call_id = await desk.place()
    call = await lose_the_model(desk, call_id)
    history = await desk.follow(call_id)
    check(history, "MODEL_LOST", "DAEMON", ordered=True, sip_code=200)
    assert call.said == [SORRY]
    assert bytes(call.phone.heard).strip(b"\xff") == Voice().say(SORRY, "agent").strip(b"\xff")
    assert await call.ended() == "completed"
    assert desk.sandbox.twilio.debugger.codes() == []


async def test_a_caller_who_does_not_listen_to_the_apology_does_not_change_why_the_call_ended(line: Make) -> None:
    phone = PhoneScript(ring=0.1, lines=(Says(hang_up=True, after="over", pause=0.3),))
    desk: Line = await line(default_phone=phone, settings=SAYS_SORRY)
    call_id = await desk.place()
    call = await lose_the_model(desk, call_id)
    check(await desk.follow(call_id), "MODEL_LOST", "DAEMON", ordered=True)
    assert call.said == [SORRY]
    assert len(bytes(call.phone.heard).strip(b"\xff")) < len(Voice().say(SORRY, "agent").strip(b"\xff"))


async def test_an_apology_that_twilio_does_not_take_is_said_when_it_asks_what_to_do(line: Make) -> None:
    faults = RestFaults(update=Mishap("503", first=100))
    desk: Line = await line(default_phone=STAYS, settings=SAYS_SORRY, twilio=twilio(rest=faults))
    call_id = await desk.place()
    call = await lose_the_model(desk, call_id)
    check(await desk.follow(call_id), "MODEL_LOST", "DAEMON", ordered=True)
    assert await call.ended() == "completed"
    assert call.said == [SORRY]


async def test_without_an_apology_a_lost_model_ends_the_call_at_once(line: Make) -> None:
    desk: Line = await line(default_phone=STAYS, settings='    apology: ""\n')
    call_id = await desk.place()
    call = await lose_the_model(desk, call_id)
    check(await desk.follow(call_id), "MODEL_LOST", "DAEMON", ordered=True)
    assert await call.ended() == "completed"
    assert call.said == []


async def test_a_hang_up_by_the_api_does_not_wait_for_the_apology(line: Make) -> None:
    text = "There is a technical problem, and nobody here can go on with this call today. Please call again tomorrow."
    desk: Line = await line(default_phone=STAYS, settings=f'    apology: "{text}"\n')
    call_id = await desk.place()
    call = await lose_the_model(desk, call_id)
    await desk.follow(call_id, until="call_ending")
    while not call.said:
        await desk.client.get_call(call_id)
    await desk.client.hang_up(call_id)
    check(await desk.follow(call_id), "MODEL_LOST", "DAEMON", ordered=True)
    assert len(call.phone.heard) < len(Voice().say(text, "agent"))


async def test_a_hang_up_of_an_answered_call_does_not_wait_for_the_answer_to_the_dial(line: Make) -> None:
    late = 4.0
    desk: Line = await line(default_phone=STAYS, twilio=twilio(rest=RestFaults(create_answer_delay=late)))
    call_id = await desk.place()
    await desk.follow(call_id, until="media_connected")
    await desk.client.hang_up(call_id)
    check(await desk.follow(call_id), "COMPLETED", "API", ordered=True)
    call = desk.phone_call()
    assert call.ended_at is not None
    assert call.ended_at < call.created + late


# Calls that come in: Twilio sends no status callback for them.


async def test_a_caller_hangs_up_while_the_agent_talks(line: Make) -> None:
    desk: Line = await line(greeting=DEMO_GREETING)
    person = PhoneScript(lines=(Says(hang_up=True, after="over", pause=0.5),))
    call = await desk.sandbox.twilio.ring_in(TO, FROM, person)
    history = await desk.follow(await arrived(desk))
    check(history, "COMPLETED", "CALLER", ordered=False)
    final = history.one("transcript_final")
    assert final.interrupted
    assert len(final.heard_text) < len(final.text)
    assert await call.ended() == "completed"
    assert [webhook.kind for webhook in call.callbacks if webhook.kind == "status"] == []
    assert desk.sandbox.twilio.debugger.codes() == []


async def test_an_inbound_call_whose_socket_closes_without_stop_is_asked_about_at_once(line: Make) -> None:
    desk: Line = await line(twilio=twilio(streams=StreamFaults(stop=False)))
    call = await desk.sandbox.twilio.ring_in(TO, FROM, PhoneScript())
    call_id = await arrived(desk)
    await leave(desk, call_id, FROM)
    history = await desk.follow(call_id)
    check(history, "COMPLETED", "CALLER", ordered=False)
    assert await call.ended() == "completed"


async def test_an_inbound_call_is_hung_up_before_its_media_came(line: Make) -> None:
    desk: Line = await line(twilio=twilio(streams=StreamFaults(delay=30)))
    call = await desk.sandbox.twilio.ring_in(TO, FROM, PhoneScript())
    call_id = await arrived(desk)
    await call.wait_status("in-progress")
    await desk.client.hang_up(call_id)
    check(await desk.follow(call_id), "CANCELED", "API", ordered=True)
    assert await call.ended() == "completed", "for Twilio it had been answered"
    assert desk.sandbox.twilio.debugger.codes() == []


async def test_an_inbound_call_whose_media_never_comes_is_ended_as_media_lost(line: Make) -> None:
    desk: Line = await line(twilio=twilio(streams=StreamFaults(refused=1000)))
    call = await desk.sandbox.twilio.ring_in(TO, FROM, PhoneScript())
    history = await desk.follow(await arrived(desk))
    check(history, "MEDIA_LOST", "DAEMON", ordered=True)
    assert await call.ended() == "completed"


async def test_an_inbound_call_reaches_the_agents_longest_duration(line: Make) -> None:
    desk: Line = await line(settings="    max_duration: 1s\n")
    call = await desk.sandbox.twilio.ring_in(TO, FROM, PhoneScript())
    check(await desk.follow(await arrived(desk)), "MAX_DURATION", "DAEMON", ordered=True)
    assert await call.ended() == "completed"


@pytest.mark.parametrize("caller", ["sip:alice@example.com", "client:alice"])
async def test_a_caller_without_a_number_is_a_caller(line: Make, caller: str) -> None:
    desk: Line = await line()
    call = await desk.sandbox.twilio.ring_in(caller, FROM, PhoneScript())
    call_id = await arrived(desk)
    await leave(desk, call_id, FROM)
    history = await desk.follow(call_id)
    check(history, "COMPLETED", "CALLER", ordered=False)
    assert history.one("call_ringing").from_address == caller
    assert (await desk.client.get_call(call_id)).call.from_address == caller
    assert await call.ended() == "completed"
    assert desk.sandbox.twilio.debugger.codes() == []


async def test_a_full_daemon_sounds_busy_and_takes_calls_again_when_it_is_not(line: Make) -> None:
    desk: Line = await line(extra="limits: {max_calls: 1}\n")
    first = await desk.sandbox.twilio.ring_in(TO, FROM, PhoneScript())
    call_id = await arrived(desk)
    await desk.follow(call_id, until="media_connected")
    refused = await desk.sandbox.twilio.ring_in("+15550003333", FROM, PhoneScript())
    assert await refused.ended() == "busy"
    assert [call.call_id for call in (await desk.client.list_calls()).calls] == [call_id]
    await desk.client.hang_up(call_id)
    check(await desk.follow(call_id), "COMPLETED", "API", ordered=True)
    assert await first.ended() == "completed"
    third = await desk.sandbox.twilio.ring_in(TO, FROM, LEAVES)
    assert await third.ended() == "completed"
    assert desk.sandbox.twilio.debugger.codes() == []
