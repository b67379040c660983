"""Webhooks as Twilio makes them: signed, patient to a point, with a fallback when no TwiML comes of them."""

from __future__ import annotations

import asyncio
import contextlib
import socket as sockets
import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from agenticd.emulator.phone import Line, PhoneScript
from agenticd.emulator.twilio import TwilioConfig, TwilioServer, urls
from agenticd.emulator.twilio.webhook import signature
from tests.certificates import LOOPBACK, authority, make
from tests.emulator.twilio.conftest import OWNED, TROUBLE, Account, Tones
from tests.emulator.twilio.customer import Customer

HANG_UP = "<Response><Hangup/></Response>"


def refused_url() -> str:
    with sockets.create_server(("127.0.0.1", 0)) as gone:
        return f"http://127.0.0.1:{gone.getsockname()[1]}/voice"


def test_the_signature_is_the_one_that_twilios_pages_print():
    params = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675310",
        "Digits": "1234",
        "From": "+14158675310",
        "To": "+18005551212",
    }
    url = "https://example.com/myapp.php?foo=1&bar=2"
    assert signature("12345", url, params) == "L/OH5YylLD5NRKLltdqwSvS0BnU="
    assert signature("12345", "wss://example.com/media", {}) == "7PR3qMkpDyEJtMrVOY/LDyNq8J8="


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("https://example.com:8443/v?a=%2F#rc=2", "https://example.com/v?a=%2F"),
        ("http://example.com:8080/v/", "http://example.com:8080/v/"),
        ("https://user:pass@example.com/v", "https://example.com/v"),
        ("http://user:pass@example.com:8080/v#ct=1", "http://example.com:8080/v"),
    ],
)
def test_fragment_userinfo_and_the_port_of_https_are_not_signed(url: str, signed: str):
    assert urls.signed(url) == signed


async def test_the_url_is_asked_and_signed_exactly_as_it_was_given(account: Account, customer: Customer):
    raw: list[str] = []

    async def voice(request: web.Request) -> web.Response:
        raw.append(request.raw_path)
        return web.Response(text=HANG_UP, content_type="text/xml")

    customer.documents["/a b/c+d"] = voice
    path = "/a%20b/c%2Bd?x=%41&y=1+2#ct=1000"
    call = await account.dial(Url=customer.url(path))
    await call.ended()
    assert raw == [path.partition("#")[0]]
    assert customer.at("/a b/c+d")[0].signed


async def test_a_get_carries_the_parameters_in_the_signed_url(account: Account, customer: Customer):
    customer.documents["/voice"] = HANG_UP
    call = await account.dial(Url=customer.url("/voice?own=1"), Method="GET", StatusCallbackMethod="GET")
    await call.ended()
    (voice,) = customer.at("/voice")
    assert (voice.method, voice.signed, voice.form["CallSid"]) == ("GET", True, call.sid)
    assert voice.form["own"] == "1"
    assert {(r.method, r.signed) for r in customer.at("/status")} == {("GET", True)}


def answer(**kwargs: object) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def respond(request: web.Request) -> web.Response:
        return web.Response(**kwargs)  # type: ignore[arg-type]

    return respond


