"""Who may come in by TCP, and as whom: TLS, tokens and certificates over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from agentic.v1 import call_service_pb2 as pb
from agentic.v1.call_service_pb2_grpc import CallServiceStub
from agenticd.adapters.rpc import tokens
from agenticd.adapters.rpc.server import RpcServer
from agenticd.adapters.rpc.shown import Tls
from tests.adapters.rpc.support import LedWatch, MemoryCalls, served
from tests.certificates import LOOPBACK, Certificate, authority, make

CREATED = "2026-11-29T03:00:00Z"
PLACE = pb.PlaceCallRequest(to_address="+15550002222", request_id="r")


@pytest.fixture
def calls() -> MemoryCalls:
    return MemoryCalls()


@pytest.fixture
def watch() -> LedWatch:
    return LedWatch()


@pytest.fixture(scope="module")
def ours() -> Certificate:
    return authority()


@pytest.fixture
def tls(tmp_path: Path, ours: Certificate) -> Tls:
    return Tls(*make("door", ours, hosts=LOOPBACK).write(tmp_path, "door"))


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


@asynccontextmanager
async def coming(
    server: RpcServer, trust: Certificate, shows: Certificate | None = None, index: int = 1
) -> AsyncIterator[Any]:
    """A client that comes by TLS."""
    pair = (shows.key, shows.pem) if shows is not None else (None, None)
    credentials = grpc.ssl_channel_credentials(trust.pem, *pair)
    # Each its own connection: what is shown is shown once.
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with aio.secure_channel(server.addresses[index], credentials, options=options) as plain:
        yield CallServiceStub(plain)


async def code(call: Any) -> grpc.StatusCode:
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    return caught.value.code()


def names(calls: MemoryCalls) -> list[str]:
    return [identity for _, identity in calls.orders]


async def test_whoever_comes_by_tls_needs_a_token_and_is_called_by_its_name(
    tmp_path: Path, calls: MemoryCalls, watch: LedWatch, tls: Tls, ours: Certificate
) -> None:
    file = tmp_path / "tokens"
    billing, desk = (tokens.create(file, name, CREATED) for name in ("billing", "desk"))
    async with (
        served(tmp_path, calls, watch, "127.0.0.1:0", tls=tls, tokens=file) as server,
        coming(server, ours) as stub,
    ):
        first = await stub.PlaceCall(PLACE, metadata=bearer(billing))
        second = await stub.PlaceCall(PLACE, metadata=bearer(desk))
        again = await stub.PlaceCall(PLACE, metadata=bearer(billing))
    assert names(calls) == ["token:billing", "token:desk", "token:billing"]
    assert first.call.call_id == again.call.call_id != second.call.call_id
    assert again.replayed
    assert not (tmp_path / "token").exists(), "the token of this machine is for plain TCP"
