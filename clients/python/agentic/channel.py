"""How both clients talk to a daemon: the channel's settings, and the credentials that go with each RPC."""

from __future__ import annotations

import json

import grpc
from grpc import aio

from agentic.target import Target

TIMEOUT = 10.0
"""Seconds that an answer may take, if nothing else is said."""

# Only what was surely not done, or is safe to repeat: every request is, PlaceCall by its request_id.
_SERVICE_CONFIG = {
    "methodConfig": [
        # A stream is asked for again by its follower, which knows where it stopped, and keeps RetryInfo.
        {"name": [{"service": "agentic.v1.CallService", "method": "StreamEvents"}]},
        {
            "name": [{"service": "agentic.v1.CallService"}, {"service": "agentic.v1.NodeService"}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        },
    ]
}
OPTIONS = (
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.enable_retries", 1),
    # The receiver's window decides how far a daemon runs ahead of a reader; the probe lets it grow to
    # megabytes.
    ("grpc.http2.bdp_probe", 0),
    # Not below the daemon's minimum of 10 s, or it ends the connection: ENHANCE_YOUR_CALM, "too_many_pings".
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # Channels of a process that look alike share connections, and with them each other's back-off.
    ("grpc.use_local_subchannel_pool", 1),
)
"""What a channel to agenticd should have; give it to your own, too."""


def credentials(target: Target) -> tuple[tuple[str, str], ...]:
    """The metadata of every RPC: the token, if the address needs one."""
    return (("authorization", f"Bearer {target.token}"),) if target.token else ()


def open_channel(target: Target) -> aio.Channel:
    """A channel to the target, for asyncio."""
    if target.tls is None:
        return aio.insecure_channel(target.address, options=OPTIONS)
    return aio.secure_channel(target.address, _of_tls(target), options=OPTIONS)


def open_sync_channel(target: Target) -> grpc.Channel:
    """A channel to the target, for threads."""
    if target.tls is None:
        return grpc.insecure_channel(target.address, options=OPTIONS)
    return grpc.secure_channel(target.address, _of_tls(target), options=OPTIONS)


def _of_tls(target: Target) -> grpc.ChannelCredentials:
    assert target.tls is not None
    return grpc.ssl_channel_credentials(target.tls.roots, target.tls.key, target.tls.cert)
