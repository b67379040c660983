"""The daemon's certificate and key, and the authority of its clients: PEM files, proven before they are used.

gRPC would take anything, and then let every connection fail without a word. Standard library only: the
configuration is checked with this, too.
"""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from agenticd.adapters.rpc.material import BadMaterial, read_file

_BEGIN = "-----BEGIN CERTIFICATE-----"
_END = "-----END CERTIFICATE-----"
_PRIVATE_KEY = "PRIVATE KEY-----"

# As a certificate holds its public key (RFC 8410, RFC 5480). gRPC's own clients offer neither in a handshake.
_NO_KEYS_OF_GRPC = {
    bytes.fromhex("300506032b6570032100"): "Ed25519",
    bytes.fromhex("06072a8648ce3d020106052b81040023"): "ECDSA P-521",
}
_EXPIRED, _NOT_YET = 10, 9
"""X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_CERT_NOT_YET_VALID of OpenSSL."""
_ROUNDS = 8
"""More than any handshake has flights."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the daemon shows: its certificate with those that lead to its authority, and its key, as PEM.

    `until`: when the certificate ends, in seconds since 1970.
    """

    chain: bytes
    key: bytes
    until: float

    def __repr__(self) -> str:
        return "Identity(***)"


def read_identity(cert: Path, key: Path) -> Identity:
    """The certificate and its key. Raises BadMaterial, of `tls.cert` or `tls.key`."""
    chain, _ = read_file("tls.cert", cert)
    text = _pem("tls.cert", cert, chain)
    secret, mode = read_file("tls.key", key)
    _check_key(key, secret, mode)
    _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "tls.cert", cert, text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # By path: there is no other way. It asks nobody for a passphrase.
        context.load_cert_chain(cert, key, password=lambda: b"")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise BadMaterial("tls.key", key, f"does not belong to the certificate {cert}") from None
        if error.reason == "EE_KEY_TOO_SMALL":
            raise BadMaterial("tls.key", key, "is too short; use ECDSA P-256, P-384 or RSA of 2048 bits") from None
        said = (error.reason or "it is damaged").replace("_", " ").lower()
        raise BadMaterial("tls.key", key, f"is no key that can be used: {said}") from None
    except OSError as error:
        raise BadMaterial("tls.key", key, f"cannot be read: {error.strerror}") from error
    until = _proven(cert, text, context)
    if read_file("tls.cert", cert)[0] != chain or read_file("tls.key", key)[0] != secret:
        raise BadMaterial("tls.key", key, "changed while it was read; read it once more")
    return Identity(chain, secret, until)


def read_client_ca(path: Path) -> bytes:
    """The certificates of the authorities whose clients may come, as PEM. Raises BadMaterial, of `tls.client_ca`."""
    data, _ = read_file("tls.client_ca", path)
    text = _pem("tls.client_ca", path, data)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(context, "tls.client_ca", path, text)
    authorities = context.get_ca_certs()
    if not authorities:
        raise BadMaterial("tls.client_ca", path, "has no authority's certificate (CA:TRUE), but that of a client")
    if all(_ended(str(authority["notAfter"])) for authority in authorities):
        raise BadMaterial("tls.client_ca", path, f"has expired, on {authorities[0]['notAfter']}")
    return data


def _ended(not_after: str) -> bool:
    return ssl.cert_time_to_seconds(not_after) < time.time()


def _pem(key: str, path: Path, data: bytes) -> str:
    """The text of a file that has a certificate in it."""
    text = data.decode("latin-1")
    if _BEGIN in text:
        return text
    if _PRIVATE_KEY in text:
        raise BadMaterial(key, path, "is a private key, where a certificate belongs; are the two exchanged?")
    if data[:1] == b"\x30":
        raise BadMaterial(key, path, "is not PEM but DER; make it PEM: openssl x509 -inform der -in FILE -out FILE.pem")
    raise BadMaterial(key, path, f"is not PEM: there is no {_BEGIN} in it")


def _check_key(path: Path, data: bytes, mode: int) -> None:
    text = data.decode("latin-1")
    if _PRIVATE_KEY not in text:
        if _BEGIN in text:
            raise BadMaterial("tls.key", path, "is a certificate, where its key belongs; are the two exchanged?")
        raise BadMaterial("tls.key", path, f"is not PEM: there is no -----BEGIN {_PRIVATE_KEY} in it")
    if "ENCRYPTED" in text:
        raise BadMaterial(
            "tls.key", path, "is encrypted, and a daemon knows no passphrase: openssl pkey -in FILE -out FILE.plain"
        )
    if mode & 0o007:
        raise BadMaterial("tls.key", path, f"every user of this machine may read or change it: chmod o= {path}")


def _load(context: ssl.SSLContext, key: str, path: Path, text: str) -> None:
    try:
        context.load_verify_locations(cadata=text.encode("ascii", "replace").decode())
    except ssl.SSLError:
        raise BadMaterial(key, path, "has a certificate in it that is damaged") from None


def _proven(path: Path, text: str, server: ssl.SSLContext) -> float:
    """When the certificate ends, seen by a client that trusts it and nothing else: a handshake in memory."""
    first = text[text.index(_BEGIN) :]
    first = first[: first.find(_END) + len(_END)] if _END in first else first
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    _load(client, "tls.cert", path, f"{first}\n")
    try:
        found, der = _shake_hands(client, server)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _EXPIRED:
            raise BadMaterial("tls.cert", path, "has expired") from None
        if error.verify_code == _NOT_YET:
            raise BadMaterial("tls.cert", path, "is not valid yet; is this machine's clock right?") from None
        raise BadMaterial("tls.cert", path, f"no client would take it: {error.verify_message}") from None
    except ssl.SSLError as error:
        said = (error.reason or "the handshake fails").replace("_", " ").lower()
        raise BadMaterial("tls.cert", path, f"cannot be used for TLS: {said}") from None
    for mark, kind in _NO_KEYS_OF_GRPC.items():
        if mark in der:
            raise BadMaterial(
                "tls.cert", path, f"has a key ({kind}) that clients do not take; use ECDSA P-256, P-384 or RSA"
            )
    return float(ssl.cert_time_to_seconds(str(found["notAfter"])))


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> tuple[dict[str, object], bytes]:
    """What the client sees of the server's certificate, in two forms. Raises SSLError."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True))
    waiting = set(ends)
    for end in ends * _ROUNDS:
        if end in waiting:
            try:
                end.do_handshake()
                waiting.discard(end)
            except ssl.SSLWantReadError:
                continue
    assert not waiting
    seen = ends[0].getpeercert()
    der = ends[0].getpeercert(binary_form=True)
    assert seen is not None
    assert der is not None
    return dict(seen), der
