"""TLS towards a daemon on another machine: whom to believe, and what to show. Files are read here, and judged before
gRPC sees them, which would only fail to connect."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

CA_VARIABLE = "AGENTCTL_CA_FILE"
CERT_VARIABLE = "AGENTCTL_CERT_FILE"
KEY_VARIABLE = "AGENTCTL_KEY_FILE"

# Where distributions keep the authorities that the system believes: Debian, Fedora, SUSE, Alpine and macOS.
_SYSTEM_ROOTS = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class BadFile(ValueError):
    """A file of certificates, a key or a token is of no use. The text begins with its path."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM: authorities, of which one must have signed the daemon's certificate (None: those of the system), and the
    client's own certificate with its key, if the daemon asks for one."""

    ca: bytes | None = field(default=None, repr=False)
    cert: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)

    @property
    def roots(self) -> bytes | None:
        """The authorities, those of the system too; None where the system has none: gRPC brings its own."""
        return self.ca or _system_roots()


def read(env: Mapping[str, str], ca: str | None, cert: str | None, key: str | None) -> Tls:
    """What these files say, or those that the environment names. Raises OSError and BadFile."""
    ca = ca or env.get(CA_VARIABLE) or None
    if not (cert or key):
        cert, key = env.get(CERT_VARIABLE) or None, env.get(KEY_VARIABLE) or None
    if (cert is None) != (key is None):
        missing, has = ("key", cert) if key is None else ("certificate", key)
        raise BadFile(str(has), f"its {missing} is missing: a certificate and its key belong together")
    return Tls(_authorities(ca), *_own(cert, key))


def _authorities(path: str | None) -> bytes | None:
    if path is None:
        return None
    import ssl

    data = _read(path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=data.decode("ascii", "replace"))
    except ssl.SSLError:
        raise BadFile(path, "there is no certificate in it, in PEM") from None
    return data


def _own(cert: str | None, key: str | None) -> tuple[bytes | None, bytes | None]:
    if cert is None or key is None:
        return None, None
    import ssl

    shown, secret = _read(cert), _read(key)
    if b"ENCRYPTED" in secret:
        raise BadFile(key, "is encrypted; nobody is asked for a passphrase here")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, password=lambda: b"")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise BadFile(key, f"does not belong to the certificate {cert}") from None
        raise BadFile(key, f"this and {cert} are no key and certificate in PEM") from None
    return shown, secret


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _system_roots() -> bytes | None:
    import ssl

    # OpenSSL's own idea comes first: it knows $SSL_CERT_FILE.
    for path in (ssl.get_default_verify_paths().cafile, *_SYSTEM_ROOTS):
        if path and os.path.exists(path):
            return _read(path)
    return None