async def cut(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def untyped(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\n<Response/>")
    request.transport.close()
    return web.Response()


async def no_chunk(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/xml"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write_eof()
    return response


BROKEN: list[tuple[Callable[[web.Request], Awaitable[web.StreamResponse]], int]] = [
    (answer(status=500, text=HANG_UP, content_type="text/xml"), 11200),
    (answer(status=404), 11200),
    (answer(text=HANG_UP, content_type="application/json"), 12300),
    (answer(text="\n<?xml version='1.0'?>" + HANG_UP, content_type="text/xml"), 12100),
    (answer(text="<Response><Hangup></Response>", content_type="text/xml"), 12100),
    (answer(text="<response/>", content_type="text/xml"), 12102),
    (answer(text="", content_type="text/xml"), 12100),
    (answer(text="<Response>" + " " * 65536 + "</Response>", content_type="text/xml"), 11750),
    (no_chunk, 11770),
    (cut, 11200),
    (untyped, 11200),
]


@pytest.mark.parametrize(("document", "code"), BROKEN)
async def test_when_no_twiml_comes_the_fallback_is_asked_and_told_why(
    account: Account, customer: Customer, document, code: int
):
    customer.documents["/voice"] = document
    customer.documents["/fallback"] = HANG_UP
    call = await account.dial(FallbackUrl=customer.url("/fallback"))
    assert await call.ended() == "completed"
    (fallback,) = customer.at("/fallback")
    assert fallback.signed
    assert fallback.form["ErrorCode"] == str(code)
    assert fallback.form["ErrorUrl"] == customer.url("/voice")
    assert fallback.form["CallSid"] == call.sid
    assert account.server.debugger.codes(call.sid) == [code]


async def test_the_fallback_is_told_all_that_the_failed_request_was_told(account: Account, customer: Customer):
    customer.documents["/voice"] = '<Response><Gather numDigits="1" action="/chosen"/></Response>'
    customer.documents["/chosen"] = answer(status=500)
    customer.documents["/fallback"] = HANG_UP
    presses = PhoneScript(ring=0, lines=(Line(press="7", after="time", pause=0.1),))
    call = await account.dial(presses, FallbackUrl=customer.url("/fallback"))
    await call.ended()
    ((chosen,), (fallback,)) = customer.at("/chosen"), customer.at("/fallback")
    why = {"ErrorCode": "11200", "ErrorUrl": customer.url("/chosen")}
    assert chosen.form["Digits"] == "7"
    assert fallback.form == {**chosen.form, **why}


async def test_without_a_fallback_or_with_a_broken_one_the_caller_is_told_and_the_call_ends(
    account: Account, customer: Customer
):
    customer.documents["/voice"] = customer.documents["/fallback"] = answer(status=500)
    call = await account.dial()
    assert await call.ended() == "completed"
    assert call.said == [TROUBLE]
    assert Tones().say(TROUBLE, "agent") in bytes(call.phone.heard)
    customer.documents["/fallback"] = answer(status=503)
    call = await account.dial(FallbackUrl=customer.url("/fallback"))
    assert await call.ended() == "completed"
    assert call.said == [TROUBLE]
    assert account.server.debugger.codes(call.sid) == [11200, 11200]
    assert len(customer.at("/fallback")) == 1


@pytest.mark.parametrize("content_type", ["text/xml", "application/xml", "text/html", "text/plain"])
async def test_the_content_types_that_twilio_reads_as_twiml(account: Account, customer: Customer, content_type: str):
    customer.documents["/voice"] = answer(
        text="<Response><Redirect>/next</Redirect></Response>", content_type=content_type, charset="utf-8"
    )
    customer.documents["/next"] = HANG_UP
    await (await account.dial()).ended()
    assert len(customer.at("/next")) == 1
    assert account.server.debugger == []


async def test_a_server_that_is_not_there_is_tried_twice(account: Account):
    call = await account.dial(Url=refused_url())
    await call.ended()
    tries = [webhook for webhook in call.callbacks if webhook.kind == "voice"]
    assert [(webhook.status, webhook.error) for webhook in tries] == [(None, 11205)] * 2
    assert account.server.debugger.codes(call.sid) == [11205]


@pytest.mark.parametrize(
    ("fragment", "tries"), [("#rc=0", 1), ("#rc=2&rp=5xx", 3), ("#rc=2&rp=all", 3), ("#rc=2&rp=4xx", 1)]
)
async def test_connection_overrides_in_the_fragment_are_kept(
    account: Account, customer: Customer, fragment: str, tries: int
):
    customer.documents["/voice"] = answer(status=503)
    call = await account.dial(Url=customer.url("/voice") + fragment)
    await call.ended()
    assert len(customer.at("/voice")) == tries
    tokens = {request.headers["I-Twilio-Idempotency-Token"] for request in customer.at("/voice")}
    assert len(tokens) == tries, "each try can be told from the others"


async def test_an_answer_that_does_not_come_in_time_is_11200(customer: Customer):
    too_late = asyncio.Event()

    async def voice(request: web.Request) -> web.Response:
        await too_late.wait()
        return web.Response(text=HANG_UP, content_type="text/xml")

    customer.documents["/voice"] = voice
    config = TwilioConfig(numbers=(OWNED,), read_timeout=0.1)
    async with TwilioServer(config, Tones()) as server, aiohttp.ClientSession() as http:
        call = await Account(server, customer, http).dial(StatusCallback="")
        assert await call.ended() == "completed"
        assert server.debugger.codes(call.sid) == [11200]
    too_late.set()


async def test_an_answer_that_drips_is_waited_for_no_longer(account: Account, customer: Customer):
    async def voice(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/xml"})
        await response.prepare(request)
        try:
            for _ in range(20):
                await response.write(b" ")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), 0.05)
            await response.write(HANG_UP.encode())
        except ConnectionError:
            pass  # Twilio has gone
        return response

    over = asyncio.Event()
    customer.documents["/voice"] = voice
    call = await account.dial(Url=customer.url("/voice#rt=200&ct=10000"), StatusCallback="")
    assert await call.ended() == "completed"
    over.set()
    assert account.server.debugger.codes(call.sid) == [11200]


async def test_the_total_of_the_overrides_is_for_all_tries_together(account: Account, customer: Customer):
    async def voice(request: web.Request) -> web.Response:
        await too_late.wait()
        return web.Response(text=HANG_UP, content_type="text/xml")

    too_late = asyncio.Event()
    customer.documents["/voice"] = voice
    call = await account.dial(Url=customer.url("/voice#tt=100&rc=5&rp=all"), StatusCallback="")
    assert await call.ended() == "completed"
    too_late.set()
    assert [(webhook.status, webhook.error) for webhook in call.callbacks] == [(None, 11200)]


@pytest.mark.parametrize(("password", "codes"), [("se%40cret", []), ("wrong", [11200])])
async def test_a_password_in_the_url_is_kept_until_it_is_asked_for(
    account: Account, customer: Customer, password: str, codes: list[int]
):
    async def voice(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != aiohttp.encode_basic_auth("user", "se@cret"):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="here"'})
        return web.Response(text=HANG_UP, content_type="text/xml")

    customer.documents["/voice"] = voice
    call = await account.dial(Url=f"http://user:{password}@{customer.authority}/voice")
    await call.ended()
    first, second = customer.at("/voice")
    assert "Authorization" not in first.headers
    assert second.headers["Authorization"].startswith("Basic ")
    assert (first.signed, second.signed) == (True, True)
    assert account.server.debugger.codes(call.sid) == codes


@pytest.mark.parametrize(
    ("hosts", "days", "trusted", "code"),
    [
        (["elsewhere.test"], (-1, 30), True, 11235),
        (LOOPBACK, (-30, -1), True, 11236),
        (LOOPBACK, (1, 30), True, 11236),
        (LOOPBACK, (-1, 30), False, 11237),
    ],
)
async def test_what_is_wrong_with_a_certificate_is_told(
    account: Account,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hosts: Sequence[str],
    days: tuple[int, int],
    trusted: bool,
    code: int,
):
    signer = authority()
    trusts = ssl.create_default_context(cadata=signer.pem.decode() if trusted else None)
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", trusts)
    shows = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    shows.load_cert_chain(*make("here", signer, hosts=hosts, days=days).write(tmp_path, "here"))
    async with await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=shows) as there:
        port = there.sockets[0].getsockname()[1]
        call = await account.dial(Url=f"https://localhost:{port}/voice", StatusCallback="")
        await call.ended()
    assert account.server.debugger.codes(call.sid) == [code]


@pytest.mark.parametrize(
    "url", ["http://host:port/", "http://[::1/", "http://", "ftp://127.0.0.1/", "mailto:a", "http://a b/", "/next"]
)
async def test_a_url_that_is_none_fails_like_a_server_that_is_not_there(account: Account, url: str):
    redirect = f"<Response><Redirect>{url}</Redirect></Response>"
    call = await account.dial(Url="", Twiml=redirect, StatusCallback="")
    assert await call.ended() == "completed"
    assert account.server.debugger.codes(call.sid) == [11100]


async def test_redirects_are_followed_and_signed_anew(account: Account, customer: Customer):
    customer.documents["/voice"] = answer(status=307, headers={"Location": "/moved"})
    customer.documents["/moved"] = answer(status=302, headers={"Location": customer.url("/found?x=1")})
    customer.documents["/found"] = "<Response><Redirect>relative</Redirect></Response>"
    customer.documents["/relative"] = HANG_UP
    call = await account.dial()
    await call.ended()
    hops = [(r.path, r.method, r.signed) for r in customer.requests if r.path != "/status"]
    assert hops == [
        ("/voice", "POST", True),
        ("/moved", "POST", True),
        ("/found", "GET", True),
        ("/relative", "POST", True),
    ]
    assert customer.at("/moved")[0].form["CallSid"] == call.sid
    assert customer.at("/found")[0].form == {"x": "1"}


async def test_the_eleventh_redirect_is_too_much(account: Account, customer: Customer):
    customer.documents["/voice"] = answer(status=307, headers={"Location": "/voice"})
    call = await account.dial()
    await call.ended()
    assert account.server.debugger.codes(call.sid) == [11215]
    assert len(customer.at("/voice")) == 11


async def test_cookies_are_kept_for_the_call_and_for_no_other(account: Account, customer: Customer):
    async def voice(request: web.Request) -> web.Response:
        text = "<Response><Redirect>/next</Redirect></Response>"
        response = web.Response(text=text, content_type="text/xml")
        response.set_cookie("visitor", "7")
        return response

    customer.documents["/voice"] = voice
    customer.documents["/next"] = HANG_UP
    for _ in range(2):
        await (await account.dial()).ended()
    assert ["Cookie" in request.headers for request in customer.at("/voice")] == [False, False]
    assert [request.headers.get("Cookie") for request in customer.at("/next")] == ["visitor=7"] * 2


async def test_a_status_callback_that_fails_is_told_and_does_not_touch_the_call(account: Account, customer: Customer):
    customer.documents["/status"] = answer(status=500)
    call = await account.dial(PhoneScript(outcome="busy", ring=0))
    assert await call.ended() == "busy"
    assert account.server.debugger.codes(call.sid) == [11200, 11200]
    assert [(webhook.kind, webhook.status) for webhook in call.callbacks] == [("status", 500)] * 2
