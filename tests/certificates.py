"""An authority of a test's own, and certificates that it signs: made when they are needed, and never kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key: TypeAlias = "ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
CLIENT_ONLY = ExtendedKeyUsageOID.CLIENT_AUTH


class Certificate:
    """A certificate and its key, as PEM and in files."""

    def __init__(self, cert: x509.Certificate, key: Key) -> None:
        self.cert = cert
        self.private = key
        self.pem = cert.public_bytes(serialization.Encoding.PEM)
        self.der = cert.public_bytes(serialization.Encoding.DER)
        self.key = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def encrypted_key(self) -> bytes:
        """The key under a passphrase."""
        locked = serialization.BestAvailableEncryption(b"open sesame")
        return self.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """folder/name.crt and folder/name.key, whole at once for whoever reads them meanwhile."""
        paths = folder / f"{name}.crt", folder / f"{name}.key"
        for path, data in zip(paths, (self.pem, self.key), strict=True):
            fresh = path.with_suffix(".fresh")
            fresh.write_bytes(data)
            fresh.chmod(0o600)
            fresh.replace(path)
        return paths


def make(
    name: str,
    signer: Certificate | None = None,
    *,
    authority: bool = False,
    hosts: Sequence[str] = (),
    days: tuple[int, int] = (-1, 30),
    key: Key | None = None,
    usage: x509.ObjectIdentifier | None = None,
) -> Certificate:
    """A certificate for a common name and hosts, good for these days from now; without a signer it signs itself."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.cert.subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if hosts:
        names = [_general(host) for host in hosts]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    signing = signer.private if signer else key
    digest = None if isinstance(signing, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Certificate(builder.sign(signing, digest), key)


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def authority(name: str = "Authority of a test") -> Certificate:
    """Who signs."""
    return make(name, authority=True)
