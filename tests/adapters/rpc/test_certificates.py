"""Certificates and keys are judged before gRPC sees them: what is wrong is said by its setting."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from agenticd.adapters.rpc import certificates
from agenticd.adapters.rpc.certificates import read_client_ca, read_identity
from agenticd.adapters.rpc.material import BadMaterial
from tests.certificates import CLIENT_ONLY, LOOPBACK, Certificate, authority, make

OURS = authority()
GOOD = make("door", OURS, hosts=LOOPBACK)
OTHER = make("other", OURS)
BROKEN = GOOD.pem[:200] + b"\n-----END CERTIFICATE-----\n"


def pair(folder: Path, cert: bytes, key: bytes, mode: int = 0o600) -> tuple[Path, Path]:
    """The two files."""
    paths = folder / "tls.crt", folder / "tls.key"
    for path, data in zip(paths, (cert, key), strict=True):
        path.write_bytes(data)
    paths[1].chmod(mode)
    return paths


@pytest.mark.parametrize(
    "made",
    [
        GOOD,
        make("a", OURS, key=ec.generate_private_key(ec.SECP384R1())),
        make("a", OURS, key=rsa.generate_private_key(65537, 2048)),
        make("signed by itself"),
        make("signed by an authority of Ed25519", make("e", authority=True, key=ed25519.Ed25519PrivateKey.generate())),
    ],
    ids=lambda made: made.cert.subject.rfc4514_string(),
)
def test_what_clients_take_is_taken(tmp_path: Path, made: Certificate) -> None:
    identity = read_identity(*pair(tmp_path, made.pem + OURS.pem, made.key))
    assert (identity.chain, identity.key) == (made.pem + OURS.pem, made.key)
    assert identity.until == made.cert.not_valid_after_utc.timestamp()
    assert identity.until > time.time()
    assert "PRIVATE" not in repr(identity)


@pytest.mark.parametrize("form", [lambda pem: pem.replace(b"\n", b"\r\n"), lambda pem: b"Bag \xc3\xa9\n" + pem])
def test_pem_as_others_write_it_is_taken(tmp_path: Path, form: Callable[[bytes], bytes]) -> None:
    read_identity(*pair(tmp_path, form(GOOD.pem), form(GOOD.key), 0o640))


def _of(made: Certificate) -> tuple[bytes, bytes]:
    return made.pem, made.key


@pytest.mark.parametrize(
    ("cert", "key", "setting", "words"),
    [
        (*_of(make("a", OURS, days=(-9, -1))), "tls.cert", "has expired"),
        (*_of(make("a", OURS, days=(1, 9))), "tls.cert", "is not valid yet"),
        (*_of(make("a", OURS, usage=CLIENT_ONLY)), "tls.cert", "no client would take it: unsuitable"),
        (*_of(make("a", OURS, key=ed25519.Ed25519PrivateKey.generate())), "tls.cert", r"a key \(Ed25519\)"),
        (*_of(make("a", OURS, key=ec.generate_private_key(ec.SECP521R1()))), "tls.cert", r"a key \(ECDSA P-521\)"),
        (*_of(make("a", OURS, key=rsa.generate_private_key(65537, 1024))), "tls.key", "is too short"),
        (GOOD.pem, OTHER.key, "tls.key", "does not belong to the certificate"),
        (GOOD.key, GOOD.pem, "tls.cert", "are the two exchanged"),
        (GOOD.pem, GOOD.pem, "tls.key", "are the two exchanged"),
        (GOOD.der, GOOD.key, "tls.cert", "is not PEM but DER"),
        (b"junk", GOOD.key, "tls.cert", "is not PEM"),
        (b"", GOOD.key, "tls.cert", "is not PEM"),
        (GOOD.pem, b"junk", "tls.key", "is not PEM"),
        (BROKEN, GOOD.key, "tls.cert", "a certificate in it that is damaged"),
        (GOOD.pem + BROKEN, GOOD.key, "tls.cert", "a certificate in it that is damaged"),
        (GOOD.pem, GOOD.key[:90] + b"\n-----END PRIVATE KEY-----\n", "tls.key", "is no key that can be used"),
        (GOOD.pem, GOOD.encrypted_key, "tls.key", "is encrypted"),
    ],
)
def test_what_is_wrong_with_a_pair_is_said(tmp_path: Path, cert: bytes, key: bytes, setting: str, words: str) -> None:
    with pytest.raises(BadMaterial, match=words) as caught:
        read_identity(*pair(tmp_path, cert, key))
    assert caught.value.key == setting
    assert str(caught.value).startswith(f"grpc.{setting}: {tmp_path}/tls.")


def test_a_key_that_everybody_may_read_is_refused_and_one_of_the_group_is_not(tmp_path: Path) -> None:
    with pytest.raises(BadMaterial, match="chmod o="):
        read_identity(*pair(tmp_path, GOOD.pem, GOOD.key, 0o644))
    read_identity(*pair(tmp_path, GOOD.pem, GOOD.key, 0o640))


def test_files_that_are_not_there_or_not_for_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cert, key = pair(tmp_path, GOOD.pem, GOOD.key)
    for paths, setting in (((tmp_path / "none", key), "tls.cert"), ((cert, tmp_path / "none"), "tls.key")):
        with pytest.raises(BadMaterial, match="there is no such file") as caught:
            read_identity(*paths)
        assert caught.value.key == setting
    with pytest.raises(BadMaterial, match="is no file"):
        read_identity(tmp_path, key)

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("agenticd.adapters.rpc.material.os.open", denied)  # root, who may run this, may read all
    with pytest.raises(BadMaterial, match="may not read it; its group may be let in"):
        read_identity(cert, key)


def test_an_authority_of_clients_must_be_one_that_is_good(tmp_path: Path) -> None:
    path = tmp_path / "clients.crt"
    ended = make("old", authority=True, days=(-9, -1))
    for good in (OURS.pem, OURS.pem + ended.pem, make("x").pem + OURS.pem):
        path.write_bytes(good)
        assert read_client_ca(path) == good
    for data, words in (
        (GOOD.pem, "has no authority's certificate"),
        (ended.pem, "has expired, on "),
        (GOOD.key, "is a private key"),
        (b"junk", "is not PEM"),
        (OURS.pem[:200], "that is damaged"),
    ):
        path.write_bytes(data)
        with pytest.raises(BadMaterial, match=words) as caught:
            read_client_ca(path)
        assert caught.value.key == "tls.client_ca"


def test_files_that_change_while_they_are_read_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = pair(tmp_path, GOOD.pem, GOOD.key)
    proven = certificates._proven

    def meanwhile(path: Path, text: str, server: ssl.SSLContext) -> float:
        until = proven(path, text, server)
        path.write_bytes(OTHER.pem)
        return until

    monkeypatch.setattr(certificates, "_proven", meanwhile)
    with pytest.raises(BadMaterial, match="changed while it was read"):
        read_identity(*paths)
