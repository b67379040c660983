"""The section grpc with its files: what is taken, and what an operator reads who got one of them wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from agenticd import commands
from agenticd.adapters.rpc import tokens
from agenticd.config import ConfigError, Settings, Tls, effective, load, load_token_file
from tests.certificates import LOOPBACK, authority, make

BASE = """\
public_url: https://voice.example.com
twilio: {account_sid: AC0123456789abcdef0123456789abcdef, auth_token: t0ken, from_number: "+15550001111"}
openai: {api_key: sk-1}
agents: {default: {instructions: Be brief.}}
"""
OURS = authority()
DOOR = make("door", OURS, hosts=LOOPBACK)
GRPC = """\
grpc:
  listen: ["unix:/run/a.sock", "0.0.0.0:50051"]
  tls:
    cert: door.crt
    key: door.key
"""
TOKENS = "  tokens: tokens\n"
CLIENT_CA = "    client_ca: clients.crt\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with good files."""
    DOOR.write(tmp_path, "door")
    (tmp_path / "clients.crt").write_bytes(OURS.pem)
    tokens.create(tmp_path / "tokens", "billing", "2026-11-29T03:00:00Z")
    return tmp_path


def read(folder: Path, text: str) -> Settings:
    (folder / "config.yaml").write_text(text + BASE)
    return load(None, {"HOME": str(folder)}, folder)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    return str(caught.value).splitlines()


def test_a_door_for_other_machines(folder: Path) -> None:
    for text, client_ca, file in (
        (GRPC + TOKENS, None, folder / "tokens"),
        (GRPC + CLIENT_CA, folder / "clients.crt", None),
        (GRPC + CLIENT_CA + TOKENS, folder / "clients.crt", folder / "tokens"),
        (GRPC.replace("0.0.0.0", "[::]") + TOKENS, None, folder / "tokens"),
        (GRPC.replace("0.0.0.0", "127.0.0.1") + TOKENS, None, folder / "tokens"),
    ):
        grpc = read(folder, text).grpc
        assert grpc.tls == Tls(folder / "door.crt", folder / "door.key", client_ca)
        assert grpc.tokens == file


def test_what_is_in_effect_can_be_read_again(folder: Path) -> None:
    settings = read(folder, GRPC + TOKENS)
    text = effective(settings)
    assert "client_ca" not in text
    (folder / "config.yaml").write_text(text.replace("'***'", "x"))
    again = load(None, {"HOME": str(folder)}, folder)
    assert again.grpc == settings.grpc
    plain = effective(read(folder, ""))
    assert "tls" not in plain
    assert "tokens" not in plain


@pytest.mark.parametrize("name", ["door.crt", "door.key", "clients.crt", "tokens"])
def test_a_file_that_is_missing_is_said_with_its_line(folder: Path, name: str) -> None:
    (folder / name).unlink()
    line, setting = {
        "door.crt": ("4:11", "tls.cert"),
        "door.key": ("5:10", "tls.key"),
        "clients.crt": ("6:16", "tls.client_ca"),
        "tokens": ("7:11", "tokens"),
    }[name]
    hint = "; it is made by: agenticd token create NAME" if name == "tokens" else ""
    assert problems(folder, GRPC + CLIENT_CA + TOKENS) == [
        f"config.yaml:{line}: grpc.{setting}: {folder}/{name}: there is no such file{hint}"
    ]


def test_each_file_that_is_wrong_is_a_line(folder: Path) -> None:
    make("other").write(folder, "other")
    (folder / "clients.crt").write_bytes(DOOR.pem)
    (folder / "tokens").write_text("billing\n")
    text = GRPC.replace("door.key", "other.key") + CLIENT_CA + TOKENS
    assert problems(folder, text) == [
        f"config.yaml:5:10: grpc.tls.key: {folder}/other.key: does not belong to the certificate {folder}/door.crt",
        f"config.yaml:6:16: grpc.tls.client_ca: {folder}/clients.crt: has no authority's certificate (CA:TRUE), but "
        "that of a client",
        f"config.yaml:7:11: grpc.tokens: {folder}/tokens: line 1 is none of `agenticd token create`",
    ]


def test_files_that_nobody_would_look_at_are_not_judged(folder: Path) -> None:
    text = 'grpc: {listen: "unix:/run/a.sock", tls: {cert: none, key: none}, tokens: none}\n'
    assert read(folder, text).grpc.tokens == folder / "none"


def test_a_check_and_a_start_refuse_the_same(folder: Path) -> None:
    (folder / "door.key").chmod(0o604)
    (line,) = problems(folder, GRPC + TOKENS)
    config = folder / "config.yaml"
    for command in (["config", "check", "--config", str(config)], ["serve", "--config", str(config)]):
        result = CliRunner().invoke(commands.main, command)
        assert result.exit_code == 78
        assert result.stderr == f"error: {folder}/{line}\n"
        assert f"chmod o= {folder}/door.key" in result.stderr


# Where the tokens are, for those who make one: without a secret, before there is such a file.


def test_the_file_of_tokens_is_found_without_the_rest(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text('openai: {api_key: "${NONE}"}\ngrpc: {tokens: mine, listen: nonsense}\n')
    assert load_token_file(None, {}, tmp_path) == tmp_path / "mine"
    (tmp_path / "config.yaml").write_text("grpc: {tokens: ~/mine}\n")
    assert load_token_file(None, {"HOME": "/people/ada"}, tmp_path) == Path("/people/ada/mine")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "config.yaml: grpc.tokens: is not set; write tokens: /etc/agenticd/tokens, or name the file: --file"),
        ("grpc: {tokns: x}", "config.yaml:1:8: grpc.tokns: unknown key; did you mean tokens?"),
        ("grpc: {tokens: [x]}", "config.yaml:1:16: grpc.tokens: must be one text, not a list"),
        ("grpc: [", "config.yaml:"),
    ],
)
def test_a_file_of_tokens_that_is_not_named_is_said(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_token_file(None, {}, tmp_path)
    assert str(caught.value).startswith(words)
