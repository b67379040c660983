"""From a text of the configuration to a value: one function each, which raises Wrong where it cannot."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from agenticd.config.problems import Wrong
from agenticd.config.secret import SHOWN, Secret
from agenticd.core.errors import InvalidArgument
from agenticd.service.orders import parse_number
from agenticd.service.urls import Urls, is_loopback

_WORD = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?")
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,3})?[smhd])+")
_PART = re.compile(r"([0-9.]+)([smhd])")
UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
FOREVER = "forever"
_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(MB|GB|TB)")
SIZES = {"TB": 10**12, "GB": 10**9, "MB": 10**6}
UNLIMITED = "unlimited"
OFF = "off"
SOCKET_PATH_LIMIT = 107
"""Bytes of a Unix socket's path on Linux."""
_SECRET_LIMIT = 1024
_OTHER_VARIABLE = re.compile(r"\$[A-Z_][A-Z0-9_]*|\$\([A-Z_][A-Z0-9_]*\)|%[A-Z_][A-Z0-9_]*%")
"""What stands for a variable elsewhere."""


@dataclass(frozen=True, slots=True)
class Text:
    """What stands in the file, variables filled in. `bare`: without quotes and without a variable."""

    value: str
    bare: bool = False


Leaf = Callable[[Text], object]


def public_url(text: Text) -> str:
    """The daemon's own URL."""
    try:
        Urls(text.value)
    except InvalidArgument as error:
        raise Wrong(error.violations[0].description) from None
    if re.search(r"/twilio/(voice|resume|status|stream|media)(/|$)", text.value):
        raise Wrong("must end before /twilio/..., which is added; for example https://voice.example.com")
    return text.value


def api_url(text: Text) -> str:
    """The root of Twilio's REST API, without a slash at its end."""
    parts = _url(text.value, "https", "http", "https://api.twilio.com")
    if "/2010-04-01" in parts.path:
        raise Wrong("must end before /2010-04-01, which is added, for example https://api.twilio.com")
    return text.value.rstrip("/")


def socket_url(text: Text) -> str:
    """Where OpenAI's Realtime API, or a server that speaks it, takes WebSockets."""
    _url(text.value, "wss", "ws", "wss://api.openai.com/v1/realtime")
    return text.value


