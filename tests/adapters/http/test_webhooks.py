"""What Twilio asks is verified before all else, read with care, and answered with what Twilio can use."""

from __future__ import annotations

import asyncio
import hashlib
from urllib.parse import urlencode

import pytest
from multidict import MultiDict
from structlog.testing import capture_logs

from agenticd.adapters.http import webhooks
from agenticd.core.errors import Draining, NotLive, StoreDown
from tests.adapters.http.support import (
    CALL,
    OTHER_CALL,
    PUBLIC,
    SIGNER,
    TOKEN,
    House,
    eventually,
    house,
    in_house,
    request_bytes,
    run,
)

FORM = {"CallSid": "CA1", "From": "+15550001111", "To": "+15552223333", "CallStatus": "in-progress"}
FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}
ASKING = {
    "voice": f"/twilio/voice/{CALL}",
    "resume": f"/twilio/resume/{CALL}",
    "arrived": "/twilio/voice",
}
TELLING = {"status": f"/twilio/status/{CALL}", "stream": f"/twilio/stream/{CALL}"}
ALL = ASKING | TELLING


def on_asyncio(check, public_url: str = PUBLIC) -> None:
    in_house("asyncio", check, public_url)


@pytest.mark.parametrize("what", ASKING)
def test_a_question_is_answered_with_twiml(what: str):
    async def check(home: House) -> None:
        client = await home.connect()
        status, headers, body = await client.post(ASKING[what], FORM)
        assert (status, headers["content-type"]) == (200, "text/xml; charset=utf-8")
        assert body.decode() == f"<Response><!-- {what} --></Response>"
        assert home.board.asked == [(what, CALL, FORM)]
        assert "python" not in headers.get("server", "").lower()

    on_asyncio(check)


@pytest.mark.parametrize("what", TELLING)
def test_a_report_is_answered_with_204(what: str):
    async def check(home: House) -> None:
        client = await home.connect()
        status, _, body = await client.post(TELLING[what], FORM)
        assert (status, body) == (204, b"")
        assert home.board.asked == [(what, CALL, FORM)]

    on_asyncio(check)


@pytest.mark.parametrize("path", [*ALL.values(), f"/twilio/voice/{OTHER_CALL}", "/twilio/status/nonsense"])
@pytest.mark.parametrize("signature", [None, "", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "\u00fc"])
def test_without_the_signature_nothing_is_done_or_told(path: str, signature: str | None):
    async def check(home: House) -> None:
        client = await home.connect()
        headers = FORM_TYPE if signature is None else FORM_TYPE | {"X-Twilio-Signature": signature}
        status, answer, body = await client.request(f"POST {path}", headers, urlencode(FORM).encode())
        assert (status, body) == (403, b"")
        assert answer["connection"] == "close"
        assert home.board.asked == []
        why = "wrong_signature" if signature else "no_signature"
        assert home.server.refused == {why: 1}

    on_asyncio(check)


@pytest.mark.parametrize(
    "change",
    [
        {"From": "+15550001112"},  # another value
        {"Extra": ""},  # one more
        {"From": None},  # one less
    ],
)
def test_a_form_that_was_changed_on_its_way_is_refused(change: dict[str, str | None]):
    async def check(home: House) -> None:
        client = await home.connect()
        signature = SIGNER.compute_signature(PUBLIC + ALL["voice"], FORM)
        sent = {name: value for name, value in (FORM | change).items() if value is not None}
        headers = FORM_TYPE | {"X-Twilio-Signature": signature}
        status, _, _ = await client.request(f"POST {ALL['voice']}", headers, urlencode(sent).encode())
        assert status == 403

    on_asyncio(check)


def test_the_url_is_the_configured_one_whatever_the_request_says_of_itself():
    async def check(home: House) -> None:
        client = await home.connect()
        lies = {  # as is the Host of every request here
            "X-Forwarded-Host": "evil.example",
            "X-Forwarded-Proto": "http",
            "Forwarded": "host=evil.example;proto=http",
        }
        for name, value in lies.items():
            status, _, _ = await client.post(ALL["voice"], FORM, **{name: value})
            assert status == 200
        status, _, _ = await client.post(
            ALL["voice"], FORM, url="http://evil.example" + ALL["voice"], **{"X-Forwarded-Proto": "http"}
        )
        assert status == 403

    on_asyncio(check)


