"""The tokens of other machines: a file of names and hashes. What it cannot do is give one back.

A line is a token: its name, its kid, the SHA-256 of the whole token, and when it was made. A token is `kid.secret`: the
kid finds the line and may be logged, the secret has 256 bits and is nowhere but with its owner.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agenticd.adapters.rpc.material import BadMaterial, read_file

_HEAD = "# Tokens of agenticd: hashes only. Lines are made and taken out by `agenticd token`; SIGHUP takes them over."
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TOKEN = re.compile(r"(?P<kid>[0-9a-f]{12})\.(?P<secret>[A-Za-z0-9_-]{43})")
_LINE = re.compile(
    r"(?P<name>[A-Za-z0-9._-]{1,64})\s+(?P<kid>[0-9a-f]{12})\s+sha256:(?P<hash>[0-9a-f]{64})\s+"
    r"(?P<created>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"
)
_KID_BYTES, _SECRET_BYTES = 6, 32
_MODE = 0o600
_MISSING = "there is no such file; it is made by: agenticd token create NAME"


class TokenError(Exception):
    """A token cannot be made or taken away. The text says why."""


class BadName(TokenError):
    """What is given is no name of a token."""


@dataclass(frozen=True, slots=True)
class Token:
    """A line of the file. `created` in RFC 3339, UTC."""

    name: str
    kid: str
    hash: str
    created: str

    def __str__(self) -> str:
        return f"{self.name} {self.kid} sha256:{self.hash} {self.created}"


class Tokens:
    """All that are good."""

    def __init__(self, tokens: Sequence[Token] = ()) -> None:
        self._by_kid: Mapping[str, Token] = {token.kid: token for token in tokens}

    def __len__(self) -> int:
        return len(self._by_kid)

    def __iter__(self) -> Iterator[Token]:
        return iter(self._by_kid.values())

    def __contains__(self, token: object) -> bool:
        return isinstance(token, Token) and self._by_kid.get(token.kid) == token

    def find(self, given: str) -> Token | None:
        """The token that was given; None for one that is unknown or is no token. Whose secret is nearly right takes as
        long as any other."""
        match = _TOKEN.fullmatch(given)
        if match is None:
            return None
        known = self._by_kid.get(match["kid"])
        expected = known.hash if known is not None else _hash("")
        return known if hmac.compare_digest(_hash(given), expected) else None


def kid_of(given: str) -> str:
    """What the log may have of a token that was given: its kid; empty for what is none."""
    match = _TOKEN.fullmatch(given)
    return match["kid"] if match is not None else ""


def read(path: Path) -> Tokens:
    """The tokens of the file. Raises BadMaterial."""
    return Tokens(_parsed(path, _lines(path)))


def _lines(path: Path) -> list[str]:
    data, mode = read_file("tokens", path, _MISSING)
    if mode & 0o002:
        raise BadMaterial("tokens", path, f"every user of this machine may add to it: chmod o= {path}")
    return data.decode("utf-8", "replace").splitlines()


def _parsed(path: Path, lines: Sequence[str]) -> list[Token]:
    found: list[Token] = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            hint = "; a token itself does not belong there" if _TOKEN.search(text) else ""
            raise BadMaterial("tokens", path, f"line {number} is none of `agenticd token create`{hint}")
        if any(match["name"] == token.name or match["kid"] == token.kid for token in found):
            raise BadMaterial("tokens", path, f"line {number}: {match['name']}, or its kid, is there already")
        found.append(Token(match["name"], match["kid"], match["hash"], match["created"]))
    return found


def create(path: Path, name: str, created: str) -> str:
    """Make a token of that name, and the file if there is none. Returns the token, which is not kept.

    Raises TokenError, BadMaterial and OSError; then nothing has changed.
    """
    if _NAME.fullmatch(name) is None:
        allowed = "1 to 64 letters, digits, '.', '_' and '-': that of the machine or service"
        raise BadName(f"NAME: {name[:64]!r} is no token's name, which has {allowed}")
    with _changing(path) as lines:
        tokens = _parsed(path, lines)
        if any(token.name == name for token in tokens):
            raise TokenError(f"there is a token {name} already; revoke it first, or choose another name")
        kid = _free_kid(tokens)
        made = f"{kid}.{secrets.token_urlsafe(_SECRET_BYTES)}"
        lines.append(str(Token(name, kid, _hash(made), created)))
    return made


def revoke(path: Path, name: str) -> Token:
    """Take the token of that name away. Raises TokenError, BadMaterial and OSError; then nothing has changed."""
    with _changing(path, must_exist=True) as lines:
        tokens = _parsed(path, lines)
        found = next((token for token in tokens if token.name == name), None)
        if found is None:
            known = ", ".join(token.name for token in tokens) or "none"
            raise TokenError(f"there is no token {name}; known here: {known}")
        lines[:] = [line for line in lines if line.split()[:1] != [name]]
    return found


def _free_kid(tokens: Sequence[Token]) -> str:
    taken = {token.kid for token in tokens}
    while (kid := secrets.token_hex(_KID_BYTES)) in taken:
        continue
    return kid


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@contextmanager
def _changing(path: Path, *, must_exist: bool = False) -> Iterator[list[str]]:
    """The file's lines, to be changed: written when the context ends well. Whoever else changes it waits."""
    path = Path(os.path.realpath(path))  # a link stays one
    # The directory and not the file, which is replaced; so no lock is left behind.
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        there = must_exist or path.exists()
        lines = _lines(path) if there else [_HEAD]
        yield lines
        _replace(path, lines, directory, like=path.stat() if there else None)
    finally:
        os.close(directory)


def _replace(path: Path, lines: Sequence[str], directory: int, like: os.stat_result | None) -> None:
    """Write the file, whole or not at all, over a crash of the machine too; with the owner and mode that it had."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            if like is not None:
                if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(descriptor, like.st_uid, like.st_gid)
                os.fchmod(descriptor, like.st_mode & 0o777)
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)
        os.fsync(directory)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
