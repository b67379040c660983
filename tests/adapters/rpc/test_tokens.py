"""The file of tokens: what it keeps, what it refuses, and that two who change it at once both do."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenticd.adapters.rpc import tokens
from agenticd.adapters.rpc.material import BadMaterial
from agenticd.adapters.rpc.tokens import TokenError, Tokens, kid_of

CREATED = "2026-11-29T03:00:00Z"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def test_a_token_is_told_once_and_only_its_hash_is_kept(file: Path) -> None:
    made = tokens.create(file, "billing", CREATED)
    kid, secret = made.split(".")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", secret), "256 bits, fit for a URL"
    text = file.read_text()
    assert secret not in text
    assert f"billing {kid} sha256:{hashlib.sha256(made.encode()).hexdigest()} {CREATED}\n" in text
    assert mode(file) == "0o600"
    found = tokens.read(file).find(made)
    assert found is not None
    assert (found.name, found.kid, found.created) == ("billing", kid, CREATED)


def test_names_are_unique_until_they_are_revoked(file: Path) -> None:
    first, other = tokens.create(file, "billing", CREATED), tokens.create(file, "desk", CREATED)
    with pytest.raises(TokenError, match="there is a token billing already"):
        tokens.create(file, "billing", CREATED)
    assert tokens.revoke(file, "billing").kid == kid_of(first)
    with pytest.raises(TokenError, match="there is no token billing; known here: desk"):
        tokens.revoke(file, "billing")
    second = tokens.create(file, "billing", CREATED)
    good = tokens.read(file)
    assert [good.find(each) is not None for each in (first, second, other)] == [False, True, True]
    assert [token.name for token in good] == ["desk", "billing"]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "x" * 65, "a\n", "#a"])
def test_what_is_no_name(file: Path, name: str) -> None:
    with pytest.raises(TokenError, match="letters, digits"):
        tokens.create(file, name, CREATED)
    assert not file.exists()


def test_mode_owner_comments_and_links_stay(file: Path, tmp_path: Path) -> None:
    file.write_text("# of the phone team\n\n")
    file.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(file)
    tokens.create(link, "billing", CREATED)
    tokens.create(link, "desk", CREATED)
    tokens.revoke(link, "billing")
    assert link.is_symlink()
    assert mode(file) == "0o640"
    lines = file.read_text().splitlines()
    assert lines[:2] == ["# of the phone team", ""]
    assert [line.split()[0] for line in lines[2:]] == ["desk"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "tokens"], "nothing is left behind"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_that_root_changes_stays_the_daemons(file: Path) -> None:
    file.touch()
    os.chown(file, 4711, 4712)
    tokens.create(file, "billing", CREATED)
    assert (file.stat().st_uid, file.stat().st_gid) == (4711, 4712)


def test_a_file_that_cannot_be_replaced_stays_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens.create(file, "billing", CREATED)
    before = file.read_text()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        tokens.create(file, "desk", CREATED)
    assert file.read_text() == before
    assert [path.name for path in file.parent.iterdir()] == ["tokens"]


def test_two_at_once_both_change_it(file: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom agenticd.adapters.rpc import tokens\n"
        f"for number in range(20): tokens.create(Path(sys.argv[1]), sys.argv[2] + str(number), {CREATED!r})"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(file), name]) for name in ("a", "b", "c")]
    assert [one.wait(timeout=60) for one in running] == [0, 0, 0]
    assert {token.name for token in tokens.read(file)} == {f"{name}{number}" for name in "abc" for number in range(20)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("billing\n", "line 1 is none of `agenticd token create`"),
        (f"# a\n0123456789ab.{'x' * 43}\n", "line 2 is none of .*; a token itself does not belong there"),
        (f"a 0123456789ab sha256:{'0' * 64} {CREATED} more\n", "line 1 is none"),
        (f"a 0123456789ab sha256:{'0' * 63} {CREATED}\n", "line 1 is none"),
        (f"a 0123456789ab sha256:{'0' * 64} {CREATED}\na 0123456789ac sha256:{'1' * 64} {CREATED}\n", "line 2: a, or"),
        (f"a 0123456789ab sha256:{'0' * 64} {CREATED}\nb 0123456789ab sha256:{'1' * 64} {CREATED}\n", "line 2: b, or"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_nothing_is_changed(file: Path, text: str, words: str) -> None:
    file.write_text(text)
    for work in (
        lambda: tokens.read(file),
        lambda: tokens.create(file, "z", CREATED),
        lambda: tokens.revoke(file, "a"),
    ):
        with pytest.raises(BadMaterial, match=words):
            work()
    assert file.read_text() == text


def test_a_file_that_is_not_there_or_that_anybody_can_change_is_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(BadMaterial, match="agenticd token create NAME") as caught:
        tokens.read(file)
    assert (caught.value.key, caught.value.path) == ("tokens", file)
    with pytest.raises(BadMaterial, match="no such file"):
        tokens.revoke(file, "billing")
    with pytest.raises(BadMaterial, match="is no file"):
        tokens.read(tmp_path)
    file.touch()
    file.chmod(0o646)
    with pytest.raises(BadMaterial, match="chmod o="):
        tokens.read(file)
    file.chmod(0o644)  # hashes of 256 bits are no secret
    assert len(tokens.read(file)) == 0


KNOWN = f"0123456789ab.{'x' * 43}"
GOOD = Tokens([tokens.Token("a", KNOWN[:12], hashlib.sha256(KNOWN.encode()).hexdigest(), CREATED)])


@given(st.one_of(st.text(), st.from_regex(r"0123456789ab\.[A-Za-z0-9_-]{43}")))
def test_no_other_text_is_a_good_token(text: str) -> None:
    assert (GOOD.find(text) is not None) == (text == KNOWN)
    assert kid_of(text) in ("", text[:12]), "the log gets nothing but a kid"


@given(st.integers(0, len(KNOWN) - 1), st.characters(codec="ascii"))
def test_one_wrong_character_is_a_wrong_token(place: int, character: str) -> None:
    text = KNOWN[:place] + character + KNOWN[place + 1 :]
    assert (GOOD.find(text) is not None) == (text == KNOWN)