@pytest.mark.parametrize("query", ["?a=b&c=%7e%20+x", "?", "?a=%c3%a9&a=2"])
def test_the_raw_path_and_query_are_what_is_signed(query: str):
    async def check(home: House) -> None:
        client = await home.connect()
        status, _, _ = await client.post(ALL["status"] + query, FORM)
        assert status == 204
        status, _, _ = await client.post(ALL["status"] + query, FORM, url=PUBLIC + ALL["status"])
        assert status == 403

    on_asyncio(check)


@pytest.mark.parametrize("path", ["/twilio", "/twilio/voice", "/agents/eu"])
@pytest.mark.parametrize("kept", [True, False])
def test_a_proxy_may_take_the_public_path_away_or_leave_it(path: str, kept: bool):
    public_url = f"https://example.com{path}"

    async def check(home: House) -> None:
        client = await home.connect()
        asked = (path if kept else "") + ALL["voice"]
        status, _, _ = await client.post(asked, FORM, url=public_url + ALL["voice"])
        assert status == 200
        status, _, _ = await client.upgrade(
            (path if kept else "") + f"/twilio/media/{CALL}",
            url=f"wss://example.com{path}/twilio/media/{CALL}",
        )
        assert status == 101

    on_asyncio(check, public_url)


def test_unknown_and_repeated_and_empty_parameters_are_fine():
    async def check(home: House) -> None:
        pairs = [("CallSid", "CA1"), ("New", "ü \u4e2d&="), ("Twice", "b"), ("Twice", "a"), ("Empty", "")]
        signature = SIGNER.compute_signature(PUBLIC + ALL["voice"], MultiDict(pairs))
        client = await home.connect()
        headers = FORM_TYPE | {"X-Twilio-Signature": signature}
        status, _, _ = await client.request(f"POST {ALL['voice']}", headers, urlencode(pairs).encode())
        assert status == 200
        assert home.board.asked[0][2] == {"CallSid": "CA1", "New": "ü \u4e2d&=", "Twice": "a", "Empty": ""}

    on_asyncio(check)


@pytest.mark.parametrize("path", ALL.values())
@pytest.mark.parametrize("sid", [None, "", "CA1/../../Recordings/RE1", "CA1?x", "CA 1", "CA1\n", "C" * 65, "\u0661"])
def test_what_names_no_call_of_the_carriers_is_about_nothing(path: str, sid: str | None):
    """Else it would be about any call whose id we do not know yet; and the id becomes part of a path."""

    async def check(home: House) -> None:
        client = await home.connect()
        form = {"From": "+15550001111"} if sid is None else FORM | {"CallSid": sid}
        status, _, body = await client.post(path, form)
        assert (status, body) == (400, b"")
        assert (home.board.asked, home.server.refused) == ([], {"call_sid": 1})

    on_asyncio(check)


@pytest.mark.parametrize("path", ALL.values())
def test_an_empty_form_without_a_content_type_is_about_nothing_too(path: str):
    async def check(home: House) -> None:
        client = await home.connect()
        signature = SIGNER.compute_signature(PUBLIC + path, {})
        status, _, _ = await client.request(f"POST {path}", {"X-Twilio-Signature": signature, "Content-Length": "0"})
        assert (status, home.server.refused) == (400, {"call_sid": 1})

    on_asyncio(check)


@pytest.mark.parametrize("body", [b'{"CallSid": "CA1"}', b"CallSid=CA1"])
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x"])
def test_another_content_type_is_refused_after_the_signature(body: bytes, kind: str):
    async def check(home: House) -> None:
        path = f"{ALL['status']}?bodySHA256={hashlib.sha256(body).hexdigest()}"
        signature = SIGNER.compute_signature(PUBLIC + path, {})
        for given, expected in ((signature, 415), ("wrong", 403)):
            client = await home.connect()
            headers = {"Content-Type": kind, "X-Twilio-Signature": given}
            status, _, _ = await client.request(f"POST {path}", headers, body)
            assert status == expected
        assert home.board.asked == []

    on_asyncio(check)