def _url(text: str, secure: str, plain: str, example: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise Wrong(f"is no URL; for example {example}") from None
    if parts.scheme not in (secure, plain) or not host or any(char.isspace() for char in text):
        raise Wrong(f"must be {secure}:// and a host name, for example {example}")
    if parts.username is not None:
        raise Wrong(f"must have no user and no password in it, for example {example}")
    if "?" in text or "#" in text:
        raise Wrong(f"must have no ? and no # part; what is needed there is added, for example {example}")
    if parts.scheme == plain and not is_loopback(host):
        raise Wrong(f"must be {secure}://, because {plain}:// is for loopback only")
    return parts


def listen_tcp(text: Text) -> str:
    """host:port of this machine; the port may be 0."""
    if text.value.startswith("unix:"):
        raise Wrong('must be an address and a port, as "127.0.0.1:8080"; Unix sockets are for grpc only')
    host, port = _host_and_port(text.value, "127.0.0.1:8080")
    if host:
        _check_host(host, "127.0.0.1:8080")
    return f"{_bracketed(host)}:{port}"


def listen_grpc(text: Text) -> str:
    """unix:/path, or address:port. What is outside loopback needs more settings: see door.py."""
    if text.value.startswith("unix:"):
        path = text.value.removeprefix("unix:")
        if not path.startswith("/") or path.endswith("/"):
            raise Wrong("must be unix: and the absolute path of a file, as unix:/run/agenticd/agenticd.sock")
        if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
            raise Wrong(f"is too long: the path of a Unix socket has at most {SOCKET_PATH_LIMIT} bytes")
        return text.value
    if text.value.startswith("/"):
        raise Wrong("must begin with unix: to be a path, as unix:/run/agenticd/agenticd.sock")
    host, port = _host_and_port(text.value, "unix:/run/agenticd/agenticd.sock")
    if not is_loopback(host):
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise Wrong(
                'must be an address of this machine and a port, as "0.0.0.0:50051" for all of its addresses, '
                "or unix:/path"
            ) from None
    return f"{_bracketed(host)}:{port}"


def host_of(address: str) -> str:
    """The host of what listen_grpc took; empty for a Unix socket."""
    return "" if address.startswith("unix:") else address.rpartition(":")[0].strip("[]")


def _host_and_port(text: str, example: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if "/" in text:
        raise Wrong(f"must be an address and a port, and nothing else, for example {example}")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise Wrong(f"must be an address and a port, with brackets for IPv6 ([::1]:8080), for example {example}")
    if not colon:
        raise Wrong(f"must be an address and a port, for example {example}")
    if re.fullmatch(r"[0-9]{1,5}", port) is None or int(port) > 65535:
        raise Wrong(f"must end with a port from 0 (any that is free) to 65535, for example {example}")
    return host, int(port)


def _check_host(host: str, example: str) -> None:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?", host) is None or host[-1].isdigit():
            raise Wrong(f"must be an address of this machine and a port, for example {example}") from None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def account_sid(text: Text) -> str:
    """Twilio's name of the account."""
    if re.fullmatch(r"AC[0-9a-fA-F]{32}", text.value) is None:
        other = "; the one that begins with SK is an API key's" if text.value.startswith("SK") else ""
        raise Wrong(f"must be the Account SID of Twilio's console: AC and 32 hexadecimal digits{other}")
    return text.value


def secret(what: str) -> Callable[[Text], Secret]:
    """A key or token, as it goes into a header. `what` it is, and where it is to be had."""

    def read(text: Text) -> Secret:
        if not text.value:
            raise Wrong(f"is empty; here belongs {what}")
        if _OTHER_VARIABLE.fullmatch(text.value) is not None:
            raise Wrong('looks like a variable, but is not replaced; a variable is "${NAME}"')
        if text.value == SHOWN:
            raise Wrong('is the stars that are shown in place of a secret; write it, or "${NAME}"')
        if len(text.value) > _SECRET_LIMIT or re.fullmatch(r"[!-~]+", text.value) is None:
            raise Wrong("has a space, a line break or another character that belongs to no key: copy it once more")
        return Secret(text.value)

    return read


def phone(text: Text) -> str:
    """A telephone number in E.164."""
    digits = re.fullmatch(r"\+?([0-9][0-9_.]*)", text.value)
    if text.bare and digits:
        shown = re.sub(r"[^0-9]", "", digits[1])[:15]
        raise Wrong(f'is a number for YAML, which drops its +; quote it, with + and country code: "+{shown}"')
    number = parse_number(text.value)
    if number is not None:
        return number
    if not text.value:
        raise Wrong('is empty; write a number with + and country code, for example "+15550001111"')
    if not text.value.startswith("+"):
        raise Wrong('must begin with + and the country code (E.164), for example "+15550001111"')
    raise Wrong("is no number that can be dialled; E.164 is + and 7 to 15 digits with the country code")


def word(text: Text) -> str:
    """A name: of a voice, a model, an agent, this node."""
    if _WORD.fullmatch(text.value) is None:
        raise Wrong("must be a name of letters, digits, '.', '_' and '-', from 1 to 64 characters")
    return text.value


def language(text: Text) -> str:
    """ISO 639, perhaps with a region; empty for any."""
    if text.value and _LANGUAGE.fullmatch(text.value) is None:
        raise Wrong("must be an ISO 639 code, for example en, or en-GB")
    return text.value


def prose(limit: int, *, required: bool = False) -> Callable[[Text], str]:
    """A text for the model, with at most `limit` bytes of UTF-8."""

    def read(text: Text) -> str:
        size = len(text.value.encode())
        if size > limit:
            raise Wrong(f"is longer than {limit // 1024} KiB; it has {size} bytes")
        if required and not text.value.strip():
            raise Wrong("is empty; say who the agent is and what it shall do")
        return text.value

    return read


def duration(least: str, most: str, why: str = "") -> Callable[[Text], float]:
    """A length of time in seconds, between two that are written in the same way."""
    lowest, highest = seconds(least), seconds(most)

    def read(text: Text) -> float:
        given = seconds(text.value)
        if not lowest <= given <= highest:
            raise Wrong(f"must be {least} to {most}{why}")
        return given

    return read


def seconds(text: str) -> float:
    """30d, 12h, 90s, 1h30m in seconds. Raises Wrong."""
    if _DURATION.fullmatch(text) is None:
        unit = "needs a unit" if re.fullmatch(r"[0-9.]+", text) else "must be a length of time"
        raise Wrong(f"{unit}: 90s, 15m, 12h, 30d, 1h30m")
    return round(sum(float(amount) * UNITS[unit] for amount, unit in _PART.findall(text)), 3)


def duration_or_off(least: str, most: str) -> Callable[[Text], float]:
    """A length of time in seconds; 0 for `off`."""
    length = duration(least, most, f", or {OFF}")

    def read(text: Text) -> float:
        if text.value == OFF:
            return 0.0
        try:
            return length(text)
        except Wrong as wrong:
            if OFF in str(wrong):
                raise
            raise Wrong(f"{wrong}, or {OFF}") from None

    return read


def keep(text: Text) -> float | None:
    """How long events stay, in seconds; None for `forever`."""
    if text.value == FOREVER:
        return None
    try:
        return duration("1d", "3650d", f", or {FOREVER}; request ids are remembered for a day")(text)
    except Wrong as wrong:
        if FOREVER in str(wrong):
            raise
        raise Wrong(f"{wrong}, or {FOREVER}") from None


def keep_size(text: Text) -> int | None:
    """How large the event log may grow, in bytes; None for `unlimited`."""
    if text.value == UNLIMITED:
        return None
    match = _SIZE.fullmatch(text.value)
    if match is None:
        unit = "needs a unit" if re.fullmatch(r"[0-9.]+", text.value) else "must be a size"
        raise Wrong(f"{unit}: 500MB, 20GB, 1.5TB, or {UNLIMITED}")
    size = round(float(match[1]) * SIZES[match[2]])
    if not 10**7 <= size <= 10**14:
        raise Wrong(f"must be 10MB to 100TB, or {UNLIMITED}")
    return size


def integer(least: int, most: int) -> Callable[[Text], int]:
    """A whole number."""

    def read(text: Text) -> int:
        if re.fullmatch(r"[0-9]{1,18}", text.value) is None or not least <= int(text.value) <= most:
            raise Wrong(f"must be a whole number from {least} to {most}")
        return int(text.value)

    return read


def decimal(least: float, most: float) -> Callable[[Text], float]:
    """A number with or without a point."""

    def read(text: Text) -> float:
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text.value) is None or not least <= float(text.value) <= most:
            raise Wrong(f"must be a number from {least:g} to {most:g}, for example 1 or 0.5")
        return float(text.value)

    return read


def boolean(text: Text) -> bool:
    """true or false, and no other word for it."""
    if text.value not in ("true", "false"):
        raise Wrong("must be true or false")
    return text.value == "true"


def choice(options: Sequence[str]) -> Callable[[Text], str]:
    """One of some words."""

    def read(text: Text) -> str:
        if text.value not in options:
            raise Wrong("must be " + " or ".join(filter(None, (", ".join(options[:-1]), options[-1]))))
        return text.value

    return read


def version(text: Text) -> int:
    """The version of the file's form."""
    if text.value != "1":
        raise Wrong("must be 1; another one is for another agenticd")
    return 1


def file_under(base: Path, home: str, example: str = "/var/lib/agenticd/agenticd.db") -> Callable[[Text], Path]:
    """A file: absolute, beginning with ~/, or from the configuration's own directory."""

    def read(text: Text) -> Path:
        if not text.value or text.value.endswith("/"):
            raise Wrong(f"must be the path of a file, for example {example}")
        if text.value.startswith("~"):
            if not text.value.startswith("~/") or not home.startswith("/"):
                raise Wrong("begins with ~, which is known only as ~/ and with $HOME set; write the whole path")
            return Path(home) / text.value[2:]
        return base / text.value

    return read


def nearest(given: str, known: Sequence[str]) -> str:
    """A guess at what was meant; empty where nothing is near."""
    return next(iter(get_close_matches(given[:64], known, n=1)), "")
