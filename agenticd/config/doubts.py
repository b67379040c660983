"""What has the right form in a configuration, and is surely not meant: the examples' own values, secrets for everybody.

These are warnings. What cannot be used is a problem (problems.py).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from agenticd.config.loading import DOTENV
from agenticd.config.places import find_config
from agenticd.config.tree import Settings
from agenticd.service.urls import is_loopback

PLACEHOLDERS: Mapping[str, str] = {
    "TWILIO_ACCOUNT_SID": "AC0123456789abcdef0123456789abcdef",
    "TWILIO_AUTH_TOKEN": "ffffffffffffffffffffffffffffffff",
    "TWILIO_PHONE_NUMBER": "+15550001111",
    "OPENAI_API_KEY": "sk-emulator",
}
"""What stands in .env.example: the values of `agenticd emulate`, which nobody else knows."""
_NOBODYS = ("example.com", "example.net", "example.org", "example")
"""Domains that are set aside for examples (RFC 2606)."""


def doubts(settings: Settings, path: Path | None, environ: Mapping[str, str], cwd: Path) -> list[str]:
    """A line for each thing that is surely not meant; the other arguments as of load(). None has a secret in it."""
    file, shown = find_config(path, environ, cwd)
    return [*_placeholders(settings), *_readable(file.parent / DOTENV, shown.removesuffix(file.name) + DOTENV)]


def _placeholders(settings: Settings) -> Iterator[str]:
    """The examples' values beside services that are not the emulator's, which are on loopback."""
    twilio, openai = settings.twilio, settings.openai
    if not is_loopback(_host(twilio.api_url)):
        if _nobodys(_host(settings.public_url)):
            yield "public_url: is an example's; write the URL at which Twilio reaches this daemon"
        given = {
            "account_sid": ("TWILIO_ACCOUNT_SID", twilio.account_sid),
            "auth_token": ("TWILIO_AUTH_TOKEN", twilio.auth_token.reveal()),
            "from_number": ("TWILIO_PHONE_NUMBER", twilio.from_number),
        }
        for key, (name, value) in given.items():
            if value == PLACEHOLDERS[name]:
                yield f"twilio.{key}: is that of .env.example; Twilio knows only your own"
    if not is_loopback(_host(openai.url)) and openai.api_key.reveal() == PLACEHOLDERS["OPENAI_API_KEY"]:
        yield "openai.api_key: is that of .env.example; OpenAI knows only your own"


def _readable(dotenv: Path, shown: str) -> Iterator[str]:
    try:
        mode = os.stat(dotenv).st_mode
    except OSError:
        return
    if mode & stat.S_IROTH:
        yield f"{shown}: every user of this machine can read the secrets in it; chmod 600 {shown}"


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _nobodys(host: str) -> bool:
    return any(f".{host}".endswith(f".{name}") for name in _NOBODYS)
