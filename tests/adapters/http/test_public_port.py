"""The public port with the real calls behind it: who may open a call's stream, and that no answer waits for anyone."""

from __future__ import annotations

import pytest

from tests.adapters.http.port import (
    OTHER_SID,
    OURS,
    SID,
    TO,
    Clock,
    SilentCarrier,
    SilentModel,
    port,
    token_of,
    verbs,
)
from tests.adapters.http.support import eventually, media, run, started
from tests.service.world import Hands

FORM = {"CallSid": SID, "From": TO, "To": OURS, "CallStatus": "ringing", "Direction": "inbound"}
FIRST, SECOND, THIRD = ("MZ" + digit * 32 for digit in "123")


def test_a_start_with_another_calls_id_is_refused_and_does_not_spend_the_token() -> None:
    async def main() -> None:
        async with port() as home:
            _, document = await home.post("/twilio/voice", FORM)
            (call_id,) = home.calls.live
            token = token_of(document)
            stranger = await home.media(call_id, token, FIRST, sid=OTHER_SID)
            assert await stranger.closed_with() == 1008
            await home.media(call_id, token, SECOND)
            await eventually(lambda: "call_answered" in _kinds(home.hands))
            assert home.server.media_faults == {"start_refused": 1}

    run("asyncio", main())


def test_a_second_socket_is_refused_unless_its_token_is_newer_and_then_it_takes_the_firsts_place() -> None:
    async def main() -> None:
        async with port() as home:
            _, document = await home.post("/twilio/voice", FORM)
            (call_id,) = home.calls.live
            first = await home.media(call_id, token_of(document), FIRST)
            await eventually(lambda: "media_connected" in _kinds(home.hands))
            # The same token once more, and a forged newer one: the stream that there is does not notice.
            for token in (token_of(document), "9" + token_of(document)[1:]):
                again = await home.media(call_id, token, SECOND)
                assert await again.closed_with() == 1008
                again.abort()  # one that lingers counts as unproven until it is gone
                await eventually(lambda: home.server.media_sockets == 1)
            first.say(media("AAAA", FIRST))
            _, newer = await home.post(f"/twilio/resume/{call_id}", FORM)
            third = await home.media(call_id, token_of(newer), THIRD)
            assert await first.closed_with() == 1000
            first.abort()
            late = await home.media(call_id, token_of(document), FIRST)
            assert await late.closed_with() == 1008
            third.say(media("AAAA", THIRD))
            await eventually(lambda: _kinds(home.hands).count("media_connected") == 2)
            assert home.server.media_faults == {"start_refused": 3}
            assert "call_ended" not in _kinds(home.hands)

    run("asyncio", main())


@pytest.mark.parametrize("why", ["expired", "of another call", "none", "garbage"])
def test_a_start_without_a_good_token_is_refused_at_once(why: str) -> None:
    async def main() -> None:
        async with port() as home:
            _, document = await home.post("/twilio/voice", FORM)
            (call_id,) = home.calls.live
            token = token_of(document)
            if why == "expired":
                home.hands.clock.now += 61
            elif why == "of another call":
                _, document = await home.post("/twilio/voice", FORM | {"CallSid": OTHER_SID})
                token = token_of(document)
            elif why == "none":
                token = ""
            else:
                token = "1.99999999999.AAAA"
            socket = await home.media(call_id, token, FIRST)
            assert await socket.closed_with() == 1008
            assert "call_answered" not in _kinds(home.hands)

    run("asyncio", main())


def test_a_second_start_costs_the_call_its_stream_once_and_a_new_offer_gives_it_another() -> None:
    async def main() -> None:
        async with port() as home:
            _, document = await home.post("/twilio/voice", FORM)
            (call_id,) = home.calls.live
            client = await home.media(call_id, token_of(document), FIRST)
            await eventually(lambda: "media_connected" in _kinds(home.hands))
            client.say(started(token_of(document), SECOND))
            assert await client.closed_with() == 1008
            client.abort()
            await eventually(lambda: home.server.media_sockets == 0)
            assert _kinds(home.hands).count("media_lost") <= 1
            assert home.server.media_faults == {"started_twice": 1}

    run("asyncio", main())


def _kinds(hands: Hands) -> list[str]:
    """All events, durable or not yet."""
    waiting = [entry.event for entry, _ in hands.log.waiting]
    return hands.log.kinds + [event.kind for event in waiting if event is not None]


# --- Nothing outside stands between a webhook and its answer: no disk, no REST, no model.


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_an_inbound_call_is_answered_while_nothing_is_durable_and_nobody_answers(loop: str) -> None:
    async def main() -> None:
        hands = Hands(clock=Clock(), carrier=SilentCarrier(), model=SilentModel())  # type: ignore[arg-type]
        async with port(hands) as home:
            status, document = await home.post("/twilio/voice", FORM)
            assert (status, verbs(document)) == (200, ["Connect", "Redirect"])
            assert hands.log.entries == []
            assert _kinds(hands)[0] == "call_ringing", "it is on its way to the disk, and was not waited for"

    run(loop, main())


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_an_outbound_call_is_answered_while_rest_the_model_and_the_disk_hang(loop: str) -> None:
    async def main() -> None:
        carrier, model = SilentCarrier(), SilentModel()
        hands = Hands(clock=Clock(), carrier=carrier, model=model)  # type: ignore[arg-type]
        async with port(hands) as home:
            call_id = await home.place()
            durable = len(hands.log.entries)
            # `Calls.create` has not returned, and never will: the webhook is before it.
            form = FORM | {"CallStatus": "in-progress", "Direction": "outbound-api"}
            status, document = await home.post(f"/twilio/voice/{call_id}", form)
            assert (status, verbs(document)) == (200, ["Connect", "Redirect"])
            status, document = await home.post(f"/twilio/resume/{call_id}", form)
            assert (status, verbs(document)) == (200, ["Connect", "Redirect"])
            for path in (f"/twilio/status/{call_id}", f"/twilio/stream/{call_id}"):
                status, _ = await home.post(path, form | {"CallStatus": "completed"})
                assert status == 204
            assert [name for name, _ in carrier.orders] == ["dial"], "it was begun, and is not over"
            assert len(hands.log.entries) == durable, "nothing more became durable"
            assert hands.log.waiting, "and there was something to wait for"

    run(loop, main())
