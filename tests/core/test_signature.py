"""Signatures: Twilio's are accepted in each form that Twilio uses, and nothing else is."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from agenticd.core.signature import sign, valid, valid_json

TOKEN = "12345"
DOCUMENTED = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675310"),
    ("Digits", "1234"),
    ("From", "+14158675310"),
    ("To", "+18005551212"),
]
OTHER_NUMBER = [(name, "+12349013030" if name in ("Caller", "From") else value) for name, value in DOCUMENTED]
BODY = b'{"CallSid":"CA1234567890ABCDE","Caller":"+12349013030"}'
BODY_HASH = "5ccde7145dfb8f56479710896586cb9d5911809d83afbe34627818790db0aec9"


@pytest.mark.parametrize(
    ("url", "params", "signature"),
    [
        ("https://example.com/myapp.php?foo=1&bar=2", DOCUMENTED, "L/OH5YylLD5NRKLltdqwSvS0BnU="),
        ("https://example.com/myapp", OTHER_NUMBER, "NGAgWNhdnsLF8j385frvrQoi9sg="),
        ("wss://example.com/media", [], "7PR3qMkpDyEJtMrVOY/LDyNq8J8="),
        ("wss://example.com/media/", [], "T+WBXwUXC0/CyoZ1DA+p9ilZORs="),
        (f"https://example.com/myapp?bodySHA256={BODY_HASH}", [], "hPXmLwIy3Fgqv1i9KPmH/HhQ6zo="),
    ],
)
def test_known_signatures_are_made_and_accepted(url, params, signature):
    assert sign(TOKEN, url, params) == signature
    assert sign(TOKEN, url, reversed(params)) == signature
    assert valid(TOKEN, url, params, signature)
    assert not valid("54321", url, params, signature)


# Twilio's own library, as the second opinion. Where it goes wrong itself (IPv6, user:password, an empty
# query) it is not asked; those have their own tests below.

HOSTS = st.sampled_from(["voice.example.com", "example.com", "127.0.0.1", "a.b-c.example"])
PORTS = st.sampled_from(["", ":443", ":80", ":8443", ":8080"])
PATHS = st.sampled_from(["", "/", "/twilio/voice", "/twilio/status/01J/", "/a%2Fb%20c", "/ä/%C3%A4"])
QUERIES = st.sampled_from(["", "?a=1", "?b=%2B1&a=&a=2", "?x=/y?z:443"])
URLS = st.builds(
    lambda scheme, *rest: scheme + "://" + "".join(rest),
    st.sampled_from(["http", "https"]),
    HOSTS,
    PORTS,
    PATHS,
    QUERIES,
)
NAMES = st.text(st.characters(codec="utf-8"), max_size=5) | st.sampled_from(["To", "From", "CallSid", "Body"])
PARAMS = st.lists(st.tuples(NAMES, st.text(st.characters(codec="utf-8"), max_size=8)), max_size=6)


@given(URLS, PARAMS, st.text(max_size=10))
def test_twilios_library_makes_the_same_signature(url, params, token):
    assert sign(token, url, params) == RequestValidator(token).compute_signature(url, MultiDict(params))


@given(URLS, URLS, PARAMS, PARAMS, st.booleans())
def test_twilios_library_accepts_the_same_requests(url, signed_url, params, signed_params, same):
    if same:
        signed_params = params
        signed_url = urlsplit(url)._replace(netloc=urlsplit(signed_url).netloc).geturl()
    signature = sign(TOKEN, signed_url, signed_params)
    theirs = RequestValidator(TOKEN).validate(url, MultiDict(params), signature)
    assert valid(TOKEN, url, params, signature) == theirs


@given(URLS, PARAMS)
def test_a_port_more_or_less_changes_nothing(url, params):
    parts = urlsplit(url)
    host = parts.hostname or ""
    bare = parts._replace(netloc=host).geturl()
    default = parts._replace(netloc=f"{host}:{443 if parts.scheme == 'https' else 80}").geturl()
    for signed in (url, bare, default) if not parts.port else (url, bare):
        assert valid(TOKEN, url, params, sign(TOKEN, signed, params))


@given(URLS, PARAMS.filter(bool), st.data())
def test_one_changed_letter_anywhere_is_refused(url, params, data):
    signature = sign(TOKEN, url, params)
    at = data.draw(st.integers(0, len(params) - 1))
    name, value = params[at]
    forged = [*params[:at], (name, value + "0"), *params[at + 1 :]]
    assert valid(TOKEN, url, forged, signature) == (set(forged) == set(params))
    assert not valid(TOKEN, url + "0", params, signature)
    assert not valid(TOKEN, url, params, signature[:-2] + ("A=" if signature[-2] != "A" else "B="))


WSS = "wss://voice.example.com/twilio/media/01J"


@pytest.mark.parametrize("ours", [WSS, WSS + "/"])
@pytest.mark.parametrize("host", ["voice.example.com", "voice.example.com:443", "voice.example.com:80"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_an_upgrade_may_be_signed_with_or_without_slash_and_port(ours, host, slash):
    signed = f"wss://{host}/twilio/media/01J{slash}"
    assert valid(TOKEN, ours, (), sign(TOKEN, signed), websocket=True)


@pytest.mark.parametrize(
    "signed",
    [
        WSS + "//",
        WSS.replace("wss", "https"),
        WSS.replace("wss", "ws"),
        WSS.replace(".com", ".com:8443"),
        WSS + "?a=1",
        WSS[:-1],
        "wss://voice.example.com/",
    ],
)
def test_an_upgrade_signed_for_anything_else_is_refused(signed):
    assert not valid(TOKEN, WSS, (), sign(TOKEN, signed), websocket=True)


def test_a_webhook_has_no_slash_to_spare():
    url = "https://voice.example.com/twilio/voice"
    assert not valid(TOKEN, url, (), sign(TOKEN, url + "/"))
    assert not valid(TOKEN, url + "/", (), sign(TOKEN, url))


def test_a_local_stream_url_with_a_port_is_signed_as_it_is():
    url = "ws://127.0.0.1:8080/twilio/media/01J"
    assert valid(TOKEN, url, (), sign(TOKEN, url), websocket=True)
    assert valid(TOKEN, url, (), sign(TOKEN, url + "/"), websocket=True)


def test_user_password_and_fragment_are_not_signed():
    ours = "https://user:pa:ss@voice.example.com:8443/voice?a=1#rc=2"
    assert valid(TOKEN, ours, (), sign(TOKEN, "https://voice.example.com:8443/voice?a=1"))
    assert valid(TOKEN, ours, (), sign(TOKEN, "https://voice.example.com/voice?a=1"))
    assert not valid(TOKEN, ours, (), sign(TOKEN, ours))


@pytest.mark.parametrize("port", ["", ":8080"])
def test_an_ipv6_host_keeps_its_brackets(port):
    ours = f"http://[::1]{port}/voice"
    for signed in (ours, "http://[::1]/voice"):
        assert valid(TOKEN, ours, (), sign(TOKEN, signed))


def test_an_at_sign_in_the_path_is_no_user():
    url = "https://voice.example.com/a@b:9/c"
    assert valid(TOKEN, url, (), sign(TOKEN, url))


def test_an_empty_value_counts_and_a_repeated_pair_counts_once():
    url = "https://voice.example.com/voice"
    assert not valid(TOKEN, url, [("A", "")], sign(TOKEN, url, []))
    assert valid(TOKEN, url, [("A", "1"), ("A", "1")], sign(TOKEN, url, [("A", "1")]))


@given(st.text(st.characters()), st.text(st.characters()), st.text(st.characters()))
def test_nothing_that_a_stranger_sends_raises(path, value, signature):
    assert not valid(TOKEN, "https://h/" + path, [("A", value)], signature)
    assert not valid(TOKEN, "wss://h/" + path, [], signature, websocket=True)
    assert not valid_json(TOKEN, "https://h/?bodySHA256=" + path, value.encode("utf-8", "replace"), signature)


def test_a_json_body_is_bound_by_its_hash():
    url = f"https://example.com/myapp?bodySHA256={BODY_HASH}"
    signature = sign(TOKEN, url)
    assert valid_json(TOKEN, url, BODY, signature)
    assert RequestValidator(TOKEN).validate(url, BODY.decode(), signature)
    assert not valid_json(TOKEN, url, BODY + b" ", signature)
    assert not valid_json(TOKEN, url, BODY, sign(TOKEN, "https://example.com/myapp"))


@pytest.mark.parametrize("query", ["", "?x=1", "?bodySHA256=", "?bodySHA256={0}&bodySHA256={0}", "?bodysha256={0}"])
def test_a_json_body_without_its_one_hash_is_refused_even_if_signed(query):
    url = "https://example.com/myapp" + query.format(hashlib.sha256(BODY).hexdigest())
    assert not valid_json(TOKEN, url, BODY, sign(TOKEN, url))