ODD_HEADERS = {
    "a charset that is another": ("Content-Type: application/x-www-form-urlencoded; charset=utf-16", 204),
    "a charset that there is not": ('Content-Type: application/x-www-form-urlencoded; charset="\x7f</x>"', 400),
    "a charset twice": ("Content-Type: application/x-www-form-urlencoded; charset=a; charset=b", 204),
    "capitals": ("Content-Type: Application/X-WWW-Form-Urlencoded", 204),
    "a type that is none": ("Content-Type: ;;;=", 415),
    "an empty type": ("Content-Type:", 415),
    "no type": ("X-Nothing: x", 415),
    "two types": ("Content-Type: text/plain\r\nContent-Type: application/x-www-form-urlencoded", 400),
    "a coding that is none": ("Content-Type: application/x-www-form-urlencoded\r\nContent-Encoding: evil", 204),
}


@pytest.mark.parametrize("name", ODD_HEADERS)
def test_odd_headers_are_harmless_or_refused(name: str, caplog: pytest.LogCaptureFixture):
    head, expected = ODD_HEADERS[name]

    async def check(home: House) -> None:
        client = await home.connect()
        body = urlencode(FORM).encode()
        # With a type that is no form's, only the URL is signed.
        signature = SIGNER.compute_signature(PUBLIC + ALL["status"], {} if expected == 415 else FORM)
        lines = f"{head}\r\nX-Twilio-Signature: {signature}\r\nContent-Length: {len(body)}"
        client.writer.write(f"POST {ALL['status']} HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n".encode() + body)
        status, _, _ = await client.answer()
        assert status == expected
        assert (home.board.asked != []) == (status == 204)

    on_asyncio(check)
    assert caplog.records == []


def test_a_body_in_another_encoding_is_not_what_was_signed():
    async def check(home: House) -> None:
        client = await home.connect()
        form = FORM | {"CallerName": "J\u00fcrgen"}
        signature = SIGNER.compute_signature(PUBLIC + ALL["voice"], form)
        headers = FORM_TYPE | {"X-Twilio-Signature": signature}
        for body, expected in ((urlencode(form), 200), (urlencode(form, encoding="latin-1"), 403)):
            client = await home.connect()
            status, _, _ = await client.request(f"POST {ALL['voice']}", headers, body.encode())
            assert status == expected

    on_asyncio(check)


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE", "OPTIONS"])
def test_only_post(method: str):
    async def check(home: House) -> None:
        client = await home.connect()
        signature = SIGNER.compute_signature(PUBLIC + ALL["voice"], {})
        headers = {"X-Twilio-Signature": signature}
        client.writer.write(request_bytes(f"{method} {ALL['voice']}", headers))
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert b" 405 " in head
        assert b"Allow: POST" in head

    on_asyncio(check)


@pytest.mark.parametrize("path", ["/", "/twilio", "/twilio/", "/metrics", "/healthz", "/twilio/voice/"])
def test_nothing_else_is_there(path: str):
    async def check(home: House) -> None:
        client = await home.connect()
        status, _, _ = await client.post(path, FORM)
        assert status == 404

    on_asyncio(check)


def test_a_thousand_forged_requests_are_a_thousand_counts_and_a_few_lines():
    """What a stranger sends is nowhere in them but for the path; nothing of ours that is secret is, either."""
    secret, body = "auth-token-guess", {"CallSid": "CA1", "From": "+15550009999", "Body": "hear my words"}

    async def check(home: House) -> None:
        with capture_logs() as logs:
            for number in range(500):
                client = await home.connect()
                path = f"/twilio/voice?n={number}%0aX%1b[2J" + "a" * 2000
                headers = FORM_TYPE | ({"X-Twilio-Signature": secret} if number % 2 else {})
                status, _, _ = await client.request(f"POST {path}", headers, urlencode(body).encode())
                assert status == 403
                client.abort()
                upgrade = await home.connect()
                status, _, _ = await upgrade.upgrade(f"/twilio/media/{CALL}", **{"X-Twilio-Signature": secret})
                assert status == 403
                upgrade.abort()
                home.clients.clear()
        assert home.server.refused == {"no_signature": 250, "wrong_signature": 750}
        assert [line["why"] for line in logs] == ["no_signature", "wrong_signature"]
        assert logs[0]["expected_url"].startswith(f"{PUBLIC}/twilio/voice?n=0%0aX")
        for text in (TOKEN, secret, "+15550009999", "hear"):
            assert text not in str(logs)
        assert all(len(str(line)) < 1000 for line in logs)

    on_asyncio(check)


