"""Addresses as people write them, and what TLS needs: files that are read, judged, and never shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentic._faults import fault_of
from agentic.target import find
from agentic.tls import BadFile, Tls
from tests.certificates import authority, make

WRONG = (
    "unix:a.sock", "127.0.0.1", "127.0.0.1:0", "x", "host:65536", "host:", ":50051", "tls:", "tls:50051", "a b:1",
    "-a:1", "https://host:50051", "host:50051/x", "::1:50051", "1.2.3:50051", "[localhost]:1", "häuser:1",
    "tls:unix:/a.sock",
)  # fmt: skip


@pytest.mark.parametrize("address", WRONG)
def test_addresses_that_cannot_be_a_daemons(address: str) -> None:
    with pytest.raises(ValueError, match="unix:/"):
        find(address, env={})


@pytest.mark.parametrize("address", ["127.0.0.1:50051", "localhost:50051", "[::1]:50051", "127.9.9.9:1"])
def test_loopback_is_without_tls_unless_one_asks_for_it(address: str) -> None:
    plain, secure = find(address, env={}), find(f"tls:{address}", env={})
    assert (plain.address, plain.tls, plain.shown) == (address, None, address)
    assert (secure.address, secure.tls, secure.shown) == (address, Tls(), f"tls:{address}")


@pytest.mark.parametrize("address", ["10.0.0.1:50051", "voice.example.com:443", "voice:1", "[2001:db8::1]:50051"])
def test_another_machine_is_always_with_tls(address: str) -> None:
    for written in (address, f"tls:{address}"):
        target = find(written, env={})
        assert (target.address, target.tls, target.shown) == (address, Tls(), address)


def test_the_token_of_this_machine_is_shown_to_no_other(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of-this-machine\n")
    (tmp_path / "named").write_text("named\n")
    env = {"RUNTIME_DIRECTORY": str(tmp_path)}
    assert find("127.0.0.1:1", env=env).token == "of-this-machine"
    for address in ("voice:1", "tls:127.0.0.1:1"):
        assert find(address, env=env).token is None
        assert find(address, env=env | {"AGENTCTL_TOKEN_FILE": str(tmp_path / "named")}).token == "named"
        assert find(address, "given", env=env).token == "given"


def test_files_are_given_or_named_by_the_environment(tmp_path: Path) -> None:
    ours = authority()
    own, other = (make(name, ours).write(tmp_path, name) for name in ("own", "other"))
    ca = tmp_path / "ca.crt"
    ca.write_bytes(ours.pem)
    env = {"AGENTCTL_CA_FILE": str(ca), "AGENTCTL_CERT_FILE": str(own[0]), "AGENTCTL_KEY_FILE": str(own[1])}
    assert find("voice:1", env=env).tls == Tls(ca.read_bytes(), own[0].read_bytes(), own[1].read_bytes())
    given = find("voice:1", env=env, cert=other[0], key=str(other[1])).tls
    assert given == Tls(ca.read_bytes(), other[0].read_bytes(), other[1].read_bytes())
    assert find("127.0.0.1:1", env=env).tls is None, "the environment is for other daemons, too"
    assert find("unix:/a.sock", env=env).tls is None


def test_files_that_are_of_no_use_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    ours = authority()
    own = make("own", ours)
    cert, key = own.write(tmp_path, "own")
    other = make("other", ours).write(tmp_path, "other")
    junk, locked = tmp_path / "junk", tmp_path / "locked.key"
    junk.write_text("junk")
    locked.write_bytes(own.encrypted_key)
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"ca": junk}, f"{junk}: there is no certificate"),
        ({"ca": key}, f"{key}: there is no certificate"),
        ({"cert": cert}, f"{cert}: its key is missing"),
        ({"key": key}, f"{key}: its certificate is missing"),
        ({"cert": cert, "key": other[1]}, f"{other[1]}: does not belong to the certificate {cert}"),
        ({"cert": junk, "key": key}, f"{key}: this and {junk} are no key and certificate"),
        ({"cert": cert, "key": locked}, f"{locked}: is encrypted"),
    )
    for files, words in wrong:
        with pytest.raises(BadFile) as caught:
            find("voice:1", env={}, **files)
        assert words in str(caught.value)
    with pytest.raises(FileNotFoundError):
        find("voice:1", env={}, ca=tmp_path / "none")
    for address in ("127.0.0.1:1", "unix:/a.sock"):
        with pytest.raises(ValueError, match="tls:127.0.0.1:port"):
            find(address, env={}, ca=junk)


def test_no_secret_is_shown(tmp_path: Path) -> None:
    cert, key = make("own", authority()).write(tmp_path, "own")
    shown = repr(find("voice:1", "s3cret", env={}, cert=cert, key=key))
    assert "s3cret" not in shown
    assert "PRIVATE" not in shown


def test_the_systems_authorities_are_those_that_openssl_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "roots.pem"
    file.write_bytes(authority().pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert Tls().roots == file.read_bytes()
    assert Tls(b"given").roots == b"given"


@pytest.mark.parametrize(
    ("details", "why"),
    [
        ("ipv4:127.0.0.1:1: Tls handshake failed: CERTIFICATE_VERIFY_FAILED: certificate has expired: OK", "expired"),
        ("ipv6:%5B::1%5D:1: Tls handshake failed: CERTIFICATE_VERIFY_FAILED: self signed", "untrusted"),
        ("ipv4:127.0.0.1:1: UNAUTHENTICATED: Hostname Verification Check failed.", "wrong_name"),
        ("ipv4:127.0.0.1:1: SSL_ERROR_SSL: WRONG_VERSION_NUMBER", "no_tls"),
        ("ipv4:127.0.0.1:1: Failed parsing HTTP/2 (Expected SETTINGS frame as the first frame, got 79)", "no_grpc"),
        ("ipv4:127.0.0.1:1: Cannot check peer: missing selected ALPN property.", "no_grpc"),
        ("UNAVAILABLE: ipv4:127.0.0.1:1: Socket closed", "closed"),
        ("UNAVAILABLE: unix:/a.sock: Socket closed", ""),
        ("UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to remote host: Connection refused", ""),
    ],
)
def test_what_grpc_says_of_a_handshake_is_told_in_a_word(details: str, why: str) -> None:
    assert fault_of(f"failed to connect to all addresses; last error: {details}")[0] == why
    assert fault_of(details)[0] == "", "only of connections that never were"


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ("UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to remote host: Connection refused", "nobody listens"),
        ("FAILED_PRECONDITION: unix:/a: connect failed: No such file or directory", "no such socket"),
        ("UNKNOWN: attempt timed out before receiving SETTINGS frame", "what listens there says nothing"),
    ],
)
def test_why_nobody_was_reached_is_told_in_words(details: str, words: str) -> None:
    assert fault_of(f"failed to connect to all addresses; last error: {details}") == ("", words)
    assert fault_of("what gRPC may say one day") == ("", "what gRPC may say one day")


def test_a_connection_that_broke_is_told_in_words() -> None:
    for details in ("Socket closed", "recvmsg:Connection reset by peer", "keepalive watchdog timeout"):
        assert fault_of(details) == ("", "the connection broke")
    assert fault_of("errors resolving voice:1: Domain name not found") == ("", "the host's name is not known")


def test_a_token_says_from_which_file_it_is(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of-this-machine\n")
    (tmp_path / "empty").write_text("\n")
    env = {"RUNTIME_DIRECTORY": str(tmp_path)}
    named = {"AGENTCTL_TOKEN_FILE": str(tmp_path / "token")}
    assert find("127.0.0.1:1", env=env).token_file == str(tmp_path / "token")
    assert find("voice:1", env=named).token_file == str(tmp_path / "token")
    assert find("voice:1", "given", env=named).token_file == ""
    for address in ("127.0.0.1:1", "voice:1"):
        with pytest.raises(BadFile, match="empty: it is empty; a token is expected in it") as caught:
            find(address, env={"AGENTCTL_TOKEN_FILE": str(tmp_path / "empty")})
        assert caught.value.path == str(tmp_path / "empty")
    (tmp_path / "token").write_text("")
    assert find("127.0.0.1:1", env=env).token is None


def test_the_places_of_sockets_are_those_that_were_looked_at(tmp_path: Path) -> None:
    env = {"RUNTIME_DIRECTORY": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "user")}
    places = (f"{tmp_path}/agenticd.sock", f"{tmp_path}/user/agenticd/agenticd.sock", "/run/agenticd/agenticd.sock")
    assert find(env=env).places == places
    (tmp_path / "agenticd.sock").touch()
    assert find(env=env).address == f"unix:{tmp_path}/agenticd.sock"
    assert find("127.0.0.1:1", env=env).places == find("unix:/a.sock", env=env).places == ()


def test_both_clients_take_the_same_options() -> None:
    import inspect

    import agentic.sync

    assert inspect.signature(agentic.connect).parameters == inspect.signature(agentic.sync.connect).parameters
