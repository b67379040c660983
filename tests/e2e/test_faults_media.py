"""Media streams and networks that break, go dead, lie, or are just bad: the talk goes on, or the call ends truly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentic.v1 import event_pb2
from agenticd.emulator.faultbook import faults_from
from agenticd.emulator.phone import Line as Says
from agenticd.emulator.phone import PhoneScript
from tests.e2e.conftest import History, Line
from tests.e2e.ending import check

Make = Callable[..., Any]
STAYS = PhoneScript(ring=0.1)
GREETING = "Hello, how can I help you?"
ASK = "No, thank you."
ANSWER = "You are welcome."
ASKS = PhoneScript(ring=0.1, lines=(Says(say=ASK),))
WORDS = [("AGENT", GREETING), ("CALLER", ASK), ("AGENT", ANSWER)]


async def talk(desk: Line, text: str = ANSWER) -> History:
    """Place a call, hang up when this was heard; all that happened."""
    call_id = await desk.place()

    async def on(event: event_pb2.Event) -> None:
        if event.transcript_final.heard_text == text:
            await desk.client.hang_up(call_id)

    return await desk.follow(call_id, on)


async def until_streams(desk: Line, call_id: str, count: int) -> History:
    """Hang up when so many streams were connected; all that happened."""
    seen = 0

    async def on(event: event_pb2.Event) -> None:
        nonlocal seen
        seen += event.WhichOneof("payload") == "media_connected"
        if seen == count and event.WhichOneof("payload") == "media_connected":
            await desk.client.hang_up(call_id)

    return await desk.follow(call_id, on)


# Streams.


@pytest.mark.fault("streams.break_after", "streams.breaks")
async def test_streams_that_are_reset_are_followed_by_others(line: Make) -> None:
    desk: Line = await line(default_phone=STAYS, faults=faults_from({"streams": {"break_after": "300ms", "breaks": 2}}))
    history = await until_streams(desk, await desk.place(), 3)
    check(history, "COMPLETED", "API", ordered=True)
    assert len(history.all("media_lost")) == 2
    assert await desk.phone_call().ended() == "completed"
    assert desk.sandbox.twilio.debugger.codes() == [31903, 31903]


@pytest.mark.fault("streams.break_after", "streams.breaks")
async def test_streams_that_break_again_and_again_are_the_end(line: Make) -> None:
    streams = {"break_after": "50ms", "breaks": "none"}
    desk: Line = await line(default_phone=STAYS, faults=faults_from({"streams": streams}))
    history = await desk.follow(await desk.place())
    check(history, "MEDIA_LOST", "DAEMON", ordered=True)
    assert await desk.phone_call().ended() == "completed"


@pytest.mark.fault("streams.after_break")
@pytest.mark.parametrize(("after", "asked"), [("next", "redirect"), ("fallback", "fallback")])
async def test_wherever_twilio_goes_after_a_broken_stream_the_talk_goes_on(line: Make, after: str, asked: str) -> None:
    streams = {"break_after": "300ms", "after_break": after}
    desk: Line = await line(default_phone=STAYS, faults=faults_from({"streams": streams}))
    history = await until_streams(desk, await desk.place(), 2)
    check(history, "COMPLETED", "API", ordered=True)
    assert history.one("media_lost")
    assert await desk.phone_call().ended() == "completed"
    kinds = [
        webhook.kind for webhook in desk.phone_call().callbacks if webhook.kind in ("action", "redirect", "fallback")
    ]
    assert kinds == [asked]


@pytest.mark.fault("streams.after_break")
async def test_a_call_that_twilio_hangs_up_after_a_broken_stream_has_ended(line: Make) -> None:
    streams = {"break_after": "300ms", "after_break": "hang-up"}
    desk: Line = await line(default_phone=STAYS, faults=faults_from({"streams": streams}))
    history = await desk.follow(await desk.place())
    check(history, "COMPLETED", "CALLER", ordered=False)
    assert history.one("media_lost")
    assert await desk.phone_call().ended() == "completed"


@pytest.mark.fault("streams.vanish_after", "streams.vanishes")
async def test_a_stream_that_is_dead_though_nobody_says_so_is_noticed_and_the_call_is_not_left_hanging(
    line: Make,
) -> None:
    streams = {"vanish_after": "500ms", "vanishes": "none"}
    desk: Line = await line(default_phone=STAYS, faults=faults_from({"streams": streams}))
    history = await desk.follow(await desk.place())
    check(history, "MEDIA_LOST", "DAEMON", ordered=True)
    assert history.one("media_lost")
    assert await desk.phone_call().ended() == "completed"


@pytest.mark.parametrize(
    "streams",
    [
        pytest.param({"encoding": "audio/l16"}, marks=pytest.mark.fault("streams.encoding")),
        pytest.param({"sample_rate": 16000}, marks=pytest.mark.fault("streams.sample_rate")),
    ],
)
async def test_a_stream_in_a_format_that_nobody_asked_for_is_not_taken_for_another(line: Make, streams: Any) -> None:
    desk: Line = await line(greeting=GREETING, default_phone=STAYS, faults=faults_from({"streams": streams}))
    history = await desk.follow(await desk.place())
    check(history, "MEDIA_LOST", "DAEMON", ordered=True)
    assert "media_connected" not in history.kinds
    assert await desk.phone_call().ended() == "completed"


# The network.


BAD = {"latency": "60ms", "jitter": "30ms", "loss": "1%", "bandwidth": "1M"}


@pytest.mark.parametrize(
    "link",
    [
        pytest.param(
            "daemon",
            marks=pytest.mark.fault(
                "network.daemon.latency", "network.daemon.jitter", "network.daemon.loss", "network.daemon.bandwidth"
            ),
        ),
        pytest.param(
            "rest",
            marks=pytest.mark.fault(
                "network.rest.latency", "network.rest.jitter", "network.rest.loss", "network.rest.bandwidth"
            ),
        ),
        pytest.param(
            "model",
            marks=pytest.mark.fault(
                "network.model.latency", "network.model.jitter", "network.model.loss", "network.model.bandwidth"
            ),
        ),
    ],
)
async def test_a_conversation_over_a_bad_network_is_the_same_conversation(line: Make, link: str) -> None:
    desk: Line = await line(greeting=GREETING, default_phone=ASKS, faults=faults_from({"network": {link: BAD}}))
    history = await talk(desk)
    check(history, "COMPLETED", "API", ordered=True)
    assert history.words == WORDS
    assert len(desk.sandbox.twilio.calls) == 1


@pytest.mark.parametrize(
    ("link", "way"),
    [
        pytest.param("daemon", "from_daemon", marks=pytest.mark.fault("network.daemon.way")),
        pytest.param("rest", "to_daemon", marks=pytest.mark.fault("network.rest.way")),
        pytest.param("model", "to_daemon", marks=pytest.mark.fault("network.model.way")),
    ],
)
async def test_a_network_that_is_bad_one_way_is_no_worse(line: Make, link: str, way: str) -> None:
    faults = faults_from({"network": {link: {"latency": "150ms", "loss": "2%", "way": way}}})
    desk: Line = await line(greeting=GREETING, default_phone=ASKS, faults=faults)
    history = await talk(desk)
    check(history, "COMPLETED", "API", ordered=True)
    assert history.words == WORDS


@pytest.mark.fault("network.daemon.reset_after")
async def test_connections_to_the_daemon_that_are_reset_end_no_call(line: Make) -> None:
    """Media sockets break; webhooks, which do not last so long, come through."""
    faults = faults_from({"network": {"daemon": {"reset_after": "2s"}}})
    desk: Line = await line(default_phone=STAYS, faults=faults)
    history = await until_streams(desk, await desk.place(), 2)
    check(history, "COMPLETED", "API", ordered=True)
    assert history.all("media_lost")


@pytest.mark.fault("network.daemon.vanish")
async def test_a_half_open_media_socket_is_noticed_and_the_call_is_not_left_hanging(line: Make) -> None:
    desk: Line = await line(default_phone=STAYS, network=True)
    call_id = await desk.place()
    await desk.follow(call_id, until="media_connected")
    desk.go_wrong(network={"daemon": {"vanish": True}})
    desk.go_wrong()  # those that were open stay dead
    history = await desk.follow(call_id)
    check(history, "MEDIA_LOST", "DAEMON", ordered=True)
    assert history.one("media_lost")
    assert await desk.phone_call().ended() == "completed"


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param({"reset_after": 0}, marks=pytest.mark.fault("network.rest.reset_after")),
        pytest.param({"vanish": True}, marks=pytest.mark.fault("network.rest.vanish")),
    ],
)
async def test_a_hang_up_that_does_not_reach_twilio_ends_the_call_all_the_same(line: Make, rest: Any) -> None:
    desk: Line = await line(default_phone=STAYS, network=True)
    call_id = await desk.place()
    await desk.follow(call_id, until="media_connected")
    desk.go_wrong(network={"rest": rest})
    await desk.client.hang_up(call_id)
    history = await desk.follow(call_id)
    check(history, "COMPLETED", "API", ordered=True)
    assert await desk.phone_call().ended() == "completed"


@pytest.mark.parametrize(
    "model",
    [
        pytest.param({"reset_after": 0}, marks=pytest.mark.fault("network.model.reset_after")),
        pytest.param({"vanish": True}, marks=pytest.mark.fault("network.model.vanish")),
    ],
)
async def test_a_model_that_cannot_be_reached_any_more_is_the_end_and_the_caller_is_told(
    line: Make, model: Any
) -> None:
    settings = "    apology: Sorry, goodbye.\n"
    desk: Line = await line(greeting=GREETING, default_phone=STAYS, network=True, settings=settings)
    call_id = await desk.place()
    await desk.follow(call_id, until="transcript_final")
    desk.go_wrong(network={"model": model})
    history = await desk.follow(call_id)
    check(history, "MODEL_LOST", "DAEMON", ordered=True)
    assert await desk.phone_call().ended() == "completed"
    assert desk.phone_call().said == ["Sorry, goodbye."]
