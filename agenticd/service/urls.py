"""The daemon's own addresses, as the carrier sees them. Pure strings, built from public_url and nothing else.

Never from a Host or X-Forwarded header: whoever sends a request may write those.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from agenticd.core.errors import InvalidArgument
from agenticd.core.ids import CallId

_FIELD = "public_url"
_EXAMPLE = "for example https://voice.example.com"


class Urls:
    """Builds the URLs that go to the carrier, and says which URL the carrier must have asked for.

    Raises InvalidArgument for a public_url that the carrier could not use.
    """

    __slots__ = ("_origin", "_sockets", "prefix")

    def __init__(self, public_url: str) -> None:
        parts = _checked(public_url)
        # The text stays as it was written: it is signed by the carrier byte for byte.
        self.prefix = parts.path.rstrip("/")
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._sockets = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"

    def inbound(self) -> str:
        """Where the carrier asks what to do with a call to one of our numbers."""
        return f"{self._origin}{self.prefix}/twilio/voice"

    def voice(self, call_id: CallId) -> str:
        """Where it asks what to do with our outbound call, once answered."""
        return f"{self._origin}{self.prefix}/twilio/voice/{call_id}"

    def resume(self, call_id: CallId) -> str:
        """Where it asks how to go on after a media stream has ended, or after a request failed."""
        return f"{self._origin}{self.prefix}/twilio/resume/{call_id}"

    def status(self, call_id: CallId) -> str:
        """Where it reports the call's progress."""
        return f"{self._origin}{self.prefix}/twilio/status/{call_id}"

    def stream_status(self, call_id: CallId) -> str:
        """Where it reports the media stream's progress."""
        return f"{self._origin}{self.prefix}/twilio/stream/{call_id}"

    def media(self, call_id: CallId) -> str:
        """Where it connects the media stream: wss; ws on loopback. No query: Twilio refuses one (31920)."""
        return f"{self._sockets}{self.prefix}/twilio/media/{call_id}"

    def requested(self, target: str) -> str:
        """The URL that the carrier must have signed, from a webhook's raw path and query."""
        return f"{self._origin}{self._path(target)}"

    def requested_media(self, target: str) -> str:
        """The same for the upgrade of a media socket."""
        return f"{self._sockets}{self._path(target)}"

    def _path(self, target: str) -> str:
        # A proxy in front may take the prefix away, or leave it.
        return target if target.startswith(f"{self.prefix}/twilio/") else f"{self.prefix}{target}"


def _checked(public_url: str) -> SplitResult:
    try:
        parts = urlsplit(public_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InvalidArgument.at(_FIELD, f"is no URL; {_EXAMPLE}") from None
    if parts.scheme not in ("https", "http") or not host or any(char.isspace() for char in public_url):
        raise InvalidArgument.at(_FIELD, f"must be https:// and a host name; {_EXAMPLE}")
    if parts.username is not None or "?" in public_url or "#" in public_url:
        raise InvalidArgument.at(_FIELD, f"must have no user, query or fragment; {_EXAMPLE}")
    if "_" in host:
        raise InvalidArgument.at(_FIELD, "must have no underscore in its host name: Twilio refuses it")
    if parts.scheme == "http" and not is_loopback(host):
        raise InvalidArgument.at(_FIELD, "must be https://, because http:// is for loopback only")
    return parts


def is_loopback(host: str) -> bool:
    """Whether the host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
