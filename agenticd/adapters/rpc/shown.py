"""What the API shows on TLS: its files, read together, and credentials of gRPC that follow them without a restart."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from agenticd.adapters.rpc import certificates, tokens
from agenticd.adapters.rpc.certificates import Identity
from agenticd.adapters.rpc.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM. With `client_ca` whoever comes by TCP must have a certificate that was signed by one of those."""

    cert: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Material:
    """What was in the files."""

    identity: Identity | None = None
    client_ca: bytes | None = None
    tokens: Tokens = field(default_factory=Tokens)


def read_material(tls: Tls | None, token_file: Path | None) -> Material:
    """Read and judge all of it. Raises BadMaterial."""
    identity, client_ca = None, None
    if tls is not None:
        identity = certificates.read_identity(tls.cert, tls.key)
        client_ca = certificates.read_client_ca(tls.client_ca) if tls.client_ca is not None else None
    return Material(identity, client_ca, tokens.read(token_file) if token_file is not None else Tokens())


class Shown:
    """What new connections are shown. Those that are there keep what they were shown."""

    def __init__(self, material: Material) -> None:
        self._client_ca = material.client_ca is not None
        self._take(material)
        self._fresh: list[list[grpc.ServerCertificateConfiguration]] = []

    def renew(self, material: Material) -> None:
        """Show this from the next connection on. Whether clients need a certificate stays as it was."""
        self._take(material)
        for fresh in self._fresh:
            fresh[:] = [self._configuration]

    def _take(self, material: Material) -> None:
        self._configuration = _configuration(material)
        self.until = material.identity.until if material.identity is not None else math.inf
        """When the certificate ends, in seconds since 1970."""

    def credentials(self) -> grpc.ServerCredentials:
        """For one port. gRPC's Python knows no certificates that a client may have, but need not."""
        fresh: list[grpc.ServerCertificateConfiguration] = []
        self._fresh.append(fresh)

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            # Called for each connection, in threads of gRPC; None is what it has already.
            try:
                return fresh.pop()
            except IndexError:
                return None

        return grpc.dynamic_ssl_server_credentials(
            self._configuration,
            fetch,  # type: ignore[arg-type]  # None is an answer, says gRPC
            self._client_ca,
        )


def _configuration(material: Material) -> grpc.ServerCertificateConfiguration:
    identity = material.identity
    assert identity is not None
    pair = (identity.key, identity.chain)
    return grpc.ssl_server_certificate_configuration([pair], material.client_ca)
