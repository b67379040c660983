"""Twilio's REST side, against a server that speaks its JSON: a call is asked for once, and each answer is one
of three: done, refused with a reason, or nobody knows."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import aiohttp
import pytest
from aiohttp import web

from agenticd.adapters.twilio.rest import TwilioCarrier
from agenticd.adapters.twilio.transport import Config
from agenticd.core.errors import CarrierRefused, CarrierUnanswered
from agenticd.service.ports import DialOrder, PeerHealth
from tests.adapters.twilio.fake import (
    ACCOUNT,
    CALLS,
    NOW,
    ORDER,
    OURS,
    SEEN,
    SID,
    THEIRS,
    TOKEN,
    Answer,
    TestClock,
    call,
    config,
    error,
)

# Dial.


async def test_a_call_is_created_with_all_callbacks_and_our_urls(twilio, carrier):
    twilio.answers.append(web.json_response(call(), status=201))
    assert await carrier.dial(ORDER) == SEEN
    (asked,) = twilio.asked
    assert (asked.method, asked.path, asked.query) == ("POST", f"{CALLS}.json", [])
    assert sorted(asked.form) == sorted(
        [
            ("To", THEIRS),
            ("From", OURS),
            ("Url", ORDER.voice_url),
            ("Method", "POST"),
            ("FallbackUrl", ORDER.fallback_url),
            ("FallbackMethod", "POST"),
            ("StatusCallback", ORDER.status_url),
            ("StatusCallbackMethod", "POST"),
            ("StatusCallbackEvent", "initiated"),
            ("StatusCallbackEvent", "ringing"),
            ("StatusCallbackEvent", "answered"),
            ("StatusCallbackEvent", "completed"),
            ("Timeout", "30"),
        ]
    )
    assert asked.headers["Authorization"] == aiohttp.encode_basic_auth(ACCOUNT, TOKEN)
    assert "agenticd" in asked.headers["User-Agent"]
    assert carrier.health == PeerHealth(True, NOW, "")


@pytest.mark.parametrize(("ring", "sent"), [(0.2, "1"), (30, "30"), (9999, "600")])
async def test_the_ring_timeout_is_what_twilio_takes(twilio, carrier, ring, sent):
    twilio.answers.append(web.json_response(call(), status=201))
    await carrier.dial(DialOrder(ORDER.call_id, THEIRS, OURS, ring, "https://u", "https://s", "https://f"))
    assert ("Timeout", sent) in twilio.asked[0].form


async def test_regions_of_the_environment_do_not_reroute(twilio, monkeypatch):
    monkeypatch.setenv("TWILIO_REGION", "ie1")
    monkeypatch.setenv("TWILIO_EDGE", "dublin")
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "ACother")
    carrier = TwilioCarrier(config(twilio), TestClock())
    twilio.answers.append(web.json_response(call(), status=201))
    assert await carrier.dial(ORDER) == SEEN
    assert twilio.asked[0].path == f"{CALLS}.json"
    await carrier.close()


@pytest.mark.parametrize("root", ["/", "/twilio", "/a/b/"])
async def test_the_root_may_have_a_path(twilio, root):
    carrier = TwilioCarrier(config(twilio, api_url=twilio.url.rstrip("/") + root), TestClock())
    twilio.answers.append(web.json_response(call()))
    assert await carrier.look_up(SID) == SEEN
    assert twilio.asked[0].path == f"{root.rstrip('/')}{CALLS}/{SID}.json"
    await carrier.close()


async def test_what_was_not_processed_is_asked_again_until_it_is(twilio, carrier):
    twilio.answers += [error(20429, 429), web.Response(status=429), web.json_response(call(), status=201)]
    assert await carrier.dial(ORDER) == SEEN
    assert [asked.form for asked in twilio.asked] == [twilio.asked[0].form] * 3
    assert carrier.codes == {"429": 2, "201": 1}, "each request is counted, those that are repeated too"
    assert carrier.seconds.count == 3


async def test_a_status_that_nobody_knows_is_counted_with_its_like(twilio, carrier):
    twilio.answers += [web.Response(status=599), web.Response(status=777)]
    for _ in range(2):
        with pytest.raises(CarrierUnanswered):
            await carrier.dial(ORDER)
    assert carrier.codes == {"other": 2}


async def test_what_is_never_processed_is_refused_at_last(twilio, carrier):
    twilio.answers += [error(20429, 429), error(20429, 429), error(20429, 429, "Too Many Requests")]
    with pytest.raises(CarrierRefused) as refusal:
        await carrier.dial(ORDER)
    assert (refusal.value.code, refusal.value.status) == (20429, 429)
    assert len(twilio.asked) == 3


async def test_a_call_that_was_hung_up_meanwhile_is_not_asked_for_again(twilio, carrier):
    twilio.answers += [error(20429, 429), error(20429, 429)]
    answers = [True, True, False]
    with pytest.raises(CarrierRefused) as refusal:
        await carrier.dial(dataclasses.replace(ORDER, wanted=lambda: answers.pop(0)))
    assert (refusal.value.code, refusal.value.status) == (20429, 429)
    assert (len(twilio.asked), answers) == (2, [])


async def test_a_call_that_was_hung_up_while_the_library_was_loaded_is_not_asked_for(twilio, carrier):
    health = carrier.health
    with pytest.raises(CarrierRefused) as refusal:
        await carrier.dial(dataclasses.replace(ORDER, wanted=lambda: carrier._client is None))
    assert (refusal.value.code, refusal.value.status) == (0, 0)
    assert (twilio.asked, carrier.health) == ([], health)


async def test_what_is_asked_for_one_order_holds_for_no_other_request(twilio, carrier):
    twilio.answers += [web.json_response(call(), status=201), error(20429, 429), web.json_response(call())]
    answers = [True]
    await carrier.dial(dataclasses.replace(ORDER, wanted=lambda: answers.pop(0)))
    assert await carrier.look_up(SID) == SEEN


async def test_the_waits_between_are_the_configured_ones_give_or_take_a_half(twilio, monkeypatch):
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    class Chance(TestClock):
        def randomness(self, size: int) -> bytes:
            return bytes([0, 0x80, 0xFF][len(waits)] for _ in range(size))

    carrier = TwilioCarrier(config(twilio, retry_delays=(1, 1, 1)), Chance())
    twilio.answers += [web.Response(status=429) for _ in range(4)]
    await carrier.warm_up()
    monkeypatch.setattr("agenticd.adapters.twilio.transport.asyncio.sleep", sleep)
    with pytest.raises(CarrierRefused, match="20429"):
        await carrier.dial(ORDER)
    assert waits == [pytest.approx(0.5), pytest.approx(1, abs=0.01), pytest.approx(1.5, abs=0.01)]
    await carrier.close()


@pytest.mark.parametrize(("code", "status"), [(21211, 400), (21215, 401), (10004, 403), (21210, 400)])
async def test_twilios_no_comes_with_its_code_and_its_words(twilio, carrier, code, status):
    twilio.answers.append(error(code, status, "The number +1555 is not valid."))
    with pytest.raises(CarrierRefused) as refusal:
        await carrier.dial(ORDER)
    assert (refusal.value.code, refusal.value.status) == (code, status)
    assert refusal.value.message == "The number +1555 is not valid."
    assert len(twilio.asked) == 1


@pytest.mark.parametrize("code", [99_999_999_999, 2**31, -1, 2**80])
async def test_a_code_that_cannot_be_one_is_no_explanation_of_twilios(twilio, carrier, code):
    twilio.answers.append(error(code, 400))
    with pytest.raises(CarrierUnanswered, match="HTTP 400 without an explanation"):
        await carrier.dial(ORDER)


async def test_an_explanation_in_twilios_newer_form_is_understood(twilio, carrier):
    body = {"type": "about:blank", "title": "Bad", "status": 400, "code": 21211, "detail": "Not a number."}
    twilio.answers.append(web.json_response(body, status=400))
    with pytest.raises(CarrierRefused, match="21211: Not a number."):
        await carrier.dial(ORDER)


async def test_refused_credentials_show_in_the_health_and_a_refused_number_does_not(twilio, carrier):
    twilio.answers += [error(20003, 401, "Authenticate"), error(21211, 400)]
    with pytest.raises(CarrierRefused, match="20003"):
        await carrier.dial(ORDER)
    assert carrier.health == PeerHealth(False, NOW, "Twilio refused the credentials (20003)")
    with pytest.raises(CarrierRefused, match="21211"):
        await carrier.dial(ORDER)
    assert carrier.health == PeerHealth(True, NOW, "")


async def hang_up_the_line(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def break_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=201, headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"sid":"CA')
    assert request.transport is not None
    request.transport.abort()
    return response


AMBIGUOUS: dict[str, Callable[[], Answer]] = {
    "500 with an explanation": lambda: error(20500, 500),
    "503 without": lambda: web.Response(status=503, text="busy"),
    "502 of a proxy": lambda: web.Response(status=502, text="<html>", content_type="text/html"),
    "400 of a proxy": lambda: web.Response(status=400, text="<html>", content_type="text/html"),
    "404 in other JSON": lambda: web.json_response({"detail": "Not Found"}, status=404),
    "a redirect": lambda: web.Response(status=307, headers={"Location": "https://example.com/"}),
    "no answer": lambda: hang_up_the_line,
    "half an answer": lambda: break_off,
    "201 that is no JSON": lambda: web.Response(status=201, text="OK"),
    "201 that is no object": lambda: web.json_response([], status=201),
    "201 without an id": lambda: web.json_response(call(sid=None), status=201),
    "201 nested without end": lambda: web.Response(status=201, text="[" * 100_000),
    "201 in no charset": lambda: web.Response(
        status=201, body=b"\xff\xfe", headers={"Content-Type": "text/plain; charset=nonsense"}
    ),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_when_nobody_knows_whether_it_was_dialled_it_is_not_dialled_again(twilio, carrier, name):
    twilio.answers.append(AMBIGUOUS[name]())
    with pytest.raises(CarrierUnanswered) as silence:
        await carrier.dial(ORDER)
    assert len(twilio.asked) == 1
    assert silence.value.sent
    assert TOKEN not in silence.value.what
    assert silence.value.__cause__ is None
    assert carrier.health == PeerHealth(False, NOW, silence.value.what)


async def test_a_time_out_is_an_unknown_end(twilio):
    never = asyncio.Event()

    async def wait(_request: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    carrier = TwilioCarrier(config(twilio, timeout=0.1), TestClock())
    twilio.answers.append(wait)
    with pytest.raises(CarrierUnanswered, match="did not answer within 0.1 s") as silence:
        await carrier.dial(ORDER)
    assert silence.value.sent
    never.set()
    await carrier.close()
    assert carrier.codes == {"timeout": 1}


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://no-such-host.invalid", "ftp://example.com", "nonsense"])
async def test_an_address_that_cannot_be_reached(twilio, url, monkeypatch):
    real = socket.getaddrinfo

    def resolve(host: str, *args: Any, **options: Any) -> Any:
        """Knows at once that the name does not exist: a resolver that has to ask may take longer than is waited."""
        if host == "no-such-host.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    carrier = TwilioCarrier(config(twilio, api_url=url), TestClock())
    with pytest.raises(CarrierUnanswered) as silence:
        await carrier.dial(ORDER)
    await carrier.close()
    assert carrier.codes == {"unreachable" if url.startswith("http:") else "broken": 1}
    assert silence.value.sent is not url.startswith("http:")


async def test_a_connection_that_fails_in_its_handshake_carried_no_order(twilio):
    carrier = TwilioCarrier(config(twilio, api_url=twilio.url.replace("http:", "https:")), TestClock())
    with pytest.raises(CarrierUnanswered) as silence:
        await carrier.dial(ORDER)
    await carrier.close()
    assert not silence.value.sent
    assert twilio.asked == []


# Hang up.


@pytest.mark.parametrize(("answered", "status"), [(True, "completed"), (False, "canceled")])
async def test_a_call_is_ended_as_its_state_demands(twilio, carrier, answered, status):
    twilio.answers.append(web.json_response(call(status=status)))
    seen = await carrier.hang_up(SID, answered=answered)
    assert seen is not None
    assert seen.status == status
    assert [(asked.path, asked.form) for asked in twilio.asked] == [(f"{CALLS}/{SID}.json", [("Status", status)])]


@pytest.mark.parametrize("no", [(20404, 404), (21220, 400)])
async def test_an_ended_call_is_ended(twilio, carrier, no):
    twilio.answers.append(error(*no))
    assert await carrier.hang_up(SID, answered=True) is None


async def test_a_call_that_was_answered_while_it_was_canceled_is_ended_all_the_same(twilio, carrier):
    twilio.answers += [error(21220, 400), web.json_response(call(status="completed"))]
    seen = await carrier.hang_up(SID, answered=False)
    assert seen is not None
    assert [asked.form for asked in twilio.asked] == [[("Status", "canceled")], [("Status", "completed")]]


async def test_a_canceled_call_that_had_ended_is_ended(twilio, carrier):
    twilio.answers += [error(21220, 400), error(20404, 404)]
    assert await carrier.hang_up(SID, answered=False) is None


async def test_another_no_is_no_end(twilio, carrier):
    twilio.answers += [error(20003, 401), web.Response(status=404, text="<html>")]
    with pytest.raises(CarrierRefused, match="20003"):
        await carrier.hang_up(SID, answered=True)
    with pytest.raises(CarrierUnanswered):
        await carrier.hang_up(SID, answered=True)


async def test_words_are_said_before_the_end(twilio, carrier):
    twilio.answers.append(web.json_response(call(status="in-progress")))
    seen = await carrier.hang_up(SID, answered=True, words="Sorry & <bye>.")
    assert seen is not None
    assert seen.status == "in-progress"
    (asked,) = twilio.asked
    assert (asked.method, asked.path) == ("POST", f"{CALLS}/{SID}.json")
    ((name, document),) = asked.form
    assert name == "Twiml"
    say, hang_up = ElementTree.fromstring(document)
    assert (say.tag, say.text, hang_up.tag) == ("Say", "Sorry & <bye>.", "Hangup")


async def test_a_call_that_nobody_answered_is_canceled_without_words(twilio, carrier):
    twilio.answers.append(web.json_response(call(status="canceled")))
    await carrier.hang_up(SID, answered=False, words="Sorry.")
    assert [asked.form for asked in twilio.asked] == [[("Status", "canceled")]]


@pytest.mark.parametrize("no", [(20404, 404), (21220, 400)])
async def test_an_ended_call_is_ended_whatever_was_to_be_said(twilio, carrier, no):
    twilio.answers += [error(*no), error(20404, 404)]
    assert await carrier.hang_up(SID, answered=True, words="Sorry.") is None
    assert [asked.form[0][0] for asked in twilio.asked] == ["Twiml", "Status"]


async def test_a_call_that_still_rings_for_twilio_is_ended_without_the_words(twilio, carrier):
    """A phone that called us is on the line for us from the first webhook on; Twilio answers a moment later."""
    twilio.answers += [error(21220, 400), web.json_response(call(status="canceled"))]
    seen = await carrier.hang_up(SID, answered=True, words="Sorry.")
    assert seen is not None
    assert seen.status == "canceled"
    assert twilio.asked[1].form == [("Status", "completed")]


async def test_another_no_to_words_is_no_end(twilio, carrier):
    twilio.answers += [error(20003, 401), error(20503, 503)]
    with pytest.raises(CarrierRefused, match="20003"):
        await carrier.hang_up(SID, answered=True, words="Sorry.")
    with pytest.raises(CarrierUnanswered):
        await carrier.hang_up(SID, answered=True, words="Sorry.")


async def test_words_that_twilio_would_not_take_do_not_keep_the_call_from_its_end(twilio, carrier):
    twilio.answers += [web.json_response(call(status="completed")) for _ in range(2)]
    await carrier.hang_up(SID, answered=True, words="x" * 3000)
    await carrier.hang_up(SID, answered=True, words="&" * 1000)  # five characters each, as XML
    assert [asked.form[0][0] for asked in twilio.asked] == ["Twiml", "Status"]


# The library.


async def test_several_may_ask_before_the_library_is_there(twilio, carrier):
    twilio.answers += [web.json_response(call()) for _ in range(5)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(carrier.look_up(SID)) for _ in range(5)]
    assert [task.result() for task in tasks] == [SEEN] * 5


async def test_a_closed_carrier_opens_again(twilio, carrier):
    twilio.answers += [web.json_response(call()) for _ in range(2)]
    await carrier.look_up(SID)
    await carrier.close()
    await carrier.close()
    assert await carrier.look_up(SID) == SEEN


def test_the_library_is_not_imported_before_it_is_needed():
    code = "import sys, agenticd.adapters.twilio.rest; sys.exit('twilio.rest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_token_is_not_in_what_is_printed():
    assert TOKEN not in repr(Config(ACCOUNT, TOKEN))


async def test_the_order_to_dial_never_takes_a_used_connection(twilio, carrier):
    """The other side may be closing it in that moment, and nobody would know whether the order arrived."""
    peers: list[object] = []

    async def note(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.append(request.transport.get_extra_info("peername"))
        return web.json_response(call(), status=201 if request.method == "POST" else 200)

    twilio.answers += [note] * 4
    await carrier.look_up(SID)
    await carrier.look_up(SID)
    await carrier.dial(ORDER)
    await carrier.dial(ORDER)
    assert peers[0] == peers[1]
    assert len(set(peers)) == 3
