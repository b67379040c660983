"""The addresses that Twilio is given, and those that it must have asked for, come from public_url alone."""

from __future__ import annotations

import pytest

from agenticd.core.errors import InvalidArgument
from agenticd.core.ids import CallId
from agenticd.service.urls import Urls

CALL = CallId("01HZZZZZZZZZZZZZZZZZZZZZZZ")


@pytest.mark.parametrize(
    ("public_url", "web", "sockets"),
    [
        ("https://voice.example.com", "https://voice.example.com", "wss://voice.example.com"),
        ("https://voice.example.com/", "https://voice.example.com", "wss://voice.example.com"),
        ("https://Example.com:8443/a/b/", "https://Example.com:8443/a/b", "wss://Example.com:8443/a/b"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "ws://127.0.0.1:8080"),
        ("http://localhost:8080/x", "http://localhost:8080/x", "ws://localhost:8080/x"),
        ("http://[::1]:8080", "http://[::1]:8080", "ws://[::1]:8080"),
    ],
)
def test_every_address_is_built_on_the_public_url(public_url: str, web: str, sockets: str):
    urls = Urls(public_url)
    assert urls.inbound() == f"{web}/twilio/voice"
    assert urls.voice(CALL) == f"{web}/twilio/voice/{CALL}"
    assert urls.resume(CALL) == f"{web}/twilio/resume/{CALL}"
    assert urls.status(CALL) == f"{web}/twilio/status/{CALL}"
    assert urls.stream_status(CALL) == f"{web}/twilio/stream/{CALL}"
    assert urls.media(CALL) == f"{sockets}/twilio/media/{CALL}"


@pytest.mark.parametrize("prefix", ["", "/agents", "/twilio", "/twilio/voice"])
def test_what_was_asked_for_is_found_with_and_without_the_prefix(prefix: str):
    urls = Urls(f"https://example.com{prefix}")
    for url in (urls.voice(CALL), urls.status(CALL) + "?a=%7e&a=+"):
        inside = url.removeprefix(f"https://example.com{prefix}")
        assert urls.requested(inside) == url
        assert urls.requested(prefix + inside) == url
    inside = urls.media(CALL).removeprefix(f"wss://example.com{prefix}")
    assert urls.requested_media(inside) == urls.requested_media(prefix + inside) == urls.media(CALL)


@pytest.mark.parametrize(
    ("public_url", "says"),
    [
        ("", "https://"),
        ("voice.example.com", "https://"),
        ("wss://voice.example.com", "https://"),
        ("https://", "host name"),
        ("https://exa mple.com", "https://"),
        ("https://[::1", "no URL"),
        ("https://example.com:99999", "no URL"),
        ("http://voice.example.com", "loopback"),
        ("http://10.0.0.1", "loopback"),
        ("https://user:secret@example.com", "no user"),
        ("https://example.com/?a=1", "query"),
        ("https://example.com/#x", "fragment"),
        ("https://my_host.example.com", "underscore"),
    ],
)
def test_a_public_url_that_twilio_could_not_use_says_what_would_be_right(public_url: str, says: str):
    with pytest.raises(InvalidArgument) as caught:
        Urls(public_url)
    (violation,) = caught.value.violations
    assert violation.field == "public_url"
    assert says in violation.description
    assert "secret" not in violation.description
