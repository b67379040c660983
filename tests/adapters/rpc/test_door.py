"""Who may come in by TCP, and as whom: TLS, tokens and certificates over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st

from agentic.v1 import call_service_pb2 as pb
from agentic.v1.call_service_pb2_grpc import CallServiceStub
from agenticd.adapters.rpc import tokens
from agenticd.adapters.rpc.certificates import read_identity
from agenticd.adapters.rpc.door import bearer as one_token
from agenticd.adapters.rpc.door import certificate_name
from agenticd.adapters.rpc.listen import CannotListen
from agenticd.adapters.rpc.material import BadMaterial
from agenticd.adapters.rpc.server import RpcServer
from agenticd.adapters.rpc.shown import Tls
from tests.adapters.rpc.support import OPENED, LedWatch, MemoryCalls, channel, served, wire
from tests.certificates import CLIENT_ONLY, LOOPBACK, Certificate, authority, make

CREATED = "2026-11-29T03:00:00Z"
REFLECTION: Any = reflection_pb2_grpc.ServerReflectionStub
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


async def test_who_shows_a_certificate_needs_no_token(
    tmp_path: Path, calls: MemoryCalls, watch: LedWatch, tls: Tls, ours: Certificate
) -> None:
    by_name = make("billing", ours, hosts=["elsewhere"], usage=CLIENT_ONLY)
    by_host = make("", ours, hosts=["desk.internal", "other.internal"])
    door = Tls(tls.cert, tls.key, tmp_path / "clients.crt")
    assert door.client_ca is not None
    door.client_ca.write_bytes(ours.pem)
    file = tmp_path / "tokens"
    token = tokens.create(file, "billing", CREATED)
    with structlog.testing.capture_logs() as logs:
        async with served(tmp_path, calls, watch, "127.0.0.1:0", tls=door, tokens=file) as server:
            for shows in (by_name, by_host):
                async with coming(server, ours, shows) as stub:
                    await stub.PlaceCall(PLACE)
            async with coming(server, ours, make("", ours)) as stub:
                assert await code(stub.PlaceCall(PLACE)) is grpc.StatusCode.UNAUTHENTICATED
            for wrong in (None, make("billing", authority("another"))):
                async with coming(server, ours, wrong) as stub:
                    assert await code(stub.PlaceCall(PLACE, metadata=bearer(token))) is grpc.StatusCode.UNAVAILABLE
    assert names(calls) == ["certificate:billing", "certificate:desk.internal"]
    said = {entry["event"] for entry in logs}
    assert "tokens are not asked for where clients show certificates" in said


async def test_only_the_log_says_what_was_wrong_and_not_too_often(
    tmp_path: Path, calls: MemoryCalls, watch: LedWatch, tls: Tls, ours: Certificate
) -> None:
    file = tmp_path / "tokens"
    good = tokens.create(file, "billing", CREATED)
    with structlog.testing.capture_logs() as logs:
        async with (
            served(tmp_path, calls, watch, "127.0.0.1:0", tls=tls, tokens=file) as server,
            coming(server, ours) as stub,
        ):
            said = set()
            twice = (*bearer(good), *bearer(good))
            for metadata in ((), bearer(good + "x"), twice, *[bearer(f"0123456789ab.{'x' * 43}")] * 3):
                with pytest.raises(aio.AioRpcError) as caught:
                    await stub.PlaceCall(PLACE, metadata=metadata)
                assert wire(caught.value)[1].reason == "UNAUTHENTICATED"
                said.add(caught.value.details())
    assert len(said) == 1
    assert calls.orders == []
    refusals = [entry for entry in logs if entry["event"] == "an RPC was refused"]
    assert [(entry["why"], entry.get("kid")) for entry in refusals] == [
        ("no token", None), ("no token of ours", None), ("an unknown token", "0123456789ab"),
    ]  # fmt: skip
    assert good.partition(".")[2] not in repr(logs)
    assert "x" * 43 not in repr(logs)


async def test_what_is_renewed_holds_from_then_on(
    tmp_path: Path, calls: MemoryCalls, watch: LedWatch, tls: Tls, ours: Certificate
) -> None:
    watch.frames, watch.waits = [OPENED], True
    file = tmp_path / "tokens"
    gone, stays = tokens.create(file, "gone", CREATED), tokens.create(file, "stays", CREATED)
    async with (
        served(tmp_path, calls, watch, "127.0.0.1:0", tls=tls, tokens=file) as server,
        coming(server, ours) as stub,
    ):
        ending, going = (stub.StreamEvents(pb.StreamEventsRequest(), metadata=bearer(each)) for each in (gone, stays))
        for stream in (ending, going):
            assert (await stream.read()).HasField("opened")
        tokens.revoke(file, "gone")
        await stub.PlaceCall(PLACE, metadata=bearer(gone))
        successor = authority("its successor")
        make("door", successor, hosts=LOOPBACK).write(tmp_path, "door")
        server.renew(server.look())
        with pytest.raises(aio.AioRpcError) as ended:
            await ending.read()
        assert wire(ended.value)[1].reason == "UNAUTHENTICATED"
        assert await code(stub.PlaceCall(PLACE, metadata=bearer(gone))) is grpc.StatusCode.UNAUTHENTICATED
        await stub.PlaceCall(PLACE, metadata=bearer(stays))  # by the connection that there was
        async with coming(server, successor) as late:
            await late.PlaceCall(PLACE, metadata=bearer(stays))
        async with coming(server, ours) as late:
            assert await code(late.PlaceCall(PLACE, metadata=bearer(stays))) is grpc.StatusCode.UNAVAILABLE
        assert watch.count == 1
        going.cancel()


async def test_every_kind_of_stream_ends_with_its_token(
    tmp_path: Path, calls: MemoryCalls, watch: LedWatch, tls: Tls, ours: Certificate
) -> None:
    file = tmp_path / "tokens"
    metadata = bearer(tokens.create(file, "gone", CREATED))
    async with served(tmp_path, calls, watch, "127.0.0.1:0", tls=tls, tokens=file) as server:
        credentials = grpc.ssl_channel_credentials(ours.pem)
        async with aio.secure_channel(server.addresses[1], credentials) as plain:
            health: Any = health_pb2_grpc.HealthStub(plain)
            reflection = REFLECTION(plain)
            watching = health.Watch(health_pb2.HealthCheckRequest(), metadata=metadata)
            assert (await watching.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            asking = reflection.ServerReflectionInfo(metadata=metadata)
            await asking.write(reflection_pb2.ServerReflectionRequest(list_services=""))
            assert (await asking.read()).HasField("list_services_response")
            tokens.revoke(file, "gone")
            server.renew(server.look())
            for stream in (watching, asking):
                assert await stream.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_what_is_wrong_keeps_the_server_from_starting_and_leaves_nothing(
    tmp_path: Path, calls: MemoryCalls, watch: LedWatch, tls: Tls
) -> None:
    tls.key.chmod(0o644)
    with pytest.raises(BadMaterial, match=r"grpc\.tls\.key"):
        async with served(tmp_path, calls, watch, "127.0.0.1:0", tls=tls):
            pass
    assert not (tmp_path / "api.sock").exists()


async def test_plain_loopback_takes_its_own_token_and_named_ones(
    tmp_path: Path, calls: MemoryCalls, watch: LedWatch
) -> None:
    file = tmp_path / "tokens"
    billing = tokens.create(file, "billing", CREATED)
    async with served(tmp_path, calls, watch, "127.0.0.1:0", tokens=file) as server:
        own = (tmp_path / "token").read_text().strip()
        async with aio.insecure_channel(server.addresses[1]) as plain:
            for token in (own, billing):
                await CallServiceStub(plain).PlaceCall(PLACE, metadata=bearer(token))
        async with channel(tmp_path) as plain:
            await CallServiceStub(plain).PlaceCall(PLACE, metadata=bearer("whatever"))
    assert names(calls) == ["token", "token:billing", "socket"]


async def test_a_port_outside_loopback_is_not_opened_without_tls(
    tmp_path: Path, calls: MemoryCalls, watch: LedWatch
) -> None:
    with pytest.raises(CannotListen, match="without TLS"):
        async with served(tmp_path, calls, watch, "0.0.0.0:0"):
            pass


async def test_with_tls_every_address_is_opened(
    tmp_path: Path, calls: MemoryCalls, watch: LedWatch, tls: Tls, ours: Certificate
) -> None:
    file = tmp_path / "tokens"
    token = tokens.create(file, "billing", CREATED)
    async with served(tmp_path, calls, watch, "0.0.0.0:0", tls=tls, tokens=file) as server:
        port = server.addresses[1].rpartition(":")[2]
        credentials = grpc.ssl_channel_credentials(ours.pem)
        async with aio.secure_channel(f"127.0.0.1:{port}", credentials) as plain:
            await CallServiceStub(plain).PlaceCall(PLACE, metadata=bearer(token))


async def test_a_certificate_that_ends_soon_is_told_in_time(
    tmp_path: Path, calls: MemoryCalls, watch: LedWatch, tls: Tls
) -> None:
    tokens.create(tmp_path / "tokens", "billing", CREATED)
    until = read_identity(tls.cert, tls.key).until
    async with served(tmp_path, calls, watch, "127.0.0.1:0", tls=tls, tokens=tmp_path / "tokens") as server:
        assert server.warning(until - 15 * 86_400) == ""
        assert " ends on " in server.warning(until - 13 * 86_400)
        assert " ended on " in server.warning(until + 1)
    async with served(tmp_path, calls, watch) as server:
        assert server.warning(until + 1) == ""


# The header, from whoever sends it.

TOKEN = st.text(st.characters(codec="ascii", exclude_categories=("C", "Z")), min_size=1)


@given(st.lists(st.one_of(st.text(), st.binary()), max_size=3))
def test_whatever_is_sent_as_authorization_is_a_token_or_none(values: Sequence[str | bytes]) -> None:
    found = one_token(values)
    if found is None:
        return
    (value,) = values
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    assert text[7:] == found
    assert text[:7].lower() == "bearer "
    assert found.isascii()
    assert found.isprintable()
    assert " " not in found


@given(TOKEN, st.sampled_from(["Bearer", "bearer", "BEARER"]), st.booleans())
def test_a_bearers_token_is_found(token: str, scheme: str, encoded: bool) -> None:
    text = f"{scheme} {token}"
    assert one_token([text.encode() if encoded else text]) == token
    assert one_token([text, text]) is None, "which of the two?"
    spoiled_ones = (f"{scheme}{token}", f"{scheme}  {token}", f"{text} ", f" {text}", f"Basic {token}", token)
    for spoiled in spoiled_ones:
        assert one_token([spoiled]) != token


@given(
    st.dictionaries(
        st.sampled_from(["x509_common_name", "x509_subject_alternative_name", "x509_subject", "peer_dns"]),
        st.lists(st.binary(max_size=300), max_size=3),
    )
)
def test_a_certificates_name_is_its_own_or_none(auth: dict[str, list[bytes]]) -> None:
    name = certificate_name(auth)
    fields = ("x509_common_name", "x509_subject_alternative_name")
    candidates = [value for field in fields for value in auth.get(field, []) if value]
    assert name == (candidates[0].decode("utf-8", "replace")[:256] if candidates else "")
