"""What Twilio takes for a URL, and what it signs of one. Nothing here raises for what a customer wrote."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

from twilio.request_validator import remove_port


def split(url: str) -> SplitResult | None:
    """The parts of an absolute URL; None if it is no such thing."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # judged only when it is asked for
    except ValueError:
        return None
    return parts if parts.scheme and parts.hostname and not any(map(str.isspace, url)) else None


def is_web(url: str) -> bool:
    """Whether a webhook can be there."""
    parts = split(url)
    return parts is not None and parts.scheme in ("http", "https")


def resolve(base: str, url: str) -> str:
    """`url` as seen from the document at `base`; as it is if that makes no sense."""
    try:
        return urljoin(base, url)
    except ValueError:
        return url


def signed(url: str) -> str:
    """The text that stands for a web URL in a signature.

    Twilio leaves out the fragment and any userinfo, and for voice over https the port; over http it stays.
    """
    parts = urlsplit(url)
    bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))
    if parts.scheme != "https":
        return bare
    without_port: str = remove_port(urlsplit(bare))
    return without_port


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name or address alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
