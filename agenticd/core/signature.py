"""X-Twilio-Signature: who may call the webhooks and open the media socket. HMAC-SHA1 with the Auth Token.

Not the stream token (token.py). The URL is built on the configured public one, never on a request's Host.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl

_DEFAULT_PORTS = {"https": ("443",), "http": ("80",), "wss": ("443", "80"), "ws": ("443", "80")}


def sign(token: str, url: str, params: Iterable[tuple[str, str]] = ()) -> str:
    """The signature of a request: of exactly this URL, and of a POST's form parameters.

    Twilio: the URL, then name and value of each parameter in the order of the names; of a repeated name each
    distinct value once. Parameters of a GET stand in its URL already.
    """
    text = url + "".join(name + value for name, value in sorted(set(params)))
    digest = hmac.digest(_bytes(token), _bytes(text), "sha1")
    return base64.b64encode(digest).decode()


def valid(token: str, url: str, params: Iterable[tuple[str, str]], signature: str, *, websocket: bool = False) -> bool:
    """Whether Twilio signed this request: `signature` is that of `url`, or of one of these variants of it.

    In each, user:password@ and the #fragment are left out, as Twilio does. Twilio signs sometimes with the
    port and sometimes without; what its own library accepts is accepted here:
    * https and http: the URL as it is; without its port; if it has none, with the scheme's own (:443, :80).
    * websocket (wss, ws): the same, with both :443 and :80 tried where it has none; and each of these with
      a / at the end added, or taken away where there is one: Twilio's advice for the upgrade request.

    Takes the same time whichever variant matches, or none.
    """
    pairs = tuple(params)
    given = _bytes(signature)
    found = False
    for variant in _variants(url, slash=websocket):
        found |= hmac.compare_digest(_bytes(sign(token, variant, pairs)), given)
    return found


def valid_json(token: str, url: str, body: bytes, signature: str) -> bool:
    """Whether Twilio signed this request with a JSON body: the signed URL carries the body's hash.

    False without exactly one bodySHA256 in the URL's query, whatever the signature.
    """
    query = url.partition("#")[0].partition("?")[2]
    hashes = [value for name, value in parse_qsl(query, keep_blank_values=True) if name == "bodySHA256"]
    if len(hashes) != 1:
        return False
    same = hmac.compare_digest(_bytes(hashes[0]), hashlib.sha256(body).hexdigest().encode())
    return valid(token, url, (), signature) and same


def _variants(url: str, *, slash: bool) -> Iterator[str]:
    # Cut by hand: percent-encoding, an empty query and the case of names must stay as they were signed.
    scheme, _, rest = url.partition("#")[0].partition("://")
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    authority, tail = rest[:end].rpartition("@")[2], rest[end:]
    host, port = _split_port(authority)
    ports = ("", port) if port else ("", *_DEFAULT_PORTS.get(scheme.lower(), ()))
    tails = (tail, tail[:-1] if tail.endswith("/") else tail + "/") if slash else (tail,)
    for end_of_url in tails:
        for number in ports:
            yield f"{scheme}://{host}{':' + number if number else ''}{end_of_url}"


def _split_port(authority: str) -> tuple[str, str]:
    host, colon, port = authority.rpartition(":")
    return (host, port) if colon and port.isdigit() else (authority, "")


def _bytes(text: str) -> bytes:
    # What no UTF-8 can hold is signed by nobody; it must not raise here.
    return text.encode("utf-8", "surrogatepass")
