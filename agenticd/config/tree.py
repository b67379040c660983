"""The settings and all their defaults. Plain values; the adapters' Configs are built from them in app.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agenticd.config.secret import Secret
from agenticd.service.orders import AgentProfile

LogLevel = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Http:
    """Webhooks and media: the one public port. host:port; port 0 is any that is free."""

    listen: str = "127.0.0.1:8080"


@dataclass(frozen=True, slots=True)
class Admin:
    """/metrics, /healthz, /readyz. host:port."""

    listen: str = "127.0.0.1:9090"


@dataclass(frozen=True, slots=True)
class Tls:
    """What the API shows on TCP, in PEM files, and the authority of those who come, if they need certificates."""

    cert: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Grpc:
    """The API: unix:/path or address:port, outside loopback with TLS only. Default: agenticd.sock in the runtime
    directory. `tokens`: the file of `agenticd token`."""

    listen: tuple[str, ...]
    tls: Tls | None = None
    tokens: Path | None = None


@dataclass(frozen=True, slots=True)
class Twilio:
    """The carrier's account. `api_url` is the root before /2010-04-01, without a slash at its end."""

    account_sid: str
    auth_token: Secret
    from_number: str
    api_url: str = "https://api.twilio.com"
    calls_per_second: float = 1.0


@dataclass(frozen=True, slots=True)
class OpenAI:
    """The model's account; `?model=` is put behind `url`. The two models are for agents that name none."""

    api_key: Secret
    url: str = "wss://api.openai.com/v1/realtime"
    model: str = "gpt-realtime-2.1"
    transcription_model: str = "gpt-transcribe"


@dataclass(frozen=True, slots=True)
class Inbound:
    """What answers a call to one of our numbers."""

    agent: str


@dataclass(frozen=True, slots=True)
class Store:
    """The event log. Default path: agenticd.db in the state directory. `keep` in seconds, `keep_size` in bytes; None:
    no limit."""

    path: Path
    keep: float | None = 30 * 86400.0
    keep_size: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What the daemon takes upon itself. More calls are refused; live ones may go on for `drain_timeout` seconds
    when it is stopped."""

    max_calls: int = 500
    drain_timeout: float = 300.0


@dataclass(frozen=True, slots=True)
class Log:
    """What is logged. `pii`: whether phone numbers and what is said may be."""

    level: LogLevel = "info"
    pii: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration, checked.

    `agents` by name; an agent's defaults are AgentProfile's, its models those of `openai`.
    `inbound` by number in E.164; calls to other numbers are rejected. `node_id`: by default the host's name.
    """

    version: Literal[1] = 1
    public_url: str
    node_id: str
    http: Http = Http()
    admin: Admin = Admin()
    grpc: Grpc
    twilio: Twilio
    openai: OpenAI
    agents: Mapping[str, AgentProfile]
    inbound: Mapping[str, Inbound]
    store: Store
    limits: Limits = Limits()
    log: Log = Log()