@pytest.mark.parametrize("signature", [None, "AAAAAAAAAAAAAAAAAAAAAAAAAAA="])
@pytest.mark.parametrize(
    ("path", "call_id"),
    [
        *((path.format(CALL), CALL) for path in ("/twilio/voice/{}", "/twilio/status/{}?x=/y", "/twilio/media/{}")),
        (f"/twilio/voice/{CALL.lower()}", CALL),  # as our id is written
        ("/twilio/voice", None),
        (f"/twilio/voice/{CALL}%0aAGENTICD_CALL={OTHER_CALL}", None),
        (f"/twilio/voice/x?{CALL}/{OTHER_CALL}", None),
        ("/twilio/status/01H%5a%1b[2J", None),
    ],
)
def test_what_is_refused_about_a_call_is_found_with_the_call(path: str, call_id: str | None, signature: str | None):
    """Only where what stands in the path is a call id: a stranger chooses it."""

    async def check(home: House) -> None:
        client = await home.connect()
        headers = FORM_TYPE if signature is None else FORM_TYPE | {"X-Twilio-Signature": signature}
        with capture_logs() as logs:
            status, _, _ = await client.request(f"{'GET' if '/media/' in path else 'POST'} {path}", headers, b"")
        assert status == 403
        (line,) = logs
        assert line["event"] == "request refused"
        assert line.get("call_id") == call_id
        assert ("call_id" in line) == (call_id is not None)

    on_asyncio(check)


@pytest.mark.parametrize(
    ("error", "status", "event"),
    [
        (Draining(), 503, "request not served"),
        (NotLive(CALL, "ENDED"), None, None),
    ],
)
@pytest.mark.parametrize("what", ["voice", "status"])
def test_what_cannot_be_served_about_a_call_is_found_with_the_call(
    what: str, error: Exception, status: int | None, event: str | None
):
    async def check(home: House) -> None:
        home.board.error = error
        client = await home.connect()
        with capture_logs() as logs:
            found, _, _ = await client.post(ALL[what], FORM)
        assert found == (status or (200 if what == "voice" else 204))
        (line,) = logs
        assert line["call_id"] == CALL
        assert event is None or line["event"] == event

    on_asyncio(check)


# --- Calls that are not there


@pytest.mark.parametrize("path", [f"/twilio/voice/{OTHER_CALL}", f"/twilio/resume/{OTHER_CALL}", "/twilio/voice/x"])
def test_a_question_about_no_call_of_ours_hangs_up(path: str):
    async def check(home: House) -> None:
        client = await home.connect()
        with capture_logs() as logs:
            status, headers, body = await client.post(path, FORM)
        assert (status, headers["content-type"]) == (200, "text/xml; charset=utf-8")
        assert b"<Hangup" in body
        assert [line["log_level"] for line in logs] == ["warning"]

    on_asyncio(check)


@pytest.mark.parametrize("path", [f"/twilio/status/{OTHER_CALL}", "/twilio/stream/x"])
def test_a_report_about_no_call_of_ours_is_taken(path: str):
    async def check(home: House) -> None:
        client = await home.connect()
        status, _, _ = await client.post(path, FORM)
        assert status == 204

    on_asyncio(check)


@pytest.mark.parametrize(
    ("error", "asking", "telling"),
    [(NotLive(CALL, "ENDED"), 200, 204), (StoreDown(), 503, 503), (Draining(), 503, 503)],
)
def test_errors_become_what_twilio_understands(error: Exception, asking: int, telling: int):
    async def check(home: House) -> None:
        home.board.error = error
        client = await home.connect()
        for path in ASKING.values():
            status, _, body = await client.post(path, FORM)
            assert status == asking
            assert str(error).encode() not in body
        for path in TELLING.values():
            status, _, body = await client.post(path, FORM)
            assert (status, body) == (telling, b"")

    on_asyncio(check)


