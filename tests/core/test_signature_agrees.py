"""Ours and the vendor's RequestValidator, side by side on 10,000 requests of each kind.

On https and http they agree. On wss and ws ours takes more: exactly the variants of UPGRADE below, no other.

Four forms of URL are left out because the vendor's library rewrites them before it signs, and Twilio's servers do not:
user:password@, an IPv6 host, a "?" or ";" with nothing behind it, and port 0. No public_url of ours makes the first and
the last; the others have their tests in test_signature.py. There is no #fragment and no control character in what an
HTTP request asks for.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from agenticd.core.signature import sign, valid

REQUESTS = 10_000
TOKENS = ("12345", "0123456789abcdef0123456789abcdef", "tökén", "")
HOSTS = (
    "voice.example.com",
    "EXAMPLE.com",
    "127.0.0.1",
    "a.b-c.example",
    "bücher.example",
    "xn--bcher-kva.example",
    "h",
)
PORTS = ("", "", "", ":443", ":80", ":8443", ":8080", ":1", ":65535", ":0443")
SEGMENTS = (
    "twilio",
    "voice",
    "01HZZZZZZZZZZZZZZZZZZZZZZZ",
    "a%2Fb",
    "%c3%A4",
    "ä",
    "..",
    "",
    "a;b=1",
    "a:443",
    "@",
    "~-_.!$'()*,",
)
QUERIES = (
    "a=1",
    "b=%2B1",
    "a=",
    "a",
    "a=2&a=1",
    "x=/y?z:443",
    "q=%20+",
    "é=ü",
    "=",
    "&&",
    "bodySHA256=00",
    "u=http://h:80/",
)
NAMES = (
    "To",
    "From",
    "CallSid",
    "Body",
    "Digits",
    "",
    "ä",
    "a b",
    "a&b=c",
    "from",
    "\U0001f600",
    "\n",
    "Caller\x00Name",
)
VALUES = (
    "",
    "+15550001111",
    "CA1",
    "ä",
    "a&b=c",
    " ",
    "%41",
    "\U0001f600",
    "\r\nX: y",
    "'\"<x>",
    "0",
    "a" * 300,
    "\x7f",
)


def url_of(dice: random.Random, *schemes: str) -> str:
    tail = "".join(f"/{dice.choice(SEGMENTS)}" for _ in range(dice.randrange(5)))
    tail += dice.choice(("", "", "/")) if tail else ""
    tail += "?" + "&".join(dice.choices(QUERIES, k=dice.randrange(1, 4))) if dice.random() < 0.4 else ""
    return f"{dice.choice(schemes)}://{dice.choice(HOSTS)}{dice.choice(PORTS)}{tail}"


def form_of(dice: random.Random) -> list[tuple[str, str]]:
    pairs = [(dice.choice(NAMES), dice.choice(VALUES)) for _ in range(dice.randrange(7))]
    return pairs + dice.choices(pairs, k=dice.randrange(2)) if pairs else pairs


# --- What may happen to a request on its way. Some of it changes nothing; who says so is the vendor's library.


def same(url: str, _dice: random.Random) -> str:
    return url


def other_port(url: str, dice: random.Random) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=(parts.hostname or "") + dice.choice(PORTS)).geturl()


def its_own_port(url: str, _dice: random.Random) -> str:
    parts = urlsplit(url)
    host = parts.netloc.partition(":")[0]
    port = "" if parts.port else ":443" if parts.scheme == "https" else ":80"
    return parts._replace(netloc=host + port).geturl()


def other_scheme(url: str, _dice: random.Random) -> str:
    scheme, _, rest = url.partition(":")
    return {"https": "http", "http": "https", "wss": "https", "ws": "wss"}[scheme] + ":" + rest


def one_letter_more(url: str, dice: random.Random) -> str:
    at = dice.randrange(len(url) // 2, len(url) + 1)
    return url[:at] + dice.choice("/a?&=%é:0") + url[at:]


def one_letter_less(url: str, dice: random.Random) -> str:
    at = dice.randrange(len(url) // 2, len(url))
    return url[:at] + url[at + 1 :]


URL_CHANGES = (same, same, same, other_port, its_own_port, its_own_port, other_scheme, one_letter_more, one_letter_less)


def changed_form(pairs: list[tuple[str, str]], dice: random.Random) -> list[tuple[str, str]]:
    pairs = list(pairs)
    at = dice.randrange(len(pairs)) if pairs else 0
    match dice.randrange(5):
        case 0:
            pairs.insert(at, (dice.choice(NAMES), dice.choice(VALUES)))
        case 1 if pairs:
            del pairs[at]
        case 2 if pairs:
            pairs[at] = (pairs[at][1], pairs[at][0])
        case 3 if pairs:
            pairs.append(pairs[at])
        case _:
            dice.shuffle(pairs)
    return pairs


def changed_signature(text: str, dice: random.Random) -> str:
    at = dice.randrange(len(text))
    letter = dice.choice("AZaz09+/=é ")
    return dice.choice(("", text[:-1], text + "=", text.swapcase(), text[:at] + letter + text[at + 1 :], f" {text}"))


def test_on_https_and_http_ours_and_twilios_agree() -> None:
    dice = random.Random(20261122)
    answers: Counter[bool] = Counter()
    for _ in range(REQUESTS):
        token, url, form = dice.choice(TOKENS), url_of(dice, "https", "http"), form_of(dice)
        signed_url = dice.choice(URL_CHANGES)(url, dice)
        signed_form = form if dice.random() < 0.7 else changed_form(form, dice)
        signed_token = token if dice.random() < 0.95 else dice.choice(TOKENS)
        given = RequestValidator(signed_token).compute_signature(signed_url, MultiDict(signed_form))
        assert sign(signed_token, signed_url, signed_form) == given
        if dice.random() < 0.15:
            given = changed_signature(given, dice)
        theirs = RequestValidator(token).validate(url, MultiDict(form), given)
        assert valid(token, url, form, given) == theirs, (url, signed_url, form, signed_form, given)
        answers[theirs] += 1
    print(
        f"{answers.total()} requests on https and http: {answers[True]} accepted by both, {answers[False]} by neither"
    )
    assert answers.total() == REQUESTS
    assert min(answers.values()) > REQUESTS / 5


# --- Upgrades. Twilio signs the URL of a <Stream> sometimes with a port and sometimes with a / at its end.


@dataclass(frozen=True)
class Variant:
    """How an upgrade may be signed: the port (None: the URL's own), and whether the / at the end is the other way."""

    port: str | None
    slash: bool
    twilio: bool
    """Whether the vendor's library takes it too."""

    def of(self, url: str) -> str:
        parts = urlsplit(url)
        port = parts.netloc.partition(":")[2] if self.port is None else self.port
        authority = parts.netloc.partition(":")[0] + (f":{port}" if port else "")
        tail = url.partition("://")[2][len(parts.netloc) :]
        if self.slash:
            tail = tail.removesuffix("/") if tail.endswith("/") else tail + "/"
        return f"{parts.scheme}://{authority}{tail}"


UPGRADE: Mapping[str, Mapping[str, Variant]] = {
    "a URL without a port": {
        "as it is": Variant(None, False, twilio=True),
        ":80": Variant("80", False, twilio=True),  # what the vendor's library takes for the port of anything but https
        ":443": Variant("443", False, twilio=False),
        "the / at its end": Variant(None, True, twilio=False),
        ":80 and the /": Variant("80", True, twilio=False),
        ":443 and the /": Variant("443", True, twilio=False),
    },
    "a URL with a port": {
        "as it is": Variant(None, False, twilio=True),
        "without its port": Variant("", False, twilio=True),
        "the / at its end": Variant(None, True, twilio=False),
        "without its port and the /": Variant("", True, twilio=False),
    },
}


def no_variant(dice: random.Random) -> Callable[[str], str]:
    change = dice.choice((other_port, other_scheme, one_letter_more, one_letter_less))
    return lambda url: change(url, dice)


@pytest.mark.parametrize("scheme", ["wss", "ws"])
def test_of_an_upgrade_ours_takes_the_listed_variants_and_nothing_else(scheme: str) -> None:
    dice = random.Random(scheme)
    used: Counter[str] = Counter()
    for _ in range(REQUESTS):
        url = url_of(dice, scheme)
        kind = "a URL with a port" if urlsplit(url).port else "a URL without a port"
        variants = UPGRADE[kind]
        name = dice.choice([*variants, "none of these"])
        signed_url = variants[name].of(url) if name in variants else no_variant(dice)(url)
        given = RequestValidator(TOKENS[1]).compute_signature(signed_url, {})
        broken = dice.random() < 0.05
        if broken:
            given = given[:-2] + ("A=" if given[-2] != "A" else "B=")
        # What a change of its letters makes may be a variant, too.
        meant = [variant for variant in variants.values() if not broken and variant.of(url) == signed_url]
        assert valid(TOKENS[1], url, (), given, websocket=True) == bool(meant), (url, signed_url)
        theirs = RequestValidator(TOKENS[1]).validate(url, {}, given)
        assert theirs == any(variant.twilio for variant in meant), (url, signed_url)
        used[f"{kind}: {name}"] += 1
    print(
        f"{used.total()} upgrades on {scheme}:",
        *(f"{number} {name}" for name, number in sorted(used.items())),
        sep="\n  ",
    )
    assert used.total() == REQUESTS
    assert len(used) == sum(len(variants) + 1 for variants in UPGRADE.values())
    assert min(used.values()) > 200
