"""Why nobody was reached, in words, by what gRPC says of it. Its own text goes on as the error's cause."""

from __future__ import annotations

from collections.abc import Mapping

_NEVER = "failed to connect to all addresses"

# Of connections by TCP that never came about: what gRPC's text has, Unreachable.why, the words.
_HANDSHAKE = (
    ("certificate has expired", "expired", "the daemon's certificate has expired"),
    ("Hostname Verification", "wrong_name", "the daemon's certificate is for other host names than the address has"),
    ("CERTIFICATE_VERIFY_FAILED", "untrusted", "the daemon's certificate is signed by nobody who is believed here"),
    ("WRONG_VERSION_NUMBER", "no_tls", "what listens there speaks no TLS"),
    ("missing selected ALPN", "no_grpc", "what listens there is no gRPC"),
    ("Failed parsing HTTP/2", "no_grpc", "what listens there is no gRPC"),
    (
        "Socket closed",
        "closed",
        "the connection is closed at once; perhaps TLS, or a client's certificate, is missing",
    ),
)
_WORDS: Mapping[str, str] = {
    "Connection refused": "nobody listens",
    "No such file or directory": "no such socket",
    "Permission denied": "permission denied",
    "before receiving SETTINGS": "what listens there says nothing",
    "No route to host": "no route to the host",
    "Network is unreachable": "the network is unreachable",
    "errors resolving": "the host's name is not known",
}
_BROKEN = ("Socket closed", "Connection reset", "Broken pipe", "keepalive")


def fault_of(details: str) -> tuple[str, str]:
    """In a word, where one is known, and in words; what gRPC says itself, where none are."""
    never = details.startswith(_NEVER)
    if never and ("ipv4:" in details or "ipv6:" in details):
        for mark, why, words in _HANDSHAKE:
            if mark in details:
                return why, words
    for mark, words in _WORDS.items():
        if mark in details:
            return "", words
    if not never and any(mark in details for mark in _BROKEN):
        return "", "the connection broke"
    return "", details