# --- Too much, too slow


def test_a_form_of_64_kib_is_the_largest():
    async def check(home: House) -> None:
        room = webhooks.BODY_LIMIT - len(urlencode(FORM | {"x": ""}))
        for size, status in ((room, 204), (room + 1, 413)):
            client = await home.connect()
            got, _, _ = await client.post(ALL["status"], FORM | {"x": "a" * size})
            assert got == status
        assert home.server.refused == {"too_large": 1}

    on_asyncio(check)


def test_a_body_that_says_no_length_is_cut_off_too():
    async def check(home: House) -> None:
        client = await home.connect()
        headers = FORM_TYPE | {"X-Twilio-Signature": "x", "Transfer-Encoding": "chunked"}
        chunk = b"8000\r\n" + b"a" * 0x8000 + b"\r\n"
        client.writer.write(request_bytes(f"POST {ALL['status']}", headers) + chunk * 3)
        status, _, _ = await client.answer()
        assert status == 413

    on_asyncio(check)


def test_a_body_is_not_unpacked():
    async def check(home: House) -> None:
        client = await home.connect()
        status, _, _ = await client.post(ALL["status"], FORM, **{"Content-Encoding": "gzip"})
        assert status == 204  # it is what it is: the bytes of a form

    on_asyncio(check)


def test_too_many_parameters_are_refused():
    async def check(home: House) -> None:
        client = await home.connect()
        status, _, _ = await client.post(ALL["status"], {f"p{number}": "" for number in range(2000)})
        assert status == 413
        assert home.board.asked == []

    on_asyncio(check)


def test_a_body_that_does_not_come_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(webhooks, "_BODY_SECONDS", 0.01)

    async def check(home: House) -> None:
        client = await home.connect()
        headers = FORM_TYPE | {"X-Twilio-Signature": "x", "Content-Length": "10"}
        client.writer.write(request_bytes(f"POST {ALL['status']}", headers) + b"half")
        status, _, _ = await client.answer()
        assert status == 408
        assert home.server.refused == {"slow": 1}

    on_asyncio(check)


def test_a_connection_that_breaks_within_a_body_is_no_error_of_ours():
    async def check(home: House) -> None:
        with capture_logs() as logs:
            client = await home.connect()
            headers = FORM_TYPE | {"X-Twilio-Signature": "x", "Content-Length": "10"}
            client.writer.write(request_bytes(f"POST {ALL['status']}", headers) + b"half")
            await client.writer.drain()
            other = await home.connect()
            await other.post(ALL["status"], FORM)
            client.abort()
            await eventually(lambda: home.server.refused)
        assert home.server.refused == {"broken_off": 1}
        assert not [line for line in logs if line["log_level"] == "error"]

    on_asyncio(check)


@pytest.mark.parametrize(
    "head",
    [
        b"nonsense\r\n\r\n",
        b"POST /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    ],
)
def test_a_head_that_is_none_gets_400_and_no_traceback(head: bytes, caplog: pytest.LogCaptureFixture):
    async def check(home: House) -> None:
        client = await home.connect()
        client.writer.write(head)
        status, _, _ = await client.answer()
        assert status == 400

    on_asyncio(check)
    assert caplog.records == []


@pytest.mark.parametrize("debug", [False, True])
def test_a_defect_of_ours_is_answered_with_500_and_logged(caplog: pytest.LogCaptureFixture, debug: bool):
    async def main() -> None:
        asyncio.get_running_loop().set_debug(debug)
        async with house() as home:
            home.board.error = ZeroDivisionError("secret")
            client = await home.connect()
            status, _, body = await client.post(ALL["voice"], FORM)
            assert status == 500
            assert b"secret" not in body

    run("asyncio", main())
    assert [record.name for record in caplog.records if record.levelname == "ERROR"] == ["agenticd.http"]
