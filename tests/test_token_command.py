"""`agenticd token`: what it prints, where, and what it says when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agenticd import commands
from agenticd.adapters.rpc import tokens


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the configuration has its tokens; it need not be right otherwise."""
    (tmp_path / "config.yaml").write_text("grpc: {tokens: tokens}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AGENTICD_CONFIG", raising=False)
    return tmp_path / "tokens"


def token(*arguments: str) -> Result:
    return CliRunner().invoke(commands.main, ["token", *arguments])


def test_a_token_is_made_listed_and_revoked(file: Path) -> None:
    made = token("create", "billing")
    assert made.exit_code == 0
    assert made.stdout.count("\n") == 1, "nothing but the token, for a file or a pipe"
    assert "systemctl reload agenticd" in made.stderr
    found = tokens.read(file).find(made.stdout.strip())
    assert found is not None
    token("create", "the-desk")
    listed = token("ls").stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["billing", "the-desk"]
    assert listed[0] == f"billing   {found.kid}  {found.created}"
    gone = token("revoke", "billing")
    assert (gone.exit_code, gone.stdout) == (0, f"billing  {found.kid}  revoked\n")
    assert "systemctl reload agenticd" in gone.stderr
    assert tokens.read(file).find(made.stdout.strip()) is None


def test_the_file_can_be_named(file: Path) -> None:
    other = file.with_name("other")
    assert token("create", "a", "--file", str(other)).exit_code == 0
    assert token("create", "a", "--config", str(file.with_name("config.yaml"))).exit_code == 0
    assert [len(tokens.read(path)) for path in (other, file)] == [1, 1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("create", "a"), 1, "error: there is a token a already"),
        (("create", "a b"), 2, "error: NAME: 'a b' is no token's name, which has 1 to 64 letters"),
        (("revoke", "b"), 1, "error: there is no token b; known here: a\n"),
        (("create", "b", "--file", "none/tokens"), 1, "none: No such file or directory"),
        (
            ("ls", "--file", "none"),
            78,
            "error: none: there is no such file; it is made by: agenticd token create",
        ),
        (("ls", "--file", "tokens", "--config", "config.yaml"), 2, "give either --config or --file"),
        (("ls", "--config", "none.yaml"), 78, "error: none.yaml: there is no such file, which --config names\n"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    file: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    token("create", "a")
    before = file.read_text()
    result = token(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert words in result.stderr
    assert file.read_text() == before
