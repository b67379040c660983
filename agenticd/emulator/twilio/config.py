"""The settings of the emulated Twilio. Defaults are Twilio's own values where those are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from agenticd.emulator.twilio.faults import CallbackFaults, Present, RestFaults, StreamFaults


@dataclass(frozen=True, slots=True)
class TwilioConfig:
    """One account of the emulated Twilio, and how patient it is. All times are in s.

    There is no TLS here. `allow_plain` lets a `<Stream>` be `ws://` on a loopback host; without it the scheme
    must be `wss`, as at Twilio itself. Webhooks may be `http://` in any case, as there.
    """

    host: str = "127.0.0.1"
    port: int = 0
    """Of the REST API; 0: any free one, see `TwilioServer.api_url`."""
    account_sid: str = "AC" + "0123456789abcdef" * 2
    auth_token: str = "f" * 32
    api_keys: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({"SK" + "0123456789abcdef" * 2: "e" * 32})
    )
    """Secrets by SID; each serves in the place of the account SID and the token, except for signatures and for the
    account itself."""
    test_account_sid: str = "AC" + "fedcba9876543210" * 2
    test_auth_token: str = "d" * 32
    """Twilio's test credentials: calls can be created with them, which are judged and never made."""
    numbers: tuple[str, ...] = ("+15550001111",)
    """The account's own numbers: what a call may be `From`, and where calls can come in."""
    allow_plain: bool = True
    queue_time: float = 0.0
    """How long a created call stays `queued` before it is dialled."""
    public_media: bool = False
    """Whether the sound of recordings is had without credentials, as an account can be set."""
    connect_timeout: float = 5.0
    read_timeout: float = 15.0
    """Of a webhook: the longest that Twilio waits for an answer."""
    stream_timeout: float = 5.0
    """Of a media stream's opening handshake (Twilio's own value is not documented)."""
    close_timeout: float = 1.0
    """How long a server may take to answer the close of a media stream."""
    rest_concurrency: int = 100
    """REST requests served at a time; more are answered with 429, 20429."""
    keep_calls: int = 100
    """Ended calls that are remembered, with their audio; the oldest are forgotten first."""
    keep_recordings: int = 100
    """Recordings that are remembered; the oldest complete ones are forgotten first."""
    callbacks: CallbackFaults = CallbackFaults()
    rest: RestFaults = RestFaults()
    streams: StreamFaults = StreamFaults()
    """How status callbacks, the REST API and media streams misbehave at first; by default they do not."""
    now: Present = field(init=False, repr=False, compare=False)
    """How they misbehave at present: what reads of it. Each copy of a configuration has its own."""

    def __post_init__(self) -> None:
        # frozen, but for this
        object.__setattr__(self, "now", Present(self.callbacks, self.rest, self.streams))
